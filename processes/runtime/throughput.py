"""How much is done a minute, and how long it takes: counted once, right after the minute, and read by everybody.

Counting an hour of a busy system at every look at a page would read millions of rows. A minute of it is read by the
index of ends; jobs are counted from the step where the minute before stopped, for steps are numbered as they come.
A minute in which nobody swept is counted later, up to an hour; what is older is nobody's business any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Q
from django.db.models.functions import TruncMinute
from django.utils import timezone

from processes.models import Minute, ProcessInstance, Step

SHOWN = 60
"""Minutes."""
KEPT = timedelta(days=1)
MOST_STEPS = 200_000
"""Read at once: what a fleet leaves behind in a minute, and the most that is caught up after a pause."""
SETTLED = timedelta(seconds=5)
"""Transactions that began within the minute have ended so long after it, or are missed by the count of jobs."""


def count(now: datetime | None = None) -> int:
    """Count the minutes that are over and were not counted yet; how many."""
    over = ended_before(now or timezone.now())
    newest = Minute.objects.order_by("-at").first()
    if newest is not None and newest.at >= over - timedelta(minutes=1):
        return 0
    begin = over - timedelta(minutes=SHOWN)
    if newest is not None:
        begin = max(begin, newest.at + timedelta(minutes=1))
    top = Step.objects.aggregate(top=Max("pk"))["top"] or 0
    bottom = max(newest.last_step if newest else 0, top - MOST_STEPS)
    attempts = _attempts(bottom, top, begin)
    minutes = []
    for number in range(int((over - begin) / timedelta(minutes=1))):
        at = begin + timedelta(minutes=number)
        jobs, failures = attempts.get(at, (0, 0))
        instances, median, p95 = _ended(at)
        minutes.append(
            Minute(at=at, instances=instances, jobs=jobs, failures=failures, median=median, p95=p95, last_step=top)
        )
    try:
        with transaction.atomic():
            Minute.objects.bulk_create(minutes)
    except IntegrityError:
        return 0  # another sweeper was faster
    return len(minutes)


def forget(limit: int = 10_000) -> int:
    """Drop minutes that are older than a day; how many."""
    old = Minute.objects.filter(at__lt=timezone.now() - KEPT)
    return Minute.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]


def last_hour(now: datetime | None = None) -> list[Minute]:
    """The last sixty minutes that can have been counted, oldest first, with empty ones where none was."""
    over = ended_before(now or timezone.now())
    begin = over - timedelta(minutes=SHOWN)
    found = {row.at: row for row in Minute.objects.filter(at__gte=begin, at__lt=over)}
    moments = (begin + timedelta(minutes=number) for number in range(SHOWN))
    return [found.get(at) or Minute(at=at) for at in moments]


def ended_before(now: datetime) -> datetime:
    """The moment until which all minutes can be counted."""
    return (now - SETTLED).replace(second=0, microsecond=0)


def _attempts(bottom: int, top: int, begin: datetime) -> dict[datetime, tuple[int, int]]:
    """Completed jobs and failed attempts of every minute."""
    steps = Step.objects.filter(pk__gt=bottom, pk__lte=top, at__gte=begin, command__in=["CompleteJob", "FailJob"])
    counted = (
        steps.order_by()
        .annotate(minute=TruncMinute("at"))
        .values("minute")
        .annotate(done=Count("pk", filter=Q(command="CompleteJob")), failed=Count("pk", filter=Q(command="FailJob")))
    )
    return {row["minute"]: (row["done"], row["failed"]) for row in counted}


def _ended(at: datetime) -> tuple[int, float | None, float | None]:
    """Instances that ended within the minute, and the seconds that half and 95 of 100 of them took."""
    ended = ProcessInstance.objects.filter(ended_at__gte=at, ended_at__lt=at + timedelta(minutes=1)).order_by()
    number = ended.count()
    if not number:
        return 0, None, None
    took = ended.annotate(
        took=ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    ).order_by("took")
    spans = took.values_list("took", flat=True)
    median, p95 = (spans[min(number - 1, int(number * part))] for part in (0.5, 0.95))
    return number, median.total_seconds(), p95.total_seconds()
