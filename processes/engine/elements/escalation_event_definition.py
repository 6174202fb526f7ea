"""Escalation event definition, BPMN 2.0.2 section 10.5.6: caught on a boundary, or by an event sub-process, by its
code, or any escalation where it names none; thrown in the flow or at its end. Nobody has to catch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from processes.engine.errors import BpmnError, IncidentKind
from processes.engine.event_definition import CATCHING, Escalation, EventDefinition, Role, Throw, Thrown, read_code
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source


@dataclass(frozen=True, slots=True)
class EscalationEventDefinition(EventDefinition):
    """`code` is "" where every escalation is caught."""

    tag: ClassVar[str] = "escalationEventDefinition"
    attributes: ClassVar[frozenset[str]] = frozenset({"escalationRef", "id"})
    camunda_attributes: ClassVar[frozenset[str]] = frozenset({"escalationCodeVariable"})
    roles: ClassVar[frozenset[Role]] = frozenset({Role.HANDLER, Role.BOUNDARY, Role.THROW, Role.END})
    armed: ClassVar[bool] = False
    rank: ClassVar[int] = 1
    code: Expression = field(default_factory=lambda: Expression(""))
    code_variable: str = field(default="", compare=False)
    """Camunda 7's name of a variable that takes the code."""

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        code = read_code(source, "escalation", catches=role in CATCHING)
        return cls(code, source.camunda("escalationCodeVariable") or "")

    def catches(self, thrown: Thrown) -> int:
        if not isinstance(thrown, Escalation):
            return 0
        if not self.code.text:
            return 1
        return 2 if self.code.text == thrown.code else 0

    def told(self, thrown: BpmnError | Escalation) -> Mapping[str, Any]:
        return {self.code_variable: thrown.code} if self.code_variable else {}

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        code = self.code.text_of(run.visible(visit.scope), run.at, "the escalation code", IncidentKind.EXPRESSION)
        return lambda: run.escalate(visit, Escalation(code))
