"""The script connector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tasks.connectors.base import Connector, JobError
from tasks.connectors.script import ScriptConnector
from tests.tasks.connectors.conftest import make_job

SCRIPT = ScriptConnector()


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    if expression == "broken":
        raise ValueError("line 1: what is this?")
    return [expression, variables.get("a")]


def run(variables: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    return SCRIPT.run(make_job(evaluate=evaluate, variables=variables, headers=headers or {}))


def test_is_a_connector() -> None:
    assert isinstance(SCRIPT, Connector)
    assert SCRIPT.type == "script"


@pytest.mark.parametrize("script", ["a + 1", "=a + 1", "  = a + 1"])
def test_input(script: str) -> None:
    result = run({"script": script, "a": 5})["result"]
    assert (result[0].strip(), result[1]) == ("a + 1", 5)


def test_header() -> None:
    assert run({"a": 5, "language": "de", "script": "other"}, {"script": "a", "language": "FEEL"}) == {
        "result": ["a", 5]
    }
    assert run({"a": 5, "language": "de"}, {"script": "a"}) == {"result": ["a", 5]}


@pytest.mark.parametrize(
    ("variables", "headers", "code", "told"),
    [
        ({}, {}, "INVALID_INPUT", "found none"),
        ({"script": " "}, {}, "INVALID_INPUT", "`script`"),
        ({"script": [5]}, {}, "INVALID_INPUT", "found list"),
        (
            {"script": "1", "language": "groovy"},
            {},
            "INVALID_INPUT",
            "one of feel, python, javascript, but found 'groovy'",
        ),
        ({"script": "1", "language": 5}, {}, "INVALID_INPUT", "one of feel"),
        ({}, {"script": "1", "language": "ruby"}, "INVALID_INPUT", "ruby"),
        ({"script": "1", "language": "python", "deadlineInSeconds": 61}, {}, "INVALID_INPUT", "deadlineInSeconds"),
        ({"script": "1", "language": "python", "deadlineInSeconds": 0}, {}, "INVALID_INPUT", "deadlineInSeconds"),
        ({"script": "1", "language": "python", "maxMemoryMegabytes": "4096"}, {}, "INVALID_INPUT", "maxMemoryMeg"),
        ({"script": "broken"}, {}, "SCRIPT_ERROR", "what is this?"),
    ],
)
def test_refusals(variables: dict[str, Any], headers: dict[str, str], code: str, told: str) -> None:
    with pytest.raises(JobError) as caught:
        run(variables, headers)
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert told in caught.value.message


def test_the_line_of_a_broken_expression() -> None:
    with pytest.raises(JobError) as caught:
        run({"script": "broken"})
    assert caught.value.details == {"line": 1, "type": "", "message": "line 1: what is this?"}


def test_a_lease_that_is_over_runs_no_script() -> None:
    with pytest.raises(JobError) as caught:
        SCRIPT.run(make_job(lease=-1, variables={"script": "1", "language": "python"}))
    assert (caught.value.code, caught.value.retryable) == ("SCRIPT_LATE", True)
