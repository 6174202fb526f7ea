"""Jobs that wait for a reply hold no worker: who asks, what comes back, and what becomes of a silence.

A connector says what it is going to wait for (`expect`, committed before anything is sent), sends its message, and
hands the job over (`hand_over`): from then on the job is claimed by nobody but its reply, until that comes or the time
is up. To the engine it is a claimed job like any other, ended by one of the commands that end jobs.

    expect -> message sent -> hand_over ------> receive ------> complete, fail or throw, as the task's headers say
                   |                      \\---> expire: the attempt failed, REPLY_TIMEOUT
                   \\--> (the sender dies) -> its lease lapses as ever

A reply may come before the job is handed over, before the row is there (then it is kept as an early one), twice, or
after its attempt was given up. Reply and expectation look for each other after their commit, so that whoever commits
second sees the first; the attempt is the fence that makes the outcome one. No reply is ever refused: what is not
needed is counted, logged and dropped, for who sent it cannot do better.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db import transaction as database
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import AwaitedReply, EarlyReply, Job
from processes.runtime import admission, jobs, settlement, values
from processes.runtime.gate import Health, connection_of
from processes.runtime.jobs import ClaimedJob
from processes.runtime.settlement import Outcome, Raised, Responded

logger = logging.getLogger(__name__)

Ending = AwaitedReply.Ending
Received = Literal["answered", "early", "duplicate", "late"]

PSEUDO_WORKER = "reply:"
"""With the channel after it, the name of who holds a job that waits for a reply."""
UNFIT = ("value-invalid", "variables-invalid")
"""Codes of a refusal that is about the outcome itself, not about whose turn it is."""
KEPT = timedelta(days=1)
"""For how long a reply that was answered or given up is known for a second one."""


def expect(
    job: ClaimedJob, correlation_id: str, *, channel: str, until: datetime, journal: Mapping[str, Any] | None = None
) -> None:
    """Note that this attempt will end with the reply under `correlation_id`. To be committed before anything is sent.

    A correlation id may be used again by a later attempt of the same job, which supersedes the earlier one. Raises
    `Rejected`: ``value-invalid``, ``job-not-claimed``, and ``correlation-id-taken`` where another job waits for it.
    """
    correlation_id = values.text(correlation_id, what="a correlation id")
    channel = values.text(channel, what="a reply channel", limit=200)
    now = timezone.now()
    fresh = AwaitedReply(
        correlation_id=correlation_id,
        channel=channel,
        instance_id=job.instance_id,
        job_id=job.id,
        attempt=job.attempt,
        created_at=now,
        expires_at=until,
        journal=values.journal(journal) or {},
    )
    with database.atomic():
        if not Job.objects.filter(pk=job.id, state=JobState.CLAIMED.value, attempt=job.attempt).exists():
            raise Rejected("job-not-claimed", f"Expected attempt {job.attempt} to hold job {job.id} but it does not")
        # What an earlier attempt still waits for would come too late.
        _close(AwaitedReply.objects.filter(job_id=job.id, ending=Ending.OPEN), Ending.SUPERSEDED)
        same = AwaitedReply.objects.select_for_update().filter(correlation_id=correlation_id).first()
        if same is not None and same.job_id != job.id and same.ending == Ending.OPEN:
            raise Rejected(
                "correlation-id-taken",
                f"Expected correlation id {correlation_id} to be free but job {same.job_id} waits for its reply",
            )
        if same is not None:
            fresh.pk = same.pk
        try:
            with database.atomic():
                fresh.save(force_insert=same is None)
        except IntegrityError:
            raise Rejected(
                "correlation-id-taken", f"Expected correlation id {correlation_id} to be free but it was just taken"
            ) from None


def hand_over(job: ClaimedJob, correlation_id: str, *, journal: Mapping[str, Any] | None = None) -> bool:
    """The message is sent: the worker lets go of the job. False where it was answered, or lost, already."""
    now = timezone.now()
    with database.atomic():
        row = AwaitedReply.objects.select_for_update().filter(correlation_id=correlation_id).first()
        if row is None or row.job_id != job.id or row.attempt != job.attempt or row.ending != Ending.OPEN:
            return False
        row.asked_at = now
        row.journal = {**row.journal, **(values.journal(journal) or {})}
        row.save(update_fields=["asked_at", "journal"])
        ours = Job.objects.filter(pk=job.id, state=JobState.CLAIMED.value, attempt=job.attempt)
        ours.update(worker=f"{PSEUDO_WORKER}{row.channel}"[:255], lease_until=row.expires_at)
    _meet(correlation_id)
    return True


def receive(correlation_id: str, outcome: Outcome, *, channel: str) -> Received:
    """A reply came. What it says is durable when this returns, unless the caller's transaction is still open.

    Raises `Rejected` with ``value-invalid`` where the correlation id cannot be one.
    """
    correlation_id = values.text(correlation_id, what="a correlation id")
    if not correlation_id:
        raise Rejected("value-invalid", "Expected a correlation id but found none")
    told = _answer(correlation_id, outcome, by=f"{PSEUDO_WORKER}{channel}")
    if told is not None:
        return told
    try:
        with database.atomic():
            EarlyReply.objects.create(
                correlation_id=correlation_id,
                channel=values.told(channel, 255),
                outcome=_to_json(outcome),
                received_at=timezone.now(),
            )
    except IntegrityError:
        logger.warning("Dropped a second early reply %s on %s", correlation_id, channel)
        return "duplicate"
    # Perhaps it was expected just now.
    return _meet(correlation_id) or "early"


def asked(correlation_id: str) -> ClaimedJob | None:
    """The job whose attempt waits for that reply; None where nobody does, or not yet."""
    row = AwaitedReply.objects.filter(correlation_id=correlation_id, ending=Ending.OPEN).first()
    return None if row is None else jobs.held(row.job_id, row.attempt)


def expire(limit: int = 100) -> int:
    """Fail up to `limit` attempts whose reply did not come in time; how many. `errorExpression` is asked as ever."""
    now = timezone.now()
    held = Job.objects.filter(
        pk=OuterRef("job_id"), attempt=OuterRef("attempt"), state=JobState.CLAIMED.value, lease_until__lte=now
    )
    # Those whose job is gone are over as well.
    gone = ~Exists(Job.objects.filter(pk=OuterRef("job_id"), attempt=OuterRef("attempt")))
    waiting = AwaitedReply.objects.filter(ending=Ending.OPEN, expires_at__lte=now, asked_at__isnull=False)
    due = waiting.filter(Exists(held) | gone).order_by("expires_at")
    expired = 0
    for pk in list(due.values_list("pk", flat=True)[:limit]):
        try:
            expired += _give_up(pk, now)
        except Exception:
            logger.exception("Expected to give up awaited reply %s", pk)
    return expired


def match(limit: int = 100) -> int:
    """Bring together early replies and jobs that wait for them, after a crash between commit and look; how many."""
    awaited = AwaitedReply.objects.filter(correlation_id=OuterRef("correlation_id"), ending=Ending.OPEN)
    early = EarlyReply.objects.filter(Exists(awaited)).order_by("id").values_list("correlation_id", flat=True)
    return sum(_meet(correlation_id) == "answered" for correlation_id in list(early[:limit]))


def forget(limit: int = 1000) -> int:
    """Delete what was answered or given up long ago, and early replies that nobody came for; how many."""
    now = timezone.now()
    old = AwaitedReply.objects.filter(closed_at__lte=now - KEPT).order_by("closed_at")
    # A sender that died before its job was handed over; the lapse of its lease has told the rest.
    lost = AwaitedReply.objects.filter(ending=Ending.OPEN, asked_at__isnull=True, expires_at__lte=now - KEPT)
    early = EarlyReply.objects.filter(received_at__lte=now - settings.ORCHESTRATOR["EARLY_REPLIES"])
    forgotten = 0
    with database.atomic():
        for rows in (old, lost.order_by("expires_at"), early.order_by("received_at")):
            found = list(rows.select_for_update(skip_locked=True)[:limit])
            for row in found:
                if isinstance(row, EarlyReply):
                    logger.warning("Dropped reply %s on %s: nobody waited for it", row.correlation_id, row.channel)
            rows.model._default_manager.filter(pk__in=[row.pk for row in found]).delete()
            forgotten += len(found)
    return forgotten


# -- ending ------------------------------------------------------------------------------------------------------------


def _meet(correlation_id: str) -> Received | None:
    """After a commit: let an early reply end the attempt that waits for it, if there are both."""
    early = EarlyReply.objects.filter(correlation_id=correlation_id).first()
    if early is None:
        return None
    told = _answer(correlation_id, _from_json(early.outcome), by=f"{PSEUDO_WORKER}{early.channel}")
    if told is not None:
        early.delete()
    return told


def _answer(correlation_id: str, outcome: Outcome, *, by: str) -> Received | None:
    """End the attempt that waits for it; None where none is known."""
    with database.atomic():
        row = AwaitedReply.objects.select_for_update().filter(correlation_id=correlation_id).first()
        if row is None:
            return None
        counted = AwaitedReply.objects.filter(pk=row.pk)
        counted.update(replies=F("replies") + 1)
        if row.ending != Ending.OPEN:
            known: Received = "duplicate" if row.ending == Ending.ANSWERED else "late"
            logger.warning("Dropped a %s reply %s (job %s, attempt %d)", known, correlation_id, row.job_id, row.attempt)
            return known
        job = _end(row, outcome, by=by)
        if job is None:
            _close(counted, Ending.SUPERSEDED)
            logger.warning("Dropped a late reply %s (job %s, attempt %d)", correlation_id, row.job_id, row.attempt)
            return "late"
        _close(counted, Ending.ANSWERED)
    _tell(job, "well")
    return "answered"


def _give_up(pk: int, now: datetime) -> bool:
    with database.atomic():
        row = AwaitedReply.objects.select_for_update(skip_locked=True).filter(pk=pk, ending=Ending.OPEN).first()
        if row is None or row.expires_at > now:
            return False
        until = row.expires_at.isoformat(timespec="seconds")
        message = f"Expected a reply on {row.channel} to attempt {row.attempt} by {until} but none came"
        silence = Raised(message, code="REPLY_TIMEOUT", details={"correlationId": row.correlation_id})
        job = _end(row, silence, by="sweeper")
        _close(AwaitedReply.objects.filter(pk=pk), Ending.SUPERSEDED if job is None else Ending.EXPIRED)
    if job is not None:
        _tell(job, "ill", message)
    return job is not None


def _tell(job: ClaimedJob, health: Health, message: str = "") -> None:
    """Tell the connection of the job how its destination is doing. After the outcome, which matters more: nobody holds
    the lock of an instance here, unless the caller's transaction is still open."""
    if name := connection_of(job.headers):
        admission.heard(name, health, message)


def _end(row: AwaitedReply, outcome: Outcome, *, by: str) -> ClaimedJob | None:
    """Settle the job, and return it; None where another attempt has it by now, or it is gone."""
    job = jobs.held(row.job_id, row.attempt)
    if job is None:
        return None
    waited = round((timezone.now() - (row.asked_at or row.created_at)).total_seconds(), 3)
    outcome = replace(outcome, journal={**row.journal, "waited": waited, **outcome.journal})
    try:
        settlement.settle(job, outcome, by=by)
    except Rejected as rejected:
        if rejected.code not in UNFIT:
            return None
        # What the reply says cannot be kept, and another one would be no better.
        told = f"The reply could not be recorded: {rejected}"
        settlement.settle(job, Raised(told, rejected.code, retryable=False, journal=row.journal), by=by)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # A bug of ours: the runtime has parked the visit with an incident, which must not be rolled back.
        logger.exception("Expected reply %s to end job %s", row.correlation_id, row.job_id)
    return job


def _close(rows: Any, ending: AwaitedReply.Ending) -> None:
    rows.update(ending=ending, closed_at=timezone.now())


def _to_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome that can be kept. What cannot be kept of it is an outcome of its own."""
    try:
        if isinstance(outcome, Responded):
            said = values.checked(outcome.response, what="a reply")
            return {"response": said, "silent": outcome.silent, "journal": values.journal(outcome.journal) or {}}
    except Rejected as rejected:
        outcome = Raised(str(rejected), rejected.code, retryable=False)
    assert isinstance(outcome, Raised)
    return {
        "message": values.told(outcome.message),
        "code": values.told(outcome.code, 255),
        "details": values.journal(outcome.details) or {},
        "retryable": outcome.retryable,
        "journal": values.journal(outcome.journal) or {},
    }


def _from_json(kept: Mapping[str, Any]) -> Outcome:
    return Responded(**kept) if "response" in kept else Raised(**kept)
