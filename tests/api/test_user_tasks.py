"""Work for people over REST: who has it, who may take it, who completes it."""

from __future__ import annotations

import pytest

from processes.models import Job
from tests.api.conftest import V1, problem
from tests.drawing import Drawing

URL = f"{V1}/user-tasks"


def approval(*, inputs: str = "", **attributes: str) -> Drawing:
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    extensions = f"<zeebe:userTask/><zeebe:assignmentDefinition{given}/>{inputs}"
    body = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>"
    return Drawing().start().node("userTask", "approve", body).service("then", type="then").end()


@pytest.fixture
def ada(user_with):
    return user_with("view_usertask", "change_usertask", name="ada")


@pytest.fixture
def bob(user_with):
    return user_with("view_usertask", "change_usertask", name="bob")


def only(client, **query):
    (task,) = client.get(URL, query).json()["results"]
    return task


def test_it_is_listed_claimed_and_completed(deploy, start, ada, bob):
    deploy(approval(candidateGroups="=groups", candidateUsers="carl, ada"))
    start(variables={"groups": ["sales", "law"], "amount": 5})
    task = only(ada)
    assert task["element_id"] == "approve"
    assert task["assignee"] == ""
    assert task["candidate_groups"] == ["sales", "law"]
    assert task["candidate_users"] == ["carl", "ada"]
    assert ada.get(f"{URL}/{task['id']}").json()["variables"] == {"groups": ["sales", "law"], "amount": 5}
    assert ada.post(f"{URL}/{task['id']}/claim", {}, format="json").status_code == 204
    assert only(ada, assignee="ada")["id"] == task["id"]
    refused = bob.post(f"{URL}/{task['id']}/claim", {}, format="json")
    problem(refused, 409, "user-task-assigned")
    assert "'ada'" in refused.json()["detail"]
    refused = bob.post(f"{URL}/{task['id']}/complete", {"variables": {"ok": False}}, format="json")
    problem(refused, 409, "user-task-assigned")
    answer = ada.post(f"{URL}/{task['id']}/complete", {"variables": {"ok": True}}, format="json")
    assert answer.status_code == 204
    (then,) = Job.objects.all()
    assert then.element_id == "then"
    assert then.instance.variables["ok"] is True
    assert then.instance.history.last().by == "user:ada"
    again = ada.post(f"{URL}/{task['id']}/complete", {}, format="json")
    problem(again, 404, "user-task-not-found")


def test_the_model_assigns_and_somebody_else_may_be_given_it(deploy, start, ada, bob):
    deploy(approval(assignee="=boss"))
    start(variables={"boss": "bob"})
    task = only(ada, assignee="bob")
    problem(ada.post(f"{URL}/{task['id']}/claim", {}, format="json"), 409, "user-task-assigned")
    assert ada.post(f"{URL}/{task['id']}/assign", {"assignee": ""}, format="json").status_code == 204
    assert only(ada, unassigned="true")["id"] == task["id"]
    assert ada.get(URL, {"unassigned": "false"}).json()["results"] == []
    assert ada.post(f"{URL}/{task['id']}/claim", {"assignee": "carl"}, format="json").status_code == 204
    assert only(ada, assignee="carl")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"candidate_group": "sales"}, True),
        ({"candidate_group": "sale"}, False),
        ({"candidate_user": "ada"}, True),
        ({"candidate_user": "sales"}, False),
        ({"process_id": "process"}, True),
        ({"element_id": "other"}, False),
    ],
)
def test_filters(deploy, start, ada, query, found):
    deploy(approval(candidateGroups="sales", candidateUsers="ada"))
    start()
    assert len(ada.get(URL, query).json()["results"]) == found


def test_mapped_inputs_are_what_is_shown(deploy, start, ada):
    deploy(approval(inputs='<zeebe:ioMapping><zeebe:input source="=amount * 2" target="sum"/></zeebe:ioMapping>'))
    start(variables={"amount": 4})
    assert ada.get(f"{URL}/{only(ada)['id']}").json()["variables"] == {"sum": 8}


def test_an_assignment_that_cannot_be_evaluated_is_an_incident(deploy, start, ada, api):
    deploy(approval(candidateGroups="=amount"))
    start(variables={"amount": 4})
    assert ada.get(URL).json()["results"] == []
    (incident,) = api.get(f"{V1}/incidents").json()["results"]
    assert "candidateGroups to be a list of texts but found 4" in incident["message"]


def test_jobs_of_machines_are_none_and_need_other_rights(deploy, start, ada, api, user_with):
    deploy(Drawing().start().service("a", type="a").end())
    start()
    assert ada.get(URL).json()["results"] == []
    (job,) = api.get(f"{V1}/jobs").json()["results"]
    problem(ada.post(f"{URL}/{job['id']}/complete", {}, format="json"), 404, "user-task-not-found")
    assert ada.post(f"{V1}/jobs/claim", {"type": "a", "worker": "w"}, format="json").status_code == 403
    assert user_with("change_job").get(URL).status_code == 403


def test_a_suspended_instance_waits(deploy, start, ada, api):
    deploy(approval())
    number = start()["id"]
    task = only(ada)
    assert api.post(f"{V1}/process-instances/{number}/suspend", {}, format="json").status_code == 200
    refused = ada.post(f"{URL}/{task['id']}/complete", {}, format="json")
    problem(refused, 409, "instance-suspended")


def test_camunda_7_says_it_in_attributes(deploy, start, ada):
    attributes = {"camunda:assignee": "${who}", "camunda:candidateGroups": "a,b", "camunda:formKey": "embedded:f"}
    deploy(Drawing().start().node("userTask", "approve", **attributes).end())
    start(variables={"who": "ada"})
    task = only(ada)
    assert (task["assignee"], task["candidate_groups"], task["form"]) == ("ada", ["a", "b"], "embedded:f")
