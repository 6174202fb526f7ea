"""Back-pressure: where due jobs wait for too long nothing more begins, and all that drains goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import (
    InboundBinding,
    InboundReceipt,
    Job,
    Message,
    ProcessInstance,
    Signal,
    StartSubscription,
    Timer,
)
from processes.runtime import (
    Rejected,
    instances,
    jobs,
    messages,
    modifications,
    pressure,
    signals,
    starts,
    sweep,
)
from processes.runtime.inbound import Source
from processes.runtime.pressure import Overloaded
from tasks.connectors.message_address import parse_broker
from tasks.connectors.message_reply import Incoming
from tasks.listeners import Address, Listener
from tasks.replies import take_inbound
from tests.drawing import Drawing
from tests.runtime.conftest import Recording, deployed, started

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def limited(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit, a process that has seen nothing yet and looks at every start, and jobs that wait no longer than told."""
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "MAX_QUEUE_AGE": LIMIT}
    monkeypatch.setattr(pressure, "_watch", pressure._Watch())
    monkeypatch.setattr(pressure, "LOOK_EVERY", 0.0)
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)


def order() -> Drawing:
    return Drawing("order").start().service("pay", type="pay").end()


def age(by: float = 60, **which: Any) -> None:
    """Let due jobs have waited for so many seconds longer."""
    Job.objects.filter(state="DUE", **which).update(due_at=F("due_at") - timedelta(seconds=by))


def work() -> int:
    """Do what is due, as a worker does; how many."""
    claimed = jobs.claim(["pay", "ship"], worker="w", limit=100)
    for job in claimed:
        jobs.complete(job.id, job.attempt, {}, by="worker:w")
    return len(claimed)


def overloaded(verb: Callable[[], Any]) -> Overloaded:
    rows = [model.objects.count() for model in (ProcessInstance, Message, Signal, InboundReceipt)]
    with pytest.raises(Overloaded) as told:
        verb()
    assert told.value.code == "overloaded"
    assert rows == [model.objects.count() for model in (ProcessInstance, Message, Signal, InboundReceipt)]
    return told.value


def test_a_start_is_refused_while_a_job_waits_for_too_long_and_not_before_or_after() -> None:
    definition = deployed(order())
    instances.start(definition)
    age(by=LIMIT.total_seconds() - 5)
    instances.start(definition)
    age(by=20.3)
    told = overloaded(lambda: instances.start(definition))
    assert "Expected due jobs to wait for at most 30 s but one of type 'pay' has waited for 45 s" in str(told)
    assert told.retry_in == timedelta(seconds=16)
    assert work() == 2
    instances.start(definition)
    assert ProcessInstance.objects.count() == 3
    assert pressure.refusals() == 1


def test_nothing_that_was_accepted_is_lost() -> None:
    """More comes in than is done, several times around: what was accepted is done to the last one, once."""
    definition = deployed(Drawing("order").start().service("pay", type="pay").service("ship", type="ship").end())
    accepted: list[int] = []
    refused = 0
    for _ in range(60):
        for _ in range(3):
            try:
                accepted.append(instances.start(definition).instance.pk)
            except Overloaded:
                refused += 1
        for job in jobs.claim(["pay", "ship"], worker="w", limit=3):
            jobs.complete(job.id, job.attempt, {}, by="worker:w")
        age(by=4)
    assert refused
    assert pressure.look().age < 2 * LIMIT, "twice as much comes in as is done, and the queue gets no older than that"
    while work():
        pass
    assert sorted(ProcessInstance.objects.filter(state="COMPLETED").values_list("pk", flat=True)) == sorted(accepted)
    assert len(accepted) + refused == 180
    instances.start(definition)


@pytest.mark.parametrize(
    ("seconds", "soonest"), [(30.2, 1), (31.5, 2), (75.1, 46), (4000, 60)], ids=["just", "a bit", "more", "far"]
)
def test_the_further_beyond_the_limit_the_later_to_ask_again(seconds: float, soonest: int) -> None:
    assert pressure.Pressure(timedelta(seconds=seconds), "pay", LIMIT).retry_in == timedelta(seconds=soonest)


def test_what_does_not_wait_for_connectors_refuses_nobody() -> None:
    definition = deployed(order())
    for kind in ("suspended", "parked", "later", "claimed", "external"):
        instance = instances.start(definition, business_key=kind).instance
        job = Job.objects.filter(instance=instance)
        if kind == "suspended":
            instances.suspend(instance.pk)
        elif kind == "parked":
            job.update(parked="breaker")
        elif kind == "claimed":
            jobs.claim_one(job.get().pk, worker="w")
        elif kind == "external":
            job.update(type="theirs")
        job.update(due_at=timezone.now() + timedelta(hours=1 if kind == "later" else -1))
    Recording.only = ("pay", "ship")
    assert pressure.look() == pressure.Pressure(timedelta(), "", LIMIT)
    instances.start(definition)
    Recording.only = ("pay", "theirs")
    assert pressure.look().type == "theirs"
    overloaded(lambda: instances.start(definition))
    Recording.only = ()
    instances.start(definition)


def test_what_is_due_in_future_hides_nothing() -> None:
    definition = deployed(order())
    instances.start(definition)
    instances.start(definition)
    age(by=50)
    Job.objects.filter(pk=Job.objects.earliest("pk").pk).update(due_at=timezone.now() + timedelta(hours=1))
    assert timedelta(seconds=50) <= pressure.look().age < timedelta(seconds=60)


def test_without_a_limit_nobody_looks(settings: Any) -> None:
    definition = deployed(order())
    instances.start(definition)
    age(by=10_000)
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "MAX_QUEUE_AGE": timedelta()}
    with CaptureQueriesContext(connection) as queries:
        instances.start(definition)
    assert not [query for query in queries if "due_at" in query["sql"] and query["sql"].startswith("SELECT")]


def test_a_process_looks_once_a_second_with_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "LOOK_EVERY", 1000.0)
    definition = deployed(order())
    instances.start(definition, force=True)
    Recording.only = (*(f"type-{number}" for number in range(20)), "pay")
    with CaptureQueriesContext(connection) as first:
        instances.start(definition)
    age()
    with CaptureQueriesContext(connection) as second:
        instances.start(definition)
    assert len(first) == len(second) + 1
    monkeypatch.setattr(pressure, "LOOK_EVERY", 0.0)
    overloaded(lambda: instances.start(definition))


@pytest.mark.only_on("postgresql")
def test_a_million_user_tasks_are_not_waded_through() -> None:
    """As a plan, for a test has no million: one entry of the index by type and moment for each type."""
    Recording.only = ("pay", "ship")
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        pressure.look()
        cursor.execute("SET enable_seqscan TO off")
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    assert plan.count("Index Scan using job_due on") == 2, plan
    assert "job_due_any_type" not in plan


# -- who is let in all the same ----------------------------------------------------------------------------------------


def test_a_start_that_was_accepted_is_answered_again() -> None:
    definition = deployed(order())
    first = instances.start(definition, start_key="k")
    age()
    again = instances.start(definition, start_key="k")
    assert (again.instance, again.created) == (first.instance, False)
    overloaded(lambda: instances.start(definition, start_key="other"))


def test_force() -> None:
    definition = deployed(order())
    instances.start(definition)
    age()
    instances.start(definition, force=True)
    assert ProcessInstance.objects.count() == 2


def test_a_refusal_joins_the_callers_transaction_and_breaks_nothing() -> None:
    definition = deployed(order())
    instances.start(definition)
    age()
    with transaction.atomic():
        with pytest.raises(Overloaded):
            instances.start(definition)
        instances.start(definition, force=True)
    assert ProcessInstance.objects.count() == 2


def test_work_goes_on_inside() -> None:
    """Calls, timers, retries and what operators do begin work too: it belongs to what was accepted."""
    deployed(Drawing("called").start().service("ship", type="ship").end())
    caller = started(Drawing("order").start().service("pay", type="pay").call("call", "called").end())
    waiter = started(Drawing("later").start().timer("t", "PT1H").service("pay", type="pay").end())
    deployed(Drawing("nightly").start_timer("s", "PT1H").service("pay", type="pay").end())
    age()
    definition = caller.definition
    overloaded(lambda: instances.start(definition))
    (job,) = jobs.claim(["pay"], worker="w")
    still = Job.objects.create(
        instance=waiter, key=900, node=900, element_id="pay", process_id="later", type="pay", headers={}, retries=1,
        due_at=timezone.now() - timedelta(hours=2), created_at=timezone.now(),
    )  # fmt: skip
    jobs.complete(job.id, job.attempt, {}, by="worker:w")
    assert ProcessInstance.objects.filter(process_id="called", parent=caller).count() == 1
    Timer.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    StartSubscription.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    swept = sweep.sweep_once()
    assert (swept.fired, swept.begun) == (1, 1)
    assert pressure.is_high()
    still.delete()
    instances.cancel(caller.pk)
    age()
    assert pressure.is_high()
    assert modifications.restart(caller.pk, by="user:ada").pk != caller.pk


# -- messages, signals, conditions -------------------------------------------------------------------------------------


def pressed() -> None:
    instances.start(deployed(order()))
    age()


def test_a_message_that_would_only_begin_an_instance_is_refused() -> None:
    deployed(Drawing("begun").start_message("s", "ordered").end())
    known = messages.publish("ordered", correlation_key="1", message_id="m-1")
    pressed()
    overloaded(lambda: messages.publish("ordered", correlation_key="2", message_id="m-2"))
    again = messages.publish("ordered", correlation_key="1", message_id="m-1")
    assert (again.message, again.created) == (known.message, False)
    assert work() == 1
    assert len(messages.publish("ordered", correlation_key="2", message_id="m-2").started) == 1


def test_a_message_that_somebody_waits_for_goes_on() -> None:
    deployed(Drawing("begun").start_message("s", "paid").end())
    waiter = started(Drawing("waits").start().message("hear", "paid", "=id").end(), variables={"id": "7"})
    pressed()
    assert waiter.pk in messages.publish("paid", correlation_key="7").correlated
    overloaded(lambda: messages.publish("paid", correlation_key="8"))
    assert messages.publish("for nobody yet").created


def test_a_signal_that_would_only_begin_instances_is_refused() -> None:
    deployed(Drawing("begun").start_on("s", ("signal", "go")).end())
    pressed()
    overloaded(lambda: signals.broadcast("go"))
    waiter = started_by_force(Drawing("waits").start().catch("hear", ("signal", "go")).end())
    assert signals.broadcast("go").awaited_by == 2
    waiter.refresh_from_db()
    assert waiter.state == "COMPLETED"
    assert signals.broadcast("nobody").awaited_by == 0


def started_by_force(drawing: Drawing) -> ProcessInstance:
    return instances.start(deployed(drawing), force=True).instance


def test_conditions_begin_nothing() -> None:
    deployed(Drawing("hot").start_on("s", ("conditional", "=degrees > 40")).end())
    pressed()
    overloaded(lambda: starts.evaluate_conditions({"degrees": 41}))
    work()
    assert len(starts.evaluate_conditions({"degrees": 41}).started) == 1


def test_a_queue_of_others_keeps_what_cannot_begin_yet() -> None:
    """Neither parked nor dropped: it stays in hand, and so at the broker, until it may be taken over."""
    deployed(Drawing("begun").start_message("s", "ordered").end())
    binding = InboundBinding.objects.create(
        name="shop", kind="queue", url="redis://127.0.0.1:1/0", queue="orders", message_name="ordered"
    )
    pressed()
    address = Address(parse_broker(binding.url), binding.queue)
    listener = Listener(address, take_inbound(Source(binding.pk, binding.name, binding.url, binding.queue)), ours=False)
    turns: list[int] = []

    def meanwhile() -> None:
        turns.append(ProcessInstance.objects.filter(process_id="begun").count())
        if len(turns) == 2:
            work()

    incoming = Incoming(body=b"{}", content_type="application/json", headers={}, message_id="m-1", correlation_id="")
    assert listener._handled(incoming, meanwhile) == ""
    assert turns == [0, 0]
    assert ProcessInstance.objects.filter(process_id="begun").count() == 1


def test_the_log_says_when_it_begins_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    definition = deployed(order())
    instances.start(definition)
    age()
    for _ in range(2):
        overloaded(lambda: instances.start(definition))
    work()
    instances.start(definition)
    told = [record.getMessage() for record in caplog.records if record.name == "processes.runtime.pressure"]
    assert [line.rpartition(": ")[2] for line in told[:1]] == ["new work is refused"]
    assert told[1:] == ["New work is accepted again; this process has refused 2 since it began"]


def test_overloaded_is_a_rejection() -> None:
    """So doors that know nothing of it tell it as any other."""
    assert issubclass(Overloaded, Rejected)
