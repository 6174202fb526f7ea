"""Webhooks: who proves who they are is let in, once, and nobody is told anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from processes.models import InboundBinding, InboundReceipt, Message
from processes.runtime import bindings, inbound, secrets
from tests.api.conftest import V1, problem
from tests.drawing import Drawing

SECRETS = {"shop": "a-long-secret-key", "token": "tok-123456"}


@pytest.fixture(autouse=True)
def known(db: None, settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    for name, value in SECRETS.items():
        secrets.put(name, value)


def bound(**fields: Any) -> InboundBinding:
    given = {
        "name": "shop",
        "kind": "webhook",
        "path": "shop/paid",
        "message_name": "paid",
        "correlation_key": "=body.order",
        "secret_name": "shop",
        "signature_prefix": "sha256=",
    }
    return InboundBinding.objects.create(**given | fields)


def signed(body: bytes, *, key: str = SECRETS["shop"]) -> bytes:
    return hmac.new(key.encode(), body, hashlib.sha256).digest()


def post(client: Any, body: Any, path: str = "shop/paid", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"X-Signature": f"sha256={signed(raw).hex()}", **headers}
    return client.post(f"{V1}/webhooks/{path}", raw, content_type="application/json", headers=given)


BODY = {"order": "A-1", "paid": 12.5}


def test_a_signed_event_becomes_a_message(anonymous: Any) -> None:
    bound()
    answer = post(anonymous, BODY)
    assert (answer.status_code, answer.content) == (202, b"")
    message = Message.objects.get()
    assert (message.name, message.correlation_key, message.published_by) == ("paid", "A-1", "inbound:shop")
    assert str(message.variables["paid"]) == "12.5"


def test_it_reaches_the_instance_that_waits(anonymous: Any, deploy: Any, start: Any, api: Any) -> None:
    bound(variables="={paid: body.paid, by: headers.`x-shop`, page: query.page}")
    deploy(Drawing().start().message("wait", "paid", "=order").end())
    begun = start(variables={"order": "A-1"})
    raw = json.dumps(BODY).encode()
    answer = anonymous.post(
        f"{V1}/webhooks/shop/paid?page=2",
        raw,
        content_type="application/json",
        headers={"X-Signature": f"sha256={signed(raw).hex()}", "X-Shop": "north"},
    )
    assert answer.status_code == 202
    message = Message.objects.get()
    assert {**message.variables, "paid": str(message.variables["paid"])} == {"paid": "12.5", "by": "north", "page": "2"}
    assert begun["id"]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        "sha256=00",
        "sha256=zz",
        signed(json.dumps(BODY).encode()).hex(),
        f"sha256={signed(b'{}').hex()}",
        f"sha256={signed(json.dumps(BODY).encode(), key='another').hex()}",
        "sha256=\u00e9",
    ],
)
def test_a_wrong_signature_is_refused(anonymous: Any, signature: str) -> None:
    bound()
    told = problem(post(anonymous, BODY, **{"X-Signature": signature}), 401, "authentication-failed")
    assert "shop" not in told["detail"]
    assert not Message.objects.exists()


def test_a_replay_is_accepted_and_dropped(anonymous: Any) -> None:
    bound(time_to_live=0)
    for _ in range(3):
        assert post(anonymous, BODY).status_code == 202
        Message.objects.all().delete()  # long expired: the receipt knows it all the same
    assert InboundReceipt.objects.count() == 1
    assert post(anonymous, {**BODY, "paid": 13}).status_code == 202
    assert InboundReceipt.objects.count() == 2


def test_the_message_id_of_the_event_decides_what_is_the_same(anonymous: Any) -> None:
    bound(message_id="=body.event")
    for paid in (1, 2):
        assert post(anonymous, {**BODY, "event": "e-1", "paid": paid}).status_code == 202
    assert Message.objects.get().variables["paid"] == 1


def test_base64_and_a_timestamp(anonymous: Any) -> None:
    bound(
        signature_header="Webhook-Signature",
        signature_prefix="v1,",
        signature_encoding="base64",
        timestamp_header="Webhook-Timestamp",
        tolerance=60,
    )
    raw = json.dumps(BODY).encode()

    def at(moment: float, sent: str | None = None) -> int:
        stamp = str(int(moment))
        signature = base64.b64encode(signed(f"{stamp}.".encode() + raw)).decode()
        headers = {"Webhook-Signature": f"v1,{signature}", "Webhook-Timestamp": sent or stamp}
        return int(post(anonymous, raw, **headers).status_code)

    assert at(time.time()) == 202
    assert at(time.time() - 120) == at(time.time() + 120) == 401
    assert at(time.time(), sent=str(int(time.time()) + 1)) == 401
    assert at(time.time(), sent="soon") == at(time.time(), sent="9" * 40) == 401
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer tok-123456", 202),
        ("bearer tok-123456", 202),
        ("Bearer tok-12345", 401),
        ("Basic tok-123456", 401),
        ("", 401),
    ],
)
def test_a_bearer_token(anonymous: Any, authorization: str, status: int) -> None:
    bound(proof="token", secret_name="token")
    assert post(anonymous, BODY, Authorization=authorization).status_code == status


def test_a_binding_without_its_secret_lets_nobody_in(anonymous: Any) -> None:
    bound(secret_name="gone")
    problem(post(anonymous, BODY), 401, "authentication-failed")


def test_without_keys_nobody_is_let_in_and_nobody_is_told(anonymous: Any, settings: Any) -> None:
    bound()
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": []}
    assert "KEYS" not in str(problem(post(anonymous, BODY), 401, "authentication-failed"))


def test_what_is_not_there_or_off(anonymous: Any) -> None:
    bound(enabled=False)
    problem(post(anonymous, BODY), 404, "not-found")
    problem(post(anonymous, BODY, path="elsewhere"), 404, "not-found")
    problem(anonymous.get(f"{V1}/webhooks/shop/paid"), 405, "method-not-allowed")


def test_bodies_that_cannot_be(anonymous: Any) -> None:
    bound(max_bytes=100)
    problem(post(anonymous, b"x" * 101), 413, "body-too-large")
    problem(post(anonymous, b"{"), 400, "malformed-body")
    problem(post(anonymous, b"\xff"), 400, "malformed-body")
    problem(post(anonymous, b'{"a": 1, "a": 2}'), 400, "malformed-body")
    told = problem(post(anonymous, b'{"other": "hunter2"}'), 422, "event-invalid")
    assert "hunter2" not in told["detail"]
    assert not Message.objects.exists()


def test_who_signed_is_not_kept(anonymous: Any) -> None:
    bound(variables="={seen: headers}", correlation_key="")
    post(anonymous, BODY)
    seen = Message.objects.get().variables["seen"]
    assert not {"x-signature", "authorization", "cookie"} & set(seen)


def test_all_or_nothing(anonymous: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    binding = bound()

    def broken(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr("processes.runtime.messages.publish", broken)
        with pytest.raises(RuntimeError):
            inbound.take(binding, body=BODY, headers={}, message_id="1")
    assert inbound.take(binding, body=BODY, headers={}, message_id="1")
    assert not inbound.take(binding, body=BODY, headers={}, message_id="1")


@pytest.mark.django_db
def test_bindings_that_say_too_little() -> None:
    for fields in ({"secret_name": ""}, {"path": ""}, {"kind": "queue"}, {"kind": "queue", "queue": "q"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            bound(**fields)
    with pytest.raises(ValidationError, match="webhook needs"):
        InboundBinding(name="x", kind="webhook", path="x", message_name="m").full_clean()
    assert bindings.compiles("=body.order") == ""
    assert bindings.compiles("=body.") != ""
