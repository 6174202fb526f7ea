"""What an instance is right now: its live `parts`, and the one way in which they change.

Nothing is counted that can be looked at.

A large instance need not be loaded whole. The engine asks by key or by scope, and what the instance does not hold
yet it fetches through its `Reader`; a complete instance has none. So a step costs what it touches.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any, Protocol, TypeVar, cast

from processes.engine import facts as f
from processes.engine import retry
from processes.engine.groups import Grouped
from processes.engine.model import OUTERMOST
from processes.engine.parts import (
    Call,
    Compensation,
    Condition,
    FlowNodeInstance,
    Incident,
    Job,
    JobState,
    MessageSubscription,
    NodeState,
    SignalSubscription,
    Timer,
    Token,
    Trigger,
    Wait,
)

PROCESS_SCOPE = OUTERMOST
"""Key of the outermost scope, the process itself."""


class InstanceState(StrEnum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"

    @property
    def is_final(self) -> bool:
        return self in (InstanceState.COMPLETED, InstanceState.TERMINATED)


W = TypeVar("W", Job, Timer, MessageSubscription, SignalSubscription, Condition, Call, Compensation, Incident)


class Reader(Protocol):
    """Fetches parts of an instance that was not loaded whole. Every answer is about live parts only."""

    def node(self, key: int) -> FlowNodeInstance | None: ...

    def nodes_in(self, scope: int) -> Iterable[FlowNodeInstance]: ...

    def tokens_in(self, scope: int) -> Iterable[Token]: ...

    def waits_of(self, node: int) -> Iterable[Wait]: ...

    def wait(self, kind: type[Wait], key: int) -> Wait | None: ...

    def conditions(self) -> Iterable[Wait]:
        """All that are watched."""

    def occupied(self, scope: int, *, but: Iterable[int]) -> bool:
        """Whether the scope holds a node or token whose key is not among `but`."""


class Archive(Protocol):
    """What the instance no longer holds: visits that had ended when it was loaded."""

    def ended_in(self, scope: int) -> Mapping[NodeState, int]:
        """How many visits of a scope ended, by their state."""

    def outputs_in(self, scope: int) -> Iterable[Mapping[str, Any]]:
        """The `result` of every completed visit of a scope that has an ``output``."""


@dataclass(slots=True)
class Changes:
    """Net effect of the facts since the instance was loaded, for whoever records it."""

    nodes: dict[int, FlowNodeInstance] = field(default_factory=dict)
    """Every node that was entered, changed or ended."""
    entered: set[int] = field(default_factory=set)
    waits: dict[int, Wait | Token] = field(default_factory=dict)
    """New or changed parts that are still alive."""
    created: set[int] = field(default_factory=set)
    """Keys of parts, other than nodes, that are new."""
    removed: dict[int, Wait | Token] = field(default_factory=dict)
    """Parts that were there before and are gone."""
    variables: bool = False
    """Whether the variables of the process scope changed."""
    ended: Counter[tuple[int, NodeState]] = field(default_factory=Counter)
    """How many nodes ended, by scope and state."""
    thrown: list[f.MessageThrown] = field(default_factory=list)
    calls: list[f.ProcessCalled] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    """Keys of calls that ended because the called process did."""
    escaped: f.ErrorEscaped | None = None
    signals: list[f.SignalThrown] = field(default_factory=list)


class Instance:
    """One running process as the engine sees it.

    `id` tells it from others, for nothing but chance: retries of different instances should not fall together.
    `nodes`, `tokens` and `waits` hold live parts by key. `last_key` is the highest key given out so far.
    """

    __slots__ = (
        "_fetched",
        "archive",
        "called",
        "changes",
        "ended_because",
        "id",
        "last_key",
        "nodes",
        "reader",
        "state",
        "tokens",
        "variables",
        "waits",
    )

    def __init__(self, *, id: str = "", reader: Reader | None = None) -> None:
        self.id = id
        self.state = InstanceState.ACTIVE
        self.variables: Mapping[str, Any] = {}
        self.last_key = 0
        self.nodes: Grouped[FlowNodeInstance] = Grouped(attrgetter("scope"))
        self.tokens: Grouped[Token] = Grouped(attrgetter("scope"))
        self.waits: Grouped[Wait] = Grouped(attrgetter("node"))
        self.reader = reader
        self.archive: Archive | None = None
        self.changes = Changes()
        self.ended_because = ""
        self.called = False
        """Whether another instance waits for its end."""
        self._fetched: set[tuple[str, int]] = set()

    # -- looking ---------------------------------------------------------------------------------------------------

    def node(self, key: int) -> FlowNodeInstance | None:
        found = self.nodes.get(key)
        if found is None and self.reader is not None and key not in self.changes.nodes:
            found = self.reader.node(key)
            if found is not None:
                self.nodes[key] = found
        return found

    def nodes_in(self, scope: int) -> list[FlowNodeInstance]:
        """Live nodes directly inside a scope, oldest first."""
        if self.reader is not None and self._first("nodes", scope):
            for node in self.reader.nodes_in(scope):
                if node.key not in self.changes.nodes:
                    self.nodes.setdefault(node.key, node)
        return self.nodes.group(scope)

    def tokens_in(self, scope: int) -> list[Token]:
        """Tokens waiting on flows directly inside a scope, oldest first."""
        if self.reader is not None and self._first("tokens", scope):
            for token in self.reader.tokens_in(scope):
                if token.key not in self.changes.removed:
                    self.tokens.setdefault(token.key, token)
        return self.tokens.group(scope)

    def waits_of(self, node: int) -> list[Wait]:
        """What a node waits for, and its incidents, oldest first."""
        if self.reader is not None and self._first("waits", node):
            for wait in self.reader.waits_of(node):
                if wait.key not in self.changes.removed:
                    self.waits.setdefault(wait.key, wait)
        return self.waits.group(node)

    def wait(self, kind: type[W], key: int) -> W | None:
        """A live job, timer, subscription or incident by its key."""
        found = self.waits.get(key)
        if found is None and self.reader is not None and key not in self.changes.removed:
            found = self.reader.wait(kind, key)
            if found is not None:
                self.waits[key] = found
        return found if isinstance(found, kind) else None

    def holder(self, scope: int) -> FlowNodeInstance | None:
        """The live visit whose scope it is; the process stands for itself, as a visit to no element."""
        if scope == PROCESS_SCOPE:
            return FlowNodeInstance(PROCESS_SCOPE, "", PROCESS_SCOPE, NodeState.ACTIVE)
        return self.node(scope)

    def conditions(self) -> list[Condition]:
        """All conditions that are watched, oldest first."""
        if self.reader is not None and self._first("conditions", PROCESS_SCOPE):
            for wait in self.reader.conditions():
                if wait.key not in self.changes.removed:
                    self.waits.setdefault(wait.key, wait)
        found = [wait for wait in self.waits.values() if isinstance(wait, Condition)]
        return sorted(found, key=lambda wait: wait.key)

    def occupied(self, scope: int) -> bool:
        """Whether anything is alive directly inside a scope: a node, or a token on a flow."""
        if self.nodes.holds(scope) or self.tokens.holds(scope):
            return True
        if self.reader is None:
            return False
        return self.reader.occupied(scope, but=[*self.changes.nodes, *self.changes.removed])

    def ended_in(self, scope: int, state: NodeState) -> int:
        """How many visits directly inside a scope ended that way."""
        before = self.archive.ended_in(scope).get(state, 0) if self.archive is not None else 0
        return before + self.changes.ended[scope, state]

    def outputs_in(self, scope: int) -> dict[int, Any]:
        """What the completed rounds of a repeated activity gave, by position."""
        kept = list(self.archive.outputs_in(scope)) if self.archive is not None else []
        kept += [node.result for node in self.changes.nodes.values() if node.scope == scope and node.result]
        return {result["position"]: result["output"] for result in kept if "output" in result}

    def visible(self, scope: int) -> Mapping[str, Any]:
        """The variables that a scope sees: its own, then those of the scopes around it."""
        maps: list[MutableMapping[str, Any]] = []
        while scope != PROCESS_SCOPE:
            node = self.node(scope)
            if node is None:
                break
            if node.variables:
                maps.append(node.variables)
            scope = node.scope
        if not maps:
            return self.variables
        return ChainMap(*maps, cast("MutableMapping[str, Any]", self.variables))  # which nobody writes to

    def knows(self, what: str, key: int) -> None:
        """What the reader need not be asked for any more: "waits" or "tokens" of a node, "nodes" of a scope, or
        "conditions" of the process, for the instance holds them all."""
        self._fetched.add((what, key))

    def _first(self, what: str, key: int) -> bool:
        if (what, key) in self._fetched:
            return False
        self._fetched.add((what, key))
        return True

    # -- changing --------------------------------------------------------------------------------------------------

    def next_key(self) -> int:
        """The key for the next part. Only facts make it count, so asking twice gives the same key."""
        return self.last_key + 1

    def apply(self, fact: f.Fact) -> None:
        """Change as the fact says: the only way in which an instance changes."""
        _APPLY[type(fact)](self, fact)

    def _add(self, part: Wait | Token) -> None:
        if isinstance(part, Token):
            self.tokens[part.key] = part
        else:
            self.waits[part.key] = part
        self.changes.waits[part.key] = part
        self.changes.created.add(part.key)
        self.last_key = max(self.last_key, part.key)

    def _remove(self, part: Wait | Token) -> None:
        if isinstance(part, Compensation):
            for inner in self.waits_of(part.key):
                self._remove(inner)
        (self.tokens if isinstance(part, Token) else self.waits).pop(part.key, None)
        self.changes.waits.pop(part.key, None)
        self.changes.removed[part.key] = part

    def _touch(self, key: int) -> FlowNodeInstance:
        node = self.nodes[key]
        self.changes.nodes[key] = node
        return node

    def _end(self, key: int, state: NodeState) -> None:
        for wait in self.waits_of(key):
            self._remove(wait)
        for token in self.tokens_in(key):
            self._remove(token)
        node = self._touch(key)
        node.state = state
        if not (state is NodeState.COMPLETED and node.result and "output" in node.result):
            node.result = None
        self.changes.ended[node.scope, state] += 1
        del self.nodes[key]


def _instance_started(instance: Instance, fact: f.InstanceStarted) -> None:
    instance.variables = dict(fact.variables)
    instance.called = fact.called
    instance.changes.variables = True


def _flow_taken(instance: Instance, fact: f.FlowTaken) -> None:
    instance._add(Token(fact.token, fact.flow, fact.scope))


def _node_entered(instance: Instance, fact: f.NodeEntered) -> None:
    for token in fact.tokens:
        instance._remove(instance.tokens[token])
    instance.nodes[fact.node] = FlowNodeInstance(fact.node, fact.element, fact.scope)
    instance.last_key = max(instance.last_key, fact.node)
    instance.changes.entered.add(fact.node)
    instance._touch(fact.node)


def _flows_joined(instance: Instance, fact: f.FlowsJoined) -> None:
    instance._touch(fact.node).result = {"joined": list(fact.flows)}


def _node_activated(instance: Instance, fact: f.NodeActivated) -> None:
    node = instance._touch(fact.node)
    node.state = NodeState.ACTIVE
    node.variables = dict(fact.variables)


def _node_completing(instance: Instance, fact: f.NodeCompleting) -> None:
    node = instance._touch(fact.node)
    node.state = NodeState.COMPLETING
    node.result = {**(node.result or {}), "response": dict(fact.response), "plain": fact.plain}


def _rounds_planned(instance: Instance, fact: f.RoundsPlanned) -> None:
    node = instance._touch(fact.node)
    node.result = {"size": fact.size} if fact.items is None else {"size": fact.size, "items": list(fact.items)}


def _round_began(instance: Instance, fact: f.RoundBegan) -> None:
    node = instance._touch(fact.node)
    node.variables = dict(fact.variables)
    node.result = {"position": fact.position, **({"given": dict(fact.given)} if fact.given else {})}


def _output_collected(instance: Instance, fact: f.OutputCollected) -> None:
    node = instance._touch(fact.node)
    node.result = {"position": node.position, "output": fact.output}


def _ad_hoc_planned(instance: Instance, fact: f.AdHocPlanned) -> None:
    node = instance._touch(fact.node)
    node.result = {**(node.result or {}), "queue": list(fact.queue), "over": fact.over}


def _variables_set(instance: Instance, fact: f.VariablesSet) -> None:
    if fact.scope == PROCESS_SCOPE:
        instance.variables = {**instance.variables, **fact.variables}
        instance.changes.variables = True
    else:
        node = instance._touch(fact.scope)
        node.variables = {**node.variables, **fact.variables}


def _job_created(instance: Instance, fact: f.JobCreated) -> None:
    until = retry.until(fact.headers, fact.due_at)
    instance._add(Job(fact.job, fact.node, fact.type, fact.headers, fact.retries, fact.due_at, retry_until=until))


def _job_completed(instance: Instance, fact: f.JobCompleted) -> None:
    instance._remove(instance.waits[fact.job])


def _job_failed(instance: Instance, fact: f.JobFailed) -> None:
    job = _job(instance, fact.job)
    job.retries = fact.retries
    if fact.due_at is None:
        job.state = JobState.FAILED
    else:
        job.state = JobState.DUE
        job.due_at = fact.due_at


def _job_error_thrown(instance: Instance, fact: f.JobErrorThrown) -> None:
    _job(instance, fact.job).state = JobState.FAILED


def _job_resumed(instance: Instance, fact: f.JobResumed) -> None:
    job = _job(instance, fact.job)
    job.type, job.headers, job.retries = fact.type, fact.headers, fact.retries
    job.due_at, job.state = fact.due_at, JobState.DUE
    job.retry_until = retry.until(fact.headers, fact.due_at)


def _job(instance: Instance, key: int) -> Job:
    job = instance.waits[key]
    assert isinstance(job, Job)
    instance.changes.waits[key] = job
    return job


def _process_called(instance: Instance, fact: f.ProcessCalled) -> None:
    instance._add(Call(fact.call, fact.node, fact.process))
    instance.changes.calls.append(fact)


def _call_ended(instance: Instance, fact: f.CallCompleted | f.CallFailed) -> None:
    instance._remove(instance.waits[fact.call])
    instance.changes.answered.add(fact.call)


def _error_escaped(instance: Instance, fact: f.ErrorEscaped) -> None:
    instance.changes.escaped = fact


def _timer_scheduled(instance: Instance, fact: f.TimerScheduled) -> None:
    instance._add(Timer(fact.timer, fact.node, fact.element, fact.due_at, fact.repetitions))


def _message_awaited(instance: Instance, fact: f.MessageAwaited) -> None:
    instance._add(MessageSubscription(fact.subscription, fact.node, fact.element, fact.name, fact.correlation_key))


def _signal_awaited(instance: Instance, fact: f.SignalAwaited) -> None:
    instance._add(SignalSubscription(fact.subscription, fact.node, fact.element, fact.name))


def _signal_thrown(instance: Instance, fact: f.SignalThrown) -> None:
    instance.changes.signals.append(fact)


def _condition_awaited(instance: Instance, fact: f.ConditionAwaited) -> None:
    instance._add(Condition(fact.condition, fact.node, fact.element, fact.expression))


def _condition_changed(instance: Instance, fact: f.ConditionChanged) -> None:
    condition = instance.waits[fact.condition]
    assert isinstance(condition, Condition)
    changed = replace(condition, satisfied=fact.satisfied)
    instance.waits[fact.condition] = instance.changes.waits[fact.condition] = changed


def _waits_withdrawn(instance: Instance, fact: f.WaitsWithdrawn) -> None:
    for key in fact.waits:
        instance._remove(instance.waits[key])


def _compensation_registered(instance: Instance, fact: f.CompensationRegistered) -> None:
    for inner in instance.waits_of(fact.visit):
        if isinstance(inner, Compensation):
            _change(instance, replace(inner, node=fact.compensation, thrower=0, handler=0))
    instance._add(Compensation(fact.compensation, fact.node, fact.element, fact.variables))


def _compensation_thrown(instance: Instance, fact: f.CompensationThrown) -> None:
    for key in fact.compensations:
        _change(instance, replace(_compensation(instance, key), thrower=fact.node, handler=0))


def _compensation_started(instance: Instance, fact: f.CompensationStarted) -> None:
    compensation = _compensation(instance, fact.compensation)
    _change(instance, replace(compensation, handler=fact.handler))
    node = instance._touch(fact.handler)
    if node.element == compensation.element:  # its scope is open again
        node.result = {"undoes": fact.compensation}
        for inner in instance.waits_of(fact.compensation):
            if isinstance(inner, Compensation):
                _change(instance, replace(inner, node=fact.handler))


def _compensation(instance: Instance, key: int) -> Compensation:
    found = instance.waits[key]
    assert isinstance(found, Compensation)
    return found


def _change(instance: Instance, changed: Compensation) -> None:
    instance.waits.pop(changed.key)  # it may belong elsewhere now
    instance.waits[changed.key] = instance.changes.waits[changed.key] = changed


def _message_thrown(instance: Instance, fact: f.MessageThrown) -> None:
    instance.changes.thrown.append(fact)


def _incident_raised(instance: Instance, fact: f.IncidentRaised) -> None:
    instance._add(Incident(fact.incident, fact.node, fact.kind, fact.message))


# Who records a migration reads its facts: the rows of what migrates are changed otherwise than by its life.


def _node_migrated(instance: Instance, fact: f.NodeMigrated) -> None:
    instance.nodes[fact.node].element = fact.element


def _token_migrated(instance: Instance, fact: f.TokenMigrated) -> None:
    instance.tokens[fact.token] = replace(instance.tokens[fact.token], flow=fact.flow)


def _job_migrated(instance: Instance, fact: f.JobMigrated) -> None:
    job = instance.waits[fact.job]
    assert isinstance(job, Job)
    # Its time began when it began, or where nobody has kept that, when it was last due.
    began = retry.began(job.headers, job.retry_until) or job.due_at
    job.type, job.headers = fact.type, fact.headers
    job.retry_until = retry.until(fact.headers, began)


def _wait_migrated(instance: Instance, fact: f.WaitMigrated) -> None:
    wait = instance.waits[fact.wait]
    assert isinstance(wait, Trigger | Compensation)
    instance.waits[fact.wait] = replace(wait, element=fact.element)


def _set_state(state: InstanceState) -> Any:
    def change(instance: Instance, fact: f.Fact) -> None:
        instance.state = state
        if isinstance(fact, f.InstanceTerminated):
            instance.ended_because = fact.reason
        if state.is_final:
            for part in (*instance.tokens_in(PROCESS_SCOPE), *instance.waits_of(PROCESS_SCOPE)):
                instance._remove(part)

    return change


def _nothing(instance: Instance, fact: f.Fact) -> None:
    """Said for the history only: what follows from it is said by further facts."""


_APPLY: dict[type, Any] = {
    f.InstanceStarted: _instance_started,
    f.FlowTaken: _flow_taken,
    f.TokenWithdrawn: lambda instance, fact: instance._remove(instance.tokens[fact.token]),
    f.NodeEntered: _node_entered,
    f.FlowsJoined: _flows_joined,
    f.NodeActivated: _node_activated,
    f.NodeCompleting: _node_completing,
    f.RoundsPlanned: _rounds_planned,
    f.RoundBegan: _round_began,
    f.OutputCollected: _output_collected,
    f.AdHocPlanned: _ad_hoc_planned,
    f.NodeCompleted: lambda instance, fact: instance._end(fact.node, NodeState.COMPLETED),
    f.NodeTerminated: lambda instance, fact: instance._end(fact.node, NodeState.TERMINATED),
    f.VariablesSet: _variables_set,
    f.JobCreated: _job_created,
    f.JobCompleted: _job_completed,
    f.JobFailed: _job_failed,
    f.JobErrorThrown: _job_error_thrown,
    f.JobResumed: _job_resumed,
    f.ProcessCalled: _process_called,
    f.CallCompleted: _call_ended,
    f.CallFailed: _call_ended,
    f.TimerScheduled: _timer_scheduled,
    f.TimerFired: lambda instance, fact: instance._remove(instance.waits[fact.timer]),
    f.MessageAwaited: _message_awaited,
    f.MessageCorrelated: _nothing,
    f.MessageThrown: _message_thrown,
    f.DecisionEvaluated: _nothing,
    f.SignalAwaited: _signal_awaited,
    f.SignalReceived: _nothing,
    f.SignalThrown: _signal_thrown,
    f.ConditionAwaited: _condition_awaited,
    f.ConditionChanged: _condition_changed,
    f.WaitsWithdrawn: _waits_withdrawn,
    f.EscalationThrown: _nothing,
    f.CompensationRegistered: _compensation_registered,
    f.CompensationThrown: _compensation_thrown,
    f.CompensationStarted: _compensation_started,
    f.Compensated: lambda instance, fact: instance._remove(instance.waits[fact.compensation]),
    f.ErrorThrown: _nothing,
    f.ErrorEscaped: _error_escaped,
    f.IncidentRaised: _incident_raised,
    f.IncidentResolved: lambda instance, fact: instance._remove(instance.waits[fact.incident]),
    f.InstanceRestarted: _nothing,
    f.InstanceModified: _nothing,
    f.InstanceMigrated: _nothing,
    f.NodeMigrated: _node_migrated,
    f.TokenMigrated: _token_migrated,
    f.JobMigrated: _job_migrated,
    f.WaitMigrated: _wait_migrated,
    f.InstanceSuspended: _set_state(InstanceState.SUSPENDED),
    f.InstanceResumed: _set_state(InstanceState.ACTIVE),
    f.InstanceCompleted: _set_state(InstanceState.COMPLETED),
    f.InstanceTerminated: _set_state(InstanceState.TERMINATED),
}
