"""What a `typeRef` asks of a value, as far as it names a type of FEEL.

Process variables are JSON, which has no dates: where a date is asked for, a text is read as one (ISO 8601). Types of
the model's own (``itemDefinition``) are described and not checked; the parser warns of them.
"""

from __future__ import annotations

from typing import Any

from processes.engine import feel
from processes.engine.dmn.turn import Turn, fault, shown

_READ = {
    "date": "date",
    "time": "time",
    "date and time": "date and time",
    "days and time duration": "duration",
    "years and months duration": "duration",
}
_CONVERSIONS = {name: feel.compile(f"{function}(value)") for name, function in _READ.items()}
_TESTS = {name: feel.compile(f"value instance of {name}") for name in (*_READ, "string", "number", "boolean")}
ALIASES = {
    "datetime": "date and time",
    "daytimeduration": "days and time duration",
    "yearmonthduration": "years and months duration",
    # Of Camunda 7.
    "integer": "number",
    "long": "number",
    "double": "number",
}


def known(reference: str) -> str:
    """FEEL's name of a type, "" where it is none that is checked. Prefixes (``feel:string``) do not count."""
    name = reference.rpartition(":")[2].strip()
    name = ALIASES.get(name.lower(), name)
    return name if name in _TESTS else ""


def fits(turn: Turn, value: Any, wanted: str) -> bool:
    """Whether a value has a type; null has every one."""
    if not wanted or value is None:
        return True
    return turn.value(_TESTS[wanted], {"value": value}, "the type") is True


def typed(turn: Turn, value: Any, wanted: str, what: str) -> Any:
    """The value as the type that is asked for. Raises `ProcessFault` where it is none."""
    if not wanted or value is None:
        return value
    found = value
    if wanted in _CONVERSIONS and isinstance(value, str):
        found = turn.value(_CONVERSIONS[wanted], {"value": value}, what)
    if found is None or not fits(turn, found, wanted):
        raise fault(f"Expected {what} to be of type {wanted} but found {shown(value)}")
    return found
