"""The last hour: how much was done a minute, how long it took, and what failed. From the minutes that the sweepers
counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils.safestring import SafeString

from processes.admin import shown, sparklines
from processes.admin.places import listed
from processes.models import Minute
from processes.runtime.statistics import attempts
from processes.runtime.statistics.times import Times

MOST_TYPES = 12
MOST_FAILING = 8


@dataclass(frozen=True, slots=True)
class Pace:
    """One drawing, what it is about, and the number that one reads first."""

    label: str
    number: str
    note: str
    drawing: SafeString
    href: str


def paces(hour: Sequence[Minute]) -> list[Pace]:
    """Of the last hour, minute by minute."""
    types = [attempts.of_all(row) for row in hour]
    return [
        *_much_of(hour),
        _long(hour),
        _sampled("waited for a worker", [each.waited for each in types]),
        _sampled("worked on, each attempt", [each.worked for each in types]),
    ]


def _much_of(hour: Sequence[Minute]) -> list[Pace]:
    return [
        _much(
            "instances ended a minute", [row.instances for row in hour], listed("processinstance", state="COMPLETED")
        ),
        _much("jobs completed a minute", [row.jobs for row in hour], listed("job", state__exact="CLAIMED")),
        _much("attempts failed a minute", [row.failures for row in hour], "#failing"),
    ]


def _much(label: str, values: list[int], href: str) -> Pace:
    total = sum(values)
    note = f"{total:,} in the last hour, {max(values, default=0):,} at most"
    return Pace(label, f"{values[-1]:,}" if values else "0", note, sparklines.bars(values, f"{label}: {note}"), href)


def _long(hour: Sequence[Minute]) -> Pace:
    newest = next((row for row in reversed(hour) if row.median is not None), None)
    number = _span(newest.median) if newest else shown.NOTHING
    note = f"median, and {_span(newest.p95)} for 95 of 100" if newest else "nothing ended in the last hour"
    drawn = ([row.p95 for row in hour], [row.median for row in hour])
    return _drawn("from start to end of an instance", number, note, drawn, listed("processinstance", state="COMPLETED"))


def _sampled(label: str, hour: Sequence[Times]) -> Pace:
    """How long jobs of all types did something, as far as it is known."""
    together = Times()
    for times in hour:
        together.update(times)
    number = _span(together.percentile(0.5))
    note = f"median, and {_span(together.percentile(0.95))} for 95 of 100" if together else "nothing is known"
    drawn = ([times.percentile(0.95) for times in hour], [times.percentile(0.5) for times in hour])
    return _drawn(label, number, note, drawn, "#times")


def _drawn(label: str, number: str, note: str, drawn: tuple[list[float | None], list[float | None]], href: str) -> Pace:
    """With its line of p95 and that of the median."""
    lines = [sparklines.Line(name, values) for name, values in zip(("p95", "median"), drawn, strict=True)]
    return Pace(label, number, note, sparklines.lines(lines, f"{label}: {number} {note}"), href)


@dataclass(frozen=True, slots=True)
class JobTimes:
    """How long jobs of a type waited and took in the last hour, half of them and 95 of 100."""

    type: str
    completed: str
    failed: str
    waited: str
    waited_p95: str
    worked: str
    worked_p95: str


def times(hour: Sequence[Minute]) -> list[JobTimes]:
    """Of the types with most attempts."""
    return [
        JobTimes(
            type=type,
            completed=f"{told.completed:,}",
            failed=f"{told.failed:,}",
            waited=_span(told.waited.percentile(0.5)),
            waited_p95=_span(told.waited.percentile(0.95)),
            worked=_span(told.worked.percentile(0.5)),
            worked_p95=_span(told.worked.percentile(0.95)),
        )
        for type, told in list(attempts.by_type(hour).items())[:MOST_TYPES]
    ]


@dataclass(frozen=True, slots=True)
class Failing:
    """Failed attempts of the last hour that are alike; the message is that of the newest."""

    type: str
    process_id: str
    element_id: str
    count: str
    since: str
    message: str
    href: str


def failing(hour: Sequence[Minute]) -> list[Failing]:
    """What fails, most of it first, be it tried again or not. Those that ran out of tries have the same fingerprint."""
    return [
        Failing(
            type=each.type,
            process_id=each.process_id,
            element_id=each.element_id,
            count=f"{each.count:,}",
            since=shown.since(each.last),
            message=each.message,
            href=listed("incident", fingerprint=each.fingerprint, open="all"),
        )
        for each in attempts.alike(hour)[:MOST_FAILING]
    ]


def _span(seconds: float | None) -> str:
    return shown.NOTHING if seconds is None else shown.length(timedelta(seconds=seconds))
