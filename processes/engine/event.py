"""What all events share: those that wait for something to happen, and those that make it happen.

An event has one definition, several, or none (BPMN 2.0.2 section 10.5.1). With several, a catching one is triggered by
the first that happens, or, where it is ``parallelMultiple``, once all have; a throwing one throws them all. A parallel
multiple event that does not interrupt is triggered each time that all have happened anew: what happens again before the
others have counts once, and a date or duration, which is over once, makes it the only time.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from processes.engine import data
from processes.engine.activity import mapped_output, read_mappings
from processes.engine.errors import BpmnError, Problem
from processes.engine.event_definition import Armed, Escalation, EventDefinition, Role, Thrown, read_event_definitions
from processes.engine.job_task import JOB_EXTENSIONS, JobTask, is_job
from processes.engine.machine import Run
from processes.engine.mapping import VariableMapping
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance, NodeState, Timer
from processes.engine.process import Process
from processes.engine.source import Source
from processes.engine.unread import IDENTITY
from processes.engine.waits import PreparedAll


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchEvent(FlowNode):
    """An event that waits, or is looked for when something is thrown. `outputs` map what came with it, by way of its
    `own` variables, which die with it."""

    is_event: ClassVar[bool] = True
    attributes: ClassVar[frozenset[str]] = IDENTITY | {"parallelMultiple"}
    children: ClassVar[frozenset[str]] = frozenset({"dataOutput", "dataOutputAssociation", "outputSet", "property"})
    extensions: ClassVar[frozenset[str]] = frozenset({"ioMapping"})
    definitions: tuple[EventDefinition, ...] = ()
    outputs: tuple[VariableMapping, ...] = ()
    own: tuple[str, ...] = ()
    parallel_multiple: bool = False
    interrupting: bool = True

    @classmethod
    def read_catch(
        cls, source: Source, role: Role, *, required: bool = True, interrupting: bool = True
    ) -> dict[str, Any]:
        """The fields that all catching events have."""
        definitions = read_event_definitions(source, role, required=required)
        inputs, outputs = read_mappings(source)
        data.check_properties(source)
        outputs += data.read_data(source)[1]
        if inputs:
            source.problem("not-executable", "Expected no input mapping on an event but found one, not executed")
        if not interrupting:
            for definition in definitions:
                if definition.always_interrupts:
                    source.problem(
                        f"{definition.tag.removesuffix('EventDefinition')}-not-interrupting",
                        f"Expected {definition.tag} to interrupt but found an event that does not",
                    )
        if len(definitions) > 1 and any(definition.undoes for definition in definitions):
            source.problem("not-executable", "Expected compensation alone in an event but found other definitions")
        if sum(definition.repeats for definition in definitions) > 1:
            source.problem("not-executable", "Expected at most one cycle in an event but found several")
        together = len(definitions) > 1 and source.flag("parallelMultiple")
        if together:
            _check_together(source, definitions, outputs, interrupting=interrupting)
        return {
            "definitions": definitions,
            "outputs": outputs,
            "own": data.properties(source),
            "parallel_multiple": together,
            "interrupting": interrupting,
        }

    @property
    def kind(self) -> tuple[str, ...]:
        together = ("parallelMultiple",) if self.parallel_multiple else ()
        return (self.tag, *(definition.tag for definition in self.definitions), *together)

    @property
    def supersedes(self) -> bool:
        return self.interrupting

    @property
    def needs_all(self) -> bool:
        return self.parallel_multiple

    @property
    def watches(self) -> bool:
        return any(definition.watches for definition in self.definitions)

    def holds(self, run: Run, condition: str, variables: Mapping[str, Any]) -> bool:
        return any(definition.holds(run, condition, variables) for definition in self.definitions)

    def begins_with(self, variables: Mapping[str, Any], at: datetime) -> bool:
        return any(definition.begins_with(variables, at) for definition in self.definitions)

    @property
    def undoes(self) -> bool:
        return any(definition.undoes for definition in self.definitions)

    def check(self, process: Process) -> Iterable[Problem]:
        for definition in self.definitions:
            yield from definition.check(process, self)

    def wait_for(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        prepared = (definition.prepare(run, variables) for definition in self.definitions)
        waits = tuple(armed for armed in prepared if armed is not None)
        if self.parallel_multiple and len(waits) < len(self.definitions):
            return None  # one of them never happens, so neither does the event
        return PreparedAll(waits) if len(waits) > 1 else waits[0] if waits else None

    def again(self, run: Run, visit: FlowNodeInstance, timer: Timer) -> None:
        if not self.interrupting:
            for definition in self.definitions:
                definition.again(run, visit, timer)

    def renew(self, run: Run, visit: FlowNodeInstance) -> None:
        if self.interrupting or not all(definition.recurs for definition in self.definitions):
            return
        variables = run.visible(visit.key)
        for armed in [definition.renew(run, variables) for definition in self.definitions]:
            if armed is not None:
                armed.arm(run, visit, self.id)

    def catches(self, thrown: Thrown) -> int:
        return max((definition.catches(thrown) for definition in self.definitions), default=0)

    def told(self, thrown: BpmnError | Escalation) -> Mapping[str, Any]:
        told = [definition.told(thrown) for definition in self.definitions if definition.catches(thrown)]
        return dict(ChainMap(dict(thrown.variables), *map(dict, told)))

    def output(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.own or not self.outputs:
            return mapped_output(self.outputs, run, visit, result)
        own = {name: visit.variables.get(name) for name in self.own}
        given = mapped_output(self.outputs, run, visit, {**result, **own})
        return {name: value for name, value in given.items() if name not in own}


def caught_by_both(one: CatchEvent, other: CatchEvent) -> str:
    """What both of two events would catch when it is thrown, by its name, "" where there is nothing."""
    for definition in one.definitions:
        if not definition.armed and definition in other.definitions:
            return definition.tag.removesuffix("EventDefinition")
    return ""


def _check_together(
    source: Source,
    definitions: tuple[EventDefinition, ...],
    outputs: tuple[VariableMapping, ...],
    *,
    interrupting: bool,
) -> None:
    for definition in definitions:
        if not definition.armed:
            what = f"Expected what is waited for in a parallel multiple event but found {definition.tag}"
            source.problem("not-executable", what)
    if not interrupting and any(definition.repeats for definition in definitions):
        what = "Expected no cycle, whose turns others would miss, in a parallel multiple event beside its activity"
        source.problem("not-executable", f"{what} but found one")
    if outputs:
        source.problem("not-executable", "Expected no output mapping on a parallel multiple event but found one")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrowEvent(FlowNode):
    """An event that throws as it is entered, BPMN 2.0.2 section 10.5.1: its definitions, or, with a task definition, a
    job that sends in its stead."""

    throws: ClassVar[bool] = True
    is_event: ClassVar[bool] = True
    children: ClassVar[frozenset[str]] = frozenset({"dataInput", "dataInputAssociation", "inputSet", "property"})
    extensions: ClassVar[frozenset[str]] = JOB_EXTENSIONS | {"publishMessage"}
    camunda_elements: ClassVar[frozenset[str]] = JobTask.camunda_elements
    as_job: ClassVar[type[JobTask]]
    role: ClassVar[Role]
    definitions: tuple[EventDefinition, ...] = ()

    @classmethod
    def read(cls, source: Source, **common: Any) -> FlowNode:
        if is_job(source):
            return cls.as_job.read(source, **common)
        definitions = read_event_definitions(source, cls.role)
        takes_along = any(definition.deliverable or definition.carries for definition in definitions)
        data.check_properties(source)
        if not takes_along and data.read_data(source)[0]:
            source.problem("not-executable", "Expected a message or signal for the data to go with but found none")
        last = [definition.tag for definition in definitions if definition.rank == LAST]
        if len(last) > 1:
            source.problem("not-executable", f"Expected one of {', '.join(last)} but found several in one event")
        return cls(definitions=tuple(sorted(definitions, key=lambda definition: definition.rank)), **common)

    def check(self, process: Process) -> Iterable[Problem]:
        for definition in self.definitions:
            yield from definition.check(process, self)

    def undone(self, run: Run, visit: FlowNodeInstance) -> None:
        self.definitions[-1].undone(run, visit)

    @property
    def kind(self) -> tuple[str, ...]:
        return (self.tag, *(definition.tag for definition in self.definitions))

    @property
    def breaks_off(self) -> bool:
        return any(definition.breaks_off for definition in self.definitions)

    def activate(self, run: Run, visit: FlowNodeInstance) -> None:
        throws = [definition.throw(run, visit) for definition in self.definitions]
        for throw in throws:
            if visit.state is NodeState.READY:  # not ended by what it threw
                throw()
        if visit.state is NodeState.READY:
            run.complete(visit)


LAST = 2
"""Rank of what ends or holds the event that throws it."""
