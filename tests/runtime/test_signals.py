"""Signals reach all who wait, once, and nobody who comes later; what else a process itself waits for is in rows."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from processes.models import (
    Condition,
    Incident,
    Job,
    MessageSubscription,
    ProcessInstance,
    Signal,
    SignalDelivery,
    SignalSubscription,
    Timer,
)
from processes.runtime import Rejected, incidents, instances, jobs, messages, signals, sweep, timers
from processes.runtime import transaction as transactions
from tests.drawing import Drawing
from tests.runtime.conftest import started, together

pytestmark = pytest.mark.django_db(transaction=True)

STOP = ("signal", "stop")


def waiting(process_id: str = "order") -> Drawing:
    return Drawing(process_id).start().catch("hear", STOP).end()


def state(instance: ProcessInstance) -> str:
    instance.refresh_from_db()
    return instance.state


def test_a_signal_reaches_all_who_wait() -> None:
    waiters = [started(waiting()), started(waiting()), started(waiting("invoice"))]
    assert signals.broadcast("stop", {"why": 0.5}, by="user:alice").awaited_by == 3
    assert {state(instance) for instance in waiters} == {"COMPLETED"}
    assert str(waiters[0].variables["why"]) == "0.5"
    assert waiters[0].history.last().by == "signal"
    assert not SignalDelivery.objects.exists()
    assert not SignalSubscription.objects.exists()
    assert signals.forget() == 1
    assert not Signal.objects.exists()


def test_a_signal_is_not_kept_for_who_comes_later() -> None:
    assert signals.broadcast("stop").awaited_by == 0
    assert not Signal.objects.exists()
    assert state(started(waiting())) == "ACTIVE"


def test_a_thrown_signal_reaches_others_and_who_waited_in_the_same_instance() -> None:
    other = started(waiting())
    drawing = Drawing("thrower").start().parallel("f").catch("before", STOP).end("heard").at("f")
    thrower = started(drawing.throw("say", STOP).catch("after", STOP).end("never"))
    assert (state(other), state(thrower)) == ("COMPLETED", "ACTIVE")
    assert [node.element_id for node in thrower.nodes.filter(ended_at=None)] == ["after"]
    assert "heard" in thrower.nodes.values_list("element_id", flat=True)


def test_a_chain_of_signals_is_delivered_to_its_end() -> None:
    ids = [f"p{number}" for number in range(5)]
    chain = [
        started(Drawing(id).start().catch("hear", ("signal", id)).throw("say", ("signal", f"p{number + 1}")).end())
        for number, id in enumerate(ids)
    ]
    signals.broadcast("p0")
    assert [state(instance) for instance in chain] == ["COMPLETED"] * 5


def test_a_signal_inside_a_callers_transaction_goes_with_it() -> None:
    instance = started(waiting())
    with transaction.atomic():
        signals.broadcast("stop")
        transaction.set_rollback(True)
    assert not SignalDelivery.objects.exists()
    assert state(instance) == "ACTIVE"


def test_a_suspended_instance_gets_it_when_it_is_resumed() -> None:
    instance = started(waiting())
    instances.suspend(instance.pk)
    signals.broadcast("stop")
    assert signals.deliver() == 0
    assert SignalDelivery.objects.count() == 1
    assert signals.forget() == 0
    instances.resume(instance.pk)
    assert not SignalDelivery.objects.exists()
    assert state(instance) == "COMPLETED"


def test_what_a_crash_left_is_delivered_later(monkeypatch: pytest.MonkeyPatch) -> None:
    instance, other = started(waiting()), started(waiting())
    with monkeypatch.context() as crash:
        crash.setattr(signals, "deliver", lambda limit: 0)
        signals.broadcast("stop")
    assert state(instance) == "ACTIVE"
    instances.cancel(other.pk)
    swept = sweep.sweep_once()
    assert swept.signalled == 1
    assert state(instance) == "COMPLETED"
    assert not SignalDelivery.objects.exists(), "who was cancelled does not want it any more"


def test_many_are_reached_at_the_pace_of_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AT_ONCE", 2)
    waiters = [started(waiting()) for _ in range(5)]
    signals.broadcast("stop")
    assert SignalDelivery.objects.count() == 3
    assert signals.deliver(limit=2) == 2
    assert signals.deliver() == 1
    assert {state(instance) for instance in waiters} == {"COMPLETED"}


def test_deliverers_at_the_same_time_reach_everyone_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = Drawing().start().service("work", type="a").end().on("work", "hear", STOP, interrupting=False)
    drawing.service("read", type="b").end("e")
    waiters = [started(drawing) for _ in range(8)]
    with monkeypatch.context() as crash:
        crash.setattr(signals, "deliver", lambda limit: 0)
        signals.broadcast("stop")
    results = together(*[partial(signals.deliver)] * 3)
    assert sum(results) == len(waiters)
    assert Job.objects.filter(type="b").count() == len(waiters)


def test_a_subscription_that_stays_open_gets_every_signal() -> None:
    drawing = Drawing().start().service("work", type="a").end().on("work", "hear", STOP, interrupting=False)
    started(drawing.service("read", type="b").end("e"))
    for _ in range(3):
        signals.broadcast("stop")
    assert Job.objects.filter(type="b").count() == 3
    assert SignalSubscription.objects.count() == 1


@pytest.mark.parametrize(("name", "variables"), [("", {}), ("x" * 256, {}), ("stop", {"a": float("nan")})])
def test_signals_that_cannot_be_kept_are_refused(name: str, variables: dict[str, object]) -> None:
    with pytest.raises(Rejected) as refused:
        signals.broadcast(name, variables)
    assert refused.value.code == "value-invalid"


# -- what belongs to the process itself --------------------------------------------------------------------------------


def handled(*definition: str, interrupting: bool = True) -> Drawing:
    handler = Drawing("h").start_on("hs", definition, interrupting=interrupting).service("help", type="b").end("he")
    return Drawing().start().service("work", type="a").end().event_sub_process("sub", handler)


def test_event_sub_processes_of_a_process_wait_in_rows() -> None:
    drawing = handled("message", "m").event_sub_process(
        "two", Drawing("h2").start_on("s2", ("timer", "PT1H")).end("e2")
    )
    drawing.event_sub_process("three", Drawing("h3").start_on("s3", STOP).end("e3"))
    drawing.event_sub_process("four", Drawing("h4").start_on("s4", ("conditional", "=heat > 9")).end("e4"))
    instance = started(drawing)
    for model in (MessageSubscription, Timer, SignalSubscription, Condition):
        assert model.objects.get().node == 0
    messages.publish("m", variables={"x": 1})
    for model in (MessageSubscription, Timer, SignalSubscription, Condition):
        assert not model.objects.exists()
    assert [job.type for job in Job.objects.all()] == ["b"]
    (job,) = jobs.claim(["b"], worker="w")
    jobs.complete(job.id, 1, {}, by="w")
    assert state(instance) == "COMPLETED"
    assert instance.variables == {"x": 1}


@pytest.mark.parametrize("whole", [200, 1])
def test_conditions_in_rows(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", whole)
    instance = started(handled("conditional", "=heat > 9", interrupting=False))
    for degrees, satisfied in ((5, False), (10, True), (11, True), (3, False), (12, True)):
        instances.set_variables(instance.pk, {"heat": degrees})
        assert Condition.objects.get().satisfied is satisfied
    assert Job.objects.filter(type="b").count() == 2
    for job in jobs.claim(["a", "b"], worker="w", limit=5):
        jobs.complete(job.id, 1, {}, by="w")
    assert state(instance) == "COMPLETED"
    assert not Condition.objects.exists()


def test_waits_of_the_process_go_when_it_completes_or_is_cancelled() -> None:
    first, second = started(handled("timer", "PT1H")), started(handled("timer", "PT1H"))
    (job, _) = jobs.claim(["a"], worker="w", limit=2)
    jobs.complete(job.id, 1, {}, by="w")
    instances.cancel(second.pk)
    assert (state(first), state(second)) == ("COMPLETED", "TERMINATED")
    assert not Timer.objects.exists()


def test_a_bug_at_a_timer_of_the_process_is_an_incident_and_does_not_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(handled("timer", "PT1H"))
    Timer.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    real = transactions.step

    def broken(process: object, state: object, command: object, at: object) -> object:
        if type(command).__name__ == "FireTimer":
            raise RuntimeError("a bug")
        return real(process, state, command, at)  # type: ignore[arg-type]

    with monkeypatch.context() as bug:
        bug.setattr(transactions, "step", broken)
        assert timers.fire_due() == 0
        assert Incident.objects.get().node == 0
        assert timers.fire_due() == 0
        assert Incident.objects.count() == 1
    incidents.resolve(Incident.objects.get().pk)
    assert timers.fire_due() == 1
    assert state(instance) == "ACTIVE"
    assert [job.type for job in Job.objects.all()] == ["b"]
