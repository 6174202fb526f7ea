"""The instances of a run, and what one does to another: it calls a process, answers its caller, throws a signal or a
message.

As where processes really run, each of these is a step of its own: what a step leads to is kept until it is done, and
then delivered in order, before anything else happens. What is thrown for an instance that is over by then is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import ProcessFault
from processes.engine.event_definition import Start, StartKind
from processes.engine.parts import Call, MessageSubscription, SignalSubscription
from processes.engine.process import Process
from processes.engine.simulation.coverage import Coverage
from processes.engine.simulation.scenario import Asked, Published, Scenario
from processes.engine.simulation.telling import Line, Teller, announced
from processes.engine.state import Instance, InstanceState
from processes.engine.stepping import step

DEEPEST = 100
"""Callers around an instance, at most, as where processes really run."""


@dataclass(slots=True)
class Played:
    """One instance of a run. `number` counts from 1; `caller` waits for its end in `call`."""

    number: int
    process: Process
    instance: Instance
    teller: Teller
    correlation_key: str = ""
    caller: Played | None = None
    call: int = 0
    depth: int = 0

    @property
    def is_over(self) -> bool:
        return self.instance.state.is_final


@dataclass(slots=True)
class Kept:
    """A message, and the processes that had it: each gets it once."""

    message: Published
    met: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What begins instances of a process."""

    process: Process
    start: Start


Delivery = Callable[[datetime], Iterator[Line]]


class World:
    """Everything that is alive in a run."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.processes = {process.id: process for process in scenario.processes}
        self.played: list[Played] = []
        self.messages = [Kept(message) for message in scenario.messages]
        self.beginnings = [Beginning(process, start) for process, start in scenario.beginnings]
        self.come: dict[tuple[str, str, str], dict[Start, Mapping[str, Any]]] = {}
        self.coverages: dict[str, Coverage] = {}
        self.under_way: deque[Delivery] = deque()

    def alive(self) -> Iterator[Played]:
        return (played for played in self.played if not played.is_over)

    # -- steps -----------------------------------------------------------------------------------------------------

    def begin(self, process: Process, command: c.StartInstance, at: datetime, **given: Any) -> Iterator[Line]:
        """Begin an instance; `given` are fields of `Played`."""
        number = len(self.played) + 1
        instance = Instance(id="simulation" if number == 1 else f"simulation {number}")
        name = "" if number == 1 else f"{process.id} {number}"
        played = Played(number, process, instance, Teller(process, instance, self.scenario.name, name), **given)
        self.played.append(played)
        return self.carry_out(played, command, at)

    def carry_out(self, played: Played, command: c.Command, at: datetime) -> Iterator[Line]:
        """One step of an instance; what it does to others is under way then."""
        facts = self.step(played, command, at)
        self.coverages.setdefault(played.process.id, Coverage()).add(facts)
        for fact in facts:
            self._spread(played, fact, at)
        if played.is_over and played.caller is not None:
            self.under_way.append(lambda at: self._answer(played, at))
        for called in self.played:
            if called.caller is played and not called.is_over and called.call not in played.instance.waits:
                self.under_way.append(lambda at, called=called: self._cancel(called, at))  # type: ignore[misc]
        return (played.teller.line(fact, at) for fact in facts)

    def step(self, played: Played, command: c.Command, at: datetime) -> list[f.Fact]:
        return step(played.process, played.instance, command, at)

    def _spread(self, played: Played, fact: f.Fact, at: datetime) -> None:
        if isinstance(fact, f.MessageThrown):
            until = None if fact.time_to_live is None else at + fact.time_to_live
            self.messages.append(Kept(Published(fact.name, fact.correlation_key, at, dict(fact.variables), until)))
        elif isinstance(fact, f.SignalThrown):
            self.broadcast(fact.name, fact.variables, of=played, reach=fact.reach)
        elif isinstance(fact, f.ProcessCalled):
            self.under_way.append(lambda at: self._call(played, fact, at))

    # -- calls -----------------------------------------------------------------------------------------------------

    def _call(self, caller: Played, fact: f.ProcessCalled, at: datetime) -> Iterator[Line]:
        if caller.instance.wait(Call, fact.call) is None:
            return iter(())  # the caller has given up
        process = self.processes.get(fact.process)
        problem = ""
        if process is None:
            given = ", ".join(self.processes)
            problem = f"Expected process '{fact.process}' to be in the models given but found only {given}"
        elif fact.binding == "VERSION_TAG" and process.version_tag != fact.version:
            found = f"'{process.version_tag}'" if process.version_tag else "none"
            problem = f"Expected process '{process.id}' with the version tag '{fact.version}' but found {found}"
        elif "" not in process.starts:
            problem = f"Expected process '{process.id}' to have a none start event but found none"
        elif caller.depth >= DEEPEST:
            problem = f"Expected at most {DEEPEST} callers around a process but found '{process.id}' below as many"
        if problem or process is None:
            return self.carry_out(caller, c.FailCall(fact.call, problem), at)
        start = c.StartInstance(fact.variables, called=True)
        return self.begin(process, start, at, caller=caller, call=fact.call, depth=caller.depth + 1)

    def _answer(self, called: Played, at: datetime) -> Iterator[Line]:
        """Tell the caller of an instance how it ended."""
        caller, instance = called.caller, called.instance
        if caller is None or caller.instance.wait(Call, called.call) is None:
            return iter(())
        escaped = instance.changes.escaped
        command: c.Command
        if escaped is not None:
            command = c.ThrowCallError(called.call, escaped.code, escaped.message, escaped.variables)
        elif instance.state is InstanceState.COMPLETED:
            command = c.CompleteCall(called.call, instance.variables)
        else:
            command = c.FailCall(called.call, f"The called process was ended: {instance.ended_because}")
        return self.carry_out(caller, command, at)

    def _cancel(self, called: Played, at: datetime) -> Iterator[Line]:
        if called.is_over:
            return iter(())
        return self.carry_out(called, c.CancelInstance("The activity that called it was ended"), at)

    # -- signals ---------------------------------------------------------------------------------------------------

    def broadcast(self, name: str, variables: Mapping[str, Any], *, of: Played | None = None, reach: int = 0) -> int:
        """A signal leaves for all who wait for it at this moment, of the instance that throws it those with keys up to
        `reach`, and for every process that it begins; for how many."""
        before = len(self.under_way)
        for played in self.alive():
            for wait in sorted(played.instance.waits.values(), key=lambda wait: wait.key):
                heard = isinstance(wait, SignalSubscription) and wait.name == name
                if heard and (played is not of or wait.key <= reach):
                    command = c.ReceiveSignal(wait.key, variables)
                    self.under_way.append(lambda at, to=played, command=command: self._signal(to, command, at))  # type: ignore[misc]
        for beginning in self._begun(StartKind.SIGNAL, name):
            self.under_way.append(lambda at, of=beginning: self._happened(of, variables, "", at))  # type: ignore[misc]
        return len(self.under_way) - before

    def _signal(self, played: Played, command: c.ReceiveSignal, at: datetime) -> Iterator[Line]:
        if played.instance.wait(SignalSubscription, command.subscription) is None:
            return iter(())
        return self.carry_out(played, command, at)

    # -- messages --------------------------------------------------------------------------------------------------

    def meetings(self, kept: Kept) -> Iterator[tuple[Played | Beginning, int]]:
        """Whom a message can reach now: of each process that has not had it yet the oldest who waits for it, by the key
        of the subscription, or else what it begins."""
        name, key = kept.message.name, kept.message.key
        for process in self.processes.values():
            if process.id in kept.met:
                continue
            waiting = (
                (played, wait.key)
                for played in self.alive()
                if played.process is process
                for wait in sorted(played.instance.waits.values(), key=lambda wait: wait.key)
                if isinstance(wait, MessageSubscription) and (wait.name, wait.correlation_key) == (name, key)
            )
            found = next(waiting, None)
            if found is not None:
                yield found
                continue
            if key and any(played.process is process and played.correlation_key == key for played in self.alive()):
                continue  # its end makes room for the next one
            for beginning in self._begun(StartKind.MESSAGE, name):
                if beginning.process is process and beginning.start not in self._come(beginning, key):
                    yield beginning, 0

    def meet(self, kept: Kept, to: Played | Beginning, subscription: int, at: datetime) -> Iterator[Line]:
        message = kept.message
        kept.met.add(to.process.id)
        if isinstance(to, Played):
            return self.carry_out(to, c.CorrelateMessage(subscription, message.variables), at)
        return self._happened(to, message.variables, message.key, at)

    def _come(self, beginning: Beginning, key: str) -> dict[Start, Mapping[str, Any]]:
        """What has happened so far under a key, of what begins a process only once all of it has."""
        return self.come.setdefault((beginning.process.id, beginning.start.element, key), {})

    def _happened(self, of: Beginning, variables: Mapping[str, Any], key: str, at: datetime) -> Iterator[Line]:
        """Begin an instance, unless others have to come too."""
        event, _ = of.process.beginnings[of.start.element]
        come = self._come(of, key)
        if event.needs_all:
            come.setdefault(of.start, variables)
            wanted = {
                one.start for one in self.beginnings if (one.process, one.start.element) == (of.process, event.id)
            }
            if wanted - set(come):
                told = {"process": of.process.id, "element": event.id, "name": of.start.name, "correlation_key": key}
                return iter([announced(self.scenario.name, at, "StartKept", told)])
            variables = {name: value for brought in come.values() for name, value in brought.items()}
            come.clear()
        start = c.StartInstance(variables, element=event.id, correlation_key=key)
        return self.begin(of.process, start, at, correlation_key=key)

    # -- beginnings ------------------------------------------------------------------------------------------------

    def timers(self) -> Iterator[Beginning]:
        """What begins an instance of the process that is played at a moment, where no caller does."""
        if "" in self.scenario.process.starts:
            return
        for beginning in self.beginnings:
            if beginning.process is self.scenario.process and beginning.start.due_at is not None:
                yield beginning

    def fire(self, beginning: Beginning, at: datetime) -> Iterator[Line]:
        """Begin an instance by a timer, which fires no more in this run."""
        place = self.beginnings.index(beginning)
        self.beginnings[place] = replace(beginning, start=replace(beginning.start, due_at=None))
        return self.begin(beginning.process, c.StartInstance({}, element=beginning.start.element), at)

    def evaluate(self, asked: Asked, at: datetime) -> Iterator[Line]:
        """Begin an instance at every event whose condition is true."""
        nothing = True
        for beginning in self._begun(StartKind.CONDITION, ""):
            process, element = beginning.process, beginning.start.element
            if asked.process not in ("", process.id):
                continue
            try:
                true = process.beginnings[element][0].begins_with(asked.variables, at)
            except ProcessFault as fault:
                told = {"process": process.id, "element": element, "message": str(fault)}
                yield announced(self.scenario.name, at, "ConditionUnknown", told)
                continue
            if true:
                nothing = False
                yield from self.begin(process, c.StartInstance(asked.variables, element=element), at)
        if nothing:
            yield announced(self.scenario.name, at, "NoConditionTrue", {"variables": asked.variables})

    def _begun(self, kind: StartKind, name: str) -> list[Beginning]:
        return [one for one in self.beginnings if (one.start.kind, one.start.name) == (kind, name)]
