"""Message event definition, BPMN 2.0.2 section 10.5.5: caught, it waits for a message by name and correlation key;
thrown, it publishes one, by ``zeebe:publishMessage`` (with a task definition the event is a job instead). What
travels are the data inputs of the event, or, without any, all variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from processes.engine import data
from processes.engine.errors import IncidentKind
from processes.engine.event_definition import CATCHING, THROWING, Armed, EventDefinition, Role, Start, Throw
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.mapping import Overlay, VariableMapping, mapped
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source
from processes.engine.waits import MessageReference, Publication


@dataclass(frozen=True, slots=True)
class MessageEventDefinition(EventDefinition):
    tag: ClassVar[str] = "messageEventDefinition"
    deliverable: ClassVar[bool] = True
    correlates: ClassVar[bool] = True
    attributes: ClassVar[frozenset[str]] = frozenset({"id", "messageRef"})
    roles: ClassVar[frozenset[Role]] = CATCHING | THROWING | {Role.START}
    message: MessageReference = field(default_factory=lambda: MessageReference(Expression("")))
    publication: Publication | None = None
    payload: tuple[VariableMapping, ...] = ()
    own: tuple[str, ...] = ()
    """The properties of the event that throws: null."""

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        message = MessageReference.read(source)
        if role not in THROWING:
            return cls(message)
        event = source.parent()
        publication, payload = Publication.read(event, message), data.read_data(event)[0]
        return cls(message, publication, payload, data.properties(event))

    def prepare(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        return self.message.awaited(run, variables)

    def start(self, element: str, at: datetime) -> Start:
        return self.message.start(element, at)

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        assert self.publication is not None
        scope = run.visible(visit.scope)
        seen = Overlay(dict.fromkeys(self.own), scope) if self.own else scope
        payload = mapped(self.payload, seen, run.at, IncidentKind.INPUT_MAPPING) if self.payload else scope
        thrown = self.publication.thrown(run, visit, scope, payload)
        return lambda: run.emit(thrown)
