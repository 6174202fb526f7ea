"""The timeline of an instance: lines of a waterfall, placed in percent of a window of time that the query names."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_datetime

from processes.admin import shown
from processes.models import ProcessInstance
from processes.runtime import Rejected, timelines
from processes.runtime.timelines import Timeline
from processes.runtime.waterfall import Kind, Line, Span

MEANINGS = {
    Kind.WORK: "an attempt that worked, or works",
    Kind.FAILED: "an attempt that failed",
    Kind.PAUSE: "pause before the next try",
    Kind.QUEUED: "waits for a worker",
    Kind.TIMER: "waits for a timer",
    Kind.MESSAGE: "waits for a message, signal or condition",
    Kind.CALL: "waits for a called process",
    Kind.INCIDENT: "incident: waits for an operator",
    Kind.SUSPENDED: "suspended",
}
LOOKS = {Kind.SIGNAL: Kind.MESSAGE, Kind.CONDITION: Kind.MESSAGE}
"""What is drawn alike."""
THINNEST = 0.25
"""Per cent of the width: what is shorter can be seen all the same."""
MOST_DEPTH = 8
NICE = [
    *(m * 10**e for e in (-3, -2, -1) for m in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800),
    *(30 * 86400, 90 * 86400, 365 * 86400),
]
"""Seconds between two ticks."""
TICKS = 7


@dataclass(frozen=True, slots=True)
class Bar:
    x: str
    width: str
    look: str
    words: str
    aside: bool = False


class Ruler:
    """Places moments in the window."""

    def __init__(self, found: Timeline) -> None:
        self.since, self.until, self.now = found.since, found.until, found.now
        self.length = (found.until - found.since).total_seconds()

    def percent(self, at: datetime) -> float:
        return max(0.0, min(100.0, (at - self.since).total_seconds() / self.length * 100))

    def bar(self, began: datetime, ended: datetime | None, look: str, words: str, aside: bool = False) -> Bar | None:
        ended = ended or self.now
        if ended < self.since or began > self.until:
            return None
        x = min(self.percent(began), 100 - THINNEST)
        return Bar(f"{x:.3f}%", f"{max(self.percent(ended) - x, THINNEST):.3f}%", look, words, aside)

    def ticks(self) -> list[tuple[str, str, str]]:
        """Where, which edge of the words is there, and the words."""
        step = next((nice for nice in NICE if self.length / nice <= TICKS), NICE[-1])
        count = math.ceil(self.since.timestamp() / step - 1e-9)
        found: list[tuple[str, str, str]] = []
        while (at := count * step) <= self.until.timestamp() and len(found) <= 2 * TICKS:
            moment = datetime.fromtimestamp(at, UTC)
            place = self.percent(moment)
            anchor = "start" if place < 4 else "end" if place > 96 else "middle"
            found.append((f"{place:.3f}%", anchor, _clock(moment, step)))
            count += 1
        return found


def page(request: HttpRequest, row: ProcessInstance, context: dict[str, Any]) -> HttpResponseBase:
    since, until = (parse_moment(request.GET.get(name, "")) for name in ("from", "to"))
    wrong = [name for name, at in (("from", since), ("to", until)) if request.GET.get(name) and at is None]
    error = f"Expected a moment such as 2026-01-31T12:00:00 as {' and '.join(wrong)}." if wrong else ""
    try:
        found = timelines.timeline(row, since=since, until=until)
    except Rejected as rejection:
        error = f"{rejection}."
        found = timelines.timeline(row)
    context |= {"title": f"Timeline of {row}", "tab": "timeline", "error": error, **_told(row, found)}
    return TemplateResponse(request, "processes/timeline.html", context, status=400 if error else None)


def parse_moment(text: str) -> datetime | None:
    """ISO 8601, UTC unless it says; None where it is something else. A plus that nobody escaped is a blank."""
    try:
        moment = parse_datetime(text.strip().replace(" ", "+") if "T" in text else text.strip())
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _told(row: ProcessInstance, found: Timeline) -> dict[str, Any]:
    ruler = Ruler(found)
    suspended = [_bar(ruler, span) for span in found.spans if span.kind is Kind.SUSPENDED]
    whole = Line(
        key=0,
        element=row.process_id,
        type="process",
        depth=0,
        state=row.state,
        entered=row.started_at,
        ended=row.ended_at,
    )
    whole.spans = list(found.spans)
    rows = [_row(ruler, whole, []), *(_row(ruler, line, suspended) for line in found.lines)]
    used = {LOOKS.get(span.kind, span.kind) for line in (whole, *found.lines) for span in line.spans}
    return {
        "rows": rows,
        "ticks": ruler.ticks(),
        "legend": [(kind.value, words) for kind, words in MEANINGS.items() if kind in used],
        "since": found.since,
        "until": found.until,
        "length": lasted(found.until - found.since),
        "cut": found.cut,
        "zooms": _zooms(found),
        "live": row.ended_at is None,
    }


def _zooms(found: Timeline) -> list[tuple[str, str, bool]]:
    """Words and query of every way to look at more or less, and whether it is where we are."""
    span = found.until - found.since
    middle = found.since + span / 2
    least = max(span / 4, timelines.SHORTEST)
    end = found.ended or found.now
    whole = found.since <= found.began and found.until >= end
    return [
        ("Whole", "?", whole),
        ("Closer", window(middle - least, middle + least), span <= 2 * timelines.SHORTEST),
        ("Wider", window(max(found.began, middle - span), min(end, middle + span)), whole),
        ("Earlier", window(found.since - span / 2, found.until - span / 2), found.since <= found.began),
        ("Later", window(found.since + span / 2, found.until + span / 2), found.until >= end),
    ]


def window(since: datetime, until: datetime) -> str:
    return "?" + urlencode({"from": _iso(since), "to": _iso(until)})


def milliseconds(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat()


def _bar(ruler: Ruler, span: Span) -> Bar | None:
    look = LOOKS.get(span.kind, span.kind).value
    return ruler.bar(span.began, span.ended, look, _words(ruler, span), span.aside)


def _words(ruler: Ruler, span: Span) -> str:
    took = lasted((span.ended or ruler.now) - span.began)
    return f"{span.words} ({took}{'' if span.ended else ' so far'})"


def _row(ruler: Ruler, line: Line, behind: list[Bar | None]) -> dict[str, Any]:
    took = lasted((line.ended or ruler.now) - line.entered)
    margin = max(((line.ended or ruler.now) - line.entered) * 0.05, timelines.SHORTEST)
    counts = Counter(span.kind for span in line.spans)
    return {
        "line": line,
        "depth": min(line.depth, MOST_DEPTH),
        "label": line.name or line.element,
        "state": shown.badge("FAILED", "Incident") if line.stuck else shown.badge(line.state),
        "mood": "bad" if line.stuck else line.state.lower(),
        "took": took if line.ended else f"{took} so far",
        "note": _note(line, counts[Kind.WORK]),
        "behind": [bar for bar in behind if bar],
        "base": ruler.bar(line.entered, line.ended, "", f"{line.name or line.element}: {took}"),
        "bars": [bar for span in line.spans if (bar := _bar(ruler, span))],
        "spans": [
            {
                "words": span.words,
                "began": milliseconds(span.began)[11:],
                "ended": milliseconds(span.ended)[11:] if span.ended else "now",
                "look": LOOKS.get(span.kind, span.kind).value,
                "took": lasted((span.ended or ruler.now) - span.began),
            }
            for span in line.spans
        ],
        "entered": milliseconds(line.entered),
        "ended": milliseconds(line.ended) if line.ended else "now",
        "zoom": window(line.entered - margin, (line.ended or ruler.now) + margin),
        "at": _iso(line.entered),
    }


def lasted(span: timedelta) -> str:
    """A span of time in its two largest units: ``1 min 47 s``."""
    seconds = span.total_seconds()
    if seconds < 60:
        return shown.length(span) if seconds < 1 else f"{seconds:.1f} s"
    for size, unit, less, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            many, rest = divmod(int(seconds), size)
            return f"{many} {unit} {rest // less} {lesser}" if rest // less else f"{many} {unit}"
    return ""


def _note(line: Line, worked: int) -> str:
    """What else there is to say of a line, beside how long it took."""
    parts = []
    if line.count > 1:
        if line.median is not None and line.slow is not None:
            parts.append(f"p50 {lasted(line.median)}, p95 {lasted(line.slow)}")
        if line.live:
            parts.append(f"{line.live:,} live")
    if line.failed:
        parts.append(f"{line.failed:,} failed {'try' if line.failed == 1 else 'tries'}")
    elif worked > 1:
        parts.append(f"{worked} tries")
    if line.incidents:
        parts.append(f"{line.incidents:,} incident{'s' if line.incidents > 1 else ''}")
    return " · ".join(parts)


def _clock(at: datetime, step: float) -> str:
    if step >= 86400:
        return f"{at:%d %b %Y}" if step >= 30 * 86400 else f"{at:%d %b}"
    if step >= 3600:
        return f"{at:%d %b %H:%M}"
    if step >= 60:
        return f"{at:%H:%M}"
    return f"{at:%H:%M:%S}" if step >= 1 else f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
