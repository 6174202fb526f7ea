"""JSON in and out without a digit lost."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors import exact_json


@pytest.mark.parametrize(
    "text",
    [
        "0.10",
        "1E+400",
        "-0.0",
        "12345678901234567890123",
        "true",
        "null",
        '"a\\"\\\\\\n\\u0001ü"',
        "[]",
        "{}",
        '{"a":[1,{"b":2.50}]}',
    ],
)
def test_round_trip(text: str) -> None:
    assert exact_json.dumps(exact_json.loads(text)) == text


def test_what_is_written_is_json() -> None:
    value = {"a": Decimal("1E-7"), "b": [0.1, 10**20, (1, 2)], "": "\u2028"}
    assert json.loads(exact_json.dumps(value)) == {"a": 1e-7, "b": [0.1, 10**20, [1, 2]], "": "\u2028"}


@pytest.mark.parametrize("depth", [99, 100])
def test_deep_enough(depth: int) -> None:
    text = "[" * depth + "]" * depth
    assert exact_json.dumps(exact_json.loads(text)) == text


@pytest.mark.parametrize("text", ["[" * 102 + "]" * 102, '{"a":' * 102 + "1" + "}" * 102, "[" * 100_000])
def test_too_deep(text: str) -> None:
    with pytest.raises(ValueError, match=r"deeper|Expecting"):
        exact_json.loads(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "1e7000", "1e-7000", "0." + "1" * 2000, "", "{", "'a'", "[1,]"])
def test_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        exact_json.loads(text)


@pytest.mark.parametrize("value", [Decimal("NaN"), float("inf"), b"", {1: 2}, {"a": {2}}, object()])
def test_not_to_be_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        exact_json.dumps(value)


def test_many_flat_lists_are_not_deep() -> None:
    assert len(exact_json.loads("[" + ",".join(["[]"] * 1000) + "]")) == 1000
