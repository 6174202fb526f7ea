"""A dispatcher that tells nobody: what is due stays due, and a test decides who works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Silent:
    def jobs_due(self, jobs: Sequence[Any]) -> Sequence[Any]:
        """Nobody listens."""
        return ()

    def announces(self) -> Sequence[str]:
        return ()

    def serves(self) -> None:
        """Workers there may be, of any type."""
