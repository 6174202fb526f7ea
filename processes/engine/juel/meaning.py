"""What the operators, functions and methods of JUEL mean, in FEEL.

FEEL's logic has three values and JUEL's two, so what is neither true nor false is made false with ``if``, as FEEL's
``if`` does (DMN 1.5, 10.3.2.4; Jakarta Expression Language 3.0, sections 1.7 to 1.12 and 1.23.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from processes.engine.feel import syntax
from processes.engine.feel.errors import FeelSyntaxError
from processes.engine.feel.syntax import Node

TRUE, FALSE, NULL = syntax.Literal(True), syntax.Literal(False), syntax.Literal(None)


def call(function: str, *arguments: Node) -> Node:
    return syntax.Call(syntax.Name(function), arguments, ())


def truth(node: Node) -> Node:
    """True or false, never null."""
    return syntax.If(node, TRUE, FALSE)


def negation(node: Node) -> Node:
    return syntax.If(node, FALSE, TRUE)


def equal(left: Node, right: Node) -> Node:
    return truth(syntax.Comparison("=", left, right))


def unequal(left: Node, right: Node) -> Node:
    return negation(syntax.Comparison("=", left, right))


def both(left: Node, right: Node) -> Node:
    return syntax.If(left, truth(right), FALSE)


def either(left: Node, right: Node) -> Node:
    return syntax.If(left, TRUE, truth(right))


def empty(node: Node) -> Node:
    """``empty``: null, or a text, list or context with nothing in it."""
    nothing: tuple[Node, ...] = (NULL, syntax.Literal(""), syntax.ListLiteral(()), syntax.ContextLiteral(()))
    tree: Node = FALSE
    for value in reversed(nothing):
        tree = syntax.If(syntax.Comparison("=", node, value), TRUE, tree)
    return tree


def item(base: Node, index: Node) -> Node:
    """``base[index]``: an entry by its name, an item of a list by its number from 0."""
    if isinstance(index, syntax.Literal) and isinstance(index.value, str):
        return call("get value", base, index)
    # Not a filter with the index inside: there, entries of the items would hide variables of the same name.
    following = syntax.Arithmetic("+", index, syntax.Literal(1))
    listed = syntax.Filter(call("sublist", base, following, syntax.Literal(1)), syntax.Literal(1))
    return syntax.If(syntax.InstanceOf(index, syntax.Type("string")), call("get value", base, index), listed)


def written(node: Node) -> Node:
    """As a text; null is an empty one."""
    return syntax.If(syntax.Comparison("=", node, NULL), syntax.Literal(""), call("string", node))


def text(parts: Sequence[Node]) -> Node:
    """The texts of all parts, one after the other."""
    texts = [
        part if isinstance(part, syntax.Literal) and isinstance(part.value, str) else written(part) for part in parts
    ]
    return call("string join", syntax.ListLiteral(tuple(texts)))


def size(node: Node) -> Node:
    texts = syntax.InstanceOf(node, syntax.Type("string"))
    entries = syntax.InstanceOf(node, syntax.Type("context"))
    return syntax.If(
        texts, call("string length", node), call("count", syntax.If(entries, call("get entries", node), node))
    )


def contains(node: Node, part: Node) -> Node:
    texts = syntax.InstanceOf(node, syntax.Type("string"))
    return truth(syntax.If(texts, call("contains", node, part), call("list contains", node, part)))


def variable(name: Node) -> Node:
    """``execution.getVariable('name')``: the name is known when the model is read, as names are in FEEL."""
    if isinstance(name, syntax.Literal) and isinstance(name.value, str):
        return syntax.Name(name.value)
    raise FeelSyntaxError("Expected the name of the variable as a literal text but found an expression", 0)


def has_variable(name: Node) -> Node:
    return negation(syntax.Comparison("=", variable(name), NULL))


@dataclass(frozen=True, slots=True)
class Meaning:
    """`arity` counts the object of a method too."""

    arity: int
    build: Callable[..., Node]


def compared(sign: str, left: Node, right: Node) -> Node:
    return truth(syntax.Comparison(sign, left, right))


OPERATORS: Mapping[str, Callable[[Node, Node], Node]] = {
    "||": either,
    "&&": both,
    "==": equal,
    "!=": unequal,
    **{sign: partial(compared, sign) for sign in ("<", "<=", ">", ">=")},
    **{sign: partial(syntax.Arithmetic, sign) for sign in ("+", "-", "*", "/")},
    "%": partial(call, "modulo"),
}


def _built_in(function: str, arity: int) -> Meaning:
    return Meaning(arity, partial(call, function))


METHODS: Mapping[str, Meaning] = {
    "concat": Meaning(2, lambda left, right: text((left, right))),
    "contains": Meaning(2, contains),
    "containsKey": Meaning(2, lambda node, key: negation(equal(call("get value", node, key), NULL))),
    "endsWith": _built_in("ends with", 2),
    "equals": Meaning(2, equal),
    "get": Meaning(2, item),
    "isEmpty": Meaning(1, empty),
    "length": Meaning(1, size),
    "matches": _built_in("matches", 2),
    "size": Meaning(1, size),
    "startsWith": _built_in("starts with", 2),
    "toLowerCase": _built_in("lower case", 1),
    "toString": Meaning(1, written),
    "toUpperCase": _built_in("upper case", 1),
    "trim": _built_in("trim", 1),
}
"""Methods of texts, lists and maps."""

FUNCTIONS: Mapping[str, Meaning] = {
    "now": _built_in("now", 0),
    "dateTime": _built_in("now", 0),
}

OBJECTS: Mapping[str, Mapping[str, Meaning]] = {
    "execution": {
        "getVariable": Meaning(1, variable),
        "hasVariable": Meaning(1, has_variable),
    },
}
"""Objects of the engine, and what may be asked of them."""
