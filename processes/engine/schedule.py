"""When: ISO 8601 moments, durations and repeating intervals, and cron lines, as timers and retries are written.

Arithmetic is on aware moments in UTC. A duration of months or years moves by the calendar (31 January plus one month
is the last of February), every other one by seconds.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_INTERVAL = timedelta(days=366 * 1000)

_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<years>\d{1,9})Y)?(?:(?P<months>\d{1,9})M)?(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,12}(?:[.,]\d{1,9})?)S)?)?"
)


@dataclass(frozen=True, slots=True)
class Duration:
    """`months` by the calendar and `rest` by the clock."""

    months: int
    rest: timedelta

    def after(self, moment: datetime) -> datetime:
        """The moment so much later. Raises ValueError beyond the year 9999."""
        month = moment.month - 1 + self.months
        year, month = moment.year + month // 12, month % 12 + 1
        if not 1 <= year <= 9999:
            raise ValueError(f"Expected a year from 1 to 9999 but found {year}")
        day = min(moment.day, calendar.monthrange(year, month)[1])
        try:
            return moment.replace(year=year, month=month, day=day) + self.rest
        except OverflowError:
            raise ValueError("Expected a year from 1 to 9999 but found a later one") from None

    @property
    def is_positive(self) -> bool:
        return self.months * timedelta(days=30) + self.rest > timedelta()


@dataclass(frozen=True, slots=True)
class Cycle:
    """A repeating timer: `repetitions` firings (-1: without end) at an interval, or by a cron line."""

    repetitions: int
    interval: Duration | None = None
    start: datetime | None = None
    cron: str = ""

    def first(self, at: datetime) -> datetime:
        """The first firing. Firings without end that began in the past begin with the next one: nobody waited for
        those that are over."""
        if self.start is None:
            return self.following(at)
        if self.repetitions >= 0 or self.interval is None or self.start >= at:
            return self.start
        if not self.interval.months:
            return self.start + -((self.start - at) // self.interval.rest) * self.interval.rest
        moment = self.start
        while moment < at:
            moment = self.interval.after(moment)
        return moment

    def again(self, moment: datetime, at: datetime) -> datetime:
        """The firing after one that was due at `moment`, carried out at `at`. Of firings without end, those that were
        missed meanwhile are not made up for: a week of suspension is one reminder, not ten thousand."""
        if self.interval is None:
            return self.following(max(moment, at))
        return replace(self, start=self.following(moment)).first(at)

    def following(self, moment: datetime) -> datetime:
        """The firing after one at `moment`."""
        if self.interval is not None:
            return self.interval.after(moment)
        return next(CronSim(self.cron, moment.astimezone(UTC)))


def duration(text: str) -> Duration:
    """An ISO 8601 duration such as ``PT30S``, ``P1DT12H`` or ``P2W``. Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    parts = {name: value for name, value in (found.groupdict() if found else {}).items() if value is not None}
    if not found or not parts.keys() - {"sign"} or text.strip().endswith("T"):
        raise ValueError(f"Expected an ISO 8601 duration such as PT30S but found '{text}'")
    sign = -1 if parts.pop("sign", None) else 1
    numbers = {name: float(value.replace(",", ".")) for name, value in parts.items()}
    months = int(numbers.pop("years", 0)) * 12 + int(numbers.pop("months", 0))
    rest = timedelta(**numbers)
    if rest > MAX_INTERVAL or months > 12_000:
        raise ValueError(f"Expected a duration of at most 1000 years but found '{text}'")
    return Duration(sign * months, sign * rest)


def span(text: str) -> timedelta:
    """An ISO 8601 duration by the clock, not negative, as retries and time limits are written. Raises ValueError."""
    found = duration(text)
    if found.months or found.rest < timedelta():
        raise ValueError(f"Expected a duration of days, hours, minutes or seconds but found '{text}'")
    return found.rest


def moment(text: str) -> datetime:
    """An ISO 8601 date and time, UTC where it names no zone; ``@Europe/Berlin`` may follow. Raises ValueError."""
    stamp, _, zone = text.strip().partition("@")
    try:
        found = datetime.fromisoformat(stamp)
        if found.tzinfo is None:
            found = found.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
        return found.astimezone(UTC)
    except (ValueError, OverflowError, KeyError):
        raise ValueError(
            f"Expected an ISO 8601 date and time such as 2030-01-31T08:00:00Z but found '{text}'"
        ) from None


def cycle(text: str) -> Cycle:
    """``R3/PT10S``, ``R/2030-01-31T08:00:00Z/P1D``, or a cron line such as ``0 8 * * MON`` or ``0 0 8 ? * MON``.
    Raises ValueError."""
    text = text.strip()
    if text.startswith("R") and "/" in text:
        head, *rest = text.split("/")
        if (head != "R" and not head[1:].isdigit()) or len(rest) not in (1, 2):
            raise ValueError(f"Expected a repetition such as R3/PT10S but found '{text}'")
        repetitions = int(head[1:]) if head != "R" else -1
        interval = duration(rest[-1])
        if not interval.is_positive:
            raise ValueError(f"Expected an interval longer than nothing but found '{text}'")
        return Cycle(repetitions, interval, start=moment(rest[0]) if len(rest) == 2 else None)
    line = _cron(text)
    try:
        CronSim(line, datetime(2030, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError):
        raise ValueError(f"Expected a repetition such as R3/PT10S or a cron line but found '{text}'") from None
    return Cycle(-1, cron=line)


def _cron(text: str) -> str:
    """A cron line, perhaps with seconds first and with ``?`` for no day in particular. Raises ValueError."""
    fields = text.split()
    if "?" not in fields or len(fields) not in (5, 6):
        return text
    if any(letter.isdigit() for letter in fields[-1]):
        # Who writes ? may begin the week with 1 on Sunday, as Quartz does, or on Monday, as everybody else does.
        raise ValueError(f"Expected the days of the week by name, such as MON, beside ? but found '{text}'")
    days = (len(fields) - 3, len(fields) - 1)
    return " ".join("*" if field == "?" and place in days else field for place, field in enumerate(fields))
