"""Signal event definition, BPMN 2.0.2 section 10.5.5: caught, it waits for a signal by name; thrown, it reaches all who
wait for it at that moment, in every instance. What travels is what an input mapping or the data inputs of the event
say, or Camunda 7's ``camunda:in``, and nothing without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from processes.engine import data
from processes.engine import facts as f
from processes.engine.activity import read_mappings
from processes.engine.errors import IncidentKind
from processes.engine.event_definition import CATCHING, THROWING, Armed, EventDefinition, Role, Start, StartKind, Throw
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.mapping import Overlay, VariableMapping, mapped
from processes.engine.parts import FlowNodeInstance
from processes.engine.passing import Passing
from processes.engine.source import Source
from processes.engine.unread import IDENTITY, refuse_unread
from processes.engine.waits import PreparedSignal


@dataclass(frozen=True, slots=True)
class SignalEventDefinition(EventDefinition):
    tag: ClassVar[str] = "signalEventDefinition"
    attributes: ClassVar[frozenset[str]] = frozenset({"id", "signalRef"})
    roles: ClassVar[frozenset[Role]] = CATCHING | THROWING | {Role.START}
    carries: ClassVar[bool] = True
    camunda_elements: ClassVar[frozenset[str]] = frozenset({"in"})
    name: Expression = field(default_factory=lambda: Expression(""))
    payload: tuple[VariableMapping, ...] = ()
    own: tuple[str, ...] = ()
    """The properties of the event that throws: null."""
    passings: tuple[Passing, ...] = ()

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        payload: tuple[VariableMapping, ...] = ()
        own: tuple[str, ...] = ()
        passings: tuple[Passing, ...] = ()
        if role in THROWING:
            passings = tuple(map(_passing, source.camunda_extensions("in")))
            own = data.properties(source.parent())
            payload, outputs = read_mappings(source.parent())
            payload = data.read_data(source.parent())[0] + payload
            if outputs:
                source.problem("not-executable", "Expected no output mapping on an event that throws but found one")
        if not source.get("signalRef"):
            source.problem("no-signal", "Expected signalRef to name a signal but found none")
        signal = source.reference("signalRef", "signal")
        if signal is None:
            return cls(payload=payload, own=own, passings=passings)
        refuse_unread(signal, attributes=IDENTITY | {"structureRef"})
        name = signal.get("name")
        if not name.strip():
            signal.problem("no-signal-name", "Expected the signal to have a name but found none")
        return cls(signal.expression(name, "the name of the signal"), payload, own, passings)

    def prepare(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        return PreparedSignal(self._name(variables, run.at))

    def start(self, element: str, at: datetime) -> Start:
        return Start(StartKind.SIGNAL, element, self._name({}, at))

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        variables = run.visible(visit.scope)
        name = self._name(variables, run.at)
        seen = Overlay(dict.fromkeys(self.own), variables) if self.own else variables
        payload: dict[str, Any] = {}
        for passing in self.passings:
            payload |= passing.passed(variables, run.at, IncidentKind.INPUT_MAPPING)
        payload |= mapped(self.payload, seen, run.at, IncidentKind.INPUT_MAPPING)
        return lambda: run.emit(f.SignalThrown(visit.key, name, payload, run.instance.last_key))

    def _name(self, variables: Mapping[str, Any], at: datetime) -> str:
        return self.name.text_of(variables, at, "the name of the signal", IncidentKind.EXPRESSION)


def _passing(part: Source) -> Passing:
    if part.flag("local") or part.get("businessKey"):
        what = "variables that go with the signal"
        part.problem("not-executable", f"Expected {what} but found camunda:in with local or businessKey")
    return Passing.read(part)
