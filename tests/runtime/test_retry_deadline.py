"""Tries that have no time left: their rows, claims and the sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Incident, Job
from processes.runtime import connections, external, incidents, instances, jobs, sweep
from processes.runtime.loader import load
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, started, together

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def given(**headers: str) -> Job:
    task = Drawing().start().service("call", type="ship", retries=9, headers={"retryDeadline": "PT1H", **headers})
    started(task.end())
    return Job.objects.get()


def later(by: timedelta) -> None:
    """Time passes for what is due and what is over, not for who sleeps."""
    job = Job.objects.get()
    assert job.retry_until is not None
    Job.objects.update(due_at=job.due_at - by, retry_until=job.retry_until - by)


def claim() -> list[jobs.ClaimedJob]:
    return external.claim(["ship"], worker="w")


def test_the_row_knows_until_when() -> None:
    job = given()
    assert job.retry_until == job.created_at + HOUR
    assert given_without().retry_until is None


def given_without() -> Job:
    started(Drawing("other").start().service("call", type="b").end())
    return Job.objects.get(type="b")


def test_a_failure_after_it_is_the_last_although_tries_are_left() -> None:
    given()
    (job,) = claim()
    later(HOUR)
    jobs.fail(job.id, 1, "no", by="w")
    assert Incident.objects.get().message == "no (no other try within retryDeadline PT1H)"
    assert Job.objects.get().state == "FAILED"


def test_no_wish_of_a_worker_goes_beyond_it() -> None:
    given()
    (job,) = claim()
    jobs.fail(job.id, 1, "no", retries=50, retry_in=timedelta(hours=2), by="w")
    assert Incident.objects.get().kind == "JOB_NO_RETRIES"


def test_another_try_that_nobody_began_in_time_is_not_begun() -> None:
    given(retryBackoff="PT10S")
    (job,) = claim()
    jobs.fail(job.id, 1, "no", by="w")
    assert sweep.sweep_once(thorough=False).too_late == 0
    later(HOUR)
    assert claim() == []
    assert jobs.claim_one(job.id, worker="w") is None
    assert sweep.sweep_once(thorough=False).too_late == 1
    assert Incident.objects.get().message == "no (no other try within retryDeadline PT1H)"
    assert sweep.sweep_once(thorough=False).too_late == 0


def test_the_first_try_has_time() -> None:
    given()
    later(2 * HOUR)
    assert sweep.sweep_once(thorough=False).too_late == 0
    assert len(claim()) == 1


def test_what_its_connection_keeps_back_beyond_it_is_an_incident() -> None:
    connections.put("shop", {"url": "https://shop.example.com"}, by="user:ada")
    connections.pause("shop", by="user:ada")
    given(connection="shop")
    assert claim() == []
    assert Job.objects.get().parked == "paused"
    later(HOUR)
    assert claim() == []
    assert sweep.sweep_once(thorough=False).too_late == 1
    expected = "Expected connection 'shop' to let it pass but found it parked: paused"
    incident = Incident.objects.get()
    assert incident.message == f"{expected} (no other try within retryDeadline PT1H)"
    connections.resume("shop", by="user:ada")
    incidents.resolve(incident.pk, by="user:ada")
    job = Job.objects.get()
    assert (job.state, job.parked) == ("DUE", "")
    assert job.retry_until is not None
    assert job.retry_until > timezone.now() + HOUR - timedelta(minutes=1)
    (claimed,) = claim()
    jobs.complete(claimed.id, claimed.attempt, by="w")


def test_a_suspended_instance_is_left_alone_until_it_is_resumed() -> None:
    job = given()
    (claimed,) = claim()
    jobs.fail(claimed.id, 1, "no", by="w")
    instances.suspend(job.instance_id, by="user:ada")
    later(HOUR)
    assert jobs.expire() == 0
    instances.resume(job.instance_id, by="user:ada")
    assert jobs.expire() == 1


def test_what_gets_on_has_its_time_again() -> None:
    given()
    (job,) = claim()
    jobs.fail(job.id, 1, "no", retry_in=timedelta(), by="w")
    (job,) = claim()
    look = timezone.now() + 3 * HOUR
    jobs.postpone(job.id, job.attempt, look, {"seen": 1})
    assert Job.objects.get().retry_until == look + HOUR
    later(3 * HOUR)
    assert jobs.expire() == 0
    assert len(claim()) == 1


def test_whatever_reads_an_instance_sees_it() -> None:
    job = given()
    for whole in (True, False):
        loaded = load(job.instance_id, whole=whole)
        assert loaded is not None
        read = loaded.job(job.pk)
        assert read is not None
        assert read.retry_until == job.retry_until


@pytest.mark.django_db(transaction=True)
def test_claims_and_the_sweep_at_the_same_moment_agree() -> None:
    definition = deployed(
        Drawing().start().service("call", type="ship", retries=9, headers={"retryDeadline": "PT1H"}).end()
    )
    for _ in range(20):
        instances.start(definition)
    for job in jobs.claim(["ship"], worker="w", limit=20):
        jobs.fail(job.id, 1, "no", retry_in=timedelta(), by="w")
    Job.objects.update(retry_until=timezone.now() + timedelta(milliseconds=60))

    def work() -> list[Any]:
        taken: list[Any] = []
        for _ in range(30):
            taken += jobs.claim(["ship"], worker="w", limit=1)
        return taken

    def give_up() -> int:
        return sum(jobs.expire() for _ in range(30))

    *taken, _ = together(work, work, give_up)
    for job in [job for some in taken for job in some]:
        jobs.complete(job.id, job.attempt, by="w")
    jobs.expire()
    Job.objects.update(retry_until=timezone.now())
    jobs.expire()
    assert Incident.objects.count() + sum(len(some) for some in taken) == 20
    assert set(Job.objects.values_list("state", flat=True)) <= {"FAILED"}
