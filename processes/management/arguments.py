"""What people type, turned into values. Every other function is an argparse type: what it refuses is a usage error."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils.dateparse import parse_duration

from processes.models.fields import DecimalDecoder

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_reason(parser: ArgumentParser, told: str = "why, for the record") -> None:
    """The option that every verb of an operator has."""
    parser.add_argument("--reason", default="", metavar="TEXT", help=told)


def variables(text: str) -> dict[str, Any]:
    """A JSON object, or ``@file.json`` that holds one. Numbers keep their digits."""
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ArgumentTypeError(f"Expected to read {text[1:]} but: {error}") from None
    try:
        value = json.loads(text, cls=DecimalDecoder, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ArgumentTypeError(f"Expected a JSON object but: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentTypeError(f"Expected a JSON object but found {text[:60]}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def duration(text: str) -> timedelta:
    """``30d``, ``12h``, ``90m``, ``45s``, ``2w``; ISO 8601 such as ``PT36H``; a bare number is days."""
    if match := re.fullmatch(r"(\d{1,7})([smhdw]?)", text.strip().lower()):
        return timedelta(**{_UNITS[match[2] or "d"]: int(match[1])})
    value = parse_duration(text.strip()) if re.match(r"P(\d|T\d)", text.strip(), re.IGNORECASE) else None
    if value is None or value < timedelta():
        raise ArgumentTypeError(f"Expected a duration such as 30d, 12h, PT36H or a number of days but found '{text}'")
    return value


def seconds(text: str) -> float:
    """A number of seconds, fractions allowed, above zero."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 10**9:
        raise ArgumentTypeError(f"Expected a number of seconds above zero but found '{text}'")
    return value


def time_to_live(text: str) -> float:
    """A number of seconds, fractions allowed; zero is for those who wait now."""
    return 0.0 if re.fullmatch(r"0+(\.0*)?", text) else seconds(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18 or int(text) < 1:
        raise ArgumentTypeError(f"Expected a whole number from 1 but found '{text}'")
    return int(text)


def natural(text: str) -> int:
    """A whole number from 0."""
    return 0 if re.fullmatch("0{1,18}", text) else positive(text)


def rate(text: str) -> float:
    """A number a second, fractions allowed, above zero."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 10**6:
        raise ArgumentTypeError(f"Expected a number a second above zero but found '{text}'")
    return value


def percent(text: str) -> float:
    """A share above 0 and up to 100, with or without the sign."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise ArgumentTypeError(f"Expected a share above 0 and up to 100 percent but found '{text}'")
    return value
