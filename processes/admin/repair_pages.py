"""The verbs that have a page: what is shown before, which form, and what is asked of the runtime.

Each looks its part up first, by the key that the link had. Where it is over by then, `Gone` says so and nothing is
done; what moves between the look and the deed is refused by the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.utils.html import format_html

from processes.admin import repair_forms as f
from processes.admin import repair_targets as targets
from processes.admin import shown
from processes.models import ProcessInstance
from processes.runtime import by_hand, incidents, modifications

LONGEST_EDIT = 20_000
"""Characters of variables that are put into a form as a whole."""


class Gone(Exception):
    """What the page is about is over."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is told of the part, and how the form begins."""

    facts: list[tuple[str, Any]] = field(default_factory=list)
    initial: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    """Query and label of the same page about something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPage:
    title: str
    text: str
    button: str
    form: type[forms.Form]
    prepare: Callable[[ProcessInstance, Mapping[str, Any], bool], Prepared]
    """The instance, what the link or form says, and whether variables may be shown."""
    do: Callable[[ProcessInstance, Any, str], int | None]
    """Asks the runtime; the form is valid, the last is who asks. The new instance, where it makes one."""
    said: str
    danger: bool = False


def _key(data: Mapping[str, Any], name: str) -> int:
    text = str(data.get(name, ""))
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Gone(f"Expected the {name} to be named by a number")
    return int(text)


def _part(parts: Any, data: Mapping[str, Any], name: str) -> Any:
    key = _key(data, name)
    part = parts.filter(key=key).first() if key < 2**31 else None
    if part is None:
        raise Gone(f"Expected {name} {key} to be there but found none: the instance moved meanwhile")
    return part


def _element(id: str) -> Any:
    return format_html('<code class="element">{}</code>', id)


def _job(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    job = _part(row.jobs, data, "job")
    facts = [("Job", job.type), ("Element", _element(job.element_id)), ("State", shown.badge(job.state))]
    facts.append(("Attempt", f"{job.attempt}, {job.retries} tries left"))
    if job.lease_until is not None:
        facts.append(("Held by", format_html("{} until {}", job.worker, shown.stamp(job.lease_until))))
    if job.error_message:
        facts.append(("Last error", job.error_message[:1000]))
    return Prepared(facts, {"job": job.key, "attempt": job.attempt})


def _throwing(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    prepared = _job(row, data, payload)
    codes = targets.caught_codes(row)
    prepared.facts.append(("Codes that the model catches", ", ".join(codes) or "none by name"))
    return Prepared(prepared.facts, {**prepared.initial, "code": codes[0] if len(codes) == 1 else ""})


def _visit(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    visit = _part(row.nodes.filter(ended_at=None), data, "node")
    facts = [("Element", _element(visit.element_id)), ("Type", visit.element_type), ("State", shown.badge(visit.state))]
    return Prepared([*facts, ("Entered", shown.moment(visit.entered_at))], {"node": visit.key})


def _timer(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    timer = _part(row.timers, data, "timer")
    due = format_html("{} ({})", shown.moment(timer.due_at), shown.since(timer.due_at))
    return Prepared([("Timer", _element(timer.element_id)), ("Due", due)], {"timer": timer.key})


def _message(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    awaited = _part(row.subscriptions, data, "subscription")
    facts = [("Message", awaited.name), ("Correlation key", awaited.correlation_key or shown.NOTHING)]
    return Prepared([*facts, ("Awaited at", _element(awaited.element_id))], {"subscription": awaited.key})


def _signal(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    awaited = _part(row.signal_subscriptions, data, "subscription")
    facts = [("Signal", awaited.name), ("Awaited at", _element(awaited.element_id))]
    return Prepared(facts, {"subscription": awaited.key})


def _move(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    if row.ended_at is not None:
        raise Gone("Expected a running instance but it has ended")
    chosen = str(data.get("cancel", ""))
    choices = {"froms": targets.standing_places(row, chosen), "tos": targets.elements(row)}
    return Prepared([], {"cancel": chosen}, choices)


def _restart(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    if row.ended_at is None:
        raise Gone("Expected an instance that has ended but this one runs")
    took = shown.length(row.ended_at - row.started_at)
    facts = [("State", shown.badge(row.state)), ("Ended", format_html("{} after {}", shown.moment(row.ended_at), took))]
    return Prepared(facts, {"business_key": row.business_key}, {"tos": targets.elements(row)})


def _incident(row: ProcessInstance, data: Mapping[str, Any], payload: bool) -> Prepared:
    pk = _key(data, "incident")
    incident = row.incidents.filter(pk=pk, ended_at=None).first() if pk < 2**63 else None
    if incident is None:
        raise Gone(f"Expected incident {pk} to be open but it is over: the instance moved meanwhile")
    around: dict[int, str] = {}
    scope = row.nodes.filter(key=incident.node).values_list("scope", flat=True).first() or 0
    while scope:
        found = row.nodes.filter(key=scope).values_list("element_id", "scope").first()
        if found is None:
            break
        around[scope], scope = f"{found[0]} ({scope})", found[1]
    here = _key(data, "scope") if data.get("scope") else 0
    if here and here not in around:
        raise Gone(f"Expected scope {here} to be around the incident but found that it is not")
    variables = row.nodes.values_list("variables", flat=True).get(key=here) if here else row.variables
    text = shown.json_text(variables)
    fits = payload and len(text) <= LONGEST_EDIT
    facts = [
        ("Incident", incident.get_kind_display()),
        ("At", _element(incident.element_id)),
        ("Message", incident.message[:2000]),
        ("Variables of", around.get(here, "the process")),
    ]
    if payload and not fits:
        facts.append(("Too long to show", "Name those that are to be changed."))
    links = [(f"incident={pk}&scope={key}", name) for key, name in {**around, 0: "the process"}.items() if key != here]
    initial = {"incident": pk, "scope": here, "variables": text if fits else "{}", "seen": text if fits else ""}
    return Prepared(facts, initial, links=links)


# -- what is asked -----------------------------------------------------------------------------------------------------


def _complete(row: ProcessInstance, form: Any, by: str) -> None:
    by_hand.complete_job(row.pk, **form.cleaned_data, by=by)


def _throw(row: ProcessInstance, form: Any, by: str) -> None:
    by_hand.throw_error(row.pk, **form.cleaned_data, by=by)


def _retried(row: ProcessInstance, form: Any, by: str) -> None:
    said = form.cleaned_data
    given = form.changed(said["variables"])
    incidents.resolve(
        said["incident"],
        retries=said["retries"],
        variables=given,
        scope=said["scope"],
        expected=form.expected(given),
        reason=said["reason"],
        by=by,
    )


def _moved(row: ProcessInstance, form: Any, by: str) -> None:
    said = form.cleaned_data
    cancel = [targets.place(said["cancel"])] if said["cancel"] else []
    start = [modifications.StartBefore(said["start"], variables=said["variables"])] if said["start"] else []
    modifications.modify(row.pk, cancel=cancel, start=start, reason=said["reason"], by=by)


def _restarted(row: ProcessInstance, form: Any, by: str) -> int:
    said = form.cleaned_data
    before = said["before"] or (targets.none_start(row) if said["variables"] else "")
    start = [modifications.StartBefore(before, variables=said["variables"])] if before else []
    new = modifications.restart(
        row.pk,
        start=start,
        initial_variables=said["initial_variables"],
        business_key=said["business_key"],
        reason=said["reason"],
        by=by,
    )
    return new.pk


PAGES = {
    "retry": RepairPage(
        title="Edit variables and retry",
        text="Sets what you change and resolves the incident, both or neither.",
        button="Set and retry",
        form=f.EditAndRetryForm,
        prepare=_incident,
        do=_retried,
        said="corrected and is tried again",
    ),
    "complete-job": RepairPage(
        title="Complete a job by hand",
        text="The work was done elsewhere: the instance goes on with the result that you give. A worker that is at it "
        "now is fenced off: whatever it brings is refused, though its call may have had its effect.",
        button="Complete this job",
        form=f.CompleteJobForm,
        prepare=_job,
        do=_complete,
        said="moved on: the job was completed by hand",
        danger=True,
    ),
    "throw-error": RepairPage(
        title="Throw a BPMN error",
        text="The work ended in an outcome that the model routes on. A worker that is at it now is fenced off. Where "
        "nobody catches the code, nothing is done.",
        button="Throw this error",
        form=f.ThrowErrorForm,
        prepare=_throwing,
        do=_throw,
        said="moved on: the error was thrown",
        danger=True,
    ),
    "skip": RepairPage(
        title="Skip an element",
        text="It ends as terminated, without its work and with everything inside it, and the token goes on behind it. "
        "Its output mappings are not evaluated, and nothing of it is undone later by a compensation.",
        button="Skip it",
        form=f.SkipForm,
        prepare=_visit,
        do=lambda row, form, by: by_hand.skip(row.pk, **form.cleaned_data, by=by),
        said="moved on: the element was skipped",
        danger=True,
    ),
    "fire-timer": RepairPage(
        title="Fire a timer now",
        text="What it waits for happens now. A timer that repeats keeps its rhythm.",
        button="Fire it now",
        form=f.FireTimerForm,
        prepare=_timer,
        do=lambda row, form, by: by_hand.fire_timer(row.pk, **form.cleaned_data, by=by),
        said="moved on: the timer fired",
    ),
    "send-message": RepairPage(
        title="Send a message to this instance",
        text="It arrives at this instance and nobody else; nothing is published.",
        button="Send it",
        form=f.SendForm,
        prepare=_message,
        do=lambda row, form, by: by_hand.send_message(row.pk, **form.cleaned_data, by=by),
        said="given the message",
    ),
    "send-signal": RepairPage(
        title="Send a signal to this instance",
        text="It arrives at this instance and nobody else; it is no broadcast.",
        button="Send it",
        form=f.SendForm,
        prepare=_signal,
        do=lambda row, form, by: by_hand.send_signal(row.pk, **form.cleaned_data, by=by),
        said="given the signal",
    ),
    "move": RepairPage(
        title="Move a token",
        text="Ends what stands in one place and starts an element in another, in one step or not at all. Where nothing "
        "is left, the instance ends.",
        button="Move it",
        form=f.MoveForm,
        prepare=_move,
        do=_moved,
        said="modified",
        danger=True,
    ),
    "restart": RepairPage(
        title="Restart",
        text="Begins a new instance in the place of this one, which stays as it is, with its variables and version.",
        button="Restart from here",
        form=f.RestartForm,
        prepare=_restart,
        do=_restarted,
        said="restarted",
    ),
}
