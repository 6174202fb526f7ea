"""Compensation event definition, BPMN 2.0.2 section 10.5.6 and 13.5.5: thrown, it has completed activities undone, one
by its ``activityRef`` or all of the scope; on a border it names, by an association, the activity that undoes its host;
in a sub-process it begins the event sub-process that undoes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from processes.engine import compensation
from processes.engine.errors import Problem
from processes.engine.event_definition import THROWING, EventDefinition, Role, Throw
from processes.engine.machine import Run
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.source import Source


@dataclass(frozen=True, slots=True)
class CompensateEventDefinition(EventDefinition):
    tag: ClassVar[str] = "compensateEventDefinition"
    attributes: ClassVar[frozenset[str]] = frozenset({"id", "activityRef", "waitForCompletion"})
    roles: ClassVar[frozenset[Role]] = frozenset({Role.HANDLER, Role.BOUNDARY}) | THROWING
    armed: ClassVar[bool] = False
    undoes: ClassVar[bool] = True
    rank: ClassVar[int] = 2
    activity: str = ""
    wait: bool = True

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        if role not in THROWING and source.get("activityRef"):
            source.problem("not-executable", "Expected activityRef where compensation is thrown but found it caught")
        return cls(source.get("activityRef").rpartition(":")[2], source.flag("waitForCompletion", default=True))

    def check(self, process: Process, event: FlowNode) -> Iterable[Problem]:
        if self.activity:
            scopes = [event.scope]
            if _in_handler(process, event):
                scopes.append(process.nodes[event.scope].scope)
            target = process.nodes.get(self.activity)
            if target is None or target.scope not in scopes or target.id not in process.compensable:
                what = f"activityRef to name an activity in its scope that can be undone but found '{self.activity}'"
                yield Problem("unknown-reference", f"Expected {what}", event.line, event.id)

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        event, scope = run.element(visit), visit.scope
        beside = bool(self.activity) and run.process.nodes[self.activity].scope == event.scope
        if _in_handler(run.process, event) and not beside:
            scope = run.holder(scope).scope

        def throw() -> None:
            compensation.throw(run, visit, scope, activity=self.activity, wait=self.wait)

        return throw


def _in_handler(process: Process, event: FlowNode) -> bool:
    """Whether it is thrown in an event sub-process: that undoes what is in the scope around it, unless it names what is
    in its own."""
    return bool(event.scope) and process.nodes[event.scope].handles
