"""Batches: many instances, one after the other, at a pace, each once, whatever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from processes.engine.commands import Cancel, StartBefore
from processes.models import Batch, BatchItem, Incident, Job, ProcessDefinition, ProcessInstance, Step
from processes.runtime import Rejected, batches, instances, jobs, retention, sweep
from processes.runtime.batches import Progress
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, together
from tests.tasks.fleet import database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass ends with what there is to do, however slow the machine is."""
    monkeypatch.setattr(batches, "AT_ONCE", 600.0)


def order(type: str = "charge") -> Drawing:
    return Drawing("order").start("s").service("a", type=type).service("b", type="b").end("e")


def many(count: int) -> list[int]:
    definition = deployed(order())
    return [instances.start(definition).instance.pk for _ in range(count)]


def move(ids: list[int], **options: object) -> Batch:
    start = [StartBefore("b", variables={"price": Decimal("1.10")})]
    return batches.modify(ids, cancel=[Cancel(element="a")], start=start, reason="why", by="user:alice", **options)  # type: ignore[arg-type]


def results(batch: Batch) -> dict[int, tuple[str, str]]:
    return {item.instance_id: (item.state, item.message) for item in batch.items.all()}


def test_each_has_a_result_of_its_own() -> None:
    first, second, third = many(3)
    instances.cancel(second)
    batch = move([first, second, third, 777, first])
    assert batches.progress(batch) == Progress(pending=4)
    assert sweep.sweep_once(thorough=False).batched == 4
    assert results(batch) == {
        first: ("DONE", ""),
        second: ("REJECTED", f"Expected instance {second} to be running but it is terminated"),
        third: ("DONE", ""),
        777: ("REJECTED", "Expected instance 777 to exist but it does not"),
    }
    batch.refresh_from_db()
    assert (batch.state, batch.ended_at is not None) == ("COMPLETED", True)
    assert ProcessInstance.objects.get(pk=first).variables == {"price": Decimal("1.10")}
    step = Step.objects.get(instance_id=first, command="ModifyInstance")
    assert (step.by, step.facts[0]["reason"]) == ("user:alice", "why")
    assert batches.carry_on() == 0


def test_the_rate_is_kept() -> None:
    batch = move(many(5), rate=10)
    begun, done = Batch.objects.get().created_at, 0
    while batches.progress(batch).pending:
        done += batches.carry_on()
        elapsed = (timezone.now() - begun).total_seconds()
        assert done <= 1 + elapsed * 10
        time.sleep(0.005)
    assert (done, elapsed >= 4 / 10) == (5, True)


def test_what_was_not_swept_is_caught_up_with_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = move(many(8), rate=1)
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # as long as nothing more becomes due
    Batch.objects.update(due_at=now - timedelta(hours=1))
    assert batches.carry_on() == 6
    assert batches.progress(batch) == Progress(pending=2, done=6)


def test_paused_resumed_cancelled() -> None:
    batch = move(many(4))
    assert batches.carry_on(limit=1) == 1
    batches.pause(batch.pk)
    assert batches.carry_on() == 0
    with pytest.raises(Rejected) as told:
        batches.pause(batch.pk)
    assert (told.value.code, str(told.value)) == (
        "batch-not-active", f"Expected batch {batch.pk} to be active but found it paused"
    )  # fmt: skip
    batches.resume(batch.pk)
    assert batches.carry_on(limit=1) == 1
    batches.cancel(batch.pk)
    assert batches.carry_on() == 0
    assert batches.progress(batch) == Progress(pending=2, done=2)
    for verb, code in ((batches.cancel, "batch-ended"), (batches.resume, "batch-not-paused")):
        with pytest.raises(Rejected) as told:
            verb(batch.pk)
        assert told.value.code == code
    with pytest.raises(Rejected) as told:
        batches.cancel(777)
    assert told.value.code == "batch-not-found"


def test_batches_have_their_turns() -> None:
    ids = many(6)
    one, other = move(ids[:3]), move(ids[3:])
    assert batches.carry_on(limit=2) == 2
    assert [batches.progress(batch).done for batch in (one, other)] == [1, 1]


def test_migrate_and_restart() -> None:
    ids = many(3)
    target = deployed(order("newer"))
    instances.cancel(ids[2])
    migrated = batches.migrate(ids, target, reason="newer", by="user:alice")
    again = batches.restart(ids, start=[StartBefore("b")], by="user:alice")
    assert batches.carry_on() == 6
    assert [state for state, _ in results(migrated).values()] == ["DONE", "DONE", "REJECTED"]
    assert ProcessInstance.objects.filter(definition=target).count() == 2
    assert [state for state, _ in results(again).values()] == ["REJECTED", "REJECTED", "DONE"]
    new = ProcessInstance.objects.get(pk=again.items.get(state="DONE").result)
    assert (new.restarted_from_id, new.started_by) == (ids[2], "user:alice")
    gone = batches.migrate(ids[:1], target)
    ProcessInstance.objects.filter(definition=target).delete()
    ProcessDefinition.objects.filter(pk=target.pk).delete()
    batches.carry_on()
    assert results(gone)[ids[0]] == ("REJECTED", f"Expected definition {target.pk} to exist but it does not")


def test_what_is_refused_at_once() -> None:
    (pk,) = many(1)
    for ids, options, code in (
        ([], {}, "batch-empty"),
        ([pk], {"rate": 0}, "value-invalid"),
        (range(1, batches.MOST + 2), {}, "batch-too-large"),
    ):
        with pytest.raises(Rejected) as told:
            move(list(ids), **options)
        assert told.value.code == code
    with pytest.raises(Rejected, match="Expected something to cancel or to start"):
        batches.modify([pk])
    with pytest.raises(Rejected, match="NUL"):
        batches.modify([pk], start=[StartBefore("b", variables={"x": "\0"})])
    assert not Batch.objects.exists()


def test_running_instances_are_found() -> None:
    ids = many(3)
    instances.cancel(ids[0])
    batches.modify([ids[1]], cancel=[Cancel(element="a")], start=[StartBefore("b")])
    batches.carry_on()
    assert batches.running(process_id="order") == ids[1:]
    assert batches.running(process_id="order", element_id="a") == ids[2:]
    assert batches.running(definition_id=ProcessDefinition.objects.get().pk, element_id="b") == [ids[1]]


def test_a_result_outlives_its_instance() -> None:
    (pk,) = many(1)
    batch = batches.modify([pk], cancel=[Cancel(element="a")])
    batches.carry_on()
    assert sum(retention.purge(timedelta())) == 1
    assert results(batch) == {pk: ("DONE", "")}


def test_several_sweepers_do_nothing_twice() -> None:
    batch = move(many(20))

    def sweeping() -> int:
        done = 0
        while batches.progress(batch).pending:
            done += batches.carry_on(limit=3)
        return done

    assert sum(together(sweeping, sweeping, sweeping)) == 20
    assert Counter(Step.objects.filter(command="ModifyInstance").values_list("instance_id", flat=True)) == Counter(
        BatchItem.objects.filter(state="DONE").values_list("instance_id", flat=True)
    )
    assert Job.objects.filter(type="b").count() == 20


SWEEPS = """
import signal
import django
django.setup()
from processes.runtime import batches
print("ready", flush=True)
done = 0
while done < 30:  # so that something is left, however late the signal comes
    done += batches.carry_on(limit=1)
signal.pause()
"""


def retry(ids: list[int]) -> Batch:
    for job in jobs.claim(["charge"], worker="w", limit=len(ids)):
        jobs.fail(job.id, job.attempt, "no", retries=0, by="worker:w")
    return batches.retry(list(Incident.objects.values_list("pk", flat=True)), rate=100)


@pytest.mark.parametrize(
    ("begin", "command", "state"),
    [(lambda ids: move(ids, rate=100), "ModifyInstance", "done"), (retry, "ResolveIncident", "retried")],
    ids=["modify", "retry"],
)
def test_what_a_killed_process_left_is_carried_on_with(
    begin: Callable[[list[int]], Batch], command: str, state: str
) -> None:
    batch = begin(many(60))
    sweeper = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SWEEPS],
        cwd=Path(__file__).resolve().parents[2],
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "SECRET_KEY": "for-tests-only-" + "0" * 40,
        },
        stdout=subprocess.PIPE,
    )
    try:
        assert sweeper.stdout is not None
        assert sweeper.stdout.readline() == b"ready\n"
        until = time.monotonic() + 60
        while getattr(batches.progress(batch), state) < 5 and time.monotonic() < until:
            time.sleep(0.002)
    finally:
        sweeper.send_signal(signal.SIGKILL)
        sweeper.wait(timeout=30)
        sweeper.stdout.close()
    left = batches.progress(batch)
    assert left.pending > 0
    assert getattr(left, state) >= 5
    while batches.progress(batch).pending:
        batches.carry_on()
    assert batches.progress(batch) == Progress(**{state: 60})
    assert batch.items.filter(state=state.upper()).count() == 60
    moved = Counter(Step.objects.filter(command=command).values_list("instance_id", flat=True))
    assert len(moved) == 60
    assert set(moved.values()) == {1}
