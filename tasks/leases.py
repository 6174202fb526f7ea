"""Keeps the leases of running jobs alive: one thread per worker process, not one per job.

A connector may work longer than a lease lasts. As long as its process lives, its lease is extended, so that nobody
takes the job over; when the process is killed, the thread is gone with it and the lease lapses. The thread is started
with the first job of a process and never before a fork. Jobs that end quickly, nearly all, cost it nothing: it looks
round a few times per lease, and touches the database only for those that are about to lose theirs.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import Error, connection

from processes.runtime import Rejected, jobs
from processes.runtime.jobs import ClaimedJob

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Held:
    """A running job, with the end of its lease as far as we know."""

    job: ClaimedJob
    by: str
    began: datetime
    until: datetime
    lost: bool = False


class Leases:
    """The leases that this process holds."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], Held] = {}
        self._pid = 0
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, job: ClaimedJob, *, by: str) -> Iterator[None]:
        """Extend the lease of a job, again and again, until the block ends."""
        self._begin()
        key = (job.id, job.attempt)
        self._held[key] = Held(job, by, datetime.now(UTC), job.lease_until)
        try:
            yield
        finally:
            self._held.pop(key, None)

    def until(self, job: ClaimedJob) -> datetime:
        """When the lease of a job ends, the extensions so far included."""
        held = self._held.get((job.id, job.attempt))
        return held.until if held else job.lease_until

    def extended(self, job: ClaimedJob, until: datetime) -> None:
        """Somebody else extended the lease of a job."""
        held = self._held.get((job.id, job.attempt))
        if held is not None:
            held.until = max(held.until, until)

    def extend_due(self, now: datetime) -> int:
        """Extend what would lapse before long. Says how many were."""
        lease, limit = settings.ORCHESTRATOR["LEASE"], settings.ORCHESTRATOR["JOB_LIMIT"]
        extended = 0
        for held in list(self._held.values()):
            if held.lost or held.until - now > lease * 2 / 3:
                continue
            if now - held.began > limit:
                logger.error(
                    "Job %s (%s) runs for more than %s: its lease is given up", held.job.id, held.job.type, limit
                )
                held.lost = True
                continue
            try:
                held.until = jobs.extend(held.job.id, held.job.attempt, lease, by=held.by)
                extended += 1
            except Rejected as rejected:
                # Cancelled, or taken over after all. The connector cannot be stopped; its outcome will be refused.
                logger.warning("Job %s (%s) is lost to this worker: %s", held.job.id, held.job.type, rejected)
                held.lost = True
        return extended

    def _begin(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._held.clear()  # a fork inherits the record, but not the work
                threading.Thread(target=self._watch, name="leases", daemon=True).start()
                self._pid = os.getpid()

    def _watch(self) -> None:
        waiting = threading.Event()
        while True:
            lease: timedelta = settings.ORCHESTRATOR["LEASE"]
            waiting.wait(lease.total_seconds() / 5)
            if not self._held:
                continue
            try:
                if self.extend_due(datetime.now(UTC)):
                    # Long jobs are rare: no connection is kept for them beside those of the workers.
                    connection.close()
            except Error as problem:
                logger.warning("Leases could not be extended, trying again: %s", problem)
                connection.close()
            except Exception:
                logger.exception("Leases could not be extended")
                connection.close()
