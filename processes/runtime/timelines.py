"""What an instance spent its time with: visits, attempts, waits, incidents and suspension, as lines of a waterfall.

Read from rows and facts, both cut: an instance with more is looked at window by window, and what was cut is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from processes.engine.errors import ModelInvalid, Rejected
from processes.models import Job, ProcessInstance
from processes.models.instances import FINAL
from processes.runtime import definitions
from processes.runtime.waterfall import Kind, Line, Span, Teller, Told, Visit, lines

MOST_VISITS = 20_000
MOST_STEPS = 5_000
MOST_INCIDENTS = 1_000
SHORTEST = timedelta(milliseconds=10)
"""A window that is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """`since` and `until` bound what is shown; `began` and `ended` the instance. `now` is when it was read: what lasts
    has lasted until then. `cut` says what was left out, in sentences."""

    began: datetime
    ended: datetime | None
    now: datetime
    since: datetime
    until: datetime
    lines: tuple[Line, ...]
    spans: tuple[Span, ...]
    cut: tuple[str, ...]


def timeline(row: ProcessInstance, *, since: datetime | None = None, until: datetime | None = None) -> Timeline:
    """The timeline, or of a long one what lies between two moments. Raises `Rejected`: ``window-invalid``."""
    now = timezone.now()
    end = max(row.ended_at or now, row.started_at + SHORTEST)
    begin, stop = max(since or row.started_at, row.started_at), min(until or end, end)
    if begin >= stop:
        life = f"from {row.started_at.isoformat()} to {end.isoformat()}"
        asked = f"from {(since or begin).isoformat()} to {(until or stop).isoformat()}"
        raise Rejected(
            "window-invalid", f"Expected a window within the life of the instance, {life}, but found one {asked}"
        )
    cut: list[str] = []
    visits = _visits(row, begin, stop)
    if len(visits) > MOST_VISITS:
        cut.append(f"More than {MOST_VISITS:,} visits: these are the first in this window.")
    found, of, complete = lines(visits[:MOST_VISITS])
    if not complete:
        cut.append(f"More than {len(found):,} lines: these are the first in this window.")
    types = {key: (line.element, line.type) for key, line in of.items()}
    teller = Teller({**types, 0: ("", "process")})
    steps = _steps(row, begin, stop)
    if len(steps) > MOST_STEPS:
        cut.append(f"Attempts and waits are those of the first {MOST_STEPS:,} steps in this window.")
    for step in steps[:MOST_STEPS]:
        teller.tell(step)
    _lasting(row, teller, now, whole=len(steps) <= MOST_STEPS and stop >= end)
    _incidents(row, of, teller, begin, stop)
    names = _names(row)
    for key, line in of.items():
        line.name = names.get(line.element, "")
        line.failed += teller.failed[key]
        if line.count == 1:
            line.spans = sorted(teller.spans[key], key=lambda span: span.began)
    return Timeline(
        began=row.started_at,
        ended=row.ended_at,
        now=now,
        since=begin,
        until=stop,
        lines=tuple(found),
        spans=tuple(sorted(teller.spans[0], key=lambda span: span.began)),
        cut=tuple(cut),
    )


def _names(row: ProcessInstance) -> dict[str, str]:
    try:
        process = definitions.process_of(row.definition)
    except (ModelInvalid, LookupError):  # a damaged definition has to be looked at as well
        return {}
    return {node.id: node.name for node in process.nodes.values()}


def _visits(row: ProcessInstance, begin: datetime, stop: datetime) -> list[Visit]:
    within = row.nodes.filter(Q(ended_at=None) | Q(ended_at__gte=begin), entered_at__lte=stop).order_by("key")
    columns = ("key", "element_id", "element_type", "scope", "state", "entered_at", "ended_at")
    return [Visit(*values) for values in within.values_list(*columns)[: MOST_VISITS + 1]]


def _steps(row: ProcessInstance, begin: datetime, stop: datetime) -> list[Told]:
    within = row.history.filter(at__gte=begin, at__lte=stop).order_by("number")
    values = within.values_list("at", "facts", "journal__seconds")[: MOST_STEPS + 1]
    return [Told(at, facts, _seconds(seconds)) for at, facts, seconds in values]


def _seconds(told: object) -> float | None:
    """What a worker told is whatever it likes."""
    try:
        seconds = float(str(told))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None


def _lasting(row: ProcessInstance, teller: Teller, now: datetime, *, whole: bool) -> None:
    """What is not over: by its row where it is a job, because a claim is no step."""
    jobs: dict[int, Job] = {}
    live = row.state not in FINAL
    if live:
        jobs = {job.key: job for job in row.jobs.order_by("key")[:MOST_INCIDENTS]}
    for key, wait in teller.left():
        job = jobs.get(key)
        if job is not None and job.state == "CLAIMED" and job.claimed_at is not None:
            words = f"attempt {job.attempt} is with {job.worker}"
            queued = Span(kind=Kind.QUEUED, began=wait.since, ended=max(wait.since, job.claimed_at), words="waited")
            teller.add(wait.node, queued)
            teller.add(wait.node, Span(kind=Kind.WORK, began=job.claimed_at, ended=None, words=words))
        elif wait.kind is not Kind.INCIDENT and live and whole and wait.since <= now:
            span = Span(kind=wait.kind, began=wait.since, ended=None, words=wait.words, aside=wait.aside)
            teller.add(wait.node, span)


def _incidents(row: ProcessInstance, of: dict[int, Line], teller: Teller, begin: datetime, stop: datetime) -> None:
    within = row.incidents.filter(Q(ended_at=None) | Q(ended_at__gte=begin), raised_at__lte=stop).order_by("key")
    for one in within[:MOST_INCIDENTS]:
        if one.node in of:
            of[one.node].incidents += 1
            of[one.node].stuck += one.ended_at is None
            by = (
                f"; resolved by {one.resolved_by}"
                if one.resolved_by
                else "; over with the visit"
                if one.ended_at
                else ""
            )
            words = f"incident: {one.message[:300]}{by}"
            teller.add(one.node, Span(kind=Kind.INCIDENT, began=one.raised_at, ended=one.ended_at, words=words))
