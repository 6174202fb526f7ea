"""The temporal values of FEEL: date, time, date and time, two durations (DMN 1.5, 10.3.2.3.4 to 10.3.2.3.8).

All are frozen and equal when they are written alike; whether two name the same moment is asked in
`compare`. Time is kept in whole nanoseconds. A zone is its IANA name; the offset of a time of day without a
date is that of 1 January 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from processes.engine.feel import calendar
from processes.engine.feel.calendar import DAY_NANOS, SECOND_NANOS
from processes.engine.feel.errors import Mistake

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFERENCE_DAY = calendar.to_ordinal(2000, 1, 1)
_FIRST = calendar.to_ordinal(2, 1, 1)
_LAST = calendar.to_ordinal(9998, 1, 1)
_CYCLE_DAYS = 146_097  # 400 years, after which the calendar repeats


@dataclass(frozen=True, slots=True)
class YearMonthDuration:
    """Years and months duration."""

    months: int


@dataclass(frozen=True, slots=True)
class DayTimeDuration:
    """Days and time duration."""

    nanos: int


@dataclass(frozen=True, slots=True)
class Date:
    year: int
    month: int
    day: int

    @property
    def ordinal(self) -> int:
        """Days since 1970-01-01."""
        return calendar.to_ordinal(self.year, self.month, self.day)

    def plus_days(self, days: int) -> Date:
        return date_of(self.ordinal + days)

    def plus_months(self, months: int) -> Date:
        return _checked(Date(*calendar.add_months(self.year, self.month, self.day, months)))


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day: nanoseconds since midnight and, if any, an offset in seconds or the name of a zone."""

    nanos: int
    offset: int | None = None
    zone: str | None = None

    @property
    def is_local(self) -> bool:
        return self.offset is None and self.zone is None

    def offset_on(self, ordinal: int = _REFERENCE_DAY) -> int | None:
        """Seconds east of Greenwich at this time of that day; None for a local time."""
        if self.zone is None:
            return self.offset
        return zone_offset(self.zone, ordinal, self.nanos)

    @property
    def instant(self) -> int:
        """Nanoseconds since midnight at Greenwich; of a local time as if it were there."""
        return self.nanos - (self.offset_on() or 0) * SECOND_NANOS

    def plus(self, nanos: int) -> Time:
        return Time((self.nanos + nanos) % DAY_NANOS, self.offset, self.zone)


@dataclass(frozen=True, slots=True)
class DateTime:
    date: Date
    time: Time

    @property
    def is_local(self) -> bool:
        return self.time.is_local

    @property
    def local(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00 by the clock on the wall."""
        return self.date.ordinal * DAY_NANOS + self.time.nanos

    @property
    def offset(self) -> int | None:
        return self.time.offset_on(self.date.ordinal)

    @property
    def instant(self) -> int:
        """Nanoseconds since the epoch; of a local value as if it were at Greenwich."""
        return self.local - (self.offset or 0) * SECOND_NANOS

    def plus(self, nanos: int) -> DateTime:
        """The moment that much later: in a zone, the clocks may have been put forward or back meanwhile."""
        if self.time.zone is not None:
            return in_zone(self.instant + nanos, self.time.zone)
        days, rest = divmod(self.local + nanos, DAY_NANOS)
        return DateTime(date_of(days), Time(rest, self.time.offset))

    def plus_months(self, months: int) -> DateTime:
        return DateTime(self.date.plus_months(months), self.time)


Temporal = Date | Time | DateTime | YearMonthDuration | DayTimeDuration


def _checked(date: Date) -> Date:
    if abs(date.year) > calendar.MAX_YEAR:
        raise Mistake(f"Expected a year of at most nine digits but found {date.year}")
    return date


def date_of(ordinal: int) -> Date:
    """The date that many days after 1970-01-01. Raises `Mistake` beyond nine-digit years."""
    return _checked(Date(*calendar.from_ordinal(ordinal)))


def make_date(year: int, month: int, day: int) -> Date:
    """A date that exists. Raises `Mistake` where it does not."""
    _checked(Date(year, 1, 1))
    if not 1 <= month <= 12 or not 1 <= day <= calendar.days_in_month(year, month):
        raise Mistake(f"Expected a date of the calendar but found {year}-{month}-{day}")
    return Date(year, month, day)


def from_datetime(moment: datetime) -> DateTime:
    """FEEL's date and time of Python's."""
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    offset = moment.utcoffset()
    return DateTime(
        Date(moment.year, moment.month, moment.day),
        Time(
            seconds * SECOND_NANOS + moment.microsecond * 1000,
            None if offset is None else int(offset.total_seconds()),
        ),
    )


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def zone_exists(name: str) -> bool:
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _known(ordinal: int) -> int:
    """The same day of a year that Python knows; other years have the rules of the cycle from 2000 to 2399."""
    if _FIRST <= ordinal <= _LAST:
        return ordinal
    return _REFERENCE_DAY + (ordinal - _REFERENCE_DAY) % _CYCLE_DAYS


def zone_offset(name: str, ordinal: int, nanos: int) -> int:
    """Seconds east of Greenwich in zone `name` when its clocks show that time of that day."""
    wall = _EPOCH + timedelta(days=_known(ordinal), microseconds=nanos // 1000)
    return _seconds(wall.replace(tzinfo=_zone(name)))


def in_zone(instant: int, name: str) -> DateTime:
    """What the clocks of zone `name` show, so many nanoseconds after the epoch."""
    ordinal, nanos = divmod(instant, DAY_NANOS)
    moment = _EPOCH + timedelta(days=_known(ordinal), microseconds=nanos // 1000)
    days, rest = divmod(instant + _seconds(moment.astimezone(_zone(name))) * SECOND_NANOS, DAY_NANOS)
    return DateTime(date_of(days), Time(rest, zone=name))


def _seconds(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
