"""``for``, ``some`` and ``every`` (DMN 1.5, 10.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from processes.engine.feel import syntax
from processes.engine.feel.budget import Run
from processes.engine.feel.compiler.core import Code, build, builds, weight
from processes.engine.feel.decimals import as_number
from processes.engine.feel.environment import Environment
from processes.engine.feel.errors import Mistake
from processes.engine.feel.temporal import Date, date_of
from processes.engine.feel.values import Range, describe

Source = Callable[[Environment], Iterator[Any]]


@builds(syntax.For)
def for_(node: syntax.For, local: bool) -> Code:
    """The list of the bodies. ``partial`` is the list of those before."""
    names, sources = _sources(node.iterations)
    body, steps = build(node.body, True), weight(node.body)
    uses_partial = _mentions(node.body, "partial")

    def collect(env: Environment) -> list[Any] | None:
        run, results = env.run, list[Any]()
        rounds = _rounds(env, names, sources)
        try:
            for frame in rounds:
                run.charge(steps)
                if len(results) >= run.budget.size:
                    run.made(len(results) + 1)
                if uses_partial:
                    run.made(len(results))
                    frame["partial"] = results.copy()
                results.append(body(Environment(run, frame, env)))
        except Mistake as mistake:
            run.warn(str(mistake))
            return None
        return results

    return collect


@builds(syntax.Quantified)
def quantified(node: syntax.Quantified, local: bool) -> Code:
    """``some`` is the three-valued or of the conditions, ``every`` their and."""
    names, sources = _sources(node.iterations)
    condition, steps = build(node.condition, True), weight(node.condition)
    decisive = node.quantifier == "some"

    def decide(env: Environment) -> bool | None:
        run = env.run
        undecided = False
        try:
            for frame in _rounds(env, names, sources):
                run.charge(steps)
                answer = condition(Environment(run, frame, env))
                if type(answer) is bool and answer == decisive:
                    return decisive
                if type(answer) is not bool:
                    undecided = True
                    if answer is not None:
                        run.warn(f"Expected a boolean after 'satisfies' but found {describe(answer)}")
        except Mistake as mistake:
            run.warn(str(mistake))
            return None
        return None if undecided else not decisive

    return decide


def _mentions(node: syntax.Node, name: str) -> bool:
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, syntax.Name) and here.name == name:
            return True
        waiting.extend(syntax.children(here))
    return False


def _sources(iterations: tuple[syntax.Iteration, ...]) -> tuple[list[str], list[Source]]:
    return [iteration.name for iteration in iterations], [_source(iteration) for iteration in iterations]


def _rounds(env: Environment, names: list[str], sources: list[Source]) -> Iterator[dict[str, Any]]:
    """A frame for every combination, the last name changing fastest; a source sees the names before it."""
    if len(sources) > 1:
        yield from _nested(env, names, sources, 0, {})
        return
    for item in sources[0](env):
        yield {names[0]: item}


def _nested(
    env: Environment, names: list[str], sources: list[Source], depth: int, frame: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for item in sources[depth](Environment(env.run, frame, env)):
        here = {**frame, names[depth]: item}
        if depth + 1 == len(sources):
            yield here
        else:
            env.run.charge()
            yield from _nested(env, names, sources, depth + 1, here)


def _source(iteration: syntax.Iteration) -> Source:
    # A frame may always be around: the names of the iterations before.
    start = build(iteration.source, True)
    if iteration.end is not None:
        end = build(iteration.end, True)
        return lambda env: _interval(start(env), end(env))
    return lambda env: _items(env.run, start(env))


def _items(run: Run, value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        return iter(value)
    if isinstance(value, Range):
        return _inside(value)
    if value is None:
        raise Mistake("Expected a list after 'in' but found null")
    return iter((value,))


def _inside(interval: Range) -> Iterator[Any]:
    """The whole numbers or days of a range, without its ends where it is open."""
    for item in _interval(interval.start, interval.end):
        if (item == interval.start and not interval.start_included) or (
            item == interval.end and not interval.end_included
        ):
            continue
        yield item


def _interval(start: Any, end: Any) -> Iterator[Any]:
    """Whole numbers or days from start to end, upwards or downwards, one at a time. Raises `Mistake`."""
    if isinstance(start, Date) and isinstance(end, Date):
        first, last = start.ordinal, end.ordinal
        return map(date_of, _count(first, last))
    low, high = as_number(start), as_number(end)
    if low is None or high is None or low != int(low) or high != int(high):
        raise Mistake(f"Expected whole numbers or dates around '..' but found {describe(start)} and {describe(end)}")
    return _count(int(low), int(high))


def _count(first: int, last: int) -> Iterator[int]:
    return iter(range(first, last + 1) if first <= last else range(first, last - 1, -1))
