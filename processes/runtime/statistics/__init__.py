"""What the visits to the elements of a version say: how many, how long, how many failed.

Bounded, so that it is as fast after ten million instances as after ten: times and failures are those of a sample, the
newest `VISITS` visits within the newest `INSTANCES` instances of the version; what runs and what is stuck now is
counted over all of them, up to `COUNTED`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from processes.models import FlowNodeInstance, Incident, ProcessDefinition, ProcessInstance
from processes.models.instances import FINAL

INSTANCES = 1_000
VISITS = 10_000
COUNTED = 10_000
WINDOWS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class ElementStatistics:
    """`visits` began within the window, `failed` of them had an incident; durations are of those that ended."""

    element_id: str
    visits: int = 0
    running: int = 0
    failed: int = 0
    incidents: int = 0
    average: timedelta | None = None
    p95: timedelta | None = None

    @property
    def failure_rate(self) -> float | None:
        """From 0 to 1; None where nothing was visited."""
        return self.failed / self.visits if self.visits else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """`sampled`: visits that were looked at; `cut`: there are older ones in the window; `more`: what runs, or what is
    stuck, was counted no further."""

    elements: Mapping[str, ElementStatistics]
    since: datetime | None
    sampled: int
    cut: bool
    more: bool


@dataclass(slots=True)
class _Seen:
    visits: int = 0
    failed: int = 0
    durations: list[timedelta] = field(default_factory=list)


def of_version(definition: ProcessDefinition, window: timedelta | None = None) -> Statistics:
    """Of the visits that began within the window, or of all, by element id."""
    since = timezone.now() - window if window is not None else None
    newest = ProcessInstance.objects.filter(definition=definition).order_by("-id").values_list("pk", flat=True)
    ids = list(newest[: INSTANCES + 1])
    seen, sampled, full = _sample(ids[:INSTANCES], since)
    running, more_running = _running(definition)
    incidents, more_incidents = _incidents(definition)
    elements = {
        id: _statistics(id, seen.get(id, _Seen()), running[id], incidents[id])
        for id in sorted({*seen, *running, *incidents})
    }
    return Statistics(
        elements=elements,
        since=since,
        sampled=sampled,
        cut=full or (len(ids) > INSTANCES and _reaches(ids[INSTANCES], since)),
        more=more_running or more_incidents,
    )


def _reaches(instance_id: int, since: datetime | None) -> bool:
    """Whether the newest instance beyond the sample still falls into the window."""
    if since is None:
        return True
    return ProcessInstance.objects.filter(pk=instance_id, started_at__gte=since).exists()


def _sample(ids: Sequence[int], since: datetime | None) -> tuple[dict[str, _Seen], int, bool]:
    visits = FlowNodeInstance.objects.filter(instance__in=ids).order_by("-instance_id", "-key")
    incidents = Incident.objects.filter(instance__in=ids).order_by("-instance_id", "-key")
    if since is not None:
        visits, incidents = visits.filter(entered_at__gte=since), incidents.filter(raised_at__gte=since)
    failed = set(incidents.values_list("instance_id", "node")[:VISITS])
    rows = list(visits.values_list("instance_id", "key", "element_id", "entered_at", "ended_at")[: VISITS + 1])
    seen: defaultdict[str, _Seen] = defaultdict(_Seen)
    for instance_id, key, element_id, entered_at, ended_at in rows[:VISITS]:
        one = seen[element_id]
        one.visits += 1
        one.failed += (instance_id, key) in failed
        if ended_at is not None:
            one.durations.append(ended_at - entered_at)
    return seen, min(len(rows), VISITS), len(rows) > VISITS


def _running(definition: ProcessDefinition) -> tuple[Counter[str], bool]:
    live = ProcessInstance.objects.filter(definition=definition).exclude(state__in=FINAL).order_by("-id")
    visits = FlowNodeInstance.objects.filter(instance__in=live.values("pk")[:COUNTED], ended_at__isnull=True)
    return _count(visits)


def _incidents(definition: ProcessDefinition) -> tuple[Counter[str], bool]:
    opened = Incident.objects.filter(ended_at__isnull=True, process_id=definition.process_id)
    return _count(opened.filter(instance__definition=definition))


def _count(rows: QuerySet[Any]) -> tuple[Counter[str], bool]:
    """How many by element id, of the first `COUNTED`: read, because to have so few counted takes a join with itself."""
    counted = Counter(rows.order_by().values_list("element_id", flat=True)[:COUNTED])
    return counted, counted.total() >= COUNTED


def _statistics(id: str, seen: _Seen, running: int, incidents: int) -> ElementStatistics:
    lengths = sorted(seen.durations)
    return ElementStatistics(
        element_id=id,
        visits=seen.visits,
        running=running,
        failed=seen.failed,
        incidents=incidents,
        average=sum(lengths, timedelta()) / len(lengths) if lengths else None,
        p95=lengths[-(-95 * len(lengths) // 100) - 1] if lengths else None,
    )
