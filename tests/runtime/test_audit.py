"""Whatever is done to the installation is written down with it, and what did not happen is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from processes.models import Action, ProcessInstance
from processes.runtime import (
    Rejected,
    audit,
    batches,
    bindings,
    connections,
    definitions,
    instances,
    retention,
    secrets,
)
from processes.runtime.modifications import Cancel
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db
BY = "user:ada"


def told() -> list[tuple[str, str, str, str, str]]:
    return list(Action.objects.order_by("id").values_list("verb", "kind", "name", "by", "reason"))


def deploy() -> Any:
    return definitions.deploy(Drawing("order").start().service("t", type="t").end().xml(), by=BY).definitions[0]


def test_deployments_only_where_there_is_something_new() -> None:
    deploy()
    deploy()
    assert told() == [("deploy", "process definition", "order", BY, "")]
    assert Action.objects.get().details["version"] == 1


def test_connections_from_the_first_to_the_last() -> None:
    connections.put("shop", {"url": "https://shop.example"}, by=BY)
    connections.put("shop", {"rate": 5.0}, by=BY)
    connections.pause("shop", by=BY, reason="Maintenance")
    connections.resume("shop", by=BY)
    connections.drop("shop", by=BY)
    assert told() == [
        ("create", "connection", "shop", BY, ""),
        ("change", "connection", "shop", BY, ""),
        ("pause", "connection", "shop", BY, "Maintenance"),
        ("resume", "connection", "shop", BY, ""),
        ("drop", "connection", "shop", BY, ""),
    ]
    assert Action.objects.order_by("id")[1].details == {"fields": ["rate"]}


def test_secrets_without_their_values(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    secrets.put("TOKEN", "hunter2-hunter2", by=BY)
    secrets.put("TOKEN", "hunter3-hunter3", by=BY)
    secrets.rotate(by=BY)
    secrets.drop("TOKEN", by=BY)
    assert [verb for verb, *_ in told()] == ["create", "change", "rotate", "drop"]
    assert "hunter" not in str(list(Action.objects.values()))


def test_bindings() -> None:
    given = {"kind": "webhook", "path": "paid", "message_name": "paid", "proof": "hmac", "secret_name": "PAID"}
    bindings.put("paid", given, by=BY)
    bindings.pause("paid", by=BY)
    bindings.resume("paid", by=BY)
    bindings.drop("paid", by=BY)
    assert [verb for verb, *_ in told()] == ["create", "pause", "resume", "drop"]


def test_batches_with_their_reason_and_without_their_variables() -> None:
    pk = instances.start(deploy().definition, variables={"iban": "DE12"}, by=BY).instance.pk
    Action.objects.all().delete()
    batch = batches.modify([pk], cancel=[Cancel(element="t")], reason="Wrong tariff", by=BY)
    batches.pause(batch.pk, by=BY)
    batches.resume(batch.pk, by=BY)
    batches.cancel(batch.pk, by=BY)
    assert [(verb, reason) for verb, _, _, _, reason in told()] == [
        ("create", "Wrong tariff"), ("pause", ""), ("resume", ""), ("cancel", ""),
    ]  # fmt: skip
    assert Action.objects.order_by("id")[0].details == {"kind": "MODIFY", "instances": 1}


def test_a_purge_says_how_many() -> None:
    pk = instances.start(deploy().definition, by=BY).instance.pk
    instances.cancel(pk, by=BY)
    assert list(retention.purge(timedelta(), by=BY)) == [1]
    assert not ProcessInstance.objects.exists()
    assert Action.objects.get(verb="purge").details["instances"] == 1


def test_what_is_refused_leaves_no_record() -> None:
    for verb in (
        lambda: secrets.drop("NONE", by=BY),
        lambda: connections.pause("none", by=BY),
        lambda: batches.cancel(777, by=BY),
        lambda: bindings.pause("none", by=BY),
    ):
        with pytest.raises(Rejected):
            verb()
    assert told() == []


def test_records_are_kept_for_a_year() -> None:
    for days in (1, 366):
        audit.record("pause", "connection", f"{days}", by=BY)
        Action.objects.filter(name=f"{days}").update(at=timezone.now() - timedelta(days=days))
    assert audit.forget() == 1
    assert Action.objects.get().name == "1"
