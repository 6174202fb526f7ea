"""What can go wrong in FEEL apart from null.

    FeelError
    +-- FeelSyntaxError    the text is no expression: found at deploy time
    +-- BudgetExceeded     the expression asks for more than it may have: it is stopped, it is not null

Everything else that goes wrong while an expression is evaluated makes its value null and leaves a warning
(DMN 1.5, 10.3.2.3).
"""

from __future__ import annotations


class FeelError(ValueError):
    """Root of everything that FEEL raises on purpose."""


class FeelSyntaxError(FeelError):
    """The text is not a FEEL expression. `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class BudgetExceeded(FeelError):
    """An expression took more steps, depth or size than its budget allows."""


class Mistake(Exception):
    """Raised by operators and built-ins inside this package: the value is null, and this is the warning."""
