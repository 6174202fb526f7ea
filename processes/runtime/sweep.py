"""One pass over everything that is due. Rows are the truth; whatever a crash or a lost message left is found here.

Any number of sweepers may run at once: each takes what the others do not hold. Who sweeps when is decided elsewhere.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
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

SOON_SECONDS = 0.1
"""Timers are looked for again after a part that took longer: they are the only ones to name a moment."""


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

    @property
    def left_some(self) -> bool:
        """Whether the next pass is likely to find more. Timers that become due one after the other are no reason: they
        are better fired together."""
        return self.total > self.fired or self.fired >= timers.MOST


def sweep_once(*, thorough: bool = True) -> Swept:
    """Fire timers, let leases lapse, end tries that have no time left, give up replies, perform deliveries, deliver
    signals, go on with batches, announce due jobs; if `thorough`, also what is needed after crashes only, or is not
    urgent: match messages and replies, expire them, forget workers, count the minutes that are over. Never raises."""
    parts: list[tuple[str, Callable[[], int]]] = [
        ("lapsed", jobs.lapse),
        ("unanswered", replies.expire),
        ("begun", starts.fire_due),
        ("delivered", calls.deliver_due),
        *([("correlated", messages.match), ("correlated", replies.match)] if thorough else []),
        ("signalled", signals.deliver),
        ("too_late", jobs.expire),
        ("batched", batches.carry_on),
        ("announced", jobs.hint),
    ]
    if thorough:
        parts += [("expired", part) for part in (messages.expire, replies.forget, inbound.forget, signals.forget)]
        parts += [("forgotten", part) for part in (workers.forget, throughput.forget, audit.forget)]
    swept: Counter[str] = Counter()
    fired_at = -math.inf
    for name, part in parts:
        if time.monotonic() - fired_at > SOON_SECONDS:
            swept["fired"] += _part(timers.fire_due)
            fired_at = time.monotonic()
        swept[name] += _part(part)
    if thorough:
        now = timezone.now()  # one moment for both, or the oldest minute would be counted and not sampled
        _part(throughput.count, now)  # no work that anybody waits for
        _part(attempts.sample, now)
    return Swept(**swept)


def _part(part: Callable[..., int], *given: datetime) -> int:
    try:
        return part(*given)
    except Exception:
        logger.exception("Expected a pass of %s.%s", part.__module__, part.__name__)
        return 0
