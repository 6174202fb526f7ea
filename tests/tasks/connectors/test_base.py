"""The words between connectors and those who run them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tasks.connectors.base import BpmnError, Connector, FunctionConnector, Job, JobError, Postponed, Response, connector
from tests.tasks.connectors.conftest import make_job


@connector("charge-card", aliases=["charge"])
def charge(job: Job) -> Mapping[str, Any]:
    return {"charged": job.variables["amount"]}


def test_a_decorated_function_is_a_connector() -> None:
    assert isinstance(charge, Connector)
    assert isinstance(charge, FunctionConnector)
    assert (charge.type, charge.aliases) == ("charge-card", ("charge",))
    assert charge.name.endswith("test_base.charge")
    job = make_job(variables={"amount": 5})
    assert charge.run(job) == charge(job) == {"charged": 5}


def test_nothing_is_an_empty_response() -> None:
    assert connector("x")(lambda job: None).run(make_job()) == {}


@pytest.mark.parametrize("result", [5, "text", [("a", 1)], {1: 2}, object()])
def test_other_results_are_refused(result: Any) -> None:
    with pytest.raises(JobError, match=r"Expected .*<lambda> to return a mapping") as caught:
        connector("x")(lambda job: result).run(make_job())
    assert (caught.value.code, caught.value.retryable) == ("INVALID_RESULT", False)


def test_forgotten_parentheses() -> None:
    with pytest.raises(TypeError, match="job-type"):
        connector(charge)  # type: ignore[arg-type]


def test_a_response_is_its_body() -> None:
    response = Response({"a": 1}, {"request": {}})
    assert response == {"a": 1}
    assert dict(response) == {"a": 1}
    assert len(response) == 1


def test_errors_travel_between_processes() -> None:
    error = JobError("busy", timedelta(seconds=5), code="503", details={"a": 1}, journal={"b": 2})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.retry_in, again.retryable) == ("busy", timedelta(seconds=5), True)
    assert (again.code, again.details, again.journal) == ("503", {"a": 1}, {"b": 2})
    assert str(pickle.loads(pickle.dumps(BpmnError("declined", message="no money")))) == "declined: no money"
    later = pickle.loads(pickle.dumps(Postponed(timedelta(seconds=5), {"polls": 1}, "not yet")))
    assert (later.delay, later.progress, str(later)) == (timedelta(seconds=5), {"polls": 1}, "not yet")
    assert {error: 1, later: 2}  # hashable, as exceptions are
