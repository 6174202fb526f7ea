"""Carries out one step after the other from rows to rows, and looks for what must never be.

After every step: the facts replayed on a blank instance give the same instance, and so do the net changes written to
rows; the same command on a copy, fetched piece by piece, gives the same facts; nothing is left behind by what ended;
everything that is alive has a reason to be; and every token that waits is one that its target cannot take yet.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import Any

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import Rejected
from processes.engine.machine import Run
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
    Wait,
)
from processes.engine.process import Process
from processes.engine.state import PROCESS_SCOPE, Changes, Instance
from processes.engine.stepping import step

TRIGGERS = (Timer, MessageSubscription, SignalSubscription, Condition)


def _own(part: Wait | Token) -> Any:
    """Of a part that changes a copy: only jobs do, everything else is replaced."""
    return copy(part) if isinstance(part, Job) else part


class Rows:
    """What is written down of an instance: its live parts, and how its visits ended."""

    def __init__(self) -> None:
        self.nodes: dict[int, FlowNodeInstance] = {}
        self.parts: dict[int, Wait | Token] = {}
        self.ended: Counter[tuple[int, NodeState]] = Counter()
        self.outputs: list[tuple[int, dict[str, Any]]] = []

    def record(self, changes: Changes) -> None:
        for key, node in changes.nodes.items():
            assert (key in self.nodes) is (key not in changes.entered), f"visit {key} is written the wrong way"
            if node.state in (NodeState.COMPLETED, NodeState.TERMINATED):
                self.nodes.pop(key, None)
                if node.result:
                    self.outputs.append((node.scope, node.result))
            else:
                self.nodes[key] = copy(node)
        for key in changes.removed:
            assert (key in self.parts) is (key not in changes.created), f"part {key} is removed the wrong way"
            self.parts.pop(key, None)
        for key, part in changes.waits.items():
            assert (key in self.parts) is (key not in changes.created), f"part {key} is written the wrong way"
            self.parts[key] = _own(part)
        self.ended += changes.ended

    # -- as an archive, and as a reader ----------------------------------------------------------------------------

    def ended_in(self, scope: int) -> Counter[NodeState]:
        return Counter({state: count for (around, state), count in self.ended.items() if around == scope})

    def outputs_in(self, scope: int) -> list[dict[str, Any]]:
        return [result for around, result in self.outputs if around == scope]

    def node(self, key: int) -> FlowNodeInstance | None:
        return copy(self.nodes.get(key))

    def nodes_in(self, scope: int) -> list[FlowNodeInstance]:
        return [copy(node) for node in self.nodes.values() if node.scope == scope]

    def tokens_in(self, scope: int) -> list[Token]:
        return [part for part in self.parts.values() if isinstance(part, Token) and part.scope == scope]

    def waits_of(self, node: int) -> list[Wait]:
        return [_own(part) for part in self.parts.values() if not isinstance(part, Token) and part.node == node]

    def wait(self, kind: type[Wait], key: int) -> Wait | None:
        found = self.parts.get(key)
        return _own(found) if isinstance(found, kind) else None

    def conditions(self) -> list[Wait]:
        return [part for part in self.parts.values() if isinstance(part, Condition)]

    def occupied(self, scope: int, *, but: Any) -> bool:
        keys = {node.key for node in self.nodes_in(scope)} | {token.key for token in self.tokens_in(scope)}
        return bool(keys - set(but))

    def whole(self, of: Instance) -> Instance:
        """The instance as it is read back, with every part."""
        instance = self._blank(of)
        for key, node in self.nodes.items():
            instance.nodes[key] = copy(node)
        for key, part in self.parts.items():
            if isinstance(part, Token):
                instance.tokens[key] = part
            else:
                instance.waits[key] = _own(part)
        return instance

    def piecemeal(self, of: Instance) -> Instance:
        """The instance as it is read back, with nothing but what is asked for."""
        instance = self._blank(of)
        instance.reader = self
        return instance

    def _blank(self, of: Instance) -> Instance:
        instance = Instance(id=of.id)
        instance.archive = self
        instance.state, instance.variables, instance.last_key = of.state, dict(of.variables), of.last_key
        instance.called, instance.ended_because = of.called, of.ended_because
        return instance


class Player:
    """One instance of the play. `parent` is who called it, by which call."""

    def __init__(self, process: Process, parent: tuple[Player, int] | None = None) -> None:
        self.process = process
        self.parent = parent
        self.instance = Instance(id=process.id)
        self.replayed = Instance(id=process.id)
        self.rows = Rows()
        self.steps = 0

    @property
    def is_over(self) -> bool:
        return self.instance.state.is_final

    def carry_out(self, command: c.Command, at: Any) -> list[f.Fact]:
        """One step, from rows to rows, and everything that must hold after it. Raises `Rejected`."""
        lazy = self.rows.piecemeal(self.instance)
        before = picture(self.instance)
        self.instance = self.rows.whole(self.instance) if self.steps else self.instance
        assert picture(self.instance) == before, "what is read back is what was written"
        try:
            facts = step(self.process, self.instance, command, at)
        except Rejected:
            assert picture(self.instance) == before, "what is rejected changes nothing"
            raise
        if self.steps:
            assert step(self.process, lazy, command, at) == facts, "fetching piece by piece changes nothing"
        self.steps += 1
        for fact in facts:
            self._replay(fact)
        assert picture(self.replayed) == picture(self.instance), "the facts say everything"
        self.rows.record(self.instance.changes)
        assert picture(self.rows.whole(self.instance)) == picture(self.instance), "the changes say everything"
        self.check(at)
        return facts

    def claim(self, key: int) -> Job:
        for parts in (self.instance.waits, self.replayed.waits, self.rows.parts):
            job = parts[key]
            assert isinstance(job, Job)
            job.state, job.attempt = JobState.CLAIMED, job.attempt + 1
        job = self.instance.waits[key]
        assert isinstance(job, Job)
        return job

    def _replay(self, fact: f.Fact) -> None:
        instance = self.replayed
        if isinstance(fact, f.NodeCompleted | f.NodeTerminated):
            inside = instance.nodes_in(fact.node)
            assert not inside, f"{fact} while {inside} is alive inside"
            if isinstance(fact, f.NodeCompleted):
                lost = instance.tokens_in(fact.node)
                assert not lost, f"{fact} loses {lost}"
        elif isinstance(fact, f.InstanceCompleted):
            assert not instance.nodes, f"completed with {instance.nodes}"
            assert not instance.tokens, f"completed with {instance.tokens}"
        elif isinstance(fact, f.NodeEntered):
            scope = instance.nodes[fact.scope].element if fact.scope else ""
            node = self.process.nodes[fact.element]
            assert scope in (node.scope, node.id), f"{fact} in the scope of '{scope}'"
            flows = [instance.tokens[token].flow for token in fact.tokens]
            assert set(flows) <= set(node.incoming), f"{fact} takes tokens from {flows}"
            assert all(instance.tokens[token].scope == fact.scope for token in fact.tokens), f"{fact} reaches out"
        instance.apply(fact)

    # -- what must hold at the end of every step -------------------------------------------------------------------

    def check(self, at: Any) -> None:
        instance = self.instance
        if self.is_over:
            left = (dict(instance.nodes), dict(instance.tokens), dict(instance.waits))
            assert not any(left), f"over with {left}"
            return
        keys = {PROCESS_SCOPE, *instance.nodes}
        undone = {wait.key for wait in instance.waits.values() if isinstance(wait, Compensation)}
        for visit in instance.nodes.values():
            assert visit.scope in keys, f"{visit} has no scope"
        for token in instance.tokens.values():
            assert token.scope in keys, f"{token} has no scope"
        for wait in instance.waits.values():
            assert wait.node in keys or (isinstance(wait, Compensation) and wait.node in undone), f"{wait} is nobody's"
        assert instance.occupied(PROCESS_SCOPE), f"nothing is alive any more, but it is {instance.state}"
        run = Run(self.process, instance, at)
        for visit in instance.nodes.values():
            assert self._has_reason(visit, run), f"{visit} waits for nothing"
        for token in instance.tokens.values():
            target = self.process.nodes[self.process.flows[token.flow].target]
            assert target.gather(run, token) is None, f"{token} could go on to '{target.id}'"

    def _has_reason(self, visit: FlowNodeInstance, run: Run) -> bool:
        instance = self.instance
        waits = instance.waits_of(visit.key)
        if any(isinstance(wait, Incident) for wait in waits):
            return True
        if visit.state is not NodeState.ACTIVE:
            return False
        if instance.occupied(visit.key):
            return True
        working = (wait for wait in waits if isinstance(wait, Job | Call))
        if any(isinstance(wait, Call) or wait.state is not JobState.FAILED for wait in working):
            return True
        node = self.process.nodes[visit.element]
        if node.lingers:
            return not node.lapses(run, visit)
        if node.cancellable and any(isinstance(wait, Compensation) for wait in waits):
            return True  # a round of a transaction that is cancelled, until it is its turn to be undone
        if node.encloses:
            return node.picks
        if any(isinstance(wait, TRIGGERS) and wait.element == visit.element for wait in waits):
            return True
        if node.tag == "eventBasedGateway":
            return bool(waits)
        marked = [wait for wait in instance.waits.values() if isinstance(wait, Compensation)]
        return any(wait.thrower == visit.key for wait in marked)


def picture(instance: Instance) -> tuple[Any, ...]:
    parts = (dict(instance.nodes), dict(instance.tokens), dict(instance.waits))
    return (instance.state, instance.variables, instance.last_key, *parts, instance.ended_because)
