"""Operators act in the place of workers, of the clock and of senders, over REST."""

from __future__ import annotations

import pytest

from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing


@pytest.fixture
def order(api, deploy, start):
    drawing = Drawing("order").start().service("charge", type="charge").event_based("either").timer("nap", "PT1H").end()
    drawing.at("either").message("paid", "paid", "=1").end("e1").at("either").catch("off", ("signal", "off")).end("e2")
    deploy(drawing.on_error("charge", "no_cover", "NO_COVER").end("e3"))
    return f"{V1}/process-instances/{start('order')['id']}"


def key(api, here: str, part: str) -> int:
    return api.get(f"{here}/{part}").json()["results"][0]["key"]


def last(api, here: str) -> tuple[str, str, str]:
    step = api.get(f"{here}/history").json()["results"][-1]
    return step["command"], step["by"], step["reason"]


def test_complete_a_job_without_a_lease(api, order, claim):
    (held,) = claim()
    job = key(api, order, "jobs")
    there = f"{order}/jobs/{job}/complete"
    problem(api.post(there, {"attempt": 0}, format="json"), 409, "job-moved")
    problem(api.post(f"{order}/jobs/99/complete", {}, format="json"), 404, "job-not-found")
    assert fields(problem(api.post(there, {"retries": 1}, format="json"), 400, "invalid")) == {
        "retries": "unknown-field"
    }
    answer = api.post(there, {"variables": {"receipt": "R"}, "attempt": 1, "reason": "by phone"}, format="json")
    assert [each["element_id"] for each in answer.json()["active"]] == ["either"]
    assert api.get(f"{order}/variables").json()["variables"] == {"receipt": "R"}
    assert last(api, order) == ("CompleteJob", "user:root", "by phone")
    late = api.post(f"{V1}/jobs/{held['id']}/complete", {"attempt": 1}, format="json")
    problem(late, 404, "job-not-found")


def test_throw_an_error(api, order):
    there = f"{order}/jobs/{key(api, order, 'jobs')}/throw-error"
    problem(api.post(there, {"code": "OTHER"}, format="json"), 409, "error-not-caught")
    problem(api.post(there, {"code": ""}, format="json"), 400, "invalid")
    answer = api.post(there, {"code": "NO_COVER", "reason": "they called"}, format="json")
    assert answer.json()["state"] == "COMPLETED"
    assert last(api, order) == ("ThrowError", "user:root", "they called")


@pytest.mark.parametrize("part", ["timers", "subscriptions", "signal-subscriptions"])
def test_what_is_waited_for(api, order, part):
    body = {"reason": "not today"}
    visit = key(api, order, "nodes?live=true")
    assert api.post(f"{order}/nodes/{visit}/skip", body, format="json").status_code == 200
    assert last(api, order)[0] == "SkipVisit"
    number = key(api, order, part)
    verb = "fire" if part == "timers" else "send"
    problem(
        api.post(f"{order}/{part}/{number + 50}/{verb}", body, format="json"),
        404,
        f"{part[:-1]}-not-found" if part != "signal-subscriptions" else "subscription-not-found",
    )
    if part != "timers":
        body["variables"] = {"amount": 1.10}
    assert api.post(f"{order}/{part}/{number}/{verb}", body, format="json").json()["state"] == "COMPLETED"
    assert last(api, order)[1:] == ("user:root", "not today")
    problem(api.post(f"{order}/{part}/{number}/{verb}", body, format="json"), 409, "instance-ended")


def test_skip_what_cannot_be(api, order):
    problem(api.post(f"{order}/nodes/99/skip", {}, format="json"), 404, "visit-not-found")
    api.post(f"{order}/nodes/{key(api, order, 'nodes?live=true')}/skip", {}, format="json")
    gateway = key(api, order, "nodes?live=true")
    problem(api.post(f"{order}/nodes/{gateway}/skip", {}, format="json"), 422, "skip-invalid")


def test_correct_variables_as_they_were_seen(api, order):
    there = f"{order}/variables"
    api.patch(there, {"variables": {"n": 1}, "expected": {}, "reason": "first"}, format="json")
    assert last(api, order) == ("SetVariables", "user:root", "first")
    problem(api.patch(there, {"variables": {"n": 2}, "expected": {}}, format="json"), 409, "variables-changed")
    answer = api.patch(there, {"variables": {"n": 2}, "expected": {"n": 1, "m": 3}}, format="json")
    assert answer.json()["variables"] == {"n": 2}


def test_resolve_with_variables_needs_the_permission_for_them(api, order, claim, user_with):
    (job,) = claim()
    api.post(f"{V1}/jobs/{job['id']}/fail", {"attempt": 1, "message": "no", "retries": 0}, format="json")
    there = f"{V1}/incidents/{key_of_incident(api)}/resolve"
    body = {"variables": {"n": 1}, "retries": 5, "reason": "typo"}
    problem(user_with("change_incident").post(there, body, format="json"), 403, "permission-denied")
    assert api.post(there, body, format="json").json()["resolved_by"] == "user:root"
    assert api.get(f"{order}/variables").json()["variables"] == {"n": 1}
    assert last(api, order) == ("ResolveIncident", "user:root", "typo")


def key_of_incident(api) -> int:
    return api.get(f"{V1}/incidents").json()["results"][0]["id"]
