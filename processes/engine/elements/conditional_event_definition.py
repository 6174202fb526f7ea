"""Conditional event definition, BPMN 2.0.2 section 10.5.5: waits for a condition over the variables to become true.

It is looked at as it is armed and whenever a variable that it sees changes; time passing is no change. True counts,
everything else is not true yet; one that does not interrupt is triggered every time that it becomes true again. Where
it begins a process there are no variables yet: whoever has some asks to have the condition evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from processes.engine.errors import IncidentKind
from processes.engine.event_definition import CATCHING, Armed, EventDefinition, Role, Start, StartKind
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.source import Source
from processes.engine.unread import EXPRESSION, refuse_language, refuse_unread
from processes.engine.waits import PreparedCondition


@dataclass(frozen=True, slots=True)
class ConditionalEventDefinition(EventDefinition):
    tag: ClassVar[str] = "conditionalEventDefinition"
    roles: ClassVar[frozenset[Role]] = CATCHING | {Role.START}
    children: ClassVar[frozenset[str]] = frozenset({"condition"})
    watches: ClassVar[bool] = True
    condition: Expression = field(default_factory=lambda: Expression("=false"))

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        found = list(source.children("condition"))
        if len(found) != 1 or not found[0].text():
            source.problem("no-condition", f"Expected one condition with a text but found {len(found)}")
            return cls()
        part = found[0]
        refuse_unread(part, attributes=EXPRESSION)
        refuse_language(part, declared=source.document.root.get("expressionLanguage", "").strip())
        return cls(part.expression(part.text(), "the condition", always_feel=True))

    def prepare(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        self.condition.evaluate(variables, run.at, IncidentKind.CONDITION)
        return PreparedCondition(self.condition.text)

    def renew(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        """What is true now has to become false before it can become true again."""
        holds = self.condition.evaluate(variables, run.at, IncidentKind.CONDITION) is True
        return PreparedCondition(self.condition.text, holds)

    def start(self, element: str, at: datetime) -> Start:
        return Start(StartKind.CONDITION, element)

    def begins_with(self, variables: Mapping[str, Any], at: datetime) -> bool:
        return self.condition.evaluate(variables, at, IncidentKind.CONDITION) is True

    def holds(self, run: Run, condition: str, variables: Mapping[str, Any]) -> bool | None:
        if condition != self.condition.text:
            return None
        return self.condition.evaluate(variables, run.at, IncidentKind.CONDITION) is True
