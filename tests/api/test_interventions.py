"""Instances are modified and restarted over REST."""

from __future__ import annotations

import pytest

from tests.api.conftest import V1, problem
from tests.drawing import Drawing


def order() -> Drawing:
    inner = Drawing("inner").start("is").service("pack", type="pack").service("post", type="post").end("ie")
    return Drawing("order").start("s").service("charge", type="charge").sub_process("ship", inner).end("e")


@pytest.fixture
def instance(api, deploy):
    deploy(order())
    return api.post(f"{V1}/process-instances", {"process_id": "order", "business_key": "o-1"}, format="json").json()


def test_modify(api, instance):
    here = f"{V1}/process-instances/{instance['id']}"
    body = {
        "cancel": [{"element_id": "charge"}],
        "start": [{"element_id": "post", "variables": {"paid": 1.10}, "local": {"box": 1}}],
        "reason": "by hand",
    }
    foreseen = api.post(f"{here}/modify/preview", body, format="json").json()["facts"]
    entered = [fact["element"] for fact in foreseen if fact["fact"] == "NodeEntered"]
    assert (entered, api.get(here).json()["steps"]) == (["ship", "post"], 1)
    shown = api.post(f"{here}/modify", body, format="json")
    assert shown.status_code == 200, shown.content
    assert [each["element_id"] for each in shown.json()["active"]] == ["post", "ship"]
    assert api.get(f"{here}/variables").json()["variables"] == {"paid": 1.10}
    step = api.get(f"{here}/history").json()["results"][-1]
    assert (step["command"], step["by"], step["facts"][0]["reason"]) == ("ModifyInstance", "user:root", "by hand")


def test_modify_what_cannot_be(api, instance):
    here = f"{V1}/process-instances/{instance['id']}/modify"
    problem(api.post(here, {}, format="json"), 422, "modification-empty")
    problem(api.post(f"{here}/preview", {}, format="json"), 422, "modification-empty")
    problem(api.post(here, {"start": [{"element_id": "x"}]}, format="json"), 404, "element-not-found")
    problem(api.post(here, {"start": [{"element_id": "post", "scope": 99}]}, format="json"), 404, "scope-not-found")
    answer = problem(api.post(here, {"start": [{"element": "post"}]}, format="json"), 400, "invalid")
    assert answer["errors"][0]["code"] == "unknown-field"
    problem(api.post(here, {"cancel": [{}]}, format="json"), 400, "invalid")
    problem(api.post(here, {"cancel": {"node": 1}}, format="json"), 400, "invalid")
    assert api.get(f"{V1}/process-instances/{instance['id']}").json()["steps"] == 1


def test_restart(api, instance):
    here = f"{V1}/process-instances/{instance['id']}"
    problem(api.post(f"{here}/restart", {}, format="json"), 409, "instance-not-ended")
    api.post(f"{here}/cancel", {}, format="json")
    answer = api.post(f"{here}/restart", {"start": [{"element_id": "ship"}]}, format="json")
    assert answer.status_code == 201, answer.content
    new = answer.json()
    assert answer["Location"].endswith(f"/process-instances/{new['id']}")
    assert (new["restarted_from_id"], new["business_key"]) == (instance["id"], "o-1")
    assert [each["element_id"] for each in new["active"]] == ["pack", "ship"]
    problem(api.post(f"{here}/restart", {"definition_id": 777}, format="json"), 404, "definition-not-found")
    problem(api.post(f"{V1}/process-instances/777/restart", {}, format="json"), 404, "instance-not-found")


def test_migrate(api, deploy, instance):
    here = f"{V1}/process-instances/{instance['id']}"
    newer = deploy(Drawing("order").start("s").service("bill", type="bill").end("e"))
    plan = {"source_definition_id": instance["definition_id"], "target_definition_id": newer["id"]}
    generated = api.post(f"{V1}/migrations/plan", plan, format="json")
    assert generated.status_code == 200, generated.content
    assert generated.json()["unmapped"] == ["charge", "ship", "is", "pack", "post", "ie"]
    wrong = api.post(f"{V1}/migrations/plan", {**plan, "mapping": {"charge": "s"}}, format="json").json()["problems"]
    assert [each["source_id"] for each in wrong] == ["charge"]
    assert "of the same kind as 'charge', serviceTask, but found startEvent" in wrong[0]["message"]
    whole = {"target_definition_id": newer["id"], "reason": "simpler"}
    answer = problem(api.post(f"{here}/migrate", whole, format="json"), 422, "migration-invalid")
    assert answer["detail"] == "Expected 'charge' to be mapped, for the instance stands there, but it is not"
    whole["mapping"] = api.post(f"{V1}/migrations/plan", {**plan, "mapping": {"charge": "bill"}}, format="json").json()[
        "mapping"
    ]
    seen = api.post(f"{V1}/migrations/preview", {**whole, "instance_ids": [instance["id"], 777]}, format="json").json()
    assert seen["migratable"] == [instance["id"]]
    assert seen["rejected"] == [{"instance_id": 777, "message": "Expected instance 777 to exist but it does not"}]
    assert (seen["effects"]["jobs_changed"], seen["effects"]["visits_renamed"]) == (1, 1)
    assert api.get(here).json()["definition_id"] == instance["definition_id"]
    shown = api.post(f"{here}/migrate", whole, format="json")
    assert shown.status_code == 200, shown.content
    assert (shown.json()["definition_id"], shown.json()["active"][0]["element_id"]) == (newer["id"], "bill")
    step = api.get(f"{here}/history").json()["results"][-1]
    assert (step["command"], step["by"], step["facts"][0]["reason"]) == ("MigrateInstance", "user:root", "simpler")


def test_migrate_where_there_is_nothing(api, instance):
    here = f"{V1}/process-instances/{instance['id']}/migrate"
    problem(api.post(here, {"target_definition_id": 777}, format="json"), 404, "definition-not-found")
    problem(api.post(here, {}, format="json"), 400, "invalid")
    body = {"target_definition_id": instance["definition_id"], "mapping": {"charge": 1.5, "": "x"}}
    problem(api.post(here, {**body, "mapping": ["charge"]}, format="json"), 400, "invalid")
    problem(api.post(f"{V1}/migrations/preview", {**body, "instance_ids": []}, format="json"), 400, "invalid")
