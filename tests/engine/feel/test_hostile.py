"""Expressions from somebody who means harm: each ends at once, in an error that a caller can catch."""

from __future__ import annotations

from time import process_time

import pytest

from processes.engine import feel
from tests.engine.feel.evaluation import NOW, result

#: Seconds of our own, whatever else the machine does; each takes a fraction of one, an unbounded one takes minutes.
LIMIT = 20

A = "a" * 30_000
SHARED = "{a: [1, 1], " + ", ".join(f"{chr(97 + i)}: [{chr(96 + i)}, {chr(96 + i)}]" for i in range(1, 26)) + "}"
DOUBLED = "{s0: big, " + ", ".join(f"s{i}: s{i - 1} + s{i - 1}" for i in range(1, 40)) + "}"

TOO_EXPENSIVE = {
    "nested loops": "for a in 1..1000, b in 1..1000, c in 1..1000 return a",
    "long range": "for i in 1..1000000000 return i",
    "endless quantifier": "every i in 1..1000000000 satisfies i > 0",
    "doubling strings": DOUBLED,
    "many strings": "for i in 1..90000 return upper case(big)",
    "joined strings": 'string join(for i in 1..1000 return big, "")',
    "growing lists": "for i in 1..5000 return partial",
    "power": "2 ** 99999999",
    "exponential": "exp(1000000)",
    "product": "product(for i in 1..5000 return 1e300)",
    "recursion": "{f: function(n) f(n + 1), r: f(1)}.r",
    "self application": "{f: function(g) g(g), r: f(f)}.r",
    "text of shared lists": f"string({SHARED})",
    "equality of shared lists": f"{SHARED} = {SHARED}",
    "distinct shared lists": f"distinct values([{SHARED}])",
    "flat shared lists": f'flatten(get value({SHARED}, "z"))',
    "nested quantifiers in a long text": f'split("{A}", "(a?){{500}}a{{500}}")',
    "reference to a group": r'matches("' + "a" * 300 + r'", "(a*)*\1b")',
    "long pattern": f'matches("a", "{A}")',
    "replaced by much": f'replace("{A}", "", "{A[:100]}")',
}

NO_EXPRESSION = {
    "parentheses": "(" * 10_000,
    "closed parentheses": "(" * 10_000 + "1" + ")" * 10_000,
    "brackets": "[" * 10_000,
    "contexts": "{a:" * 5_000,
    "signs": "-" * 20_000 + "1",
    "calls": "not(" * 3_000,
    "tests": "a in (" * 5_000,
    "conditions": "if a then " * 5_000,
    "sum": "+".join(["a"] * 20_000),
    "path": "a" + ".b" * 20_000,
    "types": "a instance of " + "list<" * 5_000,
    "exponent": "1e99999999",
    "length": "x" * 70_000,
}

HARMLESS = {
    "nested quantifiers": 'matches("' + "a" * 45 + '!", "^(a+)+$")',
    "alternatives alike": f'matches("{A[:5000]}", "(a|a)*b")',
    "many stars": f'matches("{A[:5000]}", ".*.*.*.*x")',
    "tests in tests": "a in (" * 90 + "1" + ")" * 90,
    "sorting": "count(sort(for i in 1..2000 return i, function(a, b) a > b))",
    "name that almost fits": "{" + "n-" * 20 + "m: 1, c: " + "n-" * 20 + "n, n: 1}",
}


@pytest.fixture(autouse=True)
def in_time() -> object:
    start = process_time()
    yield
    assert process_time() - start < LIMIT


@pytest.mark.parametrize("text", TOO_EXPENSIVE.values(), ids=TOO_EXPENSIVE)
def test_the_budget_ends_it(text: str) -> None:
    expression = feel.compile(text)
    with pytest.raises(feel.BudgetExceeded, match=r"^Expected .* but "):
        expression.evaluate({"big": "x" * 100_000}, now=NOW)


@pytest.mark.parametrize("text", NO_EXPRESSION.values(), ids=NO_EXPRESSION)
def test_the_parser_ends_it(text: str) -> None:
    with pytest.raises(feel.FeelSyntaxError, match=r"^Expected "):
        feel.compile(text)


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_it_has_an_answer(text: str) -> None:
    assert isinstance(result(text, {"a": 1}), feel.Result)


def test_json_of_shared_lists_ends() -> None:
    with pytest.raises(feel.BudgetExceeded):
        feel.to_json(result(SHARED).value)


def test_a_value_inside_itself_too_deep_for_json() -> None:
    nested: list[object] = []
    for _ in range(500):
        nested = [nested]
    with pytest.raises(feel.BudgetExceeded):
        feel.to_json(nested)
    assert result("count(x)", {"x": nested}).value == 1


def test_the_budget_is_an_argument() -> None:
    text = "for i in 1..100 return i"
    assert len(result(text, budget=feel.Budget(steps=200)).value) == 100
    with pytest.raises(feel.BudgetExceeded, match="at most 50 steps"):
        result(text, budget=feel.Budget(steps=50))
