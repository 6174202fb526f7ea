"""Starting, stepping, setting, suspending, cancelling: what the rows say afterwards."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from processes.models import FlowNodeInstance, Job, MessageSubscription, ProcessInstance, Step, Timer, Token
from processes.runtime import Rejected, instances, jobs, timers
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, started, together

pytestmark = pytest.mark.django_db


def sequence(*types: str) -> Drawing:
    drawing = Drawing("sequence").start()
    for number, type in enumerate(types, start=1):
        drawing.service(f"task{number}", type=type)
    return drawing.end()


def test_a_start_stands_at_the_first_task() -> None:
    instance = started(sequence("charge"), variables={"amount": 0.1}, business_key="order-7", by="user:alice")

    instance.refresh_from_db()
    assert (instance.state, instance.steps, instance.business_key) == ("ACTIVE", 1, "order-7")
    assert instance.variables == {"amount": Decimal("0.1")}
    start, task = FlowNodeInstance.objects.filter(instance=instance)
    assert (start.element_id, start.element_type, start.state) == ("start", "startEvent", "COMPLETED")
    assert (task.element_id, task.state, task.ended_at) == ("task1", "ACTIVE", None)
    job = Job.objects.get(instance=instance)
    assert (job.type, job.state, job.attempt, job.retries, job.element_id) == ("charge", "DUE", 0, 3, "task1")
    step = Step.objects.get(instance=instance)
    assert (step.number, step.command, step.by) == (1, "StartInstance", "user:alice")
    assert [fact["fact"] for fact in step.facts][:2] == ["InstanceStarted", "NodeEntered"]
    assert not Token.objects.exists()


def test_a_bare_service_task_runs_to_the_end() -> None:
    instance = started(sequence("a", "b"))
    for type in "ab":
        (job,) = jobs.claim([type], worker="w")
        jobs.complete(job.id, job.attempt, {type: 1}, by="worker:w")

    instance.refresh_from_db()
    assert (instance.state, instance.steps, instance.variables) == ("COMPLETED", 3, {"a": 1, "b": 1})
    assert instance.ended_at is not None
    assert [step.number for step in instance.history.all()] == [1, 2, 3]
    assert not Job.objects.exists()
    assert set(FlowNodeInstance.objects.values_list("state", flat=True)) == {"COMPLETED"}


def test_a_process_without_waits_ends_where_it_starts() -> None:
    instance = started(Drawing().start().script("add", "=1 + 1", "two").end())
    assert (instance.state, instance.variables, instance.steps) == ("COMPLETED", {"two": 2}, 1)


def test_the_database_refuses_a_step_twice() -> None:
    instance = started(sequence("a"))
    step = instance.history.get()
    step.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        step.save(force_insert=True)


def test_the_database_refuses_a_key_twice() -> None:
    instance = started(sequence("a"))
    for part in (FlowNodeInstance.objects.first(), Job.objects.first()):
        assert part is not None
        part.pk = None
        with pytest.raises(IntegrityError), transaction.atomic():
            part.save(force_insert=True)
    assert instance.steps == 1


def test_a_forgotten_lock_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(sequence("a"))
    from processes.runtime import recorder
    from processes.runtime import transaction as runtime_transaction

    real = runtime_transaction.load

    def unlocked(instance_id: int, **arguments: Any) -> Any:
        loaded = real(instance_id, **arguments)
        ProcessInstance.objects.filter(pk=instance_id).update(steps=7)  # as if somebody else had stepped
        return loaded

    monkeypatch.setattr(runtime_transaction, "load", unlocked)
    with pytest.raises(recorder.Overtaken):
        instances.set_variables(instance.pk, {"x": 1})
    instance.refresh_from_db()
    assert (instance.steps, instance.variables) == (1, {})


def test_who_waited_for_an_instance_is_not_before_the_step_that_he_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(sequence("a"))
    from processes.runtime import transaction as runtime_transaction

    real = runtime_transaction.load

    def waiting(instance_id: int, **arguments: Any) -> Any:
        monkeypatch.setattr(runtime_transaction, "load", real)
        instances.set_variables(instance_id, {"x": 1})  # by whoever held it
        return real(instance_id, **arguments)

    monkeypatch.setattr(runtime_transaction, "load", waiting)
    instances.set_variables(instance.pk, {"x": 2})
    moments = list(instance.history.order_by("number").values_list("at", flat=True))
    assert len(moments) == 3
    assert moments == sorted(moments)


def test_variables_are_merged_and_checked() -> None:
    instance = started(sequence("a"), variables={"x": 1, "y": 1})
    instances.set_variables(instance.pk, {"y": 2, "z": Decimal("3.10")}, by="user:alice")
    instance.refresh_from_db()
    assert instance.variables == {"x": 1, "y": 2, "z": Decimal("3.10")}
    assert str(instance.variables["z"]) == "3.10"
    with pytest.raises(Rejected, match=r"at \$\.a\[0\] found"):
        instances.set_variables(instance.pk, {"a": [object()]})
    with pytest.raises(Rejected) as refused:
        instances.set_variables(instance.pk, {}, scope=99)
    assert refused.value.code == "scope-not-found"


def test_local_variables_are_seen_by_the_job_only() -> None:
    instance = started(sequence("a"), variables={"x": 1, "y": 1})
    scope = FlowNodeInstance.objects.get(element_id="task1").key
    instances.set_variables(instance.pk, {"x": 2}, scope=scope)
    (job,) = jobs.claim(["a"], worker="w")
    assert job.variables == {"x": 2, "y": 1}
    instance.refresh_from_db()
    assert instance.variables == {"x": 1, "y": 1}


@pytest.mark.parametrize("verb", ["set_variables", "cancel", "suspend", "resume"])
def test_verbs_on_nothing_and_on_the_ended_are_refused(verb: str) -> None:
    arguments: tuple[Any, ...] = ({},) if verb == "set_variables" else ()
    with pytest.raises(Rejected) as refused:
        getattr(instances, verb)(4711, *arguments)
    assert refused.value.code == "instance-not-found"
    instance = started(Drawing().start().end())
    with pytest.raises(Rejected) as refused:
        getattr(instances, verb)(instance.pk, *arguments)
    assert refused.value.code == "instance-ended"


def test_a_cancelled_instance_leaves_history_and_nothing_else() -> None:
    drawing = Drawing().start().parallel("fork").service("a").at("fork").timer("wait", "PT1H")
    instance = started(drawing.at("fork").message("hear", "news", '="k"'))
    instances.cancel(instance.pk, reason="ordered twice", by="user:alice")

    instance.refresh_from_db()
    assert (instance.state, instance.ended_because) == ("TERMINATED", "ordered twice")
    for model in (Job, Timer, MessageSubscription, Token):
        assert not model.objects.exists()
    assert not FlowNodeInstance.objects.filter(ended_at=None).exists()
    assert instance.history.last().by == "user:alice"


def test_a_start_key_starts_one() -> None:
    definition = deployed(sequence("a"))
    first = instances.start(definition, start_key="k")
    second = instances.start(definition, start_key="k")
    assert (first.created, second.created) == (True, False)
    assert first.instance == second.instance
    assert instances.start(definition).created
    with pytest.raises(Rejected):
        instances.start(definition, start_key="k" * 256)


@pytest.mark.django_db(transaction=True)
def test_a_start_key_starts_one_under_threads() -> None:
    definition = deployed(sequence("a"))
    for turn in range(5):
        results = together(*[partial(instances.start, definition, start_key=f"k{turn}")] * 4)
        assert {result.instance.pk for result in results} == {results[0].instance.pk}
        assert sum(result.created for result in results) == 1
    assert ProcessInstance.objects.count() == 5
    assert Job.objects.count() == 5


def test_a_suspended_instance_gives_out_no_work() -> None:
    drawing = Drawing().start().parallel("fork").service("a").service("b").end()
    instance = started(drawing.at("fork").timer("wait", "PT0S").end("late"))
    (job,) = jobs.claim(["a"], worker="w")

    instances.suspend(instance.pk, reason="look first", by="user:alice")
    assert timers.fire_due() == 0
    with pytest.raises(Rejected) as refused:
        instances.suspend(instance.pk)
    assert refused.value.code == "instance-suspended"

    # What was under way may finish; what follows from it is not given out.
    then = jobs.Continuation(frozenset({"b"}), "w", timedelta(seconds=60))
    assert jobs.complete(job.id, job.attempt, {}, by="worker:w", then=then) is None
    assert Job.objects.get().suspended
    assert jobs.claim(["b"], worker="w") == []
    assert jobs.claim_one(Job.objects.get().pk, worker="w") is None
    assert jobs.hint() == 0

    instances.resume(instance.pk, by="user:alice")
    with pytest.raises(Rejected) as refused:
        instances.resume(instance.pk)
    assert refused.value.code == "instance-not-suspended"
    assert len(jobs.claim(["b"], worker="w")) == 1
    assert timers.fire_due() == 1


def test_resuming_announces_what_is_due(announced: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    instance = started(sequence("a"))
    instances.suspend(instance.pk)
    with django_capture_on_commit_callbacks(execute=True):
        instances.resume(instance.pk)
    assert [job.type for job in announced] == ["a"]


@pytest.mark.django_db(transaction=True)
def test_the_callers_rollback_takes_the_process_with_it(announced: list[Any]) -> None:
    definition = deployed(sequence("a", "b"))
    instance = instances.start(definition).instance
    (job,) = jobs.claim(["a"], worker="w")
    announced.clear()

    with transaction.atomic():
        instances.start(definition)
        jobs.complete(job.id, job.attempt, {"x": 1}, by="worker:w")
        assert Job.objects.filter(type="b").exists()
        transaction.set_rollback(True)

    assert ProcessInstance.objects.get().variables == {}
    assert Job.objects.get().pk == job.id
    assert announced == []
    with transaction.atomic():
        jobs.complete(job.id, job.attempt, {"x": 1}, by="worker:w")
    instance.refresh_from_db()
    assert instance.variables == {"x": 1}
    assert [job.type for job in announced] == ["b"]


@pytest.mark.django_db(transaction=True)
def test_two_branches_that_arrive_at_once_join_once() -> None:
    drawing = Drawing().start().parallel("fork").service("a").parallel("join").service("c").end()
    drawing.at("fork").service("b").to("join")
    definition = deployed(drawing)
    for _ in range(10):
        instance = instances.start(definition).instance
        left, right = jobs.claim(["a", "b"], worker="w", limit=2)
        results = together(
            partial(jobs.complete, left.id, left.attempt, {"left": 1}, by="worker:1"),
            partial(jobs.complete, right.id, right.attempt, {"right": 1}, by="worker:2"),
        )
        assert results == [None, None]
        assert FlowNodeInstance.objects.filter(instance=instance, element_id="join").count() == 1
        assert Job.objects.get(instance=instance).type == "c"
        instance.refresh_from_db()
        assert (instance.steps, instance.variables) == (3, {"left": 1, "right": 1})


@pytest.mark.only_on("sqlite")  # PostgreSQL locks rows
@pytest.mark.django_db(transaction=True)
def test_transactions_on_sqlite_take_the_write_lock_at_once() -> None:
    said: list[str] = []

    def listen(execute: Any, sql: str, *rest: Any) -> Any:
        said.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(listen):
        started(sequence("a"))
    assert "BEGIN IMMEDIATE" in said
    assert "BEGIN" not in said


def test_a_timer_fires_when_it_is_due() -> None:
    instance = started(Drawing().start().timer("wait", "PT1H").end())
    assert timers.fire_due() == 0
    Timer.objects.update(due_at=timezone.now())
    assert timers.fire_due() == 1
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert instance.history.last().by == "timer"
