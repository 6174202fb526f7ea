"""What an attempt keeps for the one that follows, and jobs that are given back to be looked at later."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Incident, Job, ProcessInstance, Step
from processes.runtime import Rejected, incidents, instances, jobs
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, started

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def one_task(**service: Any) -> Drawing:
    return Drawing("one").start().service("task", **{"type": "a", **service}).end()


def claimed(**options: Any) -> jobs.ClaimedJob:
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    (job,) = jobs.claim(["a"], worker="w", **options)
    return job


def refused(code: str, does: Any, *arguments: Any) -> None:
    before = list(Job.objects.values())
    with pytest.raises(Rejected) as caught:
        does(*arguments)
    assert caught.value.code == code
    assert list(Job.objects.values()) == before


def lapsed() -> None:
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_new_job_has_no_progress() -> None:
    started(one_task())
    assert claimed().progress == {}


def test_progress_is_handed_to_the_attempt_after_a_killed_one() -> None:
    started(one_task())
    job = claimed()
    jobs.checkpoint(job.id, job.attempt, {"page": 3, "items": [Decimal("1.10")]})
    jobs.checkpoint(job.id, job.attempt, {"page": 4, "items": [Decimal("1.10"), "ü"]})
    lapsed()  # the worker was killed
    assert jobs.lapse() == 1
    again = claimed()
    assert (again.attempt, again.retries) == (2, 2)
    assert again.progress == {"page": 4, "items": [Decimal("1.10"), "ü"]}
    assert str(again.progress["items"][0]) == "1.10"


def test_progress_survives_failures_and_incidents_and_can_be_forgotten() -> None:
    started(one_task(retries=2))
    job = claimed()
    jobs.checkpoint(job.id, 1, {"page": 2})
    jobs.fail(job.id, 1, "no luck", retry_in=timedelta(), by="w")
    job = claimed()
    assert job.progress == {"page": 2}
    jobs.fail(job.id, 2, "no luck", by="w")
    incidents.resolve(Incident.objects.get().pk, by="user:ops")
    job = claimed()
    assert (job.attempt, job.progress) == (3, {"page": 2})
    jobs.checkpoint(job.id, 3, {})
    assert Job.objects.get().progress is None


def test_a_checkpoint_extends_the_lease() -> None:
    started(one_task())
    job = claimed(lease=timedelta(seconds=1))
    until = jobs.checkpoint(job.id, 1, {"page": 2}, lease=timedelta(minutes=5))
    assert until > timezone.now() + timedelta(minutes=4)
    assert Job.objects.get().lease_until == until


def test_checkpoints_are_fenced(statements: Statements) -> None:
    started(one_task())
    job = claimed()
    before = len(statements)
    jobs.checkpoint(job.id, 1, {"mine": True})
    assert len(statements) - before == 1
    lapsed()
    jobs.lapse()
    refused("job-not-claimed", jobs.checkpoint, job.id, 1, {"late": True})
    assert claimed().attempt == 2
    refused("job-not-claimed", jobs.checkpoint, job.id, 1, {"late": True})
    refused("job-not-found", jobs.checkpoint, job.id + 1000, 1, {})
    assert Job.objects.get().progress == {"mine": True}


@pytest.mark.parametrize("progress", [{"a": object()}, {"a": "\0"}, {"a": "x" * 5_000_000}, {1: 2}])
def test_progress_is_json_of_limited_size(progress: Any) -> None:
    started(one_task())
    job = claimed()
    refused("value-invalid", jobs.checkpoint, job.id, 1, progress)
    refused("value-invalid", jobs.postpone, job.id, 1, timezone.now(), progress)


def test_a_postponed_job_is_due_later_and_costs_no_try() -> None:
    instance = started(one_task())
    job = claimed()
    steps = Step.objects.count()
    until = timezone.now() + MINUTE
    jobs.postpone(job.id, 1, until, {"polls": 1})
    row = Job.objects.get()
    assert (row.state, row.retries, row.attempt, row.due_at) == ("DUE", 3, 1, until)
    assert (row.worker, row.lease_until, row.claimed_at, row.hinted_at) == ("", None, None, None)
    assert Step.objects.count() == steps
    assert jobs.claim(["a"], worker="w") == []
    again = claimed()
    assert (again.attempt, again.retries, again.progress) == (2, 3, {"polls": 1})
    jobs.complete(again.id, 2, by="w")
    assert ProcessInstance.objects.get(pk=instance.pk).state == "COMPLETED"


def test_a_postponed_job_is_announced_when_it_is_due(announced: list[Any]) -> None:
    started(one_task())
    job = claimed()
    announced.clear()
    jobs.postpone(job.id, 1, timezone.now() + MINUTE, {})
    assert jobs.hint() == 0
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert jobs.hint() == 1


def test_postponing_is_fenced() -> None:
    instance = started(one_task())
    job = claimed()
    now = timezone.now()
    refused("job-not-claimed", jobs.postpone, job.id, 2, now, {})
    refused("value-invalid", jobs.postpone, job.id, 1, now + timedelta(days=400), {})
    lapsed()  # the sweeper may be failing it at this moment
    refused("job-not-claimed", jobs.postpone, job.id, 1, now, {})
    instances.cancel(instance.pk)
    refused("job-not-found", jobs.postpone, job.id, 1, now, {})


def test_a_suspended_instance_keeps_its_postponed_job() -> None:
    instance = started(one_task())
    job = claimed()
    instances.suspend(instance.pk, by="user:ops")
    jobs.postpone(job.id, 1, timezone.now(), {"polls": 1})
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert jobs.claim(["a"], worker="w") == []
    instances.resume(instance.pk, by="user:ops")
    assert claimed().progress == {"polls": 1}


def test_whoever_ends_an_attempt_for_its_worker_sees_the_progress() -> None:
    started(one_task())
    job = claimed()
    jobs.checkpoint(job.id, 1, {"page": Decimal("1.10")})
    held = jobs.held(job.id, 1)
    assert held is not None
    assert held.progress == {"page": Decimal("1.10")}
