"""From tokens to the syntax tree: a Pratt parser (DMN 1.5, 10.3.1.2).

Binding powers, loosest first: ``or``, ``and``, comparisons with ``between`` and ``in``, ``+ -``, ``* /``,
``**`` (to the left, as DMN has it), ``instance of``, ``-x``, then paths, filters and calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

from processes.engine.feel import syntax
from processes.engine.feel.decimals import NUMBERS, negated
from processes.engine.feel.errors import FeelSyntaxError
from processes.engine.feel.lexer import Kind
from processes.engine.feel.reader import MAX_DEPTH, Reader
from processes.engine.feel.syntax import Node, Type

MAX_HEIGHT = 200

_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_POWERS = {
    "or": 10,
    "and": 20,
    "between": 30,
    "in": 30,
    **dict.fromkeys(_COMPARISONS, 30),
    "+": 40,
    "-": 40,
    "*": 50,
    "/": 50,
    "**": 60,
    "instance": 65,
}
_ADDITIVE = 40
_UNARY = 70
_LITERALS = {"true": True, "false": False, "null": None}


def parse(text: str, names: Iterable[str] = ()) -> Node:
    """The tree of one expression. Raises `FeelSyntaxError`."""
    return _guarded(Parser(text, names), Parser.whole)


def parse_tests(text: str, names: Iterable[str] = ()) -> Node:
    """The tree of unary tests over the name ``?`` (DMN 1.5, 10.3.1.2). Raises `FeelSyntaxError`."""
    return _guarded(Parser(text, ("?", *names)), Parser.unary_tests)


def _guarded(parser: Parser, read: Callable[[Parser], Node]) -> Node:
    try:
        node = read(parser)
    except RecursionError:
        raise FeelSyntaxError("Expected an expression but found one that is nested too deeply", 0) from None
    _check_height(node)
    return node


def _check_height(root: Node) -> None:
    """A long chain ``a + a + ...`` is deep on its left side although no bracket is."""
    level, height = [root], 0
    while level:
        height += 1
        if height > MAX_HEIGHT:
            raise FeelSyntaxError(f"Expected at most {MAX_HEIGHT} operations inside each other but found more", 0)
        level = [child for node in level for child in syntax.children(node)]


def _over_tested(tests: list[syntax.Test]) -> Node:
    """Whether one of the tests holds: of an operand that speaks of ``?`` itself, whether it is true."""
    spoken = [test.operand for test in tests if not test.operator and _speaks_of_tested(test.operand)]
    others = tuple(test for test in tests if test.operator or not _speaks_of_tested(test.operand))
    nodes: list[Node] = [syntax.In(syntax.Name("?"), others), *spoken] if others else spoken
    return reduce(lambda one, other: syntax.Logic("or", one, other), nodes)


def _speaks_of_tested(node: Node) -> bool:
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if isinstance(here, syntax.Name) and here.name == "?":
            return True
        waiting.extend(syntax.children(here))
    return False


class Parser(Reader):
    """One text and the place reached in it."""

    def whole(self) -> Node:
        node = self.expression()
        if self.token.kind is not Kind.END:
            raise self.unexpected("an operator or the end")
        return node

    def expression(self, power: int = 0, *, in_range: bool = False) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FeelSyntaxError(
                f"Expected at most {MAX_DEPTH} expressions inside each other but found more",
                self.token.position,
            )
        node = self.rest(self.prefix(in_range), power, in_range)
        self.depth -= 1
        return node

    def rest(self, node: Node, power: int, in_range: bool = False) -> Node:
        """The operators that follow an operand and bind more than `power`."""
        for _ in range(MAX_HEIGHT):
            operator = self.operator()
            found = _POWERS.get(operator, 0)
            if found <= power:
                return node
            self.advance()
            node = self.infix(node, operator, found, in_range)
        raise self.too_high()

    def operator(self) -> str:
        token = self.token
        if token.kind is Kind.SYMBOL or token.kind is Kind.KEYWORD:
            return token.text
        return "instance" if self.at_instance_of() else ""

    def infix(self, left: Node, operator: str, power: int, in_range: bool) -> Node:
        if operator == "between":
            low = self.expression(_ADDITIVE - 1)
            self.expect("and")
            return syntax.Between(left, low, self.expression(_ADDITIVE - 1))
        if operator == "in":
            return syntax.In(left, self.tests())
        if operator == "instance":
            self.advance()
            return syntax.InstanceOf(left, self.type())
        right = self.expression(power, in_range=in_range)
        if operator in ("or", "and"):
            return syntax.Logic(operator, left, right)
        if operator in _COMPARISONS:
            return syntax.Comparison(operator, left, right)
        return syntax.Arithmetic(operator, left, right)

    def prefix(self, in_range: bool) -> Node:
        if self.take("-"):
            operand = self.expression(_UNARY, in_range=in_range)
            if isinstance(operand, syntax.Literal) and type(operand.value) in NUMBERS:
                return syntax.Literal(negated(operand.value))
            return syntax.Negate(operand)
        return self.postfix(self.primary(), in_range)

    def too_high(self) -> FeelSyntaxError:
        message = f"Expected at most {MAX_HEIGHT} operations inside each other but found more"
        return FeelSyntaxError(message, self.token.position)

    def postfix(self, node: Node, in_range: bool = False) -> Node:
        for _ in range(MAX_HEIGHT):
            if self.at("."):
                self.advance()
                node = syntax.Path(node, self.name(after_dot=True))
            elif self.at("[") and not (in_range and self.closes_range()):
                self.advance()
                condition = self.expression()
                self.expect("]")
                node = syntax.Filter(node, condition)
            elif self.at("("):
                node = self.call(node)
            else:
                return node
        raise self.too_high()

    def primary(self) -> Node:
        token = self.token
        match token.kind:
            case Kind.NUMBER:
                return syntax.Literal(self.number())
            case Kind.STRING:
                return syntax.Literal(self.advance().text)
            case Kind.TEMPORAL:
                return syntax.Literal(self.temporal())
            case Kind.SYMBOL:
                return self.bracket()
            case Kind.KEYWORD if self.scope.match(self.tokens, self.index) is None:
                return self.keyword()
            case Kind.END:
                raise self.unexpected("an expression")
        return syntax.Name(self.name())

    def keyword(self) -> Node:
        word = self.token.text
        if word in _LITERALS:
            self.advance()
            return syntax.Literal(_LITERALS[word])
        if word == "if":
            self.advance()
            condition = self.expression()
            self.expect("then")
            then = self.expression()
            self.expect("else")
            return syntax.If(condition, then, self.expression())
        if word == "for":
            self.advance()
            with self.scope.block():
                self.scope.declare("partial")
                iterations = self.iterations()
                self.expect("return")
                return syntax.For(iterations, self.expression())
        if word in ("some", "every"):
            self.advance()
            with self.scope.block():
                iterations = self.iterations()
                self.expect("satisfies")
                return syntax.Quantified(word, iterations, self.expression())
        if word == "function":
            self.advance()
            return self.function()
        raise self.unexpected("an expression")

    def iterations(self) -> tuple[syntax.Iteration, ...]:
        found = []
        while True:
            name = self.declared("in")
            self.expect("in")
            source = self.expression()
            end = self.expression() if self.take("..") else None
            found.append(syntax.Iteration(name, source, end))
            self.scope.declare(name)
            if not self.take(","):
                return tuple(found)

    def function(self) -> Node:
        self.expect("(")
        parameters: list[tuple[str, Type | None]] = []
        with self.scope.block():
            while not self.take(")"):
                if parameters:
                    self.expect(",")
                name = self.declared(":", ",", ")")
                parameters.append((name, self.type() if self.take(":") else None))
                self.scope.declare(name)
            if self.token.text == "external" and self.peek().text == "{":
                raise self.unexpected("a function body in FEEL")
            return syntax.FunctionLiteral(tuple(parameters), self.expression())

    # --- calls ---

    def call(self, function: Node) -> Node:
        self.expect("(")
        positional: list[Node] = []
        named: list[tuple[str, Node]] = []
        while not self.take(")"):
            if positional or named:
                self.expect(",")
            if self.at_named():
                name = self.declared(":")
                self.advance()
                named.append((name, self.expression()))
            elif named:
                raise self.unexpected("a named argument")
            else:
                positional.append(self.expression())
        return syntax.Call(function, tuple(positional), tuple(named))

    # --- brackets ---

    def bracket(self) -> Node:
        opening = self.token.text
        if opening == "(":
            return self.parenthesis()
        if opening == "[":
            return self.list_or_range()
        if opening == "{":
            return self.context()
        if opening == "]":
            self.advance()
            return self.range_from(self.expression(), start_included=False)
        raise self.unexpected("an expression")

    def parenthesis(self) -> Node:
        self.expect("(")
        if self.at(*_COMPARISONS):
            operator = self.advance().text
            operand = self.expression(_ADDITIVE - 1)
            self.expect(")")
            return syntax.HalfRange(operator, operand)
        node = self.expression()
        if self.at(".."):
            return self.range_from(node, start_included=False)
        self.expect(")")
        return node

    def list_or_range(self) -> Node:
        self.expect("[")
        items: list[Node] = []
        while not self.take("]"):
            if items:
                self.expect(",")
            items.append(self.expression())
            if len(items) == 1 and self.at(".."):
                return self.range_from(items[0], start_included=True)
        return syntax.ListLiteral(tuple(items))

    def range_from(self, start: Node, *, start_included: bool) -> Node:
        self.expect("..")
        end = self.expression(in_range=True)
        closing = self.expect("]", ")", "[")
        return syntax.RangeLiteral(start, end, start_included, closing.text == "]")

    def context(self) -> Node:
        self.expect("{")
        entries: dict[str, Node] = {}
        with self.scope.block():
            while not self.take("}"):
                if entries:
                    self.expect(",")
                start = self.token
                name = self.declared(":")
                self.expect(":")
                if name in entries:
                    message = f"Expected each key once but found '{name}' twice"
                    raise FeelSyntaxError(message, start.position)
                entries[name] = self.expression()
                self.scope.declare(name)
        # A path to an entry is written outside of the literal, so its name stays known to the end.
        for name in entries:
            self.scope.declare(name)
        return syntax.ContextLiteral(tuple(entries.items()))

    # --- tests ---

    def tests(self) -> tuple[syntax.Test, ...]:
        """What stands to the right of ``in``: one test, or several between parentheses."""
        if not self.at("("):
            return (self.test(_ADDITIVE - 1),)
        self.advance()
        found = [self.test()]
        if found[0].operator == "" and self.at("..", ")"):
            # A range, or a plain expression between parentheses: an operand like any other.
            node = found[0].operand
            if not self.take(")"):
                node = self.range_from(node, start_included=False)
            return (syntax.Test("", self.rest(self.postfix(node), _ADDITIVE - 1)),)
        while self.take(","):
            found.append(self.test())
        self.expect(")")
        return tuple(found)

    def test(self, power: int = 0) -> syntax.Test:
        if self.at(*_COMPARISONS):
            return syntax.Test(self.advance().text, self.expression(_ADDITIVE - 1))
        return syntax.Test("", self.expression(power))

    def unary_tests(self) -> Node:
        if self.at("-") and self.peek().kind is Kind.END:
            return syntax.Literal(True)
        negated = self.token.text == "not" and self.token.kind is Kind.NAME and self.peek().text == "("
        if negated:
            self.index += 2
        found = [self.test()]
        while self.take(","):
            found.append(self.test())
        if negated:
            self.expect(")")
        if self.token.kind is not Kind.END:
            raise self.unexpected("',' or the end")
        node = _over_tested(found)
        return syntax.Call(syntax.Name("not"), (node,), ()) if negated else node
