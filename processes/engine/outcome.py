"""How a connector's call ended, and which command follows from it.

Pure: the headers of the task decide. `errorExpression` is FEEL over ``response`` (when there was one), ``error`` (when
the call failed: ``code``, ``message``, ``type``, ``variables``) and ``job.retries``, and gives one of

    bpmnError(code, message, variables)                    thrown, for a boundary event to catch
    jobError(message, variables, retries, retryBackoff)    failed, with so many tries left (0) after a pause (PT0S)
    ignoreError(variables)                                 completed with these variables
    null                                                   whatever would have happened anyway

as Camunda's connectors have it. Without it a response completes the job, a failure fails it by the retry policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from processes.engine import feel, schedule
from processes.engine.commands import CompleteJob, FailJob, ThrowError
from processes.engine.errors import ProcessFault
from processes.engine.expression import Expression, expected

MAX_MESSAGE = 6000
"""Characters of an error message that are kept."""


@dataclass(frozen=True, slots=True)
class Responded:
    """The call was answered. `silent`: without a header or mapping that takes something from it, nothing becomes a
    variable."""

    response: Mapping[str, Any] = field(default_factory=dict)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Raised:
    """The call failed."""

    message: str
    code: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = True
    retry_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Thrown:
    """The call ended in a business error."""

    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


Outcome = Responded | Raised | Thrown


@dataclass(frozen=True, slots=True)
class Try:
    """The attempt that ended: its job's key, its number, and the tries left before it. `mapped`: the task has output
    mappings, which take what they want."""

    job: int
    attempt: int
    retries: int
    headers: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    mapped: bool = False


def decide(outcome: Outcome, tried: Try, at: datetime) -> CompleteJob | FailJob | ThrowError:
    """The command that follows. Never raises: an `errorExpression` that cannot be evaluated fails the job for good,
    and says so."""
    text = tried.headers.get("errorExpression")
    if text and not isinstance(outcome, Thrown):
        try:
            ruling = _rule(text, outcome, tried, at)
        except (ProcessFault, feel.FeelError, ValueError) as error:
            return FailJob(tried.job, tried.attempt, _cut(str(error)), retries=0)
        if ruling is not None:
            return ruling
    if isinstance(outcome, Responded):
        taken = tried.mapped or not outcome.silent or tried.headers.keys() & {"resultVariable", "resultExpression"}
        return CompleteJob(tried.job, tried.attempt, outcome.response if taken else {})
    if isinstance(outcome, Thrown):
        return ThrowError(tried.job, tried.attempt, outcome.code, _cut(outcome.message), outcome.variables)
    retries = None if outcome.retryable else 0
    return FailJob(tried.job, tried.attempt, _cut(outcome.message), retries=retries, retry_in=outcome.retry_in)


def _rule(
    text: str, outcome: Responded | Raised, tried: Try, at: datetime
) -> CompleteJob | FailJob | ThrowError | None:
    seen: dict[str, Any] = {**tried.variables, "job": {"retries": tried.retries}}
    if isinstance(outcome, Responded):
        seen["response"] = dict(outcome.response)
        seen["error"] = None
    else:
        details = dict(outcome.details)
        seen["response"] = details.get("response")
        seen["error"] = {
            "code": outcome.code,
            "message": outcome.message,
            "type": "jobError",
            "variables": details,
        }
    value, why = Expression.feel(text).explain(seen, at, functions=FUNCTIONS)
    if value is None or value == {}:
        return None
    kind = value.get("errorType") if isinstance(value, dict) else None
    if kind == "bpmnError":
        if not value["code"]:
            return None
        return ThrowError(tried.job, tried.attempt, value["code"], _cut(value["message"]), value["variables"])
    if kind == "jobError":
        return FailJob(
            tried.job,
            tried.attempt,
            _cut(value["message"]),
            retries=value["retries"],
            retry_in=schedule.span(value["retryBackoff"]),
        )
    if kind == "ignoreError":
        return CompleteJob(tried.job, tried.attempt, value["variables"], plain=True)
    what = f"errorExpression '{text}' to give bpmnError(), jobError(), ignoreError() or null"
    raise ValueError(expected(what, value, why))


def _bpmn_error(code: Any = None, message: Any = None, variables: Any = None) -> dict[str, Any]:
    return {
        "errorType": "bpmnError",
        "code": _text(code),
        "message": _text(message),
        "variables": _context(variables),
    }


def _job_error(
    message: Any = None,
    variables: Any = None,
    retries: Any = 0,
    retryBackoff: Any = None,  # noqa: N803 - FEEL's name for it
) -> dict[str, Any]:
    left = int(retries) if retries is not None and not isinstance(retries, bool | str | list | dict) else 0
    pause = feel.to_json(retryBackoff)
    return {
        "errorType": "jobError",
        "message": _text(message),
        "variables": _context(variables),
        "retries": max(0, left),
        "retryBackoff": pause if isinstance(pause, str) else "PT0S",
    }


def _ignore_error(variables: Any = None) -> dict[str, Any]:
    return {"errorType": "ignoreError", "variables": _context(variables)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(feel.to_json(value))


def _context(value: Any) -> dict[str, Any]:
    found = feel.to_json(value)
    return found if isinstance(found, dict) else {}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "bpmnError": _bpmn_error,
    "jobError": _job_error,
    "ignoreError": _ignore_error,
}
