"""Objects of a model: fetched over HTTP, kept in a bucket, and missed by a boundary event."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from processes.models import Document, Incident, ProcessInstance, Step
from processes.runtime import connections, definitions, instances, secrets
from tasks import worker
from tasks.jobs import registry
from tests.drawing import Drawing
from tests.tasks.connectors.s3.conftest import SECRET, Store
from tests.tasks.connectors.server import Server

pytest.importorskip("minio", reason="minio, an extra, is not installed")
pytestmark = pytest.mark.django_db(transaction=True)
ACCESS = "AKIA0123456789EXAMPLE"
DATA = bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def _depot(settings: Any, store: Store) -> None:
    given = {"FIELD_KEYS": [Fernet.generate_key().decode()], "PRIVATE_ADDRESSES": "allow"}
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, **given, "DISPATCHER": "tests.admin.silent.Silent"}
    secrets.put("DEPOT_USER", ACCESS)
    secrets.put("DEPOT", SECRET)
    keys = {"accessKey": "{{secrets.DEPOT_USER}}", "secretKey": "{{secrets.DEPOT}}"}
    fields = {"kind": "s3", "url": store.url, "authentication": keys, "options": {"bucket": "shop"}}
    connections.put("depot", {**fields, "allow_private": True}, by="user:ada")


def ended(drawing: Drawing) -> ProcessInstance:
    instance = instances.start(definitions.deploy(drawing.xml()).definitions[0].definition).instance
    while job := instance.jobs.filter(state="DUE", suspended=False).first():
        list(worker.perform(job.pk, registry=registry(), worker="w"))
    return ProcessInstance.objects.get(pk=instance.pk)


def test_from_a_service_into_a_bucket_and_back(store: Store, server: Server) -> None:
    url = f"{server.url}/say/plan.png?type=image/png&body={quote(base64.b64encode(DATA).decode(), safe='')}"
    found = ended(
        Drawing("archive")
        .start()
        .service(
            "fetch",
            type="http",
            inputs={"url": url, "storeResponse": "=true"},
            headers={"resultExpression": "={plan: response.document}"},
        )
        .service(
            "keep",
            type="s3",
            inputs={"operation": "upload", "key": '="plans/" + plan.metadata.fileName', "document": "=plan"},
            headers={"connection": "depot", "resultExpression": "={key: response.key}"},
        )
        .service(
            "look",
            type="s3",
            inputs={"operation": "download", "key": "=key", "encoding": "document"},
            headers={"connection": "depot", "resultVariable": "back"},
        )
        .end()
    )
    assert found.state == "COMPLETED", Incident.objects.values_list("message", flat=True)
    assert store.raw.get_object(Bucket="shop", Key="plans/plan.png")["Body"].read() == DATA
    assert found.variables["back"]["document"] == found.variables["plan"], "the same again is the same document"
    assert bytes(Document.objects.get().content) == DATA
    told = f"{list(Step.objects.values())} {list(ProcessInstance.objects.values())}"
    assert "plans/plan.png" in told
    assert SECRET not in told
    assert ACCESS not in told


def test_what_is_not_there_is_an_outcome_of_the_model(store: Store) -> None:
    rule = '=if error.code = "NoSuchKey" then bpmnError(error.code, error.message) else null'
    found = ended(
        Drawing("missing_object")
        .start()
        .service(
            "look",
            type="s3",
            inputs={"operation": "head", "key": "nope"},
            headers={"connection": "depot", "errorExpression": rule},
        )
        .end("there")
        .on_error("look", "not_there", "NoSuchKey")
        .end("gone")
    )
    assert found.state == "COMPLETED"
    assert list(found.nodes.filter(element_id__in=["there", "gone"]).values_list("element_id", flat=True)) == ["gone"]
    assert not Incident.objects.exists()
