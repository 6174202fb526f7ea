"""Who requires whom: the order of evaluation, and circles, of which there must be none (DMN 1.5, 6.3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

Requires = Mapping[str, Iterable[str]]


def ordered(wanted: Iterable[str], requires: Requires) -> list[str]:
    """Ids and everything that they require, each once, what is required first."""
    order: dict[str, None] = {}
    entered: set[str] = set()
    stack = [(id, False) for id in reversed([*wanted])]
    while stack:
        id, ready = stack.pop()
        if ready:
            order[id] = None
        elif id not in entered:
            entered.add(id)
            stack.append((id, True))
            stack += [(other, False) for other in reversed([*requires.get(id, ())])]
    return list(order)


def circles(requires: Requires) -> Iterator[list[str]]:
    """Circles as paths that end where they begin; one at least for every circle that there is."""
    over: set[str] = set()
    for start in requires:
        path: dict[str, Iterator[str]] = {}
        if start not in over:
            path[start] = iter(requires[start])
        while path:
            here = next(reversed(path))
            other = next(path[here], None)
            if other is None:
                del path[here]
                over.add(here)
            elif other in path:
                ids = list(path)
                yield [*ids[ids.index(other) :], other]
            elif other not in over:
                path[other] = iter(requires.get(other, ()))
