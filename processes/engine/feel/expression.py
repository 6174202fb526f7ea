"""What the rest of the engine sees: an expression is compiled once and evaluated often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import DecimalException
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from processes.engine.feel import syntax
from processes.engine.feel.budget import DEFAULT, Budget, Run
from processes.engine.feel.compiler import build
from processes.engine.feel.environment import Environment
from processes.engine.feel.errors import BudgetExceeded, FeelSyntaxError
from processes.engine.feel.free import free_names, texts
from processes.engine.feel.parser import parse, parse_tests

_NO_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({})


class Result(NamedTuple):
    """A FEEL value, why parts of it are null (what was expected and what was found), and the steps that it took."""

    value: Any
    warnings: tuple[str, ...] = ()
    steps: int = 0


class Expression:
    """A compiled expression. It keeps no state of its evaluations and may be shared between threads.

    `text` is the source; `names` are the variables that it refers to, and perhaps some more (see `free`);
    `texts` are the text literals in it.
    """

    __slots__ = ("_code", "names", "text", "texts")

    def __init__(self, text: str, tree: syntax.Node) -> None:
        self.text = text
        self.names = free_names(tree)
        self.texts = texts(tree)
        self._code = build(tree, False)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(
        self,
        variables: Mapping[str, Any],
        *,
        now: datetime,
        functions: Mapping[str, Callable[..., Any]] = _NO_FUNCTIONS,
        budget: Budget | None = None,
    ) -> Result:
        """The value of the expression among `variables`: JSON values, looked up by name as they are needed.

        `now` is the aware moment that ``now()`` and ``today()`` tell; `functions` can be called by name
        beside the built-ins, and what they raise passes through. Raises `BudgetExceeded` (default:
        `Budget()`); everything else that goes wrong is null with a warning.
        """
        run = Run(variables, functions, now, budget or DEFAULT)
        try:
            value = self._code(Environment(run))
        except RecursionError:
            raise BudgetExceeded("Expected an expression of less depth but Python's stack is used up") from None
        except DecimalException as error:
            run.warn(f"Expected finite numbers but found {type(error).__name__}")
            value = None
        return Result(value, tuple(run.warnings), run.budget.steps - run.steps)


def compile(text: str, *, names: Iterable[str] = ()) -> Expression:
    """The compiled expression of a text (without ``=`` in front), kept for the next time.

    `names` are variables in scope; only those with operators or keywords inside, such as ``a-b``, change
    anything. Raises `FeelSyntaxError` with the position of what was not expected.
    """
    return _compile(text, _useful(text, names))


def compile_unary_tests(text: str, *, names: Iterable[str] = ()) -> Expression:
    """The compiled tests of a cell of a decision table, ``< 5, [7..9]`` or ``-``, over a variable ``?``."""
    return _compile_tests(text, _useful(text, names))


def compile_each_test(text: str, *, names: Iterable[str] = ()) -> tuple[Expression, ...]:
    """As `compile_unary_tests`, but every one of the tests between commas by itself, in the order of the text."""
    tree = parse_tests(text, _useful(text, names))
    if not isinstance(tree, syntax.In):
        return (_finish(text, tree),)
    return tuple(_finish(text, syntax.In(tree.value, (test,))) for test in tree.tests)


def _useful(text: str, names: Iterable[str]) -> frozenset[str]:
    """The names that could make a difference: callers with other variables share one expression."""
    return frozenset([name for name in names if not name.isidentifier() and name[:1] in text])


@lru_cache(maxsize=4096)
def _compile(text: str, names: frozenset[str]) -> Expression:
    return _finish(text, parse(text, names))


@lru_cache(maxsize=1024)
def _compile_tests(text: str, names: frozenset[str]) -> Expression:
    return _finish(text, parse_tests(text, names))


def _finish(text: str, tree: syntax.Node) -> Expression:
    try:
        return Expression(text, tree)
    except RecursionError:
        raise FeelSyntaxError("Expected an expression but found one that is nested too deeply", 0) from None
