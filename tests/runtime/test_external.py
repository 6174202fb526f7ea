"""External workers and the connections that their jobs name."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Gate, Job
from processes.runtime import connections, external, instances, jobs
from tests.drawing import Drawing
from tests.runtime.conftest import deployed

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
