"""The queue by job type: what is due and for how long, who works on it, who serves it at all. Live rows only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q

from processes.admin import shown
from processes.admin.base import newest
from processes.admin.places import listed
from processes.models import Connection, Incident, Job, Worker
from processes.runtime import user_tasks, workers

MOST_TYPES = 25
MOST_JOBS = 100_000
"""Live jobs that are told apart; where there are more, the oldest, for those are stuck if any are."""
MOST_CONNECTIONS = 12
MOST_WORKERS = 200
MOST_WORKERS_SHOWN = 12
OLD = timedelta(minutes=1)
"""A job that is due for longer has nobody, or not enough."""


@dataclass(frozen=True, slots=True)
class JobType:
    """One line of the table; the numbers lead to what they count."""

    name: str
    due: str
    oldest: str
    is_old: bool
    running: str
    later: str
    parked: str
    failed: str
    served_by: int
    is_for_people: bool
    is_unserved: bool


@dataclass(frozen=True, slots=True)
class Queue:
    is_cut: bool
    types: list[JobType]
    more_types: int
    unserved: list[JobType]
    workers: list[dict[str, Any]]
    more_workers: int


def queue(now: datetime) -> Queue:
    """Five queries, those of the incidents by job type among them."""
    due = Q(state="DUE", suspended=False, due_at__lte=now)
    jobs = Job.objects.all()
    ceiling = jobs.order_by("pk").values_list("pk", flat=True)[MOST_JOBS : MOST_JOBS + 1].first()
    if ceiling is not None:
        jobs = jobs.filter(pk__lt=ceiling)
    found = list(
        jobs.order_by()
        .values("type")
        .annotate(
            due=Count("pk", filter=due & Q(parked="")),
            oldest=Min("due_at", filter=due & Q(parked="")),
            held_back=Count("pk", filter=Q(state="DUE") & ~Q(parked="")),
            later=Count("pk", filter=Q(state="DUE", suspended=False, due_at__gt=now, parked="")),
            running=Count("pk", filter=Q(state="CLAIMED")),
        )
        .order_by("-due", "type")
    )
    alive = list(workers.alive().order_by("name")[:MOST_WORKERS])
    serving: dict[str, int] = {}
    for worker in alive:
        for kind in _types(worker):
            serving[kind] = serving.get(kind, 0) + 1
    failures = _failures()
    rows = [_line(row, failures.get(row["type"], 0), serving, now) for row in found]
    return Queue(
        is_cut=ceiling is not None,
        types=rows[:MOST_TYPES],
        more_types=max(0, len(rows) - MOST_TYPES),
        unserved=[row for row in rows if row.is_unserved],
        workers=[
            {"row": worker, "types": _types(worker), "up": shown.length(now - worker.started_at)}
            for worker in alive[:MOST_WORKERS_SHOWN]
        ],
        more_workers=max(0, len(alive) - MOST_WORKERS_SHOWN),
    )


def connections() -> list[dict[str, Any]]:
    """Those in trouble first; two queries."""
    rows = list(
        Connection.objects.select_related("gate").order_by("-paused", "-gate__breaker", "name")[:MOST_CONNECTIONS]
    )
    live = Job.objects.filter(connection__in=[row.name for row in rows]).order_by().values("connection")
    counted: dict[str, Mapping[str, Any]] = {
        found["connection"]: found
        for found in live.annotate(
            flying=Count("pk", filter=Q(state="CLAIMED")),
            held_back=Count("pk", filter=Q(state="DUE") & ~Q(parked="")),
        )
    }
    return [_destination(row, counted.get(row.name, {})) for row in rows]


def _destination(row: Connection, counted: Mapping[str, Any]) -> dict[str, Any]:
    rate = "" if row.rate is None else f"{row.rate:g}/s"
    return {
        "row": row,
        "state": shown.badge("PAUSED") if row.paused else shown.badge(row.gate.breaker),
        "note": row.paused_because if row.paused else row.gate.last_failure if row.gate.failures else "",
        "failures": len(row.gate.failures),
        "flying": counted.get("flying", 0),
        "limits": ", ".join(filter(None, (rate, f"{row.concurrency} at once" if row.concurrency else ""))),
        "parked": shown.count(counted.get("held_back", 0), listed("job", q=row.name, state__exact="DUE"), "warn"),
    }


def _failures() -> dict[str, int]:
    """Open incidents by job type, of the newest ones."""
    opened = newest(Incident.objects.filter(ended_at__isnull=True))
    found: Any = opened.order_by().values_list("job_type").annotate(Count("pk"))
    return dict(found)


def _line(row: Mapping[str, Any], failed: int, serving: Mapping[str, int], now: datetime) -> JobType:
    name, oldest = row["type"], row["oldest"]
    people = name == user_tasks.TYPE
    return JobType(
        name=name,
        due=shown.count(row["due"], listed("job", type=name, due="now", parked__exact="")),
        oldest=shown.length(now - oldest) if oldest else "",
        is_old=oldest is not None and now - oldest > OLD and not people,
        running=shown.count(row["running"], listed("job", type=name, state__exact="CLAIMED")),
        later=shown.count(row["later"], listed("job", type=name, due="later", parked__exact="")),
        parked=shown.count(row["held_back"], listed("job", type=name, parked__gt=" "), "warn"),
        failed=shown.count(failed, listed("incident", job_type=name), "bad"),
        served_by=serving.get(name, 0),
        is_for_people=people,
        is_unserved=bool(row["due"]) and not people and name not in serving,
    )


def _types(worker: Worker) -> Collection[str]:
    return [str(kind) for kind in worker.types] if isinstance(worker.types, list) else []
