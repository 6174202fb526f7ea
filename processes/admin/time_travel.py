"""An instance as it was after one of its steps: the drawing, the variables of every scope, and what the step did."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString, mark_safe

from processes.admin import shown
from processes.admin.base import may_see_payload
from processes.admin.history import told
from processes.admin.timeline import parse_moment
from processes.models import ProcessDefinition, ProcessInstance, Step
from processes.runtime import Rejected, drawings, past
from processes.runtime.past import Past

log = logging.getLogger(__name__)

MOST = 50
"""Scopes, and things that are waited for."""


def page(request: HttpRequest, row: ProcessInstance, context: dict[str, Any]) -> HttpResponseBase:
    """The page; for htmx the fragment that changes from step to step."""
    number = _number(request, row)
    told_of_it = _told(row, number, may_see_payload(request))
    context |= {"title": f"Time travel of {row}", "tab": "past", "number": number, "last": row.steps, **told_of_it}
    fragment = bool(request.headers.get("HX-Request"))
    response = TemplateResponse(request, "processes/_past.html" if fragment else "processes/time_travel.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _number(request: HttpRequest, row: ProcessInstance) -> int:
    """The step that is asked for, by its number or by a moment; else the last one."""
    asked = request.GET.get("step", "")
    if asked.isdecimal():
        return max(1, min(int(asked[:18]), row.steps))
    at = parse_moment(request.GET.get("at", ""))
    if at is not None:
        found = row.history.filter(at__lte=at).order_by("-number").values_list("number", flat=True).first()
        return found or 1
    return row.steps


def _told(row: ProcessInstance, number: int, may_see: bool) -> dict[str, Any]:
    href = reverse("admin:processes_processinstance_past", args=[row.pk])
    step = row.history.filter(number=number).first()
    context: dict[str, Any] = {
        "href": href,
        "previous": number - 1 if number > 1 else None,
        "next": number + 1 if number < row.steps else None,
        "loud": _loud(row, number),
        "may_see_payload": may_see,
        "steps": told(row, [step], may_see_payload=may_see) if step else [],
        "problem": "" if step else f"Step {number} is not in the history any more.",
    }
    if step is None:
        return context
    try:
        then = past.after(row, number)
    except Rejected as rejection:
        return {**context, "problem": f"{rejection}. What the step did is below; the state after it is not shown."}
    return {**context, **_state(row, then, step, may_see)}


def _loud(row: ProcessInstance, number: int) -> dict[str, int | None]:
    """The incidents before and after, to jump to: numbers of steps that raised one."""
    raised = row.history.filter(number__gt=number, command__in=TROUBLE).order_by("number")
    before = row.history.filter(number__lt=number, command__in=TROUBLE).order_by("-number")
    return {
        "next": raised.values_list("number", flat=True).first(),
        "previous": before.values_list("number", flat=True).first(),
    }


TROUBLE = ("FailJob", "ExpireJob", "ThrowError", "RaiseIncident", "FailCall", "ThrowCallError")
"""Commands that say that something went wrong."""


def _state(row: ProcessInstance, then: Past, step: Step, may_see: bool) -> dict[str, Any]:
    definition, known = _definition(row, then.number)
    instance = then.instance
    changed = _changed(step.facts)
    names = {key: f"{node.element} ({key})" for key, node in instance.nodes.items()}
    holders = [(0, "The process", instance.variables)]
    holders += [(key, names[key], node.variables) for key, node in sorted(instance.nodes.items()) if node.variables]
    waits = [_wait(wait, names) for wait in sorted(instance.waits.values(), key=lambda wait: wait.key)]
    waits = [wait for wait in waits if wait]
    return {
        "state": shown.badge(instance.state.value),
        "places": shown.elements(dict(list(then.active.items())[:MOST])),
        "drawing": _drawing(definition, then, str(row)),
        "definition": definition,
        "definition_known": known,
        "moved": definition.pk != row.definition_id,
        "scopes": [
            {"name": name, "variables": shown.json_text(variables), "changed": ", ".join(sorted(changed.get(key, ())))}
            for key, name, variables in (holders[:MOST] if may_see else ())
        ],
        "more_scopes": max(0, len(holders) - MOST),
        "waits": waits[:MOST],
        "more_waits": max(0, len(waits) - MOST),
        "tokens": sorted({token.flow for token in instance.tokens.values()})[:MOST],
    }


def _drawing(definition: ProcessDefinition, then: Past, title: str) -> SafeString | None:
    try:
        # The pencil escapes every id and name that it writes.
        return mark_safe(drawings.drawing_then(definition, then, title=f"{title} after step {then.number}"))
    except Exception:  # a drawing is decoration: log our bug and show the rest of the page
        log.exception("Expected to draw definition %s but the drawing failed", definition.pk)
        return None


def _definition(row: ProcessInstance, number: int) -> tuple[ProcessDefinition, bool]:
    """The definition of then, and whether it is known for sure."""
    key = past.definition_after(row, number)
    if key == row.definition_id or key is None:
        return row.definition, key is not None
    return ProcessDefinition.objects.filter(pk=key).first() or row.definition, True


def _changed(facts: Iterable[Mapping[str, Any]]) -> dict[int, set[str]]:
    """The names that a step set, by scope."""
    found: dict[int, set[str]] = {}
    for fact in facts:
        if fact.get("fact") in ("InstanceStarted", "VariablesSet", "NodeActivated", "RoundBegan"):
            found.setdefault(fact.get("scope", fact.get("node", 0)), set()).update(fact.get("variables") or ())
    return found


def _wait(wait: Any, names: Mapping[int, str]) -> tuple[str, str, str] | None:
    """What, where and how, of what was waited for; what can be undone is not."""
    kind = type(wait).__name__
    where = names.get(wait.node, "The process") if wait.node else "The process"
    if kind == "Job":
        held = "parked" if wait.state.value == "FAILED" else f"due {wait.due_at:%Y-%m-%d %H:%M:%S}"
        tries = "1 try" if wait.retries == 1 else f"{wait.retries} tries"
        return "Job", where, f"{wait.type}, {tries} left, {held}"
    if kind == "Timer":
        return "Timer", where, f"{wait.element}, due {wait.due_at:%Y-%m-%d %H:%M:%S}"
    if kind == "MessageSubscription":
        return "Message", where, f"{wait.name} with the key “{wait.correlation_key}”"
    if kind == "SignalSubscription":
        return "Signal", where, wait.name
    if kind == "Condition":
        return "Condition", where, wait.expression
    if kind == "Call":
        return "Called process", where, wait.process
    if kind == "Incident":
        return "Incident", where, wait.message[:1000]
    return None
