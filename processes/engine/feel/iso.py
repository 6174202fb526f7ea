"""Temporal values as text, ISO 8601 with FEEL's ``@Zone/Name``, both ways (DMN 1.5, 10.3.4.1)."""

from __future__ import annotations

import re

from processes.engine.feel.calendar import DAY_NANOS, SECOND_NANOS
from processes.engine.feel.errors import Mistake
from processes.engine.feel.temporal import (
    Date,
    DateTime,
    DayTimeDuration,
    Temporal,
    Time,
    YearMonthDuration,
    make_date,
    zone_exists,
)

_DATE = re.compile(r"(-?(?:[1-9][0-9]{4,8}|[0-9]{4}))-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,20}))?"
    r"(?:(Z|z)|([+-])([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?|@([A-Za-z0-9_+/-]{1,64}))?"
)
_YEARS_MONTHS = re.compile(r"(-)?P(?:([0-9]{1,18})Y)?(?:([0-9]{1,18})M)?")
_DAYS_TIME = re.compile(
    r"(-)?P(?:([0-9]{1,18})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,18})H)?(?:([0-9]{1,18})M)?(?:([0-9]{1,18})(?:\.([0-9]{0,20}))?S)?)?"
)
MAX_OFFSET = 18 * 3600


def parse_date(text: str) -> Date | None:
    """A date such as ``2020-01-31``, or None."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return make_date(int(found[1]), int(found[2]), int(found[3]))
    except Mistake:
        return None


def parse_time(text: str) -> Time | None:
    """A time such as ``10:30:00``, ``10:30:00.5+02:00`` or ``10:30:00@Europe/Paris``, or None."""
    time, extra = _time(text) or (None, 0)
    return time if not extra else None


def _time(text: str) -> tuple[Time, int] | None:
    """The time and the days to add: 24:00:00 is midnight of the next day."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    nanos = int((found[4] or "").ljust(9, "0")[:9])
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and (minute or second or nanos)):
        return None
    offset = None
    if found[5]:
        offset = 0
    elif found[6]:
        if int(found[8]) > 59 or int(found[9] or 0) > 59:
            return None
        offset = int(found[7]) * 3600 + int(found[8]) * 60 + int(found[9] or 0)
        if offset > MAX_OFFSET:
            return None
        offset = -offset if found[6] == "-" else offset
    if found[10] and not zone_exists(found[10]):
        return None
    days, hour = divmod(hour, 24)
    return Time((hour * 3600 + minute * 60 + second) * SECOND_NANOS + nanos, offset, found[10]), days


def parse_date_time(text: str) -> DateTime | None:
    """A date and time such as ``2020-01-31T10:30:00Z``, or None. A date alone is its midnight."""
    head, separator, tail = text.partition("T")
    date = parse_date(head)
    if date is None:
        return None
    if not separator:
        return DateTime(date, Time(0))
    found = _time(tail)
    if found is None:
        return None
    time, days = found
    try:
        return DateTime(date.plus_days(days) if days else date, time)
    except Mistake:
        return None


def parse_duration(text: str) -> YearMonthDuration | DayTimeDuration | None:
    """``P1Y2M`` or ``P1DT2H3M4.5S``, or None."""
    found = _YEARS_MONTHS.fullmatch(text)
    if found is not None and (found[2] or found[3]):
        months = int(found[2] or 0) * 12 + int(found[3] or 0)
        return YearMonthDuration(-months if found[1] else months)
    found = _DAYS_TIME.fullmatch(text)
    if found is None or not any(found[n] for n in range(2, 6)):
        return None
    seconds = (int(found[2] or 0) * 24 + int(found[3] or 0)) * 3600 + int(found[4] or 0) * 60 + int(found[5] or 0)
    nanos = seconds * SECOND_NANOS + int((found[6] or "").ljust(9, "0")[:9])
    return DayTimeDuration(-nanos if found[1] else nanos)


def parse(text: str) -> Temporal | None:
    """Whatever temporal value an ``@"..."`` literal names, or None."""
    return parse_date(text) or parse_time(text) or parse_date_time(text) or parse_duration(text)


def text_of(value: Temporal) -> str:
    """FEEL's own text of a temporal value: `parse` gives the value back."""
    match value:
        case Date():
            return _date_text(value)
        case Time():
            return _clock_text(value.nanos) + (f"@{value.zone}" if value.zone else _offset_text(value.offset))
        case DateTime():
            return f"{_date_text(value.date)}T{text_of(value.time)}"
        case YearMonthDuration():
            return _months_text(value.months)
        case DayTimeDuration():
            return _nanos_text(value.nanos)


def iso_text(value: Temporal) -> str:
    """ISO 8601 for readers that do not know FEEL: the zone of a date and time becomes its offset."""
    if isinstance(value, DateTime) and value.time.zone:
        return text_of(DateTime(value.date, Time(value.time.nanos, value.offset)))
    return text_of(value)


def _date_text(date: Date) -> str:
    sign = "-" if date.year < 0 else ""
    return f"{sign}{abs(date.year):04}-{date.month:02}-{date.day:02}"


def _fraction(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def _clock_text(nanos: int) -> str:
    seconds, rest = divmod(nanos, SECOND_NANOS)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{_fraction(rest)}"


def _offset_text(offset: int | None) -> str:
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    size = abs(offset)
    seconds = f":{size % 60:02}" if size % 60 else ""
    return f"{'-' if offset < 0 else '+'}{size // 3600:02}:{size // 60 % 60:02}{seconds}"


def _months_text(months: int) -> str:
    years, rest = divmod(abs(months), 12)
    parts = (f"{years}Y" if years else "") + (f"{rest}M" if rest else "")
    return f"{'-' if months < 0 else ''}P{parts or '0M'}"


def _nanos_text(nanos: int) -> str:
    days, rest = divmod(abs(nanos), DAY_NANOS)
    seconds, fraction = divmod(rest, SECOND_NANOS)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if seconds or fraction:
        clock += f"{seconds}{_fraction(fraction)}S"
    parts = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return f"{'-' if nanos < 0 else ''}P{parts or 'T0S'}"
