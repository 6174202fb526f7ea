"""Where instances stand: the innermost live visits and the open incidents, for many instances at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Exists, OuterRef

from processes.models import FlowNodeInstance, Incident, ProcessInstance
from processes.models.instances import row_by_row


def standing(instances: Sequence[ProcessInstance]) -> dict[int, dict[str, int]]:
    """For every instance the elements where it stands, with the number of visits: one query, grouped.

    A sub-process in which something stands does not count: what stands in it says more.
    """
    live = FlowNodeInstance.objects.filter(ended_at__isnull=True)
    inside = live.filter(instance=OuterRef("instance"), scope=OuterRef("key"))
    rows = (
        live.filter(instance__in=[instance.pk for instance in instances])
        .alias(around=row_by_row(Exists(inside)))
        .filter(around=False)
        .order_by("instance_id", "element_id")
        .values_list("instance_id", "element_id")
        .annotate(visits=Count("pk"))
    )
    places: dict[int, dict[str, int]] = {}
    for instance_id, element_id, visits in rows:
        places.setdefault(instance_id, {})[element_id] = visits
    return places


def open_incidents(instances: Sequence[ProcessInstance]) -> dict[int, int]:
    """For every instance that has some, the number of its open incidents."""
    rows: Any = (
        Incident.objects.filter(ended_at__isnull=True, instance__in=[instance.pk for instance in instances])
        .order_by()
        .values_list("instance_id")
        .annotate(Count("pk"))
    )
    return dict(rows)
