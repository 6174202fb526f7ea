"""Timers of many instances fire in one transaction: what it costs, that it comes to the same as one by one, and that
nobody pays for another's trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.db import transaction as database
from django.utils import timezone

from processes import models as rows
from processes.engine.commands import FireTimer
from processes.engine.errors import Rejected
from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Step, Timer
from processes.runtime import batches, instances, jobs, loader, messages, recorder, sweep, timers, transaction
from tasks import sweeps
from tests.drawing import Drawing
from tests.runtime.conftest import Recording, Statements, deployed, together

pytestmark = pytest.mark.django_db(transaction=True)
postgresql = pytest.mark.only_on("postgresql")


def waiting(drawing: Drawing, number: int, **arguments: Any) -> list[ProcessInstance]:
    """Instances whose timers are due."""
    definition = deployed(drawing)
    begun = [instances.start(definition, **arguments).instance for _ in range(number)]
    Timer.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return begun


def wait_for_an_hour() -> Drawing:
    return Drawing().start().timer("wait", "PT1H")


def states() -> list[str]:
    return list(ProcessInstance.objects.order_by("id").values_list("state", flat=True))


# -- what it costs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("follows", ["end", "job", "timer"])
def test_timers_of_many_instances_cost_one_commit(statements: Statements, follows: str) -> None:
    drawing = wait_for_an_hour()
    if follows == "job":
        drawing.service("task", type="a")
    elif follows == "timer":
        drawing.timer("more", "PT1H")
    waiting(drawing.end(), 40)
    before, single, commits = len(statements), statements.single(), statements.commits
    assert timers.fire_due() == 40
    assert statements.commits - commits == 2, "one that finds that there are some, one for all"
    if connection.vendor == "postgresql":
        assert len(statements) - before == 4, statements.texts[before:]
        assert statements.single() - single <= 10
    assert len(Recording.announced) == (40 if follows == "job" else 0)
    assert {job.id for job in Recording.announced} == set(Job.objects.values_list("id", flat=True))
    before, commits = len(statements), statements.commits
    assert timers.fire_due() == 0
    assert (len(statements) - before, statements.commits - commits) == (1, 1), "nothing is locked to find nothing"


@postgresql
def test_bundles_of_any_size_are_the_same_statements(statements: Statements) -> None:
    for size in (1, 2, 3, 7, 20):
        waiting(wait_for_an_hour().service("task", type="a").end(), size)
        assert timers.fire_due() == size
    assert all(text.startswith("EXECUTE orchestrator_") for text in statements.texts[-1].split("; "))


# -- it comes to the same ----------------------------------------------------------------------------------------------


def boundary(**more: Any) -> Drawing:
    drawing = Drawing().start().service("task", type="a", inputs={"in": "=x"}).end()
    return drawing.on_timer("task", "late", "PT1H", **more).service("remind", type="b").end("reminded")


def nested() -> Drawing:
    inner = Drawing().start("in").service("task", type="a").end("out")
    return Drawing().start().sub_process("sub", inner).end().on_timer("sub", "late", "PT1H").end("given-up")


def undone() -> Drawing:
    drawing = Drawing().start().service("book", type="a").undo_with("book", "cancel")
    return drawing.timer("wait", "PT1H").throw("undo", ("compensate",)).end()


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "an end": lambda: wait_for_an_hour().end(),
    "a job": lambda: wait_for_an_hour().service("task", type="a", inputs={"in": "=x + 1"}).end(),
    "another timer": lambda: wait_for_an_hour().timer("more", "PT2H").end(),
    "a message that is awaited": lambda: wait_for_an_hour().message("hear", "news", "=string(x)").end(),
    "a signal that is awaited": lambda: wait_for_an_hour().catch("hear", ("signal", "s")).end(),
    "a condition that is awaited": lambda: wait_for_an_hour().catch("hear", ("conditional", "=x > 5")).end(),
    "variables": lambda: wait_for_an_hour().script("think", "=x * 2", "y").service("task", type="a").end(),
    "an incident": lambda: wait_for_an_hour().script("think", "=assert(x, x > 5)", "y").end(),
    "a token that waits": lambda: (
        Drawing().start().parallel("fork").timer("wait", "PT1H").parallel("join").end()
        .at("fork").service("task", type="a").to("join")
    ),
    "an interruption": boundary,
    "a reminder": lambda: boundary(interrupting=False),
    "a reminder that is repeated": lambda: (
        Drawing().start().service("task", type="a").end()
        .on_timer("task", "late", "R3/PT1H", kind="timeCycle", interrupting=False).service("remind", type="b").end("no")
    ),
    "an inner scope that is given up": nested,
    "many jobs": lambda: wait_for_an_hour().service("task", type="a").many("=for i in 1..7 return i").end(),
    "a message that is thrown": lambda: wait_for_an_hour().throw_message("tell", "news", "=string(x)").end(),
    "a signal that is thrown": lambda: wait_for_an_hour().throw("tell", ("signal", "s")).end(),
    "a call": lambda: wait_for_an_hour().call("other", "called").end(),
    "compensation": undone,
}  # fmt: skip
ALONE = {"a message that is thrown", "a signal that is thrown", "a call"}
"""What follows writes more than its own instance."""


@pytest.mark.parametrize("what", DRAWINGS)
def test_it_comes_to_the_same_as_one_by_one(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(Drawing("called").start().service("inside", type="c").end())
    one, *others = waiting(DRAWINGS[what](), 4, variables={"x": 1})
    if what == "compensation":
        for job in jobs.claim(["a"], worker="w", limit=4):
            jobs.complete(job.id, 1, by="worker:w")
        Timer.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    (key,) = Timer.objects.filter(instance=one).values_list("key", flat=True)
    transaction.carry_out(one.pk, FireTimer(key), by="timer")
    alone: list[Any] = []
    carry_out = transaction.carry_out

    def noting(instance_id: int, command: Any, **more: Any) -> Any:
        alone.append(instance_id)
        return carry_out(instance_id, command, **more)

    monkeypatch.setattr(transaction, "carry_out", noting)
    assert timers.fire_due() == 3
    assert {pk for pk in alone if pk in {each.pk for each in others}} == (
        {each.pk for each in others} if what in ALONE else set()
    )
    assert len(dump(one)) > 2
    for other in others:
        assert dump(other) == dump(one)


IDENTITY = {"id", "instance", "definition", "business_key", "deliveries", "hinted_at"}


def dump(instance: ProcessInstance) -> list[Any]:
    """Everything that is stored of an instance but for who it is and when it was."""
    found: list[Any] = []
    kinds = [kind for name in rows.__all__ if issubclass(kind := getattr(rows, name), models.Model)]
    for kind in kinds:
        fields = {field.name: field for field in kind._meta.concrete_fields}
        if kind is ProcessInstance:
            some = kind._default_manager.filter(pk=instance.pk)
        elif "instance" in fields and not kind._meta.proxy:
            some = kind._default_manager.filter(instance=instance)
        else:
            continue
        for row in some.order_by("pk"):
            values = {
                name: type(value).__name__ if isinstance(field, models.DateTimeField) else value
                for name, field in fields.items()
                if name not in IDENTITY
                for value in [getattr(row, field.attname)]
            }
            for facts in values.get("facts") or []:
                facts.pop("due_at", None)
            found.append((kind.__name__, values))
    return found


# -- nobody pays for another's trouble ---------------------------------------------------------------------------------


@postgresql
def test_instances_that_somebody_holds_are_passed_over() -> None:
    held, *free = waiting(wait_for_an_hour().end(), 4)
    with database.atomic():
        ProcessInstance.objects.select_for_update().get(pk=held.pk)
        assert together(timers.fire_due) == [3]
    assert states() == ["ACTIVE", *["COMPLETED"] * len(free)]
    assert timers.fire_due() == 1


def test_sweepers_share_the_work(caplog: pytest.LogCaptureFixture) -> None:
    waiting(wait_for_an_hour().service("task", type="a").end(), 60)
    fired = together(*[timers.fire_due] * 4)
    fired.append(timers.fire_due())
    assert sum(fired) == 60
    assert Job.objects.count() == 60
    assert set(ProcessInstance.objects.values_list("steps", flat=True)) == {2}
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_timers_and_those_who_end_their_instances_do_not_wait_for_each_other() -> None:
    begun = waiting(boundary(), 30, variables={"x": 1})

    def cancel(order: int) -> Callable[[], int]:
        def work() -> int:
            for each in begun[::order]:
                with suppress(Rejected):  # of those who cancel one comes first
                    instances.cancel(each.pk)
            return 0

        return work

    results = together(timers.fire_due, cancel(1), timers.fire_due, cancel(-1))
    assert all(isinstance(result, int) for result in results), results
    assert set(states()) == {"TERMINATED"}
    for each in begun:
        assert list(each.history.order_by("number").values_list("number", flat=True)) in ([1, 2], [1, 2, 3])


def test_several_timers_of_one_instance_fire_one_after_the_other() -> None:
    drawing = Drawing().start().parallel("fork").timer("one", "PT1H").parallel("join").end()
    drawing.at("fork").timer("two", "PT1H").to("join").at("fork").timer("three", "PT1H").to("join")
    (instance,) = waiting(drawing, 1)
    assert timers.fire_due() == 3
    assert states() == ["COMPLETED"]
    assert instance.history.count() == 4


def test_a_large_instance_fires_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", 5)
    drawing = Drawing().start().parallel("fork").timer("wait", "PT1H").end()
    drawing.at("fork").service("task", type="a").many("=if large then [1, 2, 3, 4, 5, 6] else [1]").end("all")
    waiting(drawing, 1, variables={"large": True})
    small = waiting(drawing, 2, variables={"large": False})
    assert timers.fire_due() == 3
    assert not Timer.objects.exists()
    assert {each.history.count() for each in small} == {2}


def test_slow_steps_do_not_keep_many_instances_locked(monkeypatch: pytest.MonkeyPatch, statements: Statements) -> None:
    waiting(wait_for_an_hour().end(), 3)
    monkeypatch.setattr(transaction, "LONGEST_STEPS", -1.0)
    assert timers.fire_due() == 0
    monkeypatch.setattr(transaction, "LONGEST_STEPS", 0.02)
    step = transaction.step

    def slow(*arguments: Any) -> Any:
        time.sleep(0.03)
        return step(*arguments)

    monkeypatch.setattr(transaction, "step", slow)
    commits = statements.commits
    assert timers.fire_due() == 3
    assert statements.commits - commits == 4, "one that finds that there are some, and one for each"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A bug that strikes when the step of that instance is written, unless that parks it."""

    def strike(pk: int) -> None:
        write = recorder._Pen.step

        def fails(pen: Any, facts: Any, told: Any) -> None:
            if pen.loaded.id == pk and told.command == "FireTimer":
                raise ZeroDivisionError("a bug")
            write(pen, facts, told)

        monkeypatch.setattr(recorder._Pen, "step", fails)

    return strike


def test_what_cannot_be_written_does_not_keep_others_from_it(broken: Callable[[int], None]) -> None:
    begun = waiting(wait_for_an_hour().end(), 5)
    broken(begun[2].pk)
    assert timers.fire_due() == 4
    assert states() == ["COMPLETED", "COMPLETED", "ACTIVE", "COMPLETED", "COMPLETED"]
    assert Incident.objects.get().instance == begun[2]
    assert timers.fire_due() == 0


def test_rows_that_cannot_be_read_do_not_keep_others_from_firing_together(statements: Statements) -> None:
    begun = waiting(wait_for_an_hour().end(), 5)
    FlowNodeInstance.objects.filter(instance=begun[0], element_id="wait").update(result={"an": "unknown part"})
    ProcessInstance.objects.filter(pk=begun[0].pk).update(state="HALTED")
    for _ in range(2):
        before = Step.objects.count()
        commits = statements.commits
        fired = timers.fire_due()
        assert fired == Step.objects.count() - before
        assert statements.commits - commits <= 4
    assert states()[1:] == ["COMPLETED"] * 4
    assert Timer.objects.get().instance == begun[0]


def test_a_step_that_went_by_the_lock_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = waiting(wait_for_an_hour().end(), 3)
    record_together = recorder.record_together
    calls: list[int] = []

    def overtaken(steps: Any) -> Any:
        calls.append(len(steps))
        with connection.cursor() as cursor:
            cursor.execute("UPDATE processes_processinstance SET steps = steps + 1 WHERE id = %s", [begun[1].pk])
        return record_together(steps)

    monkeypatch.setattr(recorder, "record_together", overtaken)
    assert timers.fire_due() == 3, "each alone, for nothing of all that has happened"
    assert calls == [3]
    assert states() == ["COMPLETED"] * 3
    assert {each.history.count() for each in begun} == {2}


def test_a_crash_before_the_commit_leaves_everything_due(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(wait_for_an_hour().service("task", type="a").end(), 3)
    record_together = recorder.record_together

    class Killed(BaseException):
        """As a process ends."""

    def killed(steps: Any) -> Any:
        record_together(steps)
        raise Killed

    monkeypatch.setattr(recorder, "record_together", killed)
    with pytest.raises(Killed):
        timers.fire_due()
    assert (Step.objects.count(), Timer.objects.count(), Job.objects.count()) == (3, 3, 0)
    assert Recording.announced == []
    monkeypatch.setattr(recorder, "record_together", record_together)
    assert timers.fire_due() == 3
    assert len(Recording.announced) == 3


def test_what_is_awaited_next_meets_what_was_published_before() -> None:
    waiting(wait_for_an_hour().message("hear", "news", "=string(x)").end(), 3, variables={"x": 1})
    for _ in range(3):
        messages.publish("news", correlation_key="1", ttl=timedelta(hours=1))
    assert timers.fire_due() == 3
    assert states() == ["COMPLETED"] * 3


def test_those_of_suspended_instances_rest() -> None:
    one, two = waiting(wait_for_an_hour().end(), 2)
    instances.suspend(one.pk)
    assert timers.fire_due() == 1
    instances.resume(one.pk)
    assert timers.fire_due() == 1
    assert two.history.count() == 2


# -- the sweeper -------------------------------------------------------------------------------------------------------


@pytest.fixture
def sweeper(settings: Any) -> Iterator[sweeps.Sweeper]:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "SWEEP_EVERY": timedelta(minutes=1)}
    found = sweeps.Sweeper("test", [])
    yield found
    found.stop()


def test_a_sweeper_wakes_when_a_timer_is_due(sweeper: sweeps.Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, fire_due = [], timers.fire_due

    def counting(limit: int = timers.MOST) -> int:
        passes.append(threading.current_thread().name)
        return fire_due(limit)

    monkeypatch.setattr(timers, "fire_due", counting)
    drawing = wait_for_an_hour().end()
    definition = deployed(drawing)
    for _ in range(3):
        instances.start(definition)
    due = timezone.now() + timedelta(seconds=1)
    for number, pk in enumerate(Timer.objects.values_list("pk", flat=True)):
        Timer.objects.filter(pk=pk).update(due_at=due + timedelta(milliseconds=5 * number))
    sweeper.start()
    until = time.monotonic() + 30
    while "ACTIVE" in states() and time.monotonic() < until:
        time.sleep(0.05)
    ended = ProcessInstance.objects.order_by("ended_at").values_list("ended_at", flat=True)
    assert all(at is not None and due <= at < due + timedelta(seconds=20) for at in ended)
    assert len(passes) <= 4, "the first round, and few wakes for moments that follow each other"


def test_a_slow_part_of_a_pass_does_not_keep_timers_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    (instance,) = waiting(wait_for_an_hour().end(), 1)
    Timer.objects.update(due_at=timezone.now() + timedelta(hours=1))
    seen: list[str] = []

    def slow() -> int:
        Timer.objects.update(due_at=timezone.now())
        time.sleep(2 * sweep.SOON_SECONDS)
        return 0

    def after() -> int:
        seen.append(ProcessInstance.objects.get(pk=instance.pk).state)
        return 0

    monkeypatch.setattr(batches, "carry_on", slow)
    monkeypatch.setattr(jobs, "hint", after)
    swept = sweep.sweep_once(thorough=False)
    assert (swept.fired, seen) == (1, ["COMPLETED"])


@pytest.mark.parametrize(("swept", "more"), [
    (sweep.Swept(), False),
    (sweep.Swept(fired=timers.MOST - 1), False),
    (sweep.Swept(fired=timers.MOST), True),
    (sweep.Swept(fired=1, lapsed=1), True),
])  # fmt: skip
def test_timers_that_follow_each_other_are_not_gone_after_one_by_one(swept: sweep.Swept, more: bool) -> None:
    assert swept.left_some is more
