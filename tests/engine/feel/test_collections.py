"""Lists, contexts, ranges, filters, loops and functions (DMN 1.5, 10.3.2.5 to 10.3.2.8 and 10.3.4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.engine import feel
from tests.engine.feel.evaluation import PROPERTY, result, shown, value

PEOPLE = [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 17}, {"name": "Cy"}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)


@PROPERTY
@given(JSON)
def test_json_goes_through_unchanged(data: Any) -> None:
    assert feel.to_json(value("x", {"x": data})) == data
    assert value("x = y", {"x": data, "y": data}) is True


@PROPERTY
@given(st.lists(JSON, max_size=6))
def test_distinct_values_agree_with_equality(data: list[Any]) -> None:
    first: list[Any] = []
    for item in data:
        if not any(result("x = y", {"x": item, "y": other}).value for other in first):
            first.append(item)
    assert value("distinct values(x)", {"x": data}) == first
    assert value("every i in x satisfies list contains(first, i)", {"x": data, "first": first}) is True


@PROPERTY
@given(st.lists(st.integers(), max_size=20))
def test_sort_is_that_of_python(numbers: list[int]) -> None:
    assert value("sort(x)", {"x": numbers}) == sorted(numbers)
    assert value("sort(x, function(a, b) a > b)", {"x": numbers}) == sorted(numbers, reverse=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("people.name", ["Ada", "Bob", "Cy"]),
        ("people[age >= 18].name", ["Ada"]),
        ("people[item.name = limit].age", [17]),
        ("people[1].name", "Ada"),
        ("people[-1].name", "Cy"),
        ("people[count(people)].name", "Cy"),
        ("[1, 2, 3][item > 1]", [2, 3]),
        ("[1, 2, 3][even(item)]", [2]),
        ("5[item > 1]", [5]),
        ("null[item > 1]", []),
        ("[][1 = 1]", []),
        ("[[1, 2], [3]][1][2]", 2),
        ("{a: 1, b: a + 1, c: [b]}.c[1]", 2),
        ("[{a: {b: 1}}, {a: {b: 2}}].a.b", [1, 2]),
        ("for i in 1..3 return i * i", [1, 4, 9]),
        ("for i in 3..1 return i", [3, 2, 1]),
        ("for i in (1..4) return i", [2, 3]),
        ("for x in [1, 2], y in [x, 10] return x * y", [1, 10, 4, 20]),
        ("for x in [1, 2], x in [x + 10], x in [x] return x", [11, 12]),
        ("for i in 1..5 return if i < 3 then 1 else partial[-1] + partial[-2]", [1, 1, 2, 3, 5]),
        ('for d in @"2024-02-28"..@"2024-03-01" return d.day', [28, 29, 1]),
        ("(function(a, b) a - b)(3, 1)", 2),
        ("{f: function(n) if n < 2 then 1 else n * f(n - 1), r: f(5)}.r", 120),
        ("{add: function(a) function(b) a + b, r: add(1)(2)}.r", 3),
        ("(function(a: number) a)([5])", 5),
        ("(function(a: list<number>) a)(5)", [5]),
        ("append([1], 2, 3)", [1, 2, 3]),
        ("concatenate([1], [2], [3])", [1, 2, 3]),
        ("insert before([1, 3], 2, 2)", [1, 2, 3]),
        ("remove([1, 2, 3], -1)", [1, 2]),
        ("reverse([1, 2])", [2, 1]),
        ("index of([1, 2, 1], 1)", [1, 3]),
        ("union([1, 2], [2, 3])", [1, 2, 3]),
        ('distinct values([1, 1.0, "1", true])', [1, "1", True]),
        ("duplicate values([1, 2, 1])", [1]),
        ("flatten([1, [2, [3, []]]])", [1, 2, 3]),
        ("partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("sublist([1, 2, 3], 2)", [2, 3]),
        ("sublist([1, 2, 3], -2, 1)", [2]),
        ("list replace([1, 2, 3], 2, 9)", [1, 9, 3]),
        ("list replace([1, 2, 3], function(item, new) item > 1, 9)", [1, 9, 9]),
        ("list contains([1, null], null)", True),
        ("count([1, [2, 3]])", 2),
        ("min([3, 1, 2])", 1),
        ('max("a", "c", "b")', "c"),
        ("all([true, null])", None),
        ("any([false, true])", True),
        ("is empty([])", True),
        ('get value({a: {b: 1}}, "a")', {"b": 1}),
        ("get entries({a: 1})", [{"key": "a", "value": 1}]),
        ('context([{key: "a", value: 1}])', {"a": 1}),
        ('context put({a: 1}, "b", 2)', {"a": 1, "b": 2}),
        ('context put({a: {b: 1}}, ["a", "c"], 2)', {"a": {"b": 1, "c": 2}}),
        ("context merge([{a: 1}, {a: 2, b: 3}])", {"a": 2, "b": 3}),
        ("get or else(null, 1)", 1),
        ("get or else(0, 1)", 0),
        ("is defined(limit)", True),
        ("is defined(nothing)", False),
        ("is defined(people)", True),
        ("is defined(nothing.more)", False),
        ("is defined({a: null}.a)", True),
        ('assert(5, 5 > 1, "too small")', 5),
    ],
)
def test_values(text: str, expected: Any) -> None:
    people = [person for person in PEOPLE if "age" in person or "[age" not in text]
    assert value(text, {"people": people, "limit": "Bob"}) == expected


def test_a_failed_assertion_gives_its_cause() -> None:
    found = result('assert(5, 5 > 10, "too small")')
    assert (found.value, found.warnings) == (None, ("too small",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("before(1, 10)", True),
        ("before([1..5), [5..10])", True),
        ("before([1..5], [5..10])", False),
        ("after(10, [1..5])", True),
        ("meets([1..5], [5..10])", True),
        ("met by([5..10], [1..5))", False),
        ("overlaps([1..5], [3..8])", True),
        ("overlaps before([1..5], [3..8])", True),
        ("overlaps after([3..8], [1..5])", True),
        ("finishes(5, [1..5])", True),
        ("finished by([1..5], [3..5])", True),
        ("includes([1..10], 5)", True),
        ("includes([1..10), 10)", False),
        ("during([2..3], [1..10])", True),
        ("starts(1, [1..5])", True),
        ("starts([1..3], [1..5])", True),
        ("started by([1..5], 1)", True),
        ("coincides([1..5], [1..5])", True),
        ("coincides(5, 4)", False),
        ("during(point: 5, range: [1..10])", True),
        ("before(point1: 1, point2: 2)", True),
        ('[1..5].end + 1 = 6 and range("[1..5)").end included = false', True),
    ],
)
def test_ranges(text: str, expected: bool) -> None:
    assert value(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1..5)", "[1..5)"),
        ("(< 5)", "(< 5)"),
        ('{a: [1, "b"], "c d": null}', '{a: [1, "b"], c d: null}'),
        ("function(a, b) a", "function(a, b)"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert feel.to_json([value(text)])[0] == (expected if text[0] != "{" else {"a": [1, "b"], "c d": None})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 instance of number", True),
        ('"a" instance of Any', True),
        ("null instance of string", False),
        ("[1, 2] instance of list<number>", True),
        ('[1, "a"] instance of list<number>', False),
        ("{a: 1} instance of context<a: number>", True),
        ("[1..3] instance of range<number>", True),
        ("sum instance of function<list>->number", True),
        ('@"P1Y" instance of years and months duration', True),
        ('@"2024-01-01T00:00:00" instance of date', False),
    ],
)
def test_instance_of(text: str, expected: bool) -> None:
    assert value(text) is expected


def test_an_equal_number_is_one_number_whatever_its_class() -> None:
    assert value("list contains(x, 1.5)", {"x": [1.5, Decimal("2")]}) is True
    assert value("index of(x, 2)", {"x": [1.5, Decimal("2.0")]}) == [2]
