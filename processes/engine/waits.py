"""Timers, messages, signals, conditions: how what a model says becomes something that can be waited for.

Evaluated first, armed afterwards: whatever is `Prepared…` holds plain values, so arming cannot fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from processes.engine import facts as f
from processes.engine import schedule
from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.event_definition import Armed, Start, StartKind
from processes.engine.expression import Expression
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source
from processes.engine.unread import IDENTITY, refuse_unread

if TYPE_CHECKING:
    from processes.engine.machine import Run


@dataclass(frozen=True, slots=True)
class PreparedTimer(Armed):
    due_at: datetime
    repetitions: int = 0

    def arm(self, run: Run, visit: FlowNodeInstance, element: str) -> None:
        run.emit(f.TimerScheduled(run.next_key(), visit.key, element, self.due_at, self.repetitions))


@dataclass(frozen=True, slots=True)
class PreparedMessage(Armed):
    name: str
    correlation_key: str

    def arm(self, run: Run, visit: FlowNodeInstance, element: str) -> None:
        run.emit(f.MessageAwaited(run.next_key(), visit.key, element, self.name, self.correlation_key))


@dataclass(frozen=True, slots=True)
class PreparedSignal(Armed):
    name: str

    def arm(self, run: Run, visit: FlowNodeInstance, element: str) -> None:
        run.emit(f.SignalAwaited(run.next_key(), visit.key, element, self.name))


@dataclass(frozen=True, slots=True)
class PreparedCondition(Armed):
    expression: str
    satisfied: bool = False
    """Whether it is true already, and has to become true again."""

    def arm(self, run: Run, visit: FlowNodeInstance, element: str) -> None:
        key = run.next_key()
        run.emit(f.ConditionAwaited(key, visit.key, element, self.expression))
        if self.satisfied:
            run.emit(f.ConditionChanged(key, True))


@dataclass(frozen=True, slots=True)
class PreparedAll(Armed):
    """The waits of an event with several definitions."""

    waits: tuple[Armed, ...]

    def arm(self, run: Run, visit: FlowNodeInstance, element: str) -> None:
        for wait in self.waits:
            wait.arm(run, visit, element)


@dataclass(frozen=True, slots=True)
class MessageReference:
    """The ``bpmn:message`` that an event or task names, BPMN 2.0.2 section 8.4.11, with its correlation key."""

    name: Expression
    correlation_key: Expression | None = None

    @classmethod
    def read(cls, source: Source) -> MessageReference:
        """Follow the ``messageRef`` of an element; a problem where it names no message."""
        if not source.get("messageRef"):
            source.problem("no-message", "Expected messageRef to name a message but found none")
            return cls(Expression(""))
        message = source.reference("messageRef", "message")
        if message is None:
            return cls(Expression(""))
        refuse_unread(message, attributes=IDENTITY | {"itemRef"}, extensions=frozenset({"subscription"}))
        name = message.get("name")
        if not name.strip():
            message.problem("no-message-name", "Expected the message to have a name but found none")
        subscription = message.extension("subscription")
        key = subscription.get("correlationKey") if subscription is not None else ""
        return cls(
            message.expression(name, "the name of the message"),
            message.expression(key, "the correlation key") if key else None,
        )

    def start(self, element: str, at: datetime) -> Start:
        """As what begins a process: the name only, whatever the correlation key. Raises `ProcessFault`."""
        name = self.name.text_of({}, at, "the name of the message", IncidentKind.EXPRESSION)
        return Start(StartKind.MESSAGE, element, name)

    def awaited(self, run: Run, variables: Mapping[str, Any]) -> PreparedMessage:
        """Name and key to wait for. Raises `ProcessFault`."""
        kind = IncidentKind.EXPRESSION
        name = self.name.text_of(variables, run.at, "the name of the message", kind)
        if self.correlation_key is None:
            return PreparedMessage(name, "")
        return PreparedMessage(name, self.correlation_key.text_of(variables, run.at, "the correlation key", kind))


@dataclass(frozen=True, slots=True)
class Publication:
    """What a throwing event or a send task says about the message that it publishes (``zeebe:publishMessage``)."""

    message: MessageReference
    correlation_key: Expression | None = None
    message_id: Expression | None = None
    time_to_live: Expression | None = None

    @classmethod
    def read(cls, source: Source, message: MessageReference) -> Publication:
        """`source` is the event or task; without a ``publishMessage`` the key of the message's subscription holds."""
        extension = source.extension("publishMessage")
        if extension is None:
            return cls(message, message.correlation_key)

        def expression(name: str, what: str) -> Expression | None:
            text = extension.get(name)
            return extension.expression(text, what) if text else None

        return cls(
            message,
            expression("correlationKey", "the correlation key") or message.correlation_key,
            expression("messageId", "the message id"),
            expression("timeToLive", "the time to live"),
        )

    def thrown(
        self, run: Run, visit: FlowNodeInstance, scope: Mapping[str, Any], payload: Mapping[str, Any]
    ) -> f.MessageThrown:
        """The fact that says so; `payload` are the variables that travel. Raises `ProcessFault`."""
        kind = IncidentKind.EXPRESSION
        ttl = None
        if self.time_to_live is not None:
            text = self.time_to_live.text_of(scope, run.at, "the time to live", kind)
            try:
                ttl = schedule.span(text)
            except ValueError as error:
                raise ProcessFault(kind, str(error)) from None
        key, id = self.correlation_key, self.message_id
        return f.MessageThrown(
            visit.key,
            self.message.name.text_of(scope, run.at, "the name of the message", kind),
            key.text_of(scope, run.at, "the correlation key", kind) if key is not None else "",
            dict(payload),
            id.text_of(scope, run.at, "the message id", kind) if id is not None else "",
            ttl,
        )
