"""Start event, BPMN 2.0.2 section 10.5.2: the token begins here.

A process may have several: one without a trigger, which is for callers, and others that a message, a timer, a signal
or a condition begins. Their triggers are evaluated without variables, when the process is deployed; a condition is
evaluated when somebody asks. A parallel multiple one begins it once all of its triggers have happened: messages, which
share their correlation key, or signals, which have none.

That of an event sub-process waits, while the scope around it is open, for what begins it; see section 13.5.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

from processes.engine.errors import Problem
from processes.engine.event import CatchEvent, caught_by_both
from processes.engine.event_definition import EventDefinition, Role, Start
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.source import Source
from processes.engine.unread import CAMUNDA_FORMS


class StartEvent(CatchEvent):
    tag: ClassVar[str] = "startEvent"
    begins: ClassVar[bool] = True
    attributes: ClassVar[frozenset[str]] = CatchEvent.attributes | {"isInterrupting"}
    camunda_attributes: ClassVar[frozenset[str]] = CAMUNDA_FORMS

    @classmethod
    def read(cls, source: Source, **common: Any) -> Self:
        if common["incoming"]:
            source.problem("start-with-incoming", "Expected no sequence flow into a start event but found one")
        for name in sorted(CAMUNDA_FORMS):
            if source.camunda(name) is not None:
                source.warning("form-not-shown", f"camunda:{name} is for whoever shows the form")
        if source.parent().get("triggeredByEvent") not in ("true", "1"):
            fields = cls.read_catch(source, Role.START, required=False)
            if fields["definitions"] and common["scope"]:
                source.problem("not-executable", "Expected no trigger at the start of a sub-process but found one")
            if fields["parallel_multiple"]:
                _check_all(source, fields["definitions"])
            if sum(definition.schedules for definition in fields["definitions"]) > 1:
                source.problem("not-executable", "Expected at most one timer where a process begins but found several")
            return cls(**fields, **common)
        interrupting = source.flag("isInterrupting", default=True)
        return cls(**cls.read_catch(source, Role.HANDLER, interrupting=interrupting), **common)

    def check(self, process: Process) -> Iterable[Problem]:
        yield from super().check(process)
        around = process.nodes.get(self.scope)
        if around is None or not around.handles:
            return
        for other in process.handlers[around.scope]:
            if other.id == self.id:
                break
            if isinstance(other, StartEvent) and (twice := caught_by_both(self, other)):
                message = f"Expected one event sub-process for an {twice} but found '{other.id}' to catch the same"
                yield Problem(f"{twice}-caught-twice", message, self.line, self.id)

    @property
    def instantiates(self) -> bool:
        return bool(self.definitions) and not self.scope

    def starts(self, at: datetime) -> tuple[Start, ...]:
        starts = (definition.start(self.id, at) for definition in self.definitions)
        return tuple(dict.fromkeys(starts))  # of several conditions one is enough

    def start_again(self, start: Start, at: datetime) -> Start:
        timer = next(definition for definition in self.definitions if definition.schedules)
        return timer.start_again(start, at)

    def activate(self, run: Run, visit: FlowNodeInstance) -> None:
        run.complete(visit)

    def triggered(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> None:
        run.handle(self, visit.key, variables)


def _check_all(source: Source, definitions: tuple[EventDefinition, ...]) -> None:
    """What has to happen before a process begins must belong together without it: by a key, or as it is for all."""
    for definition in definitions:
        if definition.schedules or definition.watches:
            what = "Expected messages, or signals, that begin a process once all have happened"
            source.problem("not-executable", f"{what} but found {definition.tag}, which tells not for which instance")
    if len({definition.correlates for definition in definitions}) > 1:
        what = "Expected either messages, which have a correlation key, or what has none, to begin a process together"
        source.problem("not-executable", f"{what} but found both: which of them belong together cannot be known")
