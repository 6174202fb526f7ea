"""How much an expression may cost, and the state of one evaluation that keeps count.

A *step* is about eight operations of a loop, a call, or some elements or dozens of characters that are made.
What a round of a loop costs is known when it is compiled; outside of loops and calls the length of the text
is the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processes.engine.feel.errors import BudgetExceeded

MAX_WARNINGS = 20
CHARACTERS_PER_STEP = 64
ITEMS_PER_STEP = 8


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of one evaluation.

    `steps`: rounds and calls in all; `depth`: function calls inside each other; `size`: characters of a
    string or elements of a list that the expression makes; `pattern`: characters of a regular expression.
    """

    steps: int = 100_000
    depth: int = 50
    size: int = 1_000_000
    pattern: int = 1_000


DEFAULT = Budget()


class Run:
    """One evaluation: what it can see, what it has left, what it complained about."""

    __slots__ = ("budget", "depth", "functions", "now", "steps", "variables", "warnings")

    def __init__(
        self,
        variables: Mapping[str, Any],
        functions: Mapping[str, Callable[..., Any]],
        now: datetime,
        budget: Budget,
    ) -> None:
        self.variables = variables
        self.functions = functions
        self.now = now
        self.budget = budget
        self.steps = budget.steps
        self.depth = 0
        self.warnings: list[str] = []

    def charge(self, steps: int = 1) -> None:
        """Pay for work. Raises `BudgetExceeded` when there is nothing left."""
        self.steps -= steps
        if self.steps < 0:
            raise BudgetExceeded(f"Expected at most {self.budget.steps} steps but the expression takes more")

    def made(self, size: int, what: str = "list") -> None:
        """Pay for a list of `size` elements or a string of `size` characters, before it is made."""
        if size > self.budget.size:
            raise BudgetExceeded(f"Expected a {what} of at most {self.budget.size} but it would have {size}")
        self.charge(size // (CHARACTERS_PER_STEP if what == "string" else ITEMS_PER_STEP))

    def enter(self) -> None:
        """One function call deeper."""
        self.depth += 1
        if self.depth > self.budget.depth:
            raise BudgetExceeded(f"Expected at most {self.budget.depth} calls inside each other but found more")

    def leave(self) -> None:
        self.depth -= 1

    def warn(self, message: str) -> None:
        """Note why something is null; each text once, and not more than `MAX_WARNINGS`."""
        if len(self.warnings) < MAX_WARNINGS and message not in self.warnings:
            self.warnings.append(message)
