"""Seeding: rows that look lived in, on either database, and nothing by accident."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.utils import timezone

from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Step, Timer
from processes.models.instances import FINAL
from processes.runtime import instances

pytestmark = pytest.mark.django_db


def seed(**options: Any) -> dict[str, int]:
    out = StringIO()
    call_command("seed_instances", stdout=out, as_json=True, yes=True, **options)
    answer: dict[str, int] = json.loads(out.getvalue())
    return answer


def test_as_many_as_asked_in_every_condition() -> None:
    assert seed(finished=101, running=53, batch=40) == {"finished": 101, "running": 53}
    ended = ProcessInstance.objects.filter(state__in=FINAL)
    assert ended.count() == 101
    assert set(ended.values_list("state", flat=True)) == set(FINAL)
    live = ProcessInstance.objects.exclude(state__in=FINAL)
    assert live.count() == 53
    assert set(live.values_list("state", flat=True)) == {"ACTIVE", "SUSPENDED"}
    assert ProcessInstance.objects.values("process_id").distinct().count() == 3
    assert set(Job.objects.values_list("state", flat=True)) == {"DUE", "CLAIMED", "FAILED"}
    assert Incident.objects.filter(ended_at=None).exists()
    assert Incident.objects.exclude(ended_at=None).exists()
    assert Timer.objects.filter(due_at__gt=timezone.now()).exists()


def test_every_instance_has_its_whole_history_and_its_own_key() -> None:
    seed(finished=45, running=20)
    for row in ProcessInstance.objects.all():
        assert row.history.count() == row.steps
        assert row.nodes.exists()
        assert row.business_key == f"seed-{row.pk}"
    assert FlowNodeInstance.objects.filter(ended_at__isnull=True, instance__ended_at__isnull=False).count() == 0
    assert Step.objects.filter(at__gt=timezone.now()).count() == 0


def test_it_spreads_over_a_month_in_the_order_of_their_numbers() -> None:
    seed(finished=60, running=0)
    ended = list(ProcessInstance.objects.order_by("pk").values_list("ended_at", flat=True))
    assert ended == sorted(ended)
    assert timezone.now() - timedelta(days=31) < ended[0] < timezone.now() - timedelta(days=28)
    assert ended[-1] > timezone.now() - timedelta(minutes=5)


def test_what_is_seeded_can_be_worked_on_and_followed_by_others() -> None:
    seed(finished=20, running=20)
    seed(finished=20, running=20)
    row = ProcessInstance.objects.filter(state="ACTIVE").first()
    assert row is not None
    instances.cancel(row.pk, by="test")
    row.refresh_from_db()
    assert row.state == "TERMINATED"
    begun = instances.start(row.definition, by="test").instance
    assert begun.pk == ProcessInstance.objects.aggregate(top=models.Max("pk"))["top"]


def test_not_where_debug_is_off_unless_told(settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="Expected a database for trials"):
        call_command("seed_instances")
    assert not ProcessInstance.objects.exists()
