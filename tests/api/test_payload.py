"""Payload over REST: null for who may not view it, and the answer says which fields those are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.models import Job, Message
from processes.runtime import batches, documents, jobs, messages
from tests.api.conftest import V1, problem
from tests.drawing import Drawing

SECRET = "CONFIDENTIAL-4711"
SEES = [
    "view_processinstance", "view_step", "view_flownodeinstance", "view_job", "view_message", "view_batch",
    "view_document", "view_usertask", "change_processinstance", "view_compensation",
]  # fmt: skip


@pytest.fixture
def work(deploy, api):
    deploy(Drawing("order").start().service("charge", type="charge", inputs={"card": "=iban"}).end())
    started = api.post(
        f"{V1}/process-instances", {"process_id": "order", "variables": {"iban": SECRET}}, format="json"
    ).json()
    (job,) = jobs.claim(["charge"], worker="w")
    jobs.checkpoint(job.id, job.attempt, {"page": SECRET})
    documents.store(job.id, job.attempt, b"x", "text/plain", "x.txt")
    messages.publish("paid", variables={"iban": SECRET}, ttl=timedelta(hours=1))
    batches.restart([started["id"]], by="test")
    return started["id"]


def addresses(pk):
    return [
        (f"{V1}/process-instances/{pk}/variables", ["variables"]),
        (f"{V1}/process-instances/{pk}/history", ["facts", "journal"]),
        (f"{V1}/process-instances/{pk}/nodes", ["variables"]),
        (f"{V1}/process-instances/{pk}/jobs", ["progress"]),
        (f"{V1}/jobs/{Job.objects.get().pk}", ["progress"]),
        (f"{V1}/messages/{Message.objects.get().pk}", ["variables"]),
        (f"{V1}/batches", ["instructions"]),
    ]


def rows(answer):
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body.get("results", [body])


def test_null_without_the_right_and_named(work, user_with):
    client = user_with(*SEES)
    for address, fields in addresses(work):
        answer = client.get(address)
        assert SECRET not in answer.content.decode(), address
        for row in rows(answer):
            assert row["hidden"] == fields
            for field in fields:
                assert field == "facts" or row[field] is None, (address, field)


def test_facts_stay_without_their_values(work, user_with):
    (first, *_) = rows(user_with(*SEES).get(f"{V1}/process-instances/{work}/history"))
    assert first["facts"][0] == {"fact": "InstanceStarted", "variables": None, "called": False}
    assert "JobCreated" in [fact["fact"] for fact in first["facts"]]


def test_everything_with_the_right(work, user_with):
    client = user_with(*SEES, "view_payload")
    for address, _ in addresses(work):
        assert [row["hidden"] for row in rows(client.get(address))] == [[]] * len(rows(client.get(address)))
    assert SECRET in client.get(f"{V1}/process-instances/{work}/variables").content.decode()
    assert SECRET in client.get(f"{V1}/process-instances/{work}/history").content.decode()


def test_documents_are_listed_and_not_handed_out(work, user_with):
    client = user_with(*SEES)
    (row,) = rows(client.get(f"{V1}/process-instances/{work}/documents"))
    problem(client.get(f"{V1}/documents/{row['id']}/content"), 403, "permission-denied")
    assert user_with(*SEES, "view_payload").get(f"{V1}/documents/{row['id']}/content").content == b"x"


def test_who_does_the_work_gets_its_inputs(deploy, api, user_with):
    deploy(Drawing("order").start().service("charge", type="charge").end())
    api.post(f"{V1}/process-instances", {"process_id": "order", "variables": {"iban": SECRET}}, format="json")
    claimed = user_with("change_job").post(f"{V1}/jobs/claim", {"type": "charge", "worker": "w"}, format="json").json()
    assert claimed["jobs"][0]["variables"] == {"iban": SECRET}


def test_who_may_write_variables_does_not_read_them_thereby(work, user_with):
    answer = user_with(*SEES).patch(
        f"{V1}/process-instances/{work}/variables", {"variables": {"paid": True}}, format="json"
    )
    assert answer.json() == {"scope": 0, "variables": None, "hidden": ["variables"]}
