"""Statements with bound parameters: where a `:name` is one, and how a driver wants it written.

A value never becomes text of a statement. And a `:name` inside a literal or a comment is no parameter: drivers that
bind on the client (psycopg2, PyMySQL) would otherwise put quotes inside quotes, which is how injections are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tasks.connectors import exact_json
from tasks.connectors.inputs import invalid

LONGEST = 100_000
"""Characters of a statement."""
MOST_VALUES = 10_000
"""Values of one statement, members of lists included."""

_NAME = re.compile(r":([A-Za-z_]\w*)")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_]\w*)?\$")
_CONTROL = re.compile(
    r"\s*(begin|start|commit|rollback|abort|end|savepoint|release|xa|prepare\s+transaction"
    r"|set\s+(?:(?:session|local|global)\s+)?(?:transaction|session\s+characteristics|autocommit))\b",
    re.IGNORECASE,
)
_SETTING = re.compile(r"\s*(set|reset|pragma|attach|detach|copy|vacuum|discard)\b", re.IGNORECASE)
_NOT_IN = re.compile(r"\bnot\s+in\s*\(?\s*$", re.IGNORECASE)
_READS = re.compile(r"\s*(select|values|table)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, cut at its parameters."""

    pieces: tuple[str | Parameter, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, Parameter))

    @property
    def text(self) -> str:
        """As the model says it."""
        return "".join(piece if isinstance(piece, str) else f":{piece.name}" for piece in self.pieces)

    @property
    def only_reads(self) -> bool:
        """Whether it certainly is a query; others may be as well."""
        return isinstance(self.pieces[0], str) and _READS.match(self.pieces[0]) is not None

    def counted(self) -> Statement:
        """A query for the number of its rows."""
        return Statement(("SELECT count(*) FROM (", *self.pieces, "\n) AS counted"))


def parse(
    text: Any, place: str, *, backslash: bool, read_only: bool = False, question_marks: bool = False
) -> Statement:
    """Cut a statement at its parameters.

    `backslash`: in this database a backslash escapes a quote inside quotes. `question_marks`: ``?`` is a parameter,
    named `p1`, `p2`. Raises `JobError` (``INVALID_INPUT``): no text, more than one statement, an unclosed quote, a
    statement that begins or ends transactions, and, read-only, one that changes settings.
    """
    if not isinstance(text, str) or not text.strip():
        found = "none" if text in (None, "") else f"{text!r:.60}"
        raise invalid(f"Expected `{place}` to be an SQL statement, but found {found}")
    if len(text) > LONGEST:
        raise invalid(f"Expected `{place}` to be at most {LONGEST} characters long, but found {len(text)}")
    if "\0" in text:
        raise invalid(f"Expected `{place}` to be an SQL statement, but it has a NUL character")
    pieces: list[str | Parameter] = []
    bare = ""
    begun = position = marks = 0
    while position < len(text):
        end = _region(text, position, place, backslash=backslash)
        if end > position:
            if not text.startswith(("--", "/*", "#"), position):
                bare += "_"
            position = end
            continue
        character = text[position]
        if character == ";":
            if _rest(text, position + 1, place, backslash=backslash):
                raise invalid(f"Expected `{place}` to be one statement, but found several: list them in `statements`")
            break
        name = _NAME.match(text, position) if character == ":" else None
        if text.startswith("::", position):
            position += 2
            bare += "::"
            continue
        if name or (question_marks and character == "?"):
            marks += 1
            pieces += [text[begun:position], Parameter(name[1] if name else f"p{marks}")]
            position = begun = name.end() if name else position + 1
            continue
        bare += character
        position += 1
    pieces.append(text[begun:position])
    if _CONTROL.match(bare):
        raise invalid(f"Expected `{place}` to leave transactions to the connector, but found {bare.split()[0]!r:.40}")
    if read_only and _SETTING.match(bare):
        raise invalid(f"Expected `{place}` to only read, but found {bare.split()[0]!r:.40}")
    return Statement(tuple(piece for piece in pieces if piece != ""))


def _region(text: str, position: int, place: str, *, backslash: bool) -> int:
    """The end of the literal, quoted name or comment that begins here; `position` where none does."""
    character = text[position]
    if character in "'\"`":
        escapes = character != "`" and (
            backslash
            or (position > 0 and text[position - 1] in "eE" and not text[position - 2 : position - 1].isalnum())
        )
        at = position + 1
        while at < len(text):
            if escapes and text[at] == "\\":
                at += 2
            elif text[at] == character:
                if text[at + 1 : at + 2] != character:
                    return at + 1
                at += 2
            else:
                at += 1
        raise invalid(f"Expected every quote of `{place}` to be closed, but found {text[position : position + 20]!r}")
    if text.startswith("--", position) or (backslash and character == "#"):
        end = text.find("\n", position)
        return len(text) if end < 0 else end
    if text.startswith("/*", position):
        if text.startswith(("/*!", "/*M!"), position):
            raise invalid(f"Expected `{place}` to be plain SQL, but found an executable comment")
        end = text.find("*/", position)
        if end < 0:
            raise invalid(f"Expected every comment of `{place}` to be closed")
        if text.find("/*", position + 2, end) >= 0:
            raise invalid(f"Expected `{place}` to have no nested comments")  # databases disagree where they end
        return end + 2
    if not backslash and (tag := _DOLLAR.match(text, position)) and not text[position - 1 : position].isalnum():
        end = text.find(tag[0], tag.end())
        if end < 0:
            raise invalid(f"Expected every quote of `{place}` to be closed, but found {tag[0]!r}")
        return end + len(tag[0])
    return position


def _rest(text: str, position: int, place: str, *, backslash: bool) -> bool:
    """Whether anything but blanks, comments and semicolons follows."""
    while position < len(text):
        comment = text.startswith(("--", "/*"), position)
        end = _region(text, position, place, backslash=backslash) if comment else position
        if end == position:
            if not text[position].isspace() and text[position] != ";":
                return True
            end += 1
        position = end
    return False


def check_names(statement: Statement, given: Mapping[str, Any], place: str) -> None:
    """Raises `JobError` where a parameter has no value, or a value no parameter."""
    if missing := sorted(statement.names - given.keys()):
        raise invalid(f"Expected `{place}` to have a value for :{missing[0]}, but found none")
    if surplus := sorted(given.keys() - statement.names):
        raise invalid(f"Expected a parameter for every value of `{place}`, but the statement has no :{surplus[0]:.60}")


def render(statement: Statement, values: Mapping[str, Any], style: str) -> tuple[str, Any]:
    """The statement and its values as a driver of this DB-API `paramstyle` wants them. Lists become one parameter for
    each member, in brackets. Raises `JobError` for a list with too many members, or an empty one after NOT IN."""
    parts: list[str] = []
    named: dict[str, Any] = {}
    ordered: list[Any] = []
    percent = style in ("format", "pyformat")

    def place(value: Any) -> str:
        key = f"v{len(ordered)}"
        ordered.append(value)
        named[key] = value
        return {"pyformat": f"%({key})s", "format": "%s", "qmark": "?", "named": f":{key}"}.get(
            style, f":{len(ordered)}"
        )

    for number, piece in enumerate(statement.pieces):
        if isinstance(piece, str):
            parts.append(piece.replace("%", "%%") if percent else piece)
            continue
        value = values[piece.name]
        if not isinstance(value, list | tuple):
            parts.append(place(value))
            continue
        before = statement.pieces[number - 1] if number else ""
        after = statement.pieces[number + 1] if number + 1 < len(statement.pieces) else ""
        enclosed = isinstance(before, str) and before.rstrip().endswith("(")
        enclosed = enclosed and isinstance(after, str) and after.lstrip().startswith(")")
        if not value and isinstance(before, str) and _NOT_IN.search(before):
            raise invalid(f"Expected the list :{piece.name} of NOT IN to have members, but it is empty")
        inner = ", ".join(place(item) for item in value) if value else "NULL"
        parts.append(inner if enclosed else f"({inner})")
    if len(ordered) > MOST_VALUES:
        raise invalid(f"Expected at most {MOST_VALUES} values in a statement, but found {len(ordered)}")
    return "".join(parts), (named if style in ("pyformat", "named") else tuple(ordered))


def bindable(value: Any, place: str, *, plain_decimals: bool = False) -> Any:
    """A JSON value as a driver takes it: objects as JSON text, lists member by member, all else as it is.

    `plain_decimals`: for SQLite, which has no decimals: a number that a double holds exactly becomes one, another
    its text, which the affinity of its column turns into a number.
    """
    match value:
        case None | bool() | int():
            if isinstance(value, int) and abs(value) >= 2**63 and plain_decimals:
                return str(value)
            return value
        case str():
            if "\0" in value:
                raise invalid(f"Expected `{place}` to be text without NUL characters")
            return value
        case Decimal():
            if not value.is_finite():
                raise invalid(f"Expected `{place}` to be a number, but found {value}")
            if not plain_decimals:
                return value
            double = float(value)
            return double if Decimal(repr(double)) == value else format(value, "f")
        case float():
            return value
        case Mapping():
            return as_json(value, place)
        case list() | tuple():
            members = [bindable(item, place, plain_decimals=plain_decimals) for item in value]
            if any(isinstance(item, list | tuple | Mapping) for item in value):
                return as_json(value, place)  # a list of contexts is a document, not a list of values
            return members
    raise invalid(f"Expected `{place}` to be JSON, but found {type(value).__name__}")


def as_json(value: Mapping[str, Any] | Sequence[Any], place: str) -> str:
    try:
        return exact_json.dumps(value)
    except ValueError as problem:
        raise invalid(f"Expected `{place}` to be JSON, but {problem}") from None
