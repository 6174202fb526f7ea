"""Attempts of jobs as an operator reads them: what was asked, what came back, how long it took, what was decided, why.

The end of every attempt is one step, so the history is the journal of attempts, of jobs that are gone too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from processes.admin import curl, shown
from processes.models import ProcessInstance, Step

ENDS = ("CompleteJob", "FailJob", "ThrowError", "ExpireJob")
"""Commands that end an attempt."""
BY_HAND = ("user:", "command")
"""Who ends an attempt without having claimed the job."""
LONGEST_HEADERS = 100


def ends(instance: ProcessInstance) -> QuerySet[Step]:
    """The steps that ended attempts, newest first."""
    return instance.history.filter(command__in=ENDS).order_by("-number")


def shown_attempts(
    instance: ProcessInstance, steps: Sequence[Step], known: Mapping[int, str] | None = None
) -> list[dict[str, Any]]:
    """Ready to show; one query for the elements that they worked for, unless they are `known` by the keys of visits."""
    names = dict(known or {})
    keys = {step.node for step in steps if step.node} - names.keys()
    if keys:
        names |= dict(instance.nodes.filter(key__in=keys).order_by().values_list("key", "element_id"))
    return [_attempt(step, names) for step in steps]


def _attempt(step: Step, names: Mapping[int, str]) -> dict[str, Any]:
    facts = [fact for fact in step.facts or () if isinstance(fact, dict)]
    badge, why = _decision(facts)
    journal = dict(step.journal or {})
    request, response, timings = (_taken(journal, name) for name in ("request", "response", "timings"))
    return {
        "step": step,
        "element": names.get(step.node or 0, ""),
        "attempt": next((fact["attempt"] for fact in facts if "attempt" in fact), None),
        "decision": badge,
        "why": why,
        "by_hand": step.by.startswith(BY_HAND),
        "took": _took(journal, timings),
        "request": _message(request),
        "response": _message(response),
        "status": response.get("status", ""),
        "curl": curl.command(request),
        "hints": curl.hints(request),
        "rest": shown.json_text(rest) if (rest := {name: told for name, told in journal.items() if told}) else "",
    }


def _taken(journal: dict[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the journal, taken out of it where it is an object."""
    return journal.pop(name) if isinstance(journal.get(name), Mapping) else {}


def _decision(facts: Iterable[Mapping[str, Any]]) -> tuple[Any, str]:
    """What was decided of an attempt, and why."""
    badge: Any = shown.badge("ENDED")
    why: list[str] = []
    for fact in facts:
        match fact.get("fact"):
            case "JobCompleted":
                badge = shown.badge("COMPLETED")
            case "JobFailed" if fact.get("due_at"):
                due_at = parse_datetime(str(fact["due_at"]))
                badge = shown.badge("SUSPENDED", "Tried again")
                when = f"{due_at:%Y-%m-%d %H:%M:%S}" if due_at else "later"
                why += [str(fact.get("message", "")), f"Next try at {when}, {fact.get('retries')} left."]
            case "JobFailed":
                badge = shown.badge("FAILED", "Given up")
                why += [str(fact.get("message", "")), "No try was left: an incident."]
            case "JobErrorThrown":
                badge = shown.badge("ERROR", f"Error {fact.get('code')}")
                why.append(str(fact.get("message", "")))
            case "ErrorThrown":
                why.append(f"{fact['catcher']} caught it." if fact.get("catcher") else "Nobody catches it.")
            case "IncidentRaised":
                if "No try was left: an incident." not in why:
                    why.append(f"Incident: {fact.get('message', '')}")
    return badge, "\n".join(line for line in why if line)


def _took(journal: dict[str, Any], timings: Mapping[str, Any]) -> str:
    """How long it took, and how long of that until the answer began."""
    whole = timings.get("total", journal.pop("seconds", None))
    if not _is_number(whole):
        return ""
    first = timings.get("headers")
    said = shown.seconds(whole)
    return f"{said}, {shown.seconds(first)} until the answer began" if _is_number(first) else said


def _is_number(value: Any) -> TypeGuard[float]:
    return value is not None and not isinstance(value, bool | str | Mapping | list)


def _message(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """A request or response: its first line, its headers, its body, and whatever else there is."""
    if not part:
        return None
    rest = dict(part)
    first = " ".join(str(rest.pop(name)) for name in ("method", "url", "status", "reason") if rest.get(name))
    headers, body = rest.pop("headers", None), rest.pop("body", None)
    size = rest.pop("bytes", None)
    pairs = list(headers.items())[:LONGEST_HEADERS] if isinstance(headers, Mapping) else []
    return {
        "first": first,
        "headers": [(name, ", ".join(map(str, value)) if isinstance(value, list) else value) for name, value in pairs],
        "body": body if isinstance(body, str) else "" if body is None else shown.json_text(body),
        "bytes": size,
        "rest": shown.json_text(rest) if rest else "",
    }
