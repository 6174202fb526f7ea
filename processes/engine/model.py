"""The nodes and flows of the static graph of a process, in the words of BPMN, and what every node can be asked.

Built once by the parser and never changed. A flow node is its definition and its behaviour in one: the hooks below
are the whole life of a node, and each file in `elements` overrides the few in which its element differs.

    gather    a token stands before the node: which tokens does it take to enter, or does it wait?
    activate  it was entered: complete, or begin to wait
    triggered something it waited for happened
    result    the work is done: what of the answer is its result
    completion  it is about to complete: what follows from it
    output    ... which variables go to the enclosing scope
    departures  ... and which sequence flows are taken
    emptied   nothing inside it is alive any more

Hooks evaluate first and emit facts last, so that a `ProcessFault` leaves the node where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from processes.engine.errors import BpmnError, IncidentKind, Problem, ProcessFault, Rejected
from processes.engine.event_definition import Armed, Escalation, Start, Thrown
from processes.engine.expression import Expression
from processes.engine.source import Source
from processes.engine.unread import IDENTITY

if TYPE_CHECKING:
    from processes.engine.machine import Run
    from processes.engine.parts import FlowNodeInstance, Timer, Token
    from processes.engine.process import Process


@dataclass(frozen=True, slots=True)
class SequenceFlow:
    """BPMN 2.0.2 section 8.4.13."""

    id: str
    source: str
    target: str
    name: str = ""
    condition: Expression | None = None
    line: int = 0


OUTERMOST = 0
"""Key of the scope that is the process itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNode:
    """BPMN 2.0.2 section 8.4.7. `scope` is the id of the sub-process around it, "" for the process."""

    tag: ClassVar[str] = ""
    global_tag: ClassVar[str] = ""
    """What it is called where it stands outside of processes, to be called by them; "": it does not."""
    attributes: ClassVar[frozenset[str]] = IDENTITY
    """BPMN attributes that it reads."""
    children: ClassVar[frozenset[str]] = frozenset()
    """BPMN children that it reads, besides those of every element."""
    begins: ClassVar[bool] = False
    """Whether the scope around it begins here."""
    throws: ClassVar[bool] = False
    """Whether it is an event that throws."""
    is_event: ClassVar[bool] = False
    """Whether it has event definitions inside."""
    extensions: ClassVar[frozenset[str]] = frozenset()
    """Extension elements that it reads."""
    camunda_attributes: ClassVar[frozenset[str]] = frozenset()
    """Attributes of Camunda 7 that it reads."""
    camunda_elements: ClassVar[frozenset[str]] = frozenset({"failedJobRetryTimeCycle"})
    """Extension elements of Camunda 7 that it reads; the retries of a node that calls nobody are never needed."""
    patient: ClassVar[bool] = False
    """Whether waiting tokens are to be offered again when something else moved in the scope."""
    weighs: ClassVar[bool] = False
    """Whether, of those, it looks at variables too."""
    lingers: ClassVar[bool] = False
    """Whether a visit that has let its tokens go may stay, and wait for others that can still arrive."""
    conditional: ClassVar[bool] = True
    """Whether its outgoing flows may have conditions."""
    encloses: ClassVar[bool] = False
    """Whether it has a scope inside."""
    cancellable: ClassVar[bool] = False
    """Whether it is a transaction."""
    joins_all: ClassVar[bool] = False
    """Whether it waits for a token over each incoming flow."""
    picks: ClassVar[bool] = False
    """Whether what is inside begins because it is picked, without a flow that leads to it."""

    id: str
    name: str = ""
    line: int = 0
    scope: str = ""
    incoming: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    default: str = ""

    @classmethod
    def read(cls, source: Source, **common: Any) -> FlowNode:
        """Read the XML element; report what is wrong with it through `source`. `common` are the fields of FlowNode."""
        return cls(**common)

    def check(self, process: Process) -> Iterable[Problem]:
        """What is wrong with it in its surroundings, once the whole process is read."""
        return ()

    @property
    def attached_to(self) -> str:
        """Id of the activity on whose border it sits."""
        return ""

    @property
    def calls(self) -> str:
        """The id of the process or global task that it calls, as far as it is known before it runs."""
        return ""

    @property
    def interrupts_host(self) -> bool:
        """Whether it takes the place of the activity on whose border it sits."""
        return False

    @property
    def breaks_off(self) -> bool:
        """Whether everything else in its scope ends where it is entered."""
        return False

    @property
    def chooses_one(self) -> bool:
        """Whether a token leaves it over one flow only."""
        return False

    @property
    def instantiates(self) -> bool:
        """Whether an event begins the process here."""
        return False

    @property
    def may_begin(self) -> bool:
        """Whether it is an event that can begin a process, by itself or behind a gateway that `instantiates`."""
        return False

    @property
    def correlates(self) -> bool:
        """Whether what begins the process there is a message, which comes with a correlation key."""
        return False

    def begun_by(self, process: Process) -> tuple[FlowNode, ...]:
        """The events that begin the process here, where it `instantiates`."""
        return (self,) if self.instantiates else ()

    def starts(self, at: datetime) -> tuple[Start, ...]:
        """What it waits for as an event that begins the process, one of which does. Raises `ProcessFault`."""
        raise AssertionError(f"{self.id} begins nothing")

    def begins_with(self, variables: Mapping[str, Any], at: datetime) -> bool:
        """Whether a condition with which it begins the process is true of these variables. Raises `ProcessFault`."""
        return False

    def start_again(self, start: Start, at: datetime) -> Start:
        """Its timer began an instance: when it fires next. Raises `ProcessFault`."""
        raise AssertionError(f"{self.id} begins nothing")

    def begin(self, run: Run, event: FlowNode, variables: Mapping[str, Any], correlation_key: str) -> None:
        """The process begins here, because of the event; the key is that of its message."""
        run.complete(run.enter(self, OUTERMOST), variables)

    @property
    def handles(self) -> bool:
        """Whether it is an event sub-process: no token reaches it, an event begins it within the scope around."""
        return False

    @property
    def own_data(self) -> Mapping[str, Any]:
        """The variables with which an event sub-process begins: its data objects and properties."""
        return {}

    @property
    def supersedes(self) -> bool:
        """Whether the event sub-process that it begins takes the place of everything else in the scope around."""
        return False

    @property
    def watches(self) -> bool:
        """Whether it waits for a condition to become true."""
        return False

    @property
    def undoes(self) -> bool:
        """Whether it begins an event sub-process for compensation."""
        return False

    @property
    def is_repeated(self) -> bool:
        """Whether it is an activity that is done more than once."""
        return False

    @property
    def stands_by(self) -> bool:
        """Whether it is an activity for compensation: no token reaches it."""
        return False

    @property
    def undoing(self) -> str:
        """Of a compensation event on a border: the id of the activity that undoes its host."""
        return ""

    def undone(self, run: Run, visit: FlowNodeInstance) -> None:
        """What a visit had undone is undone. A sub-process was opened again for it, and may close."""
        run.emptied(visit.key)

    def holds(self, run: Run, condition: str, variables: Mapping[str, Any]) -> bool:
        """Whether a condition for which it waits is true now. Raises `ProcessFault`."""
        raise AssertionError(f"{self.id} waits for no condition")

    @property
    def needs_all(self) -> bool:
        """Whether it is triggered when everything that it waits for has happened, not when the first has."""
        return False

    @property
    def kind(self) -> tuple[str, ...]:
        """What a visit to it can be carried over to in another process: elements of the same kind."""
        return (self.tag,)

    def awaited(self, process: Process) -> tuple[FlowNode, ...]:
        """The events for which a visit to it waits, besides those on its border."""
        return ()

    def rebind(self, run: Run, visit: FlowNodeInstance) -> tuple[str, Mapping[str, str]] | None:
        """Type and headers of the job of a visit that began in another process, None: it has none.
        Raises `ProcessFault`."""
        return None

    def open(
        self, run: Run, variables: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Callable[[FlowNodeInstance], None]]:
        """What is inside is to be entered from outside: evaluate its local variables; what is returned with them makes
        a visit active, without anything inside. Raises `ProcessFault`."""
        raise AssertionError(f"{self.id} encloses nothing")

    def gather(self, run: Run, token: Token) -> tuple[Token, ...] | None:
        """The tokens that it takes to be entered, or None: it cannot be entered yet. Raises `ProcessFault`."""
        return (token,)

    def took(self, run: Run, visit: FlowNodeInstance, tokens: tuple[Token, ...]) -> None:
        """It was entered with these tokens: note what it has to know of them."""

    def lapses(self, run: Run, visit: FlowNodeInstance) -> bool:
        """Whether a visit that `lingers` has nothing to wait for any more."""
        return False

    def activate(self, run: Run, visit: FlowNodeInstance) -> None:
        run.complete(visit)

    def triggered(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> None:
        """What it waits for happened; `visit` is the one that waited: its own, or one that waited on its behalf."""
        if visit.element == self.id:
            run.complete(visit, variables)
        else:
            run.process.nodes[visit.element].chosen(run, visit, self, variables)

    def chosen(self, run: Run, visit: FlowNodeInstance, event: FlowNode, variables: Mapping[str, Any]) -> None:
        """An event for which this node waited on behalf of others was triggered."""
        raise AssertionError(f"{self.id} waits for nobody")

    def wait_for(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        """What another node has to wait for on its behalf: as boundary event, or behind an event-based gateway.
        Raises `ProcessFault`."""
        return None

    def again(self, run: Run, visit: FlowNodeInstance, timer: Timer) -> None:
        """A repeating timer of it fired: schedule the next firing. Raises `ProcessFault`."""

    def renew(self, run: Run, visit: FlowNodeInstance) -> None:
        """Everything that it needs has happened, and it was triggered: wait for all of it anew, unless once is enough.
        Raises `ProcessFault`."""

    def catches(self, thrown: Thrown) -> int:
        """How well it catches what was thrown, see `EventDefinition.catches`; if at all, it is `triggered` by it."""
        return 0

    def told(self, thrown: BpmnError | Escalation) -> Mapping[str, Any]:
        """The variables with which what it catches triggers it."""
        return thrown.variables

    def resume(self, run: Run, visit: FlowNodeInstance, retries: int | None) -> None:
        """An incident of an active visit was resolved: go on from there."""

    def failed(self, run: Run, visit: FlowNodeInstance, message: str) -> BpmnError | None:
        """Its job failed: the business error that the model makes of it."""
        return None

    def result(self, run: Run, visit: FlowNodeInstance, response: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of the answer is its result. Raises `ProcessFault`, or `BpmnError` where the model makes one of it."""
        return response

    def completion(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Callable[[], None]:
        """Evaluate what follows from its result; what is returned makes it happen. Raises `ProcessFault`."""
        return run.going_on(visit, self.output(run, visit, result))

    def inner_completes(
        self, run: Run, visit: FlowNodeInstance, inner: FlowNodeInstance, variables: Mapping[str, Any]
    ) -> Callable[[], None] | None:
        """A visit inside is about to complete; what happens once it has left, None: nothing. Raises `ProcessFault`."""
        return None

    def pick(self, run: Run, visit: FlowNodeInstance, ids: Sequence[str]) -> None:
        """Somebody picked what is to be performed inside. Raises `Rejected`."""
        raise Rejected("not-ad-hoc", f"Expected an ad-hoc sub-process but found {self.tag} '{self.id}'")

    def emptied(self, run: Run, visit: FlowNodeInstance) -> None:
        """Everything inside it has ended."""
        run.complete(visit)

    def output(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """The variables that go to the enclosing scope. Raises `ProcessFault`."""
        return result

    def departures(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> tuple[SequenceFlow, ...]:
        """The flows that are taken, BPMN 2.0.2 section 13.2.1: every one without a condition, those whose condition
        holds, and the default flow where none does. Raises `ProcessFault`."""
        flows = run.process.departing[self.id]
        if self.default == "" and all(flow.condition is None for flow in flows):
            return flows
        taken = []
        one_holds = False
        for flow in flows:
            if flow.id == self.default:
                continue
            if flow.condition is None:
                taken.append(flow)
            elif run.holds(flow, variables):
                one_holds = True
                taken.append(flow)
        if not one_holds and self.default:
            taken.append(run.process.flows[self.default])
        if not taken:
            raise nothing_holds(self)
        return tuple(taken)


def nothing_holds(node: FlowNode) -> ProcessFault:
    return ProcessFault(
        IncidentKind.CONDITION,
        f"Expected the condition of a flow leaving '{node.id}' to be true, or a default flow, but found neither",
    )


def nothing_to_wait_for(node: FlowNode) -> ProcessFault:
    return ProcessFault(
        IncidentKind.EXPRESSION, f"Expected '{node.id}' to wait for something but found a timer that never fires"
    )
