"""``/metrics`` for Prometheus: what the rows say at this moment, so it is true for all processes together.

Every number comes from a partial index or a small table; instances that have ended are not counted, since there are
millions of them. Who may scrape: a user (token or session) who may view process instances, so with knox's token

    authorization: {type: Token, credentials: <token>}

or whoever sends ``Authorization: Bearer`` with ORCHESTRATOR_METRICS_TOKEN. Set to ``public``, nobody is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from drf_spectacular.utils import extend_schema
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from processes.api.rendering import Fixed
from processes.models import Incident, Job, Message, ProcessInstance, Timer
from processes.models.instances import FINAL
from processes.models.waits import JobState  # type: ignore[attr-defined]
from processes.runtime import pressure, workers

ALIVE = timedelta(seconds=60)


class Rows(Collector):
    """Asks the database at every scrape."""

    def collect(self) -> Iterator[Metric]:
        now = timezone.now()
        yield gauge(
            "process_instances",
            "Process instances that have not ended.",
            ["state"],
            ProcessInstance.objects.exclude(state__in=FINAL).order_by().values_list("state").annotate(Count("id")),
        )
        yield gauge(
            "jobs",
            "Jobs that are not done.",
            ["type", "state"],
            Job.objects.order_by().values_list("type", "state").annotate(Count("id")),
        )
        yield gauge(
            "oldest_due_job_age_seconds",
            "For how long the oldest job has been due and unclaimed.",
            ["type"],
            self._ages(now),
        )
        yield gauge(
            "lapsed_leases",
            "Claimed jobs whose worker has been silent beyond its lease.",
            [],
            [(Job.objects.filter(state=JobState.CLAIMED.value, lease_until__lte=now).count(),)],
        )
        yield gauge(
            "open_incidents",
            "Parts of instances that need an operator.",
            ["kind"],
            Incident.objects.filter(ended_at__isnull=True).order_by().values_list("kind").annotate(Count("id")),
        )
        yield gauge(
            "timers", "Timers that are armed.", ["due"],
            [(due, number) for due, number in zip(("yes", "no"), self._timers(now), strict=True)],
        )  # fmt: skip
        yield gauge(
            "buffered_messages",
            "Messages that have not expired.",
            [],
            [(Message.objects.filter(expires_at__gt=now).count(),)],
        )
        yield gauge("workers_alive", "Workers seen in the last minute.", [], [(workers.alive(ALIVE).count(),)])
        yield from self._pressure()

    def _pressure(self) -> Iterator[Metric]:
        """Refusals are no row, for refusing must cost nothing: each process tells its own."""
        found = pressure.look()
        age, limit = found.age.total_seconds(), (found.limit or timedelta()).total_seconds()
        yield gauge(
            "queue_age_seconds", "For how long the oldest job that connectors serve has been due.", [], [(age,)]
        )
        yield gauge("queue_age_limit_seconds", "Beyond it new work is refused; 0: never.", [], [(limit,)])
        yield gauge("overloaded", "Whether new work is refused.", [], [(int(found.is_high),)])
        refused = CounterMetricFamily(
            "orchestrator_refused", "What this process refused to begin since it was started.", labels=["process"]
        )
        refused.add_metric([str(os.getpid())], pressure.refusals())
        yield refused

    def _ages(self, now: datetime) -> Iterator[tuple[str, float]]:
        due = Job.objects.filter(state=JobState.DUE.value, suspended=False, due_at__lte=now)
        for kind, since in due.order_by().values_list("type").annotate(Min("due_at")):
            yield kind, (now - since).total_seconds()

    def _timers(self, now: datetime) -> tuple[int, int]:
        numbers = Timer.objects.order_by().aggregate(
            due=Count("id", filter=Q(due_at__lte=now, suspended=False)), all=Count("id")
        )
        return numbers["due"], numbers["all"] - numbers["due"]


def gauge(name: str, text: str, labels: list[str], rows: Iterable[Iterable[Any]]) -> GaugeMetricFamily:
    """Rows of label values followed by the number."""
    family = GaugeMetricFamily(f"orchestrator_{name}", text, labels=labels)
    for *values, number in rows:
        family.add_metric([str(value) for value in values], number)
    return family


REGISTRY = CollectorRegistry(auto_describe=False)
REGISTRY.register(Rows())


class MayScrape(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        token = settings.ORCHESTRATOR_API["METRICS_TOKEN"]
        if token == "public":
            return True
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if token and kind.lower() == "bearer" and constant_time_compare(given.strip(), token):
            return True
        return bool(request.user and request.user.has_perm("processes.view_processinstance"))


@extend_schema(tags=["operations"])
class Metrics(APIView):
    http_method_names = ["get", "head"]
    permission_classes = [MayScrape]
    content_negotiation_class = Fixed

    @extend_schema(
        summary="Numbers for Prometheus",
        description=(
            "Needs the permission to view process instances, or the bearer token of ORCHESTRATOR_METRICS_TOKEN."
        ),
        responses={(200, "text/plain"): str},
    )
    def get(self, request: Request) -> HttpResponse:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(REGISTRY), content_type=content_type)
