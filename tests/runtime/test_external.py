"""External workers and the connections that their jobs name."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.models import Gate, Job, ProcessInstance, Step
from processes.runtime import connections, external, instances, jobs
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, deployed

pytestmark = pytest.mark.django_db


def shop(**fields: Any) -> None:
    connections.put("shop", {"url": "https://shop.example.com", **fields}, by="user:ada")


def waiting(number: int, type: str = "ship", **headers: str) -> None:
    given = headers or {"connection": "shop"}
    definition = deployed(Drawing(type).start().service("call", type=type, retries=3, headers=given).end())
    for _ in range(number):
        instances.start(definition)


def claimed(limit: int = 10, *types: str) -> list[jobs.ClaimedJob]:
    return external.claim(types or ["ship"], worker="w", limit=limit)


def test_a_paused_connection_gives_none_away_and_spends_nothing() -> None:
    shop()
    connections.pause("shop", by="user:ada")
    waiting(3)
    assert claimed() == []
    assert set(Job.objects.values_list("state", "attempt", "retries", "parked")) == {("DUE", 0, 3, "paused")}
    connections.resume("shop", by="user:ada")
    Job.objects.update(due_at=timezone.now())
    assert len(claimed()) == 3


def test_those_behind_what_is_parked_get_their_turn() -> None:
    shop()
    connections.pause("shop", by="user:ada")
    waiting(3)
    waiting(2, "other", note="no connection")
    assert [job.type for job in claimed(1, "ship", "other")] == ["other"]


def test_concurrency() -> None:
    shop(concurrency=2)
    waiting(4)
    first = claimed()
    assert len(first) == 2
    assert Job.objects.filter(parked="concurrency", attempt=0).count() == 2
    jobs.complete(first[0].id, first[0].attempt, by="user:w")
    Job.objects.filter(state="DUE").update(due_at=timezone.now())
    assert len(claimed()) == 1


def test_rate() -> None:
    shop(rate=4.0, burst=2)
    waiting(12)
    began = time.monotonic()
    found = claimed(12)
    took = time.monotonic() - began
    # Two at once, and those whose slots come within a second, which it waits for.
    assert 4 <= len(found) <= max(7, 2 + 4.0 * took + 1), "more only where the machine takes its time"
    assert Job.objects.filter(parked="rate", attempt=0).count() == 12 - len(found)


def test_the_breaker_is_about_our_own_calls() -> None:
    shop(breaker_failures=1, breaker_open=60)
    Gate.objects.update(breaker="OPEN", opened=1, open_until=timezone.now().timestamp() + 60)
    waiting(1)
    (job,) = claimed()
    assert job.lease_until > timezone.now() + timedelta(seconds=30)
    assert Gate.objects.get().breaker == "OPEN"


def test_a_name_that_is_none_of_ours() -> None:
    waiting(1, connection="their own")
    assert len(claimed()) == 1


# -- going on ----------------------------------------------------------------------------------------------------------


def then(*types: str, worker: str = "w") -> jobs.Continuation:
    return jobs.Continuation(frozenset(types or ["ship"]), worker, timedelta(minutes=1))


def chain(length: int, **headers: str) -> jobs.ClaimedJob:
    """The first job of an instance with so many, one after the other."""
    drawing = Drawing().start()
    for number in range(length):
        drawing.service(f"task{number}", type="ship", retries=3, headers=headers)
    instances.start(deployed(drawing.end()), variables={"n": 0})
    (job,) = claimed()
    return job


def complete(job: jobs.ClaimedJob, **result: Any) -> jobs.ClaimedJob | None:
    return external.complete(job.id, job.attempt, result, by="user:ada", then=then())


def following(job: jobs.ClaimedJob, **result: Any) -> jobs.ClaimedJob:
    found = complete(job, **result)
    assert found is not None
    return found


def test_the_next_job_passes_the_gate_as_well() -> None:
    shop()
    first = chain(3, connection="shop")
    second = following(first)
    connections.pause("shop", by="user:ada")
    assert complete(second) is None
    third = Job.objects.get()
    assert (third.state, third.attempt, third.retries, third.parked) == ("DUE", 0, 3, "paused")
    connections.resume("shop", by="user:ada")
    Job.objects.update(due_at=timezone.now())
    assert claimed()[0].attempt == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("postgresql")
def test_who_goes_on_costs_one_round_trip(statements: Statements) -> None:
    job = following(chain(6))
    for number in range(4):
        before = len(statements)
        job = following(job, n=number)
        assert len(statements) - before == 1, statements.texts[before:]


@pytest.mark.django_db(transaction=True)
def test_an_instance_that_was_changed_meanwhile_is_read() -> None:
    job = following(chain(3))
    instances.set_variables(job.instance_id, {"n": 7}, by="user:ada")
    assert following(job).variables["n"] == 7
    assert Step.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_an_outcome_for_a_job_that_was_cancelled_is_refused() -> None:
    job = following(chain(3))
    instances.cancel(job.instance_id, by="user:ada")
    with pytest.raises(Rejected) as refused:
        complete(job)
    assert refused.value.code == "job-not-found"


@pytest.mark.django_db(transaction=True)
def test_another_process_knows_nothing_and_goes_on_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    job = following(chain(3), n=1)
    monkeypatch.setattr(external, "_kept", external.Kept())
    assert following(job, n=2).variables["n"] == 2
    assert set(Step.objects.filter(command="CompleteJob").values_list("by", flat=True)) == {"worker:w (user:ada)"}


@pytest.mark.django_db(transaction=True)
def test_a_result_that_cannot_be_kept_changes_nothing_and_may_be_told_better() -> None:
    job = following(chain(2))
    with pytest.raises(Rejected) as refused:
        complete(job, n=float("nan"))
    assert refused.value.code == "value-invalid"
    assert complete(job, n=1) is None
    assert ProcessInstance.objects.get().state == "COMPLETED"


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_lapsed_is_not_completed_by_what_was_kept() -> None:
    job = following(chain(3))
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert jobs.lapse() == 1
    with pytest.raises(Rejected) as refused:
        complete(job)
    assert refused.value.code == "job-not-claimed"


@pytest.mark.django_db(transaction=True)
def test_no_more_is_kept_than_fits_and_nothing_beyond_its_lease() -> None:
    job = following(chain(2))
    assert job.kept is not None
    kept = external.Kept()
    for number in range(kept.MOST + 1):
        kept.put(replace(job, id=number))
    kept.put(replace(job, id=1000, kept=None))
    assert kept.take(0, 1) is None
    assert kept.take(1000, 1) is None
    assert kept.take(1, 2) is None, "another attempt"
    assert kept.take(1, 1) is not None
    assert kept.take(1, 1) is None, "it is used up"
    kept.put(replace(job, id=2, lease_until=timezone.now() - timedelta(seconds=1)))
    assert kept.take(2, 1) is None
