"""What the newest attempts say: how long jobs of a type waited and took, and which failures are alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.models import FlowNodeInstance, Incident, Job, Minute, ProcessInstance, Step
from processes.runtime import definitions, instances, jobs, sweep, throughput
from processes.runtime.statistics import attempts
from processes.runtime.statistics.times import SHORTEST, Times
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 31, 12, 30, 30, tzinfo=UTC)


def begun(process: str = "order", type: str = "charge", retries: int = 3) -> ProcessInstance:
    drawing = Drawing(process).start().service("t", type=type, retries=retries).end()
    definition: Any = definitions.deploy(drawing.xml()).definitions[0].definition
    return instances.start(definition).instance


def held(row: ProcessInstance) -> Any:
    Job.objects.filter(instance=row).update(due_at=datetime(2020, 1, 1, tzinfo=UTC))
    job = jobs.claim_one(Job.objects.get(instance=row).pk, worker="w")
    assert job is not None
    return job


def completed(*, waited: float, worked: object, minutes_ago: float = 1, type: str = "charge") -> None:
    """A job that ended then; `worked` is what its worker said."""
    row = begun(f"of-{type}", type)
    job = held(row)
    jobs.complete(job.id, job.attempt, {}, by="worker:w", journal={"seconds": worked} if worked is not None else None)
    at = NOW - timedelta(minutes=minutes_ago)
    took = float(worked) if isinstance(worked, int | float) else 0.0
    Step.objects.filter(instance=row).update(at=at)
    FlowNodeInstance.objects.filter(instance=row).update(entered_at=at - timedelta(seconds=waited + took))


def failed(
    message: str, *, minutes_ago: float = 1, row: ProcessInstance | None = None, **given: Any
) -> ProcessInstance:
    row = row or begun()
    job = held(row)
    jobs.fail(job.id, job.attempt, message, by="worker:w", **given)
    Step.objects.filter(instance=row).update(at=NOW - timedelta(minutes=minutes_ago))
    return row


def hour() -> list[Minute]:
    throughput.count(NOW)
    attempts.sample(NOW)
    return throughput.last_hour(NOW)


def about(seconds: float) -> Any:
    return pytest.approx(seconds, rel=0.05)


def test_times_are_right_within_five_percent() -> None:
    times = Times()
    assert times.percentile(0.5) is None
    for number in range(1, 1001):
        times.tell(number / 10)
    assert times.percentile(0.5) == about(50)
    assert times.percentile(0.95) == about(95)
    times = Times()
    times.tell(-5)  # clocks differ
    assert times.percentile(0.95) == about(SHORTEST)


def test_a_type_says_how_long_its_jobs_waited_and_took() -> None:
    for number in range(10):
        completed(waited=2, worked=0.5, minutes_ago=1 + number)
    completed(waited=60, worked=9)
    completed(waited=1, worked=None, type="quiet")
    completed(waited=1, worked="soon", type="quiet")
    found = attempts.by_type(hour())
    assert list(found) == ["charge", "quiet"]
    charge, quiet = found.values()
    assert (charge.completed, charge.waited.total(), charge.worked.total()) == (11, 11, 11)
    assert (charge.waited.percentile(0.5), charge.waited.percentile(0.95)) == (about(2), about(60))
    assert (charge.worked.percentile(0.5), charge.worked.percentile(0.95)) == (about(0.5), about(9))
    assert (quiet.completed, quiet.worked.total(), quiet.waited.total()) == (2, 0, 0)


def test_only_the_first_attempt_says_how_long_a_job_waited() -> None:
    row = failed("no", journal={"seconds": 1})
    failed("no", row=row, journal={"seconds": 1})
    (charge,) = attempts.by_type(hour()).values()
    assert (charge.failed, charge.worked.total(), charge.waited.total()) == (2, 2, 1)


def test_failures_that_are_alike_are_one_and_have_the_fingerprint_of_the_incident() -> None:
    for number in range(3):
        failed(f"Order {number} was not found", minutes_ago=9 - number)
    failed("Out of paper", minutes_ago=4)
    stuck = failed("Order 77 was not found", minutes_ago=2, retries=0)
    first, second = attempts.alike(hour())
    assert (first.count, first.type, first.process_id, first.element_id) == (4, "charge", "order", "t")
    assert first.message == "Order 77 was not found"
    assert first.last == NOW - timedelta(minutes=2)
    assert first.fingerprint == Incident.objects.get(instance=stuck).fingerprint
    assert (second.count, second.message) == (1, "Out of paper")


def test_a_sample_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "SAMPLED", 2)
    for type in ("old", "new", "new"):
        completed(waited=1, worked=1, type=type)
    assert list(attempts.by_type(hour())) == ["new"]
    assert throughput.last_hour(NOW)[-1].jobs == 3


def test_it_costs_the_same_for_many() -> None:
    costs = []
    for more in (1, 12):
        for _ in range(more):
            failed("no")
        Minute.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            attempts.take(0, 10**9, NOW - timedelta(hours=1))
        costs.append(len(queries))
    assert costs == [4, 4]


def test_minutes_of_before_say_nothing() -> None:
    Minute.objects.create(at=NOW - timedelta(minutes=3))
    assert attempts.by_type(throughput.last_hour(NOW)) == {}
    assert list(attempts.alike(throughput.last_hour(NOW))) == []


def test_a_minute_is_sampled_once_and_the_next_one_goes_on_from_there() -> None:
    completed(waited=1, worked=1)
    throughput.count(NOW)
    assert (attempts.sample(NOW), attempts.sample(NOW)) == (60, 0)
    completed(waited=1, worked=1, minutes_ago=0.2)
    later = NOW + timedelta(minutes=1)
    throughput.count(later)
    assert attempts.sample(later) == 1
    assert [attempts.of_all(minute).completed for minute in throughput.last_hour(later)[-2:]] == [1, 1]


@pytest.mark.parametrize("second", [0, 3, 5, 30, 59])
def test_all_that_is_counted_is_sampled_at_any_second(second: int) -> None:
    now = NOW.replace(second=second)
    assert throughput.count(now) == attempts.sample(now) == throughput.SHOWN


def test_a_sweep_samples_what_it_counts() -> None:
    sweep.sweep_once()
    assert Minute.objects.filter(times={}, failed={}).count() == throughput.SHOWN
