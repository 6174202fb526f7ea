"""The sweeper: a thread in every worker that looks for what is due, and says that the worker is there.

Lost messages, lapsed leases, timers, deliveries, old messages: rows know what is due, and any worker may find it. There
is no scheduler process, hence none that could be the only one. The pass itself is `processes.runtime.sweep`.
"""

from __future__ import annotations

import logging
import math
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.utils import timezone

from processes.runtime import timers, workers
from processes.runtime.sweep import sweep_once

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
"""How often a worker says that it is there."""
THOROUGH_SECONDS = 5.0
"""How often a pass also looks for what is not urgent."""
PASSES_AT_ONCE = 20
"""How many passes follow each other without a pause while there is work to be found."""
GATHERING_SECONDS = 0.1
"""How long timers that become due one after the other wait for each other at most, to fire together."""
PATIENCE_SECONDS = 10.0
"""The longest pause after errors."""

# A pool that replaces a lost process forks while we may be half-way through a pass, with a database connection in an
# unknown state. So nobody forks during a pass.
_pass = threading.Lock()
os.register_at_fork(before=_pass.acquire, after_in_parent=_pass.release, after_in_child=_pass.release)


class Sweeper:
    """Sweeps, and reports presence, from `start` to `stop`."""

    def __init__(self, name: str, types: Sequence[str]) -> None:
        self._name = name
        self._types = tuple(types)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._beaten = self._swept = -math.inf
        self._fired_at = timezone.now()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End after the pass that is under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            pause = settings.ORCHESTRATOR["SWEEP_EVERY"].total_seconds() * random.uniform(0.8, 1.2)
            try:
                self._round()
                self._rest(pause)
                failures = 0
            except Exception as problem:  # the database may be away: the sweeper outlives it
                failures += 1
                logger.log(
                    logging.ERROR if failures == 1 else logging.WARNING,
                    "The sweep failed (%d in a row), and goes on: %s: %s",
                    failures,
                    type(problem).__name__,
                    problem,
                    exc_info=failures == 1,
                )
                connection.close()
                self._stopping.wait(min(pause * 2**failures, PATIENCE_SECONDS))
        connection.close()

    def _round(self) -> None:
        """Report presence when it is time, and sweep for as long as there is something to be found."""
        for _ in range(PASSES_AT_ONCE):
            with _undisturbed():
                # A connection that died is noticed here, once, and not by each part of the pass.
                connection.close_if_unusable_or_obsolete()
                connection.ensure_connection()
                now = time.monotonic()
                if now - self._beaten > BEAT_SECONDS:
                    workers.beat(self._name, self._types)
                    self._beaten = now
                thorough = now - self._swept > THOROUGH_SECONDS
                self._fired_at = timezone.now()
                swept = sweep_once(thorough=thorough)
                if thorough:
                    self._swept = now
            if not swept.left_some or self._stopping.is_set():
                return

    def _rest(self, seconds: float) -> None:
        """Until the next round, fire timers when they become due and do nothing else. Those that did not fire when they
        were looked at, because somebody held their instance, wait for that round."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with _undisturbed():
                due = timers.next_due(self._fired_at)
            ahead = left if due is None else (due - timezone.now()).total_seconds()
            pause = max(ahead, GATHERING_SECONDS)
            if self._stopping.wait(min(left, pause)) or left <= pause:
                return  # a round begins with timers
            fired = timers.MOST
            while fired >= timers.MOST and time.monotonic() < until and not self._stopping.is_set():
                self._fired_at = timezone.now()
                with _undisturbed():
                    fired = timers.fire_due()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Nobody forks meanwhile."""
    with _pass:
        try:
            yield
        finally:
            if connection.vendor == "sqlite":
                connection.close()  # a file must not stay open over a fork
