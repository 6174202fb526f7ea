"""The tree of a regular expression: frozen values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of a pattern."""


@dataclass(frozen=True, slots=True)
class Atom(Node):
    """Exactly one character. `source` says which, in Python's dialect."""

    source: str


@dataclass(frozen=True, slots=True)
class Anchor(Node):
    """A place between characters. `source` says which, in Python's dialect."""

    source: str


@dataclass(frozen=True, slots=True)
class Reference(Node):
    """What a group has matched, once more."""

    number: int


@dataclass(frozen=True, slots=True)
class Group(Node):
    """`number` counts from 1; 0 is a group that is not kept."""

    number: int
    body: Node


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice(Node):
    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat(Node):
    """`high` is None where there is no upper limit; `lazy` tries few before many."""

    body: Node
    low: int
    high: int | None
    lazy: bool


def render(node: Node) -> str:
    """The pattern in Python's dialect."""
    match node:
        case Atom(source) | Anchor(source):
            return source
        case Reference(number):
            return f"(?:\\{number})"
        case Group(number, body):
            return f"({'' if number else '?:'}{render(body)})"
        case Sequence(parts):
            return "".join(map(render, parts))
        case Choice(options):
            return "|".join(map(render, options))
        case Repeat(body, low, high, lazy):
            return f"{render(body)}{{{low},{'' if high is None else high}}}{'?' if lazy else ''}"
    raise AssertionError(node)


def ways(node: Node, length: int, limit: int) -> int:
    """In how many ways a pattern may match from one place of a text of some length, counted up to `limit`.

    That is what a matcher that goes back and tries again must fear.
    """
    match node:
        case Group(_, body):
            return ways(body, length, limit)
        case Sequence(parts):
            product = 1
            for part in parts:
                product = min(product * ways(part, length, limit), limit)
            return product
        case Choice(options):
            return min(sum(ways(option, length, limit) for option in options), limit)
        case Repeat(body, low, high, _):
            inner, most = ways(body, length, limit), length if high is None else min(high, length)
            if inner == 1:
                return min(max(most - low, 0) + 1, limit)
            return min(int(inner ** min(most, limit.bit_length())), limit) + (1 if low == 0 else 0)
    return 1


def length(node: Node) -> int:
    """How many characters a match takes at least: what is compared at every place, even in a single way."""
    match node:
        case Atom() | Reference():
            return 1
        case Group(_, body):
            return length(body)
        case Sequence(parts):
            return sum(map(length, parts))
        case Choice(options):
            return max(map(length, options))
        case Repeat(body, low, _, _):
            return length(body) * low
    return 0


def has_reference(node: Node) -> bool:
    match node:
        case Reference():
            return True
        case Group(_, body) | Repeat(body, _, _, _):
            return has_reference(body)
        case Sequence(parts) | Choice(parts):
            return any(map(has_reference, parts))
    return False
