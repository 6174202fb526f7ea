"""Three-valued logic and comparison (DMN 1.5, 10.3.2.4)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.engine.feel.evaluation import result, value

VALUES = {"true": True, "false": False, "null": None}


@pytest.mark.parametrize(("left", "right"), list(product(VALUES, VALUES)))
def test_and_or_are_those_of_kleene(left: str, right: str) -> None:
    # Kleene: false < null < true, "and" is the lesser, "or" the greater.
    rank = {False: 0, None: 1, True: 2}
    pair = (VALUES[left], VALUES[right])
    assert value(f"{left} and {right}") is min(pair, key=rank.__getitem__)
    assert value(f"{left} or {right}") is max(pair, key=rank.__getitem__)


@pytest.mark.parametrize(("text", "expected"), [("true", False), ("false", True), ("null", None)])
def test_not(text: str, expected: bool | None) -> None:
    assert value(f"not({text})") is expected


def test_a_value_that_is_no_boolean_counts_as_null_and_is_told() -> None:
    assert result('"yes" and false').value is False
    found = result('"yes" and true')
    assert found.value is None
    assert found.warnings == ("Expected a boolean beside 'and' but found string \"yes\"",)


def test_the_right_side_is_not_asked_where_the_left_decides() -> None:
    assert value("false and missing") is False
    assert value("true or missing") is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null = null", True),
        ("1 = null", False),
        ("null != 1", True),
        ("1 = 1.0", True),
        ('"a" = "A"', False),
        ("[1, [2]] = [1, [2]]", True),
        ("{a: 1, b: 2} = {b: 2, a: 1}", True),
        ("{a: 1} = {a: 1, b: null}", False),
        ('@"2024-01-01T12:00:00Z" = @"2024-01-01T13:00:00+01:00"', True),
        ('@"2024-07-01T12:00:00+02:00" = @"2024-07-01T12:00:00@Europe/Paris"', True),
        ('duration("PT24H") = duration("P1D")', True),
        ('"a" < "b"', True),
        ('@"P1Y" > @"P11M"', True),
    ],
)
def test_comparison(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    "text", ['1 = "1"', '1 < "2"', "1 < null", "true < false", "[1] < [2]", "1 between null and 2"]
)
def test_what_cannot_be_compared_is_null(text: str) -> None:
    found = result(text)
    assert found.value is None
    assert found.warnings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 in [1..5]", True),
        ("5 in [1..5)", False),
        ("1 in ]1..5]", False),
        ("5 in (< 3, [4..6])", True),
        ("5 in (> 5, 1)", False),
        ("5 in > 4", True),
        ("5 in !=5", False),
        ("2 in [1, 2, 3]", True),
        ("2 in [[0..1], [2..3]]", True),
        ("[1] in [[1], [2]]", True),
        ("3 between 1 and 3 and true", True),
        ('@"2024-02-29" in [@"2024-02-01"..@"2024-03-01")', True),
    ],
)
def test_membership(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    ("condition", "expected"), [("true", 1), ("false", 2), ("null", 2), ("x > 1", 1), ("x > 9", 2)]
)
def test_if_takes_the_else_unless_the_condition_is_true(condition: str, expected: int) -> None:
    assert value(f"if {condition} then 1 else 2", {"x": 5}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("some x in [1, 2] satisfies x > 1", True),
        ("every x in [1, 2] satisfies x > 1", False),
        ("some x in [] satisfies true", False),
        ("every x in [] satisfies false", True),
        ("some x in [null, true] satisfies x", True),
        ("some x in [null, false] satisfies x", None),
        ("every x in [null, true] satisfies x", None),
        ("every x in [1, 2], y in [x, 3] satisfies y >= x", True),
    ],
)
def test_quantifiers(text: str, expected: Any) -> None:
    assert value(text) is expected
