"""What may become a process variable: JSON that both databases can keep, exactly.

Values come from strangers: REST callers, connectors, decorated Python functions. They are checked once, at the door,
and the refusal says where the trouble is (``$.order.items[3].price``). Nothing here knows of instances or rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.utils.duration import duration_iso_string

from processes.engine.errors import Rejected

MAX_DEPTH = 64
MAX_SIZE = 4 * 1024 * 1024
"""Characters of JSON, about. Larger things belong into a store of their own, with a variable that names them."""
MAX_DIGITS = 1000
"""Of a number; far below what PostgreSQL's numeric holds, and far above what anybody means."""

MAX_TOLD = 256 * 1024
"""Characters of a journal, about."""
MAX_TOLD_TEXT = 16 * 1024
"""Characters of one text in a journal, or of one message."""


class _Unfit(Exception):
    """Travels up from the value that cannot be kept and collects its place on the way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place: list[str] = []


def checked(variables: Any, *, what: str = "variables") -> dict[str, Any]:
    """Variables as a new dict of plain JSON values, in which numbers are `int` or `Decimal`.

    Besides JSON, Python's own are taken over: `float` becomes the `Decimal` that its shortest spelling says, moments
    and spans become ISO 8601 text, `UUID` its text, tuples lists, enum members their values. None is no variables.

    Raises `Rejected` with ``variables-invalid`` where there is no object at all, ``value-invalid`` with the place of
    the first value that cannot be kept: no JSON, not a number, nested deeper than `MAX_DEPTH`, larger than `MAX_SIZE`
    in total, or text with a NUL or a lone surrogate, which a PostgreSQL jsonb cannot store.
    """
    if variables is None:
        return {}
    if not isinstance(variables, Mapping):
        raise Rejected("variables-invalid", f"Expected {what} to be a JSON object but found {_kind(variables)}")
    try:
        return _object(variables, 1, [MAX_SIZE])
    except _Unfit as unfit:
        place = "$" + "".join(reversed(unfit.place))
        raise Rejected(
            "value-invalid", f"Expected {what} that can be kept but at {place} found {unfit.reason}"
        ) from None


def copied(value: Any) -> Any:
    """A copy of checked values, so that nothing in it is shared."""
    if isinstance(value, dict):
        return {name: copied(member) for name, member in value.items()}
    if isinstance(value, list):
        return [copied(member) for member in value]
    return value


def text(value: str, *, what: str, limit: int = 255) -> str:
    """A name or key as it is, where a column can keep it; raises `Rejected` with ``value-invalid``."""
    if not isinstance(value, str):
        raise Rejected("value-invalid", f"Expected {what} to be text but found {_kind(value)}")
    if len(value) > limit:
        raise Rejected("value-invalid", f"Expected {what} of at most {limit} characters but found {len(value)}")
    try:
        return _text(value)
    except _Unfit as unfit:
        raise Rejected("value-invalid", f"Expected {what} that can be kept but found {unfit.reason}") from None


def told(message: object, limit: int = MAX_TOLD_TEXT) -> str:
    """What somebody said, made fit to be kept. Never raises: a message about trouble must not be more trouble."""
    try:
        said = str(message)
    except Exception:  # noqa: BLE001 - a stranger's __str__
        said = _kind(message)
    if len(said) > limit:
        said = said[: limit - 1] + "…"
    return said.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def journal(entries: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A journal made fit to be kept: cut and spelled out where it must be. Never refuses."""
    if not entries:
        return None
    kept = _told(entries, 1, [MAX_TOLD])
    return kept if isinstance(kept, dict) else {"journal": kept}


def _object(value: Mapping[Any, Any], depth: int, room: list[int]) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _Unfit(f"nesting deeper than {MAX_DEPTH} levels")
    found: dict[str, Any] = {}
    for name, member in value.items():
        if not isinstance(name, str):
            raise _Unfit(f"a name that is {_kind(name)} instead of text")
        room[0] -= len(name) + 4
        try:
            found[_text(name)] = _value(member, depth, room)
        except _Unfit as unfit:
            unfit.place.append(f".{name}" if name.isidentifier() else f"[{name!a}]")
            raise
    return found


def _array(value: list[Any] | tuple[Any, ...], depth: int, room: list[int]) -> list[Any]:
    if depth > MAX_DEPTH:
        raise _Unfit(f"nesting deeper than {MAX_DEPTH} levels")
    found: list[Any] = []
    for position, member in enumerate(value):
        try:
            found.append(_value(member, depth, room))
        except _Unfit as unfit:
            unfit.place.append(f"[{position}]")
            raise
    return found


def _value(value: Any, depth: int, room: list[int]) -> Any:
    room[0] -= 4
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        room[0] -= len(value)
    if room[0] < 0:
        raise _Unfit(f"more than {MAX_SIZE} characters in total")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, int):
        if value.bit_length() > MAX_DIGITS * math.log2(10):
            raise _Unfit(f"a number of more than {MAX_DIGITS} digits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Unfit(f"{value}, which is not a JSON number")
        return Decimal(repr(value))
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, Mapping):
        return _object(value, depth + 1, room)
    if isinstance(value, list | tuple):
        return _array(value, depth + 1, room)
    return _spelled(value)


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise _Unfit(f"{value}, which is not a JSON number")
    _, digits, exponent = value.as_tuple()
    if len(digits) + abs(int(exponent)) > MAX_DIGITS:
        raise _Unfit(f"a number of more than {MAX_DIGITS} digits")
    return value


def _text(value: str) -> str:
    if "\0" in value:
        raise _Unfit("text with a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Unfit("text with a lone surrogate") from None
    return value


def _spelled(value: Any) -> str:
    """Python's own values that have one obvious spelling."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, UUID):
        return str(value)
    raise _Unfit(f"{_kind(value)} instead of JSON")


def _told(value: Any, depth: int, room: list[int]) -> Any:
    room[0] -= 4
    if room[0] < 0 or depth > MAX_DEPTH // 2:
        return "…"
    if isinstance(value, Mapping):
        return {told(name, 255): _told(member, depth + 1, room) for name, member in value.items() if room[0] > 0}
    if isinstance(value, list | tuple):
        return [_told(member, depth + 1, room) for member in value if room[0] > 0]
    if not isinstance(value, str):
        try:
            return _value(value, depth, room)
        except _Unfit:
            pass
    said = told(value, max(1, min(MAX_TOLD_TEXT, room[0])))
    room[0] -= len(said)
    return said


def _kind(value: Any) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
