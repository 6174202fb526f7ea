"""Timers that are due fire: those of many instances together, and each alone where that does not work out."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from processes.engine.commands import FireTimer
from processes.engine.errors import IncidentKind, Rejected
from processes.models import Incident, Timer
from processes.runtime import transaction
from processes.runtime.statements import ask

logger = logging.getLogger(__name__)

BUNDLE = 100
"""Timers that fire in one commit: of as many instances, which others may have to wait for until then."""


MOST = 500
"""Timers that fire before others have their turn."""


def fire_due(limit: int = MOST) -> int:
    """Fire up to about `limit` timers that are due, oldest first, those of several instances in one transaction; how
    many fired.

    An instance that somebody else holds is left for the next pass. A timer that meets a bug of ours gets an incident
    and rests until it is resolved; it does so alone, and so does whatever cannot be done together.
    """
    fired = 0
    if not _due(1):
        return 0  # without a transaction, which on SQLite would keep others from writing
    while fired < limit:
        try:
            bundle = transaction.carry_out_together(_DUE, _arguments(), FireTimer, by="timer", limit=BUNDLE)
            fresh, alone, more = bundle.carried, bundle.alone, bundle.more
        except Exception:
            logger.warning("Expected to fire timers together; each alone then", exc_info=True)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            alone = _due(BUNDLE)
            fresh, more = 0, len(alone) == BUNDLE
        fresh += sum(_fire(instance_id, key) for instance_id, key in alone)
        fired += fresh
        if not (more and fresh):
            break
    return fired


def next_due(after: datetime) -> datetime | None:
    """When the first of the timers that were not due at that moment is due."""
    return Timer.objects.filter(due_at__gt=after).order_by("due_at").values_list("due_at", flat=True).first()


_DUE = f"""
SELECT timer.instance_id, timer."key", timer.due_at FROM {Timer._meta.db_table} timer
WHERE timer.due_at <= %s AND NOT timer.suspended AND NOT EXISTS (
    SELECT 1 FROM {Incident._meta.db_table} bug
    WHERE bug.instance_id = timer.instance_id AND bug.node = timer.node AND bug.kind = %s AND bug.ended_at IS NULL
)"""
"""Parked is what `transaction.parked_by_a_bug` says. By hand: the ORM spells it as long as ten timers take to fire."""


def _arguments() -> tuple[Any, str]:
    return connection.ops.adapt_datetimefield_value(timezone.now()), IncidentKind.INTERNAL.value


def _due(limit: int) -> list[tuple[int, int]]:
    """Instance and key of the oldest timers that are due."""
    with connection.cursor() as cursor:
        ask(cursor, f"{_DUE} ORDER BY due_at LIMIT {limit}", _arguments())
        return [(instance_id, key) for instance_id, key, _ in cursor.fetchall()]


def _fire(instance_id: int, key: int) -> bool:
    try:
        transaction.carry_out(instance_id, FireTimer(key), by="timer", wait=False)
    except (Rejected, transaction.Busy) as told:
        logger.debug("Timer %s of instance %s does not fire now: %s", key, instance_id, told)
    except Exception:
        logger.exception("Expected to fire timer %s of instance %s", key, instance_id)
    else:
        return True
    return False
