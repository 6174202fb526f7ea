"""Two versions side by side: what differs, on both drawings, in a table, and in the text of the files."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse

from processes.admin.drawing import drawing_of
from processes.models import ProcessDefinition
from processes.runtime import ModelInvalid, Rejected, comparisons
from processes.runtime.comparisons import ElementChange
from processes.runtime.drawings import Note

SYMBOLS = {"added": "+", "removed": "\N{MINUS SIGN}", "changed": "\N{TILDE OPERATOR}", "moved": "\N{LEFT RIGHT ARROW}"}
MOST_VERSIONS = 100
LONGEST_TEXT = 200_000
"""Characters of the difference of the files that the page shows."""


def compare_view(request: HttpRequest, definition: ProcessDefinition, context: dict[str, Any]) -> HttpResponseBase:
    """From the version in ``with``, the one before unless it says, to this one."""
    versions = ProcessDefinition.objects.filter(process_id=definition.process_id).defer("xml").order_by("-version")
    other = _other(request, definition)
    elements: tuple[ElementChange, ...] = ()
    if other is not None:
        try:
            elements = comparisons.of_versions(other, definition).elements
        except (ModelInvalid, Rejected) as error:
            messages.error(request, f"Not compared: {error}")
    marked = {change.id: _note(change) for change in elements}
    gone = {change.id for change in elements if change.kind == "removed"}
    old = {id: note for id, note in marked.items() if id in gone or note.classes[0] != "diff-added"}
    new = {id: note for id, note in marked.items() if id not in gone}
    text = comparisons.text_difference(other, definition) if other is not None else ""
    shown = {
        "title": f"Compare {definition}" if other is None else f"{other} and {definition}",
        "definition": definition,
        "other": other,
        "versions": list(versions.exclude(pk=definition.pk)[:MOST_VERSIONS]),
        "changes": [(change, SYMBOLS[change.kind], _rows(change)) for change in elements],
        "counts": [(SYMBOLS[kind], kind, sum(change.kind == kind for change in elements)) for kind in SYMBOLS],
        "old_drawing": drawing_of(other, notes=old) if other is not None else None,
        "new_drawing": drawing_of(definition, notes=new),
        "text": None if text is None else _lines(text[:LONGEST_TEXT]),
    }
    return TemplateResponse(request, "processes/definition_compare.html", {**context, **shown})


def _other(request: HttpRequest, definition: ProcessDefinition) -> ProcessDefinition | None:
    asked = request.GET.get("with", "")
    if asked.isdecimal():
        found = ProcessDefinition.objects.filter(pk=min(int(asked), 2**63 - 1)).first()
        if found is None:
            messages.error(request, f"Expected definition {asked} to exist but it does not.")
        return found
    earlier = ProcessDefinition.objects.filter(process_id=definition.process_id, version__lt=definition.version)
    return earlier.order_by("-version").first()


def _note(change: ElementChange) -> Note:
    words = "; ".join(f"{one.what}: {_said(one.old)} to {_said(one.new)}" for one in change.changes)
    symbol = SYMBOLS[change.kind]
    sentence = f"{change.kind}: {words}" if words else str(change.kind)
    return Note((f"diff-{change.kind}",), symbol, sentence)


def _said(value: str | None) -> str:
    return "nothing" if value is None else f"'{value}'"


def _rows(change: ElementChange) -> list[tuple[str, str | None, str | None]]:
    rows: list[tuple[str, str | None, str | None]] = [(one.what, one.old, one.new) for one in change.changes]
    return [*rows, ("place in the drawing", None, None)] if change.moved else rows


def _lines(text: str) -> list[tuple[str, str]]:
    """The lines of a unified difference, each with the word for how it looks."""
    words = {"+": "line-added", "-": "line-removed", "@": "line-place"}
    return [(words.get(line[:1], "line-same"), line) for line in text.splitlines()]
