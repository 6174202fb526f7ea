"""Built-ins over lists (DMN 1.5, 10.3.4.4 and 10.3.4.9). Positions count from 1, from the end if negative."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processes.engine.feel.budget import ITEMS_PER_STEP, Run
from processes.engine.feel.builtins.numbers import integer
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.compare import order
from processes.engine.feel.decimals import as_number
from processes.engine.feel.errors import Mistake
from processes.engine.feel.temporal import DateTime, Time
from processes.engine.feel.values import Function, check_depth, describe, kind_of


def same_key(run: Run, value: Any, depth: int = 0) -> Any:
    """A hashable stand-in: two values have the same one exactly if FEEL calls them equal."""
    check_depth(depth)
    kind = kind_of(value)
    if kind == "number":
        return kind, as_number(value)
    if kind == "list":
        run.charge(1 + len(value) // ITEMS_PER_STEP)
        return kind, tuple([same_key(run, item, depth + 1) for item in value])
    if isinstance(value, Mapping):
        run.charge(1 + len(value) // ITEMS_PER_STEP)
        return kind, frozenset([(key, same_key(run, item, depth + 1)) for key, item in value.items()])
    if isinstance(value, Time | DateTime):
        return kind, value.is_local, value.instant
    if kind in ("function", "value"):
        return kind, id(value)
    return kind, value


def position(size: int, place: Any, *, last: int) -> int:
    """An index from 0 of a position from 1 or, from the end, -1. Raises `Mistake`."""
    found = integer(place)
    index = found - 1 if found > 0 else size + found
    if found == 0 or not 0 <= index < last:
        raise Mistake(f"Expected a position in a list of {size} but found {found}")
    return index


@builtin("list contains(list: list, element: any)")
def list_contains(run: Run, items: list[Any], element: Any) -> bool:
    run.charge(len(items) // ITEMS_PER_STEP)
    wanted = same_key(run, element)
    return any(same_key(run, item) == wanted for item in items)


@builtin("count(list: list)")
def count(run: Run, items: list[Any]) -> int:
    return len(items)


@builtin("is empty(list: list)")
def is_empty(run: Run, items: list[Any]) -> bool:
    return not items


def _best(run: Run, items: list[Any], wanted: int) -> Any:
    if not items:
        return None
    run.charge(len(items) // ITEMS_PER_STEP)
    best = items[0]
    for item in items:
        found = order(run, item, best)
        if found is None:
            return None
        if found == wanted:
            best = item
    return best


@builtin("min(list...: list)")
def min_(run: Run, items: list[Any]) -> Any:
    return _best(run, items, -1)


@builtin("max(list...: list)")
def max_(run: Run, items: list[Any]) -> Any:
    return _best(run, items, 1)


@builtin("all(list...: list)")
def all_(run: Run, items: list[Any]) -> bool | None:
    return _booleans(run, items, "all", False)


@builtin("any(list...: list)")
def any_(run: Run, items: list[Any]) -> bool | None:
    return _booleans(run, items, "any", True)


def _booleans(run: Run, items: list[Any], function: str, decisive: bool) -> bool | None:
    run.charge(len(items) // ITEMS_PER_STEP)
    if any(item is decisive for item in items):
        return decisive
    for item in items:
        if item is not None and type(item) is not bool:
            raise Mistake(f"Expected booleans in the list of {function}() but found {describe(item)}")
    return None if None in items else not decisive


@builtin("sublist(list: list, start position: number, length?: number)")
def sublist(run: Run, items: list[Any], start: Any, length: Any = None) -> list[Any]:
    first = position(len(items), start, last=len(items))
    if length is None:
        return items[first:]
    size = integer(length)
    if size < 1 or first + size > len(items):
        raise Mistake(f"Expected a length from 1 to {len(items) - first} for sublist() but found {size}")
    run.charge(size // ITEMS_PER_STEP)
    return items[first : first + size]


@builtin("append(list: list, *items: any)")
def append(run: Run, items: list[Any], added: list[Any]) -> list[Any]:
    run.made(len(items) + len(added))
    return [*items, *added]


@builtin("concatenate(*lists: list)")
def concatenate(run: Run, lists: list[list[Any]]) -> list[Any]:
    run.made(sum(map(len, lists)))
    return [item for items in lists for item in items]


@builtin("union(*lists: list)")
def union(run: Run, lists: list[list[Any]]) -> list[Any]:
    together: list[Any] = concatenate(run, lists)
    return _distinct(run, together)


@builtin("distinct values(list: list)")
def distinct_values(run: Run, items: list[Any]) -> list[Any]:
    return _distinct(run, items)


def _distinct(run: Run, items: list[Any]) -> list[Any]:
    run.made(len(items))
    kept: dict[Any, Any] = {}
    for item in items:
        kept.setdefault(same_key(run, item), item)
    return list(kept.values())


@builtin("duplicate values(list: list)")
def duplicate_values(run: Run, items: list[Any]) -> list[Any]:
    run.made(len(items))
    seen: dict[Any, int] = {}
    for item in items:
        key = same_key(run, item)
        seen[key] = seen.get(key, 0) + 1
    return [item for item in _distinct(run, items) if seen[same_key(run, item)] > 1]


@builtin("insert before(list: list, position: number, newItem: any)")
def insert_before(run: Run, items: list[Any], place: Any, item: Any) -> list[Any]:
    index = position(len(items), place, last=len(items) + 1)
    run.made(len(items) + 1)
    return [*items[:index], item, *items[index:]]


@builtin("remove(list: list, position: number)")
def remove(run: Run, items: list[Any], place: Any) -> list[Any]:
    index = position(len(items), place, last=len(items))
    run.made(len(items))
    return [*items[:index], *items[index + 1 :]]


@builtin("reverse(list: list)")
def reverse(run: Run, items: list[Any]) -> list[Any]:
    run.made(len(items))
    return items[::-1]


@builtin("index of(list: list, match: any)")
def index_of(run: Run, items: list[Any], match: Any) -> list[int]:
    run.charge(len(items) // ITEMS_PER_STEP)
    wanted = same_key(run, match)
    return [index for index, item in enumerate(items, 1) if same_key(run, item) == wanted]


@builtin("flatten(list: list)")
def flatten(run: Run, items: list[Any]) -> list[Any]:
    flat: list[Any] = []
    waiting = [iter(items)]
    while waiting:
        for item in waiting[-1]:
            run.charge()
            if isinstance(item, list):
                check_depth(len(waiting))
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat


@builtin("partition(list: list, size: number)")
def partition(run: Run, items: list[Any], size: Any) -> list[list[Any]]:
    length = integer(size)
    if length < 1:
        raise Mistake(f"Expected a size from 1 for partition() but found {length}")
    run.made(len(items))
    return [items[start : start + length] for start in range(0, len(items), length)]


@builtin("list replace(list: list, position: number, newItem: any)")
def list_replace(run: Run, items: list[Any], place: Any, item: Any) -> list[Any]:
    index = position(len(items), place, last=len(items))
    run.made(len(items))
    return [*items[:index], item, *items[index + 1 :]]


@builtin("list replace(list: list, match: function, newItem: any)")
def list_replace_matching(run: Run, items: list[Any], match: Function, new: Any) -> list[Any]:
    run.made(len(items))
    return [new if decide(run, match, item, new) else item for item in items]


def decide(run: Run, function: Function, *arguments: Any) -> bool:
    """What a function of two says. Raises `Mistake` where it takes another number or says no boolean."""
    if len(function.parameters) != len(arguments):
        raise Mistake(f"Expected a function of {len(arguments)} but found one of {len(function.parameters)}")
    answer = function.call(run, list(arguments), {})
    if type(answer) is not bool:
        raise Mistake(f"Expected the function to return a boolean but found {describe(answer)}")
    return answer


class _Ranked:
    """An element under a function that says which of two comes first; Python's sort asks `<` only."""

    __slots__ = ("function", "run", "value")

    def __init__(self, run: Run, function: Function | None, value: Any) -> None:
        self.run, self.function, self.value = run, function, value

    def __lt__(self, other: _Ranked) -> bool:
        self.run.charge()
        if self.function is not None:
            return decide(self.run, self.function, self.value, other.value)
        found = order(self.run, self.value, other.value)
        if found is None:
            raise Mistake(f"Expected values with an order but found {describe(self.value)} and {describe(other.value)}")
        return found < 0


@builtin("sort(list: list, precedes?: function)")
def sort(run: Run, items: list[Any], precedes: Function | None = None) -> list[Any]:
    run.made(len(items))
    return [ranked.value for ranked in sorted(_Ranked(run, precedes, item) for item in items)]
