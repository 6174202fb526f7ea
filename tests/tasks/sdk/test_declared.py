"""Inputs: declared once, read by kind, refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors.base import JobError
from tasks.connectors.declared import Input, read

INPUTS = (
    Input("text"),
    Input("number", "number"),
    Input("integer", "integer", default=7),
    Input("seconds", "seconds"),
    Input("boolean", "boolean"),
    Input("context", "context"),
    Input("list", "list"),
    Input("any", "any"),
    Input("choice", choices=("a", "b")),
    Input("pin", "integer", secret=True),
)


def test_values_are_of_their_kind() -> None:
    given = {
        "text": 5, "number": "1.50", "integer": " 3 ", "seconds": 2, "boolean": "true", "context": {"a": 1},
        "list": [1], "any": {"x": []}, "choice": "a", "pin": 1234,
    }  # fmt: skip
    found = read(given, INPUTS)
    assert found == {
        **given, "text": "5", "number": Decimal("1.50"), "integer": 3, "seconds": 2.0, "boolean": True,
    }  # fmt: skip
    blank = dict.fromkeys(given, "")
    assert read(blank, INPUTS) == {**dict.fromkeys(given), "integer": 7, "any": ""}
    assert read({"unknown": None, "other": ""}, INPUTS)["integer"] == 7, "blank inputs ask for nothing"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"unknown": 1}, "unknown input `unknown`"),
        ({"text": {}}, "`text`"),
        ({"number": "many"}, "`number`"),
        ({"integer": 1.5}, "`integer` to be a whole number"),
        ({"integer": "1e99"}, "`integer`"),
        ({"seconds": -1}, "`seconds`"),
        ({"boolean": "yes"}, "`boolean`"),
        ({"context": []}, "`context` to be a context, but found list"),
        ({"list": "a,b"}, "`list` to be a list, but found str"),
        ({"choice": "c"}, "one of a, b"),
    ],
)
def test_refusals(given: dict[str, Any], told: str) -> None:
    with pytest.raises(JobError) as caught:
        read(given, INPUTS)
    assert told in caught.value.message
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)


def test_what_is_required_and_what_is_secret() -> None:
    with pytest.raises(JobError, match="Expected the input `a`, but found none"):
        read({"a": " "}, (Input("a", required=True),))
    with pytest.raises(JobError) as caught:
        read({"pin": "hunter2"}, INPUTS)
    assert "hunter2" not in caught.value.message
