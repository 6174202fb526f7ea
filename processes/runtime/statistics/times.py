"""How long jobs waited and took, as numbers of jobs in classes, each a tenth wider than the one before. So minutes can
be added up, and a percentile of an hour is right within five percent. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WIDER = 1.1
SHORTEST = 0.001
"""Seconds; what is shorter counts as this."""


class Times(Counter[int]):
    """How many took how long, by class."""

    def tell(self, seconds: float) -> None:
        self[math.floor(math.log(max(seconds, SHORTEST), WIDER))] += 1

    def percentile(self, part: float) -> float | None:
        """The seconds that such a part took no longer than; None where there is nothing."""
        rank = min(self.total() - 1, int(self.total() * part))
        for number in sorted(self):
            rank -= self[number]
            if rank < 0:
                return float(WIDER ** (number + 0.5))
        return None


@dataclass(slots=True)
class Type:
    """What is known of a job type."""

    waited: Times = field(default_factory=Times)
    worked: Times = field(default_factory=Times)
    completed: int = 0
    failed: int = 0

    def add(self, other: Type) -> None:
        self.waited.update(other.waited)
        self.worked.update(other.worked)
        self.completed += other.completed
        self.failed += other.failed

    def to_json(self) -> dict[str, Any]:
        times = {
            name: {str(number): count for number, count in told.items()}
            for name, told in (("waited", self.waited), ("worked", self.worked))
        }
        return {**times, "completed": self.completed, "failed": self.failed}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Type:
        waited, worked = (
            Times({int(number): int(count) for number, count in told[name].items()}) for name in ("waited", "worked")
        )
        return cls(waited, worked, int(told["completed"]), int(told["failed"]))
