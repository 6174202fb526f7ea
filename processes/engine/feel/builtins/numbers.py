"""Built-ins over numbers (DMN 1.5, 10.3.4.5)."""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Any

from processes.engine.feel.arithmetic import add_numbers
from processes.engine.feel.budget import Run
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.decimals import CONTEXT, Number, as_number, decimal, negated, simplest
from processes.engine.feel.errors import BudgetExceeded, Mistake
from processes.engine.feel.temporal import DayTimeDuration, YearMonthDuration
from processes.engine.feel.values import describe

MIN_SCALE, MAX_SCALE = -6111, 6176


def number(value: object) -> Number:
    """A finite number. Raises `Mistake`."""
    found = as_number(value)
    if found is None:
        raise Mistake(f"Expected a finite number but found {describe(value)}")
    return found


def integer(value: Any) -> int:
    """A number cut to a whole one, small enough to count with. Raises `Mistake`."""
    found = number(value)
    if not -(10**18) < found < 10**18:
        raise Mistake(f"Expected a number of at most 18 digits but found {describe(value)}")
    return int(found)


def rounded(value: Any, scale: Any, rounding: str) -> Number:
    """A number with at most `scale` digits after the point. Raises `Mistake`."""
    digits = integer(scale)
    if not MIN_SCALE <= digits <= MAX_SCALE:
        raise Mistake(f"Expected a scale from {MIN_SCALE} to {MAX_SCALE} but found {digits}")
    found = number(value)
    exact = decimal(found)
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -digits:
        return found
    return simplest(exact.quantize(Decimal((0, (1,), -digits)), rounding=rounding, context=CONTEXT))


@builtin("decimal(n: number, scale: number)")
def decimal_(run: Run, n: Any, scale: Any) -> Number:
    return rounded(n, scale, ROUND_HALF_EVEN)


@builtin("floor(n: number, scale?: number)")
def floor(run: Run, n: Any, scale: Any = 0) -> Number:
    return rounded(n, scale, ROUND_FLOOR)


@builtin("ceiling(n: number, scale?: number)")
def ceiling(run: Run, n: Any, scale: Any = 0) -> Number:
    return rounded(n, scale, ROUND_CEILING)


@builtin("round up(n: number, scale: number)")
def round_up(run: Run, n: Any, scale: Any) -> Number:
    return rounded(n, scale, ROUND_UP)


@builtin("round down(n: number, scale: number)")
def round_down(run: Run, n: Any, scale: Any) -> Number:
    return rounded(n, scale, ROUND_DOWN)


@builtin("round half up(n: number, scale: number)")
def round_half_up(run: Run, n: Any, scale: Any) -> Number:
    return rounded(n, scale, ROUND_HALF_UP)


@builtin("round half down(n: number, scale: number)")
def round_half_down(run: Run, n: Any, scale: Any) -> Number:
    return rounded(n, scale, ROUND_HALF_DOWN)


@builtin("abs(n: number|days and time duration|years and months duration)")
def abs_(run: Run, n: Any) -> Any:
    if isinstance(n, DayTimeDuration):
        return DayTimeDuration(abs(n.nanos))
    if isinstance(n, YearMonthDuration):
        return YearMonthDuration(abs(n.months))
    found = number(n)
    return negated(found) if found < 0 else found


@builtin("modulo(dividend: number, divisor: number)")
def modulo(run: Run, dividend: Any, divisor: Any) -> Number:
    """``dividend - divisor * floor(dividend / divisor)``: the sign is the divisor's."""
    left, right = decimal(number(dividend)), decimal(number(divisor))
    try:
        rest = CONTEXT.remainder(left, right)
    except (DivisionByZero, InvalidOperation):
        raise Mistake(f"Expected a divisor of modulo() other than 0 but found {describe(divisor)}") from None
    if rest and (rest < 0) != (right < 0):
        return simplest(add_numbers(rest, right))
    return simplest(rest)


@builtin("sqrt(number: number)")
def sqrt(run: Run, n: Any) -> Number:
    found = number(n)
    if found < 0:
        raise Mistake(f"Expected a number from 0 for sqrt() but found {describe(n)}")
    return simplest(CONTEXT.sqrt(decimal(found)))


@builtin("log(number: number)")
def log(run: Run, n: Any) -> Number:
    found = number(n)
    if found <= 0:
        raise Mistake(f"Expected a number above 0 for log() but found {describe(n)}")
    return simplest(CONTEXT.ln(decimal(found)))


@builtin("exp(number: number)")
def exp(run: Run, n: Any) -> Number:
    try:
        return simplest(CONTEXT.exp(decimal(number(n))))
    except Overflow:
        raise BudgetExceeded("Expected a number of at most 6144 digits but it would have more") from None


@builtin("odd(number: number)")
def odd(run: Run, n: Any) -> bool:
    return bool(modulo(run, n, 2) == 1)


@builtin("even(number: number)")
def even(run: Run, n: Any) -> bool:
    return bool(modulo(run, n, 2) == 0)
