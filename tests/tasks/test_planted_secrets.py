"""Secrets are planted wherever a model or a connection can name them, the service echoes them and fails in every way;
afterwards they are in no row, no log line, no API answer and no page."""

from __future__ import annotations

import base64
import logging
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from processes.models import Incident, Job, ProcessInstance
from processes.runtime import connections, definitions, instances, secrets
from tasks import worker
from tasks.connectors.base import BpmnError, FunctionConnector, JobError, Response
from tasks.connectors.base import Job as Work
from tasks.jobs import registry as real
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.tasks.connectors.server import Server, running

pytestmark = pytest.mark.django_db(transaction=True)

PLANTED = {
    "TOKEN": "tok-5c0ffee5c0ffee",
    "PASSWORD": 'pä55/word+"&x',
    "KEY": "99887766554433",
    "HEADER": "hdr_A1b2C3d4E5",
    "BODY": "bdy~Zz99~Yy88",
}


@pytest.fixture(autouse=True)
def _set_up(settings: Any) -> None:
    given = {"FIELD_KEYS": [Fernet.generate_key().decode()], "PRIVATE_ADDRESSES": "allow"}
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, **given, "DISPATCHER": "tests.admin.silent.Silent"}
    for name, value in PLANTED.items():
        secrets.put(name, value, by="user:ada")


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def spellings() -> list[str]:
    found = []
    for value in PLANTED.values():
        found += [value, urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value)]
        coded = base64.b64encode(value.encode()).decode()
        found += [coded.rstrip("="), value.encode().hex(), value.encode("unicode_escape").decode()]
    return found


def check(text: str, where: str) -> None:
    text = text.lower()
    for spelled in spellings():
        assert spelled.lower() not in text, f"{spelled} in {where}"


def rows() -> Iterator[tuple[str, str]]:
    """Every row of every table, as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield (
                    table,
                    " ".join(
                        bytes(cell).decode("utf-8", "replace") if isinstance(cell, memoryview | bytes) else str(cell)
                        for cell in row
                    ),
                )


def fails(work: Work) -> Any:
    """In the way that the task asks for, with all it knows."""
    told = dict(work.variables)
    logging.getLogger("a.library").warning("calling with %s", told)
    everything = f"{told} {work.headers} {work.connection and dict(work.connection.authentication)}"
    match work.headers["how"]:
        case "job":
            raise JobError(everything, code=told["token"], details={"seen": told}, journal={"sent": everything})
        case "final":
            raise JobError(everything, retryable=False, details={told["token"]: [told]})
        case "bpmn":
            raise BpmnError("NO", everything, {"seen": told, "key": int(told["key"])})
        case "bug":
            raise RuntimeError(everything)
        case "unfit":
            return {"thing": object(), **told}
        case "list":
            return [told]
        case "exit":
            raise SystemExit(everything)
    return Response({"seen": told, "number": int(told["key"])}, journal={"sent": everything})


WAYS = ["job", "final", "bpmn", "bug", "unfit", "list", "exit", "well"]
INPUTS = {
    "token": "{{secrets.TOKEN}}",
    "key": "{{secrets.KEY}}",
    "nested": '={a: ["x {{secrets.PASSWORD}} y", {b: "{{secrets.BODY}}"}]}',
}


def serve(job: Job, registry: Registry) -> None:
    for _ in range(3):
        Job.objects.filter(pk=job.pk).update(due_at="2020-01-01T00:00:00Z", suspended=False)
        list(worker.perform(job.pk, registry=registry, worker="w"))


def begun(type: str, *, headers: dict[str, str], inputs: dict[str, str]) -> Job:
    drawing = Drawing("order").start().service("call", type=type, retries=2, headers=headers, inputs=inputs)
    definition = definitions.deploy(drawing.end().xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(definition).instance)


def test_they_appear_nowhere(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    connections.put(
        "shop",
        {
            "url": server.url.replace("://", "://user:{{secrets.PASSWORD}}@") + "/echo",
            "options": {"headers": {"X-Planted": "{{secrets.HEADER}}"}},
            "breaker_failures": 0,
        },
        by="user:ada",
    )
    connections.put(
        "bank", {"url": server.url, "authentication": {"type": "bearer", "token": "{{secrets.TOKEN}}"}}, by="x"
    )
    own = Registry({"fails": Registration("fails", FunctionConnector("fails", fails), "test")})
    for how in WAYS:
        header = {"how": how, "x": "{{secrets.HEADER}}", "connection": "bank", "resultVariable": "all"}
        serve(begun("fails", headers=header, inputs=INPUTS), own)
    # The service echoes all that it hears, as a success and as a failure.
    echo = {"connection": "shop", "resultExpression": "={heard: response.body, status: response.status}"}
    given = {
        "method": "POST",
        "url": "?k={{secrets.KEY}}",
        "body": '={a: "{{secrets.BODY}}", b: "{{secrets.PASSWORD}}"}',
    }
    served = real()
    serve(begun("http", headers=echo, inputs=given), served)
    assert len(server.seen) == 1
    heard = server.seen[0]
    assert PLANTED["HEADER"] in str(heard["headers"])
    assert PLANTED["BODY"] in heard["body"]
    assert PLANTED["KEY"] in heard["path"]
    body = base64.b64encode(f"sorry, {PLANTED['TOKEN']}".encode()).decode()
    for status in ("500", "400", "302"):
        url = f"/say?status={status}&type=text/plain&body={urllib.parse.quote(body)}&Location=/say?{{{{secrets.KEY}}}}"
        serve(begun("http", headers={"connection": "bank"}, inputs={"url": url, "method": "POST"}), served)
    serve(begun("http", headers={}, inputs={"url": "http://{{secrets.HEADER}}.invalid/{{secrets.TOKEN}}"}), served)
    serve(begun("http", headers={}, inputs={"url": "http://{{secrets.NOPE}}/"}), served)
    serve(begun("http", headers={"connection": "nope"}, inputs={"url": "/"}), served)

    messages = " ".join(Incident.objects.values_list("message", flat=True))
    assert "Expected a secret named 'NOPE' but found none" in messages
    assert "Expected a connection named 'nope' but found none" in messages
    assert ProcessInstance.objects.filter(state="COMPLETED").count() >= 2
    everywhere = list(rows())
    assert any("***" in row for _, row in everywhere)
    for table, row in everywhere:
        check(row, table)
    check(caplog.text, "the log")
    for record in caplog.records:
        check(str(record.__dict__), "a record of the log")

    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for answer, where in pages(client):
        check(answer, where)


NOTE = "Dear {{secrets.TOKEN}}, {{ secrets.KEY }}"


def started(type: str, inputs: dict[str, str], **variables: Any) -> Job:
    drawing = Drawing("order").start().service("call", type=type, inputs=inputs, headers={"resultVariable": "r"})
    definition = definitions.deploy(drawing.end().xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(definition, variables=variables).instance)


def test_what_stands_in_business_data_is_data(server: Server) -> None:
    url = f'="{server.url}/echo?k=" + number + "&own={{{{secrets.HEADER}}}}"'
    inputs = {
        "first": '={a: "{{secrets.BODY}}", b: note}',
        "body": '={mine: "x {{secrets.PASSWORD}}", theirs: note, both: first, built: "{{secrets." + name + "}}"}',
        "url": url,
        "method": "POST",
    }
    job = started("see", inputs, note=NOTE, number="{{secrets.TOKEN}}", name="TOKEN")
    seen: list[Work] = []

    def see(work: Work) -> dict[str, Any]:
        seen.append(work)
        return {}

    serve(job, Registry({"see": Registration("see", FunctionConnector("see", see), "test")}))
    (work,) = seen
    assert work.variables["first"] == {"a": PLANTED["BODY"], "b": NOTE}
    assert work.variables["body"] == {
        "mine": f"x {PLANTED['PASSWORD']}",
        "theirs": NOTE,
        "both": {"a": PLANTED["BODY"], "b": NOTE},
        "built": "{{secrets.TOKEN}}",
    }
    assert work.variables["url"] == f"{server.url}/echo?k={{{{secrets.TOKEN}}}}&own={PLANTED['HEADER']}"


def test_a_task_without_inputs_names_no_secret(server: Server) -> None:
    job = started("http", {}, url=f"{server.url}/echo?k={{{{secrets.TOKEN}}}}", method="GET")
    serve(job, real())
    (heard,) = server.seen
    assert "secrets.TOKEN" in urllib.parse.unquote(heard["path"])
    assert PLANTED["TOKEN"] not in str(heard)


def test_an_external_worker_is_told_no_secret() -> None:
    started("theirs", {"token": "{{secrets.TOKEN}}", "note": "=note"}, note=NOTE)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    answer = client.post("/api/v1/jobs/claim", {"types": ["theirs"], "worker": "w"}, content_type="application/json")
    (job,) = answer.json() if isinstance(answer.json(), list) else answer.json()["jobs"]
    assert job["variables"] == {"token": "{{secrets.TOKEN}}", "note": NOTE}
    check(answer.content.decode(), "the claim")


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """Every list and every page of the admin, and the same over REST."""
    for model in apps.get_app_config("processes").get_models():
        name = model._meta.model_name
        try:
            listed = reverse(f"admin:processes_{name}_changelist")
        except Exception:  # noqa: BLE001 - not every row has a page
            continue
        for url in (
            listed,
            *(
                reverse(f"admin:processes_{name}_change", args=[pk])
                for pk in model._default_manager.values_list("pk", flat=True)
            ),
        ):
            answer = client.get(url)
            assert answer.status_code == 200, url
            yield answer.content.decode(), url
    api = ["process-instances", "jobs", "incidents", "connections", "secrets", "connections/shop", "connections/bank"]
    for number in ProcessInstance.objects.values_list("pk", flat=True):
        here = f"process-instances/{number}"
        api += [
            here,
            *(f"{here}/{part}" for part in ("history", "nodes", "jobs", "incidents", "documents", "variables")),
        ]
    for path in api:
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, path
        yield answer.content.decode(), path
