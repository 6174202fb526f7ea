"""Lists, contexts, ranges and filters (DMN 1.5, 10.3.2.5 to 10.3.2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processes.engine.feel import syntax
from processes.engine.feel.budget import Run
from processes.engine.feel.compiler.core import Code, build, builds, weight
from processes.engine.feel.decimals import as_number
from processes.engine.feel.environment import Environment
from processes.engine.feel.errors import Mistake
from processes.engine.feel.types import range_of
from processes.engine.feel.values import Range, describe, kind_of


@builds(syntax.ListLiteral)
def list_(node: syntax.ListLiteral, local: bool) -> Code:
    items = [build(item, local) for item in node.items]
    return lambda env: [item(env) for item in items]


@builds(syntax.ContextLiteral)
def context(node: syntax.ContextLiteral, local: bool) -> Code:
    """Every entry sees the entries before it."""
    entries = [(key, build(value, True)) for key, value in node.entries]

    def make(env: Environment) -> dict[str, Any]:
        made: dict[str, Any] = {}
        inner = Environment(env.run, made, env)
        for key, value in entries:
            made[key] = value(inner)
        return made

    return make


@builds(syntax.RangeLiteral)
def range_(node: syntax.RangeLiteral, local: bool) -> Code:
    start, end = build(node.start, local), build(node.end, local)
    if isinstance(node.start, syntax.Literal) and isinstance(node.end, syntax.Literal):
        low, high = node.start.value, node.end.value
        if kind_of(low) == kind_of(high):
            made = Range(low, high, node.start_included, node.end_included)
            return lambda env: made

    def make(env: Environment) -> Any:
        try:
            return range_of(env.run, start(env), end(env), node.start_included, node.end_included)
        except Mistake as mistake:
            env.run.warn(str(mistake))
            return None

    return make


@builds(syntax.Filter)
def filter_(node: syntax.Filter, local: bool) -> Code:
    """``list[condition]`` or ``list[position]``; what is no list is the list of itself, null the empty list.

    The condition sees ``item`` and, if that is a context, its entries.
    """
    base = build(node.base, local)
    if isinstance(node.condition, syntax.Literal) and as_number(node.condition.value) is not None:
        position = node.condition.value
        return lambda env: pick(env.run, _as_list(base(env)), position)
    condition, steps = build(node.condition, True), weight(node.condition)

    def select(env: Environment) -> Any:
        run, items = env.run, _as_list(base(env))
        if not items:
            return _from_nothing(env, condition)
        kept: list[Any] = []
        for item in items:
            run.charge(steps)
            inner = Environment(run, {"item": item}, env)
            answer = condition(Environment(run, item, inner) if isinstance(item, Mapping) else inner)
            if answer is True:
                kept.append(item)
            elif answer is not False and answer is not None:
                if as_number(answer) is not None:
                    return pick(run, items, answer)
                run.warn(f"Expected a boolean or a position between '[' and ']' but found {describe(answer)}")
                return None
        return kept

    return select


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _from_nothing(env: Environment, condition: Code) -> list[Any] | None:
    """The empty list under a filter: it stays empty, but has no element at any position."""
    before = list(env.run.warnings)
    answer = condition(Environment(env.run, {"item": None}, env))
    env.run.warnings[:] = before
    return None if as_number(answer) is not None else []


def pick(run: Run, items: list[Any], position: Any) -> Any:
    """The element at a position from 1, or from the end if negative; null where there is none."""
    number = as_number(position)
    if number is not None and -len(items) <= number <= len(items) and number == (index := int(number)) != 0:
        return items[index - 1 if index > 0 else index]
    run.warn(f"Expected a position in a list of {len(items)} but found {describe(position)}")
    return None
