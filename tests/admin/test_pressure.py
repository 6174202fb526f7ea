"""Back-pressure in the console: how old the queue is beside its limit, and what happens to those who start by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from processes.models import Job, ProcessDefinition, ProcessInstance
from processes.runtime import pressure
from tests.admin.conftest import filled, said, start
from tests.admin.eventful import Clock

INDEX = "admin:index"


@pytest.fixture
def limited(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "MAX_QUEUE_AGE": timedelta(seconds=30)}
    monkeypatch.setattr(pressure, "_watch", pressure._Watch())
    monkeypatch.setattr(pressure, "LOOK_EVERY", 0.0)


def age() -> None:
    Job.objects.filter(state="DUE").update(due_at=F("due_at") - timedelta(seconds=50))


def tile(client: Client) -> Any:
    found = {tile.label: tile for tile in client.get(reverse(INDEX)).context["tiles"]}
    return found.get("age of the queue")


def test_the_cockpit_shows_the_age_beside_its_limit(
    admin: Client, order: ProcessDefinition, limited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)  # which stands still
    assert (tile(admin).number, tile(admin).mood) == ("0 s", "good")
    start(order)
    assert tile(admin).note == "new work is refused beyond 30 s"
    age()
    shown = tile(admin)
    assert (shown.number, shown.note, shown.mood) == ("50 s", "limit 30 s: new work is refused", "bad")
    assert "type=charge-card" in shown.href
    assert admin.get(shown.href).status_code == 200


def test_without_a_limit_there_is_no_tile(admin: Client, order: ProcessDefinition) -> None:
    start(order)
    age()
    assert tile(admin) is None


def test_who_starts_by_hand_is_told(admin: Client, order: ProcessDefinition, limited: None) -> None:
    address = reverse("admin:processes_processdefinition_start", args=[order.pk])
    assert said(admin.get(address)) == []
    start(order)
    age()
    (before,) = said(admin.get(address))
    assert before.endswith("New work is refused until they are done.")
    page = admin.post(address, filled(admin, address), follow=True)
    assert "[overloaded]" in said(page)[-1]
    assert page.context["form"].is_bound, "what was typed is still there"
    assert ProcessInstance.objects.count() == 1
