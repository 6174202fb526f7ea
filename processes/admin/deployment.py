"""The deploy page: files go in; out comes a report with every finding on the drawing, or versions.

Checked files are held in the page itself, byte for byte, so that what was looked at is what is deployed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from processes.admin.base import ask, reason_of, who
from processes.admin.drawing import drawing_of_file
from processes.admin.forms import DeployForm
from processes.runtime import ModelInvalid, Problem, deployments
from processes.runtime.deployments import File, Verdict
from processes.runtime.drawings import Note

LONGEST_LINE = 160
MOST_WARNINGS = 10
MOST_HELD = 3 * 1024 * 1024
"""Bytes of checked files that the page holds; larger ones are chosen again."""
MOST_DRAWN = 10
"""Drawings on one report."""
WORDS = {"error": "!", "warning": "?"}


@dataclass(frozen=True)
class Finding:
    """A problem with the line of the file that it speaks of."""

    problem: Problem
    source: str

    @property
    def severity(self) -> str:
        return str(self.problem.severity.value)


@dataclass(frozen=True)
class Report:
    """What is said of one file."""

    verdict: Verdict
    findings: list[Finding]
    drawing: SafeString | None

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors


def deploy_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponseBase:
    posted = request.method == "POST"
    files = _held(request) if posted else []
    form = DeployForm(request.POST if posted and not files else None, request.FILES if posted and not files else None)
    reports: list[Report] = []
    status = None
    if posted and not files and form.is_valid():
        files = form.files_given()
    if files:
        verdicts = deployments.check(files)
        verb = request.POST.get("verb", "deploy")
        valid = all(verdict.valid for verdict in verdicts)
        warned = any(verdict.problems for verdict in verdicts)
        if valid and (verb == "deploy-anyway" or (verb == "deploy" and not warned)):
            deployed = _deploy(request, files)
            if deployed is not None:
                return _tell(request, deployed)
            verdicts = deployments.check(files)
        reports = [_report(verdict, number < MOST_DRAWN) for number, verdict in enumerate(verdicts)]
        status = None if all(verdict.valid for verdict in verdicts) else 422
    shown = {
        "title": "Deploy processes and decisions",
        "form": form,
        "reports": reports,
        "findings": [finding for report in reports for finding in report.findings],
        "valid": bool(reports) and status is None,
        "warned": any(report.warnings for report in reports),
        "held": _to_hold(files) if reports and status is None else [],
        "reason": reason_of(request),
    }
    return TemplateResponse(request, "processes/deploy.html", {**context, **shown}, status=status)


def _deploy(request: HttpRequest, files: Sequence[File]) -> Sequence[Any] | None:
    """None where it was refused after all: somebody may have deleted what it needs meanwhile."""
    try:
        return ask(request, lambda: deployments.deploy(files, by=who(request), reason=reason_of(request)))
    except ModelInvalid:
        return None


def _to_hold(files: Sequence[File]) -> list[tuple[str, str]]:
    if sum(len(file.content) for file in files) > MOST_HELD:
        return []
    return [(file.name, base64.b64encode(file.content).decode()) for file in files]


def _held(request: HttpRequest) -> list[File]:
    """The files that a report held; none where something else was posted."""
    names, contents = request.POST.getlist("held_name"), request.POST.getlist("held_content")
    try:
        return [
            File(name[:255], base64.b64decode(text, validate=True)) for name, text in zip(names, contents, strict=True)
        ]
    except (ValueError, binascii.Error):
        return []


def _report(verdict: Verdict, draw: bool) -> Report:
    findings = with_source(verdict.problems, verdict.file.content)
    drawing = drawing_of_file(verdict.file.content, verdict.file.name, marked(verdict.problems)) if draw else None
    return Report(verdict, findings, drawing)


def marked(problems: Iterable[Problem]) -> dict[str, Note]:
    """What is wrong with each element, on the drawing: the worst of it by its sign, and all of it in words."""
    by_element: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.element:
            by_element.setdefault(problem.element, []).append(problem)
    notes = {}
    for element, some in by_element.items():
        worst = min((str(problem.severity.value) for problem in some), key=["error", "warning"].index)
        words = "; ".join(f"{problem.severity.value}: {problem.message}" for problem in some)
        notes[element] = Note((f"finding-{worst}",), WORDS[worst], words)
    return notes


def with_source(problems: Iterable[Problem], document: bytes) -> list[Finding]:
    """The problems with the lines that they speak of, cut to a readable length."""
    lines = document.decode("utf-8", "replace").splitlines()

    def source(number: int) -> str:
        line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"

    return [Finding(problem, source(problem.line)) for problem in problems]


def _tell(request: HttpRequest, deployed: Sequence[Any]) -> HttpResponseBase:
    processes = [one for each in deployed for one in each.definitions]
    decisions = [one for each in deployed for one in each.decisions]
    for one in (*processes, *decisions):
        if one.created:
            messages.success(request, f"{one.definition} was deployed.")
        else:
            messages.info(request, f"Nothing new: {one.definition} already holds this content.")
    warnings = [warning for each in deployed for warning in each.warnings]
    for warning in warnings[:MOST_WARNINGS]:
        messages.warning(request, f"{warning}")
    if len(warnings) > MOST_WARNINGS:
        messages.warning(request, f"{len(warnings) - MOST_WARNINGS} more warnings.")
    if len(processes) == 1:
        return redirect("admin:processes_processdefinition_change", processes[0].definition.pk)
    if len(decisions) == 1 and not processes:
        return redirect("admin:processes_decisiondefinition_change", decisions[0].definition.pk)
    kind = "processdefinition" if processes else "decisiondefinition"
    return redirect(f"admin:processes_{kind}_changelist")
