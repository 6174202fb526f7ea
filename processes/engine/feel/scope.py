"""Names that no lexer can find, because there is more in them than words: ``a-b``, ``date and time``.

A name of plain words needs no scope, because FEEL has no other meaning for two words side by side: ``full
name`` is one name whether or not it is declared. A name with operators or keywords inside is read as one
only if it is in scope, and then the longest match wins (DMN 1.5, 10.3.1.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from processes.engine.feel.errors import FeelSyntaxError
from processes.engine.feel.lexer import Kind, Token, tokens

#: Built-ins whose names contain a keyword.
BUILT_IN = ("date and time", "years and months duration", "get or else")

#: A name of more tokens is never looked for.
MAX_TOKENS = 24


@lru_cache(maxsize=1024)
def _path(name: str) -> tuple[tuple[str, bool], ...]:
    """The way to a name in the tree; empty where it needs none, or can only be written between backquotes."""
    try:
        found = tokens(name)[:-1]
    except FeelSyntaxError:
        return ()
    if not 1 < len(found) <= MAX_TOKENS or all(token.kind is Kind.NAME for token in found):
        return ()
    return tuple((token.text, token.spaced and index > 0) for index, token in enumerate(found))


class _Step:
    """A place in the tree of names: where the next token leads, and the names that end here."""

    __slots__ = ("following", "names")

    def __init__(self) -> None:
        self.following: dict[tuple[str, bool], _Step] = {}
        self.names: list[str] = []


class Scope:
    """The names in scope that need one, as a tree over their tokens."""

    def __init__(self, names: Iterable[str]) -> None:
        self._root = _Step()
        self._declared: list[_Step] = []
        for name in (*BUILT_IN, *names):
            self.declare(name)

    def declare(self, name: str) -> None:
        path = _path(name)
        if not path:
            return
        step = self._root
        for part in path:
            step = step.following.setdefault(part, _Step())
        step.names.append(name)
        self._declared.append(step)

    @contextmanager
    def block(self) -> Iterator[None]:
        """What is declared inside is forgotten after it."""
        size = len(self._declared)
        yield
        while len(self._declared) > size:
            self._declared.pop().names.pop()

    def match(self, text: Sequence[Token], start: int) -> tuple[str, int] | None:
        """The longest name in scope that starts at a token, and how many tokens it takes."""
        best: tuple[str, int] | None = None
        step = self._root
        for length in range(min(MAX_TOKENS, len(text) - start)):
            token = text[start + length]
            following = step.following.get((token.text, token.spaced and length > 0))
            if following is None or token.kind is Kind.STRING:
                break
            step = following
            if step.names:
                best = step.names[-1], length + 1
        return best


def needs_scope(name: str) -> bool:
    """Whether a name is read as one only where it is known: there is more in it than words."""
    return bool(_path(name))
