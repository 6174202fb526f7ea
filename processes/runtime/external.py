"""External workers claim: their jobs pass the gate of the connection that they name, as those of connectors do.

Pause, rate and concurrency of the connection hold; what does not pass is parked as ever, and no attempt is spent. The
breaker does not hold, for it knows how *our* connectors fare with the destination, and an external worker, who may go
another way, never tells. A header `connection` that names none of ours is the worker's own affair.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from processes.runtime import admission, jobs
from processes.runtime.admission import Parked
from processes.runtime.gate import connection_of
from processes.runtime.jobs import ClaimedJob

TURNS = 20
"""How often it is claimed again while the jobs that are due longest only get parked."""


def claim(types: Sequence[str], *, worker: str, limit: int = 1, lease: timedelta | None = None) -> list[ClaimedJob]:
    """As `jobs.claim`; may wait up to `gate.PATIENCE` seconds for the slots of jobs. Raises `Rejected` with
    ``value-invalid``."""
    passed: list[ClaimedJob] = []
    begin = 0.0
    for _ in range(TURNS):
        claimed = jobs.claim(types, worker=worker, limit=limit - len(passed), lease=lease)
        for job in claimed:
            name = connection_of(job.headers)
            found = admission.admit(job, name) if name else 0.0
            if not isinstance(found, Parked):
                passed.append(job)
                begin = max(begin, found)
        if len(passed) == limit or not claimed:
            break
    wait = begin - datetime.now(UTC).timestamp()
    if wait > 0:
        time.sleep(wait)
    return passed
