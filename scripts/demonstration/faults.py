"""What goes wrong in the shop, and when: decided by a seed, so that every run meets the same faults.

Faults are technical, so none of them changes how an order ends; that is for the process to see to. Each hits the first
try of a call at most.
"""

from __future__ import annotations

import threading
import zlib
from collections import Counter

BUSY, SLOW, SILENT = 0.12, 0.10, 0.12
"""Shares of the calls that are turned away, that take long, and (payments only) whose answer is lost."""


class Faults:
    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._seed = seed
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def chance(self, *words: str) -> float:
        """A number from 0 to 1 that looks random and is the same for the same words."""
        return zlib.crc32(" ".join((str(self._seed), *words)).encode()) / 2**32

    def at(self, service: str, order: str, key: str) -> str:
        """The fault that this try of a call meets: busy, slow, silent or none."""
        with self._lock:
            first = key not in self._seen
            self._seen.add(key)
            fault = self._kind(service, order) if first else ""
            self.counts[fault or "none"] += 1
            return fault

    def _kind(self, service: str, order: str) -> str:
        chance = self.chance(service, order)
        if service == "payments" and chance > 1 - SILENT:
            return "silent"
        return "busy" if chance < BUSY else "slow" if chance < BUSY + SLOW else ""
