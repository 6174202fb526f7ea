"""Terminate event definition, BPMN 2.0.2 section 10.5.3: everything else in the scope ends, then the scope."""

from __future__ import annotations

from typing import ClassVar

from processes.engine.event_definition import EventDefinition, Role, Throw
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance


class TerminateEventDefinition(EventDefinition):
    tag: ClassVar[str] = "terminateEventDefinition"
    breaks_off: ClassVar[bool] = True
    roles: ClassVar[frozenset[Role]] = frozenset({Role.END})
    rank: ClassVar[int] = 2

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        def terminate() -> None:
            scope = visit.scope
            run.leave(visit, ())
            run.terminate_scope(scope)

        return terminate
