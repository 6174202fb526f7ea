"""From tokens to the syntax tree of FEEL: a Pratt parser (Jakarta Expression Language 3.0, section 1.19).

Binding powers, loosest first: ``? :``, ``||``, ``&&``, ``== !=``, ``< > <= >=``, ``+ -``, ``* / %``, unary
``- ! empty``, then paths, indexes and calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from processes.engine.feel import syntax
from processes.engine.feel.decimals import parse_number
from processes.engine.feel.errors import FeelSyntaxError
from processes.engine.feel.expression import Expression
from processes.engine.feel.syntax import Node
from processes.engine.juel import meaning
from processes.engine.juel.lexer import Kind, Token, tokens

MAX_LENGTH = 65_536
MAX_DEPTH = 50

_POWERS = {
    "?": 10,
    "||": 20,
    "&&": 30,
    **dict.fromkeys(("==", "!="), 40),
    **dict.fromkeys(("<", "<=", ">", ">="), 50),
    **dict.fromkeys(("+", "-"), 60),
    **dict.fromkeys(("*", "/", "%"), 70),
}
_UNARY = 80
_LITERALS = {"true": True, "false": False, "null": None}


def is_juel(text: str) -> bool:
    """Whether a text has an expression of JUEL inside."""
    return "${" in text or "#{" in text


@lru_cache(maxsize=1024)
def compile(text: str) -> Expression:
    """The compiled expression of ``${...}`` or ``#{...}``, or of a text with some inside, which gives a text.

    Raises `FeelSyntaxError` with the position of what was not expected.
    """
    return Expression(text, parse(text))


def parse(text: str) -> Node:
    """As `compile`, the tree."""
    if len(text) > MAX_LENGTH:
        raise FeelSyntaxError(f"Expected at most {MAX_LENGTH} characters but found {len(text)}", MAX_LENGTH)
    parts: list[Node] = []
    stripped = text.strip()
    position = 0
    while (start := _next(stripped, position)) >= 0:
        if start > position:
            parts.append(syntax.Literal(stripped[position:start]))
        found, end = tokens(stripped, start + 2)
        parts.append(_Parser(found).whole())
        position = end + 1
    if position < len(stripped):
        parts.append(syntax.Literal(stripped[position:]))
    return parts[0] if len(parts) == 1 else meaning.text(parts)


def _next(text: str, position: int) -> int:
    found = [start for start in (text.find("${", position), text.find("#{", position)) if start >= 0]
    return min(found, default=-1)


class _Parser:
    """The tokens of one expression and the place reached in it."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._token.kind is not Kind.END:
            raise self._unexpected("an operator or '}'")
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _advance(self) -> Token:
        token = self._token
        if token.kind is not Kind.END:
            self._index += 1
        return token

    def _at(self, *texts: str) -> bool:
        return self._token.kind is Kind.SYMBOL and self._token.text in texts

    def _take(self, text: str) -> bool:
        if self._at(text):
            self._index += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(f"'{text}'")

    def _unexpected(self, wanted: str) -> FeelSyntaxError:
        found = "'}'" if self._token.kind is Kind.END else f"'{self._token.text}'"
        position = self._token.position
        return FeelSyntaxError(f"Expected {wanted} but found {found} at character {position + 1}", position)

    def _expression(self, power: int = 0) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"Expected at most {MAX_DEPTH} expressions inside each other but found more"
            raise FeelSyntaxError(message, self._token.position)
        node = self._prefix()
        operations = 0
        while self._token.kind is Kind.SYMBOL and (found := _POWERS.get(self._token.text, 0)) > power:
            operations += 1
            if operations > MAX_DEPTH:
                message = f"Expected at most {MAX_DEPTH} operations in a row but found more"
                raise FeelSyntaxError(message, self._token.position)
            operator = self._advance().text
            if operator == "?":
                then = self._expression()
                self._expect(":")
                node = syntax.If(node, then, self._expression(found - 1))
            else:
                node = meaning.OPERATORS[operator](node, self._expression(found))
        self._depth -= 1
        return node

    def _prefix(self) -> Node:
        if self._take("-"):
            return syntax.Negate(self._expression(_UNARY))
        if self._take("!"):
            return meaning.negation(self._expression(_UNARY))
        if self._take("empty"):
            return meaning.empty(self._expression(_UNARY))
        return self._postfix(self._primary())

    def _primary(self) -> Node:
        token = self._advance()
        if token.kind is Kind.NUMBER:
            return syntax.Literal(parse_number(token.text))
        if token.kind is Kind.STRING:
            return syntax.Literal(token.text)
        if token.kind is Kind.NAME:
            return self._named(token)
        if token.kind is Kind.SYMBOL and token.text == "(":
            node = self._expression()
            self._expect(")")
            return node
        self._index = self._tokens.index(token)
        raise self._unexpected("an expression")

    def _named(self, token: Token) -> Node:
        if token.text in _LITERALS:
            return syntax.Literal(_LITERALS[token.text])
        if self._at("("):
            function = meaning.FUNCTIONS.get(token.text)
            if function is None:
                raise _refused(f"the function {token.text}()", meaning.FUNCTIONS, token)
            return self._called(function, token)
        if token.text in meaning.OBJECTS:
            self._expect(".")
            method = self._advance()
            known = meaning.OBJECTS[token.text]
            if method.text not in known or not self._at("("):
                raise _refused(f"{token.text}.{method.text}", [f"{token.text}.{name}()" for name in known], method)
            return self._called(known[method.text], method)
        return syntax.Name(token.text)

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._take("."):
                if self._token.kind is not Kind.NAME:
                    raise self._unexpected("a name")
                name = self._advance()
                if not self._at("("):
                    node = syntax.Path(node, name.text)
                    continue
                method = meaning.METHODS.get(name.text)
                if method is None:
                    raise _refused(f"the method {name.text}()", meaning.METHODS, name)
                node = self._called(method, name, node)
            elif self._take("["):
                node = meaning.item(node, self._expression())
                self._expect("]")
            else:
                return node

    def _called(self, function: meaning.Meaning, name: Token, *before: Node) -> Node:
        self._expect("(")
        arguments = list(before)
        while not self._take(")"):
            if len(arguments) > len(before):
                self._expect(",")
            arguments.append(self._expression())
        if len(arguments) != function.arity:
            message = f"Expected {name.text}() with {function.arity - len(before)} arguments"
            raise FeelSyntaxError(f"{message} but found {len(arguments) - len(before)}", name.position)
        return function.build(*arguments)


def _refused(what: str, known: Iterable[str], token: Token) -> FeelSyntaxError:
    names = ", ".join(sorted(known))
    return FeelSyntaxError(f"Expected one of {names} but found {what}, which needs an object of Java", token.position)
