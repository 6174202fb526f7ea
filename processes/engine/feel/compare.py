"""Equality, order and membership in three values: True, False and None (DMN 1.5, 10.3.2.4 and 10.3.2.7).

Values of different kinds are neither equal nor unequal: the answer is null. Null itself equals null only,
and has no order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from processes.engine.feel.budget import ITEMS_PER_STEP, Run
from processes.engine.feel.decimals import NUMBERS, as_number
from processes.engine.feel.errors import Mistake
from processes.engine.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from processes.engine.feel.values import Function, Range, check_depth, describe, kind_of

_ORDERED: dict[str, Callable[[int, int], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def equal(run: Run, left: Any, right: Any, depth: int = 0) -> bool | None:
    """``left = right``. None, with a warning, where the kinds differ."""
    kind = type(left)
    if kind is type(right) and (kind is str or kind is int or kind is bool):
        return bool(left == right)
    if left is None or right is None:
        return left is right
    kind_left, kind_right = kind_of(left), kind_of(right)
    if kind_left != kind_right:
        run.warn(f"Expected two values of one type to compare but found {describe(left)} and {describe(right)}")
        return None
    check_depth(depth)
    if kind_left == "number":
        return as_number(left) == as_number(right)
    if kind_left == "list":
        return _equal_lists(run, left, right, depth)
    if kind_left == "context":
        return _equal_contexts(run, left, right, depth)
    if isinstance(left, Time | DateTime):
        return bool(left.is_local == right.is_local and left.instant == right.instant)
    if isinstance(left, Range):
        return _equal_ranges(run, left, right, depth)
    if isinstance(left, Function):
        return left is right
    return bool(left == right)


def _equal_lists(run: Run, left: list[Any], right: list[Any], depth: int) -> bool:
    if len(left) != len(right):
        return False
    run.charge(1 + len(left) // ITEMS_PER_STEP)
    return all(equal(run, one, other, depth + 1) is True for one, other in zip(left, right, strict=True))


def _equal_contexts(run: Run, left: Mapping[str, Any], right: Mapping[str, Any], depth: int) -> bool:
    if left.keys() != right.keys():
        return False
    run.charge(1 + len(left) // ITEMS_PER_STEP)
    return all(equal(run, value, right[key], depth + 1) is True for key, value in left.items())


def _equal_ranges(run: Run, left: Range, right: Range, depth: int) -> bool:
    same_ends = (left.start_included, left.end_included, left.operator) == (
        right.start_included,
        right.end_included,
        right.operator,
    )
    return (
        same_ends
        and equal(run, left.start, right.start, depth + 1) is True
        and equal(run, left.end, right.end, depth + 1) is True
    )


def sort_key(value: Any) -> Any:
    """What Python can order in place of a value that has an order. Raises `Mistake` for others."""
    if type(value) in NUMBERS or type(value) is str:
        return value
    if type(value) is float:
        return as_number(value)
    if isinstance(value, Date):
        return value.ordinal
    if isinstance(value, Time | DateTime):
        return value.instant
    if isinstance(value, DayTimeDuration):
        return value.nanos
    if isinstance(value, YearMonthDuration):
        return value.months
    raise Mistake(f"Expected a number, a string or a date or time to order but found {describe(value)}")


def order(run: Run, left: Any, right: Any) -> int | None:
    """-1, 0 or 1 for less, equal, greater. None, with a warning, where there is no order."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return int(left > right) - int(left < right)
    kind_left, kind_right = kind_of(left), kind_of(right)
    try:
        one, other = sort_key(left), sort_key(right)
    except Mistake as mistake:
        run.warn(str(mistake))
        return None
    if kind_left != kind_right or one is None or other is None:
        run.warn(f"Expected two values of one type to order but found {describe(left)} and {describe(right)}")
        return None
    if isinstance(left, Time | DateTime) and left.is_local != right.is_local:
        run.warn(f"Expected both or neither with an offset but found {describe(left)} and {describe(right)}")
        return None
    return int(one > other) - int(one < other)


def compare(run: Run, operator: str, left: Any, right: Any) -> bool | None:
    """``left operator right`` for any comparison operator."""
    if operator == "=":
        return equal(run, left, right)
    if operator == "!=":
        same = equal(run, left, right)
        return None if same is None else not same
    found = order(run, left, right)
    if found is None:
        return None
    return _ORDERED[operator](found, 0)


def both(left: bool | None, right: bool | None) -> bool | None:
    """Three-valued ``and``."""
    if left is False or right is False:
        return False
    return True if left is True and right is True else None


def either(left: bool | None, right: bool | None) -> bool | None:
    """Three-valued ``or``."""
    if left is True or right is True:
        return True
    return False if left is False and right is False else None


def includes(run: Run, interval: Range, value: Any) -> bool | None:
    """Whether a range contains a value; null where an end is null but in a ``(< 5)``."""
    if interval.operator in ("=", "!="):
        return compare(run, interval.operator, value, interval.start)
    if not interval.operator and (interval.start is None or interval.end is None):
        run.warn("Expected a range with two ends but found one that is null")
        return None
    after: bool | None = True
    before: bool | None = True
    if interval.start is not None:
        after = compare(run, ">=" if interval.start_included else ">", value, interval.start)
    if interval.end is not None:
        before = compare(run, "<=" if interval.end_included else "<", value, interval.end)
    return both(after, before)


def matches(run: Run, value: Any, test: Any) -> bool | None:
    """``value in test``: in the range, among the elements (themselves tests), or equal."""
    if isinstance(test, Range):
        if isinstance(value, Range):
            return equal(run, value, test)
        return includes(run, test, value)
    if not isinstance(test, list):
        return equal(run, value, test)
    if isinstance(value, list) and equal(run, value, test) is True:
        return True
    found: bool | None = False
    for item in test:
        run.charge()
        answer = (
            equal(run, value, item)
            if isinstance(item, list) and isinstance(value, list)
            else _element(run, value, item)
        )
        if answer is True:
            return True
        found = either(found, answer)
    return found


def _element(run: Run, value: Any, item: Any) -> bool | None:
    if isinstance(item, Range) and not isinstance(value, Range):
        return includes(run, item, value)
    return equal(run, value, item)
