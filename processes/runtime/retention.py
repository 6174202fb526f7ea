"""Instances that ended long ago are deleted, with their history; so are batches, with what came of each item."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from processes.models import Batch, BatchItem, Delivery, MessageCorrelation, ProcessInstance
from processes.runtime import audit

ITEMS = 5_000
"""Items of a batch that are deleted in one transaction."""


def ended(older_than: timedelta, *, process_id: str | None = None) -> QuerySet[ProcessInstance]:
    """Instances that may be deleted: they ended before that long ago, no message that reached them is still buffered,
    for who forgets where a message went delivers it twice, and no instance that they called is alive."""
    now = timezone.now()
    buffered = MessageCorrelation.objects.filter(instance=OuterRef("pk"), message__expires_at__gt=now)
    called = ProcessInstance.objects.filter(parent=OuterRef("pk"), ended_at__isnull=True)
    owed = Delivery.objects.filter(instance=OuterRef("pk"))
    found = ProcessInstance.objects.filter(~Exists(buffered), ~Exists(called), ~Exists(owed))
    found = found.filter(ended_at__lt=now - older_than)
    return found.filter(process_id=process_id) if process_id is not None else found


def purge(
    older_than: timedelta, *, process_id: str | None = None, batch: int = 500, by: str = "", reason: str = ""
) -> Iterator[int]:
    """Delete instances that ended before that long ago; yields how many after every batch, each a transaction.

    Live instances are never deleted, however old. Nothing happens unless the result is iterated.
    """
    old = ended(older_than, process_id=process_id).order_by("ended_at", "id")
    while True:
        with transaction.atomic():
            # Several may purge at once: each takes what the others do not hold.
            ids = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
            if ids:
                ProcessInstance.objects.filter(pk__in=ids).only("pk").order_by().delete()
                what = {"instances": len(ids), "older_than_seconds": older_than.total_seconds()}
                audit.record("purge", "process instance", process_id or "", by=by, reason=reason, details=what)
        if not ids:
            return
        yield len(ids)


def ended_batches(older_than: timedelta) -> QuerySet[Batch]:
    return Batch.objects.filter(ended_at__lt=timezone.now() - older_than)


def purge_batches(older_than: timedelta) -> Iterator[int]:
    """Delete batches that ended before that long ago; yields 1 for each. Their items go first, piece by piece."""
    for pk in ended_batches(older_than).order_by("ended_at").values_list("pk", flat=True):
        while some := list(BatchItem.objects.filter(batch_id=pk).order_by("id").values_list("pk", flat=True)[:ITEMS]):
            BatchItem.objects.filter(pk__in=some).delete()
        yield Batch.objects.filter(pk=pk).delete()[0]
