"""One pass over everything that is due. Rows are the truth; whatever a crash or a lost message left is found here.

Any number of sweepers may run at once: each takes what the others do not hold. Who sweeps when is decided elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime

from django.utils import timezone

from processes.runtime import (
    audit,
    batches,
    calls,
    inbound,
    jobs,
    messages,
    replies,
    signals,
    starts,
    throughput,
    timers,
    workers,
)
from processes.runtime.statistics import attempts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many of each; a part that failed counts 0, and the log says why."""

    lapsed: int = 0
    fired: int = 0
    correlated: int = 0
    announced: int = 0
    expired: int = 0
    forgotten: int = 0
    unanswered: int = 0
    delivered: int = 0
    begun: int = 0
    signalled: int = 0
    batched: int = 0
    too_late: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, part.name) for part in fields(self))


def sweep_once(*, thorough: bool = True) -> Swept:
    """Let leases lapse, end tries that have no time left, give up replies, fire timers, perform deliveries, deliver
    signals, go on with batches, announce due jobs; if `thorough`, also what is needed after crashes only, or is not
    urgent: match messages and replies, expire them, forget workers, count the minutes that are over. Never raises."""
    swept = Swept(
        lapsed=_part(jobs.lapse),
        fired=_part(timers.fire_due),
        unanswered=_part(replies.expire),
        begun=_part(starts.fire_due),
        delivered=_part(calls.deliver_due),
        correlated=_part(messages.match) + _part(replies.match) if thorough else 0,
        signalled=_part(signals.deliver),
        too_late=_part(jobs.expire),
        batched=_part(batches.carry_on),
        announced=_part(jobs.hint),
    )
    if not thorough:
        return swept
    now = timezone.now()  # one moment for both, or the oldest minute would be counted and not sampled
    _part(throughput.count, now)  # no work that anybody waits for
    _part(attempts.sample, now)
    return replace(
        swept,
        expired=_part(messages.expire) + _part(replies.forget) + _part(inbound.forget) + _part(signals.forget),
        forgotten=_part(workers.forget) + _part(throughput.forget) + _part(audit.forget),
    )


def _part(part: Callable[..., int], *given: datetime) -> int:
    try:
        return part(*given)
    except Exception:
        logger.exception("Expected a pass of %s.%s", part.__module__, part.__name__)
        return 0
