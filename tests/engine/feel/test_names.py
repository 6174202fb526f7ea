"""Names with spaces, operators and keywords inside (DMN 1.5, 10.3.1.2)."""

from __future__ import annotations

from typing import Any

import pytest

from processes.engine import feel
from tests.engine.feel.evaluation import NOW, result, value

SCOPE: dict[str, Any] = {
    "first name": "Ada",
    "a": 7,
    "b": 2,
    "a-b": 100,
    "list of x in y": [1, 2],
    "order": {"net total": 10, "items": [{"unit price": 3}, {"unit price": 4}], "tax-rate": 5},
    "date": "2024-01-01",
    "customer's age": 30,
    "größe": 5,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("first name", "Ada"),
        ("first   name", "Ada"),
        ('first name + "!"', "Ada!"),
        ("a-b", 100),
        ("a - b", 5),
        ("a -b", 5),
        ("b-a", -5),
        ("for i in list of x in y return i * 2", [2, 4]),
        ("order.net total * 2", 20),
        ("order.items.unit price", [3, 4]),
        ("order.items[unit price > 3].unit price", [4]),
        ("{first name: 1, second name: first name + 1}.second name", 2),
        ("{net-total: 3, x: net-total + 1}.x", 4),
        ("{net-total: 3}.net-total", 3),
        ("for my item in [1, 2] return my item + 1", [2, 3]),
        ("some my item in [1, 2] satisfies my item = 2", True),
        ("(function(my arg, b) my arg - b)(5, 1)", 4),
        ("(function(my arg, b) my arg - b)(b: 1, my arg: 5)", 4),
        ("`a-b`", 100),
        ("order.`tax-rate`", 5),
        ("customer's age", 30),
        ("größe", 5),
        ('{"a key: with, marks": 1}["a key: with, marks" = null]', []),
        ('{"null": 1}.null', 1),
        ("{if: 1}.if", 1),
    ],
)
def test_names(text: str, expected: Any) -> None:
    assert value(text, SCOPE) == expected


def test_without_names_in_scope_operators_are_operators() -> None:
    assert feel.compile("a-b").evaluate(SCOPE, now=NOW).value == 5
    assert feel.compile("a-b", names=SCOPE).evaluate(SCOPE, now=NOW).value == 100


def test_the_longest_name_wins() -> None:
    assert value("x-y-z", {"x-y": 1, "x-y-z": 2, "z": 5}) == 2


def test_a_name_is_in_scope_in_its_block_only() -> None:
    assert value("[{n-m: 5}.n-m, n - m]", {"n": 3, "m": 1}) == [5, 2]
    found = result("[for n-m in [5] return n-m, n-m]", {"n": 3, "m": 1})
    assert found.value == [[5], 2]


def test_a_variable_does_not_hide_a_function_of_its_name() -> None:
    assert feel.to_json(value("date(date)", SCOPE)) == "2024-01-01"
    assert value("count([1, 2])", {"count": 5}) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b.c", {"a", "b"}),
        ("for x in xs return x + y", {"xs", "y"}),
        ("function(p) p + q", {"q"}),
        ("{a: 1, b: a + c}", {"c"}),
        ("count(items[item > limit])", {"items", "limit"}),
        ("first name", {"first name"}),
        ("bpmnError(code, 1)", {"code"}),
        ("1 + 1", set()),
    ],
)
def test_free_names(text: str, expected: set[str]) -> None:
    assert feel.compile(text).names == expected
