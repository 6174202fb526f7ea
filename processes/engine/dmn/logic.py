"""How a decision comes to its value: boxed expressions, DMN 1.5, 10.2. The decision table has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processes.engine import feel
from processes.engine.dmn.turn import Turn

Row = Mapping[str, Any]
"""The outputs of one rule, by name."""


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule that matched: its place from 1, its id, and its outputs by name."""

    index: int
    rule: str
    outputs: Row


@dataclass(frozen=True, slots=True)
class Found:
    """A FEEL value, and of a decision table how it came about."""

    value: Any
    inputs: Mapping[str, Any] = field(default_factory=dict)
    matched: tuple[Matched, ...] = ()
    rows: tuple[Row, ...] | None = None
    """What a table gives, rule by rule, whatever its hit policy makes of it."""


class Logic:
    """Something that can be evaluated."""

    __slots__ = ()

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        """Raises `ProcessFault`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class LiteralExpression(Logic):
    code: feel.Expression

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        return Found(turn.value(self.code, variables, "the expression"))


@dataclass(frozen=True, slots=True)
class Context(Logic):
    """Entries that see those before them; the last one without a name is the result."""

    entries: tuple[tuple[str, Logic], ...]

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        seen = dict(variables)
        context: dict[str, Any] = {}
        for name, logic in self.entries:
            value = logic.evaluate(turn, seen).value
            if not name:
                return Found(value)
            seen[name] = context[name] = value
        return Found(context)


@dataclass(frozen=True, slots=True)
class ListOf(Logic):
    items: tuple[Logic, ...]

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        return Found([item.evaluate(turn, variables).value for item in self.items])


@dataclass(frozen=True, slots=True)
class Relation(Logic):
    """A list of contexts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Logic, ...], ...]

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        return Found(
            [
                {name: cell.evaluate(turn, variables).value for name, cell in zip(self.columns, row, strict=True)}
                for row in self.rows
            ]
        )


@dataclass(frozen=True, slots=True)
class Invocation(Logic):
    """A call of `function` with values for its parameters, by name."""

    function: feel.Expression
    bindings: tuple[tuple[str, Logic], ...]
    call: feel.Expression
    """``f(p: p)`` over the bound values."""

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        bound = {name: logic.evaluate(turn, variables).value for name, logic in self.bindings}
        function = turn.value(self.function, variables, "the function")
        return Found(turn.value(self.call, {**variables, **bound, "called function": function}, "the invocation"))
