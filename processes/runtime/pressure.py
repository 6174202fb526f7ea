"""Back-pressure: whether work may still begin from outside, by how long due work has been waiting.

What is due waits in rows, and none of it is lost; but where more comes in than workers do, each start waits longer than
the one before, until nobody has any use for its result. So where the oldest due job has waited for longer than the
limit, whoever would *begin* something is told to come again later (`Overloaded`), before anything is written.

Asked are the verbs that callers begin work with: starts, conditions, and those messages and signals that would do
nothing but begin instances. Never refused is what drains or was accepted before: claims and outcomes, timers,
deliveries and called processes, whatever an instance waits for, what operators do, and a repetition of what was
accepted, which gets its answer again.

The age is that of the oldest due job that connectors serve. Not waiting in this sense is what nobody but external
workers or people would do, what is suspended, and what its connection holds back: letting less in helps none of them.
It is read and not counted; a process looks once a second at most, and its threads go by what it saw.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db.models import Q, Subquery
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Job
from processes.runtime import dispatch

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds for which what a process saw is good enough."""
SOONEST, LATEST = timedelta(seconds=1), timedelta(seconds=60)
"""When who was refused may ask again: never at once, and soon enough to see that a fleet has come back."""


class Overloaded(Rejected):
    """Not now. Not the caller's fault, but as with every rejection nothing changed, and asking again is harmless."""

    def __init__(self, message: str, retry_in: timedelta) -> None:
        super().__init__("overloaded", message)
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Pressure:
    """How long the oldest due job has waited, its type ("" where none is due), and what it may wait at most."""

    age: timedelta
    type: str
    limit: timedelta | None

    @property
    def is_high(self) -> bool:
        return self.limit is not None and self.age > self.limit

    @property
    def retry_in(self) -> timedelta:
        """The further beyond the limit, the later: in whole seconds, as HTTP says it."""
        over = self.age - (self.limit or self.age)
        return timedelta(seconds=math.ceil(min(max(over, SOONEST), LATEST).total_seconds()))

    def __str__(self) -> str:
        limit = f"{self.limit.total_seconds():g} s" if self.limit is not None else "any time"
        found = f"one of type '{self.type}' has waited for {self.age.total_seconds():.0f} s" if self.type else "none is"
        return f"Expected due jobs to wait for at most {limit} but {found}"


def limit() -> timedelta | None:
    """What due jobs may wait before work is refused; None: whatever they do."""
    found: timedelta = settings.ORCHESTRATOR.get("MAX_QUEUE_AGE", timedelta())
    return found if found > timedelta() else None


def look() -> Pressure:
    """The pressure at this moment: one statement."""
    now = timezone.now()
    found = _first(dispatch.serves())
    if found is None or found.due_at > now:
        return Pressure(timedelta(), "", limit())
    return Pressure(now - found.due_at, found.type, limit())


def is_high() -> bool:
    """Whether work is refused, by what this process saw within `LOOK_EVERY`. Without a limit nobody looks."""
    return limit() is not None and _watch.pressure().is_high


def let_in() -> None:
    """To be asked before work begins that nobody asked for yet. Raises `Overloaded`."""
    if is_high():
        raise refused()


def refused() -> Overloaded:
    """The rejection, for whoever found that `is_high`; it is counted."""
    return _watch.refuse()


def refusals() -> int:
    """How often this process refused since it began."""
    return _watch.refusals


def _first(types: tuple[str, ...] | None) -> Job | None:
    """The job of these types that is or will be due first, None: of any type.

    Read is the first entry of `job_due` for each type. Along the moments of all types it would wade through every job
    that lies before the first of ours: user tasks wait for weeks, and there may be a million. PostgreSQL likes that way
    where it sees that there is one type only, hence a range of one.
    """
    due = Job.objects.filter(state=JobState.DUE.value, suspended=False, parked="")
    if types is not None:
        if not types:
            return None
        firsts = [
            due.filter(type__gte=type, type__lte=type).order_by("type", "due_at").values("pk")[:1] for type in types
        ]
        due = Job.objects.filter(reduce(or_, [Q(pk=Subquery(first)) for first in firsts]))
    return due.order_by("due_at").only("due_at", "type").first()


class _Watch:
    """What this process saw last, and how often it refused."""

    def __init__(self) -> None:
        self.refusals = 0
        self._counting = threading.Lock()
        self._looked = -math.inf
        self._seen = Pressure(timedelta(), "", None)

    def pressure(self) -> Pressure:
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            # First of all, so that threads that come meanwhile go by what was seen before, and do not look as well.
            self._looked = now
            before, self._seen = self._seen, look()
            if self._seen.is_high != before.is_high:
                self._tell()
        return self._seen

    def refuse(self) -> Overloaded:
        with self._counting:
            self.refusals += 1
        return Overloaded(f"{self._seen}. Nothing was begun; ask again later.", self._seen.retry_in)

    def _tell(self) -> None:
        if self._seen.is_high:
            logger.warning("%s: new work is refused", self._seen)
        else:
            logger.warning("New work is accepted again; this process has refused %d since it began", self.refusals)


_watch = _Watch()
