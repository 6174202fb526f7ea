"""Event definitions: what triggers an event, or what it throws, and how they are read.

Built once by the parser and never changed. As with flow nodes, a definition is its XML and its behaviour in one: each
file in `elements` overrides the few hooks in which its kind of event differs. What waits is evaluated first, `Armed`,
and emitted last; what is `Thrown` looks for a catcher; and an event that begins an instance is a `Start`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

from processes.engine.errors import BpmnError, Problem
from processes.engine.expression import Expression
from processes.engine.source import Source
from processes.engine.unread import IDENTITY, refuse_unread

if TYPE_CHECKING:
    from processes.engine.machine import Run
    from processes.engine.model import FlowNode
    from processes.engine.parts import FlowNodeInstance, Timer
    from processes.engine.process import Process


class StartKind(StrEnum):
    """What begins an instance, beside a caller."""

    MESSAGE = "MESSAGE"
    SIGNAL = "SIGNAL"
    TIMER = "TIMER"
    CONDITION = "CONDITION"


@dataclass(frozen=True, slots=True)
class Start:
    """What begins an instance at an event, as evaluated without variables when its process is deployed. `name` is that
    of the message or signal; `due_at` when the timer fires, None where it fires no more, and `repetitions` how often
    after that, -1: without end."""

    kind: StartKind
    element: str
    name: str = ""
    due_at: datetime | None = None
    repetitions: int = 0


class Armed:
    """A wait whose values are all evaluated: to emit it cannot fail any more."""

    def arm(self, run: Run, visit: FlowNodeInstance, element: str) -> None:
        raise NotImplementedError


class Role(StrEnum):
    """Where an event stands, which decides what it may wait for or throw, BPMN 2.0.2 table 10.93."""

    START = "start event"
    HANDLER = "start event of an event sub-process"
    CATCH = "intermediate catch event"
    BOUNDARY = "boundary event"
    THROW = "intermediate throw event"
    END = "end event"


CATCHING = frozenset({Role.HANDLER, Role.CATCH, Role.BOUNDARY})


THROWING = frozenset({Role.THROW, Role.END})


@dataclass(frozen=True, slots=True)
class Escalation:
    """What an escalation event throws, BPMN 2.0.2 section 10.5.6: nobody has to catch it."""

    code: str
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What a cancel event throws, once everything in its transaction is undone, BPMN 2.0.2 section 13.5.6."""


Thrown = BpmnError | Escalation | Cancellation
"""What is looked for a catcher for, from the visit that throws it outwards."""


Throw = Callable[[], None]
"""Throws what was evaluated before."""


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """What triggers an event or what it throws, BPMN 2.0.2 section 10.5."""

    tag: ClassVar[str] = ""
    roles: ClassVar[frozenset[Role]] = frozenset()
    """Where it is executed."""
    attributes: ClassVar[frozenset[str]] = IDENTITY
    """BPMN attributes that it reads."""
    camunda_attributes: ClassVar[frozenset[str]] = frozenset()
    """Attributes of Camunda 7 that it reads where it catches."""
    camunda_elements: ClassVar[frozenset[str]] = frozenset()
    """Extension elements of Camunda 7 that it reads where it throws."""
    children: ClassVar[frozenset[str]] = frozenset()
    """BPMN children that it reads."""
    watches: ClassVar[bool] = False
    """Whether it is a condition that is watched."""
    always_interrupts: ClassVar[bool] = False
    breaks_off: ClassVar[bool] = False
    """Whether everything else in the scope ends where it is thrown."""
    deliverable: ClassVar[bool] = False
    """Whether what it throws can be given away as a job."""
    rank: ClassVar[int] = 0
    """Of several definitions of one event, those with lower ranks throw first; what may end the event comes last."""
    armed: ClassVar[bool] = True
    """Whether it waits, where it is caught, for something that is armed; else it is looked for when it is thrown."""
    carries: ClassVar[bool] = False
    """Whether what it throws takes along what an input mapping of the event says."""
    correlates: ClassVar[bool] = False
    """Whether what it waits for comes with a correlation key."""
    undoes: ClassVar[bool] = False
    """Whether it is compensation: not waited for, but to be run for what is completed."""
    passes: ClassVar[bool] = False
    """Whether a token that reaches it, where it is caught, goes on at once."""

    @classmethod
    def connects(cls, source: Source) -> str:
        """The name under which a throwing event of this kind leads to a catching one, "" where it does not."""
        return ""

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        return cls()

    def check(self, process: Process, event: FlowNode) -> Iterable[Problem]:
        """What is wrong with it in its surroundings."""
        return ()

    @property
    def repeats(self) -> bool:
        """Whether it is a timer that fires again."""
        return False

    @property
    def recurs(self) -> bool:
        """Whether what it waits for can happen again, and not only once."""
        return True

    def prepare(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        """Evaluate what a catching event waits for; None where it waits for nothing that can be armed."""
        return None

    def renew(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        """As `prepare`, where it has happened before and is to happen anew."""
        return self.prepare(run, variables)

    @property
    def schedules(self) -> bool:
        """Whether it waits for a moment."""
        return False

    def again(self, run: Run, visit: FlowNodeInstance, timer: Timer) -> None:
        """A repeating timer fired: schedule the next firing. Raises `ProcessFault`."""

    def start(self, element: str, at: datetime) -> Start:
        """What begins an instance at the event `element`. Raises `ProcessFault`."""
        raise AssertionError(f"{self.tag} begins nothing")

    def begins_with(self, variables: Mapping[str, Any], at: datetime) -> bool:
        """Whether a condition that begins an instance is true of these variables. Raises `ProcessFault`."""
        return False

    def start_again(self, start: Start, at: datetime) -> Start:
        """The timer of a start fired: when it fires next. Raises `ProcessFault`."""
        return replace(start, due_at=None)

    def holds(self, run: Run, condition: str, variables: Mapping[str, Any]) -> bool | None:
        """Whether this condition is true now, None where it is another one. Raises `ProcessFault`."""
        return None

    def catches(self, thrown: Thrown) -> int:
        """How well it catches what was thrown: 0 not at all, 1 as one of all, 2 by its code."""
        return 0

    def told(self, thrown: BpmnError | Escalation) -> Mapping[str, Any]:
        """The variables that it makes of what it catches, beside those that came with it."""
        return {}

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        """Evaluate what a throwing event throws; the work throws it. The event completes afterwards, unless it waits or
        is over by then. Raises `ProcessFault`."""
        return lambda: None

    def undone(self, run: Run, visit: FlowNodeInstance) -> None:
        """What it had to wait for is undone."""
        run.complete(visit)


def read_event_definitions(source: Source, role: Role, *, required: bool = False) -> tuple[EventDefinition, ...]:
    """The event definitions of an event; a problem where one is not executed there."""
    found = event_definitions(source)
    if not found and required:
        source.problem("no-event-definition", "Expected an event to wait for but found none")
    definitions: list[EventDefinition] = []
    for part in found:
        kind = source.document.event_definitions.get(part.tag)
        if kind is None or role not in kind.roles:
            part.problem("not-executable", f"Expected an event that is executed but found {source.tag} with {part.tag}")
            continue
        camunda = kind.camunda_attributes if role in CATCHING else frozenset()
        refuse_unread(
            part,
            attributes=kind.attributes,
            children=kind.children,
            camunda_attributes=camunda,
            camunda_elements=kind.camunda_elements if role in THROWING else frozenset(),
        )
        definition = kind.read(part, role)
        if definition in definitions:
            part.problem("event-twice", f"Expected every {part.tag} of an event once but found the same again")
        definitions.append(definition)
    return tuple(definitions)


def read_code(source: Source, tag: str, *, catches: bool) -> Expression:
    """The code of the error or escalation that a definition names, "" where it names none; where it is caught it has to
    be literal."""
    named = source.reference(f"{tag}Ref", tag)
    if named is None:
        if not catches and not source.get(f"{tag}Ref"):
            source.problem(f"no-{tag}", f"Expected {tag}Ref to name the {tag} that is thrown but found none")
        return Expression("")
    words = frozenset({"errorMessage"}) if tag == "error" else frozenset()
    refuse_unread(named, attributes=IDENTITY | {f"{tag}Code", "structureRef"}, camunda_attributes=words)
    code = named.get(f"{tag}Code").strip()
    if not code:
        named.problem(f"no-{tag}-code", f"Expected the {tag} to have an {tag}Code but found none")
    if catches and code.startswith("="):
        named.problem(
            "not-executable", f"Expected a literal {tag}Code where it is caught but found the expression '{code}'"
        )
        return Expression(code)
    return named.expression(code, f"the {tag}Code")


def event_definitions(source: Source) -> list[Source]:
    """What an event waits for or throws."""
    return [part for part in source.children() if part.tag.endswith("EventDefinition")]
