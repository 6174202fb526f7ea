"""The story of an instance over REST: its timeline by windows, and its state after any step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from processes.models import Step
from processes.runtime import past
from tests.api.conftest import V1, fields, problem

Call = Callable[..., Any]


@pytest.fixture
def failed(api: APIClient, one_task: Any, start: Call, claim: Call) -> str:
    """The address of an instance of three steps whose first try failed, for want of money."""
    made = start(variables={"amount": 12})
    address = f"{V1}/process-instances/{made['id']}"
    (job,) = claim()
    body = {"attempt": job["attempt"], "message": "no money", "retry_in_seconds": 60}
    answer = api.post(f"{V1}/jobs/{job['id']}/fail", body, format="json")
    assert answer.status_code == 204, answer.content
    assert api.patch(f"{address}/variables", {"variables": {"amount": 7}}, format="json").status_code == 200
    return address


def test_a_timeline_has_lines_with_spans(api: APIClient, failed: str) -> None:
    found = api.get(f"{failed}/timeline").json()
    assert [(line["element_id"], line["depth"], line["count"], line["state"]) for line in found["lines"]] == [
        ("start", 0, 1, "COMPLETED"),
        ("charge", 0, 1, "ACTIVE"),
    ]
    charge = found["lines"][1]
    assert [span["kind"] for span in charge["spans"]] == ["failed", "pause"]
    assert charge["spans"][0]["words"] == "attempt 1 failed: no money"
    assert (charge["failed_attempts"], charge["p50_seconds"], charge["ended_at"]) == (1, None, None)
    assert (found["cut"], found["ended_at"], found["spans"]) == ([], None, [])


def test_a_timeline_is_asked_for_by_window(api: APIClient, failed: str) -> None:
    failure = api.get(f"{failed}/timeline").json()["lines"][1]["spans"][0]["ended"]
    assert api.get(f"{failed}/timeline", {"to": failure}).json()["until"] == failure
    backwards = {"from": "2031-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
    problem(api.get(f"{failed}/timeline", backwards), 422, "window-invalid")
    wrong = problem(api.get(f"{failed}/timeline", {"from": "soon"}), 400, "invalid")
    assert fields(wrong) == {"from": "invalid"}


def test_a_state_is_that_after_the_step(api: APIClient, failed: str) -> None:
    states = [api.get(f"{failed}/state", {"step": step}).json() for step in (1, 2, 3)]
    assert [state["variables"]["amount"] for state in states] == [12, 12, 7]
    assert [state["command"] for state in states] == ["StartInstance", "FailJob", "SetVariables"]
    visit = {"key": 3, "element_id": "charge", "scope": 0, "state": "ACTIVE", "variables": {}, "hidden": []}
    assert states[0]["visits"] == [visit]
    retries = [state["waits"][0]["details"]["retries"] for state in states]
    assert retries == [3, 2, 2]
    assert states[1]["completed"] == {"start": 1}
    assert states[1]["flows_taken"] == ["start-charge"]
    assert all(state["complete"] for state in states)
    assert api.get(f"{failed}/state").json() == states[2]


def test_a_state_that_cannot_be_found_is_a_problem(
    api: APIClient, failed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem(api.get(f"{failed}/state", {"step": 4}), 404, "step-not-found")
    assert fields(problem(api.get(f"{failed}/state", {"step": "last"}), 400, "invalid")) == {"step": "invalid"}
    assert fields(problem(api.get(f"{failed}/state", {"step": 0}), 400, "invalid")) == {"step": "min-value"}
    Step.objects.filter(number=2).delete()
    problem(api.get(f"{failed}/state", {"step": 3}), 409, "history-incomplete")
    monkeypatch.setattr(past, "MOST_STEPS", 2)
    problem(api.get(f"{failed}/state", {"step": 3}), 409, "step-too-late")


@pytest.mark.parametrize("word", ["timeline", "state"])
def test_who_may_not_see_instances_sees_no_story(
    user_with: Call, anonymous: APIClient, api: APIClient, failed: str, word: str
) -> None:
    problem(anonymous.get(f"{failed}/{word}"), 401, "not-authenticated")
    problem(user_with("view_job").get(f"{failed}/{word}"), 403, "permission-denied")
    assert user_with("view_processinstance").get(f"{failed}/{word}").status_code == 200
    problem(api.get(f"{V1}/process-instances/999999/{word}"), 404, "instance-not-found")
