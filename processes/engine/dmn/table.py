"""A decision table, DMN 1.5, chapter 8: which of its rules match, and what they say."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processes.engine import feel
from processes.engine.dmn.logic import Found, Logic, Matched, Row
from processes.engine.dmn.policies import Aggregator, Hit, HitPolicy, settled
from processes.engine.dmn.turn import Turn, fault, shown
from processes.engine.dmn.types import fits, typed


@dataclass(frozen=True, slots=True)
class InputClause:
    """A column of conditions. `allowed` are its input values."""

    name: str
    code: feel.Expression
    type: str = ""
    allowed: tuple[feel.Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputClause:
    """A column of conclusions. `allowed` are its output values, the most important first."""

    name: str
    type: str = ""
    allowed: tuple[feel.Expression, ...] = ()
    default: feel.Expression | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: tests (None: everything passes) and outputs, column by column."""

    index: int
    id: str
    tests: tuple[feel.Expression | None, ...]
    outputs: tuple[feel.Expression, ...]


@dataclass(frozen=True, slots=True)
class DecisionTable(Logic):
    inputs: tuple[InputClause, ...]
    outputs: tuple[OutputClause, ...]
    rules: tuple[Rule, ...]
    policy: HitPolicy = HitPolicy.UNIQUE
    aggregator: Aggregator | None = None

    def evaluate(self, turn: Turn, variables: Mapping[str, Any]) -> Found:
        inputs = [_input(turn, clause, variables) for clause in self.inputs]
        seen = [
            ChainMap({"?": value}, variables)  # type: ignore[arg-type]
            for value in inputs
        ]
        hits: list[Hit] = []
        matched: list[Matched] = []
        for rule in self.rules:
            if not _matches(turn, rule, seen):
                continue
            row = self._row(turn, rule, variables)
            matched.append(Matched(rule.index, rule.id, row))
            hits.append(Hit(rule.index, row, self._ranks(turn, row, rule)))
            if self.policy is HitPolicy.FIRST:
                break
        default = None if hits else self._default(turn, variables)
        value, rows = settled(self.policy, self.aggregator, hits, default, turn)
        told = {clause.name: value for clause, value in zip(self.inputs, inputs, strict=True)}
        return Found(value, told, tuple(matched), rows)

    def _row(self, turn: Turn, rule: Rule, variables: Mapping[str, Any]) -> Row:
        return {
            clause.name: turn.value(code, variables, f"the output of rule {rule.index}")
            for clause, code in zip(self.outputs, rule.outputs, strict=True)
        }

    def _ranks(self, turn: Turn, row: Row, rule: Rule) -> tuple[int, ...]:
        """Where the outputs stand among the output values. Raises `ProcessFault` where one is none of them."""
        ranks = []
        for clause in self.outputs:
            value = row[clause.name]
            if not fits(turn, value, clause.type):
                turn.warn(f"Expected the output '{clause.name}' to be of type {clause.type} but found {shown(value)}")
            if not clause.allowed:
                continue
            rank = _rank(turn, value, clause.allowed)
            if rank is None:
                raise fault(
                    f"Expected the output '{clause.name}' of rule {rule.index} to be one of its output values "
                    f"{_listed(clause.allowed)} but found {shown(value)}"
                )
            ranks.append(rank)
        return tuple(ranks)

    def _default(self, turn: Turn, variables: Mapping[str, Any]) -> Row | None:
        if all(clause.default is None for clause in self.outputs):
            return None
        return {
            clause.name: None if clause.default is None else turn.value(clause.default, variables, "the default")
            for clause in self.outputs
        }


def _input(turn: Turn, clause: InputClause, variables: Mapping[str, Any]) -> Any:
    what = f"the input '{clause.name}'"
    value = typed(turn, turn.value(clause.code, variables, what), clause.type, what)
    if value is not None and clause.allowed and _rank(turn, value, clause.allowed) is None:
        raise fault(f"Expected {what} to be one of {_listed(clause.allowed)} but found {shown(value)}")
    return value


def _matches(turn: Turn, rule: Rule, seen: list[ChainMap[str, Any]]) -> bool:
    for test, variables in zip(rule.tests, seen, strict=True):
        if test is not None and turn.value(test, variables, f"the test in rule {rule.index}") is not True:
            return False
    return True


def _rank(turn: Turn, value: Any, allowed: tuple[feel.Expression, ...]) -> int | None:
    for place, test in enumerate(allowed):
        if turn.value(test, {"?": value}, "the allowed values") is True:
            return place
    return None


def _listed(allowed: tuple[feel.Expression, ...]) -> str:
    return allowed[0].text
