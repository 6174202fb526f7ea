"""Strings and regular expressions (DMN 1.5, 10.3.4.3; XPath Functions 3.1, 5.6)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.engine.feel import regex
from processes.engine.feel.budget import DEFAULT, Run
from processes.engine.feel.regex import syntax
from processes.engine.feel.regex.machine import Machine
from processes.engine.feel.regex.parser import parse
from tests.engine.feel.evaluation import NOW, PROPERTY, result, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('substring("foobar", 3)', "obar"),
        ('substring("foobar", 3, 3)', "oba"),
        ('substring("foobar", -2, 1)', "a"),
        (r'substring("\U01F40Eab", 2)', "ab"),
        ('substring(start position: 2, string: "abc")', "bc"),
        ('string length("")', 0),
        ('upper case("aß")', "ASS"),
        ('substring before("foobar", "bar")', "foo"),
        ('substring before("foobar", "x")', ""),
        ('substring after("foobar", "o")', "obar"),
        ('contains("foobar", "of")', False),
        ('starts with("foobar", "fo")', True),
        ('ends with("foobar", "r")', True),
        ('split("a;b;;", ";")', ["a", "b", "", ""]),
        (r'split("a b  c", "\s+")', ["a", "b", "c"]),
        ('string join(["a", null, "b"], ", ")', "a, b"),
        ('trim("  a ")', "a"),
        ('is blank(" ")', True),
        (r'extract("a1 b22", "[0-9]+")', ["1", "22"]),
        ('replace("abracadabra", "a(.)", "[$1]")', "[b]r[c][d][b]ra"),
        (r'replace("a.b", "\.", "\$")', "a$b"),
        ('replace("abc", "B", "x", "i")', "axc"),
        ('replace("aaa", "a{2}", "b")', "ba"),
        ('replace("abc", "", "-")', "-a-b-c-"),
        ('matches("foobar", "^fo+b")', True),
        ('matches("E", "[A-Z-[AEIOU]]")', False),
        (r'matches("é", "^\p{L}$")', True),
        (r'matches("_x", "^\i\c*$")', True),
        (r'matches("abab", "^(ab)\1$")', True),
        (r'matches("a\n", "a$")', False),
        ('matches("a.b", "a.b", "q")', True),
        ('matches("helloworld", "hello world", "x")', True),
    ],
)
def test_functions(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "a**", "a++", "[b-a]", "[", "(?=a)", r"\\2", "a{2,1}", "{1}", r"\\q", r"\\p{Xx}", "*a"],
)
def test_what_is_no_pattern_is_null(pattern: str) -> None:
    found = result(f'matches("a", "{pattern}")')
    assert found.value is None
    assert found.warnings[0].startswith("Expected ")


PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "^", "$", "(a|b)", "(a|ab)", "(?:b|)", "(a)"])
QUANTIFIERS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "*?", "+?", "??"])
PATTERNS = st.lists(
    st.tuples(PIECES, QUANTIFIERS).map(lambda pair: pair[0] if pair[0] in "^$" else "".join(pair)),
    min_size=1,
    max_size=4,
).map("".join)


@PROPERTY
@given(PATTERNS, st.text("abc", max_size=8))
def test_the_machine_finds_what_python_finds(pattern: str, text: str) -> None:
    tree, groups = parse(pattern, "")
    found = next(Machine(tree, groups, 0).matches(Run({}, {}, NOW, DEFAULT), text), None)
    expected = re.compile(syntax.render(tree)).search(text)
    assert (found and found.group(0), found and found.start()) == (
        expected and expected[0],
        expected and expected.start(),
    )


def test_a_group_that_took_no_part_is_empty_in_both_matchers() -> None:
    run = Run({}, {}, NOW, DEFAULT)
    short, long = "ab", "ab" * 3000
    pattern = regex.pattern_of(run, "(?:(a)|(b))+", "")
    assert pattern.replace(run, short, "[$1$2]") == "[ab]"
    assert pattern.replace(run, long, "[$1$2]") == "[ab]"
