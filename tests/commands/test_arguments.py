"""What people type is understood or refused with a reason, never half-understood."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from processes.management import arguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("30", timedelta(days=30)),
        ("0", timedelta()),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("2W", timedelta(weeks=2)),
        ("PT36H", timedelta(hours=36)),
        ("P30D", timedelta(days=30)),
        ("P1DT12H", timedelta(days=1, hours=12)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert arguments.duration(text) == expected


@pytest.mark.parametrize("text", ["", "d", "-1d", "1y", "1.5d", "P", "-P1D", "1 d", "99999999d", "P1Y", "30:00"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="Expected a duration"):
        arguments.duration(text)


def test_variables_from_text_and_from_a_file(tmp_path: Path) -> None:
    assert arguments.variables('{"a": 0.10}') == {"a": Decimal("0.10")}
    file = tmp_path / "variables.json"
    file.write_text('{"name": "Žofie"}', encoding="utf-8")
    assert arguments.variables(f"@{file}") == {"name": "Žofie"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "null", '{"a": NaN}', "@/no/such/file", '{"a": 1e' + "9" * 30 + "}"]
)
def test_what_is_no_object_of_variables(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="Expected"):
        arguments.variables(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (arguments.positive, "0"),
        (arguments.positive, "-1"),
        (arguments.positive, "1.0"),
        (arguments.positive, "9" * 40),
        (arguments.seconds, "0"),
        (arguments.seconds, "nan"),
        (arguments.seconds, "inf"),
        (arguments.seconds, "soon"),
        (arguments.time_to_live, "-1"),
    ],
)
def test_numbers_out_of_range(kind: Any, text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="Expected"):
        kind(text)


def test_numbers_in_range() -> None:
    assert arguments.positive("12") == 12
    assert arguments.seconds("0.5") == 0.5
    assert arguments.time_to_live("0") == arguments.time_to_live("0.0") == 0
    assert arguments.time_to_live("60") == 60
