"""Versions over REST: validated before they are deployed, compared, measured, suspended, deleted."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from processes.models import ProcessDefinition, ProcessInstance
from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/process-definitions"
BROKEN = Drawing("broken").start().timer("wait", "in an hour").end()


def order(type: str = "charge") -> Drawing:
    return Drawing("order", name="Order").start().service("charge", type=type).end()


def upload(drawing: Drawing) -> SimpleUploadedFile:
    return SimpleUploadedFile(f"{drawing.process_id}.bpmn", drawing.xml())


def test_several_files_are_validated_together(api):
    answer = api.post(f"{URL}/validate", {"file": [upload(order()), upload(BROKEN)]}, format="multipart")
    assert answer.status_code == 200
    body = answer.json()
    assert body["valid"] is False
    good, bad = body["files"]
    assert good == {
        "file": "order.bpmn",
        "valid": True,
        "expected": [{"kind": "process", "id": "order", "name": "Order", "version": 1, "created": True}],
        "problems": [],
    }
    assert (bad["file"], bad["valid"], bad["expected"]) == ("broken.bpmn", False, [])
    assert [(one["rule"], one["element"], one["severity"]) for one in bad["problems"]] == [
        ("bad-timer", "wait", "error")
    ]
    assert not ProcessDefinition.objects.exists()


def test_one_file_is_validated_as_the_body(api):
    answer = api.post(f"{URL}/validate?resource=a.bpmn", order().xml(), content_type="application/xml")
    assert (answer.json()["valid"], answer.json()["files"][0]["file"]) == (True, "a.bpmn")
    body = problem(api.post(f"{URL}/validate", {}, format="multipart"), 400, "invalid")
    assert fields(body) == {"file": "required"}


def test_a_suspended_definition_starts_nothing_and_says_why(api, deploy, start):
    pk = deploy(order())["id"]
    running = start("order")["id"]
    body = {"reason": "wrong prices", "with_instances": True}
    answer = api.post(f"{URL}/{pk}/suspend", body, format="json")
    assert answer.json() == {"definition_ids": [pk], "instance_ids": [running], "rejected": {}, "more": False}
    shown = api.get(f"{URL}/{pk}").json()
    assert (shown["suspended"], shown["suspension_reason"], shown["suspension_by"]) == (
        True, "wrong prices", "user:root",
    )  # fmt: skip
    refused = api.post(f"{V1}/process-instances", {"process_id": "order"}, format="json")
    assert "wrong prices" in problem(refused, 409, "definition-suspended")["detail"]
    problem(api.post(f"{URL}/{pk}/suspend", {}, format="json"), 409, "definition-suspended")
    assert api.post(f"{URL}/{pk}/resume", {"with_instances": True}, format="json").json()["instance_ids"] == [running]
    problem(api.post(f"{URL}/{pk}/resume", {}, format="json"), 409, "definition-not-suspended")
    start("order")


def test_a_definition_is_deleted_where_nothing_ran(api, deploy, start):
    first, second = deploy(order()), deploy(order("other"))
    start("order")
    assert "1 running and 0 ended" in problem(api.delete(f"{URL}/{second['id']}"), 409, "definition-in-use")["detail"]
    assert api.delete(f"{URL}/{first['id']}").status_code == 204
    problem(api.get(f"{URL}/{first['id']}"), 404, "definition-not-found")
    ProcessInstance.objects.all().delete()
    assert api.delete(f"{URL}/{second['id']}").status_code == 204
    assert not ProcessDefinition.objects.exists()


def test_what_differs_between_two_versions(api, deploy):
    first, second = deploy(order()), deploy(order("bill"))
    answer = api.get(f"{URL}/{first['id']}/diff?with={second['id']}")
    assert answer.json() == {
        "old_definition_id": first["id"],
        "new_definition_id": second["id"],
        "same": False,
        "elements": [
            {
                "id": "charge",
                "tag": "serviceTask",
                "name": "",
                "kind": "changed",
                "moved": False,
                "changes": [{"what": "taskDefinition type", "old": "charge", "new": "bill"}],
            }
        ],
    }
    assert api.get(f"{URL}/{first['id']}/diff?with={first['id']}").json()["same"] is True
    problem(api.get(f"{URL}/{first['id']}/diff?with=777"), 404, "definition-not-found")
    assert fields(problem(api.get(f"{URL}/{first['id']}/diff"), 400, "invalid")) == {"with": "required"}


@pytest.mark.parametrize(("query", "visits"), [("", 1), ("?window=hour", 1), ("?window=all", 1)])
def test_numbers_of_elements(api, deploy, start, query, visits):
    pk = deploy(order())["id"]
    start("order")
    body = api.get(f"{URL}/{pk}/statistics{query}").json()
    charge = next(one for one in body["elements"] if one["element_id"] == "charge")
    assert (charge["visits"], charge["running"], charge["incidents"]) == (visits, 1, 0)
    assert (charge["failure_rate"], charge["average_seconds"]) == (0.0, None)
    assert (body["sampled"], body["cut"], body["more"]) == (2, False, False)
    assert fields(problem(api.get(f"{URL}/{pk}/statistics?window=year"), 400, "invalid")) == {
        "window": "invalid-choice"
    }
