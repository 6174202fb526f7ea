"""The gate with its rows: who passes, who is parked, and what an operator does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Connection, Gate, Incident, Job
from processes.runtime import Rejected, admission, connections, jobs, settlement
from processes.runtime.admission import Parked, Permit
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, started, together

pytestmark = pytest.mark.django_db


def shop(**fields: Any) -> Connection:
    return connections.put("shop", {"url": "https://shop.example.com", **fields}, by="user:ada")


def claimed(**headers: str) -> jobs.ClaimedJob:
    given = {"connection": "shop", **headers}
    instance = started(Drawing("order").start().service("call", type="http", retries=3, headers=given).end())
    job = jobs.claim_one(Job.objects.get(instance=instance).pk, worker="w")
    assert job is not None
    return job


def passed(job: jobs.ClaimedJob) -> Permit:
    found = admission.enter(job, "shop")
    assert isinstance(found, Permit)
    return found


def parked(job: jobs.ClaimedJob) -> Parked:
    found = admission.enter(job, "shop")
    assert isinstance(found, Parked)
    return found


def test_what_a_worker_is_told(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "PRIVATE_ADDRESSES": "refuse"}
    shop(authentication={"type": "bearer", "token": "{{secrets.T}}"}, timeout=5, allowed_hosts=["a.example.com"])
    found = passed(claimed()).destination
    assert (found.url, found.timeout, found.allow_private) == ("https://shop.example.com", 5, False)
    assert found.authentication["token"] == "{{secrets.T}}"
    shop(allow_private=True)
    assert passed(claimed()).destination.allow_private
    assert Job.objects.first().connection == "shop"


def test_a_connection_without_limits_costs_a_read_and_a_look(statements: Statements) -> None:
    shop()
    job = claimed()
    before = len(statements)
    admission.leave(passed(job), "well", seconds=0.1)
    assert len(statements) - before == 2
    assert all(text.startswith("SELECT") for text in statements.texts[before:])


def test_parked_as_if_never_claimed() -> None:
    shop(breaker_failures=1, breaker_open=3600)
    hold = admission.leave(passed(claimed()), "ill", seconds=0.1, message="503")
    assert hold is not None
    assert timedelta(seconds=3599) < hold < timedelta(seconds=3601)
    job = claimed()
    assert job.attempt == 1
    found = parked(job)
    assert found.reason == "breaker"
    assert found.until > timezone.now() + timedelta(minutes=55)
    row = Job.objects.get(pk=job.id)
    assert (row.state, row.attempt, row.retries, row.parked, row.worker) == ("DUE", 0, 3, "breaker", "")
    assert row.due_at == found.until
    assert row.hinted_at is None
    assert row.lease_until is None
    assert jobs.claim_one(job.id, worker="w") is None
    Job.objects.filter(pk=job.id).update(due_at=timezone.now())
    again = jobs.claim_one(job.id, worker="w")
    assert again is not None
    assert again.attempt == 1
    assert Job.objects.get(pk=job.id).parked == ""


def test_a_failure_while_it_is_ill_waits_for_the_breaker_and_costs_its_try() -> None:
    shop(breaker_failures=1, breaker_open=3600)
    job = claimed()
    hold = admission.leave(passed(job), "ill", seconds=0.1, message="no")
    settled = settlement.settle(job, settlement.Raised("no", "503"), by="worker:w", hold=hold)
    assert settled.decision == "retry"
    row = Job.objects.get()
    assert (row.state, row.retries, row.parked) == ("DUE", 2, "breaker")
    assert row.due_at > timezone.now() + timedelta(minutes=55)
    step = row.instance.history.last()
    assert step.command == "FailJob", "what was tried is told all the same"


def test_the_last_try_ends_in_an_incident_though_the_breaker_is_open() -> None:
    shop(breaker_failures=1, breaker_open=60)
    job = claimed()
    Job.objects.update(retries=1)
    hold = admission.leave(passed(job), "ill", seconds=0.1, message="no")
    settled = settlement.settle(job, settlement.Raised("no", "503"), by="worker:w", hold=hold)
    row = Job.objects.get()
    assert (settled.decision, row.state, row.parked) == ("failed", "FAILED", "")
    assert Incident.objects.get().message == "no"


def test_a_backoff_that_is_longer_than_the_breaker_holds() -> None:
    shop(breaker_failures=1, breaker_open=5)
    job = claimed(retryBackoff="PT10M")
    hold = admission.leave(passed(job), "ill", seconds=0.1, message="no")
    settlement.settle(job, settlement.Raised("no", "503"), by="worker:w", hold=hold)
    row = Job.objects.get()
    assert (row.retries, row.parked) == (2, "")
    assert row.due_at > timezone.now() + timedelta(minutes=9)


@pytest.mark.parametrize("ruling", ['jobError("no", {}, 1, "PT5S")', 'bpmnError("NO")'])
def test_what_the_model_rules_comes_first(ruling: str) -> None:
    shop(breaker_failures=1)
    job = claimed(errorExpression=f"={ruling}")
    hold = admission.leave(passed(job), "ill", seconds=0.1)
    settlement.settle(job, settlement.Raised("no", "503"), by="worker:w", hold=hold)
    assert [row.retries for row in Job.objects.all()] != [3] or ruling.startswith("bpmn")


def test_leases_that_lapse_make_room(settings: Any) -> None:
    shop(concurrency=1)
    first = claimed()
    passed(first)
    assert parked(claimed()).reason == "concurrency"
    Job.objects.filter(pk=first.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    passed(claimed())


def test_success_forgets_failures() -> None:
    shop(breaker_failures=3)
    for health in ("ill", "ill", "well", "ill", "ill"):
        admission.leave(passed(claimed()), health, seconds=0.1)
    assert Gate.objects.get().breaker == "CLOSED"
    assert len(Gate.objects.get().failures) == 2


def test_pause_and_resume() -> None:
    shop()
    connections.pause("shop", by="user:ada", reason="they move house")
    waiting = [claimed() for _ in range(5)]
    for job in waiting:
        assert parked(job).reason == "paused"
    now = connections.standing(connections.find("shop"))
    assert (now.paused, now.parked, now.waiting) == (True, 5, {"paused": 5})
    row = connections.resume("shop", by="user:bob")
    assert (row.paused, row.paused_because, row.changed_by) == (False, "", "user:bob")
    due = list(Job.objects.order_by("pk").values_list("due_at", flat=True))
    assert due == sorted(due)
    assert due[-1] < timezone.now() + timedelta(seconds=1)


def test_unknown() -> None:
    with pytest.raises(admission.Unknown, match="Expected a connection named 'shop' but found none"):
        admission.enter(claimed(), "shop")


@pytest.mark.parametrize(
    "fields",
    [
        {"authentication": {"type": "bearer", "token": "literally"}},
        {"authentication": {"oauth": [{"client_secret": "literally"}]}},
        {"authentication": {"type": "apiKey", "name": "X-Key", "value": "literally"}},
        {"tls": {"key": "-----BEGIN PRIVATE KEY-----"}},
        {"url": "postgres://user:literally@host/db"},
        {"options": {"password": "literally"}},
        {"rate": 0},
        {"rate": "fast"},
        {"rate": "5"},
        {"rate": float("nan")},
        {"rate": True},
        {"burst": 1.5},
        {"breaker_failures": "3"},
        {"concurrency": True},
        {"concurrency": 0},
        {"burst": 0},
        {"timeout": -1},
        {"allowed_hosts": "example.com"},
        {"allowed_hosts": [7]},
        {"authentication": "bearer"},
        {"kind": "carrier-pigeon"},
        {"colour": "red"},
        {"breaker_canaries": 0},
    ],
)
def test_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        connections.put("shop", fields, by="user:ada")
    assert caught.value.code == "value-invalid"
    assert "literally" not in str(caught.value)
    assert "onstraint" not in str(caught.value), "names of the database tell nobody anything"
    assert not Connection.objects.exists()


def test_made_once_changed_often_dropped() -> None:
    with pytest.raises(Rejected, match="found none"):
        connections.put("shop", {}, by="user:ada", new=False)
    connections.put("shop", {"rate": 5}, by="user:ada", new=True)
    with pytest.raises(Rejected) as caught:
        connections.put("shop", {}, by="user:ada", new=True)
    assert caught.value.code == "connection-exists"
    row = connections.put("shop", {"url": "https://a.example.com"}, by="user:bob", new=False)
    assert (row.rate, row.changed_by) == (5, "user:bob")
    connections.drop("shop")
    assert not Gate.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_as_many_as_there_are() -> None:
    shop(concurrency=3, breaker_failures=0)
    waiting = [claimed() for _ in range(8)]
    found = together(*(lambda job=job: admission.enter(job, "shop") for job in waiting))
    assert sorted(type(each).__name__ for each in found) == ["Parked"] * 5 + ["Permit"] * 3
