"""Queues and streams that are bound to messages: what arrives reaches whoever waits for it, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from processes.models import InboundBinding, InboundReceipt, Message, ProcessInstance
from processes.runtime import definitions, inbound, instances, secrets
from tests.drawing import Drawing
from tests.tasks.connectors.message.conftest import AMQP, REDIS, Rabbit
from tests.tasks.connectors.message.test_round_trip import consuming, program
from tests.tasks.fleet import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.replies.BINDINGS_SECONDS", 0.2)


def bound(queue: str, **fields: Any) -> InboundBinding:
    given = {
        "name": "orders",
        "kind": "queue",
        "queue": queue,
        "url": "" if "secret_url" in fields else AMQP,
        "message_name": "paid",
        "correlation_key": "=body.order",
        "variables": "={paid: body.paid, by: headers.shop}",
    }
    return InboundBinding.objects.create(**given | fields)


def waiting() -> ProcessInstance:
    drawing = Drawing("order").start().message("wait", "paid", "=order").end()
    definition = definitions.deploy(drawing.xml()).definitions[0].definition
    return instances.start(definition, variables={"order": "A-1"}).instance


def reached(instance: ProcessInstance) -> dict[str, Any]:
    def state() -> bool:
        instance.refresh_from_db()
        return instance.state == "COMPLETED"

    eventually(state, what="the message to reach the instance")
    return instance.variables


def test_a_queue_reaches_an_instance_that_waits(rabbit: Rabbit, tmp_path: Path) -> None:
    queue = rabbit.queue("orders")
    bound(queue)
    instance = waiting()
    with program(tmp_path / "consumer.log", "manage.py", "consume_replies", ready="Listening to"):
        for _ in range(2):
            rabbit.put(queue, '{"order": "A-1", "paid": 12.50}', {"Shop": "north"}, message_id="m-1")
        variables = reached(instance)
        eventually(lambda: rabbit.count(queue) == 0)
    assert (str(variables["paid"]), variables["by"]) == ("12.50", "north")
    assert Message.objects.count() == InboundReceipt.objects.count() == 1
    assert Message.objects.get().published_by == "inbound:orders"


def test_a_stream_reaches_an_instance_that_waits(redis: Any, stream: Callable[[str], str]) -> None:
    name = stream("orders")
    redis.xadd(name, {"body": '{"order": "A-1", "paid": 1}', "shop": "south"})  # before anybody listens
    bound(name, url=REDIS)
    instance = waiting()
    with consuming(inbound=True):
        assert reached(instance) == {"order": "A-1", "paid": 1, "by": "south"}
        eventually(lambda: redis.xpending(name, "orchestrator")["pending"] == 0)
    assert redis.xlen(name) == 1  # others may read it, too


def test_bindings_come_and_go(rabbit: Rabbit, settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    secrets.put("the-broker", AMQP)
    queue = rabbit.queue("orders")
    with consuming(inbound=True) as consumers:
        assert consumers.listeners == []
        binding = bound(queue, secret_url="the-broker")
        bound(queue, name="lost", secret_url="nowhere")
        rabbit.put(queue, '{"order": "A-1", "paid": 1}', {"shop": "x"}, message_id="1")
        eventually(lambda: Message.objects.count() == 1)
        InboundBinding.objects.filter(pk=binding.pk).update(enabled=False)
        eventually(lambda: not consumers.listeners)
        rabbit.put(queue, '{"order": "A-2", "paid": 1}', {"shop": "x"}, message_id="2")
        assert Message.objects.count() == 1


def test_without_an_id_the_content_is_the_id(rabbit: Rabbit) -> None:
    queue = rabbit.queue("orders")
    bound(queue)
    with consuming(inbound=True):
        for paid in (1, 1, 2):
            rabbit.put(queue, f'{{"order": "A-1", "paid": {paid}}}', {"shop": "x"})
        eventually(lambda: Message.objects.count() == 2 and not rabbit.count(queue))


@pytest.mark.parametrize("body", ["{", '{"paid": 1}', '{"order": {"id": 1}}'])
def test_what_cannot_become_a_message_is_parked(rabbit: Rabbit, body: str) -> None:
    queue = rabbit.queue("orders")
    bound(queue)
    with consuming(inbound=True):
        rabbit.put(queue, body, {"shop": "x"}, message_id="m-9")
        dead = eventually(lambda: _dead(rabbit, queue))
    assert dead.properties["application_headers"]["shop"] == "x"
    assert dead.properties["application_headers"]["x-parked-because"]
    assert dead.properties["message_id"] == "m-9"
    assert not Message.objects.exists()


def _dead(rabbit: Rabbit, queue: str) -> Any:
    if not rabbit.exists(f"{queue}.dead"):
        return None
    return rabbit.get(f"{queue}.dead")


def test_receipts_are_forgotten_in_time() -> None:
    from django.utils import timezone

    binding = bound("q")
    inbound.take(binding, body={"order": "1", "paid": 1}, headers={"shop": "x"}, message_id="1")
    assert inbound.forget() == 0
    InboundReceipt.objects.update(received_at=timezone.now() - inbound.KEPT)
    assert inbound.forget() == 1
