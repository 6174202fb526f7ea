"""A signal becomes rows: one delivery for everyone who waits for it at this moment, and for every process that it
begins, in the transaction that throws it.

Signals are not buffered (BPMN 2.0.2 section 10.5.1): whoever begins to wait later does not get it. Whoever waited gets
it for certain, because his delivery is committed together with the throw.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from processes.engine.event_definition import StartKind
from processes.models import Signal, SignalDelivery, SignalSubscription, StartSubscription


def spread(
    name: str, variables: Mapping[str, Any], *, at: datetime, by: str, own: tuple[int, int] | None = None
) -> int:
    """Write the deliveries of a signal; for how many it left. To be called within a transaction.

    `own` is the instance that throws, and the highest key that it had given out by then: what it began to wait for
    afterwards, though in the same step, is too late.
    """
    begun = list(_starts(name).order_by("process_id", "id").values_list("definition_id", "element_id"))
    if not begun and not SignalSubscription.objects.filter(name=name).exists():
        return 0
    signal = Signal.objects.create(name=name, variables=dict(variables), thrown_at=at, thrown_by=by)
    with connection.cursor() as cursor:
        cursor.execute(_DELIVER, [signal.pk, name, *(own or (0, 0))])
        reached = int(cursor.rowcount) + len(begun)
    SignalDelivery.objects.bulk_create(
        SignalDelivery(signal=signal, definition_id=definition, element_id=element) for definition, element in begun
    )
    if not reached:
        signal.delete()
    return reached


def only_begins(name: str) -> bool:
    """Whether a signal would begin processes and reach nobody who waits."""
    return _starts(name).exists() and not SignalSubscription.objects.filter(name=name).exists()


def _starts(name: str) -> QuerySet[StartSubscription]:
    return StartSubscription.objects.filter(kind=StartKind.SIGNAL.value, name=name, definition__suspended=False)


_DELIVER = f"""
INSERT INTO {SignalDelivery._meta.db_table} (signal_id, instance_id, "key", node, element_id)
SELECT %s, instance_id, "key", node, '' FROM {SignalSubscription._meta.db_table}
WHERE name = %s AND NOT (instance_id = %s AND "key" > %s) ORDER BY id
"""
