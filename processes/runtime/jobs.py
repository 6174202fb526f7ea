"""The outcomes of jobs, and what the sweep does for them.

The worker protocol has four verbs: claim, complete, fail, throw error (plus extend). Connectors and external workers
use the same four; a connector's answer becomes one of them in `settlement`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction as database
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from processes.engine import commands as c
from processes.engine import feel
from processes.engine.errors import ProcessFault, Rejected
from processes.engine.expression import Expression
from processes.engine.parts import Job as EngineJob
from processes.engine.parts import JobState
from processes.models import AwaitedReply, Job
from processes.runtime import dispatch, transaction, values
from processes.runtime.claims import (
    ClaimedJob,
    born_claimed,
    checkpoint,
    claim,
    claim_one,
    extend,
    held,
    not_claimed,
    postpone,
)
from processes.runtime.gate import connection_of
from processes.runtime.transaction import Carried, Continuation, Decide

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

__all__ = [
    "ClaimedJob",
    "Continuation",
    "carry_out",
    "checkpoint",
    "claim",
    "claim_one",
    "complete",
    "evaluate",
    "expire",
    "extend",
    "fail",
    "held",
    "hint",
    "in_hand",
    "lapse",
    "postpone",
    "throw_error",
]

logger = logging.getLogger(__name__)


def complete(
    job_id: int,
    attempt: int,
    variables: Mapping[str, Any] | None = None,
    *,
    by: str,
    journal: Mapping[str, Any] | None = None,
    instance_id: int | None = None,
    then: Continuation | None = None,
    kept: Loaded | None = None,
) -> ClaimedJob | None:
    """The work is done, with these variables as its result. `instance_id`, where known, saves a look-up, and `kept`
    the reading of the instance, as in `transaction.carry_out`.

    With `then`, the next job that this step brings forth, if it is of one of those types, is born claimed by that
    worker and returned. Raises `Rejected`: ``job-not-found``, ``job-not-claimed``, ``variables-invalid``,
    ``value-invalid``.
    """
    result = values.checked(variables)

    def decide(loaded: Loaded, at: datetime) -> c.Command:
        return c.CompleteJob(in_hand(loaded, job_id, attempt).key, attempt, result)

    return born_claimed(carry_out(job_id, decide, instance_id, by=by, journal=journal, then=then, kept=kept))


def fail(
    job_id: int,
    attempt: int,
    message: str,
    *,
    retries: int | None = None,
    retry_in: timedelta | None = None,
    by: str,
    journal: Mapping[str, Any] | None = None,
    instance_id: int | None = None,
) -> None:
    """The work could not be done. It is tried again after `retry_in` (None: as the model says) while tries are left:
    `retries`, None: one fewer than before. With none left, an incident.

    Raises `Rejected`: ``job-not-found``, ``job-not-claimed``, ``value-invalid``.
    """
    if retries is not None and not 0 <= retries <= 1000:
        raise Rejected("value-invalid", f"Expected retries from 0 to 1000 but found {retries}")
    if retry_in is not None and not timedelta() <= retry_in <= timedelta(days=365):
        raise Rejected("value-invalid", f"Expected a pause of up to a year but found {retry_in}")
    message = values.told(message)

    def decide(loaded: Loaded, at: datetime) -> c.Command:
        return c.FailJob(in_hand(loaded, job_id, attempt).key, attempt, message, retries, retry_in)

    carry_out(job_id, decide, instance_id, by=by, journal=journal)


def throw_error(
    job_id: int,
    attempt: int,
    code: str,
    message: str = "",
    variables: Mapping[str, Any] | None = None,
    *,
    by: str,
    journal: Mapping[str, Any] | None = None,
    instance_id: int | None = None,
) -> None:
    """The work ended in a business error, which a boundary event with that code catches; an incident if none does.

    Raises `Rejected`: ``job-not-found``, ``job-not-claimed``, ``variables-invalid``, ``value-invalid``.
    """
    if not code:
        raise Rejected("value-invalid", "Expected an error code but found none")
    code = values.text(code, what="an error code")
    message, given = values.told(message), values.checked(variables)

    def decide(loaded: Loaded, at: datetime) -> c.Command:
        return c.ThrowError(in_hand(loaded, job_id, attempt).key, attempt, code, message, given)

    carry_out(job_id, decide, instance_id, by=by, journal=journal)


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """A FEEL expression, with or without ``=`` before it, over variables; as JSON. Raises ValueError with the reason
    where it cannot be compiled or exceeds a budget."""
    try:
        return Expression.feel(expression).evaluate(variables, timezone.now())
    except (ProcessFault, feel.FeelError) as error:
        raise ValueError(str(error)) from None


# -- carrying out ------------------------------------------------------------------------------------------------------


def carry_out(
    job_id: int,
    decide: Decide,
    instance_id: int | None,
    *,
    by: str,
    journal: Mapping[str, Any] | None,
    then: Continuation | None = None,
    code: str = "",
    kept: Loaded | None = None,
) -> Carried:
    """Carry out what is decided of a job, in its instance, which is looked up unless it is known."""
    if instance_id is None:
        row = Job.objects.filter(pk=job_id).values_list("instance_id", "worker").first()
        if row is None:
            raise not_claimed(job_id, 0, None)
        instance_id, worker = row
        if worker and not by.startswith("worker:"):
            by = f"worker:{worker} ({by})"
    return transaction.carry_out(instance_id, decide, by=by, journal=journal, then=then, code=code, kept=kept)


def in_hand(loaded: Loaded, job_id: int, attempt: int) -> EngineJob:
    """The fence, under the lock of the instance: the job, if this attempt of it is still the current one."""
    job = loaded.job(job_id)
    if job is None:
        raise not_claimed(job_id, attempt, None)
    if job.state is not JobState.CLAIMED or job.attempt != attempt:
        raise not_claimed(job_id, attempt, (job.state.value, job.attempt, loaded.jobs[job.key].worker))
    return job


# -- sweeping ----------------------------------------------------------------------------------------------------------


def lapse(limit: int = 100) -> int:
    """Fail, on behalf of their workers, up to `limit` attempts whose lease is over; how many.

    It counts as an attempt and costs a try, so that a job that kills its workers ends in an incident. Jobs that only
    wait for a reply have no worker: `replies.expire` sees to them.
    """
    now = timezone.now()
    over = Job.objects.filter(state=JobState.CLAIMED.value, lease_until__lte=now).order_by("lease_until", "id")
    waiting = AwaitedReply.objects.filter(job_id=OuterRef("pk"), attempt=OuterRef("attempt"))
    over = over.exclude(Exists(waiting.filter(asked_at__isnull=False, closed_at__isnull=True)))
    lapsed = 0
    for job_id, instance_id, attempt in over.values_list("id", "instance_id", "attempt")[:limit]:
        try:
            transaction.carry_out(instance_id, _silence(job_id, attempt), by="sweeper", wait=False)
        except (Rejected, transaction.Busy) as told:
            logger.debug("The lease of job %s does not lapse now: %s", job_id, told)
        except Exception:
            logger.exception("Expected the lease of job %s to lapse", job_id)
        else:
            lapsed += 1
    return lapsed


def expire(limit: int = 100) -> int:
    """Make incidents of up to `limit` jobs that wait for another try, or for their connection to let them pass, beyond
    their `retryDeadline`; how many."""
    over = Job.objects.filter(_OVER, state=JobState.DUE.value, suspended=False, retry_until__lte=timezone.now())
    expired = 0
    for job_id, instance_id in over.order_by("retry_until", "id").values_list("id", "instance_id")[:limit]:
        try:
            transaction.carry_out(instance_id, _lateness(job_id), by="sweeper", wait=False)
        except (Rejected, transaction.Busy) as told:
            logger.debug("The tries of job %s are not over now: %s", job_id, told)
        except Exception:
            logger.exception("Expected an incident of job %s", job_id)
        else:
            expired += 1
    return expired


_OVER = ~Q(parked="") | ~Q(error_message="")
"""What waits for *another* try: a job that no worker came for yet, or that is looked at again, has time."""


def _lateness(job_id: int) -> Decide:
    def decide(loaded: Loaded, at: datetime) -> c.Command:
        # A claim does not lock the instance: who comes first is decided by the row.
        due = Job.objects.select_for_update().filter(_OVER, pk=job_id, state=JobState.DUE.value)
        row = due.values_list("parked", "error_message").first()
        job = loaded.job(job_id)
        if row is None or job is None or job.state is not JobState.DUE:
            raise Rejected("job-not-expired", f"Expected job {job_id} to wait for another try but it does not")
        parked, message = row
        waited = f"Expected connection '{connection_of(job.headers)}' to let it pass but found it parked: {parked}"
        return c.ExpireJob(job.key, "; ".join([*([message] if message else []), *([waited] if parked else [])]))

    return decide


def _silence(job_id: int, attempt: int) -> Decide:
    def decide(loaded: Loaded, at: datetime) -> c.Command:
        job = in_hand(loaded, job_id, attempt)
        row = loaded.jobs[job.key]
        if row.lease_until is None or row.lease_until > at:
            raise Rejected("job-not-claimed", f"Expected the lease of job {job_id} to be over but it was extended")
        until = row.lease_until.isoformat(timespec="seconds")
        message = f"Expected an outcome of attempt {attempt} by {until} but worker {row.worker} was silent"
        return c.FailJob(job.key, attempt, message)

    return decide


def hint(limit: int = 500) -> int:
    """Announce up to `limit` due jobs that nobody announced, or not lately; how many."""
    types = dispatch.announces()
    if types is not None and not types:
        return 0
    now = timezone.now()
    stale = Q(hinted_at__isnull=True) | Q(hinted_at__lt=F("due_at"))
    stale |= Q(hinted_at__lte=now - settings.ORCHESTRATOR["HINT_AGAIN"])
    due = Job.objects.filter(stale, state=JobState.DUE.value, suspended=False, due_at__lte=now)
    if types is not None:
        due = due.filter(type__in=types)
    with database.atomic():
        rows = due.select_for_update(skip_locked=True).order_by("due_at", "id").values_list("id", "type")[:limit]
        jobs = [dispatch.DueJob(pk, type) for pk, type in rows]
        if jobs:
            Job.objects.filter(pk__in=[job.id for job in jobs]).update(hinted_at=now)
            dispatch.wake(jobs)
    return len(jobs)
