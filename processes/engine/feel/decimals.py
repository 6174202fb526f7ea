"""FEEL's numbers: Python's int and Decimal with the 34 digits of IEEE 754 decimal128 (DMN 1.5, 10.3.2.3.1).

Whole numbers stay `int` as long as they have at most 34 digits, because they are faster; both kinds are
equal and hash alike. Python's float is met in variables only and read as the shortest decimal that it
prints as.
"""

from __future__ import annotations

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from math import isfinite
from typing import Any

DIGITS = 34
CONTEXT = Context(
    prec=DIGITS,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
#: Whole numbers below it are kept as `int`.
LIMIT = 10**DIGITS
#: The exact classes of numbers: bool is a subclass of int and no number.
NUMBERS = frozenset((int, Decimal))

Number = int | Decimal


def parse_number(text: str) -> Number:
    """The value of a literal. Raises `decimal.Overflow` beyond 6,144 digits."""
    if text.isdecimal() and len(text) <= DIGITS:
        return int(text)
    return CONTEXT.create_decimal(text)


def whole(value: int) -> Number:
    """A whole number with at most 34 digits. Raises `decimal.Overflow`."""
    if -LIMIT < value < LIMIT:
        return value
    return CONTEXT.create_decimal(value)


def as_number(value: Any) -> Number | None:
    """The number that a Python value stands for, or None: NaN and infinities are none."""
    kind = type(value)
    if kind in NUMBERS:
        return value if kind is int or value.is_finite() else None
    if kind is float and isfinite(value):
        return CONTEXT.create_decimal(repr(value))
    return None


def decimal(value: Number) -> Decimal:
    """The same number as a Decimal of 34 digits, for the methods of `CONTEXT`."""
    return CONTEXT.create_decimal(value)


def negated(value: Number) -> Number:
    """The number with the other sign. Python's minus would round it as the thread's context says."""
    return value.copy_negate() if type(value) is Decimal else -value


def simplest(value: Number) -> Number:
    """The same number as an int where it is whole and not longer than 34 digits."""
    if isinstance(value, Decimal) and value.adjusted() < DIGITS and value == value.to_integral_value():
        return int(value)
    return value


def text_of(value: Number) -> str:
    """Plain digits, without exponent and without zeros at the end of a fraction."""
    if not isinstance(value, Decimal):
        return str(value)
    exponent = value.adjusted()
    if exponent > 6144 or exponent < -6176:
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
