"""The port through which a process finds the decisions that it calls; whoever runs it knows what is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from processes.engine.dmn.model import DecisionModel


@dataclass(frozen=True, slots=True)
class Published:
    """A deployed version of a decision, with the model that it is part of."""

    model: DecisionModel
    version: int


class Library(Protocol):
    def find(self, decision_id: str, *, version: int | None = None, version_tag: str = "") -> Published | None:
        """A version of a decision, or the latest with a tag, or the latest; None where there is none."""


class _Nothing:
    def find(self, decision_id: str, *, version: int | None = None, version_tag: str = "") -> Published | None:
        return None


NO_DECISIONS: Library = _Nothing()
