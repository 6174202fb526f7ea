"""Which variables an expression refers to: the names that nothing inside of it declares.

Inside a filter a name may as well be an entry of the elements, so this says more names than are needed and
never fewer. And which texts stand in it.
"""

from __future__ import annotations

from processes.engine.feel import syntax
from processes.engine.feel.builtins import BUILTINS
from processes.engine.feel.syntax import Node


def free_names(node: Node) -> frozenset[str]:
    """The variables of an expression, built-in functions left out."""
    found: set[str] = set()
    _collect(node, frozenset(), found)
    return frozenset(found)


def texts(node: Node) -> frozenset[str]:
    """The texts that stand in an expression as such."""
    if isinstance(node, syntax.Literal):
        return frozenset([node.value] if isinstance(node.value, str) else ())
    return frozenset(text for child in syntax.children(node) for text in texts(child))


def _collect(node: Node, bound: frozenset[str], found: set[str]) -> None:
    match node:
        case syntax.Name(name):
            if name not in bound and name not in BUILTINS:
                found.add(name)
        case syntax.Call(syntax.Name(), positional, named):
            # What is called by name is a function: of FEEL, of the host or of this expression.
            for argument in (*positional, *(value for _, value in named)):
                _collect(argument, bound, found)
        case syntax.For(iterations, body) | syntax.Quantified(_, iterations, body):
            for iteration in iterations:
                for part in syntax.children(iteration):
                    _collect(part, bound, found)
                bound |= {iteration.name}
            _collect(body, bound | {"partial"} if isinstance(node, syntax.For) else bound, found)
        case syntax.FunctionLiteral(parameters, body):
            _collect(body, bound | {name for name, _ in parameters}, found)
        case syntax.ContextLiteral(entries):
            for key, value in entries:
                _collect(value, bound, found)
                bound |= {key}
        case syntax.Filter(base, condition):
            _collect(base, bound, found)
            _collect(condition, bound | {"item"}, found)
        case _:
            for child in syntax.children(node):
                _collect(child, bound, found)
