"""Minutes are counted once, by whichever sweeper comes first, and say what really ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Job, Minute, ProcessInstance, Step
from processes.runtime import definitions, instances, jobs, sweep, throughput
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 31, 12, 30, 30, tzinfo=UTC)


def ended(seconds_ago: float, took: float) -> ProcessInstance:
    """An instance of one service task that ended then, moved there from now."""
    drawing = Drawing("order").start().service("t", type="t").end()
    definition: Any = definitions.deploy(drawing.xml()).definitions[0].definition
    row = instances.start(definition).instance
    job = jobs.claim_one(Job.objects.get(instance=row).pk, worker="w")
    assert job is not None
    jobs.complete(job.id, job.attempt, {}, by="worker:w")
    at = NOW - timedelta(seconds=seconds_ago)
    ProcessInstance.objects.filter(pk=row.pk).update(started_at=at - timedelta(seconds=took), ended_at=at)
    Step.objects.filter(instance=row).update(at=at)
    return row


def test_a_minute_says_how_many_and_how_long() -> None:
    for took in range(1, 21):
        ended(60, took)
    ended(130, 7)
    assert throughput.count(NOW) == throughput.SHOWN
    *_, before, last = throughput.last_hour(NOW)
    assert (last.at, last.instances, last.jobs) == (datetime(2030, 1, 31, 12, 29, tzinfo=UTC), 20, 20)
    assert (last.median, last.p95) == (11, 20)
    assert (before.instances, before.median) == (1, 7)


def test_it_is_counted_once_and_goes_on_from_there() -> None:
    ended(60, 1)
    assert throughput.count(NOW) == 60
    assert throughput.count(NOW) == 0
    ended(5, 1)
    assert throughput.count(NOW + timedelta(minutes=1)) == 1
    *_, last = throughput.last_hour(NOW + timedelta(minutes=1))
    assert (last.instances, last.jobs) == (1, 1)


def test_after_a_pause_the_hour_is_caught_up_and_no_more() -> None:
    throughput.count(NOW - timedelta(hours=5))
    ended(600, 1)
    assert throughput.count(NOW) == throughput.SHOWN
    assert sum(row.instances for row in throughput.last_hour(NOW)) == 1


def test_minutes_that_nobody_counted_are_empty() -> None:
    hour = throughput.last_hour(NOW)
    assert len(hour) == throughput.SHOWN
    assert {(row.instances, row.median) for row in hour} == {(0, None)}


def test_a_sweep_counts_and_forgets_after_a_day() -> None:
    Minute.objects.create(at=timezone.now() - timedelta(days=2))
    assert sweep.sweep_once().forgotten == 1
    assert Minute.objects.count() == throughput.SHOWN
