"""`start_process`: starts, waits, and says with its exit code how it ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from processes.models import Job, ProcessDefinition, ProcessInstance
from processes.runtime import instances, jobs, pressure
from tests.commands.conftest import Ran, deploy
from tests.drawing import Drawing

Run = Callable[..., Ran]


def test_start(run: Run, order: ProcessDefinition, tmp_path: Path) -> None:
    ran = run("start_process", "order", "--variables", '{"amount": 12.50}', "--business-key", "O-1")
    instance = ProcessInstance.objects.get()
    assert (ran.code, ran.out) == (0, f"Instance {instance.pk} of Order v1 was started.\n")
    assert str(instance.variables["amount"]) == "12.50"
    assert instance.business_key == "O-1"
    assert instance.started_by.startswith("command")


def test_a_version_that_is_not_the_latest(run: Run, order: ProcessDefinition) -> None:
    deploy(Drawing("order").start().end())
    run("start_process", "order", "--version", 1)
    assert ProcessInstance.objects.get().definition == order
    ran = run("start_process", "order", "--version", 3, "--json")
    assert ran.code == 1
    assert ran.json["error"]["code"] == "definition-not-found"
    assert "[definition-not-found]" in ran.err


def test_the_same_key_starts_once(run: Run, order: ProcessDefinition) -> None:
    first = run("start_process", "order", "--key", "k", "--json").json
    second = run("start_process", "order", "--key", "k", "--json").json
    assert (first["created"], second["created"]) == (True, False)
    assert first["id"] == second["id"]
    assert run("start_process", "order", "--key", "k", "--count", 2).code == 2


def test_many(run: Run, order: ProcessDefinition) -> None:
    ran = run("start_process", "order", "--count", 5, "--json")
    assert [line["id"] for line in ran.lines] == list(
        ProcessInstance.objects.order_by("id").values_list("id", flat=True)
    )


def test_wait_for_a_good_end(run: Run, instant: ProcessDefinition) -> None:
    ran = run("start_process", "instant", "--variables", '{"amount": 0.10}', "--wait", "--json")
    assert ran.code == 0
    assert (ran.json["outcome"], ran.json["state"]) == ("completed", "COMPLETED")
    assert '"twice": 0.20' in ran.out
    told = run("start_process", "instant", "--variables", '{"amount": 1}', "--wait", "5", "--count", 2)
    assert told.out.count("completed") == 2
    assert "  twice = 2" in told.out


def test_wait_for_an_incident(run: Run) -> None:
    deploy(Drawing("broken").start().exclusive("gate").when("=amount > 1").end())
    ran = run("start_process", "broken", "--wait", "5", "--json")
    assert ran.code == 1
    assert ran.json["outcome"] == "incident"
    assert ran.json["incidents"][0]["element"] == "gate"
    assert "needs an operator" in run("start_process", "broken", "--wait", "5").out


def test_wait_until_time_is_up(run: Run, order: ProcessDefinition) -> None:
    ran = run("start_process", "order", "--wait", "0.1", "--json")
    assert ran.code == 3
    assert ran.json["outcome"] == "running"
    assert "still running after 0.1 seconds" in ran.err


def test_wait_for_what_a_key_started_before(run: Run, order: ProcessDefinition) -> None:
    instance = instances.start(order, start_key="k").instance
    job = jobs.claim_one(Job.objects.get().pk, worker="worker-1")
    assert job is not None
    jobs.complete(job.id, job.attempt, {"receipt": Decimal("1.10")}, by="worker:worker-1")
    ran = run("start_process", "order", "--key", "k", "--wait", "1")
    assert ran.code == 0
    assert f"Instance {instance.pk} completed" in ran.out
    assert "receipt = 1.10" in ran.out


def test_wait_for_one_that_was_cancelled(run: Run, order: ProcessDefinition) -> None:
    instance = instances.start(order, start_key="k").instance
    instances.cancel(instance.pk, reason="ordered twice")
    ran = run("start_process", "order", "--key", "k", "--wait", "1")
    assert ran.code == 1
    assert "was terminated: ordered twice" in ran.out


def test_variables_that_cannot_be_kept_are_rejected(run: Run, order: ProcessDefinition) -> None:
    ran = run("start_process", "order", "--variables", '{"a": "\\u0000"}', "--json")
    assert ran.code == 1
    assert ran.json["error"]["code"] == "value-invalid"


# -- where due jobs wait for too long ----------------------------------------------------------------------------------


@pytest.fixture
def limited(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "MAX_QUEUE_AGE": timedelta(seconds=30)}
    monkeypatch.setattr(pressure, "_watch", pressure._Watch())
    monkeypatch.setattr(pressure, "LOOK_EVERY", 0.0)


def _age() -> None:
    Job.objects.update(due_at=F("due_at") - timedelta(minutes=1))


def test_refused_unless_forced(run: Run, order: ProcessDefinition, limited: None) -> None:
    run("start_process", "order")
    _age()
    ran = run("start_process", "order", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "overloaded")
    told = r"Expected due jobs to wait for at most 30 s but one of type 'charge-card' has waited for (\d+) s"
    assert int(re.findall(told, ran.err)[0]) >= 60, "and as long as this test took until then"
    assert "--force starts all the same" in ran.err
    assert ProcessInstance.objects.count() == 1
    assert run("start_process", "order", "--force").code == 0


def test_refused_half_way(run: Run, order: ProcessDefinition, limited: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third start finds that the first job has waited for too long: what was begun by then is told."""
    monkeypatch.setattr(pressure, "is_high", lambda: ProcessInstance.objects.count() == 2)
    ran = run("start_process", "order", "--count", "5", "--wait", "5")
    first, second = ProcessInstance.objects.order_by("pk").values_list("pk", flat=True)
    assert ran.code == 1
    assert f"2 of 5 were started: {first} to {second}." in ran.err
