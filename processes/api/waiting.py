"""Long polls: who waits for jobs of which types, and who tells them.

One thread of the process looks for all of them, so a hundred waiting workers cost the database what one costs: a
question to a partial index every `POLL` seconds, and nothing at all while nobody waits. It only looks; that a job is
due says nothing about who gets it, so those it wakes claim it like anyone else. No more of them are woken than there
are jobs, those first that wait longest: a claim that finds nothing costs as much as one that does. What becomes due by
a commit of this process is told at once.

Looking is preferred to LISTEN: a transaction that has sent a NOTIFY holds a lock of the whole server while it commits,
so every commit of a step would wait for the disk alone, and SQLite has nothing like it.

A worker that died while it waited is noticed before a job is given to it, for the lease would have to lapse first.

Whoever asks for many jobs while others of this process wait for the same types gets no more than a fair share of them.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.models import QuerySet
from django.utils import timezone

from processes.api.errors import TooManyWaiting
from processes.models import Job
from processes.models.waits import JobState  # type: ignore[attr-defined]
from processes.runtime import dispatch, statements

log = logging.getLogger(__name__)

POLL = 0.02
"""Seconds between two looks, so how late a worker may learn of a job from another process."""
LINGER = 50
"""How many looks the thread outlives its last waiter: most of them are back at once."""
AFTER_ERROR = 1.0
CLAIMING = 0.1
"""For how many seconds a waiter that was woken is taken to be at one of the jobs that are due still."""

_TABLE = Job._meta.db_table


@dataclass(eq=False, slots=True)
class Waiter:
    types: frozenset[str]
    woken: threading.Event = field(default_factory=threading.Event)
    woken_at: float = -math.inf
    """By the monotonic clock; long ago while it waits."""

    def wait(self, seconds: float) -> bool:
        """Whether a job of its types may be due; False after so many seconds of nothing."""
        self.woken_at = -math.inf
        woken = self.woken.wait(seconds)
        self.woken.clear()
        return woken

    def wake(self, now: float) -> None:
        self.woken_at = now
        self.woken.set()


def is_connected(environ: Mapping[str, Any]) -> bool:
    """Whether whoever sent this request still waits for the answer, as far as the server lets us see: gunicorn shows
    the socket in the WSGI environment. A half-closed connection counts as gone, as it does for proxies (RFC 9112
    section 9.6)."""
    connection = environ.get("gunicorn.socket")
    if type(connection) is not socket.socket:  # A TLS socket cannot be peeked into.
        return True
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


class Lobby:
    """Where waiters wait. One for each process."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiters: dict[Waiter, None] = {}
        """In the order in which they came."""
        self._thread: threading.Thread | None = None
        self._closing = False

    def close(self) -> None:
        """The server stops: everybody goes home with nothing. Only sets a flag, so a signal handler may call it."""
        self._closing = True

    @property
    def closing(self) -> bool:
        return self._closing

    @contextmanager
    def waiting(self, types: Collection[str]) -> Iterator[Waiter]:
        """Enter the lobby. Raises `TooManyWaiting` where it is full: each waiter holds a thread of the web server."""
        waiter = Waiter(frozenset(types))
        with self._lock:
            if len(self._waiters) >= settings.ORCHESTRATOR_API["MAX_WAITING"]:
                raise TooManyWaiting
            self._waiters[waiter] = None
            # A thread does not survive a fork, so its being alive is asked and not remembered.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="long-polls", daemon=True)
                self._thread.start()
        try:
            yield waiter
        finally:
            with self._lock:
                del self._waiters[waiter]

    def share(self, types: Collection[str], asked: int, waiter: Waiter | None = None) -> int:
        """How many of `asked` jobs one worker may have, so that those who wait for the same types get some as well.

        `waiter` is the one who asks, where it waits itself. All that is asked for where nobody else waits.
        """
        if asked == 1:
            return 1
        with self._lock:
            others = sum(1 for other in self._waiters if other is not waiter and not other.types.isdisjoint(types))
        if not others:
            return asked
        due = _how_many(types, asked * (others + 1))
        return max(1, min(asked, -(-due // (others + 1))))

    def tell(self, due: Mapping[str, int]) -> None:
        """So many jobs of each type are due: as many waiters are woken, less those who are at it already."""
        now, left = time.monotonic(), dict(due)
        with self._lock:
            for waiter in self._waiters:
                type = next((type for type in waiter.types if left.get(type)), None)
                if type is None:
                    continue
                left[type] -= 1
                if now - waiter.woken_at > CLAIMING:
                    waiter.wake(now)

    def hear(self, jobs: Sequence[dispatch.DueJob]) -> None:
        """These became due by a commit of this process."""
        if self._waiters:
            self.tell(Counter(job.type for job in jobs))

    def join(self) -> None:
        """Wait until nobody waits and the thread is gone."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        idle = 0
        try:
            while True:
                with self._lock:
                    many = len(self._waiters)
                    types = {type for waiter in self._waiters for type in waiter.types}
                    idle = 0 if types else idle + 1
                    if idle > LINGER:
                        self._thread = None
                        return
                    if self._closing:
                        for waiter in self._waiters:
                            waiter.wake(time.monotonic())
                if types and not self._closing:
                    try:
                        self.tell(_due(types, many))
                    except Error as error:
                        log.warning("Could not look for due jobs: %s", error)
                        connection.close()
                        time.sleep(AFTER_ERROR)
                time.sleep(POLL)
        finally:
            connection.close()


def _due(types: Collection[str], most: int) -> dict[str, int]:
    """How many jobs of each type may be claimed; counts no further than `most`. By hand, as it is asked very often."""
    sql = f"""
        WITH wanted (type) AS (VALUES {", ".join(["(%s)"] * len(types))})
        SELECT type, (SELECT count(*) FROM (
            SELECT 1 FROM {_TABLE} AS job
            WHERE job.type = wanted.type AND job.state = '{JobState.DUE.value}' AND NOT job.suspended
                AND job.due_at <= %s LIMIT %s) AS job)
        FROM wanted"""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            statements.send(cursor, [(sql, [*types, now, most])])
        else:
            cursor.execute(sql, [*types, now, most])
        return dict(cursor.fetchall())


def _how_many(types: Collection[str], most: int) -> int:
    """Jobs of these types that may be claimed; counts no further than `most`."""
    return _claimable(types).values_list("id")[:most].count()


def _claimable(types: Collection[str]) -> QuerySet[Job]:
    due = Job.objects.filter(state=JobState.DUE.value, suspended=False, due_at__lte=timezone.now(), type__in=types)
    return due.order_by()


lobby = Lobby()
dispatch.on_due(lobby.hear)
