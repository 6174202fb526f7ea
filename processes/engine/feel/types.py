"""Types as values know them: ``instance of``, and the conversions of arguments (DMN 1.5, 10.3.2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processes.engine.feel.budget import ITEMS_PER_STEP, Run
from processes.engine.feel.errors import Mistake
from processes.engine.feel.syntax import Type
from processes.engine.feel.temporal import Date, DateTime, Time
from processes.engine.feel.values import Range, describe, kind_of

SIMPLE = frozenset(
    (
        "number",
        "string",
        "boolean",
        "date",
        "time",
        "date and time",
        "days and time duration",
        "years and months duration",
    )
)
_ALIASES = {"dayTimeDuration": "days and time duration", "yearMonthDuration": "years and months duration"}
_ALIASES |= {"dateTime": "date and time"}


def is_instance(run: Run, value: Any, wanted: Type) -> bool | None:
    """``value instance of wanted``; None where the type is unknown. Null is an instance of ``Null`` only."""
    if value is None and wanted.name != "Null":
        return False if _is_known(run, wanted) else None
    return conforms(run, value, wanted)


def _is_known(run: Run, wanted: Type) -> bool:
    name = _ALIASES.get(wanted.name, wanted.name)
    if name in SIMPLE or name in ("Any", "Null", "list", "range", "context", "function"):
        return True
    run.warn(f"Expected a type of FEEL but found '{wanted.name}'")
    return False


def conforms(run: Run, value: Any, wanted: Type) -> bool | None:
    """Whether a value can stand where `wanted` is asked for, as null always can; None where it is unknown."""
    name = _ALIASES.get(wanted.name, wanted.name)
    if not _is_known(run, wanted):
        return None
    if name == "Any":
        return True
    if name == "Null":
        return value is None
    if value is None:
        return True
    if name in SIMPLE:
        return kind_of(value) == name
    if kind_of(value) != name:
        return False
    if name == "list":
        return not wanted.arguments or _all(run, value, wanted.arguments[0])
    if name == "range":
        ends = [end for end in (value.start, value.end) if end is not None]
        return not wanted.arguments or _all(run, ends, wanted.arguments[0])
    if name == "context":
        return _has_members(run, value, wanted)
    return True


def _all(run: Run, values: list[Any], wanted: Type) -> bool | None:
    run.charge(1 + len(values) // ITEMS_PER_STEP)
    answers = [conforms(run, value, wanted) for value in values]
    return None if None in answers else all(answers)


def _has_members(run: Run, value: Mapping[str, Any], wanted: Type) -> bool | None:
    answers = [name in value and conforms(run, value[name], member) for name, member in wanted.fields]
    return None if None in answers else all(answers)


def convert(run: Run, value: Any, wanted: Type) -> Any:
    """A value as `wanted`: itself, a list of it, or its only element (DMN 1.5, 10.3.2.9.4).

    A date becomes the midnight of its day where a date and time is asked for. Raises `Mistake` where
    nothing fits.
    """
    if conforms(run, value, wanted):
        return value
    if wanted.name == "list" and conforms(run, [value], wanted):
        return [value]
    if isinstance(value, list) and len(value) == 1 and conforms(run, value[0], wanted):
        return value[0]
    if wanted.name == "date and time" and isinstance(value, Date):
        return DateTime(value, Time(0, offset=0))
    raise Mistake(f"Expected {article(wanted.name)} but found {describe(value)}")


def article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def range_of(run: Run, start: Any, end: Any, start_included: bool, end_included: bool) -> Range:
    """An interval whose ends have one type and an order. Raises `Mistake`."""
    if start is not None and end is not None and kind_of(start) != kind_of(end):
        raise Mistake(f"Expected both ends of a range of one type but found {describe(start)} and {describe(end)}")
    return Range(start, end, start_included, end_included)
