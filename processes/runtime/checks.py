"""The port through which those who know the world look at a model before it is deployed. Named in the settings.

A check may find that a service has no such operation, and the modeller is warned. It never stands in the way: what it
finds are warnings, what goes wrong with it is no matter of the model, and all checks together have `SECONDS`. What our
own rows know of a model, whether its connections are there, is looked up here.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from processes.engine.errors import IncidentKind, Problem, ProcessFault, Severity
from processes.engine.job_task import JobTask
from processes.engine.mapping import Overlay, mapped
from processes.engine.process import Model
from processes.models import Connection
from processes.runtime.gate import connection_of

logger = logging.getLogger(__name__)

SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A task whose work is a job, as far as it is known before anything runs."""

    process_id: str
    element_id: str
    type: str
    headers: Mapping[str, str]
    inputs: Mapping[str, Any]
    """Mapped inputs that need no variable; of contexts, the fields, null where they need one."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is worth a warning. `rule` is stable and meant for programs."""

    element_id: str
    rule: str
    message: str


class Check(Protocol):
    def __call__(self, tasks: Sequence[DrawnTask], seconds: float) -> Iterable[Finding]: ...


def findings(model: Model) -> tuple[Problem, ...]:
    """What the checks of the settings find in a model. Never raises, and never takes much longer than `SECONDS`."""
    unknown = _unknown_connections(model)
    paths: Sequence[str] = settings.ORCHESTRATOR.get("DEPLOY_CHECKS", ())
    tasks = _tasks(model, timezone.now()) if paths else []
    if not tasks:
        return unknown
    found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()
    until = time.monotonic() + SECONDS
    # A check that hangs is left behind, for it cannot be stopped.
    threading.Thread(target=_run, args=(paths, tasks, until, found), name="deploy checks", daemon=True).start()
    lines = {task.element_id: task.line for task in tasks}
    problems: list[Problem] = []
    while True:
        try:
            finding = found.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            logger.debug("The deploy checks took longer than %.1f s", SECONDS)
            break
        if finding is None:
            break
        line = lines.get(finding.element_id, 0)
        problems.append(Problem(finding.rule, finding.message, line, finding.element_id, Severity.WARNING))
    return (*unknown, *problems)


def _unknown_connections(model: Model) -> tuple[Problem, ...]:
    """Tasks whose header `connection` names none. It may be made later; until then their jobs end as incidents."""
    tasks = [
        (node, name)
        for process in model.processes
        for node in process.nodes.values()
        if isinstance(node, JobTask) and (name := connection_of(node.headers))
    ]
    if not tasks:
        return ()
    known = set(Connection.objects.filter(name__in={name for _, name in tasks}).values_list("name", flat=True))
    return tuple(
        Problem(
            "connection-unknown",
            f"Expected a connection named '{name}' but found none",
            node.line,
            node.id,
            Severity.WARNING,
        )
        for node, name in tasks
        if name not in known
    )


def _run(
    paths: Sequence[str], tasks: Sequence[DrawnTask], until: float, found: queue.SimpleQueue[Finding | None]
) -> None:
    for path in paths:
        try:
            check: Check = import_string(path)
            for finding in check(tasks, max(0.0, until - time.monotonic())):
                found.put(finding)
        except Exception:
            logger.debug("The deploy check %s failed", path, exc_info=True)
    found.put(None)


def _tasks(model: Model, at: datetime) -> list[DrawnTask]:
    return [
        DrawnTask(process.id, node.id, node.type.text, node.headers, _known_inputs(node, at), node.line)
        for process in model.processes
        for node in process.nodes.values()
        if isinstance(node, JobTask) and node.type.code is None
    ]


def _known_inputs(task: JobTask, at: datetime) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for mapping in task.inputs:
        try:
            known |= mapped((mapping,), Overlay(known, {}), at, IncidentKind.INPUT_MAPPING, base=known)
        except ProcessFault:
            continue  # it needs a variable
    return {name: value for name, value in known.items() if value is not None}
