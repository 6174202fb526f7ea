"""What a script of a model is given, what bounds it, and the words for its ends, whatever its language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.connectors.base import JobError

JOURNAL_CHARACTERS = 16 * 1024
"""Of what a script printed, in the journal of the attempt."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run. Exceeding one of them ends the script with ``SCRIPT_LIMIT``."""

    seconds: float = 5.0
    megabytes: int = 64
    recursion: int = 500
    """Depth of calls (Python; JavaScript is bounded by its stack)."""
    sleep: float = 1.0
    """Seconds, in total (Python; JavaScript has nothing to sleep with)."""
    printed: int = 64 * 1024
    """Characters."""
    result: int = 1_500_000
    """Bytes, as JSON."""


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    language: str
    variables: Mapping[str, Any]
    limits: Limits = field(default_factory=Limits)

    def journal(self, printed: str) -> dict[str, Any]:
        """For operators: what it printed."""
        shown = printed if len(printed) <= JOURNAL_CHARACTERS else printed[:JOURNAL_CHARACTERS] + "…"
        journal: dict[str, Any] = {"language": self.language}
        if shown:
            journal["printed"] = shown.replace("\0", "\ufffd")
        return journal


def error(message: str, kind: str, line: int | None, journal: Mapping[str, Any] | None = None) -> JobError:
    """The script failed of its own doing, and will again."""
    place = f" in line {line}" if line else ""
    told = f"{kind}: {message}" if kind and message else kind or message
    return JobError(
        f"The script failed{place}: {told}",
        retryable=False,
        code="SCRIPT_ERROR",
        details={"line": line, "type": kind, "message": message},
        journal=journal or {},
    )


def limit(message: str, which: str, journal: Mapping[str, Any] | None = None, line: int | None = None) -> JobError:
    """The script took more than it may. `which`: time, memory, recursion, sleep, output."""
    return JobError(
        message,
        retryable=False,
        code="SCRIPT_LIMIT",
        details={"limit": which, "line": line, "message": message},
        journal=journal or {},
    )


def unavailable(message: str) -> JobError:
    """This worker cannot run the language."""
    return JobError(message, retryable=False, code="SCRIPT_UNAVAILABLE")
