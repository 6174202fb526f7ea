"""The official suite of DMN (TCK, Apache-2.0) against our FEEL: how many cases come out as they should.

The material is not ours and not in the repository; `BPMN_CONFORMANCE` names its folder, else it is looked
for beside the repository. An evaluator that always answers null scores 45 % of all cases, so those that
expect a value are counted apart.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from processes.engine import feel
from processes.engine.feel import iso, types
from processes.engine.feel.budget import DEFAULT, Run
from processes.engine.feel.errors import Mistake
from processes.engine.feel.syntax import Type
from processes.engine.feel.values import kind_of

NOW = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
ROOT = Path(os.environ.get("BPMN_CONFORMANCE") or Path(__file__).parents[4] / "shared" / "conformance")
CASES = ROOT / "feel" / "cases.json"

Case = dict[str, Any]


def value_of(data: Any) -> Any:
    """JSON with tagged temporal values as FEEL values."""
    if isinstance(data, dict):
        if len(data) == 1 and next(iter(data)).startswith("@"):
            ((tag, text),) = data.items()
            return {"@datetime": iso.parse_date_time, "@date": iso.parse_date}.get(tag, iso.parse)(text)
        return {key: value_of(value) for key, value in data.items()}
    return [value_of(item) for item in data] if isinstance(data, list) else data


def result_of(case: Case) -> Any:
    """The value of a case, as the type that its decision declares (DMN 1.5, 10.3.2.9.4)."""
    variables: Case = value_of(case["context"])
    try:
        for name, text in case.get("prelude", ()):
            variables[name] = evaluate(text, variables)
        value = evaluate(case["expr"], variables)
        wanted = Type(case["result_type"]) if case.get("result_type") else None
        return value if wanted is None else types.convert(Run({}, {}, NOW, DEFAULT), value, wanted)
    except (feel.FeelError, Mistake):
        return None


def evaluate(text: str, variables: Case) -> Any:
    return feel.compile(text, names=variables).evaluate(variables, now=NOW).value


def same(found: Any, expected: Any) -> bool:
    """Equal and of one kind; the suite gives numbers to some eight digits."""
    if kind_of(found) != kind_of(expected):
        return False
    if kind_of(found) == "number":
        return abs(found - expected) <= max(abs(expected), Decimal(1)) * Decimal("1e-8")
    if isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in found)
    return bool(found == expected)


def expects_value(case: Case) -> bool:
    return not case["error"] and case["expected"] is not None


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    if not CASES.exists():
        if os.environ.get("CI"):
            pytest.fail(f"Expected the conformance cases at {CASES}, or their folder in BPMN_CONFORMANCE")
        pytest.skip("the conformance cases are not here")
    found: list[Case] = json.loads(CASES.read_text(), parse_float=Decimal)
    return found


def test_the_suite_is_whole(cases: list[Case]) -> None:
    assert len(cases) == 1620
    assert sum(map(expects_value, cases)) == 867


def test_cases_that_expect_a_value(cases: list[Case]) -> None:
    valued = [case for case in cases if expects_value(case)]
    failed = [case["id"] for case in valued if not same(result_of(case), value_of(case["expected"]))]
    assert len(valued) - len(failed) >= 858, failed


def test_cases_that_expect_null_or_an_error(cases: list[Case]) -> None:
    empty = [case for case in cases if not expects_value(case)]
    failed = [case["id"] for case in empty if result_of(case) is not None]
    assert len(empty) - len(failed) >= 750, failed
