"""What Camunda adds to the built-ins of DMN."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from processes.engine import feel
from tests.engine.feel.evaluation import NOW, result, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('get value({a: {b: 1}}, ["a", "b"])', 1),
        ('get value({a: {b: 1}}, ["a", "c"])', None),
        ('get value({a: 1}, ["a", "b", "c"])', None),
        ('get value({a: 1}, "a")', 1),
        ("context merge({a: 1, b: 1}, {b: 2})", {"a": 1, "b": 2}),
        ("context merge([{a: 1}, {b: 2}])", {"a": 1, "b": 2}),
        (
            'to json({a: [1, 2.50, null, true, "x\\"y"], b: @"PT1H"})',
            '{"a": [1, 2.50, null, true, "x\\"y"], "b": "PT1H"}',
        ),
        ('from json("{\\"a\\": [1, 2.50]}")', {"a": [1, Decimal("2.50")]}),
        ('to base64("FEEL")', "RkVFTA=="),
        ("get or else(null, 1)", 1),
    ],
)
def test_it_gives(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('from json("{")', "Expected a JSON text"),
        ('from json("NaN")', "NaN is no number"),
        ("backoff(0)", "from 1 to 1000"),
        ('backoff(1, @"PT1S", 0.5)', "a factor from 1"),
    ],
)
def test_what_cannot_be_is_null_and_says_why(text: str, says: str) -> None:
    found = result(text)
    assert found.value is None
    assert says in found.warnings[0]


def seconds(text: str, now: Any = NOW) -> float:
    made = feel.compile(text).evaluate({}, now=now).value
    assert isinstance(made, feel.DayTimeDuration)
    return made.nanos / 1e9


def test_backoff_grows_up_to_a_limit() -> None:
    exact = 'backoff(attempt: {}, minDelay: @"PT1S", factor: 2, maxDelay: @"PT10S", jitterFactor: 0)'
    assert [seconds(exact.format(attempt)) for attempt in (1, 2, 3, 4, 5, 1000)] == [1, 2, 4, 8, 10, 10]


def test_backoff_has_camundas_defaults_and_a_jitter_that_follows_from_the_moment() -> None:
    found = {seconds("backoff(2)", NOW + timedelta(seconds=number)) for number in range(50)}
    assert len(found) > 40
    assert 0.08 * 0.9 <= min(found) < max(found) <= 0.08 * 1.1
    assert seconds("backoff(2)") == seconds("backoff(2)")
