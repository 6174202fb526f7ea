"""``+ - * / **`` and negation for all kinds that have them (DMN 1.5, 10.3.2).

A number is rounded to 34 digits; one that has more than 6,144 is refused. Whatever does not fit together is
null with a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from processes.engine.feel.budget import Run
from processes.engine.feel.calendar import DAY_NANOS
from processes.engine.feel.decimals import CONTEXT, Number, as_number, decimal, negated, simplest, whole
from processes.engine.feel.errors import BudgetExceeded, Mistake
from processes.engine.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from processes.engine.feel.values import describe

_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "raise"}


def calculate(run: Run, operator: str, left: Any, right: Any) -> Any:
    """``left operator right``; None, with a warning, where that has no meaning. Raises `BudgetExceeded`."""
    try:
        one, other = as_number(left), as_number(right)
        if one is not None and other is not None:
            return _NUMERIC[operator](one, other)
        if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
            raise _unfit(operator, left, right)
        result = _OTHER[operator](run, left if one is None else one, right if other is None else other)
    except Mistake as mistake:
        run.warn(str(mistake))
        return None
    except Overflow:
        raise BudgetExceeded("Expected a number of at most 6144 digits but it would have more") from None
    if result is NotImplemented:
        run.warn(str(_unfit(operator, left, right)))
        return None
    return result


def negate(run: Run, value: Any) -> Any:
    """``-value``"""
    number = as_number(value)
    if number is not None:
        return negated(number)
    if isinstance(value, DayTimeDuration):
        return DayTimeDuration(-value.nanos)
    if isinstance(value, YearMonthDuration):
        return YearMonthDuration(-value.months)
    run.warn(f"Expected a number or a duration after '-' but found {describe(value)}")
    return None


def _unfit(operator: str, left: Any, right: Any) -> Mistake:
    """Blame the side that fits nothing; where both might fit something, the pair."""
    number_left, number_right = as_number(left) is not None, as_number(right) is not None
    if number_right and not number_left:
        return Mistake(f"Expected a number on the left of '{operator}' but found {describe(left)}")
    if number_left and not number_right:
        return Mistake(f"Expected a number on the right of '{operator}' but found {describe(right)}")
    found = f"{describe(left)} and {describe(right)}"
    return Mistake(f"Expected values to {_NAMES[operator]} with '{operator}' but found {found}")


# --- numbers ---


def add_numbers(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        return whole(left + right)
    return CONTEXT.add(decimal(left), decimal(right))


def subtract_numbers(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        return whole(left - right)
    return CONTEXT.subtract(decimal(left), decimal(right))


def multiply_numbers(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        return whole(left * right)
    return CONTEXT.multiply(decimal(left), decimal(right))


def divide_numbers(left: Number, right: Number) -> Number:
    try:
        return simplest(CONTEXT.divide(decimal(left), decimal(right)))
    except (DivisionByZero, InvalidOperation):
        raise Mistake(f"Expected a number other than 0 on the right of '/' but found {describe(right)}") from None


def power(left: Number, right: Number) -> Number:
    try:
        return simplest(CONTEXT.power(decimal(left), decimal(right)))
    except InvalidOperation:
        raise Mistake(f"Expected a real result but found {describe(left)} ** {describe(right)}") from None
    except DivisionByZero:
        raise Mistake("Expected a number other than 0 on the left of '**' but found number 0") from None


# --- strings, dates, times and durations ---


def _add(run: Run, left: Any, right: Any) -> Any:
    match left, right:
        case str(), str():
            run.made(len(left) + len(right), "string")
            return left + right
        case (YearMonthDuration(), YearMonthDuration()):
            return YearMonthDuration(left.months + right.months)
        case (DayTimeDuration(), DayTimeDuration()):
            return DayTimeDuration(left.nanos + right.nanos)
        case (Date() | DateTime(), YearMonthDuration()):
            return left.plus_months(right.months)
        case (DateTime() | Time(), DayTimeDuration()):
            return left.plus(right.nanos)
        case (Date(), DayTimeDuration()):
            return left.plus_days(right.nanos // DAY_NANOS)
        case (YearMonthDuration() | DayTimeDuration(), Date() | DateTime() | Time()):
            return _add(run, right, left)
    return NotImplemented


def _subtract(run: Run, left: Any, right: Any) -> Any:
    match left, right:
        case (_, YearMonthDuration()):
            return _add(run, left, YearMonthDuration(-right.months)) if _has_place(left) else NotImplemented
        case (_, DayTimeDuration()):
            return _add(run, left, DayTimeDuration(-right.nanos)) if _has_place(left) else NotImplemented
        case (Date() | DateTime(), Date() | DateTime()):
            return _between(_moment(left), _moment(right))
        case (Time(), Time()):
            return _between(left, right)
    return NotImplemented


def _has_place(value: Any) -> bool:
    return not isinstance(value, str)


def _moment(value: Date | DateTime) -> DateTime:
    """A date taken as the moment of its midnight at Greenwich (DMN 1.5, 10.3.2.3.5)."""
    return DateTime(value, Time(0, offset=0)) if isinstance(value, Date) else value


def _between(left: Time | DateTime, right: Time | DateTime) -> DayTimeDuration:
    if left.is_local != right.is_local:
        found = f"{describe(left)} and {describe(right)}"
        raise Mistake(f"Expected both or neither with an offset around '-' but found {found}")
    return DayTimeDuration(left.instant - right.instant)


def _multiply(run: Run, left: Any, right: Any) -> Any:
    match left, right:
        case (YearMonthDuration(), int() | Decimal()):
            return YearMonthDuration(_scaled(left.months, right, CONTEXT.multiply))
        case (DayTimeDuration(), int() | Decimal()):
            return DayTimeDuration(_scaled(left.nanos, right, CONTEXT.multiply))
        case (int() | Decimal(), YearMonthDuration() | DayTimeDuration()):
            return _multiply(run, right, left)
    return NotImplemented


def _divide(run: Run, left: Any, right: Any) -> Any:
    match left, right:
        case (YearMonthDuration(), int() | Decimal()):
            return YearMonthDuration(_scaled(left.months, right, CONTEXT.divide))
        case (DayTimeDuration(), int() | Decimal()):
            return DayTimeDuration(_scaled(left.nanos, right, CONTEXT.divide))
        case (YearMonthDuration(), YearMonthDuration()):
            return divide_numbers(left.months, right.months)
        case (DayTimeDuration(), DayTimeDuration()):
            return divide_numbers(left.nanos, right.nanos)
    return NotImplemented


def _scaled(amount: int, factor: Number, operation: Callable[[Decimal, Decimal], Decimal]) -> int:
    """Whole months or nanoseconds, cut towards zero. Raises `Mistake`, `BudgetExceeded`."""
    try:
        result = operation(decimal(amount), decimal(factor))
    except (DivisionByZero, InvalidOperation):
        raise Mistake("Expected a number other than 0 on the right of '/' but found number 0") from None
    if result.adjusted() > 34:
        raise BudgetExceeded("Expected a duration of at most 34 digits but it would have more")
    return int(result.to_integral_value(rounding=ROUND_DOWN))


def _none(run: Run, left: Any, right: Any) -> Any:
    return NotImplemented


_NUMERIC: dict[str, Callable[[Number, Number], Number]] = {
    "+": add_numbers,
    "-": subtract_numbers,
    "*": multiply_numbers,
    "/": divide_numbers,
    "**": power,
}
_OTHER: dict[str, Callable[[Run, Any, Any], Any]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "**": _none,
}
