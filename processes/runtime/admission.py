"""Who passes the gate of a connection, now: what workers ask before they call, and tell afterwards.

`enter` is asked by a worker that holds a job and would call; `leave` is told how it went. In between no transaction is
open. What the fleet shares is one small row for each connection, changed under its own lock in a transaction of three
statements; calls in flight are not counted but looked up among the jobs that are claimed, so a worker that dies takes
its place along when its lease lapses. A connection that bounds nothing costs one read.

A job that may not pass is *parked*: due again, later, without an attempt or a retry being spent. That touches nothing
but a job that nobody has begun, so it needs no lock of its instance, as claims need none. `release` gives those that
are parked a moment to come back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models import DateTimeField as Moment
from django.utils import timezone

from processes.engine.parts import JobState
from processes.models import Connection, Job
from processes.models import Gate as GateRow
from processes.runtime import gate, values
from processes.runtime.claims import ClaimedJob
from processes.runtime.gate import Health

logger = logging.getLogger(__name__)

CHUNK = 500


class Unknown(LookupError):
    """A task names a connection that there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A connection as it is configured: placeholders are placeholders."""

    name: str
    kind: str
    url: str
    authentication: Mapping[str, Any]
    tls: Mapping[str, Any]
    timeout: float | None
    allowed_hosts: tuple[str, ...]
    allow_private: bool
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Permit:
    """A call may be made; `leave` wants to hear how it went."""

    destination: Destination
    connection_id: int
    go: gate.Go
    noted: bool = True
    """Whether `leave` has something to note even of a call that went well."""


@dataclass(frozen=True, slots=True)
class Parked:
    """The job was given back."""

    reason: str
    until: datetime


def private_allowed() -> bool:
    """Whether private addresses may be called where no connection says otherwise."""
    policy = settings.ORCHESTRATOR.get("PRIVATE_ADDRESSES", "refuse")
    return bool(policy == "allow")


def enter(job: ClaimedJob, name: str) -> Permit | Parked:
    """Ask for one call to a connection, for a job that is claimed. May wait up to `gate.PATIENCE` seconds.

    Raises `Unknown`, which says so for operators.
    """
    began = time.monotonic()
    while True:
        row, found = _ask(job, name, patient=time.monotonic() - began < gate.PATIENCE)
        if isinstance(found, gate.Later) and found.soon is not None:
            time.sleep(min(max(found.soon, 0.01), 0.2))
            continue
        if isinstance(found, gate.Later):
            return Parked(found.reason, moment(found.at))
        wait = found.at - _now()
        if wait > 0:
            time.sleep(wait)
        if wait > 0.05 and not found.canary and _changed(row.pk, found):
            # Meanwhile the breaker opened, or somebody paused it. The slot is lost, which harms nobody.
            continue
        return Permit(_destination(row), row.pk, found, noted=found.canary or row.concurrency is not None)


def admit(job: ClaimedJob, name: str) -> float | Parked:
    """Ask for one call of somebody who never tells how it went, so that the breaker does not hold: when it may be made,
    in seconds since 1970, within `gate.PATIENCE`. Where there is no such connection, nothing bounds it."""
    try:
        _, found = _ask(job, name, patient=False, breaker=False)
    except Unknown:
        return 0.0
    return Parked(found.reason, moment(found.at)) if isinstance(found, gate.Later) else found.at


def leave(
    permit: Permit, health: Health, *, seconds: float, message: str = "", retry_in: timedelta | None = None
) -> timedelta | None:
    """Say how a call went. Where the destination is known to be ill by now, returns after how long to try again: at
    the expense of nobody's retries."""
    if health == "unknown" and not permit.noted:
        return None
    # The usual case by far, and nothing to note unless calls have failed lately.
    usual = health == "well" and not permit.noted
    if usual and not GateRow.objects.filter(pk=permit.connection_id).exclude(failures=[]).exists():
        return None
    wait = None if retry_in is None else retry_in.total_seconds()
    hold: float | None = None
    with transaction.atomic():
        row = _locked(permit.connection_id)
        if row is None:
            return None
        now, before = _now(), row.gate.breaker
        closed = gate.report(row, row.gate, permit.go, health, now, seconds=seconds, wait=wait)
        if health == "ill":
            row.gate.last_failure = values.told(message, 2000)
            if row.gate.breaker != gate.CLOSED:
                hold = gate.later_than_the_breaker(row, row.gate, now).at - now
        row.gate.save(force_update=True)
    _tell_of(row, before)
    if closed:
        release(row.pk)
    return None if hold is None else timedelta(seconds=max(hold, 0.0))


def heard(name: str, health: Health, message: str = "") -> None:
    """Note what a destination said, or failed to say, long after the call: a reply came, or none in time. Where the
    breaker is half open, that is what its canaries were for."""
    rows = GateRow.objects.filter(connection__name=name)
    if health == "well":
        rows = rows.exclude(failures=[], breaker=gate.CLOSED)
    pk = rows.values_list("pk", flat=True).first()
    if pk is None:
        return  # there is no such connection any more, or nothing to note
    with transaction.atomic():
        row = _locked(pk)
        if row is None:
            return
        before, now = row.gate.breaker, _now()
        closed = gate.hear(row, row.gate, health, now)
        if health == "ill":
            row.gate.last_failure = values.told(message, 2000)
        row.gate.save(force_update=True)
    _tell_of(row, before)
    if closed:
        release(row.pk)


def _tell_of(row: Connection, before: str) -> None:
    if row.gate.breaker != before:
        logger.warning(
            "The breaker of connection %s is %s after %s", row.name, row.gate.breaker.lower(), before.lower()
        )


def _ask(job: ClaimedJob, name: str, *, patient: bool, breaker: bool = True) -> tuple[Connection, gate.Go | gate.Later]:
    row = Connection.objects.select_related("gate").filter(name=name).first()
    if row is None:
        raise Unknown(f"Expected a connection named '{name}' but found none")
    now = _now()
    if gate.is_free(row, row.gate, now):
        return row, gate.Go(now, row.gate.opened)
    with transaction.atomic():
        locked = _locked(row.pk)
        if locked is None:
            raise Unknown(f"Expected a connection named '{name}' but found none")
        row = locked
        now = _now()  # the lock may have been long in coming
        in_flight = 0 if row.concurrency is None else _in_flight(name, but=job.id)
        found = gate.admit(row, row.gate, now, in_flight, breaker=breaker)
        if isinstance(found, gate.Later) and found.soon is not None:
            if patient:
                return row, found
            found = gate.park_for_concurrency(row, row.gate, now)
        ours = Job.objects.filter(pk=job.id, state=JobState.CLAIMED.value, attempt=job.attempt)
        if isinstance(found, gate.Go):
            if row.concurrency is not None:
                ours.update(permitted=True)
        else:
            # As if it had never been claimed: the number of the attempt too is given back, since nobody began it.
            ours.update(
                state=JobState.DUE.value,
                attempt=F("attempt") - 1,
                due_at=moment(found.at),
                parked=found.reason,
                hinted_at=None,
                lease_until=None,
                worker="",
                claimed_at=None,
                permitted=False,
            )
        row.gate.save(force_update=True)
    return row, found


def _changed(pk: int, go: gate.Go) -> bool:
    stands = Connection.objects.filter(pk=pk, paused=False, gate__opened=go.opened, gate__breaker=gate.CLOSED)
    return not stands.exists()


def _locked(pk: int) -> Connection | None:
    """A connection with its gate, which is locked until the transaction ends."""
    if database.vendor == "postgresql":
        with database.cursor() as cursor:
            # What a crash may undo here is a note on one call.
            cursor.execute("SET LOCAL synchronous_commit TO OFF")
    held = GateRow.objects.select_for_update(no_key=True).filter(pk=pk).first()
    row = Connection.objects.filter(pk=pk).first()
    if held is None or row is None:
        return None
    row.gate = held
    return row


def _in_flight(name: str, *, but: int = 0) -> int:
    calls = Job.objects.filter(connection=name, state=JobState.CLAIMED.value, permitted=True)
    return calls.filter(lease_until__gt=timezone.now()).exclude(pk=but).count()


def _destination(row: Connection) -> Destination:
    return Destination(
        name=row.name,
        kind=row.kind,
        url=row.url,
        authentication=row.authentication,
        tls=row.tls,
        timeout=row.timeout,
        allowed_hosts=tuple(row.allowed_hosts),
        allow_private=private_allowed() if row.allow_private is None else row.allow_private,
        options=row.options,
    )


def _now() -> float:
    return timezone.now().timestamp()


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def release(pk: int) -> int:
    """Give every parked job of a connection a moment to come back, the oldest first, no faster than it may be called;
    how many."""
    row = Connection.objects.select_related("gate").filter(pk=pk).first()
    if row is None:
        return 0
    moments = gate.slots(row, row.gate, _now())
    released = last = 0
    while chunk := _release_some(row.name, last, moments):
        last = chunk[-1]
        released += len(chunk)
    GateRow.objects.filter(pk=pk).update(park_at=row.gate.park_at)
    return released


def _release_some(name: str, last: int, moments: Iterator[float]) -> list[int]:
    with transaction.atomic():
        parked = Job.objects.filter(connection=name, state=JobState.DUE.value, pk__gt=last).exclude(parked="")
        # What somebody else holds is being claimed or cancelled: no matter, and no deadlock.
        locked = parked.select_for_update(skip_locked=True).order_by("pk")
        ids = list(locked.values_list("pk", flat=True)[:CHUNK])
        if ids:
            due = [When(pk=pk, then=Value(moment(next(moments)), Moment())) for pk in ids]
            Job.objects.filter(pk__in=ids).update(due_at=Case(*due, output_field=Moment()), hinted_at=None)
    return ids
