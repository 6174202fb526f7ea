"""The history of an instance for other tools, as pieces of text that are written while they are read: however long it
is, no more than a few steps of it are in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import simplejson

from processes.models import ProcessInstance, Step
from processes.runtime import payload

AT_ONCE = 200
"""Steps that are read at a time."""

COLUMNS = ("step", "at", "by", "command", "fact", "element", "key", "details")


def history_json(instance: ProcessInstance, *, values: bool = True) -> Iterator[str]:
    """One array of steps, oldest first; a step has a line of its own. Without `values`, null stands in their place."""
    before = "[\n"
    for step in _steps(instance):
        shown = {
            "number": step.number,
            "command": step.command,
            "by": step.by,
            "at": step.at.isoformat(),
            "node": step.node,
            "reason": step.reason,
            "facts": step.facts if values else payload.without(step.facts),
            "journal": step.journal if values else None,
            "hidden": [] if values else ["facts", "journal"],
        }
        yield before + _dumps(shown)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def history_csv(instance: ProcessInstance, *, values: bool = True) -> Iterator[str]:
    """RFC 4180, a line for every fact; what a worker told of an attempt is a line with the fact ``Journal``."""
    yield _line(COLUMNS)
    for step in _steps(instance):
        start = (step.number, step.at.isoformat(), step.by, step.command)
        for fact in step.facts if values else payload.without(step.facts):
            details = {name: value for name, value in fact.items() if name not in ("fact", "element", "key")}
            yield _line((*start, fact["fact"], fact.get("element", ""), fact.get("key", ""), _dumps(details)))
        if step.journal is not None and values:
            yield _line((*start, "Journal", "", step.node, _dumps(step.journal)))


def _steps(instance: ProcessInstance) -> Iterator[Step]:
    return Step.objects.filter(instance=instance).order_by("number").iterator(AT_ONCE)


def _dumps(value: Any) -> str:
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False)


def _line(cells: tuple[Any, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    """Names come from strangers, and a spreadsheet would carry out what looks like a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
