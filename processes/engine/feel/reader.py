"""The lower half of the parser: tokens, names, literals and types, all that is read without an operator."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import DecimalException

from processes.engine.feel import iso
from processes.engine.feel.decimals import parse_number
from processes.engine.feel.errors import FeelSyntaxError
from processes.engine.feel.lexer import Kind, Token, tokens
from processes.engine.feel.scope import Scope
from processes.engine.feel.syntax import Type

MAX_DEPTH = 100

_AFTER_RANGE = ("and", "or", "between", "in", "then", "else", "return", "satisfies")
_CANNOT_START = (")", ",", "}", "]", "=", "!=", "<", "<=", ">", ">=", "*", "/", "**", "+", ":", "..")


class Reader:
    """A text and the place reached in it."""

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self.tokens = tokens(text)
        self.index = 0
        self.depth = 0
        self.scope = Scope(names)

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def advance(self) -> Token:
        token = self.tokens[self.index]
        if token.kind is not Kind.END:
            self.index += 1
        return token

    def at(self, *texts: str) -> bool:
        return self.token.text in texts and self.token.kind in (Kind.SYMBOL, Kind.KEYWORD)

    def take(self, *texts: str) -> bool:
        if self.at(*texts):
            self.index += 1
            return True
        return False

    def expect(self, *texts: str) -> Token:
        if not self.at(*texts):
            raise self.unexpected(" or ".join(f"'{text}'" for text in texts))
        return self.advance()

    def unexpected(self, wanted: str) -> FeelSyntaxError:
        token = self.token
        found = "the end" if token.kind is Kind.END else f"'{token.text}'"
        return FeelSyntaxError(f"Expected {wanted} but found {found} at character {token.position + 1}", token.position)

    def at_instance_of(self, ahead: int = 0) -> bool:
        token, following = self.peek(ahead), self.peek(ahead + 1)
        return token.text == "instance" and following.text == "of" and following.kind is Kind.NAME

    def name(self, *, after_dot: bool = False) -> str:
        """A name at this place: the longest in scope or all words side by side, whichever is longer."""
        if self.token.kind is Kind.QUOTED:
            return self.advance().text
        known = self.scope.match(self.tokens, self.index)
        length = 0
        while self.peek(length).kind is Kind.NAME and not (length and self.at_instance_of(length)):
            length += 1
        if known is not None and known[1] >= length:
            self.index += known[1]
            return known[0]
        if length == 0 and after_dot and self.token.kind is Kind.KEYWORD:
            length = 1
        if length == 0:
            raise self.unexpected("a name")
        words = [self.advance().text for _ in range(length)]
        return " ".join(words)

    def declared(self, *ends: str) -> str:
        """A new name: everything up to one of `ends`, whatever it consists of."""
        first = self.token
        if first.kind in (Kind.QUOTED, Kind.STRING):
            return self.advance().text
        parts: list[str] = []
        while not self.at(*ends):
            if self.token.kind in (Kind.END, Kind.STRING, Kind.TEMPORAL) or self.at("(", "{", "}", "[", "]", ","):
                wanted = " or ".join(f"'{end}'" for end in ends)
                raise self.unexpected(wanted if parts else "a name")
            token = self.advance()
            parts.append((" " if token.spaced and parts else "") + token.text)
        if not parts or first.kind is Kind.NUMBER:
            self.index = self.tokens.index(first)
            raise self.unexpected("a name")
        return "".join(parts)

    def at_named(self) -> bool:
        ahead = 0
        while self.peek(ahead).kind in (Kind.NAME, Kind.KEYWORD, Kind.QUOTED):
            ahead += 1
        return ahead > 0 and self.peek(ahead).text == ":" and self.peek(ahead).kind is Kind.SYMBOL

    def closes_range(self) -> bool:
        """In ``[1..3[`` the second bracket ends the range; in ``[1..xs[2]]`` it starts a filter."""
        following = self.peek()
        if following.kind is Kind.END or (following.kind is Kind.SYMBOL and following.text in _CANNOT_START):
            return True
        return following.kind is Kind.KEYWORD and following.text in _AFTER_RANGE

    # --- literals and types ---

    def number(self) -> object:
        token = self.advance()
        try:
            return parse_number(token.text)
        except DecimalException:
            raise FeelSyntaxError(f"Expected a decimal number but found '{token.text[:40]}'", token.position) from None

    def temporal(self) -> object:
        token = self.advance()
        value = iso.parse(token.text)
        if value is None:
            raise FeelSyntaxError(f'Expected a date, time or duration but found @"{token.text}"', token.position)
        return value

    def type(self) -> Type:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.unexpected("a type that is nested less deeply")
        name = self.type_name()
        arguments: list[Type] = []
        members: list[tuple[str, Type]] = []
        if self.take("<"):
            while not self.take(">"):
                if arguments or members:
                    self.expect(",")
                if name == "context":
                    member = self.declared(":")
                    self.expect(":")
                    members.append((member, self.type()))
                else:
                    arguments.append(self.type())
        if name == "function" and self.take("->"):
            arguments.append(self.type())
        self.depth -= 1
        return Type(name, tuple(arguments), tuple(members))

    def type_name(self) -> str:
        if self.take("function"):
            return "function"
        if self.take("null"):
            return "Null"
        for name in ("days and time duration", "years and months duration", "date and time"):
            words = name.split()
            if [self.peek(ahead).text for ahead in range(len(words))] == words:
                self.index += len(words)
                return name
        name = self.name()
        while self.at("."):
            self.advance()
            name += "." + self.name(after_dot=True)
        return name
