"""Intermediate catch event, BPMN 2.0.2 section 10.5.4: the token waits here until the event occurs.

It occurs once, however often its timer repeats: the token has gone on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from processes.engine.event import CatchEvent
from processes.engine.event_definition import Role, Start
from processes.engine.machine import Run
from processes.engine.model import FlowNode, nothing_to_wait_for
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.source import Source


class IntermediateCatchEvent(CatchEvent):
    tag: ClassVar[str] = "intermediateCatchEvent"

    @classmethod
    def read(cls, source: Source, **common: Any) -> Self:
        return cls(**cls.read_catch(source, Role.CATCH), **common)

    def activate(self, run: Run, visit: FlowNodeInstance) -> None:
        if any(definition.passes for definition in self.definitions):
            run.complete(visit)
            return
        armed = self.wait_for(run, run.visible(visit.scope))
        if armed is None:
            raise nothing_to_wait_for(self)
        run.wait(visit, dict.fromkeys(self.own))
        armed.arm(run, visit, self.id)

    def awaited(self, process: Process) -> tuple[FlowNode, ...]:
        return (self,)

    @property
    def may_begin(self) -> bool:
        return len(self.definitions) == 1 and Role.START in self.definitions[0].roles

    @property
    def correlates(self) -> bool:
        return all(definition.correlates for definition in self.definitions)

    def starts(self, at: datetime) -> tuple[Start, ...]:
        return tuple(definition.start(self.id, at) for definition in self.definitions)
