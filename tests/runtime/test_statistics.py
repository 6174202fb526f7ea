"""Numbers of a version's elements: of its visits, of what runs, of what is stuck; bounded, and honest about it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import FlowNodeInstance, ProcessDefinition, ProcessInstance
from processes.runtime import instances, jobs, statistics
from tests.drawing import Drawing
from tests.runtime.conftest import deployed

pytestmark = pytest.mark.django_db


def order(end: str = "end") -> Drawing:
    return Drawing("order").start().service("charge", type="charge", retries=1).end(end)


def visited(definition: ProcessDefinition, seconds: list[float], at: datetime | None = None) -> None:
    """Instances whose visits to `charge` took so long, each ended."""
    began = at or timezone.now() - timedelta(minutes=1)
    for number, length in enumerate(seconds, start=1):
        ended = began + timedelta(seconds=length)
        row = ProcessInstance.objects.create(
            definition=definition, process_id="order", state="COMPLETED", started_at=began, ended_at=ended
        )
        FlowNodeInstance.objects.create(
            instance=row, key=number, element_id="charge", element_type="serviceTask", scope=0, state="COMPLETED",
            entered_at=began, ended_at=ended,
        )  # fmt: skip


def test_visits_durations_and_failures() -> None:
    definition = deployed(order())
    visited(definition, [float(number) for number in range(1, 101)])
    for _ in range(2):
        instances.start(definition)
    (claimed,) = jobs.claim(["charge"], worker="w", limit=1)
    jobs.fail(claimed.id, claimed.attempt, "no", by="w")
    found = statistics.of_version(definition)
    charge = found.elements["charge"]
    assert (charge.visits, charge.running, charge.failed, charge.incidents) == (102, 2, 1, 1)
    assert charge.average == timedelta(seconds=50.5)
    assert charge.p95 == timedelta(seconds=95)
    assert charge.failure_rate == pytest.approx(1 / 102)
    assert found.elements["start"].visits == 2
    assert (found.cut, found.more) == (False, False)


def test_only_this_version_and_this_window() -> None:
    definition, other = deployed(order()), deployed(order("other"))
    visited(definition, [1.0], timezone.now() - timedelta(hours=2))
    visited(definition, [3.0])
    visited(other, [5.0])
    assert statistics.of_version(definition).elements["charge"].visits == 2
    charge = statistics.of_version(definition, timedelta(hours=1)).elements["charge"]
    assert (charge.visits, charge.average) == (1, timedelta(seconds=3))
    assert statistics.of_version(other).elements["charge"].average == timedelta(seconds=5)


@pytest.mark.parametrize("bound", ["INSTANCES", "VISITS"])
def test_a_sample_is_the_newest_and_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    definition = deployed(order())
    visited(definition, [1.0, 1.0, 7.0, 7.0])
    monkeypatch.setattr(statistics, bound, 2)
    found = statistics.of_version(definition)
    assert (found.sampled, found.cut) == (2, True)
    assert found.elements["charge"].average == timedelta(seconds=7)


def test_what_runs_is_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = deployed(order())
    for _ in range(3):
        instances.start(definition)
    monkeypatch.setattr(statistics, "COUNTED", 2)
    found = statistics.of_version(definition)
    assert (found.elements["charge"].running, found.more) == (2, True)


def test_it_costs_the_same_number_of_queries_for_many_instances() -> None:
    definition = deployed(order())
    costs = []
    for _ in range(2):
        visited(definition, [1.0] * 20)
        with CaptureQueriesContext(connection) as queries:
            statistics.of_version(definition, timedelta(hours=1))
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert costs[0] <= 6
