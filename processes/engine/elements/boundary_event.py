"""Boundary event, BPMN 2.0.2 section 10.5.4 and 13.5.3: on the border of an activity, while that is active.

An interrupting one ends the activity and takes its place; a non-interrupting one sets off a token of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from processes.engine import xml
from processes.engine.activity import Activity
from processes.engine.errors import Problem
from processes.engine.event import CatchEvent, caught_by_both
from processes.engine.event_definition import Role
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundaryEvent(CatchEvent):
    tag: ClassVar[str] = "boundaryEvent"
    attributes: ClassVar[frozenset[str]] = CatchEvent.attributes | {"attachedToRef", "cancelActivity"}
    host: str = ""
    handler: str = ""
    """The activity that a compensation event is associated with."""

    @classmethod
    def read(cls, source: Source, **common: Any) -> Self:
        interrupting = source.flag("cancelActivity", default=True)
        if common["incoming"]:
            source.problem("boundary-with-incoming", "Expected no sequence flow into a boundary event but found one")
        fields = cls.read_catch(source, Role.BOUNDARY, interrupting=interrupting)
        handler = ""
        if any(definition.undoes for definition in fields["definitions"]):
            handler = _associated(source)
        return cls(host=source.get("attachedToRef").rpartition(":")[2], handler=handler, **fields, **common)

    def check(self, process: Process) -> Iterable[Problem]:
        yield from super(BoundaryEvent, self).check(process)
        host = process.nodes.get(self.host)
        if not isinstance(host, Activity) or host.scope != self.scope or host.handles:
            what = f"attachedToRef to name an activity beside it but found {host.tag if host else 'no'} '{self.host}'"
            yield Problem("unknown-reference", f"Expected {what}", self.line, self.id)
        for other in process.boundaries.get(self.host, ()):
            if other.id == self.id:
                break
            if isinstance(other, BoundaryEvent) and (twice := caught_by_both(self, other)):
                message = f"Expected one boundary event for an {twice} but found '{other.id}' to catch the same"
                yield Problem(f"{twice}-caught-twice", message, self.line, self.id)

    @property
    def attached_to(self) -> str:
        return self.host

    @property
    def interrupts_host(self) -> bool:
        return self.interrupting and not self.handler

    @property
    def undoes(self) -> bool:
        return False

    @property
    def undoing(self) -> str:
        return self.handler

    def triggered(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> None:
        if self.interrupting:
            run.interrupt(visit, self, variables)
        else:
            run.complete(run.enter(self, visit.scope), variables)


def _associated(source: Source) -> str:
    """The id of what a compensation event is associated with; a problem where that is not one thing."""
    found = []
    for element in source.document.root.iter(f"{{{xml.BPMN}}}association"):
        association = source.within(element)
        if association.get("sourceRef").rpartition(":")[2] == source.id:
            found.append(association.get("targetRef").rpartition(":")[2])
    if len(found) != 1:
        what = "Expected one association from a compensation event to the activity that undoes its host"
        source.problem("no-compensation", f"{what} but found {len(found)}")
    return found[0] if found else ""
