"""Jobs are taken, and held: the claim, the lease, and what a worker is told of its job.

A claim is one conditional UPDATE that also raises `attempt`, the fence: whoever comes with another attempt is too
late. It does not lock the instance, for it touches nothing but a job that is due, and no step changes such a job
other than by deleting it. A claim need not survive a crash (its lease lapses anyway), so on PostgreSQL it does not
wait for the disk.

Who claims one job is likely to go on with its instance, so on PostgreSQL the claim reads it along, in one statement.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from processes.engine import retry
from processes.engine.errors import Rejected
from processes.engine.parts import Job as EngineJob
from processes.engine.parts import JobState
from processes.engine.process import Process
from processes.models import FlowNodeInstance, Job, ProcessDefinition, ProcessInstance
from processes.models.fields import DecimalDecoder, DecimalEncoder
from processes.runtime import definitions, values
from processes.runtime.live import JobRow
from processes.runtime.loader import Loaded, take
from processes.runtime.transaction import Carried, works_alone

logger = logging.getLogger(__name__)

MOST = 1000
"""Jobs that one claim may take."""
LONGEST_POSTPONEMENT = timedelta(days=365)

_NAMES = UUID("6f0d8d5c-5c3e-4d0c-9a39-0f6e4a0f8f5a")
_decode = DecimalDecoder().decode
_encode = DecimalEncoder().encode
_TABLE = Job._meta.db_table


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job in the hands of a worker, who owes an outcome for this `attempt` before `lease_until`."""

    id: int
    instance_id: int
    key: int
    type: str
    element_id: str
    process_id: str
    definition_id: int
    business_key: str
    variables: Mapping[str, Any] = field(repr=False)
    """The mapped inputs, where the task maps any; else everything that it can see. Numbers are `int` or `Decimal`."""
    inputs_only: bool = False
    """Whether the task has input mappings."""
    headers: Mapping[str, str]
    mapped: bool = False
    """Whether the task has output mappings."""
    attempt: int
    """From 1; the fence."""
    retries: int
    """Tries left, this one included."""
    lease_until: datetime
    worker: str
    idempotency_key: str
    """The same over all attempts of this job and after incidents, and of no other job in any database."""
    progress: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What earlier attempts kept by `checkpoint` or `postpone`; also those before an incident."""
    kept: Loaded | None = field(default=None, repr=False, compare=False)
    """The instance as it was when the job was claimed, for whoever ends the attempt."""


def claim(types: Sequence[str], *, worker: str, limit: int = 1, lease: timedelta | None = None) -> list[ClaimedJob]:
    """Claim up to `limit` jobs of these types that are due, the longest due first; concurrent claims are disjoint.

    Raises `Rejected` with ``value-invalid``.
    """
    if not 1 <= limit <= MOST:
        raise Rejected("value-invalid", f"Expected a limit from 1 to {MOST} but found {limit}")
    if not types:
        return []
    skip = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    # Materialized, so that no plan runs the selection twice and locks more than it takes.
    condition = f"""id IN (
        WITH picked AS MATERIALIZED (
            SELECT id FROM {_TABLE}
            WHERE {_DUE} AND type IN ({", ".join(["%s"] * len(types))})
            ORDER BY due_at, id LIMIT %s {skip}
        ) SELECT id FROM picked)"""
    return _claim(condition, [*types, limit], worker, lease)


def claim_one(job_id: int, *, worker: str, lease: timedelta | None = None) -> ClaimedJob | None:
    """Claim that job; None where it is not due, taken, gone or suspended. Raises `Rejected` with ``value-invalid``."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        return _take(job_id, worker, lease)
    if connection.vendor == "sqlite" and not _is_due(job_id):
        return None  # messages that came to nothing do not stand in the queue for the one write lock
    return next(iter(_claim(f"id = %s AND {_DUE}", [job_id], worker, lease, due_last=True)), None)


def _is_due(job_id: int) -> bool:
    when = [connection.ops.adapt_datetimefield_value(timezone.now())] * 2
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {_TABLE} WHERE id = %s AND {_DUE}", [job_id, *when])
        return cursor.fetchone() is not None


def held(job_id: int, attempt: int) -> ClaimedJob | None:
    """A job as its worker was told of it, for whoever ends the attempt in its place; None where it is held no more."""
    return _told(Job.objects.filter(pk=job_id, attempt=attempt, state=JobState.CLAIMED.value))


def seen(job_id: int) -> Mapping[str, Any]:
    """The variables that whoever does a job is told of; nothing where there is no such job."""
    found = _told(Job.objects.filter(pk=job_id))
    return found.variables if found is not None else {}


def _told(jobs: QuerySet[Job]) -> ClaimedJob | None:
    row = jobs.values_list(*_Row._fields, "worker", "lease_until").first()
    if row is None:
        return None
    *told, worker, until = row
    found = _Row(*told)
    # `_described` is given JSON and moments as text, as the claim returns them.
    progress = None if found.progress is None else _encode(found.progress)
    found = found._replace(headers=_encode(found.headers), due_at="", progress=progress)
    return next(iter(_described([found], worker, until)), None)


def extend(job_id: int, attempt: int, lease: timedelta, *, by: str = "") -> datetime:
    """Hold a claimed job for another `lease` from now on; returns until when.

    Raises `Rejected`: ``job-not-found``, ``job-not-claimed``, ``value-invalid``.
    """
    until = timezone.now() + _lease(lease)
    ours = Job.objects.filter(pk=job_id, state=JobState.CLAIMED.value, attempt=attempt)
    _ours_or_refused(ours.update(lease_until=until), job_id, attempt)
    return until


def checkpoint(job_id: int, attempt: int, progress: Mapping[str, Any], *, lease: timedelta | None = None) -> datetime:
    """Keep what an attempt has achieved so far, for the one that follows should this one be cut off, and hold the job
    for another `lease` from now on; returns until when. What was kept before is replaced; empty: forgotten.

    Progress lives as long as the job: retries, lapsed leases and resolved incidents keep it. The inputs of a job may
    have changed by then, so who keeps progress also keeps what it is the progress of.

    Raises `Rejected`: ``job-not-found``, ``job-not-claimed``, ``value-invalid``.
    """
    until = timezone.now() + _lease(lease)
    kept = values.checked(progress, what="progress") or None
    ours = Job.objects.filter(pk=job_id, state=JobState.CLAIMED.value, attempt=attempt)
    _ours_or_refused(ours.update(progress=kept, lease_until=until), job_id, attempt)
    return until


def postpone(job_id: int, attempt: int, until: datetime, progress: Mapping[str, Any]) -> None:
    """Give a claimed job back, not to be claimed before `until`, with what was achieved so far. Costs no try.

    No outcome, so no step of the instance: nothing of it has changed but when somebody looks again. A lease that is
    over is the sweeper's, who may be failing the attempt at this moment. The job got on, so its `retryDeadline` counts
    from `until`.

    Raises `Rejected`: ``job-not-found``, ``job-not-claimed``, ``value-invalid``.
    """
    now = timezone.now()
    if until - now > LONGEST_POSTPONEMENT:
        raise Rejected("value-invalid", f"Expected a pause of up to a year but found one until {until.isoformat()}")
    kept = values.checked(progress, what="progress") or None
    ours = Job.objects.filter(pk=job_id, state=JobState.CLAIMED.value, attempt=attempt, lease_until__gt=now)
    free: dict[str, Any] = {"lease_until": None, "worker": "", "claimed_at": None, "hinted_at": None}
    limited = ours.filter(retry_until__isnull=False).values_list("headers", flat=True).first()
    if limited is not None:
        free["retry_until"] = retry.until(limited, max(until, now))
    _ours_or_refused(ours.update(state=JobState.DUE.value, due_at=until, progress=kept, **free), job_id, attempt)


def _ours_or_refused(updated: int, job_id: int, attempt: int) -> None:
    if not updated:
        raise not_claimed(
            job_id, attempt, Job.objects.filter(pk=job_id).values_list("state", "attempt", "worker").first()
        )


def not_claimed(job_id: int, attempt: int, found: tuple[str, int, str] | None) -> Rejected:
    """Why an outcome is refused; `found` is state, attempt and worker of the job."""
    if found is None:
        return Rejected("job-not-found", f"Expected job {job_id} to be claimed but it is gone: its visit has ended")
    state, now, worker = found
    expected = f"Expected job {job_id} to be claimed with attempt {attempt}"
    if state == JobState.CLAIMED.value:
        return Rejected("job-not-claimed", f"{expected} but attempt {now} by worker {worker} holds it")
    return Rejected("job-not-claimed", f"{expected} but it is {state.lower()} after attempt {now}")


def born_claimed(carried: Carried) -> ClaimedJob | None:
    """The job that a step has brought forth in the hands of the worker who asked for it."""
    claim, loaded = carried.claim, carried.loaded
    if claim is None:
        return None
    job = loaded.instance.wait(EngineJob, claim.job)
    assert job is not None
    maps = mappings(carried.process, loaded.instance.nodes[job.node].element)
    row = JobRow(carried.claimed_id, claim.worker, claim.lease_until)
    return _held(loaded, job, row, maps, carried.left(), {})


def _held(
    loaded: Loaded,
    job: EngineJob,
    row: JobRow,
    maps: tuple[bool, bool],
    kept: Loaded | None,
    progress: Mapping[str, Any],
) -> ClaimedJob:
    """A job of an instance that is in memory, as its worker is told of it."""
    visit = loaded.instance.nodes[job.node]
    inputs_only, mapped = maps
    seen = dict(visit.variables if inputs_only else loaded.instance.visible(job.node))
    assert row.lease_until is not None
    return ClaimedJob(
        id=row.id,
        instance_id=loaded.id,
        key=job.key,
        type=job.type,
        element_id=visit.element,
        process_id=loaded.process_id,
        definition_id=loaded.definition_id,
        business_key=loaded.business_key,
        # What a connector makes of its inputs is not to happen to the instance.
        variables=seen if kept is None else values.copied(seen),
        inputs_only=inputs_only,
        headers=dict(job.headers),
        mapped=mapped,
        attempt=job.attempt,
        retries=job.retries,
        lease_until=row.lease_until,
        worker=row.worker,
        idempotency_key=idempotency_key(loaded.id, job.key, loaded.started_at),
        progress=progress,
        kept=kept,
    )


def idempotency_key(instance_id: int, job_key: int, started_at: datetime) -> str:
    """A UUID that this job has and no other, here or in another database."""
    return str(uuid5(_NAMES, f"{instance_id}/{job_key}/{started_at.astimezone(UTC).isoformat()}"))


def mappings(process: Process, element_id: str) -> tuple[bool, bool]:
    """Whether a task maps its inputs, and so sees nothing else, and whether it maps its outputs."""
    node = process.nodes.get(element_id)
    return bool(getattr(node, "inputs", ())), bool(getattr(node, "outputs", ()))


# -- claiming ----------------------------------------------------------------------------------------------------------

# What has failed or was parked is not tried beyond its deadline; `jobs.expire` makes an incident of it.
_DUE = f"""state = '{JobState.DUE.value}' AND NOT suspended AND due_at <= %s
    AND (retry_until IS NULL OR retry_until > %s OR (error_message = '' AND parked = ''))"""
_CLAIM = f"""
UPDATE {_TABLE}
SET state = '{JobState.CLAIMED.value}', attempt = attempt + 1, lease_until = %s, worker = %s, claimed_at = %s,
    parked = '', permitted = FALSE
"""
# PostgreSQL takes this and what follows at once; the answer is that of the last.
_HURRY = "SET LOCAL synchronous_commit TO OFF; "
_TOLD = """
RETURNING id, instance_id, "key", node, type, element_id, process_id, CAST(headers AS text), attempt, retries,
          CAST(due_at AS text), CAST(progress AS text)
"""


_INSTANCES = f"""
SELECT i.id, i.definition_id, d.digest, i.business_key, CAST(i.variables AS text), CAST(i.started_at AS text)
FROM {ProcessInstance._meta.db_table} i JOIN {ProcessDefinition._meta.db_table} d ON d.id = i.definition_id
WHERE i.id"""
_VISITS = f"""
SELECT instance_id, "key", scope, CAST(variables AS text) FROM {FlowNodeInstance._meta.db_table}
WHERE instance_id"""


class _Row(NamedTuple):
    id: int
    instance_id: int
    key: int
    node: int
    type: str
    element_id: str
    process_id: str
    headers: str
    attempt: int
    retries: int
    due_at: str
    progress: str | None


def _lease(lease: timedelta | None) -> timedelta:
    lease = settings.ORCHESTRATOR["LEASE"] if lease is None else lease
    if not timedelta() < lease <= timedelta(days=1):
        raise Rejected("value-invalid", f"Expected a lease longer than nothing and up to a day but found {lease}")
    return lease


def _claim(
    condition: str, arguments: list[Any], worker: str, lease: timedelta | None, *, due_last: bool = False
) -> list[ClaimedJob]:
    worker = values.text(worker, what="a worker name")
    now = timezone.now()
    until = now + _lease(lease)
    moment = connection.ops.adapt_datetimefield_value
    when = [moment(now)] * 2
    where = [*arguments, *when] if due_last else [*when, *arguments]
    joined = connection.in_atomic_block
    hurry = _HURRY if connection.vendor == "postgresql" and not joined else ""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{hurry} {_CLAIM} WHERE {condition} {_TOLD}", [moment(until), worker, moment(now), *where])
        rows = [_Row(*row) for row in cursor.fetchall()]
    rows.sort(key=lambda row: (datetime.fromisoformat(row.due_at), row.id))
    return _described(rows, worker, until)


def _take(job_id: int, worker: str, lease: timedelta | None) -> ClaimedJob | None:
    """As `_claim`, of one job, which is described from its instance."""
    worker = values.text(worker, what="a worker name")
    now = timezone.now()
    until = now + _lease(lease)
    moment = connection.ops.adapt_datetimefield_value
    arguments = [moment(until), worker, moment(now), job_id, moment(now), moment(now)]
    found = take(f"{_CLAIM} WHERE id = %s AND {_DUE}", arguments)
    if found is None:
        return None
    row, loaded = _Row(*found[0]), found[1]
    headers = _decode(row.headers)
    job = None if loaded is None else loaded.instance.wait(EngineJob, row.key)
    # An instance that migrated at this very moment was read as it was before.
    if loaded is None or job is None or (job.type, job.headers) != (row.type, headers):
        return next(iter(_described([row], worker, until)), None)
    job.state, job.attempt, job.retries = JobState.CLAIMED, row.attempt, row.retries
    held = JobRow(row.id, worker, until)
    loaded.jobs[row.key] = held
    loaded.held = (row.id, row.attempt)
    kept = loaded if loaded.whole and works_alone(loaded.instance) else None
    return _held(loaded, job, held, _maps(loaded, row), kept, {} if row.progress is None else _decode(row.progress))


def _described(rows: Sequence[_Row], worker: str, until: datetime) -> list[ClaimedJob]:
    """What workers are told of their jobs: three queries for however many, one more for each level of scopes."""
    if not rows:
        return []
    instances = _instances({row.instance_id for row in rows})
    maps = {row.id: _maps(instances[row.instance_id], row) for row in rows if row.instance_id in instances}
    alone = {pk for pk, (inputs, _) in maps.items() if inputs}
    visits = _visits(rows, alone)
    described = []
    for row in rows:
        instance = instances.get(row.instance_id)
        if instance is None:
            continue  # purged between the claim and now
        if row.id in alone:
            _, seen = visits.get((row.instance_id, row.node), (0, {}))
        else:
            seen = _visible(instance, row.node, visits)
        described.append(
            ClaimedJob(
                id=row.id,
                instance_id=row.instance_id,
                key=row.key,
                type=row.type,
                element_id=row.element_id,
                process_id=row.process_id,
                definition_id=instance.definition_id,
                business_key=instance.business_key,
                variables=seen,
                inputs_only=maps[row.id][0],
                headers=_decode(row.headers),
                mapped=maps[row.id][1],
                attempt=row.attempt,
                retries=row.retries,
                lease_until=until,
                worker=worker,
                idempotency_key=idempotency_key(row.instance_id, row.key, instance.started_at),
                progress={} if row.progress is None else _decode(row.progress),
            )
        )
    return described


class _Instance(NamedTuple):
    id: int
    definition_id: int
    digest: str
    business_key: str
    variables: dict[str, Any]
    started_at: datetime


def _instances(ids: set[int]) -> dict[int, _Instance]:
    """By hand, as every job that a broker announced comes by here: the ORM would need longer than the database."""
    with connection.cursor() as cursor:
        cursor.execute(_INSTANCES + _among(ids), list(ids))
        rows = cursor.fetchall()
    found = {}
    for id, definition_id, digest, business_key, variables, started in rows:
        started_at = datetime.fromisoformat(started)
        # SQLite keeps UTC without saying so.
        started_at = started_at.replace(tzinfo=UTC) if started_at.tzinfo is None else started_at
        found[id] = _Instance(id, definition_id, digest, business_key, _decode(variables), started_at)
    return found


def _among(ids: Collection[int]) -> str:
    return f" IN ({', '.join(['%s'] * len(ids))})"


def _maps(instance: _Instance | Loaded, row: _Row) -> tuple[bool, bool]:
    try:
        return mappings(definitions.process_by_key(instance.definition_id, instance.digest), row.element_id)
    except Exception:
        # The work may still be done; its outcome will meet the same trouble, and park the visit.
        logger.exception("Expected definition %s to be readable", instance.definition_id)
        return False, False


Visit = tuple[int, dict[str, Any]]
"""Scope around, and local variables."""


def _visits(rows: Sequence[_Row], alone: set[int]) -> dict[tuple[int, int], Visit]:
    """The visits that jobs belong to, and those around them unless a job sees only its own inputs."""
    found: dict[tuple[int, int], Visit] = {}
    wanted = {(row.instance_id, row.node) for row in rows}
    outwards = {(row.instance_id, row.node) for row in rows if row.id not in alone}
    while wanted:
        keys = {key for _, key in wanted}
        places = {id for id, _ in wanted}
        with connection.cursor() as cursor:
            sql = f'{_VISITS}{_among(places)} AND "key"{_among(keys)}'
            cursor.execute(sql, [*places, *keys])
            level = {
                (instance_id, key): (scope, _decode(variables))
                for instance_id, key, scope, variables in cursor.fetchall()
                if (instance_id, key) in wanted
            }
        found |= level
        around = {(place[0], scope) for place, (scope, _) in level.items() if place in outwards and scope}
        outwards |= around
        wanted = around - found.keys()
    return found


def _visible(instance: _Instance, node: int, visits: Mapping[tuple[int, int], Visit]) -> dict[str, Any]:
    """Inner variables shadow outer ones."""
    seen: list[dict[str, Any]] = []
    while node:
        node, own = visits.get((instance.id, node), (0, {}))
        seen.append(own)
    variables = dict(instance.variables)
    for own in reversed(seen):
        variables |= own
    return variables
