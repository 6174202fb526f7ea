"""Who is there to work: workers say so every now and then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from processes.models import Worker
from processes.runtime import values

FORGOTTEN_AFTER = timedelta(days=1)
"""A worker that was silent for so long is no longer listed."""


def beat(name: str, types: Iterable[str]) -> None:
    """The worker of that name is alive and serves these job types. Raises `Rejected` with ``value-invalid``."""
    now = timezone.now()
    worker = Worker(name=values.text(name, what="a worker name"), types=sorted(types), started_at=now, seen_at=now)
    Worker.objects.bulk_create(
        [worker], update_conflicts=True, unique_fields=["name"], update_fields=["types", "seen_at"]
    )


def alive(within: timedelta = timedelta(seconds=60)) -> QuerySet[Worker]:
    """The workers that were seen within that time."""
    return Worker.objects.filter(seen_at__gte=timezone.now() - within)


def forget(limit: int = 1000) -> int:
    """Drop workers that were not seen for `FORGOTTEN_AFTER`; how many."""
    lost = Worker.objects.filter(seen_at__lt=timezone.now() - FORGOTTEN_AFTER)
    return Worker.objects.filter(pk__in=list(lost.values_list("pk", flat=True)[:limit])).delete()[0]
