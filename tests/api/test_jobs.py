"""The protocol of external workers: claim, complete, fail, throw error, extend; and who is refused."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from processes.models import Worker
from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/jobs"


def ask(api, job, verb, **body):
    number = job["id"] if isinstance(job, dict) else job
    return api.post(f"{URL}/{number}/{verb}", body, format="json")


def state(api, number):
    return api.get(f"{V1}/process-instances/{number}").json()["state"]


def test_claim_tells_all_that_a_worker_needs(api, start, claim, deploy):
    deploy(
        Drawing()
        .start()
        .service("charge", type="charge", headers={"h": "v"}, inputs={"amount": "=sum"}, retries=2)
        .end()
    )
    number = start(variables={"sum": 5}, business_key="k")["id"]
    (job,) = claim(lease_seconds=1000)
    assert job["type"] == "charge"
    assert job["process_id"] == "process"
    assert job["instance_id"] == number
    assert job["element_id"] == "charge"
    assert job["business_key"] == "k"
    assert job["variables"] == {"amount": 5}
    assert job["headers"] == {"h": "v"}
    assert job["attempt"] == 1
    assert job["retries"] == 2
    assert job["worker"] == "w1"
    assert job["idempotency_key"]
    left = datetime.fromisoformat(job["lease_until"]) - timezone.now()
    assert timedelta(seconds=900) < left <= timedelta(seconds=1000)
    assert claim() == []


def test_who_hung_up_before_its_turn_is_given_nothing(api, start, claim, deploy):
    deploy(Drawing().start().service("charge", type="charge").end())
    start()
    here, there = socket.socketpair()
    with here, there:
        there.close()
        body = {"types": ["charge"], "worker": "gone"}
        assert api.post(f"{URL}/claim", body, format="json", **{"gunicorn.socket": here}).json() == {"jobs": []}
    (job,) = claim()
    assert (job["worker"], job["attempt"]) == ("w1", 1)


def test_claim_of_several_types_and_several_jobs(api, start, deploy):
    deploy(Drawing("a").start().service("t", type="one").end())
    deploy(Drawing("b").start().service("t", type="two").end())
    deploy(Drawing("c").start().service("t", type="three").end())
    for process in "abcab":
        start(process)
    body = {"types": ["one", "two"], "worker": "w", "max_jobs": 3}
    first = api.post(f"{URL}/claim", body, format="json").json()["jobs"]
    assert [job["type"] for job in first] == ["one", "two", "one"]
    second = api.post(f"{URL}/claim", body, format="json").json()["jobs"]
    assert [job["type"] for job in second] == ["two"]


def test_only_the_variables_that_are_wanted(start, claim, one_task):
    start(variables={"a": 1, "b": 2})
    start(variables={"a": 1, "b": 2})
    assert claim(fields=["b", "c"])[0]["variables"] == {"b": 2}
    assert claim(fields=[])[0]["variables"] == {}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"worker": "w"}, {"": "required"}),
        ({"type": "a", "types": ["a"], "worker": "w"}, {"": "required"}),
        ({"type": "a"}, {"worker": "required"}),
        ({"type": "a", "worker": ""}, {"worker": "blank"}),
        ({"types": [], "worker": "w"}, {"types": "min-length"}),
        ({"types": ["a"] * 101, "worker": "w"}, {"types": "max-length"}),
        ({"types": ["a", 7.5], "worker": "w"}, {"types.1": "invalid"}),
        ({"types": "a", "worker": "w"}, {"types": "not-a-list"}),
        ({"type": "a", "worker": "w", "max_jobs": 0}, {"max_jobs": "min-value"}),
        ({"type": "a", "worker": "w", "max_jobs": 101}, {"max_jobs": "max-value"}),
        ({"type": "a", "worker": "w", "lease_seconds": 0}, {"lease_seconds": "min-value"}),
        ({"type": "a", "worker": "w", "lease_seconds": 86_401}, {"lease_seconds": "max-value"}),
        ({"type": "a", "worker": "w", "lease_seconds": "NaN"}, {"lease_seconds": "invalid"}),
        ({"type": "a", "worker": "w", "wait_seconds": 61}, {"wait_seconds": "max-value"}),
        ({"type": "a", "worker": "w", "wait_seconds": -1}, {"wait_seconds": "min-value"}),
        ({"type": "a", "worker": "w", "fields": "a"}, {"fields": "not-a-list"}),
    ],
)
def test_a_claim_that_does_not_validate(api, body, wrong):
    assert fields(problem(api.post(f"{URL}/claim", body, format="json"), 400, "invalid")) == wrong


def test_workers_are_seen(claim):
    claim(worker="seen")
    claim(worker="seen")
    assert Worker.objects.get(name="seen").types == ["charge"]
    claim("other", worker="seen")
    assert Worker.objects.get(name="seen").types == ["other"]


def test_complete(api, start, claim, one_task):
    number = start()["id"]
    (job,) = claim()
    answer = ask(api, job, "complete", attempt=1, variables={"receipt": "r"})
    assert answer.status_code == 204
    assert answer.content == b""
    assert state(api, number) == "COMPLETED"
    assert api.get(f"{V1}/process-instances/{number}/variables").json()["variables"] == {"receipt": "r"}
    problem(ask(api, job, "complete", attempt=1), 404, "job-not-found")


def test_fail_is_tried_again(api, start, claim, one_task):
    start()
    (job,) = claim()
    assert ask(api, job, "fail", attempt=1, message="No answer", retry_in_seconds=0).status_code == 204
    shown = api.get(f"{URL}/{job['id']}").json()
    assert (shown["state"], shown["retries"], shown["error_message"]) == ("DUE", 2, "No answer")
    (again,) = claim()
    assert (again["id"], again["attempt"], again["retries"]) == (job["id"], 2, 2)
    assert again["idempotency_key"] == job["idempotency_key"]


def test_fail_waits_as_long_as_it_was_told(api, start, claim, one_task):
    start()
    (job,) = claim()
    ask(api, job, "fail", attempt=1, message="", retry_in_seconds=3600)
    assert claim() == []
    due = datetime.fromisoformat(api.get(f"{URL}/{job['id']}").json()["due_at"])
    assert timedelta(minutes=59) < due - timezone.now() <= timedelta(hours=1)


def test_fail_for_good_is_an_incident(api, start, claim, one_task):
    number = start()["id"]
    (job,) = claim()
    ask(api, job, "fail", attempt=1, message="Never", retries=0)
    assert api.get(f"{URL}/{job['id']}").json()["state"] == "FAILED"
    assert api.get(f"{V1}/process-instances/{number}").json()["open_incidents"] == 1


def test_a_business_error_is_caught(api, start, claim, deploy):
    drawing = Drawing().start().service("charge", type="charge").end()
    deploy(drawing.on_error("charge", "poor", "NO_COVER").service("call", type="call").end("end2"))
    number = start()["id"]
    (job,) = claim()
    assert ask(api, job, "error", attempt=1, code="NO_COVER", message="12.30", variables={"x": 1}).status_code == 204
    active = api.get(f"{V1}/process-instances/{number}").json()["active"]
    assert [row["element_id"] for row in active] == ["call"]


def test_a_business_error_that_nobody_catches(api, start, claim, one_task):
    number = start()["id"]
    (job,) = claim()
    ask(api, job, "error", attempt=1, code="NO_COVER")
    (incident,) = api.get(f"{V1}/process-instances/{number}/incidents").json()["results"]
    assert incident["kind"] == "UNHANDLED_ERROR"


def test_extend(api, start, claim, one_task):
    start()
    (job,) = claim(lease_seconds=100)
    answer = ask(api, job, "extend", attempt=1, lease_seconds=5000)
    assert answer.status_code == 200
    until = datetime.fromisoformat(answer.json()["lease_until"])
    assert timedelta(seconds=4900) < until - timezone.now() <= timedelta(seconds=5000)


OUTCOMES = {
    "complete": {},
    "fail": {"message": "m"},
    "error": {"code": "c"},
    "extend": {"lease_seconds": 10},
}


@pytest.mark.parametrize(("verb", "body"), OUTCOMES.items())
def test_outcomes_of_someone_else(api, start, claim, one_task, verb, body):
    number = start()["id"]
    (shown,) = api.get(f"{V1}/process-instances/{number}/jobs").json()["results"]
    problem(ask(api, shown, verb, attempt=1, **body), 409, "job-not-claimed")
    (job,) = claim()
    problem(ask(api, job, verb, attempt=2, **body), 409, "job-not-claimed")
    problem(ask(api, 777, verb, attempt=1, **body), 404, "job-not-found")
    assert state(api, number) == "ACTIVE"


@pytest.mark.parametrize(("verb", "body"), OUTCOMES.items())
def test_outcomes_without_an_attempt(api, start, claim, one_task, verb, body):
    start()
    (job,) = claim()
    assert fields(problem(ask(api, job, verb, **body), 400, "invalid")) == {"attempt": "required"}
    assert fields(problem(ask(api, job, verb, attempt="x", **body), 400, "invalid")) == {"attempt": "invalid"}
    assert fields(problem(ask(api, job, verb, attempt=0, **body), 400, "invalid")) == {"attempt": "min-value"}
    assert fields(problem(ask(api, job, verb, attempt=2**31, **body), 400, "invalid")) == {"attempt": "max-value"}


@pytest.mark.parametrize(
    ("verb", "body", "wrong"),
    [
        ("complete", {"variables": [1]}, {"variables": "invalid"}),
        ("fail", {}, {"message": "required"}),
        ("fail", {"message": "m", "retries": -1}, {"retries": "min-value"}),
        ("fail", {"message": "m", "retry_in_seconds": -1}, {"retry_in_seconds": "min-value"}),
        ("fail", {"message": "m", "retry_in_seconds": 1e30}, {"retry_in_seconds": "max-value"}),
        ("error", {}, {"code": "required"}),
        ("error", {"code": ""}, {"code": "blank"}),
        ("extend", {}, {"lease_seconds": "required"}),
    ],
)
def test_outcomes_that_do_not_validate(api, start, claim, one_task, verb, body, wrong):
    start()
    (job,) = claim()
    assert fields(problem(ask(api, job, verb, attempt=1, **body), 400, "invalid")) == wrong


def test_results_that_cannot_be_kept(api, start, claim, one_task):
    start()
    (job,) = claim()
    deep: object = 1
    for _ in range(80):
        deep = [deep]
    problem(ask(api, job, "complete", attempt=1, variables={"a": deep}), 422, "value-invalid")


def test_finding(api, start, claim, one_task, deploy):
    deploy(Drawing("other").start().service("t", type="u").end())
    first, second = start(), start("other")
    claim()

    def found(**query: object) -> list[int]:
        answer = api.get(URL, query)
        assert answer.status_code == 200, answer.content
        return [row["instance_id"] for row in answer.json()["results"]]

    assert found() == [second["id"], first["id"]]
    assert found(type="charge") == [first["id"]]
    assert found(state="CLAIMED") == [first["id"]]
    assert found(state="DUE") == [second["id"]]
    assert found(instance=second["id"]) == [second["id"]]
    assert found(element_id="charge") == [first["id"]]
    assert found(process_id="other") == [second["id"]]
    assert found(worker="w1") == [first["id"]]
    problem(api.get(URL, {"state": "x"}), 400, "invalid")
    problem(api.get(f"{URL}/777"), 404, "job-not-found")


def test_progress_outlives_the_attempt(api, start, claim, one_task):
    start()
    (job,) = claim()
    assert job["progress"] == {}
    answer = ask(api, job, "extend", attempt=1, lease_seconds=60, progress={"pages": 5})
    assert answer.status_code == 200
    assert api.get(f"{URL}/{job['id']}").json()["progress"] == {"pages": 5}
    ask(api, job, "extend", attempt=1, lease_seconds=60)
    ask(api, job, "fail", attempt=1, message="m", retry_in_seconds=0)
    (again,) = claim()
    assert (again["attempt"], again["progress"]) == (2, {"pages": 5})
    problem(ask(api, job, "extend", attempt=1, lease_seconds=60, progress={}), 409, "job-not-claimed")
    assert ask(api, job, "extend", attempt=2, lease_seconds=60, progress={}).status_code == 200
    assert not api.get(f"{URL}/{job['id']}").json()["progress"]
