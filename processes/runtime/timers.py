"""Timers that are due fire."""

from __future__ import annotations

import logging

from django.utils import timezone

from processes.engine.commands import FireTimer
from processes.engine.errors import Rejected
from processes.models import Timer
from processes.runtime import transaction

logger = logging.getLogger(__name__)


def fire_due(limit: int = 100) -> int:
    """Fire up to `limit` timers that are due, oldest first, each in its own transaction; how many fired.

    An instance that somebody else holds is left for the next pass. A timer that meets a bug of ours gets an incident
    and rests until it is resolved.
    """
    due = Timer.objects.filter(due_at__lte=timezone.now(), suspended=False).exclude(transaction.parked_by_a_bug())
    fired = 0
    for instance_id, key in due.order_by("due_at", "id").values_list("instance_id", "key")[:limit]:
        try:
            transaction.carry_out(instance_id, FireTimer(key), by="timer", wait=False)
        except (Rejected, transaction.Busy) as told:
            logger.debug("Timer %s of instance %s does not fire now: %s", key, instance_id, told)
        except Exception:
            logger.exception("Expected to fire timer %s of instance %s", key, instance_id)
        else:
            fired += 1
    return fired
