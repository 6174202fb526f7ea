"""From text to tokens (DMN 1.5, 10.3.1.2).

A token knows whether space stands before it: names may contain spaces and operators, and only the parser,
which knows the names in scope, can tell ``a - b`` from the name ``a-b``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from processes.engine.feel.errors import FeelSyntaxError

MAX_LENGTH = 65_536
KEYWORDS = frozenset(
    (
        *("and", "between", "else", "every", "false", "for", "function", "if"),
        *("in", "null", "or", "return", "satisfies", "some", "then", "true"),
    )
)


class Kind(Enum):
    NAME = auto()
    QUOTED = auto()  # `a-b`: a name between backquotes, as in Camunda's FEEL
    KEYWORD = auto()
    NUMBER = auto()
    STRING = auto()
    TEMPORAL = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is the value of strings and quoted names, else the source text; `position` counts from 0."""

    kind: Kind
    text: str
    position: int
    spaced: bool


_LETTER = (
    "A-Za-z_?\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_TOKEN = re.compile(
    rf"""
    (?P<space>(?:[\s\u00a0\u200b\ufeff]+|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)+)
  | (?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[{_LETTER}][{_LETTER}0-9'\u00b7\u0300-\u036f\u203f\u2040]*)
  | (?P<string>@?"(?:[^"\\]|\\.)*")
  | (?P<quoted>`[^`\n]+`)
  | (?P<symbol>\.\.|\*\*|<=|>=|!=|->|/(?!\*)|[-+*()\[\]{{}}<>=.,:])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{6}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "'": "'"}


def tokens(text: str) -> list[Token]:
    """All tokens of a text, an END last. Raises `FeelSyntaxError`."""
    if len(text) > MAX_LENGTH:
        raise FeelSyntaxError(f"Expected at most {MAX_LENGTH} characters but found {len(text)}", MAX_LENGTH)
    found: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FeelSyntaxError(_unexpected(text, position), position)
        kind = match.lastgroup
        if kind != "space":
            found.append(_token(kind or "", match[0], position, spaced))
        spaced = kind == "space"
        position = match.end()
    found.append(Token(Kind.END, "", position, True))
    return found


def _token(kind: str, text: str, position: int, spaced: bool) -> Token:
    if kind == "name":
        return Token(Kind.KEYWORD if text in KEYWORDS else Kind.NAME, text, position, spaced)
    if kind == "string":
        if text[0] == "@":
            return Token(Kind.TEMPORAL, unescape(text[2:-1]), position, spaced)
        return Token(Kind.STRING, unescape(text[1:-1]), position, spaced)
    if kind == "quoted":
        return Token(Kind.QUOTED, text[1:-1], position, spaced)
    return Token(Kind.NUMBER if kind == "number" else Kind.SYMBOL, text, position, spaced)


def unescape(text: str) -> str:
    r"""The value of a string literal. Unknown escapes stay as they are: ``"\s"`` is a pattern, no mistake."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_unescaped, text)
    if any("\ud800" <= character <= "\udfff" for character in plain):
        # Two escaped halves of a surrogate pair are one character, as in JSON; a lone half is none.
        plain = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return plain


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        code = int(escape[1:], 16)
        if code == 0:
            return "\ufffd"  # no database stores NUL in a text
        return chr(code) if code <= 0x10FFFF else match[0]
    return _SIMPLE_ESCAPES.get(escape, match[0])


def _unexpected(text: str, position: int) -> str:
    character = text[position]
    if character in '"`' or text[position : position + 2] == '@"':
        return f"Expected a closing {text[position].replace('@', chr(34))} but the text ends"
    if text[position : position + 2] == "/*":
        return "Expected a closing */ but the text ends"
    return f"Expected an expression but found '{character}'"
