"""What came of an attempt, in words of the runtime: what a connector returned or raised, with its secrets masked."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from processes.runtime.settlement import Outcome, Raised, Responded, Thrown
from tasks.concealment import Concealment
from tasks.connectors import outbound
from tasks.connectors.base import BpmnError, JobError

TRACEBACK_CHARACTERS = 8_000
End = TypeVar("End", bound="Outcome | Later")


@dataclass(frozen=True, slots=True)
class Later:
    """A connector wants to look again later."""

    delay: timedelta
    progress: Mapping[str, Any]
    reason: str = ""
    journal: Mapping[str, Any] = field(default_factory=dict)


def unusable(message: str, code: str = "") -> Raised:
    """A failed attempt that need not be repeated."""
    return Raised(message=message, code=code, details={}, retryable=False, retry_in=None, journal={})


def raised(error: BaseException, concealment: Concealment) -> Raised | Thrown:
    """What an exception of a connector says. To be called while it is handled."""
    if isinstance(error, BpmnError):
        return Thrown(code=error.code, message=error.message, variables=error.variables)
    if isinstance(error, JobError):
        return Raised(
            message=error.message,
            code=error.code,
            details=error.details,
            retryable=error.retryable,
            retry_in=error.retry_in,
            journal=error.journal,
        )
    if isinstance(error, outbound.AddressRefused):
        return unusable(str(error), code="ADDRESS_REFUSED")
    # Masked before it is cut: half a secret is not recognised as one.
    told = concealment.text("".join(traceback.format_exception(error)))
    return Raised(
        message=f"{type(error).__name__}: {error}",
        code=type(error).__name__,
        details={},
        retryable=True,
        retry_in=None,
        journal={"traceback": told[-TRACEBACK_CHARACTERS:]},
    )


def concealed(outcome: End, concealment: Concealment) -> End:
    """What came back, with the secrets of the attempt masked: it becomes variables, history, messages."""
    if not concealment:
        return outcome
    hide = concealment.value
    said: dict[str, Any]
    match outcome:
        case Responded():
            said = {"response": hide(outcome.response)}
        case Thrown():
            said = {"code": hide(outcome.code), "message": hide(outcome.message), "variables": hide(outcome.variables)}
        case Later():
            said = {"progress": hide(outcome.progress), "reason": hide(outcome.reason)}
        case _:
            said = {"message": hide(outcome.message), "code": hide(outcome.code), "details": hide(outcome.details)}
    return replace(outcome, **said, journal=hide(outcome.journal))
