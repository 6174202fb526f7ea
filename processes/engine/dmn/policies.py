"""What a decision table makes of the rules that matched: hit policies and aggregators, DMN 1.5, 8.2.10 and 8.2.11.

| | no rule | one rule | several rules |
|---|---|---|---|
| UNIQUE | default or null | its output | a fault |
| ANY | default or null | its output | their output, a fault where they differ |
| FIRST | default or null | its output | that of the first in the table |
| PRIORITY | default or null | its output | the one whose value comes first among the output values |
| RULE ORDER, COLLECT | default or nothing | a list | a list, in the order of the table |
| OUTPUT ORDER | default or nothing | a list | a list, in the order of the output values |
| COLLECT with SUM, MIN, MAX | default or null | | of all outputs |
| COLLECT with COUNT | 0 | | how many rules matched |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from processes.engine import feel
from processes.engine.dmn.logic import Row
from processes.engine.dmn.turn import Turn, fault, shown


class HitPolicy(StrEnum):
    UNIQUE = "UNIQUE"
    ANY = "ANY"
    PRIORITY = "PRIORITY"
    FIRST = "FIRST"
    RULE_ORDER = "RULE ORDER"
    OUTPUT_ORDER = "OUTPUT ORDER"
    COLLECT = "COLLECT"

    @property
    def is_single(self) -> bool:
        return self in (HitPolicy.UNIQUE, HitPolicy.ANY, HitPolicy.PRIORITY, HitPolicy.FIRST)

    @property
    def is_ordered(self) -> bool:
        """Whether it goes by the order of the output values."""
        return self in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER)


class Aggregator(StrEnum):
    SUM = "SUM"
    MIN = "MIN"
    MAX = "MAX"
    COUNT = "COUNT"


_EQUAL = feel.compile("one = other")
_AGGREGATES = {
    kind: feel.compile(f"{kind.lower()}(outputs)") for kind in (Aggregator.SUM, Aggregator.MIN, Aggregator.MAX)
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched. `ranks` are the places of its outputs among the output values, where they count."""

    index: int
    row: Row
    ranks: tuple[int, ...] = ()

    @property
    def value(self) -> Any:
        return value_of(self.row)


def value_of(row: Row) -> Any:
    """The output of a rule: a value where there is one column, else a context."""
    return next(iter(row.values())) if len(row) == 1 else dict(row)


def settled(
    policy: HitPolicy, aggregator: Aggregator | None, hits: Sequence[Hit], default: Row | None, turn: Turn
) -> tuple[Any, tuple[Row, ...]]:
    """The value of the table, and rule by rule what it consists of. Raises `ProcessFault`."""
    if not hits and not (default is None or aggregator is Aggregator.COUNT):
        value = value_of(default)
        return (value if policy.is_single or aggregator is not None else [value]), (default,)
    if policy.is_single:
        if not hits:
            return None, ()
        hit = _single(policy, hits, turn)
        return hit.value, (hit.row,)
    chosen = sorted(hits, key=lambda hit: hit.ranks) if policy is HitPolicy.OUTPUT_ORDER else hits
    values = [hit.value for hit in chosen]
    if aggregator is None:
        return values, tuple(hit.row for hit in chosen)
    value = _aggregated(aggregator, values, turn)
    names = [*(hits[0].row if hits else ())] or [""]
    return value, () if value is None else ({names[0]: value},)


def _single(policy: HitPolicy, hits: Sequence[Hit], turn: Turn) -> Hit:
    if policy is HitPolicy.PRIORITY:
        return min(hits, key=lambda hit: hit.ranks)
    if policy is HitPolicy.FIRST or len(hits) == 1:
        return hits[0]
    rules = ", ".join(str(hit.index) for hit in hits)
    if policy is HitPolicy.UNIQUE:
        raise fault(f"Expected one rule at most to match, hit policy UNIQUE, but found rules {rules}")
    for other in hits[1:]:
        if turn.value(_EQUAL, {"one": hits[0].value, "other": other.value}, "the outputs") is not True:
            raise fault(
                f"Expected all rules that match to have one output, hit policy ANY, but found rule {hits[0].index} "
                f"with {shown(hits[0].value)} and rule {other.index} with {shown(other.value)}"
            )
    return hits[0]


def _aggregated(aggregator: Aggregator, values: list[Any], turn: Turn) -> Any:
    if aggregator is Aggregator.COUNT:
        return len(values)
    if not values:
        return None
    found = turn.value(_AGGREGATES[aggregator], {"outputs": values}, f"the {aggregator}")
    if found is None:
        raise fault(f"Expected outputs that have a {aggregator} but found {shown(values)}")
    return found
