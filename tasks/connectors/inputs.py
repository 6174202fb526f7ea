"""Reads single inputs of a connector: the value in the type asked for, or a refusal that names the input.

Modelers write numbers and booleans as text as often as not, so ``"20"`` is 20 and ``"true"`` is true. Empty
text is an input left blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tasks.connectors.base import JobError
from tasks.connectors.exact_json import MAX_EXPONENT

LONGEST = 24 * 3600.0
"""Seconds: no timeout or deadline may be longer."""


def invalid(message: str) -> JobError:
    """The inputs are wrong, and stay wrong however often they are tried."""
    return JobError(message, retryable=False, code="INVALID_INPUT")


def context(value: Any, name: str) -> Mapping[str, Any]:
    """A JSON object; empty where the input is blank."""
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping):
        raise invalid(f"Expected `{name}` to be a context, but found {type(value).__name__}")
    return value


def scalar(value: Any, place: str) -> str:
    """Text, a number or a boolean, as text; numbers without exponent."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT:
            return format(value, "f")
    raise invalid(f"Expected `{place}` to be text, a number or a boolean, but found {type(value).__name__}")


def encodable(text: str, place: str) -> str:
    """Text that UTF-8 can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(f"Expected `{place}` to be text, but it has half a surrogate pair") from None
    return text


def number(value: Any, name: str) -> Decimal:
    """A finite number."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
            raise InvalidOperation
        found = Decimal(str(value).strip())
        if not found.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise invalid(f"Expected `{name}` to be a number, but found {value!r:.60}") from None
    return found


def seconds(given: Mapping[str, Any], name: str) -> float | None:
    """A span of at most `LONGEST`; None where the input is blank."""
    value = given.get(name)
    if value is None or value == "":
        return None
    span = number(value, name)
    if not 0 <= span <= LONGEST:
        raise invalid(f"Expected `{name}` to be between 0 and {LONGEST:.0f} seconds, but found {value!r:.60}")
    return float(span)


def flag(given: Mapping[str, Any], name: str) -> bool | None:
    """True or false; None where the input is blank."""
    match given.get(name):
        case None | "":
            return None
        case True | "true":
            return True
        case False | "false":
            return False
        case found:
            raise invalid(f"Expected `{name}` to be true or false, but found {found!r:.60}")
