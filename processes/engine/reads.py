"""Which variables a process reads before it sets them itself, as far as its model tells.

A guess for people who start it by hand: names that an expression reads and that no mapping, script, loop or data of the
model sets. What a worker merges into the process unmapped is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from processes.engine.expression import Expression
from processes.engine.feel import FeelSyntaxError, syntax
from processes.engine.feel.parser import parse
from processes.engine.mapping import VariableMapping
from processes.engine.process import Process

SET_BY = frozenset({"variable", "element", "output_collection", "code_variable", "message_variable", "result"})
"""Fields with the name of a variable that an element sets."""
OUTCOMES = frozenset({"resultExpression", "errorExpression"})
"""Headers in which connectors are told what to make of an answer: the names in their contexts become variables."""
AFTERWARDS = frozenset({"inputs", "outputs", "result_expression", "error_rules"})
"""Fields that are looked at by themselves, or that read an answer."""
DEEPEST = 12
TOLD = frozenset({"loopCounter"})
"""What the engine itself sets."""


def read_variables(process: Process) -> tuple[str, ...]:
    """Names in the order in which the model reads them."""
    read: dict[str, None] = {}
    written: set[str] = set(TOLD)
    for node in process.nodes.values():
        inputs = tuple(getattr(node, "inputs", ()))
        outputs = tuple(getattr(node, "outputs", ()))
        local: set[str] = set()
        for mapping in inputs:
            read.update(dict.fromkeys(name for name in sorted(mapping.source.names) if name not in local))
            local.add(mapping.target[0])
        written |= {mapping.target[0] for mapping in outputs}
        headers = getattr(node, "headers", {})
        for name in OUTCOMES & headers.keys():
            written |= _entries(headers[name])
        # What an output reads is the result as a rule, and no business of who starts the process.
        for name in _names(node, skip=AFTERWARDS, written=written):
            if name not in local:
                read[name] = None
    for flow in process.flows.values():
        if flow.condition is not None:
            read.update(dict.fromkeys(sorted(flow.condition.names)))
    return tuple(name for name in read if name not in written)


def _entries(text: str) -> set[str]:
    """The names of all contexts in an expression."""
    try:
        left = [parse(text.strip().removeprefix("="))]
    except FeelSyntaxError:
        return set()
    found: set[str] = set()
    while left:
        node = left.pop()
        if isinstance(node, syntax.ContextLiteral):
            found |= {name for name, _ in node.entries}
        left += syntax.children(node)
    return found


def _names(
    part: Any, *, skip: frozenset[str] | set[str] = frozenset(), written: set[str], depth: int = 0
) -> Iterator[str]:
    """Variables of all expressions inside a part of the model; what it sets goes to `written`."""
    if depth > DEEPEST or part is None or isinstance(part, str | int | float | bytes):
        return
    if isinstance(part, Expression):
        yield from sorted(part.names)
    elif isinstance(part, VariableMapping):
        yield from sorted(part.source.names)
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _names(value, written=written, depth=depth + 1)
    elif isinstance(part, tuple | list):
        for value in part:
            yield from _names(value, written=written, depth=depth + 1)
    elif is_dataclass(part):
        for each in fields(part):
            if each.name in skip:
                continue
            value = getattr(part, each.name)
            if each.name in SET_BY and isinstance(value, str) and value:
                written.add(value)
            yield from _names(value, written=written, depth=depth + 1)
