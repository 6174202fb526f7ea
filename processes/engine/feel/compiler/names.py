"""Literals, names and paths (DMN 1.5, 10.3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processes.engine.feel import syntax
from processes.engine.feel.budget import Run
from processes.engine.feel.calendar import DAY_NANOS, SECOND_NANOS, weekday
from processes.engine.feel.compiler.core import Code, build, builds
from processes.engine.feel.decimals import simplest
from processes.engine.feel.environment import MISSING, Environment, find, function
from processes.engine.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from processes.engine.feel.values import Range, describe


@builds(syntax.Literal)
def literal(node: syntax.Literal, local: bool) -> Code:
    value = node.value
    return lambda env: value


@builds(syntax.Name)
def name(node: syntax.Name, local: bool) -> Code:
    name = node.name

    def of_variables(env: Environment) -> Any:
        try:
            return env.run.variables[name]
        except KeyError:
            return _otherwise(env.run, name)

    def of_frames(env: Environment) -> Any:
        value = env.local(name)
        return of_variables(env) if value is MISSING else value

    return of_frames if local else of_variables


def _otherwise(run: Run, name: str) -> Any:
    found = function(run, name)
    if found is MISSING:
        run.warn(f"variable '{name}' does not exist")
        return None
    return found


@builds(syntax.Path)
def path(node: syntax.Path, local: bool) -> Code:
    base, name = build(node.base, local), node.name

    def of_base(env: Environment) -> Any:
        value = base(env)
        if type(value) is dict and name in value:
            return value[name]
        return select(env.run, value, name)

    return of_base


def select(run: Run, value: Any, name: str) -> Any:
    """``value.name``: an entry, a property, or the list of them over the elements of a list."""
    if isinstance(value, list):
        run.made(len(value))
        return [item[name] if type(item) is dict and name in item else select(run, item, name) for item in value]
    found = member(value, name)
    if found is not MISSING:
        return found
    if isinstance(value, Mapping):
        run.warn(f"context has no entry '{name}'")
    else:
        run.warn(f"Expected a context before '.{name}' but found {describe(value)}")
    return None


def member(value: Any, name: str) -> Any:
    """An entry of a context or a property of a temporal value or range, or `MISSING`."""
    if isinstance(value, Mapping):
        return value.get(name, MISSING)
    if isinstance(value, Date | Time | DateTime):
        return _of_moment(value, name)
    if isinstance(value, YearMonthDuration):
        years, months = divmod(abs(value.months), 12)
        sign = -1 if value.months < 0 else 1
        return {"years": sign * years, "months": sign * months}.get(name, MISSING)
    if isinstance(value, DayTimeDuration):
        return _of_days(value, name)
    if isinstance(value, Range):
        return _of_range(value, name)
    return MISSING


def _of_moment(value: Date | Time | DateTime, name: str) -> Any:
    date = value.date if isinstance(value, DateTime) else value
    if isinstance(date, Date):
        if name in ("year", "month", "day"):
            return getattr(date, name)
        if name == "weekday":
            return weekday(date.ordinal)
    time = value.time if isinstance(value, DateTime) else value
    if isinstance(time, Date):
        # DMN lets a date stand for its midnight at Greenwich.
        return {"hour": 0, "minute": 0, "second": 0}.get(name, MISSING)
    seconds = time.nanos // SECOND_NANOS
    if name == "hour":
        return seconds // 3600
    if name == "minute":
        return seconds // 60 % 60
    if name == "second":
        return seconds % 60
    if name == "time offset":
        offset = value.offset if isinstance(value, DateTime) else time.offset_on()
        return None if offset is None else DayTimeDuration(offset * SECOND_NANOS)
    if name == "timezone":
        return time.zone
    return MISSING


def _of_days(value: DayTimeDuration, name: str) -> Any:
    days, rest = divmod(abs(value.nanos), DAY_NANOS)
    seconds = rest // SECOND_NANOS
    sign = -1 if value.nanos < 0 else 1
    found = {
        "days": days,
        "hours": seconds // 3600,
        "minutes": seconds // 60 % 60,
        "seconds": seconds % 60,
    }.get(name)
    return MISSING if found is None else simplest(sign * found)


def _of_range(value: Range, name: str) -> Any:
    return {
        "start": value.start,
        "end": value.end,
        "start included": value.start_included,
        "end included": value.end_included,
    }.get(name, MISSING)


def build_defined(node: syntax.Node, local: bool) -> Code:
    """``is defined(x)``: whether a name or path leads anywhere, be it null; else, whether x is not null."""
    if isinstance(node, syntax.Name):
        name = node.name
        return lambda env: find(env, name) is not MISSING
    if isinstance(node, syntax.Path):
        base, name = build(node.base, local), node.name
        exists = build_defined(node.base, local)

        def leads(env: Environment) -> bool:
            return bool(exists(env)) and member(base(env), name) is not MISSING

        return leads
    code = build(node, local)
    return lambda env: code(env) is not None
