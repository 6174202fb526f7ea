"""What a worker does with a job: claim it, run its connector, settle what came of it, go on with the next.

The row is the truth and the message only a hint, so everything here may happen twice or not at all: a claim that
somebody else won is no error, an outcome that comes too late is refused by the runtime. No transaction is open while a
connector works. Knows nothing of Celery: a test, a script or another broker can call `perform` as well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from processes.runtime import Rejected, admission, jobs, replies, secrets, settlement
from processes.runtime.admission import Parked, Permit
from processes.runtime.gate import connection_of
from processes.runtime.jobs import ClaimedJob, Continuation
from processes.runtime.settlement import EffectFailed, Outcome, Raised, Responded
from tasks import effects
from tasks.briefing import brief
from tasks.concealment import Concealment, concealing
from tasks.connectors import outbound
from tasks.connectors.base import Awaiting, Connector, Job, JobError, Postponed, Response
from tasks.documents import KeptDocuments
from tasks.health import health
from tasks.leases import Leases
from tasks.outcomes import Later, concealed, raised, unusable

if TYPE_CHECKING:
    from tasks.registry import Registry

logger = logging.getLogger(__name__)
T = TypeVar("T")

SLICE_JOBS = 20
"""How many jobs in a row one instance may have of a worker before others get their turn."""
SLICE_SECONDS = 2.0
"""After how long no further job is begun for the same instance."""

leases = Leases()
"""Of all jobs that run in this process."""

Gone = (OperationalError, InterfaceError)
"""The database went away or asks to try again: the same words may succeed on a new connection."""
UNFIT = ("value-invalid", "variables-invalid")
"""Codes of a refusal that is about the outcome itself, not about whose turn it is."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one attempt. `decision` is "completed", "error", "retry", "failed", "postponed", "refused" or
    "awaiting" (its reply)."""

    job: ClaimedJob
    decision: str
    message: str
    seconds: float
    """How long the connector worked."""

    @property
    def report(self) -> dict[str, Any]:
        """For logs and callbacks."""
        return {
            "job": self.job.id,
            "type": self.job.type,
            "instance": self.job.instance_id,
            "element": self.job.element_id,
            "attempt": self.job.attempt,
            "decision": self.decision,
            "seconds": round(self.seconds, 3),
        }


def perform(
    job_id: int,
    *,
    registry: Registry,
    worker: str,
    types: Sequence[str] | None = None,
    closing: Callable[[], bool] = lambda: False,
) -> Iterator[Done]:
    """Do a job, and then those that its instance hands on, one `Done` for each. None: the job is not ours to do.

    `worker` is the name under which jobs are claimed. A next job is only taken over if it is of one of `types` (all
    that the registry knows, unless said otherwise), within a bounded slice, and not once `closing` says so.
    """
    started = time.monotonic()
    served = frozenset(registry.types if types is None else types)
    job = _once_more(lambda: jobs.claim_one(job_id, worker=worker))
    number = 0
    while job is not None:
        number += 1
        connector = registry.get(job.type)
        if connector is None:
            # Announced by a process that knows more connectors than this one.
            raise LookupError(f"Expected a connector for job type {job.type!r} in this worker, but found none")
        with leases.holding(job, by=f"worker:{worker}"):
            passed = _pass(job)
            if isinstance(passed, Parked):
                return  # it is due again later, and nobody's turn was spent
            begun = time.monotonic()
            outcome = passed if isinstance(passed, Raised) else run(connector, job, passed)
            seconds = time.monotonic() - begun
            outcome = replace(outcome, journal={"seconds": round(seconds, 3), **outcome.journal})
            hold = _report(passed, outcome, seconds) if isinstance(passed, Permit) else None
            more = number < SLICE_JOBS and time.monotonic() - started < SLICE_SECONDS and not closing()
            then = Continuation(types=served, worker=worker, lease=settings.ORCHESTRATOR["LEASE"]) if more else None
            if isinstance(outcome, Awaiting):
                done, following = _hand_over(job, outcome, seconds), None
            else:
                done, following = _settle(job, outcome, seconds, by=f"worker:{worker}", then=then, hold=hold)
        yield done
        job = following


def run(connector: Connector, claimed: ClaimedJob, permit: Permit | None = None) -> Outcome | Later | Awaiting:
    """Let a connector work, and put what came of it into words of the runtime. Never raises for its sake.

    Secrets are put in here, for the connector only, and masked in all that comes back.
    """
    used: dict[str, str] = {}
    try:
        job = brief(claimed, permit, used, expect=partial(_expect, claimed, used))
    except (secrets.Missing, Rejected) as missing:
        return unusable(str(missing), code="SECRET_NOT_FOUND")
    concealment = Concealment(used.values())
    kept = KeptDocuments(claimed, concealment, partial(_patiently, job=claimed))
    job = replace(job, checkpoint=partial(_keep, claimed, concealment), documents=kept)
    with concealing(concealment), outbound.guarding(outbound.policy_of(job)):
        outcome = _run(connector, job, concealment)
    if isinstance(outcome, Awaiting):
        return replace(outcome, journal=concealment.value(outcome.journal))
    return concealed(outcome, concealment)


def _run(connector: Connector, job: Job, concealment: Concealment) -> Outcome | Later | Awaiting:
    try:
        response = connector.run(job)
    except Postponed as postponed:
        return Later(max(postponed.delay, timedelta()), postponed.progress, postponed.reason)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises, it is the connector's attempt that failed
        return raised(error, concealment)
    if isinstance(response, Awaiting):
        return response
    if response is None:
        response = {}
    if not isinstance(response, Mapping):
        return unusable(
            f"Expected the connector of {job.type!r} to return a mapping, but it returned {type(response).__name__}"
        )
    if isinstance(response, Response):
        return Responded(
            response=response.body,
            journal=response.journal,
            silent=response.silent,
            within=effects.within(response.effects, concealment),
        )
    return Responded(response=response, journal={})


def _keep(job: ClaimedJob, concealment: Concealment, progress: Mapping[str, Any]) -> datetime:
    """Have the progress of a job kept, secrets masked, and its lease extended.

    Raises `Rejected` where it is no longer ours.
    """
    kept = concealment.value(progress)
    try:
        until = _once_more(lambda: jobs.checkpoint(job.id, job.attempt, kept))
    except Rejected as rejected:
        if rejected.code not in UNFIT:
            raise
        raise JobError(str(rejected), retryable=False, code="INVALID_PROGRESS") from rejected
    leases.extended(job, until)
    return until


# -- the gate ----------------------------------------------------------------------------------------------------------


def _pass(job: ClaimedJob) -> Permit | Parked | Raised | None:
    """Through the gate of the connection that the job names; None where it names none."""
    name = connection_of(job.headers)
    if not name:
        return None
    try:
        return _patiently(lambda: admission.enter(job, name), job)
    except admission.Unknown as unknown:
        return unusable(str(unknown), code="CONNECTION_NOT_FOUND")


def _report(permit: Permit, outcome: Outcome | Later | Awaiting, seconds: float) -> timedelta | None:
    if isinstance(outcome, Awaiting) and permit.go.canary:
        return None  # the reply will tell, or that there is none: until then it is on its way
    message, retry_in = (outcome.message, outcome.retry_in) if isinstance(outcome, Raised) else ("", None)
    try:
        return admission.leave(permit, health(outcome), seconds=seconds, message=message, retry_in=retry_in)
    except Gone as problem:
        # The outcome itself matters more, and is told next.
        logger.warning("How connection %s is doing could not be noted: %s", permit.destination.name, problem)
        connection.close()
        return None


def _expect(job: ClaimedJob, used: Mapping[str, str], awaiting: Awaiting) -> None:
    """What `Job.expect` does."""
    try:
        _once_more(
            lambda: replies.expect(
                job,
                awaiting.correlation_id,
                channel=awaiting.channel,
                until=awaiting.until,
                journal=Concealment(used.values()).value(awaiting.journal),
            )
        )
    except Rejected as rejected:
        raise JobError(str(rejected), retryable=False, code=rejected.code.upper().replace("-", "_")) from rejected


def _hand_over(job: ClaimedJob, awaiting: Awaiting, seconds: float) -> Done:
    """Let go of a job whose reply comes by itself."""

    def ask() -> bool:
        return replies.hand_over(job, awaiting.correlation_id, journal=awaiting.journal)

    message = f"the reply {awaiting.correlation_id} on {awaiting.channel}"
    return Done(job, "awaiting", message if _patiently(ask, job) else f"{message}, which is there already", seconds)


def _settle(
    job: ClaimedJob,
    outcome: Outcome | Later,
    seconds: float,
    *,
    by: str,
    then: Continuation | None,
    hold: timedelta | None = None,
) -> tuple[Done, ClaimedJob | None]:
    """Have an outcome recorded, as long as the lease lasts: the service must not be called again for our sake."""
    try:
        try:
            if isinstance(outcome, Later):
                until = datetime.now(UTC) + outcome.delay
                _patiently(lambda: jobs.postpone(job.id, job.attempt, until, outcome.progress), job)
                return Done(job, "postponed", outcome.reason, seconds), None
            settled = _patiently(lambda: settlement.settle(job, outcome, by=by, then=then, hold=hold), job)
        except EffectFailed as failed:
            # Nothing was written: the attempt has failed, and the headers of the task say what becomes of that.
            instead = replace(failed.outcome, journal={**outcome.journal, **failed.outcome.journal})
            settled = _patiently(lambda: settlement.settle(job, instead, by=by), job)
        except Exception as problem:
            if isinstance(problem, Gone) or (isinstance(problem, Rejected) and problem.code not in UNFIT):
                raise
            # What the connector returned cannot be kept; nothing changed. Told as a failed attempt that need not be
            # repeated, it ends as an incident instead of calling the service again and again.
            logger.exception("The outcome of job %s (%s) could not be recorded", job.id, job.type)
            told = unusable(f"The outcome could not be recorded: {type(problem).__name__}: {problem}")
            settled = _patiently(lambda: settlement.settle(job, told, by=by), job)
    except Rejected as rejected:
        # Somebody else has the job by now, or it is gone: our lease lapsed, or the instance was cancelled.
        return Done(job, "refused", str(rejected), seconds), None
    return Done(job, settled.decision, settled.message, seconds), settled.next


def _once_more(ask: Callable[[], T]) -> T:
    """Ask the database, a second time on a new connection if the kept one turns out to be dead."""
    try:
        return ask()
    except Gone:
        if connection.in_atomic_block:
            raise
        connection.close()
        return ask()


def _patiently(ask: Callable[[], T], job: ClaimedJob) -> T:
    """Ask the database again and again until the lease of the job is over."""
    pause = 0.1
    while True:
        try:
            return ask()
        except Gone as problem:
            left = (leases.until(job) - datetime.now(UTC)).total_seconds()
            if connection.in_atomic_block or left <= pause:
                raise
            logger.warning("The outcome of job %s cannot be recorded yet: %s", job.id, problem)
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
