"""Over REST: who called whom, and what started an instance."""

from __future__ import annotations

import pytest

from tests.api.conftest import V1, problem
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

URL = f"{V1}/process-instances"


@pytest.fixture
def family(deploy, api):
    deploy(Drawing("child").start().service("work", type="a").end())
    deploy(Drawing("process").start().call("call", "child").end())
    return api.post(URL, {"process_id": "process", "business_key": "k-1"}, format="json").json()


def test_an_instance_shows_whom_it_called(api, family):
    parent = api.get(f"{URL}/{family['id']}").json()
    (child,) = parent["children"]
    assert (child["process_id"], child["parent_element"], child["state"]) == ("child", "call", "ACTIVE")
    assert child["open_incidents"] == 0
    assert (parent["parent_id"], parent["root_id"]) == (None, None)
    shown = api.get(f"{URL}/{child['id']}").json()
    assert (shown["parent_id"], shown["root_id"], shown["parent_element"]) == (parent["id"], parent["id"], "call")
    assert shown["started_by"] == f"instance:{parent['id']}"
    assert shown["children"] == []


def test_instances_are_found_by_their_caller(api, family):
    for name in ("parent", "root"):
        (row,) = api.get(URL, {name: family["id"]}).json()["results"]
        assert row["parent_id"] == family["id"]
    assert api.get(URL, {"parent": 0}).json()["results"] == []


def test_cancelling_the_caller_shows_in_the_called(api, family):
    assert api.post(f"{URL}/{family['id']}/cancel", {}, format="json").status_code == 200
    (child,) = api.get(f"{URL}/{family['id']}").json()["children"]
    assert child["state"] == "TERMINATED"


def test_a_message_answers_what_it_started(api, deploy):
    definition = deploy(Drawing("order").start_message("hear", "placed").service("work", type="a").end())
    answer = api.post(f"{V1}/messages", {"name": "placed", "correlation_key": "7"}, format="json").json()
    (row,) = answer["correlations"]
    assert (row["process_id"], row["started"]) == ("order", True)
    instance = api.get(f"{URL}/{row['instance_id']}").json()
    assert (instance["start_element"], instance["correlation_key"]) == ("hear", "7")
    assert instance["started_by"] == "message:placed"
    refusal = api.post(URL, {"process_id": "order"}, format="json")
    assert "none start event" in problem(refusal, 409, "no-none-start")["detail"]
    starts = api.get(f"{V1}/process-definitions/{definition['id']}").json()["starts"]
    assert starts == [{"element_id": "hear", "kind": "MESSAGE", "name": "placed", "due_at": None, "repetitions": 0}]


def test_a_deployment_warns_of_a_process_that_is_not_there(api):
    xml = Drawing("lonely").start().call("call", "nobody").end().xml()
    answer = api.post(f"{V1}/process-definitions", xml, content_type="application/xml")
    assert answer.status_code == 201
    assert [warning["rule"] for warning in answer.json()["warnings"]] == ["unknown-process"]
