"""From variables to the result of a decision, by way of all decisions that it requires, each evaluated once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processes.engine import feel
from processes.engine.dmn.logic import Found, Row
from processes.engine.dmn.model import Decision, DecisionModel
from processes.engine.dmn.requirements import ordered
from processes.engine.dmn.turn import Turn, fault
from processes.engine.dmn.types import typed
from processes.engine.errors import ProcessFault


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How one decision came about, as JSON: its inputs, the rules that matched, its result."""

    decision: str
    name: str
    inputs: Mapping[str, Any]
    rules: tuple[Mapping[str, Any], ...]
    result: Any

    def to_json(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "name": self.name,
            "inputs": dict(self.inputs),
            "rules": [dict(rule) for rule in self.rules],
            "result": self.result,
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`result` and `rows` are JSON; `decisions` are in the order in which they were evaluated, the one asked for last.

    `rows` are the outputs of the rules that make up the result; of what is no table, the result under its name.
    """

    result: Any
    rows: tuple[Row, ...] = ()
    decisions: tuple[Evaluated, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def evaluate(model: DecisionModel, decision: str, variables: Mapping[str, Any], at: datetime) -> Evaluation:
    """Evaluate a decision of a model over variables, which are JSON. Raises `ProcessFault`."""
    turn = Turn(at)
    found: dict[str, Any] = {}
    told: list[Evaluated] = []
    wanted = model.decisions[decision]
    last = Found(None)
    requires = {id: one.requires for id, one in model.decisions.items()}
    for id in ordered([decision], requires):
        one = model.decisions[id]
        try:
            last = _one(model, one, found, variables, turn)
            result = typed(turn, last.value, one.type, "the result") if last.rows is None else last.value
            found[one.id] = result
            told.append(_told(one, last, result))
        except (ProcessFault, feel.FeelError) as error:
            raise fault(f"Decision '{one.id}': {error}") from None
    outcome = told[-1].result
    if last.rows is None:
        rows: tuple[Row, ...] = ({wanted.variable or wanted.name or wanted.id: outcome},)
    else:
        rows = tuple(_json(row) for row in last.rows)
    return Evaluation(outcome, rows, tuple(told), tuple(turn.warnings))


def _one(
    model: DecisionModel, decision: Decision, found: Mapping[str, Any], variables: Mapping[str, Any], turn: Turn
) -> Found:
    seen = dict(variables)
    for data in decision.inputs:
        if data.type and data.name in seen:
            seen[data.name] = typed(turn, seen[data.name], data.type, f"the input data '{data.name}'")
    for id in decision.requires:
        required = model.decisions[id]
        seen |= {name: found[id] for name in (id, required.name, required.variable) if name}
    for knowledge in decision.knowledge:
        seen[knowledge.name] = turn.value(knowledge.function, seen, f"the knowledge '{knowledge.name}'")
    return decision.logic.evaluate(turn, seen)


def _told(decision: Decision, found: Found, result: Any) -> Evaluated:
    rules = tuple({"index": one.index, "rule": one.rule, "outputs": _json(one.outputs)} for one in found.matched)
    return Evaluated(decision.id, decision.name, _json(found.inputs), rules, feel.to_json(result))


def _json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: feel.to_json(value) for name, value in row.items()}
