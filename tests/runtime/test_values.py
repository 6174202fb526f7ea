"""What may become a variable, and where the trouble is if not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest

from processes.runtime import Rejected, values


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0.1, Decimal("0.1")),
        (1e22, Decimal("1e22")),
        (Decimal("1.10"), Decimal("1.10")),
        (True, True),
        (None, None),
        (7, 7),
        ("héllo ☃", "héllo ☃"),
        ((1, 2), [1, 2]),
        ({"a": {"b": []}}, {"a": {"b": []}}),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(hours=1, seconds=5), "P0DT01H00M05S"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
    ],
)
def test_values_are_kept(given: object, kept: object) -> None:
    found = values.checked({"value": given})["value"]
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("given", "place", "found"),
    [
        ({"order": {"items": [{"price": 1}, {"price": float("nan")}]}}, "$.order.items[1].price", "nan"),
        ({"a": float("inf")}, "$.a", "inf"),
        ({"a": Decimal("NaN")}, "$.a", "NaN"),
        ({"a b": {1: 2}}, "$['a b']", "a int"),
        ({"a": object()}, "$.a", "a object"),
        ({"a": {1, 2}}, "$.a", "a set"),
        ({"a": b"x"}, "$.a", "a bytes"),
        ({"a": "x\0y"}, "$.a", "NUL"),
        ({"a": "\ud800"}, "$.a", "surrogate"),
        ({"a": 10**1001}, "$.a", "digits"),
        ({"a": Decimal("1e5000")}, "$.a", "digits"),
        ({"a": ["x" * (values.MAX_SIZE + 1)]}, "$.a[0]", "characters in total"),
        ({"a": ["x" * values.MAX_SIZE, 1]}, "$.a[0]", "characters in total"),
    ],
)
def test_values_that_cannot_be_kept_are_refused_with_their_place(given: object, place: str, found: str) -> None:
    with pytest.raises(Rejected) as refused:
        values.checked(given)
    assert refused.value.code == "value-invalid"
    assert f"at {place} found" in str(refused.value)
    assert found in str(refused.value)


def test_nesting_has_an_end() -> None:
    deep: object = 1
    for _ in range(values.MAX_DEPTH):
        deep = [deep]
    with pytest.raises(Rejected, match="deeper than 64"):
        values.checked({"a": deep})


@pytest.mark.parametrize("given", [[], "text", 1, True])
def test_variables_are_an_object(given: object) -> None:
    with pytest.raises(Rejected) as refused:
        values.checked(given)
    assert refused.value.code == "variables-invalid"


def test_no_variables_are_none() -> None:
    assert values.checked(None) == {}


def test_what_is_told_is_never_refused() -> None:
    assert values.told("a\0b\ud800" + "x" * 100, 10) == "a\N{REPLACEMENT CHARACTER}b?xxxxx…"
    kept = values.journal({"request": {"body": b"raw", "when": object, "n": float("nan")}, "big": "x" * 10**6})
    assert kept is not None
    assert kept["request"]["n"] == "nan"
    assert len(kept["big"]) <= values.MAX_TOLD_TEXT


def test_names_fit_their_columns() -> None:
    assert values.text("x" * 255, what="a name") == "x" * 255
    for bad in ("x" * 256, "a\0", 5):
        with pytest.raises(Rejected) as refused:
            values.text(bad, what="a name")  # type: ignore[arg-type]
        assert refused.value.code == "value-invalid"
