"""Batches over REST."""

from __future__ import annotations

import pytest
from django.utils import timezone

from processes.models import Batch, Incident
from processes.runtime import batches, jobs
from tests.api.conftest import V1, problem
from tests.drawing import Drawing


def order(type: str = "charge") -> Drawing:
    return Drawing("order").start("s").service("a", type=type).service("b", type="b").end("e")


@pytest.fixture
def three(api, deploy):
    deploy(order())
    return [api.post(f"{V1}/process-instances", {"process_id": "order"}, format="json").json()["id"] for _ in range(3)]


MOVE = {"cancel": [{"element_id": "a"}], "start": [{"element_id": "b", "variables": {"n": 1.10}}], "reason": "why"}


def test_modify_many(api, three):
    answer = api.post(f"{V1}/batches", {"modify": MOVE, "instance_ids": [*three, 777], "rate": 1000}, format="json")
    assert answer.status_code == 201, answer.content
    batch = answer.json()
    here = f"{V1}/batches/{batch['id']}"
    assert answer["Location"].endswith(here)
    assert (batch["state"], batch["pending"], batch["created_by"]) == ("ACTIVE", 4, "user:root")
    assert api.post(f"{here}/pause").json()["state"] == "PAUSED"
    assert batches.carry_on() == 0
    assert api.post(f"{here}/resume").json()["state"] == "ACTIVE"
    while api.get(here).json()["state"] == "ACTIVE":
        batches.carry_on()
    shown = api.get(here).json()
    assert (shown["state"], shown["pending"], shown["done"], shown["rejected"]) == ("COMPLETED", 0, 3, 1)
    assert shown["instructions"]["start"][0]["variables"] == {"n": 1.10}
    items = api.get(f"{here}/items").json()["results"]
    assert [item["state"] for item in items] == ["DONE", "DONE", "DONE", "REJECTED"]
    rejected = api.get(f"{here}/items?state=REJECTED").json()["results"]
    assert [(item["instance_id"], item["message"]) for item in rejected] == [
        (777, "Expected instance 777 to exist but it does not")
    ]
    assert [each["id"] for each in api.get(f"{V1}/batches?state=COMPLETED&kind=MODIFY").json()["results"]] == [
        batch["id"]
    ]
    assert api.get(f"{V1}/batches?state=PAUSED").json()["results"] == []
    problem(api.post(f"{here}/cancel"), 409, "batch-ended")


def test_migrate_all_of_a_version_and_restart(api, deploy, three):
    newer = deploy(order("newer"))
    shown = api.get(f"{V1}/process-instances/{three[0]}").json()
    body = {"migrate": {"target_definition_id": newer["id"]}, "running": {"definition_id": shown["definition_id"]}}
    assert api.post(f"{V1}/batches", body, format="json").json()["pending"] == 3
    batches.carry_on()
    assert api.get(f"{V1}/process-instances?definition={newer['id']}").json()["results"][2]["id"] == three[0]
    problem(api.post(f"{V1}/batches", body, format="json"), 422, "batch-empty")
    api.post(f"{V1}/process-instances/{three[0]}/cancel", {}, format="json")
    body = {"restart": {"start": [{"element_id": "b"}]}, "instance_ids": three[:1]}
    batch = api.post(f"{V1}/batches", body, format="json").json()
    batches.carry_on()
    (item,) = api.get(f"{V1}/batches/{batch['id']}/items").json()["results"]
    assert api.get(f"{V1}/process-instances/{item['result']}").json()["restarted_from_id"] == three[0]


@pytest.fixture
def stuck(three):
    for job in jobs.claim(["charge"], worker="w", limit=10):
        jobs.fail(job.id, job.attempt, f"order {job.id} is unknown", retries=0, by="worker:w")
    return list(Incident.objects.order_by("id").values_list("pk", flat=True))


def test_preview_and_retry_many_with_care(api, stuck):
    (like,) = {row["fingerprint"] for row in api.get(f"{V1}/incidents").json()["results"]}
    assert len(api.get(f"{V1}/incidents?fingerprint={like}").json()["results"]) == 3
    body = {"retry": {"retries": 1}, "incidents": {"fingerprint": like, "process_id": "order"}}
    shown = api.post(f"{V1}/batches/preview", body, format="json").json()
    assert (shown["found"], shown["grouped"], len(shown["foreseen"])) == (3, 3, 3)
    assert [(group["count"], group["element_id"], group["kind"]) for group in shown["groups"]] == [
        (3, "a", "JOB_NO_RETRIES")
    ]
    assert shown["foreseen"][0]["facts"][-1]["fact"] == "JobResumed"
    care = {"retries": 1, "canaries": 2, "stop_at": 50, "variables": {"n": 1.10}, "reason": "why"}
    batch = api.post(f"{V1}/batches", {**body, "retry": care, "rate": 1000}, format="json").json()
    assert (batch["kind"], batch["gathered"], batch["total"], batch["reason"]) == ("RETRY", False, 0, "why")
    assert (batch["canaries"], batch["stop_at"], batch["selection"]) == (2, 50, body["incidents"])
    here = f"{V1}/batches/{batch['id']}"
    while api.get(here).json()["retried"] < 2:
        batches.carry_on()
    first, second = jobs.claim(["charge"], worker="w", limit=10)
    jobs.complete(first.id, first.attempt, by="worker:w")
    jobs.fail(second.id, second.attempt, "still unknown", by="worker:w")
    Batch.objects.update(watch_at=timezone.now())
    batches.carry_on()
    batch = api.get(here).json()
    assert (batch["state"], batch["note"]) == ("PAUSED", "1 of 2 canaries failed again.")
    assert (batch["total"], batch["pending"], batch["recovered"], batch["failed_again"]) == (3, 1, 1, 1)
    (item,) = api.get(f"{here}/items?state=FAILED_AGAIN").json()["results"]
    assert (item["incident_id"], item["message"]) == (stuck[1], "still unknown")
    assert api.get(f"{V1}/incidents/{item['result']}").json()["message"] == "still unknown"
    assert api.post(f"{here}/resume").json()["state"] == "ACTIVE"
    named = api.post(f"{V1}/batches", {"retry": {}, "incident_ids": stuck[2:]}, format="json").json()
    assert (named["total"], named["selection"], named["gathered"]) == (1, None, True)


def test_what_is_refused_of_a_retry(api, stuck):
    def ask(status: int, code: str, path: str = "/batches", **body) -> None:
        problem(api.post(V1 + path, body, format="json"), status, code)

    ask(400, "invalid", retry={}, instance_ids=[1])
    ask(400, "invalid", retry={}, running={"process_id": "order"})
    ask(400, "invalid", retry={}, incidents={}, incident_ids=stuck)
    ask(400, "invalid", modify=MOVE, incident_ids=stuck)
    ask(400, "invalid", retry={"canaries": 1001}, incidents={})
    ask(400, "invalid", retry={"stop_at": 0}, incidents={})
    ask(400, "invalid", retry={}, incidents={"proces_id": "order"})
    ask(422, "batch-empty", retry={}, incidents={"process_id": "nobody"})
    ask(404, "incident-not-found", retry={}, incident_ids=[777])
    ask(400, "invalid", "/batches/preview", retry={})
    ask(400, "invalid", "/batches/preview", modify=MOVE, incidents={})
    assert api.get(f"{V1}/batches").json()["results"] == []


def test_what_is_refused(api, three):
    def ask(status: int, code: str, **body) -> None:
        problem(api.post(f"{V1}/batches", body, format="json"), status, code)

    ask(400, "invalid", instance_ids=three)
    ask(400, "invalid", modify=MOVE, migrate={"target_definition_id": 1}, instance_ids=three)
    ask(400, "invalid", modify=MOVE)
    ask(400, "invalid", modify=MOVE, instance_ids=three, running={"process_id": "order"})
    ask(400, "invalid", modify=MOVE, running={"element_id": "a"})
    ask(400, "invalid", modify=MOVE, instance_ids=three, rate=0)
    ask(400, "invalid", modify={**MOVE, "more": 1}, instance_ids=three)
    ask(422, "modification-empty", modify={}, instance_ids=three)
    ask(404, "definition-not-found", migrate={"target_definition_id": 777}, instance_ids=three)
    problem(api.get(f"{V1}/batches/777/items"), 404, "batch-not-found")
    problem(api.post(f"{V1}/batches/777/pause"), 404, "batch-not-found")
    assert api.get(f"{V1}/batches").json()["results"] == []
