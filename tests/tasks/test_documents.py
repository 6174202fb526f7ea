"""Documents from one task to another: what a service sent is what the next one gets, and it goes with its instance."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from processes.models import Document, Incident, Job, ProcessInstance, Step
from processes.runtime import definitions, instances, retention, secrets
from tasks import worker
from tasks.connectors.base import FunctionConnector, JobError
from tasks.connectors.base import Job as Work
from tasks.jobs import registry
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.tasks.connectors.server import Server, running

pytestmark = pytest.mark.django_db(transaction=True)
DATA = bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def _set_up(settings: Any) -> None:
    given = {"FIELD_KEYS": [Fernet.generate_key().decode()], "PRIVATE_ADDRESSES": "allow"}
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, **given, "DISPATCHER": "tests.admin.silent.Silent"}


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def says(server: Server, body: bytes = DATA, **more: str) -> str:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in more.items())
    return f"{server.url}/say/plan.png?type=image/png&body={quote(base64.b64encode(body).decode(), safe='')}&{query}"


def begun(drawing: Drawing) -> ProcessInstance:
    return instances.start(definitions.deploy(drawing.xml()).definitions[0].definition).instance


def served(instance: ProcessInstance, using: Registry | None = None) -> ProcessInstance:
    for _ in range(5):
        for job in Job.objects.filter(instance=instance):
            Job.objects.filter(pk=job.pk).update(due_at="2020-01-01T00:00:00Z")
            list(worker.perform(job.pk, registry=using or registry(), worker="w"))
    return ProcessInstance.objects.get(pk=instance.pk)


def own(function: Any, type: str = "own") -> Registry:
    return Registry({type: Registration(type, FunctionConnector(type, function), "test")})


def test_from_one_service_to_the_next(server: Server) -> None:
    fetch = {"url": says(server), "storeResponse": "=true"}
    send = {"url": f"{server.url}/status/204", "method": "POST", "body": "=plan"}
    ended = served(
        begun(
            Drawing("order")
            .start()
            .service("fetch", type="http", inputs=fetch, headers={"resultExpression": "={plan: response.document}"})
            .service("send", type="http", inputs=send, headers={"resultExpression": "={ok: response.status}"})
            .end()
        )
    )
    assert ended.state == "COMPLETED", Incident.objects.values_list("message", flat=True)
    stored = Document.objects.get()
    assert ended.variables["plan"] == {
        "camunda.document.type": "camunda",
        "storeId": "database",
        "documentId": str(stored.pk),
        "contentHash": stored.digest,
        "metadata": {"contentType": "image/png", "fileName": "plan.png", "size": len(DATA)},
    }
    heard = server.seen[-1]
    assert heard["headers"]["content-type"] == "image/png"
    assert heard["body"].encode("latin-1") == DATA
    assert list(retention.purge(timedelta(days=-1))) == [1]
    assert not Document.objects.exists()


def test_attempts_that_are_repeated_store_once(server: Server) -> None:
    seen: list[Any] = []

    def fails_twice(work: Work) -> dict[str, Any]:
        seen.append(work.documents.store(DATA, "image/png", "a.png"))
        if len(seen) < 3:
            raise JobError("not yet")
        return {"file": seen[-1], "back": work.documents.fetch(seen[0]).content == DATA}

    ended = served(begun(Drawing("p").start().service("own", type="own", retries=3).end()), own(fails_twice))
    assert ended.variables["back"] is True
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]
    assert Document.objects.count() == 1


def test_who_lost_the_job_stores_nothing() -> None:
    def late(work: Work) -> dict[str, Any]:
        Job.objects.filter(pk=work.id).update(attempt=work.attempt + 1)
        work.documents.store(DATA)
        return {}

    instance = begun(Drawing("p").start().service("own", type="own").end())
    job = Job.objects.get(instance=instance)
    (done,) = worker.perform(job.pk, registry=own(late), worker="w")
    assert done.decision == "refused"
    assert not Document.objects.exists()


def test_what_cannot_be_stored_or_found_is_an_incident(server: Server, settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DOCUMENT_BYTES": 100}
    reference = '={"camunda.document.type": "camunda", storeId: "database", documentId: "7", contentHash: "x"}'
    for inputs in (
        {"url": says(server), "storeResponse": "=true"},
        {"url": f"{server.url}/echo", "method": "POST", "body": reference},
    ):
        served(begun(Drawing("p").start().service("call", type="http", inputs=inputs).end()))
    messages = list(Incident.objects.order_by("id").values_list("message", flat=True))
    assert "at most `maxResponseBytes`, 100" in messages[0]
    assert "Expected document 7 but it is gone" in messages[1]
    assert len(server.seen) == 1, "what is not there is not sent"


def test_secrets_are_masked_in_names_and_journals_and_contents_are_data(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets.put("TOKEN", "tok-5c0ffee5c0ffee")
    url = says(server, b"mine: tok-5c0ffee5c0ffee", Content_Disposition="attachment; filename=tok-5c0ffee5c0ffee.txt")
    inputs = {"url": url.replace("tok-5c0ffee5c0ffee", "{{secrets.TOKEN}}"), "storeResponse": "=true"}
    headers = {"resultVariable": "all"}
    served(begun(Drawing("p").start().service("call", type="http", inputs=inputs, headers=headers).end()))
    stored = Document.objects.get()
    assert stored.file_name == "***.txt"
    assert bytes(stored.content) == b"mine: tok-5c0ffee5c0ffee"
    told = f"{list(Step.objects.values())} {list(ProcessInstance.objects.values())} {caplog.text}"
    assert "***" in told
    assert "tok-5c0ffee5c0ffee" not in told
