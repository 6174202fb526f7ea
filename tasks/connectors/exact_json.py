"""JSON with exact numbers: 0.1 stays 0.1 on the way in and on the way out, and nothing that JSON lacks gets
through.

`json` alone reads numbers as binary floats and cannot write `Decimal`. What comes from a stranger is bounded
here as well, because everything behind this door (storage, expressions, mappings) walks values recursively.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_DEPTH = 100
"""Nesting of lists and objects. Deeper documents are attacks or accidents, and break recursion elsewhere."""

MAX_EXPONENT = 6144
"""Of decimal128, the number of FEEL (DMN 1.5, 10.3.2.3.1). ``1e999999999`` takes a gigabyte to write out."""

MAX_DIGITS = 1000
"""Of one number: reading an integer costs the square of its digits."""


def loads(text: str) -> Any:
    """Parse JSON; fractions and exponents become `Decimal`. Raises ValueError with the reason."""
    try:
        value = json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(value)
    return value


def dumps(value: Any) -> str:
    """Write JSON, compact, non-ASCII as it is; `Decimal` digit for digit.

    Raises ValueError with the place of the first thing that is not JSON: other types, NaN, keys that are no
    text.
    """
    parts: list[str] = []
    _write(value, parts, "", 0)
    return "".join(parts)


def without_nulls(value: Any) -> Any:
    """The value without null entries of objects, at every level. Nulls in lists stay: they hold a place."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} characters")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {text:.40} is out of range") from None
    if abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueError(f"the number {text:.40} is out of range")
    return number


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} characters")
    return int(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [
        child
        for item in level
        if isinstance(item, dict | list)
        for child in (item.values() if isinstance(item, dict) else item)
    ]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _write(value: Any, parts: list[str], place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"{place[:80]} is nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | True | False | int() | str():
            parts.append(json.dumps(value, ensure_ascii=False))
        case Decimal() if value.is_finite():
            parts.append(str(value))
        case float() if value - value == 0:
            parts.append(repr(value))
        case Mapping():
            parts.append("{")
            for number, (key, item) in enumerate(value.items()):
                if not isinstance(key, str):
                    raise ValueError(f"{place or 'the value'} has the key {key!r:.80}, which is not text")
                parts.append(("," if number else "") + json.dumps(key, ensure_ascii=False) + ":")
                _write(item, parts, f"{place}.{key}".lstrip("."), depth + 1)
            parts.append("}")
        case list() | tuple():
            parts.append("[")
            for number, item in enumerate(value):
                if number:
                    parts.append(",")
                _write(item, parts, f"{place}[{number}]", depth + 1)
            parts.append("]")
        case _:
            raise ValueError(f"{place or 'the value'} is {type(value).__name__} {value!r:.80}, which JSON lacks")
