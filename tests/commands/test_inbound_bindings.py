"""`inbound_bindings`: the same verbs as REST and admin, for scripts."""

from __future__ import annotations

from typing import Any

from processes.models import InboundBinding
from processes.runtime import inbound

BANK = (
    '{"kind": "webhook", "path": "bank", "secret_name": "BANK_KEY", "message_name": "paid", '
    '"correlation_key": "=body.order", "tolerance": 60}'
)


def test_the_life_of_a_binding(run: Any, tmp_path: Any) -> None:
    made = run("inbound_bindings", "set", "bank", BANK)
    assert made.code == 0, made.err
    assert made.out.strip() == "bank (webhook) /api/v1/webhooks/bank: paid, correlated by =body.order"
    file = tmp_path / "change.json"
    file.write_text('{"message_name": "charged", "time_to_live": 90}')
    assert run("inbound_bindings", "set", "bank", f"@{file}", "--json").json["message_name"] == "charged"
    shown = run("inbound_bindings", "show", "bank", "--json").json
    assert (shown["tolerance"], shown["time_to_live"], shown["enabled"]) == (60, 90, True)
    assert "correlation_key: =body.order" in run("inbound_bindings", "show", "bank").out
    assert inbound.by_path("bank") is not None
    assert run("inbound_bindings", "pause", "bank").out.strip().endswith(", paused")
    assert inbound.by_path("bank") is None
    assert "paused" not in run("inbound_bindings", "resume", "bank").out
    assert "1 inbound bindings." in run("inbound_bindings", "list").out
    assert [row["name"] for row in run("inbound_bindings", "list", "--json").json] == ["bank"]
    assert run("inbound_bindings", "delete", "bank", "--json").json == {"name": "bank", "deleted": True}
    gone = run("inbound_bindings", "show", "bank")
    assert (gone.code, "inbound-binding-not-found" in gone.err) == (1, True)


def test_what_could_not_work_is_refused(run: Any) -> None:
    for fields, says in (
        ('{"kind": "queue", "queue": "q", "message_name": "m", "url": "amqp://me:literally@mq"}', "without a password"),
        ('{"kind": "webhook", "message_name": "m"}', "a webhook needs"),
        ('{"kind": "webhook", "colour": "red"}', "but found colour"),
        ('{"kind": "webhook", "tolerance": 1.5}', "Expected tolerance to be a whole number"),
        ('{"kind": "webhook", "tolerance": 99999999}', "tolerance: "),
        ('{"kind": "webhook", "queue": 7}', "Expected queue to be text but found"),
        ('{"kind": "webhook", "message_name": "\\u0000"}', "Expected message_name that can be kept"),
        ('{"kind": null}', "Expected kind to be text but found"),
    ):
        refused = run("inbound_bindings", "set", "bank", fields)
        assert (refused.code, says in refused.err, "literally" in refused.err) == (1, True, False), refused.err
    assert not InboundBinding.objects.exists()
