"""One evaluation under way: the moment, what is left of its budget, and what was complained of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processes.engine import feel
from processes.engine.errors import IncidentKind, ProcessFault

STEPS = 500_000
"""Of all expressions of one evaluation together; a cell costs at least one."""
MAX_WARNINGS = 20


def fault(message: str) -> ProcessFault:
    return ProcessFault(IncidentKind.DECISION, message)


@dataclass(slots=True)
class Turn:
    at: datetime
    steps: int = STEPS
    warnings: list[str] = field(default_factory=list)

    def value(self, expression: feel.Expression, variables: Mapping[str, Any], what: str) -> Any:
        """The FEEL value of an expression. Raises `ProcessFault` where the budget is used up."""
        if self.steps < 1:
            raise fault(f"Expected a decision of at most {STEPS} steps but {what} is one too many")
        budget = feel.Budget(steps=min(self.steps, feel.Budget().steps))
        try:
            result = expression.evaluate(variables, now=self.at, budget=budget)
        except feel.FeelError as error:
            raise fault(f"Expected {what} '{expression.text}' to be evaluated but found: {error}") from None
        self.steps -= 1 + result.steps
        for warning in result.warnings:
            self.warn(f"{what}: {warning}")
        return result.value

    def warn(self, message: str) -> None:
        if len(self.warnings) < MAX_WARNINGS and message not in self.warnings:
            self.warnings.append(message)


def shown(value: Any) -> str:
    """A FEEL value in a message."""
    try:
        text = str(feel.to_json(value)) if not isinstance(value, str) else f'"{value}"'
    except feel.FeelError as error:
        text = str(error)
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= 200 else text[:200] + "…"
