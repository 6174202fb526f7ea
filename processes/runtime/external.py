"""External workers claim: their jobs pass the gate of the connection that they name, as those of connectors do.

Pause, rate and concurrency of the connection hold; what does not pass is parked as ever, and no attempt is spent. The
breaker does not hold, for it knows how *our* connectors fare with the destination, and an external worker, who may go
another way, never tells. A header `connection` that names none of ours is the worker's own affair.

Who completes a job may go on with its instance, as our own workers do: the next job is born claimed in the same
transaction. How that step left the instance is kept for the one that follows. It is a cache and nothing more: what is
not there, or was overtaken, is read.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from processes.runtime import admission, jobs
from processes.runtime.admission import Parked
from processes.runtime.gate import connection_of
from processes.runtime.jobs import ClaimedJob, Continuation

TURNS = 20
"""How often it is claimed again while the jobs that are due longest only get parked."""


def claim(types: Sequence[str], *, worker: str, limit: int = 1, lease: timedelta | None = None) -> list[ClaimedJob]:
    """As `jobs.claim`; may wait up to `gate.PATIENCE` seconds for the slots of jobs. Raises `Rejected` with
    ``value-invalid``."""
    passed: list[ClaimedJob] = []
    begin = 0.0
    for _ in range(TURNS):
        claimed = jobs.claim(types, worker=worker, limit=limit - len(passed), lease=lease)
        some, at = _passed(claimed)
        passed += some
        begin = max(begin, at)
        if len(passed) == limit or not claimed:
            break
    _sleep_until(begin)
    return passed


def complete(
    job_id: int, attempt: int, variables: Mapping[str, Any], *, by: str, then: Continuation | None = None
) -> ClaimedJob | None:
    """As `jobs.complete`; the next job too has to pass the gate, and may wait for its slot as in `claim`. Where it does
    not pass it is parked, and there is none."""
    known = _kept.take(job_id, attempt)
    if known is None:
        following = jobs.complete(job_id, attempt, variables, by=by, then=then)
    else:
        by = f"worker:{known.worker} ({by})"
        following = jobs.complete(
            job_id, attempt, variables, by=by, instance_id=known.instance_id, then=then, kept=known.kept
        )
    if following is None:
        return None
    passed, begin = _passed([following])
    if not passed:
        return None
    _kept.put(following)
    _sleep_until(begin)
    return following


def _passed(claimed: Iterable[ClaimedJob]) -> tuple[list[ClaimedJob], float]:
    """Those that their connections let pass, and when the last of them may begin, in seconds since 1970."""
    passed: list[ClaimedJob] = []
    begin = 0.0
    for job in claimed:
        name = connection_of(job.headers)
        found = admission.admit(job, name) if name else 0.0
        if not isinstance(found, Parked):
            passed.append(job)
            begin = max(begin, found)
    return passed, begin


def _sleep_until(moment: float) -> None:
    wait = moment - datetime.now(UTC).timestamp()
    if wait > 0:
        time.sleep(wait)


class Kept:
    """Jobs that were born claimed, each with its instance as it was then, until their outcome comes.

    Of this process: a worker that keeps its connection comes back to it. No more than `MOST`, those that were put last,
    and none beyond its lease; each is taken once.
    """

    MOST = 64

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[tuple[int, int], ClaimedJob] = OrderedDict()

    def put(self, job: ClaimedJob) -> None:
        if job.kept is None:
            return
        with self._lock:
            self._jobs[job.id, job.attempt] = job
            if len(self._jobs) > self.MOST:
                self._jobs.popitem(last=False)

    def take(self, job_id: int, attempt: int) -> ClaimedJob | None:
        with self._lock:
            job = self._jobs.pop((job_id, attempt), None)
        return job if job is not None and datetime.now(UTC) < job.lease_until else None


_kept = Kept()
