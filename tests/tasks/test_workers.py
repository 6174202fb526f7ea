"""Real workers on a real broker: instances are finished, whatever happens to workers and broker meanwhile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from kombu import Connection

from orchestrator.broker import queue_name
from processes.models import Incident, Job, ProcessInstance, Step, Worker
from processes.runtime import Rejected, definitions, instances, jobs
from tests.drawing import Drawing
from tests.tasks.fleet import BROKER, PREFIX, Desk, Fleet, eventually

pytestmark = [pytest.mark.workers, pytest.mark.rabbitmq]


def deployed(drawing: Drawing) -> Any:
    return definitions.deploy(drawing.xml()).definitions[0].definition


def one_task(type: str, **options: Any) -> Any:
    return deployed(Drawing("order").start().service("task", type=type, **options).end())


def completed(*started: instances.Started) -> bool:
    keys = [each.instance.pk for each in started]
    return ProcessInstance.objects.filter(pk__in=keys, state="COMPLETED").count() == len(keys)


def purge(*types: str) -> int:
    """Throw away what lies in the queues. Messages are hints."""
    with Connection(BROKER) as connection:
        channel = connection.channel()
        return sum(channel.queue_purge(queue_name(type)) or 0 for type in types)


def test_a_fleet_finishes_an_instance(fleet: Fleet) -> None:
    fleet.worker(pool="prefork")
    drawing = Drawing("order").start()
    for number in range(3):
        drawing.service(f"task{number}", type="echo", outputs={f"said{number}": "=echo"})
    started = instances.start(deployed(drawing.end()), by="test")

    eventually(lambda: completed(started), what="the instance to complete")

    row = ProcessInstance.objects.get(pk=started.instance.pk)
    assert {name: row.variables[name] for name in ("said0", "said1", "said2")} == {
        "said0": "task0",
        "said1": "task1",
        "said2": "task2",
    }
    steps = list(Step.objects.filter(instance=row).order_by("number"))
    assert [step.command for step in steps] == ["StartInstance", "CompleteJob", "CompleteJob", "CompleteJob"]
    assert all(step.by.startswith("worker:") for step in steps[1:])
    worker = eventually(Worker.objects.first, what="the worker to report")
    assert "echo" in worker.types
    assert steps[1].by == f"worker:{worker.name}"


def test_a_restricted_worker_serves_its_queue_only(fleet: Fleet) -> None:
    """Not even when the next job of the instance would be at hand."""
    fleet.worker(f"-Q{queue_name('echo')}")
    started = instances.start(
        deployed(Drawing("order").start().service("first", type="echo").service("second", type="refuse").end())
    )
    job = eventually(lambda: Job.objects.filter(instance=started.instance, element_id="second").first())
    assert eventually(Worker.objects.first, what="the worker to report").types == ["echo"]
    time.sleep(0.5)
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("DUE", 0)

    fleet.worker("-X", queue_name("echo"))
    incident = eventually(lambda: Incident.objects.filter(instance=started.instance).first())
    assert "NO-STOCK" in incident.message


def test_types_may_share_a_queue(fleet: Fleet, settings: Any) -> None:
    shared = f"{PREFIX}shop"
    settings.ORCHESTRATOR["QUEUES"] = {"echo": shared, "call": shared}
    fleet.worker(f"-Q{shared}", ORCHESTRATOR_QUEUES=f"echo={shared},call={shared}")
    started = instances.start(
        deployed(Drawing("order").start().service("first", type="echo").service("second", type="call").end())
    )
    eventually(lambda: completed(started))
    assert eventually(Worker.objects.first, what="the worker to report").types == ["call", "echo"]


def test_another_worker_takes_over_from_a_killed_one(fleet: Fleet, desk: Desk) -> None:
    first = fleet.worker()
    started = instances.start(one_task("call", headers={"retryBackoff": "PT0S"}))
    with desk.holding():
        eventually(lambda: len(desk.calls()) == 1, what="the first call")
        job = Job.objects.get(instance=started.instance)
        assert (job.state, job.attempt, job.retries) == ("CLAIMED", 1, 3)
        first.kill()
        # A minute is over. Short leases would lapse by themselves, also those of workers that are only slow.
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now())
        second = fleet.worker()
        eventually(lambda: len(desk.calls()) == 2, what="the second call")
        job.refresh_from_db()
        assert (job.state, job.attempt, job.retries) == ("CLAIMED", 2, 2)
        # The first one was not dead after all? Too late.
        with pytest.raises(Rejected) as refused:
            jobs.complete(job.pk, 1, {"answer": "late"}, by="worker:first")
        assert refused.value.code == "job-not-claimed"
    eventually(lambda: completed(started), what="the instance to complete")

    calls = desk.calls()
    assert [call["attempt"] for call in calls] == [1, 2]
    assert calls[0]["key"] == calls[1]["key"]
    assert calls[0]["pid"] != calls[1]["pid"]
    steps = Step.objects.filter(instance=started.instance).order_by("number")
    assert [step.command for step in steps] == ["StartInstance", "FailJob", "CompleteJob"]
    second.wait_for("attempt=2 decision=completed")


def test_work_longer_than_the_lease_is_not_taken_over(fleet: Fleet, desk: Desk) -> None:
    # It is extended before half of it is over: the other half is for machines that are busy.
    fleet.workers(2, ORCHESTRATOR_LEASE_SECONDS="12")
    started = instances.start(one_task("call"))
    with desk.holding():
        eventually(lambda: desk.calls())
        over = timezone.now() + timedelta(seconds=12)
        eventually(lambda: timezone.now() > over, what="the first lease to be over")
    eventually(lambda: completed(started))
    assert len(desk.calls()) == 1


def test_sigterm_lets_the_running_job_finish_and_begins_no_other(fleet: Fleet, desk: Desk) -> None:
    worker = fleet.worker(concurrency=1)
    definition = deployed(Drawing("order").start().service("first", type="call").service("next", type="echo").end())
    running = instances.start(definition)
    with desk.holding():
        eventually(lambda: desk.calls(), what="the call")
        waiting = instances.start(definition)
        worker.terminate()
        worker.wait_for("Warm shutdown")
        time.sleep(0.5)
    assert worker.ended() == 0
    assert [job.element_id for job in Job.objects.filter(instance=running.instance)] == ["next"]
    job = Job.objects.get(instance=waiting.instance)
    assert (job.state, job.attempt) == ("DUE", 0)


def test_sigterm_in_a_forked_worker(fleet: Fleet, desk: Desk) -> None:
    """The children are not told of it, and still do not go on with the instance."""
    worker = fleet.worker(pool="prefork", concurrency=1)
    started = instances.start(
        deployed(Drawing("order").start().service("first", type="call").service("next", type="echo").end())
    )
    with desk.holding():
        eventually(lambda: desk.calls(), what="the call")
        worker.terminate()
        worker.wait_for("Warm shutdown")
    assert worker.ended() == 0
    assert [(job.element_id, job.state) for job in Job.objects.filter(instance=started.instance)] == [("next", "DUE")]


def test_a_poison_job_ends_as_an_incident(fleet: Fleet, desk: Desk) -> None:
    """It kills every process that touches it, and is not given a fourth."""
    worker = fleet.worker(pool="prefork", ORCHESTRATOR_LEASE_SECONDS="1")
    started = instances.start(one_task("poison", headers={"retryBackoff": "PT0S"}))
    incident = eventually(lambda: Incident.objects.filter(instance=started.instance).first())
    assert "silent" in incident.message
    assert sorted(call["attempt"] for call in desk.calls("poison")) == [1, 2, 3]
    assert len({call["pid"] for call in desk.calls("poison")}) == 3
    # The worker itself is alive, and goes on.
    fine = instances.start(one_task("echo"))
    eventually(lambda: completed(fine))
    assert "ready." in worker.output()


@pytest.mark.timeout(600)
def test_a_thousand_instances_take_exactly_their_steps(fleet: Fleet) -> None:
    fleet.workers(2, concurrency=4)
    drawing = Drawing("order").start()
    for number in range(2):
        drawing.service(f"task{number}", type="echo")
    definition = deployed(drawing.end())
    started = time.monotonic()
    for _ in range(50):
        with transaction.atomic():
            for _ in range(20):
                instances.start(definition)
    print(f"1,000 instances were started in {time.monotonic() - started:.1f} s")
    eventually(
        lambda: ProcessInstance.objects.filter(state="COMPLETED").count() == 1000, within=400, what="1,000 to complete"
    )
    print(f"1,000 instances with 2 tasks each took {time.monotonic() - started:.1f} s")
    assert Step.objects.count() == 1000 * 3
    assert Step.objects.filter(command="CompleteJob").count() == 2000
    assert not Job.objects.exists()
    assert not Incident.objects.exists()


def test_lost_messages_are_found_by_the_sweep(fleet: Fleet) -> None:
    fleet.worker().kill()  # the queues are there now
    purge("echo")  # what other tests left
    definition = one_task("echo")
    started = [instances.start(definition) for _ in range(5)]
    lost = 0

    def all_lost() -> bool:
        nonlocal lost
        lost += purge("echo")
        return lost >= 5

    eventually(all_lost, what="5 messages to lose")
    fleet.worker()
    eventually(lambda: completed(*started), what="all to complete")


@contextmanager
def broker_stopped() -> Iterator[None]:
    subprocess.run(["rabbitmqctl", "-q", "stop_app"], check=True, timeout=150)
    try:
        yield
    finally:
        subprocess.run(["rabbitmqctl", "-q", "start_app"], check=True, timeout=150)


@pytest.mark.skipif(
    not shutil.which("rabbitmqctl") and not os.environ.get("CI"), reason="rabbitmqctl is not on this machine"
)
@pytest.mark.timeout(600)
def test_a_broker_may_be_restarted(fleet: Fleet, desk: Desk) -> None:
    worker = fleet.worker()
    definition = deployed(Drawing("order").start().service("first", type="call").service("next", type="echo").end())
    before = instances.start(definition)
    with desk.holding():
        eventually(lambda: desk.calls(), what="the call")
        with broker_stopped():
            began = time.monotonic()
            during = [instances.start(definition) for _ in range(20)]
            # Patience with the broker, once for each of them, would take ten minutes.
            assert time.monotonic() - began < 60, "the broker held the caller up"
    after = instances.start(definition)
    eventually(lambda: completed(before, *during, after), within=120, what="all to complete")
    assert all(call["attempt"] == 1 for call in desk.calls())
    eventually(
        lambda: re.search("Connected to amqp.*Connected to amqp", worker.output(), re.DOTALL), what="a new connection"
    )


def test_callbacks_and_states_of_celery_are_true(fleet: Fleet, desk: Desk) -> None:
    worker = fleet.worker(TELL_STATES="1")
    fine = instances.start(one_task("echo"))
    failing = instances.start(one_task("fail", retries=2, headers={"retryBackoff": "PT0S"}))
    broken = instances.start(one_task("break", retries=1))
    refused = instances.start(one_task("refuse"))
    leaving = instances.start(one_task("leave", retries=1))
    unstorable = instances.start(one_task("unstorable"))
    eventually(lambda: Incident.objects.count() == 5, what="five incidents")
    eventually(lambda: completed(fine))

    def states() -> list[tuple[str, str, int]]:
        return sorted((told["state"], told["task"], told["report"]["attempt"]) for told in desk.calls("state"))

    assert eventually(lambda: len(states()) >= 7 and states()) == [
        ("FAILURE", "break", 1),
        ("FAILURE", "fail", 2),
        ("FAILURE", "leave", 1),
        ("FAILURE", "unstorable", 1),
        ("RETRY", "fail", 1),
        ("SUCCESS", "echo", 1),
        ("SUCCESS", "refuse", 1),
    ]
    lines = worker.output()
    for instance, type, attempt, beginning, end in (
        (fine, "echo", 1, "INFO tasks.jobs: Job done:", "decision=completed"),
        (failing, "fail", 1, "WARNING tasks.jobs: Job to be retried:", "The world said no, for the 1. time"),
        (failing, "fail", 2, "ERROR tasks.jobs: Job failed:", "The world said no, for the 2. time"),
        (broken, "break", 1, "ERROR tasks.jobs: Job failed:", "ZeroDivisionError: nobody expected this"),
        (refused, "refuse", 1, "INFO tasks.jobs: Job done:", "decision=error"),
        (leaving, "leave", 1, "ERROR tasks.jobs: Job failed:", "SystemExit: 3"),
        (unstorable, "unstorable", 1, "ERROR tasks.jobs: Job failed:", "thing"),
    ):
        which = f"type={type} instance={instance.instance.pk} element=task attempt={attempt} "
        assert [line for line in lines.splitlines() if beginning in line and which in line and end in line], (
            f"{beginning} ... {which} ... {end}"
        )
    assert "Traceback" not in lines, "failed jobs are told in one line each"
    journal = Step.objects.get(instance=broken.instance, command="FailJob").journal
    assert "nobody expected this" in journal["traceback"]
