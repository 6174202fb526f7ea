"""Single values between JSON and XML, by the simple types of XML Schema (XML Schema 1.0 part 2).

Both directions keep what was written: a decimal keeps its digits, a moment stays the ISO 8601 text that it is in
JSON, too. What does not fit its type is refused where it stands, before it is sent or before a model decides on it.
Facets (enumerations, patterns, lengths) are left to the service, which knows them best.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zeep.xsd.types import builtins
from zeep.xsd.types.collection import ListType, UnionType
from zeep.xsd.types.simple import AnySimpleType

from tasks.connectors.exact_json import MAX_DIGITS, MAX_EXPONENT

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot carry, not even escaped."""

_ZONE = r"(?:Z|[+-][0-9]{2}:[0-9]{2})?"
_DATE = re.compile(rf"-?[0-9]{{4,}}-[0-9]{{2}}-[0-9]{{2}}{_ZONE}")
_TIME = re.compile(rf"[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?{_ZONE}")
_MOMENT = re.compile(rf"-?[0-9]{{4,}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?{_ZONE}")
_DURATION = re.compile(
    r"-?P(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+(?:\.[0-9]+)?S)?)?"
)
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_PARTS_OF_DATES = {
    builtins.gYearMonth: re.compile(rf"-?[0-9]{{4,}}-[0-9]{{2}}{_ZONE}"),
    builtins.gYear: re.compile(rf"-?[0-9]{{4,}}{_ZONE}"),
    builtins.gMonthDay: re.compile(rf"--[0-9]{{2}}-[0-9]{{2}}{_ZONE}"),
    builtins.gDay: re.compile(rf"---[0-9]{{2}}{_ZONE}"),
    builtins.gMonth: re.compile(rf"--[0-9]{{2}}{_ZONE}"),
}

_BOUNDS: tuple[tuple[type[Any], int | None, int | None], ...] = (
    # The narrower first: each derives from one below it.
    (builtins.Byte, -(2**7), 2**7 - 1),
    (builtins.Short, -(2**15), 2**15 - 1),
    (builtins.Int, -(2**31), 2**31 - 1),
    (builtins.Long, -(2**63), 2**63 - 1),
    (builtins.UnsignedByte, 0, 2**8 - 1),
    (builtins.UnsignedShort, 0, 2**16 - 1),
    (builtins.UnsignedInt, 0, 2**32 - 1),
    (builtins.UnsignedLong, 0, 2**64 - 1),
    (builtins.PositiveInteger, 1, None),
    (builtins.NonNegativeInteger, 0, None),
    (builtins.NegativeInteger, None, -1),
    (builtins.NonPositiveInteger, None, 0),
)


def named(type: Any) -> str:
    """A type as a message names it: ``xsd:decimal``, or the name that the schema gives it."""
    if isinstance(type, ListType):
        return f"a list of {named(type.item_type)}"
    if isinstance(type, UnionType):
        return " or ".join(named(member) for member in type.item_types)
    found = next((base for base in builtins._types if base.__name__ == type.__class__.__name__), None)
    if found is not None:
        return f"xsd:{found._default_qname.localname}"
    return str(type.name or type.__class__.__name__)


def to_xml(value: Any, type: AnySimpleType) -> str:
    """The lexical form of a JSON value. Raises ValueError with what the value is, in words."""
    if isinstance(type, ListType):
        if not isinstance(value, list | tuple):
            raise ValueError(_shown(value))
        items = [to_xml(item, type.item_type) for item in value]
        if any(not item or re.search(r"\s", item) for item in items):
            raise ValueError("a list with an item that is empty or has blanks")
        return " ".join(items)
    if isinstance(type, UnionType):
        return str(_first_that_fits(to_xml, value, type))
    if isinstance(value, list | tuple | dict):
        raise ValueError(_shown(value))
    text = _plain(value)
    if isinstance(type, builtins.DateTime):
        text = _with_offset(text)
    elif isinstance(type, builtins.Boolean) and not isinstance(value, bool | str):
        raise ValueError(_shown(value))
    elif isinstance(type, builtins.Integer) and isinstance(value, Decimal) and value == value.to_integral_value():
        text = format(value.to_integral_value(), "f")
    elif isinstance(value, bool) and isinstance(type, builtins.Decimal | builtins.Float | builtins.Double):
        raise ValueError(_shown(value))
    from_xml(text, type)  # what we would not read back is not sent
    return text


def from_xml(text: str, type: AnySimpleType) -> Any:
    """The JSON value of a text. Raises ValueError with what the text is, in words."""
    if isinstance(type, ListType):
        return [from_xml(item, type.item_type) for item in text.split()]
    if isinstance(type, UnionType):
        return _first_that_fits(from_xml, text, type)
    if isinstance(type, builtins.String) or type.__class__ is AnySimpleType:
        return text
    stripped = text.strip()
    match type:
        case builtins.Boolean():
            if stripped not in ("true", "false", "1", "0"):
                raise ValueError(_shown(text))
            return stripped in ("true", "1")
        case builtins.Integer():
            return _integer(stripped, type)
        case builtins.Decimal():
            if "e" in stripped.lower():
                raise ValueError(_shown(text))
            return _number(stripped)
        case builtins.Float() | builtins.Double():
            # JSON has no infinity and no "not a number": they stay the words that they are.
            return stripped if stripped in ("INF", "-INF", "NaN") else _number(stripped)
        case builtins.Base64Binary():
            try:
                base64.b64decode(re.sub(r"\s", "", text), validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"no base64: {text!r:.40}") from None
            return re.sub(r"\s", "", text)
        case builtins.HexBinary():
            if not _HEX.fullmatch(stripped):
                raise ValueError(_shown(text))
            return stripped
        case builtins.DateTime():
            return _checked(stripped, _MOMENT, lambda found: datetime.fromisoformat(found))
        case builtins.Date():
            return _checked(stripped, _DATE, lambda found: date.fromisoformat(found[:10]))
        case builtins.Time():
            return _checked(stripped, _TIME, lambda found: time.fromisoformat(found))
        case builtins.Duration():
            if not _DURATION.fullmatch(stripped):
                raise ValueError(_shown(text))
            return stripped
    for base, pattern in _PARTS_OF_DATES.items():
        if isinstance(type, base) and not pattern.fullmatch(stripped):
            raise ValueError(_shown(text))
    return stripped


def _first_that_fits(convert: Callable[[Any, Any], Any], value: Any, type: UnionType) -> Any:
    for member in type.item_types:
        try:
            return convert(value, member)
        except ValueError:
            continue
    raise ValueError(_shown(value))


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            if found := UNPRINTABLE.search(value):
                raise ValueError(f"text with the character {found[0]!r}, which XML cannot carry")
            return value
        case int() | float():
            return str(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT:
            return format(value, "f")
    raise ValueError(_shown(value))


def _integer(text: str, type: Any) -> int:
    if not _INTEGER.fullmatch(text) or len(text) > MAX_DIGITS:
        raise ValueError(_shown(text))
    value = int(text)
    for base, least, most in _BOUNDS:
        if isinstance(type, base):
            if (least is not None and value < least) or (most is not None and value > most):
                raise ValueError(f"{text:.40}, which is out of its range")
            break
    return value


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text) or len(text) > MAX_DIGITS:
        raise ValueError(_shown(text))
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(_shown(text)) from None
    if abs(value.adjusted()) > MAX_EXPONENT:
        raise ValueError(f"{text:.40}, which is out of range")
    return value


def _checked(text: str, pattern: re.Pattern[str], parse: Callable[[str], Any]) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(_shown(text))
    if not re.match(r"-|[0-9]{5}|0000", text) and "24:00:00" not in text:  # Python's calendar has years 1 to 9999
        try:
            parse(text)
        except ValueError:
            raise ValueError(_shown(text)) from None
    return text


def _with_offset(text: str) -> str:
    """FEEL names time zones (``...T10:00:00@Europe/Berlin``), XML Schema knows offsets only."""
    local, at, zone = text.partition("@")
    if not at:
        return text
    try:
        offset = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).strftime("%z")
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise ValueError(_shown(text)) from None
    return f"{local}{offset[:3]}:{offset[3:5]}"


def _shown(value: Any) -> str:
    if isinstance(value, str | int | float | Decimal | bool):
        return f"{value!r:.60}" if not isinstance(value, Decimal) else f"{value:.40}"
    return {"dict": "a context", "list": "a list", "NoneType": "null"}.get(value.__class__.__name__, "something else")
