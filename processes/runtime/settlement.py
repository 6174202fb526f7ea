"""The end of an attempt by a connector, whose answer the task's headers turn into one of the verbs of `jobs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from django.utils import timezone

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine import outcome, retry
from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Job
from processes.runtime import values
from processes.runtime.claims import ClaimedJob, born_claimed
from processes.runtime.gate import connection_of
from processes.runtime.jobs import carry_out, in_hand
from processes.runtime.transaction import Continuation

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded


@dataclass(frozen=True, slots=True)
class Responded:
    """The call was answered. `silent`: nothing of it becomes a variable unless a header or mapping takes it.

    `within` is called in the transaction that completes the job, after the fence and before the step, with the
    response, and gives the one that counts: what it does in the same database happens if and only if the job completes,
    exactly once. It must be quick, for the instance is locked meanwhile, and may raise `EffectFailed`, which leaves
    everything as it was.
    """

    response: Mapping[str, Any] = field(default_factory=dict)
    journal: Mapping[str, Any] = field(default_factory=dict)
    silent: bool = False
    within: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Raised:
    """The call failed. `code` and `details` are what `errorExpression` sees; without `retryable`, no other try."""

    message: str
    code: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    retryable: bool = True
    retry_in: timedelta | None = None
    journal: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thrown:
    """The call ended in a business error."""

    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    journal: Mapping[str, Any] = field(default_factory=dict)


Outcome = Responded | Raised | Thrown


Ruling = c.CompleteJob | c.FailJob | c.ThrowError


class EffectFailed(Rejected):
    """What had to happen in the completing transaction could not, or what came of it completes no job: nothing was
    changed. `outcome` is to be settled instead."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("effect-failed", "" if isinstance(outcome, Responded) else outcome.message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt. ``failed``: no try is left, an incident says so. `next` was born claimed."""

    decision: Literal["completed", "retry", "failed", "error"]
    next: ClaimedJob | None = None
    message: str = ""


def settle(
    job: ClaimedJob, end: Outcome, *, by: str, then: Continuation | None = None, hold: timedelta | None = None
) -> Settled:
    """End an attempt as the task's headers say: `resultVariable`, `resultExpression`, `errorExpression`, backoff.

    A response that cannot become variables fails the job for good. With `hold`, the destination is known to be ill: a
    failure that the model does not rule on is tried again no sooner than after so long, and costs no try as long as
    others wait for that destination too. One that waits alone pays: it may be the job that is ill.

    Raises `Rejected`: ``job-not-found``, ``job-not-claimed``; `EffectFailed` where `Responded.within` raised it or gave
    a response that `errorExpression` makes an error of.
    """
    tried = outcome.Try(job.key, job.attempt, job.retries, job.headers, job.variables, mapped=job.mapped)
    within = end.within if isinstance(end, Responded) else None
    held = False
    command: Ruling | None = None if within else outcome.decide(_fit(end), tried, timezone.now())
    if hold is not None and isinstance(command, c.FailJob) and command.retries is None:
        pause = command.retry_in or _pause(job)
        if pause < hold:
            held = True
            command = replace(command, retry_in=hold, retries=job.retries if _others_wait(job) else None)

    def decide(loaded: Loaded, at: datetime) -> c.Command:
        nonlocal command
        in_hand(loaded, job.id, job.attempt)
        if within is not None:
            assert isinstance(end, Responded)
            said = replace(end, response=within(end.response), within=None)
            command = outcome.decide(_fit(said), tried, at)
            if not isinstance(command, c.CompleteJob):
                raise EffectFailed(said)
        assert command is not None
        return command

    code = end.code if isinstance(end, Raised) else ""
    kept = job.kept if within is None else None  # what is done within needs the lock first
    carried = carry_out(job.id, decide, job.instance_id, by=by, journal=end.journal, then=then, code=code, kept=kept)
    if isinstance(command, c.CompleteJob):
        return Settled("completed", born_claimed(carried))
    if isinstance(command, c.ThrowError):
        return Settled("error", born_claimed(carried), f"{command.code}: {command.message}".removesuffix(": "))
    if held:
        # It waits for the breaker like those that were not let pass, and is released with them.
        Job.objects.filter(pk=job.id, state=JobState.DUE.value).update(parked="breaker")
    assert command is not None
    over = any(isinstance(fact, f.JobFailed) and fact.due_at is None for fact in carried.facts)
    return Settled("failed" if over else "retry", None, command.message)


def _others_wait(job: ClaimedJob) -> bool:
    name = connection_of(job.headers)
    others = Job.objects.filter(connection=name, state__in=(JobState.DUE.value, JobState.CLAIMED.value))
    return bool(name) and others.exclude(pk=job.id).exists()


def _pause(job: ClaimedJob) -> timedelta:
    """About how long the model would have it wait."""
    try:
        return retry.Policy.read(job.headers).pause(job.attempt, str(job.id))
    except ValueError:
        return timedelta()


def _fit(end: Outcome) -> outcome.Outcome:
    """An outcome of values that can be kept."""
    try:
        if isinstance(end, Responded):
            return outcome.Responded(values.checked(end.response, what="a response"), end.silent)
        if isinstance(end, Thrown):
            code = values.text(end.code, what="an error code")
            return outcome.Thrown(code, values.told(end.message), values.checked(end.variables))
    except Rejected as rejected:
        return outcome.Raised(str(rejected), rejected.code, retryable=False)
    code, details = values.told(end.code, 255), values.journal(end.details) or {}
    return outcome.Raised(values.told(end.message), code, details, end.retryable, end.retry_in)
