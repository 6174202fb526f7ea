"""The element template: filled in as Modeler does it, it is a model that runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processes.models import Job, ProcessInstance
from processes.runtime import definitions, instances
from tasks import worker
from tasks.connectors.soap import SoapConnector
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.form import fill
from tests.tasks.connectors.http.service import CLIENT, SECRET
from tests.tasks.connectors.http.service import Service as Issuer
from tests.tasks.connectors.server import running
from tests.tasks.connectors.soap import BINARY
from tests.tasks.connectors.soap.conftest import Service
from tests.tasks.connectors.soap.test_signatures import RSA, check, pair

pytestmark = pytest.mark.django_db(transaction=True)

TEMPLATE = json.loads((Path(__file__).parents[4] / "tasks" / "element_templates" / "soap.json").read_text())


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running(Issuer()) as issuer:
        assert isinstance(issuer, Issuer)
        yield issuer


def run(values: dict[str, Any], variables: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """How the job of a filled form ended, and the variables of its instance then."""
    filled = fill(TEMPLATE, values)
    drawing = Drawing().start().service("ask", type=filled.type, headers=filled.headers, inputs=filled.inputs).end()
    deployment = definitions.deploy(drawing.xml())
    assert deployment.warnings == ()
    instance = instances.start(deployment.definitions[0].definition, variables=variables or {}).instance
    registry = Registry({"soap": Registration("soap", SoapConnector(), "test")})
    (done,) = worker.perform(Job.objects.get().pk, registry=registry, worker="tester")
    assert done.decision == "completed", done.message
    return done.decision, dict(ProcessInstance.objects.get(pk=instance.pk).variables)


def sent(service: Service) -> dict[str, Any]:
    return [seen for seen in service.told() if seen["method"] == "POST"][-1]


def test_as_it_is(service: Service) -> None:
    values = {
        "wsdl": f"{service.url}/shop11?wsdl",
        "operation": "add",
        "parameters": "={a: net, b: tax}",
        "resultExpression": "={total: response.body.addResult}",
    }
    ended, variables = run(values, {"net": 10, "tax": 2})
    assert (ended, variables["total"]) == ("completed", 12)
    assert "wsa:MessageID" in sent(service)["body"]


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("usernameToken", {"username": "ann", "password": "pa55word", "digest": True}, "#PasswordDigest"),
        ("basic", {"username": "ann", "password": "pa55word"}, "Basic "),
        ("bearer", {"token": "t0ken-of-mine"}, "Bearer t0ken-of-mine"),
        ("apiKey", {"apiKeyLocation": "headers", "name": "X-Shop-Key", "value": "k3y-of-mine"}, "k3y-of-mine"),
    ],
)
def test_authentication(service: Service, kind: str, fields: dict[str, Any], told: str) -> None:
    values = {f"authentication.{name}": value for name, value in fields.items()}
    place = {"wsdl": f"{service.url}/shop11?wsdl", "operation": "ping", "addressing": False}
    ended, _ = run({**place, "authentication.type": kind, **values})
    seen = sent(service)
    assert ended == "completed"
    assert told in seen["body"] + str(seen["headers"])
    assert "MessageID" not in seen["body"]


def test_a_signature(service: Service) -> None:
    certificate, key = pair(RSA)
    signature = {"type": "signature", "certificate": certificate, "privateKey": key, "timestamp": "60"}
    values = {f"authentication.{name}": value for name, value in signature.items()}
    ended, _ = run({"wsdl": f"{service.url}/shop11?wsdl", "operation": "ping", **values})
    assert ended == "completed"
    assert check(sent(service)["body"]) == ["Body", "Timestamp"]


def test_a_token(service: Service, issuer: Issuer) -> None:
    endpoint = f"{issuer.url}/token"
    grant = {"oauthTokenEndpoint": endpoint, "clientId": CLIENT, "clientSecret": SECRET}
    values = {f"authentication.{name}": value for name, value in grant.items()}
    place = {"wsdl": f"{service.url}/guarded?wsdl", "endpoint": f"{service.url}/guarded", "operation": "ping"}
    ended, _ = run({**place, "authentication.type": "oauth-client-credentials-flow", **values})
    assert ended == "completed"
    assert sent(service)["headers"]["authorization"].startswith("Bearer token-")


def test_mtom(service: Service) -> None:
    place = {"wsdl": f"{service.url}/archive11?wsdl", "operation": "store", "mtom": True}
    given = {"title": "t", "pages": [base64.b64encode(BINARY).decode()]}
    ended, variables = run({**place, "parameters": "={scan: scan}", "resultVariable": "answer"}, {"scan": given})
    assert (ended, variables["answer"]["body"]) == ("completed", {"storeResult": f"t: {BINARY.hex()[:64]}"})
    assert sent(service)["parts"] == ["application/octet-stream"]
