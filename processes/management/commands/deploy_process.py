"""Deploy BPMN and DMN files: all of them or none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from processes.management.arguments import add_reason
from processes.management.door import Door, by, failed
from processes.runtime import ModelInvalid, Problem, definitions, deployments
from processes.runtime.deployments import File

STDIN = "-"


class Command(Door):
    help = (
        "Deploys BPMN and DMN files: all of them or none. Every problem is printed as file:line: element: reason. "
        "Content that is deployed already does not become a new version."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true", help="say what deploying would say, change nothing")
        parser.add_argument("files", nargs="+", metavar="FILE", help="a BPMN or DMN file; - reads the standard input")
        add_reason(parser)

    def handle(self, *, files: list[str], as_json: bool, check: bool = False, reason: str = "", **options: Any) -> None:
        documents = [(_name(file), _read(file)) for file in files]
        if check:
            self._check([File(name, document) for name, document in documents], as_json)
            return
        deployed: list[dict[str, Any]] = []
        problems: list[tuple[str, Problem]] = []
        warnings: list[tuple[str, Problem]] = []
        broken = 0
        with transaction.atomic():
            for name, document in documents:
                try:
                    deployment = definitions.deploy(document, resource=Path(name).name, by=by(), reason=reason)
                except ModelInvalid as invalid:
                    broken += 1
                    problems += [(name, problem) for problem in invalid.problems]
                else:
                    warnings += [(name, warning) for warning in deployment.warnings]
                    deployed += [_row(name, one) for one in deployment.definitions]
                    deployed += [_decision_row(name, one) for one in deployment.decisions]
            if broken:
                transaction.set_rollback(True)
        if broken:
            deployed = []
        if as_json:
            findings = [_finding(name, problem) for name, problem in problems + warnings]
            self.json({"deployed": deployed, "problems": findings})
        else:
            for name, problem in problems + warnings:
                self.stderr.write(problem_line(name, problem), ending="\n")
            for row in deployed:
                how = "deployed" if row["created"] else "unchanged"
                self.say(f"{row['file']}: {row.get('process_id') or row['decision_id']} v{row['version']} {how}")
        if broken:
            raise failed(f"Nothing was deployed: {broken} of {len(documents)} files cannot be executed.")

    def _check(self, files: list[File], as_json: bool) -> None:
        verdicts = deployments.check(files)
        broken = sum(not verdict.valid for verdict in verdicts)
        findings = [(verdict.file.name, problem) for verdict in verdicts for problem in verdict.problems]
        if as_json:
            expected = [
                {"file": verdict.file.name, f"{one.kind}_id": one.id, "version": one.version, "created": one.created}
                for verdict in verdicts
                for one in verdict.expected
            ]
            self.json({"expected": expected, "problems": [_finding(name, problem) for name, problem in findings]})
        else:
            for name, problem in findings:
                self.stderr.write(problem_line(name, problem), ending="\n")
            for verdict in verdicts:
                for one in verdict.expected:
                    how = "would be deployed" if one.created else "is deployed already"
                    self.say(f"{verdict.file.name}: {one.id} v{one.version} {how}")
        if broken:
            raise failed(f"{broken} of {len(files)} files cannot be executed.")


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise failed(f"Expected to read {file} but: {error.strerror}") from None


def _name(file: str) -> str:
    return "stdin.bpmn" if file == STDIN else file


def _row(name: str, deployed: Any) -> dict[str, Any]:
    definition = deployed.definition
    return {
        "file": name,
        "process_id": definition.process_id,
        "version": definition.version,
        "id": definition.pk,
        "created": deployed.created,
    }


def _decision_row(name: str, deployed: Any) -> dict[str, Any]:
    definition = deployed.definition
    return {
        "file": name,
        "decision_id": definition.decision_id,
        "version": definition.version,
        "id": definition.pk,
        "created": deployed.created,
    }


def _finding(name: str, problem: Problem) -> dict[str, Any]:
    return {
        "file": name,
        "line": problem.line,
        "element": problem.element,
        "severity": problem.severity.value,
        "rule": problem.rule,
        "message": problem.message,
    }


def problem_line(name: str, problem: Problem) -> str:
    """``file:line: severity: element: reason``, as compilers write, so that editors find the place."""
    element = f"{problem.element}: " if problem.element else ""
    return f"{name}:{problem.line}: {problem.severity.value}: {element}{problem.message} [{problem.rule}]"
