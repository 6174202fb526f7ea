"""What can be asked of an instance: imperative, and it may be rejected.

Commands are values. Keys name parts of the instance; `attempt` fences out late outcomes of superseded tries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from processes.engine.errors import IncidentKind
from processes.engine.process import Process


@dataclass(frozen=True, slots=True)
class StartInstance:
    """Enter the process at its none start event, or where `element`, an event that happened, begins it: then the
    variables are what it brought, and `correlation_key` is that of its message. `called` says that another instance
    waits for its end."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    element: str = ""
    called: bool = False
    correlation_key: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """End one visit, by its key, or all visits to an element and the tokens that wait before it."""

    node: int = 0
    element: str = ""


@dataclass(frozen=True, slots=True)
class StartBefore:
    """Start an element as if a token had reached it.

    `scope` is the key of a live visit around it, 0: the process; what is between the two is entered anew. None: the
    scopes that are alive. `variables` are set in the process, `local` in the scope in which the element is.
    """

    element: str
    scope: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StartInstanceAt:
    """Begin before elements of the process, without any at its start event; in the place of the instance `restarted`
    that ended, 0: of none."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    start: tuple[StartBefore, ...] = ()
    restarted: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModifyInstance:
    """Move tokens: end these visits, start those elements."""

    cancel: tuple[Cancel, ...] = ()
    start: tuple[StartBefore, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MigrateInstance:
    """Go on in another process. `mapping` names its elements and flows by those of the present one; `definition` is
    what the runtime calls it, and `source` the present one. `update_waits`: what is waited for is evaluated anew
    instead of kept."""

    target: Process
    mapping: Mapping[str, str]
    definition: int = 0
    update_waits: bool = False
    reason: str = ""
    source: int = 0


@dataclass(frozen=True, slots=True)
class CompleteJob:
    """The work is done. `variables` is the answer; `plain` says that no `resultExpression` is to be applied to it."""

    job: int
    attempt: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = False


@dataclass(frozen=True, slots=True)
class FailJob:
    """The work could not be done.

    `retries` is how many tries are left, None: one fewer than before. `retry_in` overrides the policy's backoff.
    """

    job: int
    attempt: int
    message: str
    retries: int | None = None
    retry_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ExpireJob:
    """The time for tries of a job is over while it waits for the next one. `message` says what it waited for."""

    job: int
    message: str


@dataclass(frozen=True, slots=True)
class ThrowError:
    """The work ended in a business error, to be caught by a boundary event with this code."""

    job: int
    attempt: int
    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompleteCall:
    """The called process has completed, with these variables."""

    call: int
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailCall:
    """The called process could not be started, or was ended by somebody: an incident."""

    call: int
    message: str


@dataclass(frozen=True, slots=True)
class ThrowCallError:
    """The called process ended in a business error that nobody in it catches."""

    call: int
    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FireTimer:
    timer: int


@dataclass(frozen=True, slots=True)
class CorrelateMessage:
    """Hand a message to a subscription."""

    subscription: int
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReceiveSignal:
    """Hand a signal to a subscription."""

    subscription: int
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetVariables:
    """Merge variables into a scope: 0 is the process, any other the key of a live flow node instance."""

    variables: Mapping[str, Any]
    scope: int = 0


@dataclass(frozen=True, slots=True)
class ResolveIncident:
    """Try again from exactly where the incident stands. `retries` None: as many as the model says."""

    incident: int
    retries: int | None = None


@dataclass(frozen=True, slots=True)
class RaiseIncident:
    """Park a flow node instance, 0: the process, on behalf of the runtime, after a bug of ours was rolled back."""

    node: int
    message: str
    kind: IncidentKind = IncidentKind.INTERNAL


@dataclass(frozen=True, slots=True)
class ActivateAdHoc:
    """Pick elements inside a visit to an ad-hoc sub-process, to be performed now or, one after the other, in turn."""

    node: int
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SkipVisit:
    """End a visit undone and go on behind it. `variables` go to the scope around, in place of what it would have
    given."""

    node: int
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelInstance:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SuspendInstance:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResumeInstance:
    reason: str = ""


Command = (
    StartInstance
    | StartInstanceAt
    | ModifyInstance
    | MigrateInstance
    | CompleteJob
    | FailJob
    | ExpireJob
    | ThrowError
    | CompleteCall
    | FailCall
    | ThrowCallError
    | FireTimer
    | CorrelateMessage
    | ReceiveSignal
    | SetVariables
    | ResolveIncident
    | RaiseIncident
    | ActivateAdHoc
    | SkipVisit
    | CancelInstance
    | SuspendInstance
    | ResumeInstance
)
