"""Built-ins over ranges and points: Allen's interval algebra (DMN 1.5, 10.3.4.7).

A point is taken as the closed range from itself to itself; every rule of the table for points follows from
the rule for ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from processes.engine.feel.budget import Run
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.compare import order
from processes.engine.feel.errors import Mistake
from processes.engine.feel.values import Range, describe

Rule = Callable[[Run, Range, Range], bool]


def _interval(value: Any) -> Range:
    if value is None:
        raise Mistake("Expected a range or a point but found null")
    return value if isinstance(value, Range) else Range(value, value, True, True)


def _order(run: Run, left: Any, right: Any) -> int:
    found = order(run, left, right)
    if found is None:
        raise Mistake(f"Expected two points with an order but found {describe(left)} and {describe(right)}")
    return found


def _before(run: Run, a: Range, b: Range) -> bool:
    found = _order(run, a.end, b.start)
    return found < 0 or (found == 0 and not (a.end_included and b.start_included))


def _meets(run: Run, a: Range, b: Range) -> bool:
    return a.end_included and b.start_included and _order(run, a.end, b.start) == 0


def _overlaps(run: Run, a: Range, b: Range) -> bool:
    return not _before(run, a, b) and not _before(run, b, a)


def _overlaps_before(run: Run, a: Range, b: Range) -> bool:
    starts = _order(run, a.start, b.start)
    earlier = starts < 0 or (starts == 0 and a.start_included and not b.start_included)
    return earlier and not _before(run, a, b) and _ends_within(run, a, b)


def _ends_within(run: Run, a: Range, b: Range) -> bool:
    found = _order(run, a.end, b.end)
    return found < 0 or (found == 0 and (not a.end_included or b.end_included))


def _starts_within(run: Run, a: Range, b: Range) -> bool:
    found = _order(run, a.start, b.start)
    return found > 0 or (found == 0 and (not a.start_included or b.start_included))


def _finishes(run: Run, a: Range, b: Range) -> bool:
    same = a.end_included == b.end_included and _order(run, a.end, b.end) == 0
    return same and _starts_within(run, a, b)


def _includes(run: Run, a: Range, b: Range) -> bool:
    return _starts_within(run, b, a) and _ends_within(run, b, a)


def _starts(run: Run, a: Range, b: Range) -> bool:
    same = a.start_included == b.start_included and _order(run, a.start, b.start) == 0
    return same and _ends_within(run, a, b)


def _coincides(run: Run, a: Range, b: Range) -> bool:
    return _includes(run, a, b) and _includes(run, b, a)


def _mixed(name: str) -> list[str]:
    """The signature with a point and a range, where DMN gives one order of them only."""
    if name in ("finishes", "starts", "during"):
        return [f"{name}(point: any, range: any)"]
    if name in ("finished by", "started by", "includes"):
        return [f"{name}(range: any, point: any)"]
    return []


def _declare(name: str, rule: Rule, inverse: str) -> None:
    @builtin(f"{name}(point1: any, point2: any)", f"{name}(range1: any, range2: any)", *_mixed(name))
    def straight(run: Run, a: Any, b: Any) -> bool:
        return rule(run, _interval(a), _interval(b))

    if inverse:

        @builtin(f"{inverse}(point1: any, point2: any)", f"{inverse}(range1: any, range2: any)", *_mixed(inverse))
        def inverted(run: Run, a: Any, b: Any) -> bool:
            return rule(run, _interval(b), _interval(a))


for _name, _rule, _inverse in (
    ("before", _before, "after"),
    ("meets", _meets, "met by"),
    ("overlaps", _overlaps, ""),
    ("overlaps before", _overlaps_before, "overlaps after"),
    ("finishes", _finishes, "finished by"),
    ("includes", _includes, "during"),
    ("starts", _starts, "started by"),
    ("coincides", _coincides, ""),
):
    _declare(_name, _rule, _inverse)
