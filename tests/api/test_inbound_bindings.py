"""Inbound bindings over REST: they are made, changed, paused and dropped, and an event finds what was made."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from processes.models import InboundBinding, Message
from tests.api.conftest import V1, fields, problem


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}


BINDINGS = f"{V1}/inbound-bindings"
BANK = {
    "name": "bank",
    "kind": "webhook",
    "path": "bank/paid",
    "proof": "token",
    "secret_name": "BANK_TOKEN",
    "message_name": "payment-received",
    "correlation_key": "=body.order",
    "variables": "={paid: body.amount}",
}
QUEUE = {"name": "shop", "kind": "queue", "queue": "orders", "url": "amqp://mq.example//", "message_name": "order"}


def test_the_life_of_a_binding(api, anonymous):
    api.put(f"{V1}/secrets/BANK_TOKEN", {"value": "token-4711"}, format="json")
    made = api.post(BINDINGS, BANK, format="json")
    assert made.status_code == 201, made.content
    assert BANK.items() <= made.json().items()
    assert (made.json()["enabled"], made.json()["max_bytes"]) == (True, 1_000_000)
    assert b"4711" not in made.content + api.get(BINDINGS).content + api.get(f"{BINDINGS}/bank").content
    problem(api.post(BINDINGS, BANK, format="json"), 409, "inbound-binding-exists")

    def post(order: str) -> int:
        proof = {"HTTP_AUTHORIZATION": "Bearer token-4711"}
        event = {"order": order, "amount": 12, "reference": f"R-{order}"}
        return int(anonymous.post(f"{V1}/webhooks/bank/paid", event, format="json", **proof).status_code)

    assert post("A-1") == 202
    changed = api.patch(f"{BINDINGS}/bank", {"correlation_key": "=body.reference"}, format="json").json()
    assert (changed["correlation_key"], changed["variables"]) == ("=body.reference", "={paid: body.amount}")
    assert post("A-2") == 202
    messages = Message.objects.order_by("pk").values_list("name", "correlation_key", "variables", "published_by")
    paid, by = {"paid": 12}, "inbound:bank"
    assert list(messages) == [("payment-received", key, paid, by) for key in ("A-1", "R-A-2")]
    assert not api.post(f"{BINDINGS}/bank/pause").json()["enabled"]
    assert post("A-3") == 404
    assert [row["name"] for row in api.get(f"{BINDINGS}?enabled=false").json()["results"]] == ["bank"]
    assert api.get(f"{BINDINGS}?kind=queue").json()["results"] == []
    assert api.post(f"{BINDINGS}/bank/resume").json()["enabled"]
    assert post("A-3") == 202
    assert api.delete(f"{BINDINGS}/bank").status_code == 204
    assert post("A-4") == 404
    for ask in (api.get, api.delete):
        problem(ask(f"{BINDINGS}/bank"), 404, "inbound-binding-not-found")
    problem(api.post(f"{BINDINGS}/bank/pause"), 404, "inbound-binding-not-found")
    problem(api.patch(f"{BINDINGS}/bank", {}, format="json"), 404, "inbound-binding-not-found")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"correlation_key": "=body."}, "correlation_key: "),
        ({"secret_name": ""}, "a webhook needs `path` and `secret_name`"),
        ({"path": "/../x"}, "path: "),
        ({"path": "taken"}, "path: Expected a path of its own, but 'taken' is that of other"),
        ({"name": "a/b"}, "name: Expected up to 100 letters"),
        ({"kind": "queue"}, "A queue needs `queue` and a URL"),
        ({"kind": "queue", "queue": "q", "url": "amqp://me:literally@mq"}, "a URL without a password"),
        ({"kind": "queue", "queue": "q", "url": "https://mq"}, "the URL of a broker (amqp, amqps, redis, rediss)"),
    ],
)
def test_what_could_not_work_is_refused(api, change, says):
    InboundBinding.objects.create(name="other", kind="webhook", path="taken", secret_name="s", message_name="m")
    body = problem(api.post(BINDINGS, {**BANK, **change}, format="json"), 422, "value-invalid")
    assert says in body["detail"]
    assert "literally" not in body["detail"]
    assert InboundBinding.objects.get().name == "other"


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"kind": "pigeon"}, "kind", "invalid_choice"),
        ({"tolerance": "soon"}, "tolerance", "invalid"),
        ({"max_bytes": 99_000_000}, "max_bytes", "max_value"),
        ({"message_name": ""}, "message_name", "blank"),
        ({"enabled": False}, "enabled", "unknown-field"),
        ({"secret": "literally"}, "secret", "unknown-field"),
    ],
)
def test_what_does_not_validate_is_refused(api, change, field, code):
    found = fields(api.post(BINDINGS, {**BANK, **change}, format="json").json())
    assert {name: error.replace("-", "_") for name, error in found.items()} == {field: code.replace("-", "_")}
    assert not InboundBinding.objects.exists()


def test_a_change_that_could_not_work_changes_nothing(api):
    assert api.post(BINDINGS, QUEUE, format="json").status_code == 201
    body = problem(api.patch(f"{BINDINGS}/shop", {"queue": "", "variables": "={"}, format="json"), 422, "value-invalid")
    assert "variables: " in body["detail"]
    problem(api.patch(f"{BINDINGS}/shop", {"queue": ""}, format="json"), 422, "value-invalid")
    assert InboundBinding.objects.get().queue == "orders"
