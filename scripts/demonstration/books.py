"""The books of the shop: what was really done, however often it was asked for. The demonstration is judged by them."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

KINDS = ("reservations", "payments", "refunds", "invoices", "replacements", "shipments", "notifications")


class Books:
    """Safe to use from many threads."""

    def __init__(self) -> None:
        self.entries: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        self._numbers = itertools.count(1001)
        self._asked: Counter[str] = Counter()
        self._answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def once(self, key: str, work: Callable[[], tuple[int, dict[str, Any]]]) -> tuple[int, dict[str, Any]]:
        """Do the work for a key, or give the answer that it had. What failed for want of service may be done again."""
        with self._lock:
            turn = self._turns[key]
        with turn:
            if key in self._answers:
                return self._answers[key]
            status, body = work()
            if status < 500 and status != 422:
                self._answers[key] = status, body
            return status, body

    def enter(self, kind: str, order: str, prefix: str, amount: Any = None) -> str:
        """Write down that something was done, under a number that is given back."""
        with self._lock:
            number = f"{prefix}-{next(self._numbers)}"
            entry = {"number": number, "order": order}
            self.entries[kind].append(entry if amount is None else {**entry, "amount": amount})
            return number

    def remove(self, kind: str, number: str) -> bool:
        """Strike an entry out; whether there was one."""
        with self._lock:
            kept = [entry for entry in self.entries[kind] if entry["number"] != number]
            found = len(kept) < len(self.entries[kind])
            self.entries[kind] = kept
            return found

    def asked(self, order: str) -> int:
        """How often stock was asked for, this time included."""
        with self._lock:
            self._asked[order] += 1
            return self._asked[order]
