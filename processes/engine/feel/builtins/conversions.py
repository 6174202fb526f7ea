"""Built-ins from one kind of value to another, and those over any value (DMN 1.5, 10.3.4.1 and 10.3.4.2)."""

from __future__ import annotations

import re
from typing import Any

from processes.engine.feel import iso, syntax
from processes.engine.feel.arithmetic import calculate
from processes.engine.feel.budget import Run
from processes.engine.feel.builtins.dates import day_part
from processes.engine.feel.builtins.lists import same_key
from processes.engine.feel.builtins.numbers import integer, number
from processes.engine.feel.builtins.registry import BUILTINS, builtin
from processes.engine.feel.calendar import SECOND_NANOS
from processes.engine.feel.compare import order
from processes.engine.feel.decimals import Number, parse_number, simplest
from processes.engine.feel.errors import FeelSyntaxError, Mistake
from processes.engine.feel.parser import parse
from processes.engine.feel.temporal import (
    Date,
    DateTime,
    DayTimeDuration,
    Time,
    YearMonthDuration,
    in_zone,
    make_date,
    zone_exists,
)
from processes.engine.feel.types import range_of
from processes.engine.feel.values import Range, describe, kind_of, to_text

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


@builtin("not(negand: any)")
def not_(run: Run, negand: Any) -> bool | None:
    if negand is None:
        return None
    if type(negand) is not bool:
        raise Mistake(f"Expected a boolean for not() but found {describe(negand)}")
    return not negand


@builtin("is(value1: any, value2: any)")
def is_(run: Run, value1: Any, value2: Any) -> bool:
    """Whether both are the same value, written the same way: a moment in another zone is another value."""
    if isinstance(value1, Time | DateTime):
        return bool(value1 == value2)
    return bool(same_key(run, value1) == same_key(run, value2))


@builtin("get or else(value: any, default: any)")
def get_or_else(run: Run, value: Any, default: Any) -> Any:
    return default if value is None else value


@builtin("assert(value: any, condition: any, cause?: string)")
def assert_(run: Run, value: Any, condition: Any, cause: str = "The condition of assert() is not fulfilled") -> Any:
    """The value, if the condition is true; else null, with `cause` as the warning."""
    if condition is not True:
        raise Mistake(cause)
    return value


@builtin("string(from: any)")
def string(run: Run, value: Any) -> str | None:
    if value is None:
        return None
    text = to_text(value, spend=run.charge)
    run.made(len(text), "string")
    return text


@builtin("number(from: string|number)")
def plain_number(run: Run, value: Any) -> Number:
    return _read_number(value) if isinstance(value, str) else number(value)


@builtin("number(from: string, grouping separator: string?, decimal separator: string?)")
def grouped_number(run: Run, text: str, grouping: str | None, point: str | None) -> Number:
    """The number that a text shows, with its marks for thousands and for the fraction."""
    if grouping not in (None, " ", ",", "."):
        raise Mistake(f"Expected a space, a comma or a point as grouping separator but found {describe(grouping)}")
    if point not in (None, ",", "."):
        raise Mistake(f"Expected a comma or a point as decimal separator but found {describe(point)}")
    if grouping is not None and grouping == point:
        raise Mistake(f"Expected two different separators but found {describe(point)} twice")
    plain = text.replace(grouping, "") if grouping else text
    if point == ",":
        if "." in plain:
            raise Mistake(f"Expected a number with ',' before its fraction but found {describe(text)}")
        plain = plain.replace(",", ".")
    return _read_number(plain)


def _read_number(text: str) -> Number:
    if len(text) > 1000 or _NUMBER.fullmatch(text) is None:
        raise Mistake(f"Expected the text of a number but found {describe(text)}")
    try:
        return simplest(parse_number(text))
    except ArithmeticError:
        raise Mistake(f"Expected a number of at most 6144 digits but found {describe(text)}") from None


@builtin("date(from: string|date|date and time)")
def date(run: Run, value: Any) -> Date:
    if not isinstance(value, str):
        return day_part(value)
    found = iso.parse_date(value)
    if found is None:
        # A date and time is a text of a date as well, as in `date("2017-08-14T14:25:00")`.
        moment = iso.parse_date_time(value)
        if moment is None:
            raise Mistake(f"Expected a date such as 2020-01-31 but found {describe(value)}")
        return moment.date
    return found


@builtin("date(year: number, month: number, day: number)")
def date_of_parts(run: Run, year: Any, month: Any, day: Any) -> Date:
    return make_date(integer(year), integer(month), integer(day))


@builtin("time(from: string|time|date and time|date)")
def time(run: Run, value: Any) -> Time:
    if isinstance(value, Date):
        return Time(0, offset=0)
    if isinstance(value, DateTime):
        return value.time
    if isinstance(value, Time):
        return value
    found = iso.parse_time(value)
    if found is None:
        moment = iso.parse_date_time(value) if "T" in value else None
        if moment is None:
            raise Mistake(f"Expected a time such as 10:30:00 but found {describe(value)}")
        return moment.time
    return found


@builtin("time(hour: number, minute: number, second: number, offset?: days and time duration?)")
def time_of_parts(run: Run, hour: Any, minute: Any, second: Any, offset: DayTimeDuration | None = None) -> Time:
    hours, minutes, seconds = integer(hour), integer(minute), number(second)
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 60):
        raise Mistake(f"Expected a time of the day but found {hours}:{minutes}:{seconds}")
    east = None if offset is None else offset.nanos // SECOND_NANOS
    if east is not None and abs(east) > iso.MAX_OFFSET:
        raise Mistake(f"Expected an offset of at most 18 hours but found {describe(offset)}")
    return Time((hours * 3600 + minutes * 60) * SECOND_NANOS + int(seconds * SECOND_NANOS), east)


@builtin("date and time(from: string|date and time|date)")
def date_and_time(run: Run, value: Any) -> DateTime:
    if isinstance(value, DateTime):
        return value
    if isinstance(value, Date):
        return DateTime(value, Time(0))
    found = iso.parse_date_time(value)
    if found is None:
        raise Mistake(f"Expected a date and time such as 2020-01-31T10:30:00Z but found {describe(value)}")
    return found


@builtin("date and time(date: date|date and time, time: time)")
def date_and_time_of_parts(run: Run, date: Date | DateTime, time: Time) -> DateTime:
    return DateTime(day_part(date), time)


@builtin("date and time(date: date and time, timezone: string)")
def date_and_time_in_zone(run: Run, moment: DateTime, zone: str) -> DateTime:
    """The same moment by the clocks of another zone; a local one is only labelled with it."""
    if not zone_exists(zone):
        raise Mistake(f"Expected a time zone such as Europe/Paris but found {describe(zone)}")
    if moment.is_local:
        return DateTime(moment.date, Time(moment.time.nanos, zone=zone))
    return in_zone(moment.instant, zone)


@builtin("duration(from: string|days and time duration|years and months duration)")
def duration(run: Run, value: Any) -> YearMonthDuration | DayTimeDuration:
    if not isinstance(value, str):
        kept: YearMonthDuration | DayTimeDuration = value
        return kept
    found = iso.parse_duration(value)
    if found is None:
        raise Mistake(f"Expected a duration such as P1DT2H or P1Y2M but found {describe(value)}")
    return found


@builtin("years and months duration(from: date|date and time, to: date|date and time)")
def years_and_months_duration(run: Run, start: Date | DateTime, end: Date | DateTime) -> YearMonthDuration:
    """Whole months from one day to another, cut towards zero."""
    first, last = day_part(start), day_part(end)
    months = (last.year - first.year) * 12 + last.month - first.month
    if months > 0 and last.day < first.day:
        months -= 1
    elif months < 0 and last.day > first.day:
        months += 1
    return YearMonthDuration(months)


@builtin("range(from: string)")
def range_(run: Run, text: str) -> Range:
    """The range that a text shows. Its ends are literals; they are read, not evaluated."""
    try:
        node = parse(text)
    except FeelSyntaxError:
        node = syntax.Literal(None)
    if not isinstance(node, syntax.RangeLiteral):
        raise Mistake(f"Expected a range such as [1..3] but found {describe(text)}")
    start, end = _end(run, node.start, text), _end(run, node.end, text)
    if start is None and end is None:
        raise Mistake(f"Expected a range with at least one end but found {describe(text)}")
    interval = range_of(run, start, end, node.start_included, node.end_included)
    if start is not None and end is not None and order(run, start, end) not in (-1, 0):
        raise Mistake(f"Expected a range from the lower to the higher end but found {describe(text)}")
    return interval


def _end(run: Run, node: syntax.Node, text: str) -> Any:
    match node:
        case syntax.Literal(value):
            return value
        case syntax.Negate(syntax.Literal(value)):
            return calculate(run, "-", 0, value)
        case syntax.Call(syntax.Name(name), positional, ()) if name in _END_FUNCTIONS:
            if all(isinstance(argument, syntax.Literal) for argument in positional):
                arguments = [argument.value for argument in positional if isinstance(argument, syntax.Literal)]
                return BUILTINS[name].call(run, arguments, {})
    raise Mistake(f"Expected a range between two literals but found {describe(text)}")


_END_FUNCTIONS = ("date", "time", "date and time", "duration")


@builtin("is defined(value: any)")
def is_defined(run: Run, value: Any) -> bool:
    """Of a value at hand; names and paths are asked where they are looked up (`compiler.names`)."""
    return kind_of(value) != "null"
