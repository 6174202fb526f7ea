"""Several files at once: what deploying them would make of them, and deploying all of them or none.

Checking and deploying read a file with the same code, so that the verdict is the same; only deploying writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from processes.engine import dmn
from processes.engine.errors import ModelInvalid, Problem, Severity
from processes.engine.parser import parse
from processes.engine.process import Model
from processes.models import DecisionDefinition, ProcessDefinition
from processes.runtime import checks, decisions, definitions
from processes.runtime.definitions import Deployment


@dataclass(frozen=True, slots=True)
class File:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """What deploying a file would make: the version that a process or decision would have, and whether it is new."""

    kind: str
    """``process`` or ``decision``."""
    id: str
    name: str
    version: int
    created: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would come of a file. `problems` with warnings, in the order of its lines; a file with errors is refused."""

    file: File
    expected: tuple[Expected, ...]
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        return all(problem.severity is not Severity.ERROR for problem in self.problems)


def check(files: Sequence[File]) -> tuple[Verdict, ...]:
    """What deploying these files together would say of each. Changes nothing."""
    read = [_read(file) for file in files]
    here = {process.id for model, _ in read if isinstance(model, Model) for process in model.processes}
    versions: dict[tuple[str, str], tuple[int, str]] = {}
    verdicts = []
    for file, (model, problems) in zip(files, read, strict=True):
        if isinstance(model, Model):
            problems = (*problems, *definitions.unknown_calls(model, also=here))
        expected = tuple(_expected(model, file, versions)) if model is not None else ()
        verdicts.append(Verdict(file, expected, tuple(sorted(problems, key=lambda problem: problem.line))))
    return tuple(verdicts)


def deploy(files: Sequence[File], *, by: str = "", reason: str = "") -> tuple[Deployment, ...]:
    """Deploy all files or none. Raises `ModelInvalid` with the problems of the first that is refused."""
    with transaction.atomic():
        return tuple(definitions.deploy(file.content, resource=file.name, by=by, reason=reason) for file in files)


def _read(file: File) -> tuple[Model | dmn.DecisionModel | None, tuple[Problem, ...]]:
    try:
        if decisions.is_dmn(file.content):
            decided = dmn.parse(file.content)
            return decided, tuple(decided.warnings)
        model = parse(file.content)
        definitions.begun_by(model)
    except ModelInvalid as invalid:
        return None, invalid.problems
    return model, (*model.warnings, *checks.findings(model))


def _expected(
    model: Model | dmn.DecisionModel, file: File, versions: dict[tuple[str, str], tuple[int, str]]
) -> list[Expected]:
    """`versions` are the latest ones with their digests, as the files before leave them."""
    digest = hashlib.sha256(file.content).hexdigest()
    if isinstance(model, Model):
        kind, found = "process", [(process.id, process.name) for process in model.processes]
    else:
        kind, found = "decision", [(decision.id, decision.name) for decision in model.decisions.values()]
    expected = []
    for id, name in found:
        latest, known = versions.get((kind, id)) or _latest(kind, id)
        created = known != digest
        version = latest + created
        versions[kind, id] = (version, digest)
        expected.append(Expected(kind, id, name, version, created))
    return expected


def _latest(kind: str, id: str) -> tuple[int, str]:
    rows = (
        ProcessDefinition.objects.filter(process_id=id)
        if kind == "process"
        else DecisionDefinition.objects.filter(decision_id=id)
    )
    return rows.order_by("-version").values_list("version", "digest").first() or (0, "")
