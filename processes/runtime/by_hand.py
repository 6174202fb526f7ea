"""What operators do in the place of who should have: of workers, of the clock, of who sends messages and signals.

Parts are named by their key within the instance, and a key that is over is refused, so nobody decides about something
that went on meanwhile. `attempt`, where given, is the attempt of a job that the operator saw.

A job is taken before it is ended, by the same UPDATE that a claim is. So it has an attempt of its own, the attempt of a
worker that may be at it is fenced off, and nobody can claim it in between. What an operator does never raises an
incident at the visit that it is about: a result that does not fit the model, or an error that nobody catches, is
refused and changes nothing. (From a worker the same is an incident, for nobody is there to be told.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction as database
from django.db.models import F

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import Rejected
from processes.engine.parts import Job as EngineJob
from processes.engine.parts import JobState
from processes.models import Job
from processes.runtime import transaction, values

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

HELD = timedelta(minutes=1)
"""Nobody sees this lease: the transaction that takes a job also ends it."""


def complete_job(
    instance_id: int,
    job: int,
    variables: Mapping[str, Any] | None = None,
    *,
    attempt: int | None = None,
    reason: str = "",
    by: str,
) -> None:
    """The work of a job was done elsewhere, with these variables as its result: what the output mappings see, or where
    there are none what becomes variables. `resultExpression` is not applied, for there is no response.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``job-not-found``, ``job-moved``,
    ``result-unfit``, ``variables-invalid``, ``value-invalid``.
    """
    result = values.checked(variables)

    def end(taken: EngineJob) -> c.Command:
        return c.CompleteJob(taken.key, taken.attempt, result, plain=True)

    told = _Refusal("result-unfit", "the result to fit the model")
    _end_job(instance_id, job, attempt, end, told, by=by, reason=reason)


def throw_error(
    instance_id: int,
    job: int,
    code: str,
    message: str = "",
    variables: Mapping[str, Any] | None = None,
    *,
    attempt: int | None = None,
    reason: str = "",
    by: str,
) -> None:
    """The work of a job ended in a business error, which an event of the model catches.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``job-not-found``, ``job-moved``,
    ``error-not-caught``, ``variables-invalid``, ``value-invalid``.
    """
    if not code:
        raise Rejected("value-invalid", "Expected an error code but found none")
    code, given = values.text(code, what="an error code"), values.checked(variables)
    told = values.told(message)

    def end(taken: EngineJob) -> c.Command:
        return c.ThrowError(taken.key, taken.attempt, code, told, given)

    refusal = _Refusal("error-not-caught", f"the error '{code}' to be caught")
    _end_job(instance_id, job, attempt, end, refusal, by=by, reason=reason)


def skip(instance_id: int, node: int, variables: Mapping[str, Any] | None = None, *, reason: str = "", by: str) -> None:
    """End a live visit without its work and go on behind it; `variables` go to the scope around it. It ends as
    terminated, with everything inside it; its output mappings are not evaluated, nothing of it can be undone later.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``visit-not-found``, ``skip-invalid``,
    ``variables-invalid``, ``value-invalid``.
    """
    transaction.carry_out(instance_id, c.SkipVisit(node, values.checked(variables)), by=by, reason=reason)


def fire_timer(instance_id: int, timer: int, *, reason: str = "", by: str) -> None:
    """A timer fires now instead of when it is due. One that repeats keeps its rhythm: it fires next when it would have
    after this time.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``instance-suspended``, ``timer-not-found``.
    """
    transaction.carry_out(instance_id, c.FireTimer(timer), by=by, reason=reason)


def send_message(
    instance_id: int, subscription: int, variables: Mapping[str, Any] | None = None, *, reason: str = "", by: str
) -> None:
    """The message that a subscription waits for arrives, at this instance and nobody else. Nothing is published.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``instance-suspended``, ``subscription-not-found``,
    ``variables-invalid``, ``value-invalid``.
    """
    command = c.CorrelateMessage(subscription, values.checked(variables))
    transaction.carry_out(instance_id, command, by=by, reason=reason)


def send_signal(
    instance_id: int, subscription: int, variables: Mapping[str, Any] | None = None, *, reason: str = "", by: str
) -> None:
    """The signal that a subscription waits for arrives, at this instance and nobody else: no broadcast.

    Raises `Rejected`: as `send_message`.
    """
    command = c.ReceiveSignal(subscription, values.checked(variables))
    transaction.carry_out(instance_id, command, by=by, reason=reason)


class _Refusal(NamedTuple):
    """How it is said that what an operator did would have parked the visit."""

    code: str
    expected: str


def _end_job(
    instance_id: int,
    key: int,
    attempt: int | None,
    end: Callable[[EngineJob], c.Command],
    refusal: _Refusal,
    *,
    by: str,
    reason: str,
) -> None:
    """Take a job and end it, unless that raises an incident at its visit."""
    node = 0

    def decide(loaded: Loaded, at: datetime) -> c.Command:
        nonlocal node
        job = _taken(loaded, key, attempt, at, by)
        node = job.node
        return end(job)

    with database.atomic():
        carried = transaction.carry_out(instance_id, decide, by=by, reason=reason)
        for fact in carried.facts:
            if isinstance(fact, f.IncidentRaised) and fact.node == node:
                raise Rejected(refusal.code, f"Expected {refusal.expected} but nothing was changed: {fact.message}")


def _taken(loaded: Loaded, key: int, attempt: int | None, at: datetime, by: str) -> EngineJob:
    """The job in our hands, under the lock of the instance."""
    job = loaded.instance.wait(EngineJob, key)
    if job is None:
        raise Rejected("job-not-found", f"Expected a job with key {key} but found none: its visit has ended")
    rows = Job.objects.filter(instance_id=loaded.id, key=key)
    if attempt is not None:
        rows = rows.filter(attempt=attempt)
    held = {"worker": values.told(by, 255), "claimed_at": at, "lease_until": at + HELD, "parked": ""}
    if not rows.update(state=JobState.CLAIMED.value, attempt=F("attempt") + 1, **held):
        what = f"Expected attempt {attempt} of the job to be the last but found a later one: look again"
        raise Rejected("job-moved", what)
    job.state = JobState.CLAIMED
    job.attempt = Job.objects.values_list("attempt", flat=True).get(instance_id=loaded.id, key=key)
    return job
