"""From text to tokens of JUEL (Jakarta Expression Language 3.0, section 1.20)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from processes.engine.feel.errors import FeelSyntaxError


class Kind(Enum):
    NAME = auto()
    NUMBER = auto()
    STRING = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the value of strings, the sign of operators that are words, else the source; `position` counts from 0
    in the whole text."""

    kind: Kind
    text: str
    position: int


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[^\W\d][\w$]*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<symbol>==|!=|<=|>=|&&|\|\||[-+*/%!<>?:.,()\[\]}])
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = {
    "and": "&&",
    "div": "/",
    "empty": "empty",
    "eq": "==",
    "ge": ">=",
    "gt": ">",
    "le": "<=",
    "lt": "<",
    "mod": "%",
    "ne": "!=",
    "not": "!",
    "or": "||",
}
"""Operators that are words too."""


def tokens(text: str, start: int) -> tuple[list[Token], int]:
    """The tokens of one expression whose first character is at `start`, an END last, and where its ``}`` stands.
    Raises `FeelSyntaxError`."""
    found: list[Token] = []
    position = start
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            what = "a closing quote" if text[position] in "\"'" else "an expression"
            raise FeelSyntaxError(f"Expected {what} but found '{text[position]}'", position)
        if match[0] == "}":
            found.append(Token(Kind.END, "", position))
            return found, position
        if match.lastgroup != "space":
            found.append(_token(match.lastgroup or "", match[0], position))
        position = match.end()
    raise FeelSyntaxError("Expected a closing '}' but the text ends", position)


def _token(kind: str, text: str, position: int) -> Token:
    if kind == "string":
        return Token(Kind.STRING, re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL), position)
    if kind == "name":
        operator = _WORDS.get(text)
        return Token(Kind.SYMBOL if operator else Kind.NAME, operator or text, position)
    return Token(Kind.NUMBER if kind == "number" else Kind.SYMBOL, text, position)
