"""The last hour: how much was done a minute, and how long it took. From the minutes that the sweepers counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.safestring import SafeString

from processes.admin import shown, sparklines
from processes.admin.places import listed
from processes.models import Minute
from processes.runtime import throughput


@dataclass(frozen=True, slots=True)
class Pace:
    """One drawing, what it is about, and the number that one reads first."""

    label: str
    number: str
    note: str
    drawing: SafeString
    href: str


def paces() -> list[Pace]:
    """One query."""
    hour = throughput.last_hour()
    return [
        _much(
            "instances ended a minute", [row.instances for row in hour], listed("processinstance", state="COMPLETED")
        ),
        _much("jobs completed a minute", [row.jobs for row in hour], listed("job", state__exact="CLAIMED")),
        _much("attempts failed a minute", [row.failures for row in hour], listed("incident")),
        _long(hour),
    ]


def _much(label: str, values: list[int], href: str) -> Pace:
    total = sum(values)
    note = f"{total:,} in the last hour, {max(values, default=0):,} at most"
    return Pace(label, f"{values[-1]:,}" if values else "0", note, sparklines.bars(values, f"{label}: {note}"), href)


def _long(hour: list[Minute]) -> Pace:
    newest = next((row for row in reversed(hour) if row.median is not None), None)
    drawn = [
        sparklines.Line("p95", [row.p95 for row in hour]),
        sparklines.Line("median", [row.median for row in hour]),
    ]
    number = _span(newest.median) if newest else shown.NOTHING
    note = f"median, and {_span(newest.p95)} for 95 of 100" if newest else "nothing ended in the last hour"
    label = "from start to end of an instance"
    drawing = sparklines.lines(drawn, f"{label}: {number} {note}")
    return Pace(label, number, note, drawing, listed("processinstance", state="COMPLETED"))


def _span(seconds: float | None) -> str:
    return shown.NOTHING if seconds is None else shown.length(timedelta(seconds=seconds))
