"""Messages meet subscriptions: once per process, none lost, none doubled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from processes.models import Job, Message, MessageCorrelation, MessageSubscription, ProcessDefinition, ProcessInstance
from processes.runtime import Rejected, definitions, instances, jobs, messages
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, started, together

pytestmark = pytest.mark.django_db(transaction=True)


def waiting(process_id: str = "order") -> Drawing:
    return Drawing(process_id).start().message("hear", "paid", "=id").end()


def state(instance: ProcessInstance) -> str:
    instance.refresh_from_db()
    return instance.state


def test_a_message_reaches_who_waits() -> None:
    instance, other = started(waiting(), variables={"id": "7"}), started(waiting(), variables={"id": "8"})
    published = messages.publish("paid", correlation_key="7", variables={"sum": 0.5}, by="user:alice")
    assert (published.created, published.correlated) == (True, [instance.pk])
    assert (state(instance), state(other)) == ("COMPLETED", "ACTIVE")
    assert str(instance.variables["sum"]) == "0.5"
    assert instance.history.last().by == "message"
    correlation = MessageCorrelation.objects.get()
    assert (correlation.instance, correlation.process_id) == (instance, "order")


def test_a_message_waits_for_who_comes() -> None:
    assert messages.publish("paid", correlation_key="7").correlated == []
    assert state(started(waiting(), variables={"id": "7"})) == "COMPLETED"


def test_a_message_reaches_one_instance_of_every_process_the_oldest_first() -> None:
    first, second = started(waiting(), variables={"id": "7"}), started(waiting(), variables={"id": "7"})
    other = started(waiting("invoice"), variables={"id": "7"})
    assert sorted(messages.publish("paid", correlation_key="7").correlated) == sorted([first.pk, other.pk])
    assert state(second) == "ACTIVE"
    assert messages.publish("paid", correlation_key="7").correlated == [second.pk]


def test_the_oldest_message_first() -> None:
    for number in (1, 2, 3):
        messages.publish("paid", correlation_key="7", variables={"number": number})
    found = []
    for _ in range(3):
        instance = started(waiting(), variables={"id": "7"})
        instance.refresh_from_db()
        found.append(instance.variables["number"])
    assert found == [1, 2, 3]


def test_a_subscription_that_stays_open_gets_every_message_once() -> None:
    drawing = Drawing().start().service("work", type="a").end()
    instance = started(drawing.on_message("work", "hear", "news", interrupting=False).service("read", type="b"))
    for number in range(3):
        assert messages.publish("news", variables={"n": number}).correlated == [instance.pk]
    assert messages.match() == 0
    assert Job.objects.filter(type="b").count() == 3
    assert MessageSubscription.objects.count() == 1


def test_a_message_id_is_published_once() -> None:
    first = messages.publish("paid", correlation_key="7", message_id="m1")
    again = messages.publish("paid", correlation_key="7", message_id="m1", variables={"x": 1})
    assert (first.created, again.created, again.message) == (True, False, first.message)
    assert messages.publish("paid", correlation_key="8", message_id="m1").created
    assert messages.publish("paid", correlation_key="7").created
    Message.objects.update(expires_at=timezone.now())
    assert messages.publish("paid", correlation_key="7", message_id="m1").created


def test_an_expired_message_reaches_nobody() -> None:
    messages.publish("paid", correlation_key="7", ttl=timedelta(hours=1))
    messages.publish("paid", correlation_key="7", ttl=timedelta())
    Message.objects.filter(expires_at__gt=timezone.now()).update(expires_at=timezone.now())
    instance = started(waiting(), variables={"id": "7"})
    assert messages.match() == 0
    assert state(instance) == "ACTIVE"
    assert messages.expire() == 0  # not at once: its publisher may be about to look
    Message.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert messages.expire() == 2
    assert not Message.objects.exists()


def test_a_message_without_time_to_live_is_for_those_who_wait_now() -> None:
    instance = started(waiting(), variables={"id": "7"})
    assert messages.publish("paid", correlation_key="7", ttl=timedelta()).correlated == [instance.pk]


def test_a_suspended_instance_hears_when_it_is_resumed() -> None:
    instance = started(waiting(), variables={"id": "7"})
    instances.suspend(instance.pk)
    assert messages.publish("paid", correlation_key="7").correlated == []
    assert messages.match() == 0
    instances.resume(instance.pk)
    assert state(instance) == "COMPLETED"


def test_a_message_inside_a_callers_transaction_goes_with_it() -> None:
    instance = started(waiting(), variables={"id": "7"})
    with transaction.atomic():
        messages.publish("paid", correlation_key="7")
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    with transaction.atomic():
        published = messages.publish("paid", correlation_key="7")
        assert published.correlated == []
    assert published.correlated == [instance.pk]


def test_a_thrown_message_reaches_another_process() -> None:
    instance = started(waiting(), variables={"id": "7"})
    thrower = started(Drawing("thrower").start().throw_message("tell", "paid", "=id").end(), variables={"id": "7"})
    assert (state(thrower), state(instance)) == ("COMPLETED", "COMPLETED")
    assert Message.objects.get().published_by == f"instance:{thrower.pk}"


def test_a_thrown_message_with_an_id_is_thrown_once() -> None:
    extension = '<zeebe:publishMessage correlationKey="=id" messageId="=id" timeToLive="PT1H" />'
    drawing = Drawing("thrower").start().throw_message("tell", "paid", "=id").end()
    xml = drawing.xml().replace(
        b"<bpmn:messageEventDefinition messageRef",
        f"<bpmn:extensionElements>{extension}</bpmn:extensionElements><bpmn:messageEventDefinition messageRef".encode(),
    )
    definition = definitions.deploy(xml).definitions[0].definition
    for _ in range(2):
        assert instances.start(definition, variables={"id": "7"}).instance.state == "COMPLETED"
    message = Message.objects.get()
    assert (message.message_id, message.correlation_key) == ("7", "7")
    Message.objects.update(expires_at=timezone.now())
    instances.start(definition, variables={"id": "7"})
    assert Message.objects.get().pk != message.pk


def test_processes_that_answer_each_other_for_ever_do_not_hold_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "AT_ONCE", 20)

    def loop(process_id: str, hears: str, says: str) -> Drawing:
        drawing = Drawing(process_id).start().exclusive("again").message("hear", hears)
        return drawing.throw_message("say", says).to("again")

    started(loop("ping", "ping", "pong"))
    started(loop("pong", "pong", "ping"))
    messages.publish("ping")
    assert MessageCorrelation.objects.count() == messages.AT_ONCE
    assert messages.match(limit=3) == 3
    assert MessageCorrelation.objects.count() == messages.AT_ONCE + 3


def test_what_a_crash_left_is_matched_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(messages, "_meet", lambda *_: [])
        messages.publish("paid", correlation_key="7")
        instance = started(waiting(), variables={"id": "7"})
    assert state(instance) == "ACTIVE"
    assert messages.match() == 1
    assert messages.match() == 0
    assert state(instance) == "COMPLETED"


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": "x", "correlation_key": "\0"},
        {"name": "x", "ttl": timedelta(seconds=-1)},
        {"name": "x", "ttl": timedelta.max},
        {"name": "x", "variables": {"a": float("nan")}},
    ],
)
def test_messages_that_cannot_be_kept_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        messages.publish(**arguments)
    assert refused.value.code == "value-invalid"


def race(definition: ProcessDefinition, key: str) -> list[Callable[[], Any]]:
    return [
        partial(messages.publish, "paid", correlation_key=key),
        partial(instances.start, definition, variables={"id": key}),
        partial(messages.publish, "paid", correlation_key=key),
        partial(instances.start, definition, variables={"id": key}),
    ]


def test_no_race_loses_a_message_or_doubles_it() -> None:
    definition = deployed(waiting())
    for turn in range(15):
        results = together(*race(definition, f"k{turn}"))
        assert [result for result in results if isinstance(result, BaseException)] == []
    assert messages.match() == 0  # nothing was left to the sweep
    assert set(ProcessInstance.objects.values_list("state", flat=True)) == {"COMPLETED"}
    assert ProcessInstance.objects.count() == MessageCorrelation.objects.count() == Message.objects.count() == 30


def test_a_message_and_a_job_of_one_instance_race() -> None:
    drawing = Drawing().start().service("work", type="a").end().on_message("work", "hear", "stop", "=id").end("stopped")
    definition = deployed(drawing)
    for turn in range(10):
        instance = instances.start(definition, variables={"id": str(turn)}).instance
        (job,) = jobs.claim(["a"], worker="w")
        finished, published = together(
            partial(jobs.complete, job.id, 1, {}, by="w"), partial(messages.publish, "stop", correlation_key=str(turn))
        )
        assert state(instance) == "COMPLETED"
        if published.correlated:
            assert isinstance(finished, Rejected)
        else:
            assert finished is None
