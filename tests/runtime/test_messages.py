"""Messages meet subscriptions: once per process, none lost, none doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from processes.engine.commands import CorrelateMessage
from processes.models import Job, Message, MessageCorrelation, MessageSubscription, ProcessDefinition, ProcessInstance
from processes.runtime import Rejected, definitions, incidents, instances, jobs, meetings, messages
from processes.runtime import statements as by_hand
from processes.runtime import transaction as runtime
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, deployed, started, together

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


def test_an_expired_message_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "GRACE", timedelta(minutes=10))
    messages.publish("paid", correlation_key="7", ttl=timedelta(hours=1))
    messages.publish("paid", correlation_key="7", ttl=timedelta())
    Message.objects.filter(expires_at__gt=timezone.now()).update(expires_at=timezone.now())
    instance = started(waiting(), variables={"id": "7"})
    assert messages.match() == 0
    assert state(instance) == "ACTIVE"
    assert messages.expire() == 0  # not at once: its publisher may be about to look
    Message.objects.update(expires_at=timezone.now() - messages.GRACE)
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


# -- at once -----------------------------------------------------------------------------------------------------------

postgresql = pytest.mark.only_on("postgresql")
"""SQLite has no round trips to save, and goes the way of all others."""


def writing(texts: list[str]) -> list[str]:
    return [text for text in texts if "INSERT INTO" in text or "orchestrator_insert" in text]


@postgresql
def test_publishing_costs_three_round_trips_and_one_commit(statements: Statements) -> None:
    definition = deployed(waiting())
    for number in range(5):
        instance = instances.start(definition, variables={"id": str(number)}).instance
        before = len(statements)
        assert messages.publish("paid", correlation_key=str(number), message_id="m").correlated == [instance.pk]
        texts = statements.texts[before:]
        assert len(texts) == 3, "who waits, all that follows, and who began to wait meanwhile"
        assert len(writing(texts)) == 1
    assert set(ProcessInstance.objects.values_list("state", flat=True)) == {"COMPLETED"}


@postgresql
def test_a_message_for_nobody_costs_three_round_trips_and_one_commit(statements: Statements) -> None:
    messages.publish("paid", correlation_key="7")
    texts = statements.texts
    assert (len(texts), len(writing(texts))) == (3, 1)


@postgresql
def test_who_begins_to_wait_looks_with_one_statement(statements: Statements) -> None:
    definition = started(waiting(), variables={"id": "7"}).definition
    before = len(statements)
    instances.start(definition, variables={"id": "8"})
    assert len(statements) - before == 3, "a start costs two"


@postgresql
def test_what_is_published_at_once_is_kept_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {"n": 0.10, "deep": [{"ä": None}]}
    asked: dict[str, Any] = {"variables": given, "message_id": "m", "by": "user:alice", "ttl": timedelta(days=1)}
    started(waiting(), variables={"id": "7"})
    at_once = messages.publish("paid", correlation_key="7", **asked).message
    other = messages.publish("paid", correlation_key="8", **asked).message
    kept, plain = Message.objects.order_by("id")
    assert (kept.pk, plain.pk) == (at_once.pk, other.pk)
    assert (kept.published_at, kept.expires_at) == (at_once.published_at, at_once.expires_at)
    assert kept.expires_at - kept.published_at == timedelta(days=1)
    for field in ("name", "variables", "message_id", "published_by"):
        assert getattr(kept, field) == getattr(plain, field), field
    correlation, step = MessageCorrelation.objects.get(), ProcessInstance.objects.get().history.last()
    assert correlation.correlated_at == step.at
    assert not at_once._state.adding


@postgresql
def test_a_buffered_message_is_met_in_one_commit(statements: Statements) -> None:
    definition = started(waiting(), variables={"id": "other"}).definition
    for number in range(5):
        messages.publish("paid", correlation_key=str(number), variables={"n": 0.10})
        before = len(statements)
        instance = instances.start(definition, variables={"id": str(number)}).instance
        texts = statements.texts[before:]
        assert len(texts) == 6, "a start costs two, then a look, who it is, all that follows, and a look again"
        assert len(writing(texts)) == 2
        assert state(instance) == "COMPLETED"
        assert str(instance.variables["n"]) == "0.1"
        assert messages.publish("paid", correlation_key=str(number), ttl=timedelta()).correlated == []


@postgresql
def test_a_message_inside_a_callers_transaction_meets_in_one_commit(statements: Statements) -> None:
    for number in range(3):
        instance = started(waiting(), variables={"id": str(number)})
        with transaction.atomic():
            published = messages.publish("paid", correlation_key=str(number))
            before = len(statements)
        assert published.correlated == [instance.pk]
        assert len(statements) - before == 4


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something done, once, between the question who waits and what is written then."""

    def between(work: Callable[[], Any]) -> None:
        works, glance = [work], meetings.glance

        def looked(*arguments: Any) -> Any:
            found = glance(*arguments)
            if works:
                works.pop()()
            return found

        monkeypatch.setattr(meetings, "glance", looked)

    return between


Meanwhile = Callable[[Callable[[], Any]], None]


@postgresql
def test_a_step_meanwhile_is_not_lost(meanwhile: Meanwhile) -> None:
    instance = started(waiting(), variables={"id": "7"})
    meanwhile(lambda: instances.set_variables(instance.pk, {"x": 1}))
    assert messages.publish("paid", correlation_key="7", variables={"y": 2}).correlated == [instance.pk]
    assert state(instance) == "COMPLETED"
    assert instance.variables == {"id": "7", "x": 1, "y": 2}
    assert [step.number for step in instance.history.order_by("number")] == [1, 2, 3]
    assert Message.objects.count() == MessageCorrelation.objects.count() == 1


@postgresql
def test_an_instance_that_is_suspended_meanwhile_hears_later(meanwhile: Meanwhile) -> None:
    instance = started(waiting(), variables={"id": "7"})
    meanwhile(lambda: instances.suspend(instance.pk))
    assert messages.publish("paid", correlation_key="7").correlated == []
    assert (state(instance), Message.objects.count()) == ("SUSPENDED", 1)
    instances.resume(instance.pk)
    assert state(instance) == "COMPLETED"


@postgresql
@pytest.mark.parametrize("gone", [instances.cancel, lambda pk: ProcessInstance.objects.filter(pk=pk).delete()])
def test_a_message_for_an_instance_that_ended_meanwhile_is_buffered(
    meanwhile: Meanwhile, gone: Callable[[int], Any]
) -> None:
    instance = started(waiting(), variables={"id": "7"})
    meanwhile(lambda: gone(instance.pk))
    assert messages.publish("paid", correlation_key="7").correlated == []
    later = instances.start(instance.definition, variables={"id": "7"}).instance
    assert state(later) == "COMPLETED"


@postgresql
def test_of_two_messages_for_one_instance_the_other_is_buffered(meanwhile: Meanwhile) -> None:
    instance = started(waiting(), variables={"id": "7"})
    meanwhile(lambda: messages.publish("paid", correlation_key="7", variables={"n": 1}))
    assert messages.publish("paid", correlation_key="7", variables={"n": 2}).correlated == []
    instance.refresh_from_db()
    assert instance.variables["n"] == 1
    later = instances.start(instance.definition, variables={"id": "7"}).instance
    later.refresh_from_db()
    assert later.variables["n"] == 2


@postgresql
def test_a_message_that_was_published_meanwhile_is_that_message(meanwhile: Meanwhile) -> None:
    # Twice: so that it is the id that decides, for an instance waits for the second one, too.
    drawing = Drawing("order").start().message("hear", "paid", "=id").message("again", "paid", "=id").end()
    instance = started(drawing, variables={"id": "7"})
    meanwhile(lambda: messages.publish("paid", correlation_key="7", message_id="m"))
    published = messages.publish("paid", correlation_key="7", message_id="m")
    assert not published.created
    assert published.message == Message.objects.get()
    assert state(instance) == "ACTIVE"


@postgresql
def test_a_buffered_message_that_is_gone_meanwhile_reaches_nobody(meanwhile: Meanwhile) -> None:
    definition = deployed(waiting())
    messages.publish("paid", correlation_key="7")
    meanwhile(lambda: Message.objects.all().delete())
    assert state(instances.start(definition, variables={"id": "7"}).instance) == "ACTIVE"
    assert not MessageCorrelation.objects.exists()


@postgresql
def test_a_buffered_message_that_is_brought_meanwhile_is_not_brought_again(meanwhile: Meanwhile) -> None:
    drawing = Drawing().start().service("work", type="a").end()
    drawing.on_message("work", "hear", "news", interrupting=False).service("read", type="b")
    definition = deployed(drawing)
    messages.publish("news")
    meanwhile(lambda: together(messages.match))
    instances.start(definition)
    assert Job.objects.filter(type="b").count() == MessageCorrelation.objects.count() == 1


@postgresql
def test_who_begins_to_wait_meanwhile_is_found_after_the_commit(meanwhile: Meanwhile) -> None:
    first, other = started(waiting(), variables={"id": "7"}), deployed(waiting("invoice"))
    begun: list[ProcessInstance] = []
    meanwhile(lambda: begun.append(instances.start(other, variables={"id": "7"}).instance))
    published = messages.publish("paid", correlation_key="7")
    assert published.correlated == [first.pk, begun[0].pk]
    assert (state(first), state(begun[0])) == ("COMPLETED", "COMPLETED")


def test_a_message_reaches_who_waits_and_begins_what_begins_with_it() -> None:
    instance = started(waiting(), variables={"id": "7"})
    deployed(Drawing("begun").start_message("begin", "paid").end())
    published = messages.publish("paid", correlation_key="7", ttl=timedelta())
    assert published.correlated == [instance.pk, *published.started]
    assert ProcessInstance.objects.get(pk__in=published.started).process_id == "begun"


def test_an_older_message_goes_before_one_that_could_be_met_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(messages, "_meet", lambda *_: [])
        messages.publish("paid", correlation_key="7", variables={"n": 1})
        instance = started(waiting(), variables={"id": "7"})
    assert messages.publish("paid", correlation_key="7", variables={"n": 2}).correlated == []
    instance.refresh_from_db()
    assert (instance.state, instance.variables["n"]) == ("COMPLETED", 1)


def test_a_bug_parks_who_waits_and_keeps_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(waiting(), variables={"id": "7"})
    step = runtime.step

    def bug(process: Any, state: Any, command: Any, at: Any) -> Any:
        if isinstance(command, CorrelateMessage):
            raise ZeroDivisionError
        return step(process, state, command, at)

    with monkeypatch.context() as broken:
        broken.setattr(runtime, "step", bug)
        assert messages.publish("paid", correlation_key="7").correlated == []
    assert Message.objects.count() == 1
    assert not MessageCorrelation.objects.exists()
    incident = instance.incidents.get()
    assert incident.kind == "INTERNAL"
    incidents.resolve(incident.pk)
    assert messages.match() == 1
    assert state(instance) == "COMPLETED"


@postgresql
def test_a_crash_before_the_commit_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(waiting(), variables={"id": "7"})

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(by_hand.Batch, "flush", killed)
    with pytest.raises(Killed):
        messages.publish("paid", correlation_key="7")
    monkeypatch.undo()
    assert not Message.objects.exists()
    assert messages.publish("paid", correlation_key="7").correlated == [instance.pk]


@postgresql
def test_a_crash_after_the_commit_is_looked_for_by_the_sweep(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile
) -> None:
    first, other = started(waiting(), variables={"id": "7"}), deployed(waiting("invoice"))
    begun: list[ProcessInstance] = []
    meanwhile(lambda: begun.append(instances.start(other, variables={"id": "7"}).instance))
    with monkeypatch.context() as crash:
        crash.setattr(messages, "_meet", lambda *_: [])
        assert messages.publish("paid", correlation_key="7").correlated == [first.pk]
    assert (state(first), state(begun[0])) == ("COMPLETED", "ACTIVE")
    assert messages.match() == 1
    assert state(begun[0]) == "COMPLETED"


def test_a_large_instance_hears_as_well() -> None:
    drawing = Drawing().start().service("work", type="a").many("=items").end()
    drawing.on_message("work", "hear", "stop", "=id").end("stopped")
    instance = started(drawing, variables={"id": "7", "items": list(range(60))})
    assert messages.publish("stop", correlation_key="7").correlated == [instance.pk]
    assert state(instance) == "COMPLETED"


def test_of_many_that_publish_one_id_one_does() -> None:
    definition = deployed(waiting())
    for turn in range(5):
        instance = instances.start(definition, variables={"id": f"k{turn}"}).instance
        results = together(*[partial(messages.publish, "paid", correlation_key=f"k{turn}", message_id="m")] * 4)
        assert [result.created for result in results].count(True) == 1
        assert len({result.message.pk for result in results}) == 1
        assert state(instance) == "COMPLETED"
    assert MessageCorrelation.objects.count() == Message.objects.count() == 5


@postgresql
def test_an_instance_that_somebody_holds_is_waited_for() -> None:
    instance = started(waiting(), variables={"id": "7"})
    held, goes = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            instances.set_variables(instance.pk, {"x": 1})
            held.set()
            assert goes.wait(60)

    def publish() -> messages.Published:
        assert held.wait(60)
        threading.Timer(0.2, goes.set).start()
        return messages.publish("paid", correlation_key="7")

    _, published = together(hold, publish)
    assert published.correlated == [instance.pk]
    assert (state(instance), instance.variables["x"]) == ("COMPLETED", 1)
