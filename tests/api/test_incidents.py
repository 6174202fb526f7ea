"""Incidents over REST: find what is stuck, and try it again, one by one or many at once."""

from __future__ import annotations

import pytest

from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/incidents"


@pytest.fixture
def stuck(api, start, claim):
    """Makes an incident of an instance; its number."""

    def do(process_id: str = "process", type: str = "charge") -> int:
        number = start(process_id)["id"]
        (job,) = claim(type)
        body = {"attempt": job["attempt"], "message": "The bank is closed", "retries": 0}
        assert api.post(f"{V1}/jobs/{job['id']}/fail", body, format="json").status_code == 204
        (incident,) = api.get(f"{URL}?instance={number}").json()["results"]
        found: int = incident["id"]
        return found

    return do


def test_one(api, stuck, one_task):
    number = stuck()
    incident = api.get(f"{URL}/{number}").json()
    assert incident["kind"] == "JOB_NO_RETRIES"
    assert "The bank is closed" in incident["message"]
    assert incident["element_id"] == "charge"
    assert incident["job_type"] == "charge"
    assert incident["ended_at"] is None
    problem(api.get(f"{URL}/777"), 404, "incident-not-found")


def test_resolve(api, stuck, claim, one_task):
    number = stuck()
    answer = api.post(f"{URL}/{number}/resolve", {"retries": 2}, format="json")
    assert answer.status_code == 200
    assert answer.json()["ended_at"]
    assert answer.json()["resolved_by"] == "user:root"
    (job,) = claim()
    assert job["retries"] == 2
    assert api.get(URL).json()["results"] == []
    assert api.get(f"{URL}/{number}").status_code == 200
    problem(api.post(f"{URL}/{number}/resolve", {}, format="json"), 404, "incident-not-found")


def test_resolve_without_a_body(api, stuck, one_task):
    assert api.post(f"{URL}/{stuck()}/resolve").status_code == 200


def test_resolve_does_not_validate(api, stuck, one_task):
    answer = api.post(f"{URL}/{stuck()}/resolve", {"retries": 0}, format="json")
    assert fields(problem(answer, 400, "invalid")) == {"retries": "min-value"}
    problem(api.post(f"{URL}/777/resolve", {}, format="json"), 404, "incident-not-found")


def test_finding(api, stuck, deploy, one_task):
    deploy(Drawing("other").start().service("t", type="u").end())
    first, second, third = stuck(), stuck("other", "u"), stuck()
    api.post(f"{URL}/{third}/resolve", {}, format="json")

    def found(query: str) -> list[int]:
        answer = api.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert found("") == [second, first]
    assert found("open=true") == [second, first]
    assert found("open=false") == [third]
    assert found("open=any") == [third, second, first]
    assert found("kind=JOB_NO_RETRIES&process_id=other") == [second]
    assert found("kind=INTERNAL") == []
    assert found("job_type=u") == [second]
    assert found("element_id=charge") == [first]
    assert set(fields(problem(api.get(f"{URL}?open=x"), 400, "invalid"))) == {"open"}
    assert set(fields(problem(api.get(f"{URL}?kind=x"), 400, "invalid"))) == {"kind"}


def many(api, **body):
    return api.post(f"{URL}/resolve", body, format="json")


def test_resolve_many_by_filter(api, stuck, deploy, one_task):
    deploy(Drawing("other").start().service("t", type="u").end())
    numbers = [stuck() for _ in range(3)]
    other = stuck("other", "u")
    assert many(api, filter={"job_type": "charge"}, limit=2).json() == {"resolved": numbers[:2], "rejected": []}
    assert many(api, filter={"process_id": "process", "kind": "JOB_NO_RETRIES"}).json()["resolved"] == numbers[2:]
    assert many(api, filter={}).json()["resolved"] == [other]
    assert many(api, filter={}).json() == {"resolved": [], "rejected": []}


def test_resolve_many_by_id_tells_of_each(api, stuck, one_task):
    number = stuck()
    body = many(api, ids=[777, number]).json()
    assert body["resolved"] == [number]
    assert [row["id"] for row in body["rejected"]] == [777]
    assert body["rejected"][0]["message"].startswith("Expected ")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"": "required"}),
        ({"ids": [1], "filter": {}}, {"": "required"}),
        ({"ids": []}, {"ids": "min-length"}),
        ({"ids": ["x"]}, {"ids.0": "invalid"}),
        ({"ids": list(range(1, 1002))}, {"ids": "max-length"}),
        ({"filter": {"kind": "x"}}, {"filter.kind": "invalid-choice"}),
        ({"filter": {"proces_id": "x"}}, {"filter.proces_id": "unknown-field"}),
        ({"filter": {}, "limit": 1001}, {"limit": "max-value"}),
    ],
)
def test_resolve_many_does_not_validate(api, body, wrong):
    assert fields(problem(many(api, **body), 400, "invalid")) == wrong
