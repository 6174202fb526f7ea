"""External workers are seen when they ask for jobs. The runtime is told now and then, not at every question."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from processes.runtime import workers

EVERY = 20.0
"""Seconds; a worker counts as gone after a minute of silence."""
MOST = 10_000

_lock = threading.Lock()
_told: dict[str, tuple[frozenset[str], float]] = {}


def seen(worker: str, types: Collection[str]) -> None:
    """A worker asked for jobs of these types."""
    serves, now = frozenset(types), time.monotonic()
    with _lock:
        before, when = _told.get(worker, (None, 0.0))
        if before == serves and now - when < EVERY:
            return
        if len(_told) >= MOST:
            _told.clear()
        _told[worker] = (serves, now)
    workers.beat(worker, sorted(serves))
