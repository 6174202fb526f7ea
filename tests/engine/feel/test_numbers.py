"""Numbers: decimals of 34 digits, what is computed with them, and what is not (DMN 1.5, 10.3.2.3.1)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.engine import feel
from tests.engine.feel.evaluation import PROPERTY, result, shown, value

NUMBERS = st.one_of(
    st.integers(min_value=-(10**34) + 1, max_value=10**34 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=9),
)
SMALL = st.integers(min_value=-(10**15), max_value=10**15)


@PROPERTY
@given(NUMBERS)
def test_a_number_survives_its_text(number: int | Decimal) -> None:
    assert value("number(string(x))", {"x": number}) == number


@PROPERTY
@given(NUMBERS)
def test_a_literal_is_the_number_that_it_shows(number: int | Decimal) -> None:
    assert value(shown("x", {"x": number})) == number


@PROPERTY
@given(NUMBERS)
def test_json_keeps_the_number_and_makes_whole_ones_int(number: int | Decimal) -> None:
    converted = feel.to_json(value("x", {"x": number}))
    assert converted == number
    assert isinstance(converted, int) == (number == number // 1)


@PROPERTY
@given(SMALL, SMALL, SMALL)
def test_arithmetic_is_exact(a: int, b: int, c: int) -> None:
    assert value("a * b + c - a", {"a": a, "b": b, "c": c}) == a * b + c - a


@PROPERTY
@given(SMALL, SMALL.filter(bool))
def test_modulo_has_the_sign_of_the_divisor(a: int, b: int) -> None:
    assert value("modulo(a, b)", {"a": a, "b": b}) == a % b


@PROPERTY
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_float_among_the_variables_is_the_decimal_that_it_shows(number: float) -> None:
    assert feel.to_json(value("[x][1] + 0", {"x": number})) == Decimal(repr(number))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1 / 3", "0.3333333333333333333333333333333333"),
        ("9999999999999999999999999999999999 + 1", "10000000000000000000000000000000000"),
        ("10 ** 40 + 1", "10000000000000000000000000000000000000000"),
        ("2 ** 0.5", "1.414213562373095048801688724209698"),
        ("1.10 + 1", "2.1"),
        ("-0.0", "0"),
        ("decimal(2.5, 0)", "2"),
        ("decimal(1234, -2)", "1200"),
        ("floor(-1.56, 1)", "-1.6"),
        ("ceiling(1.2)", "2"),
        ("round up(-1.1, 0)", "-2"),
        ("round down(1.9, 0)", "1"),
        ("round half up(2.5, 0)", "3"),
        ("round half down(2.5, 0)", "2"),
        ("abs(-3)", "3"),
        ("sqrt(16)", "4"),
        ("log(1)", "0"),
        ("exp(0)", "1"),
        ("odd(-3)", "true"),
        ("even(2.5)", "false"),
        ("sum([0.1, 0.2])", "0.3"),
        ("sum(1, 2, 3)", "6"),
        ("mean([1, 2])", "1.5"),
        ("median([3, 1, 2])", "2"),
        ("mode([1, 2, 2, 1, 3])", "[1, 2]"),
        ("product(2, 3, 4)", "24"),
        ("stddev([2, 4, 7, 5])", "2.081665999466132735282297706979931"),
        ('number("1.234,5", ".", ",")', "1234.5"),
    ],
)
def test_functions_and_operators(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("1 / 0", "Expected a number other than 0 on the right of '/' but found number 0"),
        ('"a" + 1', "Expected a number on the left of '+' but found string \"a\""),
        ("1 - true", "Expected a number on the right of '-' but found boolean true"),
        ("-[1]", "Expected a number or a duration after '-' but found a list"),
        ("sqrt(-1)", "Expected a number from 0 for sqrt() but found number -1"),
        ("sum([1, null])", "Expected numbers in the list of sum() but found null"),
        ("modulo(1, 0)", "Expected a divisor of modulo() other than 0 but found number 0"),
        ("(-8) ** 0.5", "Expected a real result but found number -8 ** number 0.5"),
        ('number("12a")', 'Expected the text of a number but found string "12a"'),
        ("x + 1", "variable 'x' does not exist"),
        ("{a: 1}.b", "context has no entry 'b'"),
        ("(5).b", "Expected a context before '.b' but found number 5"),
        ("[1][2]", "Expected a position in a list of 1 but found number 2"),
        ('odd("1")', "Expected a number for 'number' of odd() but found string \"1\""),
        ("abs(1, 2)", "Expected abs(n) but found abs(number 1, number 2)"),
        ("nothing(1)", "function 'nothing' does not exist"),
    ],
)
def test_what_has_no_value_is_null_and_says_why(text: str, warning: str) -> None:
    found = result(text)
    assert found.value is None
    assert found.warnings[0] == warning


def test_a_warning_is_given_once_and_their_number_is_limited() -> None:
    assert result("for i in 1..50 return missing").warnings == ("variable 'missing' does not exist",)
    assert len(result('for i in 1..50 return i + "a"').warnings) == 1
    assert len(result("for i in 1..50 return string(i) + i").warnings) == 20


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN")])
def test_what_is_not_finite_is_no_number(number: Any) -> None:
    assert result("x > 1", {"x": number}).value is None
    assert feel.to_json(number) is None


def test_json_of_a_long_number_does_not_spell_out_zeros() -> None:
    assert json.dumps(feel.to_json(value("10 ** 30"))) == "1" + "0" * 30
    assert feel.to_json(value("10 ** 900")) == Decimal("1E+900")
    for beyond in ("10 ** 6000", "10 ** -6000"):
        with pytest.raises(feel.BudgetExceeded, match="an exponent of at most 1000"):
            feel.to_json(value(beyond))
