"""Signals over REST: everyone who waits gets it, and what is waited for can be seen."""

from __future__ import annotations

import pytest

from processes.models import ProcessInstance
from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/signals"

# A signal is delivered once it is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_signal_reaches_everyone_who_waits(api, deploy, start):
    drawing = Drawing().start().event_based("g").catch("stopped", ("signal", "stop")).service("tidy", type="t").end()
    deploy(drawing.at("g").catch("hot", ("conditional", "=heat > 9")).end("e2"))
    numbers = [start()["id"] for _ in range(2)]
    parts = f"{V1}/process-instances/{numbers[0]}"
    (subscription,) = api.get(f"{parts}/signal-subscriptions").json()["results"]
    assert (subscription["name"], subscription["element_id"]) == ("stop", "stopped")
    (condition,) = api.get(f"{parts}/conditions").json()["results"]
    assert (condition["expression"], condition["satisfied"]) == ("=heat > 9", False)
    answer = api.post(URL, {"name": "stop", "variables": {"why": "late"}}, format="json")
    assert (answer.status_code, answer.json()) == (201, {"name": "stop", "awaited_by": 2})
    for number in numbers:
        shown = api.get(f"{V1}/process-instances/{number}").json()
        assert [row["element_id"] for row in shown["active"]] == ["tidy"]
        assert ProcessInstance.objects.get(pk=number).variables == {"why": "late"}
    assert api.get(f"{parts}/conditions").json()["results"] == []


def test_nobody_waits(api):
    assert api.post(URL, {"name": "stop"}, format="json").json() == {"name": "stop", "awaited_by": 0}


def test_a_signal_without_a_name(api):
    assert fields(problem(api.post(URL, {"variables": {}}, format="json"), 400, "invalid")) == {"name": "required"}
