"""Instances over REST: start once, look, find, correct, stop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import ProcessInstance
from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/process-instances"


def post(api, **body):
    return api.post(URL, body, format="json")


def test_start_the_latest_version(api, one_task):
    answer = post(api, process_id="process", variables={"a": 1}, business_key=" k 1 ")
    assert answer.status_code == 201
    instance = answer.json()
    assert answer["Location"] == f"http://testserver{URL}/{instance['id']}"
    assert instance["definition_id"] == one_task["id"]
    assert instance["version"] == 1
    assert instance["business_key"] == " k 1 "
    assert instance["state"] == "ACTIVE"
    assert instance["started_by"] == "user:root"
    assert instance["open_incidents"] == 0
    assert [(row["element_id"], row["element_type"], row["visits"]) for row in instance["active"]] == [
        ("charge", "serviceTask", 1)
    ]
    assert api.get(answer["Location"]).json() == instance


def test_start_a_version(api, deploy, one_task):
    deploy(Drawing().start().service("other", type="other").end())
    assert post(api, process_id="process", version=1).json()["version"] == 1
    assert post(api, process_id="process").json()["version"] == 2
    assert post(api, definition_id=one_task["id"]).json()["version"] == 1


@pytest.mark.parametrize("how", ["field", "header", "both"])
def test_a_second_start_with_the_key_is_the_first(api, one_task, how):
    body = {"process_id": "process"} | ({} if how == "header" else {"start_key": "s-1"})
    headers = {} if how == "field" else {"HTTP_IDEMPOTENCY_KEY": "s-1"}
    first = api.post(URL, body, format="json", **headers)
    second = api.post(URL, body, format="json", **headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["start_key"] == "s-1"
    assert ProcessInstance.objects.count() == 1


def test_two_keys_at_once(api, one_task):
    answer = api.post(URL, {"process_id": "process", "start_key": "a"}, format="json", HTTP_IDEMPOTENCY_KEY="b")
    assert fields(problem(answer, 400, "invalid")) == {"start_key": "invalid"}


def test_a_key_that_is_too_long(api, one_task):
    answer = api.post(URL, {"process_id": "process"}, format="json", HTTP_IDEMPOTENCY_KEY="k" * 256)
    assert fields(problem(answer, 400, "invalid")) == {"Idempotency-Key": "max-length"}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"": "required"}),
        ({"process_id": "process", "definition_id": 1}, {"": "required"}),
        ({"definition_id": 1, "version": 1}, {"version": "invalid"}),
        ({"process_id": ""}, {"process_id": "blank"}),
        ({"process_id": "a\x00b"}, {"process_id": "null-characters-not-allowed"}),
        ({"process_id": "process", "version": 0}, {"version": "min-value"}),
        ({"process_id": "process", "version": 2**31}, {"version": "max-value"}),
        ({"process_id": "process", "version": "x"}, {"version": "invalid"}),
        ({"definition_id": 2**63}, {"definition_id": "max-value"}),
        ({"process_id": "process", "variables": None}, {"variables": "null"}),
        ({"process_id": "process", "variables": "a"}, {"variables": "invalid"}),
        ({"process_id": "process", "business_key": "k" * 256}, {"business_key": "max-length"}),
        ({"process_id": "process", "start_key": "a\nb"}, {"start_key": "invalid"}),
    ],
)
def test_a_start_that_does_not_validate(api, one_task, body, wrong):
    answer = post(api, **body)
    if "\x00" in str(body.get("process_id", "")):
        problem(answer, 400, "malformed-body")
    else:
        assert fields(problem(answer, 400, "invalid")) == wrong
    assert not ProcessInstance.objects.exists()


@pytest.mark.parametrize(
    "body", [{"process_id": "nobody"}, {"process_id": "process", "version": 7}, {"definition_id": 777}]
)
def test_nothing_to_start(api, one_task, body):
    problem(post(api, **body), 404, "definition-not-found")


def test_finding(api, deploy, start, one_task):
    deploy(Drawing("other").start().service("t", type="t").end())
    first = start(business_key="k-1")
    second = start("other")
    third = start(business_key="k-1")
    assert api.post(f"{URL}/{third['id']}/cancel", {}, format="json").status_code == 200

    def found(**query: object) -> list[int]:
        answer = api.get(URL, query)
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    everything = [third["id"], second["id"], first["id"]]
    now = timezone.now()
    assert found() == everything
    assert found(state="TERMINATED") == [third["id"]]
    assert found(state=["TERMINATED", "ACTIVE"]) == everything
    assert found(process_id="other") == [second["id"]]
    assert found(definition=one_task["id"]) == [third["id"], first["id"]]
    assert found(business_key="k-1", state="ACTIVE") == [first["id"]]
    assert found(started_after=(now - timedelta(hours=1)).isoformat()) == everything
    assert found(started_after=(now + timedelta(hours=1)).isoformat()) == []
    assert found(started_before="2001-01-01T00:00:00Z") == []
    assert found(has_incident="true") == []
    assert found(has_incident="false") == everything


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=NONE", "state"),
        ("has_incident=maybe", "has_incident"),
        ("definition=x", "definition"),
        ("definition=99999999999999999999", "definition"),
        ("definition=1.5", "definition"),
        ("started_after=yesterday", "started_after"),
        ("started_after=0001-01-01T00:00:00%2B14:00", "started_after"),
        ("started_after=9999-12-31T23:59:59-14:00", "started_after"),
        ("business_key=%00", "business_key"),
        ("bussiness_key=a", "bussiness_key"),
        ("page_size=0", "page_size"),
        ("page_size=501", "page_size"),
        ("page_size=x", "page_size"),
        ("cursor=x", "cursor"),
        ("cursor=cD1hYmM%3D", "cursor"),
        ("cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk%3D", "cursor"),
        ("cursor=bz14", "cursor"),
        ("cursor=%F0%9F%98%80", "cursor"),
    ],
)
def test_filters_that_are_none(api, query, field):
    assert set(fields(problem(api.get(f"{URL}?{query}"), 400, "invalid"))) == {field}


def test_pages(api, start, one_task):
    numbers = [start()["id"] for _ in range(5)]
    seen: list[int] = []
    url, pages = f"{URL}?page_size=2", 0
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url, pages = page["next"], pages + 1
    assert seen == numbers[::-1]
    assert pages == 3
    assert [row["id"] for row in api.get(page["previous"]).json()["results"]] == seen[2:4]


# -- variables ---------------------------------------------------------------------------------------------------------


def test_variables_are_merged(api, start, one_task):
    url = f"{URL}/{start(variables={'a': 1, 'b': {'c': 2}})['id']}/variables"
    answer = api.patch(url, {"variables": {"b": [None], "d": True}}, format="json")
    assert answer.status_code == 200
    assert answer.json() == {"scope": 0, "variables": {"a": 1, "b": [None], "d": True}, "hidden": []}
    assert api.get(url).json() == answer.json()
    assert api.get(f"{url}?scope=0").json() == answer.json()


def test_variables_of_a_visit(api, start, deploy):
    deploy(Drawing().start().service("charge", type="charge", inputs={"amount": "=a * 2"}).end())
    number = start(variables={"a": 1})["id"]
    (visit,) = api.get(f"{URL}/{number}/nodes?element_id=charge").json()["results"]
    url = f"{URL}/{number}/variables?scope={visit['key']}"
    assert api.get(url).json()["variables"] == {"amount": 2}
    assert api.patch(url, {"variables": {"amount": 3}}, format="json").json()["variables"] == {"amount": 3}
    assert api.get(f"{URL}/{number}/variables").json()["variables"] == {"a": 1}


def test_variables_of_nothing(api, start, one_task):
    number = start()["id"]
    problem(api.get(f"{URL}/{number}/variables?scope=99"), 404, "scope-not-found")
    answer = api.patch(f"{URL}/{number}/variables?scope=99", {"variables": {"a": 1}}, format="json")
    problem(answer, 404, "scope-not-found")
    problem(api.get(f"{URL}/777/variables"), 404, "instance-not-found")
    problem(api.patch(f"{URL}/777/variables", {"variables": {}}, format="json"), 404, "instance-not-found")


@pytest.mark.parametrize(
    ("query", "body", "wrong"),
    [
        ("", {}, "variables"),
        ("", {"variables": [1]}, "variables"),
        ("?scope=x", {"variables": {}}, "scope"),
        ("?scope=-1", {"variables": {}}, "scope"),
        ("?scope=99999999999", {"variables": {}}, "scope"),
    ],
)
def test_variables_that_do_not_validate(api, start, one_task, query, body, wrong):
    url = f"{URL}/{start()['id']}/variables{query}"
    assert set(fields(problem(api.patch(url, body, format="json"), 400, "invalid"))) == {wrong}


def test_variables_that_cannot_be_kept(api, start, one_task):
    deep: object = 1
    for _ in range(80):
        deep = [deep]
    answer = api.patch(f"{URL}/{start()['id']}/variables", {"variables": {"a": deep}}, format="json")
    problem(answer, 422, "value-invalid")


# -- verbs -------------------------------------------------------------------------------------------------------------


def test_cancel(api, start, claim, one_task):
    number = start()["id"]
    (job,) = claim()
    answer = api.post(f"{URL}/{number}/cancel", {"reason": "The customer left"}, format="json")
    assert answer.status_code == 200
    assert answer.json()["state"] == "TERMINATED"
    assert answer.json()["ended_because"] == "The customer left"
    assert answer.json()["active"] == []
    problem(api.post(f"{URL}/{number}/cancel", {}, format="json"), 409, "instance-ended")
    problem(api.patch(f"{URL}/{number}/variables", {"variables": {"a": 1}}, format="json"), 409, "instance-ended")
    late = api.post(f"{V1}/jobs/{job['id']}/complete", {"attempt": 1}, format="json")
    problem(late, 404, "job-not-found")


def test_activating_elements_of_an_ad_hoc_sub_process(api, start, deploy, claim):
    inside = Drawing("inside").apart().service("call", type="call").apart().service("write", type="write")
    deploy(Drawing().start().ad_hoc("support", inside).end())
    id = start()["id"]
    (visit,) = api.get(f"{URL}/{id}/nodes?live=true").json()["results"]
    here = f"{URL}/{id}/ad-hoc/{visit['key']}/activate"
    answer = api.post(here, {"elements": ["call", "write", "call"]}, format="json")
    assert answer.status_code == 200
    assert {row["element_id"]: row["visits"] for row in answer.json()["active"]} == {
        "support": 1,
        "call": 2,
        "write": 1,
    }
    assert api.get(f"{URL}/{id}/history").json()["results"][-1]["command"] == "ActivateAdHoc"
    problem(api.post(here, {"elements": ["nobody"]}, format="json"), 404, "element-not-found")
    problem(api.post(here, {"elements": []}, format="json"), 400, "invalid")
    problem(api.post(f"{URL}/{id}/ad-hoc/99/activate", {"elements": ["call"]}, format="json"), 404, "scope-not-found")
    problem(api.post(f"{URL}/99/ad-hoc/1/activate", {"elements": ["call"]}, format="json"), 404, "instance-not-found")
    api.post(f"{URL}/{id}/suspend", {}, format="json")
    problem(api.post(here, {"elements": ["call"]}, format="json"), 409, "instance-suspended")


def test_an_activity_that_is_repeated_stands_where_its_rounds_stand(api, start, deploy):
    deploy(Drawing().start().service("each", type="t").many("=for i in 1..3 return i").end())
    assert [(row["element_id"], row["visits"]) for row in start()["active"]] == [("each", 3)]


def test_suspend_and_resume(api, start, claim, one_task):
    number = start()["id"]
    assert api.post(f"{URL}/{number}/suspend", {"reason": "Audit"}, format="json").json()["state"] == "SUSPENDED"
    assert claim() == []
    problem(api.post(f"{URL}/{number}/suspend"), 409, "instance-suspended")
    assert api.post(f"{URL}/{number}/resume").json()["state"] == "ACTIVE"
    problem(api.post(f"{URL}/{number}/resume"), 409, "instance-not-suspended")
    assert len(claim()) == 1


@pytest.mark.parametrize("verb", ["cancel", "suspend", "resume"])
def test_verbs_of_one_that_is_not_there(api, verb):
    problem(api.post(f"{URL}/777/{verb}", {}, format="json"), 404, "instance-not-found")


@pytest.mark.parametrize("verb", ["cancel", "suspend"])
def test_verbs_that_do_not_validate(api, start, one_task, verb):
    answer = api.post(f"{URL}/{start()['id']}/{verb}", {"reason": "x" * 1001}, format="json")
    assert fields(problem(answer, 400, "invalid")) == {"reason": "max-length"}


def test_the_drawing_shows_the_path(api, start, one_task):
    answer = api.get(f"{URL}/{start()['id']}/drawing")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert b"<svg" in answer.content
    problem(api.get(f"{URL}/777/drawing"), 404, "instance-not-found")


# -- parts -------------------------------------------------------------------------------------------------------------


def test_history(api, start, claim, one_task):
    number = start()["id"]
    (job,) = claim()
    api.post(f"{V1}/jobs/{job['id']}/complete", {"attempt": 1, "variables": {"paid": 1.5}}, format="json")
    steps = api.get(f"{URL}/{number}/history").json()["results"]
    assert [(step["number"], step["command"], step["by"]) for step in steps] == [
        (1, "StartInstance", "user:root"),
        (2, "CompleteJob", "worker:w1 (user:root)"),
    ]
    assert steps[0]["facts"][0]["fact"] == "InstanceStarted"
    page = api.get(f"{URL}/{number}/history?page_size=1").json()
    assert len(page["results"]) == 1
    assert api.get(page["next"]).json()["results"] == steps[1:]


def test_nodes(api, start, one_task):
    number = start()["id"]
    nodes = api.get(f"{URL}/{number}/nodes").json()["results"]
    assert [(node["element_id"], node["state"]) for node in nodes] == [("start", "COMPLETED"), ("charge", "ACTIVE")]
    live = api.get(f"{URL}/{number}/nodes?live=true").json()["results"]
    assert [node["element_id"] for node in live] == ["charge"]
    problem(api.get(f"{URL}/{number}/nodes?live=perhaps"), 400, "invalid")


def test_what_is_waited_for(api, start, deploy):
    drawing = Drawing().start().parallel("fork").service("charge", type="charge").at("fork")
    deploy(drawing.timer("pause", "PT1H").at("fork").message("paid", "payment", "=key"))
    number = start(variables={"key": "k-1"})["id"]
    (job,) = api.get(f"{URL}/{number}/jobs").json()["results"]
    (timer,) = api.get(f"{URL}/{number}/timers").json()["results"]
    (subscription,) = api.get(f"{URL}/{number}/subscriptions").json()["results"]
    assert job["type"] == "charge"
    assert timer["element_id"] == "pause"
    assert (subscription["name"], subscription["correlation_key"]) == ("payment", "k-1")
    assert api.get(f"{URL}/{number}/incidents").json()["results"] == []


@pytest.mark.parametrize(
    "part",
    [
        "history",
        "nodes",
        "jobs",
        "incidents",
        "timers",
        "subscriptions",
        "signal-subscriptions",
        "conditions",
        "compensations",
    ],
)
def test_parts_of_one_that_is_not_there(api, part):
    problem(api.get(f"{URL}/777/{part}"), 404, "instance-not-found")
    problem(api.get(f"{URL}/99999999999999999999/{part}"), 404, "not-found")


def test_a_list_by_state_compares_no_rows_with_each_other(api, start, one_task):
    start()
    with CaptureQueriesContext(connection) as queries:
        assert len(api.get(f"{URL}?state=ACTIVE&state=SUSPENDED").json()["results"]) == 1
    assert not any("DISTINCT" in query["sql"] for query in queries)
