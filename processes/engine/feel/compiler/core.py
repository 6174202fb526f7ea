"""From syntax tree to closures: the registry that the other rooms of the compiler fill.

Every kind of node has one builder. It compiles the parts once and returns a closure ``(environment) ->
value``; evaluating a tree is then calling its root. `local` says whether any frame of local names lies
around a node: without one, a name is looked up among the variables at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from processes.engine.feel import syntax
from processes.engine.feel.environment import Environment

Code = Callable[[Environment], Any]
Builder = Callable[[Any, bool], Code]
N = TypeVar("N", bound=syntax.Node)

NODES_PER_STEP = 8

_BUILDERS: dict[type[syntax.Node], Builder] = {}


def builds(kind: type[N]) -> Callable[[Callable[[N, bool], Code]], Callable[[N, bool], Code]]:
    """Register the builder of one kind of node."""

    def register(builder: Callable[[N, bool], Code]) -> Callable[[N, bool], Code]:
        _BUILDERS[kind] = builder
        return builder

    return register


def build(node: syntax.Node, local: bool) -> Code:
    """The closure of a node."""
    return _BUILDERS[type(node)](node, local)


def weight(node: syntax.Node) -> int:
    """Steps that one evaluation of a node costs, whatever it does not charge for by itself."""
    count, waiting = 0, [node]
    while waiting:
        here = waiting.pop()
        count += 1
        waiting.extend(syntax.children(here))
    return 1 + count // NODES_PER_STEP
