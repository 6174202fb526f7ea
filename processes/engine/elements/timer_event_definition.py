"""Timer event definition, BPMN 2.0.2 section 10.5.5: a date, a duration, or a cycle, as ISO 8601 texts or FEEL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self

from processes.engine import facts as f
from processes.engine import schedule
from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.event_definition import CATCHING, Armed, EventDefinition, Role, Start, StartKind
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance, Timer
from processes.engine.source import Source
from processes.engine.unread import EXPRESSION, refuse_language, refuse_unread
from processes.engine.waits import PreparedTimer

KINDS = ("timeDate", "timeDuration", "timeCycle")


@dataclass(frozen=True, slots=True)
class TimerEventDefinition(EventDefinition):
    tag: ClassVar[str] = "timerEventDefinition"
    roles: ClassVar[frozenset[Role]] = CATCHING | {Role.START}
    children: ClassVar[frozenset[str]] = frozenset(KINDS)
    kind: str = "timeDuration"
    value: Expression = field(default_factory=lambda: Expression("PT0S"))

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        found = list(source.children(*KINDS))
        if len(found) != 1:
            source.problem("bad-timer", f"Expected one of {', '.join(KINDS)} but found {len(found)}")
            return cls()
        part = found[0]
        refuse_unread(part, attributes=EXPRESSION)
        refuse_language(part)
        value = part.expression(part.text(), part.tag)
        if value.code is None and not value.text.lstrip().startswith(("=", "${", "#{")):
            try:
                _PARSE[part.tag](value.text.strip())
            except ValueError as error:
                part.problem("bad-timer", str(error))
        return cls(part.tag, value)

    @property
    def schedules(self) -> bool:
        return True

    @property
    def repeats(self) -> bool:
        return self.kind == "timeCycle"

    @property
    def recurs(self) -> bool:
        return self.repeats

    def prepare(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        return self._first(variables, run.at)

    def _first(self, variables: Mapping[str, Any], at: datetime) -> PreparedTimer | None:
        text = self.value.text_of(variables, at, self.kind, IncidentKind.EXPRESSION).strip()
        try:
            if self.kind == "timeDate":
                return PreparedTimer(schedule.moment(text))
            if self.kind == "timeDuration":
                return PreparedTimer(schedule.duration(text).after(at))
            cycle = schedule.cycle(text)
            if cycle.repetitions == 0:
                return None
            return PreparedTimer(cycle.first(at), max(cycle.repetitions - 1, -1))
        except ValueError as error:
            raise ProcessFault(IncidentKind.EXPRESSION, str(error)) from None

    def again(self, run: Run, visit: FlowNodeInstance, timer: Timer) -> None:
        if not self.repeats:
            return
        due_at, left = self._next(run.visible(visit.key), timer.due_at, timer.repetitions, run.at)
        run.emit(f.TimerScheduled(run.next_key(), visit.key, timer.element, due_at, left))

    def _next(
        self, variables: Mapping[str, Any], due_at: datetime, repetitions: int, at: datetime
    ) -> tuple[datetime, int]:
        """The firing after one that was due, and how many are left after that."""
        text = self.value.text_of(variables, at, self.kind, IncidentKind.EXPRESSION)
        try:
            following = schedule.cycle(text).again(due_at, at)
        except ValueError as error:
            raise ProcessFault(IncidentKind.EXPRESSION, str(error)) from None
        return following, max(repetitions - 1, -1) if repetitions > 0 else -1

    def start(self, element: str, at: datetime) -> Start:
        first = self._first({}, at)
        if first is None:
            return Start(StartKind.TIMER, element)
        return Start(StartKind.TIMER, element, due_at=first.due_at, repetitions=first.repetitions)

    def start_again(self, start: Start, at: datetime) -> Start:
        if not start.repetitions or start.due_at is None:
            return replace(start, due_at=None)
        due_at, left = self._next({}, start.due_at, start.repetitions, at)
        return replace(start, due_at=due_at, repetitions=left)


_PARSE = {"timeDate": schedule.moment, "timeDuration": schedule.duration, "timeCycle": schedule.cycle}
