"""The one place where an instance changes: lock, load, step, record, wake on commit.

One instance, one lock, one transaction, one step. Nobody waits for an instance while holding another: effects on other
instances are rows (messages) that are delivered later, each in a transaction of its own. Steps of several instances
may share a transaction (`carry_out_together`), which takes only the locks that are free, all at once.

What goes wrong here is told apart. `Rejected` is the caller's and passes through. A database that is busy or was away
is tried again, as long as the transaction is ours to repeat. Anything else is our bug: everything is rolled back, and
the visit that it was about is parked with an incident, so that nothing is lost and nothing loops.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, Rejected
from processes.engine.parts import Call, Incident, Job, JobState, MessageSubscription, SignalSubscription, Timer
from processes.engine.process import Process
from processes.engine.state import Instance, InstanceState
from processes.engine.stepping import step
from processes.models import Incident as IncidentRow
from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import definitions, dispatch, recorder, values
from processes.runtime.live import JobRow
from processes.runtime.loader import Loaded, Parent, find, load

logger = logging.getLogger(__name__)

FIRST_ATTEMPT = 1
LONGEST_STEPS = 0.1
"""Seconds after which a bundle takes no further step: others may wait for its instances meanwhile."""
TRIES = 3
"""How often a transaction is carried out before a database that is busy or away is the caller's trouble."""

Beside = recorder.Beside

Decide = Callable[[Loaded, datetime], c.Command]
"""Makes the command from the locked instance; may read, may insert rows of its own, and may raise `Rejected`."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """The worker would go on at once: the next job, if it is of one of these types, is born claimed by it."""

    types: frozenset[str]
    worker: str
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Carried:
    """A step that was carried out; it is durable when the surrounding transaction commits."""

    loaded: Loaded
    process: Process
    facts: list[f.Fact]
    at: datetime
    claim: recorder.Claim | None = None
    claimed_id: int = 0
    """Primary key of the job that was born claimed."""

    def left(self) -> Loaded | None:
        """The instance as this step left it, where the worker that goes on may trust that: the step has been committed,
        and nobody else is at work on another job of it."""
        loaded, claim = self.loaded, self.claim
        if claim is None or connection.in_atomic_block or not works_alone(loaded.instance):
            return None
        loaded.renew({claim.job: JobRow(self.claimed_id, claim.worker, claim.lease_until)})
        loaded.held = (self.claimed_id, FIRST_ATTEMPT)
        return loaded


@dataclass(frozen=True, slots=True)
class Caller:
    """The instance that calls the one to begin: primary key, of its outermost caller (itself, if none), how many
    callers are around it, and its call with the element that calls."""

    id: int
    root: int
    depth: int
    call: int
    element: str


def works_alone(instance: Instance) -> bool:
    """Whether the one job of an instance is its only one. What it waits for besides seldom comes at that moment."""
    return instance.reader is None and sum(isinstance(wait, Job) for wait in instance.waits.values()) == 1


class Busy(Exception):
    """Somebody else holds the instance, and we were told not to wait."""


def carry_out(
    instance_id: int,
    command: c.Command | Decide,
    *,
    by: str,
    node: int | None = None,
    journal: Mapping[str, Any] | None = None,
    then: Continuation | None = None,
    wait: bool = True,
    whole: bool = False,
    code: str = "",
    reason: str = "",
    kept: Loaded | None = None,
) -> Carried:
    """Carry out one command on one instance, in one transaction that joins the caller's.

    `node` is the key of the visit that the step is about, where the command does not say so itself. Without `wait`,
    raises `Busy` where the instance is locked (PostgreSQL only). Raises `Rejected`: ``instance-not-found``,
    ``instance-ended``, and whatever the command may be refused for. `whole` reads every part of the instance first,
    for a command that has to look at all of them. `code` is that of the failure which is told, if it has one.
    `reason` is why, for the history; many commands bring their own.

    `kept` is the instance as the caller, who holds its only job, left it or read it with its claim. If it is that
    still, as the number of its steps and the attempt of the job prove when the step is recorded, nothing is locked or
    read before. It is used up.
    """
    request = _Request(instance_id, command, by, node, values.journal(journal), then, wait, whole, code, reason)
    for turn in range(1, TRIES + 1):
        try:
            if kept is not None and not connection.in_atomic_block:
                last, kept = kept, None
                try:
                    return request.carry_on(last)
                except recorder.Overtaken:
                    logger.debug("Instance %s was overtaken: it is read anew", instance_id)
            with transaction.atomic():
                return request.carry_out()
        except (Rejected, Busy):
            raise
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or turn == TRIES:
                raise
            logger.warning("Carrying out %s on instance %s again", request.name, instance_id, exc_info=True)
            connection.close_if_unusable_or_obsolete()
        except Exception as error:
            logger.exception("Expected to carry out %s on instance %s but hit a bug", request.name, instance_id)
            request.park(error)
            raise
    raise AssertionError("unreachable")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What became of a bundle of steps."""

    carried: int
    """Steps that are recorded."""
    alone: list[tuple[int, int]]
    """What has to be carried out by itself: primary key of the instance, and key of what is due."""
    more: bool
    """Whether more may be due."""


def carry_out_together(
    due: str, arguments: Sequence[Any], command: Callable[[int], c.Command], *, by: str, limit: int
) -> Bundle:
    """Carry out the commands for up to `limit` parts that are due, one of each instance, in one transaction that joins
    the caller's: one commit, and a handful of statements for all of them. `due` as `loader.find`; `command` makes one
    of the key of a part.

    Their instances are locked by one statement that passes over those that somebody holds, so nobody here waits for an
    instance; and what others share is not written, so nobody waits for a bundle but for one of its instances. A step
    that writes more than its own instance, or hits a bug, is left to `carry_out`. Whatever is raised, nothing of all
    this has happened; then each is better carried out by itself.
    """
    steps: list[tuple[_Request, Carried]] = []
    with transaction.atomic():
        found, alone = find(due, arguments, limit)
        more = len(found) + len(alone) == limit
        at, began = timezone.now(), time.monotonic()
        for each in found:
            if time.monotonic() - began > LONGEST_STEPS:
                more = True
                break
            request = _Request(each.id, command(each.key), by, None, None, None, False, False, "", "")
            try:
                carried = request.stepped(each.loaded(), at)
            except Rejected as told:
                logger.debug("%s is not carried out on instance %s: %s", request.name, each.id, told)
            except Error:
                raise  # the transaction is lost
            except Exception:
                logger.debug("%s on instance %s hits a bug", request.name, each.id, exc_info=True)
                alone.append((each.id, each.key))  # where it is told, and parked
            else:
                if recorder.by_itself(carried.loaded, carried.facts):
                    steps.append((request, carried))
                else:
                    alone.append((each.id, each.key))
        recorded = recorder.record_together(
            [(carried.loaded, carried.process, carried.facts, request.told(carried)) for request, carried in steps]
        )
        _wake(*((carried.loaded, each) for (_, carried), each in zip(steps, recorded, strict=True)))
    return Bundle(len(steps), alone, more)


def carry_on(kept: Loaded, command: c.Command, *, by: str, beside: Beside) -> Carried:
    """Carry out one command on an instance that was read without a lock, together with what is `beside`, in one
    transaction of its own: all of it, or nothing where anything is raised before the commit.

    Nothing is tried again and nothing is parked: that is for `carry_out`, with which the caller goes on then. Raises
    `recorder.Overtaken` where somebody stepped since it was read, and `Rejected`.
    """
    request = _Request(kept.id, command, by, None, None, None, True, False, "", "")
    request.beside = beside
    return request.carry_on(kept)


def rehearse(instance_id: int, command: c.Command | Decide, *, whole: bool = True) -> list[f.Fact]:
    """The facts that a command would lead to now; nothing is written. Raises `Rejected` as `carry_out`."""
    with transaction.atomic():
        at = timezone.now()
        loaded = load(instance_id, whole=whole)
        if loaded is None:
            raise _absent(instance_id)
        _running(loaded)
        command = command(loaded, at) if callable(command) else command
        return step(definitions.process_by_key(loaded.definition_id, loaded.digest), loaded.instance, command, at)


def begin(
    definition: ProcessDefinition,
    command: c.StartInstance | c.StartInstanceAt,
    *,
    by: str,
    business_key: str = "",
    start_key: str | None = None,
    correlation_key: str = "",
    caller: Caller | None = None,
    restarted_from: int | None = None,
) -> ProcessInstance:
    """Create an instance and carry out its first step, in one transaction that joins the caller's.

    Raises `Rejected`: ``no-none-start``, ``definition-suspended``.
    """
    if definition.suspended:
        because = f": {definition.suspension_reason}" if definition.suspension_reason else ""
        what = f"Expected '{definition.process_id}' version {definition.version} to be active"
        raise Rejected("definition-suspended", f"{what} but it is suspended{because}")
    process = definitions.process_of(definition)
    at = timezone.now()
    state = Instance()
    facts = step(process, state, command, at)
    row = ProcessInstance(
        definition=definition,
        process_id=definition.process_id,
        business_key=business_key,
        start_key=start_key,
        restarted_from_id=restarted_from,
        state=state.state.value,
        variables=state.variables,
        last_key=state.last_key,
        steps=1,
        started_at=at,
        started_by=values.told(by, 255),
        ended_at=at if state.state.is_final else None,
        ended_because=values.told(state.ended_because, 1000),
        start_element=command.element if isinstance(command, c.StartInstance) else "",
        correlation_key=correlation_key,
    )
    parent = None
    if caller is not None:
        parent = Parent(caller.id, caller.call)
        row.parent_id, row.parent_call, row.parent_element = caller.id, caller.call, caller.element
        row.root_id, row.depth = caller.root, caller.depth + 1
    key, digest, process_id = definition.pk, definition.digest, definition.process_id
    loaded = Loaded(0, key, digest, process_id, business_key, at, 0, state, parent, correlation_key, fresh=row)
    told = recorder.Told(command=type(command).__name__, by=values.told(by, 255), at=at, reason=_reason(command))
    with nullcontext() if recorder.is_one_batch(loaded, facts) else transaction.atomic():
        _wake((loaded, recorder.record(loaded, process, facts, told)))
    return row


# -- one request -------------------------------------------------------------------------------------------------------


class _Request:
    """One call of `carry_out`, which may take several turns."""

    def __init__(
        self,
        instance_id: int,
        command: c.Command | Decide,
        by: str,
        node: int | None,
        journal: Mapping[str, Any] | None,
        then: Continuation | None,
        wait: bool,
        whole: bool,
        code: str,
        reason: str,
    ) -> None:
        self.instance_id = instance_id
        self.command = command
        self.by = values.told(by, 255)
        self.node = node
        self.journal = journal
        self.then = then
        self.wait = wait
        self.whole = whole
        self.code = code
        self.reason = reason
        self.beside: Beside | None = None
        self.name = "a command"

    def carry_out(self) -> Carried:
        loaded = self.load()
        # Under the lock: whoever waited for it is not before the step that he waited for.
        return self.record(self.stepped(loaded, timezone.now()))

    def carry_on(self, kept: Loaded) -> Carried:
        """Raises `recorder.Overtaken`."""
        carried = self.stepped(kept, timezone.now())
        with nullcontext() if recorder.is_one_batch(kept, carried.facts) else transaction.atomic():
            return self.record(carried)

    def stepped(self, loaded: Loaded, at: datetime) -> Carried:
        """What the command leads to; nothing is written yet."""
        command = self.command(loaded, at) if callable(self.command) else self.command
        self.name = type(command).__name__
        if self.node is None:
            self.node = _subject(loaded.instance, command)
        _running(loaded)
        process = definitions.process_by_key(loaded.definition_id, loaded.digest)
        facts = step(process, loaded.instance, command, at)
        if isinstance(command, c.MigrateInstance):
            process = command.target
        self.reason = _reason(command) or values.told(self.reason, 1000)
        claim = None if self.then is None else _claim_next(loaded.instance, self.then, at)
        return Carried(loaded, process, facts, at, claim)

    def told(self, carried: Carried) -> recorder.Told:
        return recorder.Told(
            command=self.name,
            by=self.by,
            at=carried.at,
            node=self.node,
            journal=self.journal,
            code=self.code,
            reason=self.reason,
        )

    def record(self, carried: Carried) -> Carried:
        claim = carried.claim
        told = self.told(carried)
        recorded = recorder.record(carried.loaded, carried.process, carried.facts, told, claim, self.beside)
        _wake((carried.loaded, recorded))
        return carried if claim is None else replace(carried, claimed_id=recorded.jobs[claim.job])

    def load(self) -> Loaded:
        whole = self.whole or isinstance(self.command, c.CancelInstance | c.ModifyInstance)
        loaded = load(self.instance_id, whole=whole, wait=self.wait)
        if loaded is None:
            raise _absent(self.instance_id)
        return loaded

    def park(self, error: Exception) -> None:
        """Raise an incident where the bug struck, in a fresh transaction; where even that fails, the log has both."""
        if self.node is None:
            return
        message = values.told(f"{type(error).__name__}: {error}")
        try:
            try:
                with transaction.atomic():
                    _park(self.instance_id, self.node, message, by_hand=False)
            except Rejected:
                return  # the visit is over, there is nothing left to park
            except Exception:
                logger.exception("Expected the engine to park visit %s but it could not; by hand then", self.node)
                with transaction.atomic():
                    _park(self.instance_id, self.node, message, by_hand=True)
        except Exception:
            logger.exception("Expected to park visit %s of instance %s", self.node, self.instance_id)


def _running(loaded: Loaded) -> None:
    if loaded.instance.state.is_final:
        ended = loaded.instance.state.value.lower()
        raise Rejected("instance-ended", f"Expected instance {loaded.id} to be running but it is {ended}")


def _absent(instance_id: int) -> Exception:
    if ProcessInstance.objects.filter(pk=instance_id).exists():
        return Busy(f"instance {instance_id} is locked")
    return Rejected("instance-not-found", f"Expected instance {instance_id} to exist but it does not")


def _reason(command: c.Command) -> str:
    """Why, where the command says so itself: in the facts, and so in the history, too."""
    return values.told(getattr(command, "reason", ""), 1000)


def _subject(instance: Instance, command: c.Command) -> int | None:
    """The visit that a command is about."""
    if isinstance(command, c.CompleteJob | c.FailJob | c.ExpireJob | c.ThrowError):
        job = instance.wait(Job, command.job)
        return job.node if job else None
    if isinstance(command, c.CompleteCall | c.FailCall | c.ThrowCallError):
        call = instance.wait(Call, command.call)
        return call.node if call else None
    if isinstance(command, c.FireTimer):
        timer = instance.wait(Timer, command.timer)
        return timer.node if timer else None
    if isinstance(command, c.CorrelateMessage):
        subscription = instance.wait(MessageSubscription, command.subscription)
        return subscription.node if subscription else None
    if isinstance(command, c.ReceiveSignal):
        awaited = instance.wait(SignalSubscription, command.subscription)
        return awaited.node if awaited else None
    if isinstance(command, c.ResolveIncident):
        incident = instance.wait(Incident, command.incident)
        return incident.node if incident else None
    if isinstance(command, c.SetVariables):
        return command.scope or None
    if isinstance(command, c.RaiseIncident | c.ActivateAdHoc | c.SkipVisit):
        return command.node
    return None


def _claim_next(instance: Instance, then: Continuation, at: datetime) -> recorder.Claim | None:
    """The first job that was born due and that the worker serves becomes its own."""
    if instance.state is not InstanceState.ACTIVE:
        return None
    for key in sorted(instance.changes.created):
        job = instance.changes.waits.get(key)
        if isinstance(job, Job) and job.state is JobState.DUE and job.due_at <= at and job.type in then.types:
            job.state = JobState.CLAIMED
            job.attempt = FIRST_ATTEMPT
            return recorder.Claim(key, then.worker, at + then.lease)
    return None


def _park(instance_id: int, node: int, message: str, *, by_hand: bool) -> None:
    loaded = load(instance_id)
    if loaded is None or loaded.instance.state.is_final:
        return
    instance = loaded.instance
    if instance.holder(node) is None:
        return
    waits = instance.waits_of(node)
    if any(isinstance(wait, Incident) and wait.kind is IncidentKind.INTERNAL for wait in waits):
        return
    at = timezone.now()
    process: Process | None = None
    facts: list[f.Fact] = []
    if by_hand:
        # The engine cannot: perhaps the very definition is damaged. Two facts suffice, and need no process.
        facts += [
            f.JobFailed(wait.key, wait.attempt, 0, None, message)
            for wait in waits
            if isinstance(wait, Job) and wait.state is not JobState.FAILED
        ]
        facts.append(f.IncidentRaised(instance.next_key(), node, IncidentKind.INTERNAL, message))
        for fact in facts:
            instance.apply(fact)
    else:
        process = definitions.process_by_key(loaded.definition_id, loaded.digest)
        facts = step(process, instance, c.RaiseIncident(node, message), at)
    told = recorder.Told(command=c.RaiseIncident.__name__, by="engine", at=at, node=node)
    _wake((loaded, recorder.record(loaded, process, facts, told)))


def parked_by_a_bug() -> Exists:
    """Of a timer or subscription: whether its visit is parked by an ``INTERNAL`` incident. Until that is resolved
    nothing happens to the visit, or the same bug would strike again with every sweep."""
    return Exists(
        IncidentRow.objects.filter(
            instance_id=OuterRef("instance_id"),
            node=OuterRef("node"),
            kind=IncidentKind.INTERNAL.value,
            ended_at__isnull=True,
        )
    )


# -- who wants to know -------------------------------------------------------------------------------------------------

Meeting = tuple[str, str]
"""Name and correlation key under which messages and subscriptions meet."""

_matchers: list[Callable[[Sequence[Meeting]], None]] = []


def on_meeting(match: Callable[[Sequence[Meeting]], None]) -> None:
    """Register who is told, after every commit, of subscriptions that opened and messages that left."""
    if match not in _matchers:
        _matchers.append(match)


_deliverers: list[Callable[[], None]] = []


def on_signals(deliver: Callable[[], None]) -> None:
    """Register who is called after every commit with which signals left."""
    if deliver not in _deliverers:
        _deliverers.append(deliver)


def _wake(*steps: tuple[Loaded, recorder.Recorded]) -> None:
    """Tell, once the running transaction has committed, whom these steps concern."""
    dispatch.wake([dispatch.DueJob(pk, type) for _, recorded in steps for pk, type in recorded.due])
    meetings: set[Meeting] = set()
    for loaded, recorded in steps:
        changes = loaded.instance.changes
        parts = (changes.waits.get(key) for key in changes.created)
        meetings.update((part.name, part.correlation_key) for part in parts if isinstance(part, MessageSubscription))
        meetings.update(recorded.thrown)
        if loaded.correlation_key and loaded.instance.state.is_final:
            # Another instance may begin with a message that waited for this one to end.
            meetings.update((name, loaded.correlation_key) for name in definitions.heard_by(loaded.process_id))
    if meetings:
        call_for(sorted(meetings))
    if any(recorded.signals for _, recorded in steps):
        call_for_signals()
    if deliveries := [pk for _, recorded in steps for pk in recorded.deliveries]:
        deliver(deliveries)


_carriers: list[Callable[[Sequence[int]], None]] = []


def on_delivery(carry: Callable[[Sequence[int]], None]) -> None:
    """Register who is told, after every commit, of deliveries that were written."""
    if carry not in _carriers:
        _carriers.append(carry)


def deliver(deliveries: Sequence[int]) -> None:
    """Have the registered carriers perform these deliveries once the running transaction has committed."""

    def call() -> None:
        for carry in _carriers:
            carry(deliveries)

    transaction.on_commit(call)


def call_for_signals() -> None:
    """Have signals delivered once the running transaction has committed."""
    for deliver in _deliverers:
        transaction.on_commit(deliver)


def call_for(meetings: Sequence[Meeting]) -> None:
    """Have the registered matchers look at these meetings once the running transaction has committed."""

    def call() -> None:
        for match in _matchers:
            match(meetings)

    transaction.on_commit(call)
