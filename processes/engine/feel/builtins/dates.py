"""Built-ins over dates and the moment of the evaluation (DMN 1.5, 10.3.4.6 and 10.3.4.8)."""

from __future__ import annotations

from dataclasses import replace

from processes.engine.feel import calendar
from processes.engine.feel.budget import Run
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.temporal import Date, DateTime, from_datetime

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@builtin("now()")
def now(run: Run) -> DateTime:
    return from_datetime(run.now)


@builtin("today()")
def today(run: Run) -> Date:
    return from_datetime(run.now).date


def day_part(value: Date | DateTime) -> Date:
    return value.date if isinstance(value, DateTime) else value


@builtin("day of year(date: date|date and time)")
def day_of_year(run: Run, value: Date | DateTime) -> int:
    date = day_part(value)
    return date.ordinal - calendar.to_ordinal(date.year, 1, 1) + 1


@builtin("day of week(date: date|date and time)")
def day_of_week(run: Run, value: Date | DateTime) -> str:
    return _DAYS[calendar.weekday(day_part(value).ordinal) - 1]


@builtin("month of year(date: date|date and time)")
def month_of_year(run: Run, value: Date | DateTime) -> str:
    return _MONTHS[day_part(value).month - 1]


@builtin("week of year(date: date|date and time)")
def week_of_year(run: Run, value: Date | DateTime) -> int:
    date = day_part(value)
    return calendar.iso_week(date.year, date.month, date.day)


@builtin("last day of month(date: date|date and time)")
def last_day_of_month(run: Run, value: Date | DateTime) -> Date:
    date = day_part(value)
    return replace(date, day=calendar.days_in_month(date.year, date.month))
