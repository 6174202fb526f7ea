"""Precedence, literals, comments, and what is said about a text that is no expression."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from processes.engine import feel
from tests.engine.feel.evaluation import NOW, value


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("10 - 4 - 3", "(10 - 4) - 3"),
        ("2 ** 3 ** 2", "(2 ** 3) ** 2"),
        ("-2 ** 2", "(-2) ** 2"),
        ("2 ** -1", "2 ** (-1)"),
        ("12 / 2 / 3", "(12 / 2) / 3"),
        ("true or false and false", "true or (false and false)"),
        ("1 + 1 = 2 and 3 > 2", "((1 + 1) = 2) and (3 > 2)"),
        ("2 between 1 and 3 and false", "(2 between 1 and 3) and false"),
        ("1 in [1..2] or false", "(1 in [1..2]) or false"),
        ("1 + 1 in (2)", "(1 + 1) in (2)"),
        ("2 in (1) + 1", "2 in ((1) + 1)"),
        ("if true then 1 else 2 + 3", "if true then 1 else (2 + 3)"),
        ("1 + if false then 1 else 2", "1 + (if false then 1 else 2)"),
        ("[3, 4][1] + 1", "([3, 4][1]) + 1"),
        ("-[3, 4][1]", "-([3, 4][1])"),
        ("1 instance of number and true", "(1 instance of number) and true"),
        ("for i in [1] return i + 1", "for i in [1] return (i + 1)"),
        ("1 /* one */ + // plus\n 2", "1 + 2"),
    ],
)
def test_precedence(text: str, same_as: str) -> None:
    assert value(text) == value(same_as)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5e3", Decimal(1500)),
        (".5", Decimal("0.5")),
        ("-.5", Decimal("-0.5")),
        (r'"a\n\t\"\\"', 'a\n\t"\\'),
        (r'"\u00e9\U01F40E\uD83D\uDCA9"', "\u00e9\U0001f40e\U0001f4a9"),
        (r'"\s+"', r"\s+"),
        ('""', ""),
        ("[]", []),
        ("{}", {}),
        ("[1, [2, 3]]", [1, [2, 3]]),
        ('{a: 1, "b c": {d: a}}', {"a": 1, "b c": {"d": 1}}),
        ("null", None),
    ],
)
def test_literals(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("1 +", "Expected an expression but found the end at character 4", 3),
        ("(1", "Expected ')' but found the end at character 3", 2),
        ("1 2", "Expected an operator or the end but found '2' at character 3", 2),
        ("if x then 1", "Expected 'else' but found the end at character 12", 11),
        ('"abc', 'Expected a closing " but the text ends', 0),
        ("1 /* x", "Expected a closing */ but the text ends", 2),
        ("a # b", "Expected an expression but found '#'", 2),
        ("{a: 1, a: 2}", "Expected each key once but found 'a' twice", 7),
        ('@"2024-02-30"', 'Expected a date, time or duration but found @"2024-02-30"', 0),
        ("f(a: 1, 2)", "Expected a named argument but found '2' at character 9", 8),
        ("", "Expected an expression but found the end at character 1", 0),
        ("for in xs return 1", "Expected a name but found 'in' at character 5", 4),
        (
            'function() external {java: "x"}',
            "Expected a function body in FEEL but found 'external' at character 12",
            11,
        ),
    ],
)
def test_a_syntax_error_says_what_was_expected_and_where(text: str, message: str, position: int) -> None:
    with pytest.raises(feel.FeelSyntaxError) as raised:
        feel.compile(text)
    assert (str(raised.value), raised.value.position) == (message, position)


@pytest.mark.parametrize(
    ("tests", "yes", "no"),
    [
        ("5", 5, 6),
        ("< 5", 4, 5),
        ("[1..3], > 10", 11, 5),
        ("not(1, 2)", 3, 2),
        ('"a", "b"', "b", "c"),
        ("? > 5 and ? < 9", 7, 9),
        ('contains(?, "ell"), "x"', "hello", "world"),
        ('contains(?, "ell"), "x"', "x", "y"),
        ("not(? > 5, 1)", 2, 6),
    ],
)
def test_unary_tests(tests: str, yes: Any, no: Any) -> None:
    compiled = feel.compile_unary_tests(tests)
    assert compiled.evaluate({"?": yes}, now=NOW).value is True
    assert compiled.evaluate({"?": no}, now=NOW).value is False


def test_a_dash_is_fulfilled_by_everything() -> None:
    assert feel.compile_unary_tests("-").evaluate({"?": None}, now=NOW).value is True
