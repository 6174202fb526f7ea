"""What happened, in the past tense, never refused. The only way in which an instance changes, and its history.

A fact speaks of parts by their keys. When a flow node instance ends, its job, timers, subscriptions, incidents and
the tokens inside its scope end with it; no fact says so again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from processes.engine.errors import IncidentKind


@dataclass(frozen=True, slots=True)
class InstanceStarted:
    """`called`: another instance waits for its end."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    called: bool = False


@dataclass(frozen=True, slots=True)
class FlowTaken:
    """A token was put on a sequence flow."""

    flow: str
    scope: int
    token: int


@dataclass(frozen=True, slots=True)
class TokenWithdrawn:
    """A token was taken off its flow because its scope is being terminated."""

    token: int


@dataclass(frozen=True, slots=True)
class NodeEntered:
    """A flow node was entered; it took these tokens from its incoming flows. READY."""

    node: int
    element: str
    scope: int
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowsJoined:
    """A gateway took a token over each of these flows, and not over all that lead into it."""

    node: int
    flows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeActivated:
    """The node works or waits; `variables` are its local inputs. ACTIVE."""

    node: int
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeCompleting:
    """The work is done but cannot be taken over yet; the response is kept for another try. COMPLETING."""

    node: int
    response: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = False


@dataclass(frozen=True, slots=True)
class RoundsPlanned:
    """An activity is to be done `size` times; `items` are what its rounds, one after the other, will be given."""

    node: int
    size: int
    items: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class RoundBegan:
    """A node was entered as one round of an activity that is repeated, with these local variables; `position` counts
    from 1. `given` are those among them that the inputs of the activity will hide."""

    node: int
    position: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputCollected:
    """What a round that is about to complete gives to the output collection."""

    node: int
    output: Any


@dataclass(frozen=True, slots=True)
class AdHocPlanned:
    """What an ad-hoc sub-process has yet to perform; `over`: its completion condition held, what is active may end."""

    node: int
    queue: tuple[str, ...] = ()
    over: bool = False


@dataclass(frozen=True, slots=True)
class NodeCompleted:
    node: int


@dataclass(frozen=True, slots=True)
class NodeTerminated:
    node: int


@dataclass(frozen=True, slots=True)
class VariablesSet:
    """Variables were merged into a scope: 0 is the process, any other a flow node instance."""

    scope: int
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobCreated:
    job: int
    node: int
    type: str
    headers: Mapping[str, str]
    retries: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class JobCompleted:
    job: int
    attempt: int


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A try failed. `due_at` is the next one, None: parked until an incident is resolved."""

    job: int
    attempt: int
    retries: int
    due_at: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class JobErrorThrown:
    """A try ended in a business error; the job is parked until it is clear who catches it."""

    job: int
    attempt: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class JobResumed:
    """A parked job is due again, with inputs evaluated anew."""

    job: int
    type: str
    headers: Mapping[str, str]
    retries: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ProcessCalled:
    """Another process was asked to run. `business_key` None: that of the caller. For `binding` and `version` see
    `parts.Binding`."""

    call: int
    node: int
    process: str
    binding: str
    version: str
    variables: Mapping[str, Any]
    business_key: str | None = None


@dataclass(frozen=True, slots=True)
class CallCompleted:
    call: int


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The called process will not complete any more."""

    call: int
    message: str


@dataclass(frozen=True, slots=True)
class TimerScheduled:
    """`repetitions` counts the firings after this one, -1: without end."""

    timer: int
    node: int
    element: str
    due_at: datetime
    repetitions: int = 0


@dataclass(frozen=True, slots=True)
class TimerFired:
    timer: int


@dataclass(frozen=True, slots=True)
class MessageAwaited:
    subscription: int
    node: int
    element: str
    name: str
    correlation_key: str


@dataclass(frozen=True, slots=True)
class MessageCorrelated:
    """A message reached a subscription, which stays open."""

    subscription: int
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageThrown:
    """A message left for whoever waits for it."""

    node: int
    name: str
    correlation_key: str
    variables: Mapping[str, Any]
    message_id: str = ""
    time_to_live: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DecisionEvaluated:
    """A decision came to its result; `decisions` are all that it took, in order, with inputs, rules that matched and
    results, `warnings` why something was null."""

    node: int
    decision: str
    version: int
    decisions: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SignalAwaited:
    subscription: int
    node: int
    element: str
    name: str


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """A signal reached a subscription, which stays open."""

    subscription: int
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SignalThrown:
    """A signal left for all who wait for it at this moment; in this instance those with keys up to `reach`."""

    node: int
    name: str
    variables: Mapping[str, Any]
    reach: int


@dataclass(frozen=True, slots=True)
class ConditionAwaited:
    """A condition, FEEL without ``=``, is watched from now on."""

    condition: int
    node: int
    element: str
    expression: str


@dataclass(frozen=True, slots=True)
class ConditionChanged:
    """A condition became true, or false again."""

    condition: int
    satisfied: bool


@dataclass(frozen=True, slots=True)
class WaitsWithdrawn:
    """A node, or 0 for the process, waits for these no longer, though it lives on."""

    node: int
    waits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EscalationThrown:
    """An escalation was thrown; `catcher` is the event that catches it, "" where nobody does, which is no harm."""

    node: int
    code: str
    catcher: str


@dataclass(frozen=True, slots=True)
class CompensationRegistered:
    """A visit is about to complete that can be undone; `node` is the scope around it, 0: the process."""

    compensation: int
    node: int
    element: str
    visit: int
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CompensationThrown:
    """These are to be undone in a scope, the latest first, on behalf of the visit that threw."""

    node: int
    scope: int
    compensations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CompensationStarted:
    """A visit, `handler`, undoes it."""

    compensation: int
    handler: int


@dataclass(frozen=True, slots=True)
class Compensated:
    """It is undone, and what was inside it can be undone no more."""

    compensation: int


@dataclass(frozen=True, slots=True)
class ErrorThrown:
    """A business error was thrown; `catcher` is the event that catches it, "" where nobody does."""

    node: int
    code: str
    message: str
    catcher: str


@dataclass(frozen=True, slots=True)
class ErrorEscaped:
    """Nobody in a called process catches the error: it goes on to who called, and the instance ends."""

    node: int
    code: str
    message: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IncidentRaised:
    incident: int
    node: int
    kind: IncidentKind
    message: str


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    incident: int


@dataclass(frozen=True, slots=True)
class InstanceRestarted:
    """This instance began in the place of another one that ended."""

    instance: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstanceModified:
    """An operator moved tokens; which ones, the facts that follow say."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstanceMigrated:
    """From now on another process is run; which parts have other names or values there, the facts that follow say.
    `source` is the definition before, 0 in histories that did not keep it."""

    process: str
    definition: int
    reason: str = ""
    source: int = 0


@dataclass(frozen=True, slots=True)
class NodeMigrated:
    """A live visit is one to that element from now on."""

    node: int
    element: str


@dataclass(frozen=True, slots=True)
class TokenMigrated:
    token: int
    flow: str


@dataclass(frozen=True, slots=True)
class JobMigrated:
    """A job has another type or other headers; its tries, and who works on it, stay."""

    job: int
    type: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WaitMigrated:
    """What is waited for triggers that element from now on; or what can be undone is that element."""

    wait: int
    element: str


@dataclass(frozen=True, slots=True)
class InstanceSuspended:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstanceResumed:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InstanceCompleted:
    pass


@dataclass(frozen=True, slots=True)
class InstanceTerminated:
    reason: str = ""


Fact = (
    InstanceStarted
    | FlowTaken
    | TokenWithdrawn
    | NodeEntered
    | FlowsJoined
    | NodeActivated
    | NodeCompleting
    | RoundsPlanned
    | RoundBegan
    | OutputCollected
    | AdHocPlanned
    | NodeCompleted
    | NodeTerminated
    | VariablesSet
    | JobCreated
    | JobCompleted
    | JobFailed
    | JobErrorThrown
    | JobResumed
    | ProcessCalled
    | CallCompleted
    | CallFailed
    | TimerScheduled
    | TimerFired
    | MessageAwaited
    | MessageCorrelated
    | MessageThrown
    | DecisionEvaluated
    | SignalAwaited
    | SignalReceived
    | SignalThrown
    | ConditionAwaited
    | ConditionChanged
    | WaitsWithdrawn
    | EscalationThrown
    | CompensationRegistered
    | CompensationThrown
    | CompensationStarted
    | Compensated
    | ErrorThrown
    | ErrorEscaped
    | IncidentRaised
    | IncidentResolved
    | InstanceRestarted
    | InstanceModified
    | InstanceMigrated
    | NodeMigrated
    | TokenMigrated
    | JobMigrated
    | WaitMigrated
    | InstanceSuspended
    | InstanceResumed
    | InstanceCompleted
    | InstanceTerminated
)

_FIELDS: dict[type, tuple[str, ...]] = {kind: tuple(field.name for field in fields(kind)) for kind in Fact.__args__}
_KINDS: dict[str, type] = {kind.__name__: kind for kind in Fact.__args__}
_READERS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "timedelta": lambda seconds: timedelta(seconds=float(seconds)),
    "IncidentKind": IncidentKind,
    "tuple": tuple,
}
"""How values are read that JSON does not have, by the word that their type begins with."""
_READ: dict[str, dict[str, Any]] = {
    name: {
        field.name: reader for field in fields(kind) if (reader := _READERS.get(re.split(r"\W", str(field.type))[0]))
    }
    for name, kind in _KINDS.items()
}


def to_json(fact: Fact) -> dict[str, Any]:
    """A fact as a JSON object whose ``fact`` is its name; moments are ISO 8601, time spans are seconds."""
    kind = type(fact)
    document: dict[str, Any] = {"fact": kind.__name__}
    for name in _FIELDS[kind]:
        value = getattr(fact, name)
        if isinstance(value, datetime):
            value = value.isoformat()
        elif isinstance(value, timedelta):
            value = value.total_seconds()
        document[name] = value
    return document


def from_json(document: Mapping[str, Any]) -> Fact:
    """The fact that `to_json` wrote. Raises `ValueError` for one that is not known here, or that lacks something:
    histories outlive versions."""
    values = dict(document)
    name = str(values.pop("fact", ""))
    try:
        readers = _READ[name]
        given = {
            key: readers[key](value) if key in readers and value is not None else value for key, value in values.items()
        }
        fact: Fact = _KINDS[name](**given)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Expected a fact of this version but found {name or 'none'}: {error}") from None
    return fact
