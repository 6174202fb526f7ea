"""Plays a drawing in the pure engine: given a drawing, when commands, then facts.

After every step the facts so far are replayed on a blank instance, which must come out the same.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.parser import parse
from processes.engine.parts import (
    FlowNodeInstance,
    Incident,
    Job,
    JobState,
    MessageSubscription,
    SignalSubscription,
    Timer,
)
from processes.engine.state import Instance, InstanceState
from processes.engine.stepping import step
from tests.drawing import Drawing

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


class Play:
    def __init__(
        self, drawing: Drawing | bytes, variables: dict[str, Any] | None = None, *, start: bool = True
    ) -> None:
        xml = drawing if isinstance(drawing, bytes) else drawing.xml()
        self.process = parse(xml).processes[0]
        self.instance = Instance()
        self.now = NOON
        self.facts: list[f.Fact] = []
        self.replayed = Instance()
        if start:
            self.carry_out(c.StartInstance(variables or {}))

    # -- when ------------------------------------------------------------------------------------------------------

    def carry_out(self, command: c.Command) -> list[f.Fact]:
        facts = step(self.process, self.instance, command, self.now)
        self.facts += facts
        for fact in facts:
            self.replayed.apply(deepcopy(fact))
        assert _picture(self.replayed) == _picture(self.instance)
        return facts

    def claim(self, element: str | Job, position: int = 0) -> Job:
        """What a worker does before it works: not a step, so it is done to both instances."""
        job = element if isinstance(element, Job) else self.job(element, position)
        for instance in (self.instance, self.replayed):
            wait = instance.waits[job.key]
            assert isinstance(wait, Job)
            assert wait.state is JobState.DUE
            assert wait.due_at <= self.now, f"{element} is due at {wait.due_at}"
            wait.state, wait.attempt = JobState.CLAIMED, wait.attempt + 1
        claimed = self.instance.waits[job.key]
        assert isinstance(claimed, Job)
        return claimed

    def claim_key(self, key: int) -> None:
        """As `claim`, for one of several jobs of an element."""
        for instance in (self.instance, self.replayed):
            wait = instance.waits[key]
            assert isinstance(wait, Job)
            wait.state, wait.attempt = JobState.CLAIMED, wait.attempt + 1

    def complete(
        self, element: str | Job, variables: dict[str, Any] | None = None, *, plain: bool = False, position: int = 0
    ) -> list[f.Fact]:
        job = self.claim(element, position)
        return self.carry_out(c.CompleteJob(job.key, job.attempt, variables or {}, plain))

    def fail(self, element: str, message: str = "boom", *, position: int = 0, **options: Any) -> list[f.Fact]:
        job = self.claim(element, position)
        return self.carry_out(c.FailJob(job.key, job.attempt, message, **options))

    def throw(
        self, element: str, code: str, variables: dict[str, Any] | None = None, *, position: int = 0
    ) -> list[f.Fact]:
        job = self.claim(element, position)
        return self.carry_out(c.ThrowError(job.key, job.attempt, code, "", variables or {}))

    def wait(self, delta: timedelta) -> None:
        """Time passes; what is due fires, earliest first."""
        end = self.now + delta
        while True:
            due = [timer for timer in self.timers() if timer.due_at <= end]
            if not due:
                break
            timer = min(due, key=lambda timer: (timer.due_at, timer.key))
            self.now = max(self.now, timer.due_at)
            self.carry_out(c.FireTimer(timer.key))
        self.now = end

    def publish(self, name: str, key: str = "", variables: dict[str, Any] | None = None) -> list[f.Fact]:
        for wait in self.instance.waits.values():
            if isinstance(wait, MessageSubscription) and (wait.name, wait.correlation_key) == (name, key):
                return self.carry_out(c.CorrelateMessage(wait.key, variables or {}))
        raise AssertionError(f"nobody waits for {name} / {key}")

    def broadcast(self, name: str, variables: dict[str, Any] | None = None) -> None:
        """A signal reaches all who wait for it now."""
        waits = [wait for wait in self.instance.waits.values() if isinstance(wait, SignalSubscription)]
        found = [wait.key for wait in waits if wait.name == name]
        assert found, f"nobody waits for {name}"
        for key in found:
            if key in self.instance.waits:
                self.carry_out(c.ReceiveSignal(key, variables or {}))

    def resolve(self, retries: int | None = None) -> list[f.Fact]:
        (incident,) = self.incidents()
        return self.carry_out(c.ResolveIncident(incident.key, retries))

    # -- then ------------------------------------------------------------------------------------------------------

    def node(self, element: str) -> FlowNodeInstance:
        (found,) = (node for node in self.instance.nodes.values() if node.element == element)
        return found

    def job(self, element: str, position: int = 0) -> Job:
        """The job of an element: the only one, or that of the round with a number."""
        visits = self.instance.nodes
        found = [job for job in self.jobs() if visits[job.node].element == element]
        if position:
            found = [job for job in found if visits[job.node].position == position]
        (one,) = found
        return one

    def jobs(self) -> list[Job]:
        return [wait for wait in self.instance.waits.values() if isinstance(wait, Job)]

    def timers(self) -> list[Timer]:
        return [wait for wait in self.instance.waits.values() if isinstance(wait, Timer)]

    def incidents(self) -> list[Incident]:
        return [wait for wait in self.instance.waits.values() if isinstance(wait, Incident)]

    def standing(self) -> list[str]:
        """Elements that are alive, in order of entry."""
        return [self.instance.nodes[key].element for key in sorted(self.instance.nodes)]

    def path(self) -> list[str]:
        """Elements in the order in which they were entered."""
        return [fact.element for fact in self.facts if isinstance(fact, f.NodeEntered)]

    @property
    def variables(self) -> dict[str, Any]:
        return self.instance.variables

    @property
    def completed(self) -> bool:
        return self.instance.state is InstanceState.COMPLETED

    def has(self, kind: type) -> bool:
        return any(isinstance(fact, kind) for fact in self.facts)


def _picture(instance: Instance) -> tuple[Any, ...]:
    return (
        instance.state,
        instance.variables,
        instance.last_key,
        instance.nodes,
        instance.tokens,
        instance.waits,
        instance.ended_because,
    )
