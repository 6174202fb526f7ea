"""Bugs of ours, a damaged definition, a busy database: nothing is lost, nothing loops, one does not block the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db import transaction as database
from django.utils import timezone

from processes.models import Incident, Job, Message, ProcessDefinition, ProcessInstance, Step, Timer
from processes.runtime import definitions, incidents, instances, jobs, messages, sweep, timers, transaction
from tests.drawing import Drawing
from tests.runtime.conftest import Recording, deployed, started, together

pytestmark = pytest.mark.django_db


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bug in the engine that strikes for every command but the one that parks."""

    class Bug:
        real = staticmethod(transaction.step)

        def __call__(self, process: Any, instance: Any, command: Any, at: Any) -> Any:
            if type(command).__name__ == "RaiseIncident":
                return self.real(process, instance, command, at)
            self.real(process, instance, command, at)
            raise ZeroDivisionError("a bug")

        def fixed(self) -> None:
            monkeypatch.setattr(transaction, "step", self.real)

    found = Bug()

    def strike() -> Bug:
        monkeypatch.setattr(transaction, "step", found)
        return found

    return strike


def test_an_outcome_that_meets_a_bug_is_an_incident(bug: Any) -> None:
    instance = started(Drawing().start().service("task", type="a").end())
    (job,) = jobs.claim(["a"], worker="w")
    strike = bug()
    with pytest.raises(ZeroDivisionError):
        jobs.complete(job.id, 1, {"x": 1}, by="w")

    incident = Incident.objects.get()
    assert (incident.kind, incident.element_id, incident.job_type) == ("INTERNAL", "task", "a")
    assert "ZeroDivisionError: a bug" in incident.message
    instance.refresh_from_db()
    assert (instance.variables, instance.steps) == ({}, 2)
    assert Job.objects.get().state == "FAILED"
    assert jobs.lapse() == 0

    strike.fixed()
    incidents.resolve(incident.pk, by="user:alice")
    (job,) = jobs.claim(["a"], worker="w")
    jobs.complete(job.id, job.attempt, {"x": 1}, by="w")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_a_damaged_definition_is_an_incident_even_though_the_engine_cannot_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    instance = started(Drawing().start().service("task", type="a").end())
    xml = bytes(ProcessDefinition.objects.get().xml)
    ProcessDefinition.objects.update(xml=b"<not bpmn")
    definitions.process_by_key.cache_clear()
    (job,) = jobs.claim(["a"], worker="w")  # may still be worked on
    with pytest.raises(Exception, match=r"\S"):
        jobs.complete(job.id, 1, {"x": 1}, by="w")
    incident = Incident.objects.get()
    assert (incident.kind, incident.element_id, incident.job_type) == ("INTERNAL", "task", "a")
    row = Job.objects.get()
    assert (row.state, row.lease_until) == ("FAILED", None)
    assert "by hand" in caplog.text
    assert [fact["fact"] for fact in Step.objects.latest("id").facts] == ["JobFailed", "IncidentRaised"]

    ProcessDefinition.objects.update(xml=xml)
    incidents.resolve(incident.pk, by="user:alice")
    (job,) = jobs.claim(["a"], worker="w")
    jobs.complete(job.id, 2, {"x": 1}, by="w")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_a_timer_that_meets_a_bug_rests_and_the_others_fire(bug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = deployed(Drawing().start().timer("wait", "PT0S").end())
    broken, well = instances.start(definition).instance, instances.start(definition).instance
    strike = bug()
    fault = transaction.step

    def only_the_broken(process: Any, instance: Any, command: Any, at: Any) -> Any:
        step = fault if instance.id == str(broken.pk) else strike.real
        return step(process, instance, command, at)

    monkeypatch.setattr(transaction, "step", only_the_broken)
    assert timers.fire_due() == 1
    assert ProcessInstance.objects.get(pk=well.pk).state == "COMPLETED"
    incident = Incident.objects.get()
    assert (incident.instance, incident.kind) == (broken, "INTERNAL")
    assert timers.fire_due() == 0
    assert Incident.objects.count() == 1

    strike.fixed()
    incidents.resolve(incident.pk, by="user:alice")
    assert timers.fire_due() == 1
    assert ProcessInstance.objects.get(pk=broken.pk).state == "COMPLETED"


@pytest.mark.django_db(transaction=True)
def test_a_message_that_meets_a_bug_waits_until_it_is_mended(bug: Any) -> None:
    instance = started(Drawing().start().message("hear", "news").end())
    strike = bug()
    assert messages.publish("news").correlated == []
    incident = Incident.objects.get()
    assert incident.kind == "INTERNAL"
    assert messages.match() == 0
    strike.fixed()
    incidents.resolve(incident.pk, by="user:alice")
    assert messages.match() == 1
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert Message.objects.count() == 1


def test_a_lapse_that_meets_a_bug_is_an_incident_too(bug: Any) -> None:
    started(Drawing().start().service("task", type="a").end())
    jobs.claim(["a"], worker="w")
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    bug()
    assert jobs.lapse() == 0
    assert Incident.objects.get().kind == "INTERNAL"
    assert Job.objects.get().state == "FAILED"


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(Drawing().start().service("task", type="a").end())
    real, turns = transaction.load, []

    def busy_at_first(*arguments: Any, **more: Any) -> Any:
        turns.append(1)
        if len(turns) < 3:
            raise OperationalError("deadlock detected")
        return real(*arguments, **more)

    monkeypatch.setattr(transaction, "load", busy_at_first)
    instances.set_variables(instance.pk, {"x": 1})
    assert len(turns) == 3
    turns.clear()
    monkeypatch.setattr(transaction, "TRIES", 2)
    with pytest.raises(OperationalError):
        instances.set_variables(instance.pk, {"x": 2})
    assert not Incident.objects.exists()


def test_many_incidents_are_resolved_one_by_one() -> None:
    definition = deployed(Drawing().start().service("task", type="a", retries=1).end())
    for _ in range(3):
        instances.start(definition)
    for job in jobs.claim(["a"], worker="w", limit=3):
        jobs.fail(job.id, 1, "no", by="w")
    first, second, third = Incident.objects.order_by("id")
    instances.cancel(second.instance_id)
    seen: list[tuple[int, int]] = []
    many = incidents.resolve_many(Incident.objects.all(), by="user:a", on_progress=lambda *done: seen.append(done))
    assert many.resolved == [first.pk, third.pk]
    assert list(many.rejected) == [second.pk]
    assert "over" in many.rejected[second.pk]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert incidents.resolve_many([4711], by="user:a").rejected.keys() == {4711}


@pytest.mark.only_on("postgresql")  # SQLite has one lock for all
@pytest.mark.django_db(transaction=True)
def test_the_sweep_does_not_wait_for_an_instance_that_somebody_holds() -> None:
    definition = deployed(Drawing().start().parallel("fork").timer("wait", "PT0S").at("fork").service("task", type="a"))
    held, free = instances.start(definition).instance, instances.start(definition).instance
    jobs.claim(["a"], worker="w", limit=2)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    with database.atomic():
        ProcessInstance.objects.select_for_update().get(pk=held.pk)
        fired, lapsed = together(timers.fire_due, jobs.lapse)
    assert (fired, lapsed) in {(1, 1), (1, 0), (0, 1)}  # they may meet each other at the free one
    assert free.history.count() == 1 + fired + lapsed
    assert held.history.count() == 1
    assert Timer.objects.filter(instance=held).exists()
    sweep.sweep_once()
    assert not Timer.objects.exists()
    assert set(Job.objects.values_list("state", "attempt")) == {("DUE", 1)}


# -- the sweep ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_pass_does_everything_that_is_due() -> None:
    started(Drawing("timer").start().timer("wait", "PT0S").end())
    started(Drawing("job").start().service("task", type="a", headers={"retryBackoff": "PT1H"}).end())
    jobs.claim(["a"], worker="w")
    past = timezone.now() - timedelta(hours=2)
    Job.objects.update(lease_until=past)
    messages.publish("news", ttl=timedelta())
    Message.objects.update(expires_at=past)
    started(Drawing("other").start().service("task", type="b").end())
    Job.objects.filter(type="b").update(hinted_at=None)
    Timer.objects.update(due_at=past)
    Recording.announced.clear()
    swept = sweep.sweep_once()
    assert (swept.lapsed, swept.fired, swept.announced, swept.expired) == (1, 1, 1, 1)
    assert [job.type for job in Recording.announced] == ["b"]
    assert sweep.sweep_once().total == 0


def test_a_part_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    started(Drawing().start().timer("wait", "PT0S").end())

    def lapse() -> int:
        raise RuntimeError("no")

    monkeypatch.setattr(jobs, "lapse", lapse)
    assert sweep.sweep_once(thorough=False) == sweep.Swept(fired=1)
