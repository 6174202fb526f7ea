"""Error event definition, BPMN 2.0.2 section 10.5.6: caught on a boundary, or by an event sub-process, by its code, or
any error where it names none; thrown by an end event, which may compute the code."""

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
class ErrorEventDefinition(EventDefinition):
    """`code` is "" where every error is caught. `message` is thrown with it, as Camunda 7 has it."""

    tag: ClassVar[str] = "errorEventDefinition"
    breaks_off: ClassVar[bool] = True
    attributes: ClassVar[frozenset[str]] = frozenset({"errorRef", "id"})
    camunda_attributes: ClassVar[frozenset[str]] = frozenset({"errorCodeVariable", "errorMessageVariable"})
    roles: ClassVar[frozenset[Role]] = frozenset({Role.HANDLER, Role.BOUNDARY, Role.END})
    always_interrupts: ClassVar[bool] = True
    armed: ClassVar[bool] = False
    rank: ClassVar[int] = 2
    code: Expression = field(default_factory=lambda: Expression(""))
    message: Expression | None = field(default=None, compare=False)
    code_variable: str = field(default="", compare=False)
    """Camunda 7's name of a variable that takes the code."""
    message_variable: str = field(default="", compare=False)
    """Camunda 7's name of a variable that takes the message."""

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        code = read_code(source, "error", catches=role in CATCHING)
        error = source.reference("errorRef", "error") if role not in CATCHING and source.get("errorRef") else None
        text = (error.camunda("errorMessage") or "").strip() if error is not None else ""
        return cls(
            code,
            error.juel(text, "camunda:errorMessage") if error is not None and text else None,
            source.camunda("errorCodeVariable") or "",
            source.camunda("errorMessageVariable") or "",
        )

    def catches(self, thrown: Thrown) -> int:
        if not isinstance(thrown, BpmnError):
            return 0
        if not self.code.text:
            return 1
        return 2 if self.code.text == thrown.code else 0

    def told(self, thrown: BpmnError | Escalation) -> Mapping[str, Any]:
        found = {self.code_variable: thrown.code}
        if isinstance(thrown, BpmnError):
            found[self.message_variable] = thrown.message
        return {name: value for name, value in found.items() if name}

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        variables, kind = run.visible(visit.scope), IncidentKind.EXPRESSION
        code = self.code.text_of(variables, run.at, "the error code", kind)
        message = "" if self.message is None else self.message.text_of(variables, run.at, "the error message", kind)

        def throw() -> None:
            raise BpmnError(code, message)

        return throw
