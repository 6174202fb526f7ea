"""From the net effect of a step to rows, in as few statements as possible. The other door with SQL by hand.

What was born and ended within the step was never there, except visits and incidents, which are history. Waits are
live queue rows and are deleted; incidents are kept with their end. Nothing here decides anything, and only
`transaction` may call it, for it holds the lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from processes.engine import facts as f
from processes.engine.parts import (
    Call,
    Compensation,
    Condition,
    Incident,
    Job,
    JobState,
    MessageSubscription,
    NodeState,
    SignalSubscription,
    Timer,
    Token,
)
from processes.engine.state import InstanceState
from processes.models import Call as CallRow
from processes.models import Compensation as CompensationRow
from processes.models import Condition as ConditionRow
from processes.models import Delivery, FlowNodeInstance, Message, ProcessInstance, Step
from processes.models import Incident as IncidentRow
from processes.models import Job as JobRow
from processes.models import MessageSubscription as SubscriptionRow
from processes.models import SignalSubscription as SignalSubscriptionRow
from processes.models import Timer as TimerRow
from processes.models import Token as TokenRow
from processes.models.fields import DecimalEncoder
from processes.runtime import broadcasts, values
from processes.runtime.fingerprints import fingerprint
from processes.runtime.gate import connection_of
from processes.runtime.statements import CHUNK, Batch, Bundle, Table, Unchanged, insert_row

if TYPE_CHECKING:
    from processes.engine.process import Process
    from processes.runtime.loader import Loaded

_encode = DecimalEncoder().encode


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is born claimed."""

    job: int
    worker: str
    lease_until: datetime


@dataclass(slots=True)
class Recorded:
    """What the rows know that the engine does not."""

    jobs: dict[int, int] = field(default_factory=dict)
    """Primary keys of new jobs, by key."""
    due: list[tuple[int, str]] = field(default_factory=list)
    """Primary key and type of the jobs that wait to be claimed from now on."""
    thrown: list[tuple[str, str]] = field(default_factory=list)
    """Name and correlation key of the messages that left."""
    deliveries: list[int] = field(default_factory=list)
    """Primary keys of effects on other instances."""
    signals: bool = False
    """Whether signals left for somebody."""


Beside = Callable[[Batch, datetime], None]
"""Adds statements of the caller's that are carried out with a step, at its moment."""


class Overtaken(RuntimeError):
    """Somebody else stepped since the instance was loaded; nothing was written. Where it was locked all the while, a
    lock was forgotten: a bug of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The step as the history tells it."""

    command: str
    by: str
    at: datetime
    node: int | None = None
    journal: Mapping[str, Any] | None = None
    code: str = ""
    """Of the failure of a job, where its connector gave one."""
    reason: str = ""


def record(
    loaded: Loaded,
    process: Process | None,
    facts: Sequence[f.Fact],
    told: Told,
    claim: Claim | None = None,
    beside: Beside | None = None,
) -> Recorded:
    """Write what the facts changed. `process` is the one that runs after them, None where no node was entered.
    Raises `Overtaken`, also where what is `beside` requires a change that there is none of."""
    with connection.cursor() as cursor:
        pen = _Pen(Batch(cursor), loaded, told.at)
        recorded = Recorded()
        try:
            pen.new_jobs(pen.parts(process, facts, told, claim, beside), recorded)
        except Unchanged as unchanged:
            what = f"Expected instance {loaded.id} at step {loaded.steps} but somebody stepped"
            raise Overtaken(what) from unchanged
        pen.suspension(facts)
        pen.thrown(recorded)
        pen.deliveries(recorded)
        pen.signals(recorded)
    return recorded


def record_together(steps: Sequence[tuple[Loaded, Process, Sequence[f.Fact], Told]]) -> list[Recorded]:
    """Write steps of as many instances, each `by_itself`, within the transaction that locked them."""
    with connection.cursor() as cursor:
        batch = Bundle(cursor) if connection.vendor == "postgresql" else Batch(cursor)
        pens = [_Pen(batch, loaded, told.at) for loaded, _, _, told in steps]
        try:
            new = [pen.parts(process, facts, told) for pen, (_, process, facts, told) in zip(pens, steps, strict=True)]
            ids = _JOBS.insert_returning(batch, [row for rows, _ in new for row in rows])
            batch.flush()
        except Unchanged as unchanged:
            raise Overtaken("Expected locked instances at the steps that were read but somebody stepped") from unchanged
    recorded = [Recorded() for _ in pens]
    for pen, (_, waiting), each in zip(pens, new, recorded, strict=True):
        pen.wake(waiting, ids, each)
    return recorded


def is_one_batch(loaded: Loaded, facts: Iterable[f.Fact]) -> bool:
    """Whether all that the facts changed is sent at once, outside a transaction, and so needs none around it."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block and by_itself(loaded, facts)


def by_itself(loaded: Loaded, facts: Iterable[f.Fact]) -> bool:
    """Whether the facts changed nothing but the instance, its parts and its history, and not very many of them: nothing
    that others share (messages, signals, deliveries)."""
    changes = loaded.instance.changes
    return not (
        changes.thrown
        or changes.signals
        or changes.calls
        or (loaded.parent is not None and loaded.instance.state.is_final)
        or len(changes.created) > CHUNK
        or any(type(part) is Call for part in changes.removed.values())
        or not _APART.isdisjoint(map(type, facts))
    )


_APART = {f.InstanceSuspended, f.InstanceResumed, f.InstanceMigrated}
"""What has more to be written than the instance itself, its parts and its history."""


def _messages(facts: Iterable[f.Fact]) -> dict[int, str]:
    """Why tries failed, by the key of their job."""
    said: dict[int, str] = {}
    for fact in facts:
        if isinstance(fact, f.JobFailed):
            said[fact.job] = fact.message
        elif isinstance(fact, f.JobErrorThrown):
            said[fact.job] = f"{fact.code}: {fact.message}" if fact.message else fact.code
    return said


def _codes(facts: Iterable[f.Fact], told: Told) -> dict[int, str]:
    """The codes of errors, by the key of the visit where they struck."""
    codes = {} if told.node is None or not told.code else {told.node: told.code}
    codes |= {fact.node: fact.code for fact in facts if isinstance(fact, f.ErrorThrown)}
    return codes


_INSTANCES = Table(ProcessInstance, "")  # which are changed here; one that begins is written whole
_NODES = Table(
    FlowNodeInstance, "instance_id key element_id element_type scope state variables result entered_at ended_at"
)
_TOKENS = Table(TokenRow, "instance_id key flow_id scope")
_TIMERS = Table(TimerRow, "instance_id key node element_id due_at repetitions suspended")
_SUBSCRIPTIONS = Table(SubscriptionRow, "instance_id key node element_id process_id name correlation_key opened_at")
_CALLS = Table(CallRow, "instance_id key node element_id called_process_id")
_SIGNALS = Table(SignalSubscriptionRow, "instance_id key node element_id process_id name opened_at")
_CONDITIONS = Table(ConditionRow, "instance_id key node element_id expression satisfied")
_COMPENSATIONS = Table(CompensationRow, "instance_id key node element_id variables thrower handler")
_INCIDENTS = Table(
    IncidentRow,
    "instance_id key node element_id process_id job_type kind message error_code fingerprint raised_at "
    "ended_at resolved_by",
)
_JOBS = Table(
    JobRow,
    "instance_id key node element_id process_id type headers state suspended retries attempt due_at hinted_at "
    "lease_until worker claimed_at created_at error_message connection parked permitted assignee retry_until",
)
_STEPS = Table(Step, "instance_id number command by at node reason facts journal")
_DELETED = {
    Token: _TOKENS,
    Job: _JOBS,
    Timer: _TIMERS,
    MessageSubscription: _SUBSCRIPTIONS,
    SignalSubscription: _SIGNALS,
    Condition: _CONDITIONS,
    Call: _CALLS,
    Compensation: _COMPENSATIONS,
}


ASSIGNEE = "io.camunda.zeebe:assignee"
"""The header that says whose work a job is."""

NewJobs = tuple[list[Sequence[Any]], list[Job]]
"""Rows of new jobs, and the jobs that wait to be claimed from now on."""


class _Pen:
    """Writes one step of one instance."""

    def __init__(self, batch: Batch, loaded: Loaded, at: datetime) -> None:
        self.batch = batch
        self.loaded = loaded
        self.state = loaded.instance
        self.changes = loaded.instance.changes
        self.at = at
        self._adapted = connection.ops.adapt_datetimefield_value
        self.now = self.moment(at)
        self.suspended = self.state.state is InstanceState.SUSPENDED
        self.number = loaded.steps + 1
        self.moved: f.InstanceMigrated | None = None
        """Where the instance went, if it migrated."""
        self.followed = False
        """Whether what it called is to follow, for it was suspended or resumed."""

    def parts(
        self,
        process: Process | None,
        facts: Sequence[f.Fact],
        told: Told,
        claim: Claim | None = None,
        beside: Beside | None = None,
    ) -> NewJobs:
        """The instance itself, its history, and its parts but for the jobs that are new, which go last. Raises
        `Unchanged`, now or when the batch is sent, where it was overtaken."""
        if process is not None and any(isinstance(fact, f.InstanceMigrated) for fact in facts):
            self.migrated(facts, process)
        # Before the others, so that whoever is overtaken waits for its lock alone.
        self.instance()
        if beside is not None:
            beside(self.batch, self.at)
        self.nodes(process)
        self.removed({fact.incident for fact in facts if isinstance(fact, f.IncidentResolved)}, told.by)
        self.tokens_triggers_incidents(_codes(facts, told))
        self.what_changed()
        self.step(facts, told)
        return self.jobs(_messages(facts), claim)

    def moment(self, value: datetime | None) -> Any:
        return self._adapted(value)

    def instance(self) -> None:
        """The row of the instance, which also proves that nobody else stepped meanwhile."""
        if self.loaded.fresh is not None:
            self.loaded.id = insert_row(self.batch, self.loaded.fresh)
            return
        state = self.state
        columns: dict[str, Any] = {"steps": self.number, "last_key": state.last_key, "state": state.state.value}
        if self.changes.variables:
            columns["variables"] = _encode(state.variables)
        if state.state.is_final:
            columns |= {"ended_at": self.now, "ended_because": values.told(state.ended_because, 1000)}
        if self.moved is not None:
            columns |= {"definition_id": self.moved.definition, "process_id": self.moved.process}
        if self.loaded.held is None:
            _INSTANCES.require(self.batch, {"id": self.loaded.id, "steps": self.loaded.steps}, **columns)
            return
        # Nobody loses a claimed job but by a step; the fence stands all the same.
        changes = ", ".join(f'"{column}" = %s' for column in columns)
        claimed = f"EXISTS (SELECT 1 FROM {_JOBS.name} WHERE id = %s AND state = %s AND attempt = %s)"
        pk, attempt = self.loaded.held
        self.batch.require(
            f"UPDATE {_INSTANCES.name} SET {changes} WHERE id = %s AND steps = %s AND {claimed}",
            [*columns.values(), self.loaded.id, self.loaded.steps, pk, JobState.CLAIMED.value, attempt],
        )

    def nodes(self, process: Process | None) -> None:
        new: list[Sequence[Any]] = []
        ended: dict[NodeState, list[int]] = defaultdict(list)
        for key, node in self.changes.nodes.items():
            over = node.state in (NodeState.COMPLETED, NodeState.TERMINATED)
            result = None if node.result is None else _encode(node.result)
            if key in self.changes.entered:
                assert process is not None
                tag = process.nodes[node.element].tag
                end = self.now if over else None
                state = node.state.value
                variables = _encode(node.variables)
                new.append(
                    (self.loaded.id, key, node.element, tag, node.scope, state, variables, result, self.now, end)
                )
                continue
            if over and node.result is None and node.variables is self.loaded.variables.get(key):
                ended[node.state].append(key)
                continue
            columns: dict[str, Any] = {"state": node.state.value, "result": result}
            if node.variables is not self.loaded.variables.get(key):
                columns["variables"] = _encode(node.variables)
            if over:
                columns["ended_at"] = self.now
            _NODES.update(self.batch, self.loaded.id, [key], **columns)
        for how, keys in ended.items():
            _NODES.update(self.batch, self.loaded.id, keys, state=how.value, result=None, ended_at=self.now)
        _NODES.insert(self.batch, new)

    def removed(self, resolved: set[int], by: str) -> None:
        gone: dict[type, list[int]] = defaultdict(list)
        for key, part in self.changes.removed.items():
            if key not in self.changes.created:
                gone[type(part)].append(key)
        for kind, table in _DELETED.items():
            if kind in gone:
                table.delete(self.batch, self.loaded.id, gone[kind])
        for hand, keys in (
            (by, [key for key in gone[Incident] if key in resolved]),
            ("", [key for key in gone[Incident] if key not in resolved]),
        ):
            if keys:
                _INCIDENTS.update(self.batch, self.loaded.id, keys, ended_at=self.now, resolved_by=hand)

    def what_changed(self) -> None:
        """Conditions and compensations that were there before, as they are now."""
        for key, part in self.changes.waits.items():
            if key in self.changes.created:
                continue
            if isinstance(part, Condition):
                _CONDITIONS.update(self.batch, self.loaded.id, [key], satisfied=part.satisfied)
            elif isinstance(part, Compensation):
                columns = {"node": part.node, "thrower": part.thrower, "handler": part.handler}
                _COMPENSATIONS.update(self.batch, self.loaded.id, [key], **columns)

    def tokens_triggers_incidents(self, codes: Mapping[int, str]) -> None:
        rows: dict[Table, list[Sequence[Any]]] = defaultdict(list)
        pk, process = self.loaded.id, self.loaded.process_id
        for key in sorted(self.changes.created):
            part = self.changes.waits.get(key)
            if isinstance(part, Token):
                rows[_TOKENS].append((pk, key, part.flow, part.scope))
            elif isinstance(part, Timer):
                due = self.moment(part.due_at)
                rows[_TIMERS].append((pk, key, part.node, part.element, due, part.repetitions, self.suspended))
            elif isinstance(part, MessageSubscription):
                rows[_SUBSCRIPTIONS].append(
                    (pk, key, part.node, part.element, process, part.name, part.correlation_key, self.now)
                )
            elif isinstance(part, Call):
                rows[_CALLS].append((pk, key, part.node, self._element(part.node), part.process))
            elif isinstance(part, SignalSubscription):
                rows[_SIGNALS].append((pk, key, part.node, part.element, process, part.name, self.now))
            elif isinstance(part, Condition):
                rows[_CONDITIONS].append((pk, key, part.node, part.element, part.expression, part.satisfied))
            elif isinstance(part, Compensation):
                variables = _encode(dict(part.variables))
                rows[_COMPENSATIONS].append((pk, key, part.node, part.element, variables, part.thrower, part.handler))
            elif isinstance(part, Incident):
                rows[_INCIDENTS].append(self._incident(part, codes, None))
            elif isinstance(gone := self.changes.removed.get(key), Incident):
                # Raised and over within the step: history all the same.
                rows[_INCIDENTS].append(self._incident(gone, codes, self.now))
        for table, some in rows.items():
            table.insert(self.batch, some)

    def _incident(self, part: Incident, codes: Mapping[int, str], ended_at: Any) -> Sequence[Any]:
        element = self._element(part.node)
        jobs = (wait for wait in self.state.waits_of(part.node) if isinstance(wait, Job))
        job_type = next((job.type for job in jobs), "")
        pk, process = self.loaded.id, self.loaded.process_id
        kind, message, code = part.kind.value, values.told(part.message), values.told(codes.get(part.node, ""), 255)
        like = fingerprint(process, element, kind, code, message)
        return (
            *(pk, part.key, part.node, element, process, job_type, kind, message, code, like),
            *(self.now, ended_at, ""),
        )

    def _element(self, key: int) -> str:
        node = self.changes.nodes.get(key) or self.state.node(key)
        return node.element if node else ""

    def migrated(self, facts: Iterable[f.Fact], process: Process) -> None:
        """Rename what was there before the step: its rows, and those that name their element for whoever lists them."""
        elements: dict[str, list[int]] = defaultdict(list)
        triggers: dict[str, list[int]] = defaultdict(list)
        flows: dict[str, list[int]] = defaultdict(list)
        for fact in facts:
            if isinstance(fact, f.InstanceMigrated):
                self.moved = fact
            elif isinstance(fact, f.NodeMigrated):
                elements[fact.element].append(fact.node)
            elif isinstance(fact, f.TokenMigrated):
                flows[fact.flow].append(fact.token)
            elif isinstance(fact, f.WaitMigrated):
                triggers[fact.element].append(fact.wait)
            elif isinstance(fact, f.JobMigrated):
                headers = dict(fact.headers)
                written = {"type": fact.type, "headers": _encode(headers), "connection": connection_of(headers)}
                job = self.state.wait(Job, fact.job)
                until = self.moment(job.retry_until) if job and job.retry_until else None
                # Not announced yet: it may be work for others now.
                _JOBS.update(self.batch, self.loaded.id, [fact.job], **written, hinted_at=None, retry_until=until)
        pk = self.loaded.id
        for element, keys in elements.items():
            _NODES.update(self.batch, pk, keys, element_id=element, element_type=process.nodes[element].tag)
            for table in (_JOBS, _CALLS, _INCIDENTS):
                table.rename(self.batch, pk, keys, element)
        for element, keys in triggers.items():
            for table in (_TIMERS, _SUBSCRIPTIONS, _SIGNALS, _CONDITIONS, _COMPENSATIONS):
                table.update(self.batch, pk, keys, element_id=element)
        for flow, keys in flows.items():
            _TOKENS.update(self.batch, pk, keys, flow_id=flow)
        if self.moved is not None and self.moved.process != self.loaded.process_id:
            for table in (_JOBS, _INCIDENTS, _SUBSCRIPTIONS, _SIGNALS):
                sql = f"UPDATE {table.name} SET process_id = %s WHERE instance_id = %s"
                self.batch.add(sql, [self.moved.process, pk])
            self.loaded.process_id = self.moved.process

    def jobs(self, said: Mapping[int, str], claim: Claim | None) -> NewJobs:
        """Change those that there are; what becomes of the new ones."""
        new: dict[int, Sequence[Any]] = {}
        waiting: list[Job] = []
        for key, job in self.changes.waits.items():
            if not isinstance(job, Job):
                continue
            due_now = job.state is JobState.DUE and not self.suspended and job.due_at <= self.at
            if due_now:
                waiting.append(job)
            hinted_at = self.now if due_now else None
            if key not in self.changes.created:
                columns = {"type": job.type, "headers": _encode(dict(job.headers)), "retries": job.retries}
                columns |= {"state": job.state.value, "due_at": self.moment(job.due_at), "hinted_at": hinted_at}
                columns |= {"lease_until": None, "worker": "", "claimed_at": None, "suspended": self.suspended}
                columns |= {"connection": connection_of(job.headers), "parked": "", "permitted": False}
                columns |= {"retry_until": self.moment(job.retry_until) if job.retry_until else None}
                if key in said:
                    columns["error_message"] = values.told(said[key])
                _JOBS.update(self.batch, self.loaded.id, [key], **columns)
                continue
            lease: tuple[Any, str, Any] = (None, "", None)
            if claim is not None and claim.job == key:
                lease = (self.moment(claim.lease_until), claim.worker, self.now)
            new[key] = (
                *(self.loaded.id, key, job.node, self._element(job.node), self.loaded.process_id, job.type),
                *(_encode(dict(job.headers)), job.state.value, self.suspended, job.retries, job.attempt),
                *(self.moment(job.due_at), hinted_at, *lease, self.now, values.told(said.get(key, ""))),
                *(connection_of(job.headers), "", False, job.headers.get(ASSIGNEE, "")[:255]),
                self.moment(job.retry_until) if job.retry_until else None,
            )
        return list(new.values()), waiting

    def new_jobs(self, new: NewJobs, recorded: Recorded) -> None:
        """After all else, because only the last statement of a batch is answered."""
        rows, waiting = new
        ids = _JOBS.insert_returning(self.batch, rows)
        self.batch.flush()
        recorded.jobs = {key: pk for (_, key), pk in ids.items()}
        self.wake(waiting, ids, recorded)

    def wake(self, waiting: Iterable[Job], ids: Mapping[tuple[int, int], int], recorded: Recorded) -> None:
        for job in waiting:
            row = self.loaded.jobs.get(job.key)
            recorded.due.append((ids[self.loaded.id, job.key] if row is None else row.id, job.type))

    def suspension(self, facts: Iterable[f.Fact]) -> None:
        if any(isinstance(fact, f.InstanceSuspended | f.InstanceResumed) for fact in facts):
            for table in (_JOBS, _TIMERS):
                sql = f"UPDATE {table.name} SET suspended = %s WHERE instance_id = %s"
                self.batch.add(sql, [self.suspended, self.loaded.id])
            self.batch.flush()
            self.followed = True

    def thrown(self, recorded: Recorded) -> None:
        ttl = settings.ORCHESTRATOR["MESSAGE_TTL"]
        rows = [
            Message(
                name=fact.name,
                correlation_key=fact.correlation_key,
                variables=fact.variables,
                message_id=fact.message_id or None,
                published_at=self.at,
                published_by=f"instance:{self.loaded.id}",
                expires_at=self.at + (ttl if fact.time_to_live is None else fact.time_to_live),
            )
            for fact in self.changes.thrown
        ]
        for row in rows:
            if row.message_id:  # one that is over, and only waits to be deleted, is no longer that message
                same = {"name": row.name, "correlation_key": row.correlation_key, "message_id": row.message_id}
                Message.objects.filter(**same, expires_at__lte=self.at).delete()
        if rows:
            # A message with an id that was published before is that message, as when somebody else publishes it.
            Message.objects.bulk_create(rows, ignore_conflicts=True)
            recorded.thrown = [(row.name, row.correlation_key) for row in rows]

    def deliveries(self, recorded: Recorded) -> None:
        """Effects on other instances: those that were called, and the one that called."""
        rows = [
            self._delivery(self.loaded.id, fact.call, "START", f.to_json(fact))
            for fact in self.changes.calls
            if fact.call in self.changes.waits
        ]
        for key, part in self.changes.removed.items():
            if isinstance(part, Call) and key not in self.changes.created and key not in self.changes.answered:
                rows.append(self._delivery(self.loaded.id, key, "CANCEL", {}))
        if self.followed:
            calls = CallRow.objects.filter(instance_id=self.loaded.id).order_by("key").values_list("key", flat=True)
            rows += [self._delivery(self.loaded.id, key, "FOLLOW", {}, step=self.number) for key in calls]
        if self.loaded.parent is not None and self.state.state.is_final:
            rows.append(self._delivery(*self.loaded.parent, *self._end()))
        if rows:
            recorded.deliveries = [row.pk for row in Delivery.objects.bulk_create(rows)]

    def _end(self) -> tuple[str, Mapping[str, Any]]:
        """What the caller is told of the end."""
        escaped = self.changes.escaped
        if escaped is not None:
            return "ERROR", {"code": escaped.code, "message": escaped.message, "variables": escaped.variables}
        if self.state.state is InstanceState.COMPLETED:
            return "COMPLETED", {"variables": dict(self.state.variables)}
        return "ENDED", {"reason": self.state.ended_because}

    def _delivery(self, caller: int, call: int, kind: str, content: Mapping[str, Any], *, step: int = 0) -> Delivery:
        at = self.at
        return Delivery(instance_id=caller, call=call, kind=kind, step=step, content=content, created_at=at, due_at=at)

    def signals(self, recorded: Recorded) -> None:
        for fact in self.changes.signals:
            own = (self.loaded.id, fact.reach)
            left = broadcasts.spread(fact.name, fact.variables, at=self.at, by=f"instance:{self.loaded.id}", own=own)
            recorded.signals = recorded.signals or left > 0

    def step(self, facts: Sequence[f.Fact], told: Told) -> None:
        history = _encode([f.to_json(fact) for fact in facts])
        journal = None if told.journal is None else _encode(told.journal)
        row = (self.loaded.id, self.number, told.command, told.by, self.now, told.node, told.reason, history, journal)
        _STEPS.insert(self.batch, [row])
