"""The live parts of an instance: visits to nodes, tokens on flows, and what visits wait for.

A token has exactly two places to be, and no third: inside a node it *is* the `FlowNodeInstance`; on a sequence flow
whose target cannot be entered yet it is a `Token`. Everything else belongs to a visit, by its key: a job, a timer, a
subscription, a call; what can be undone; and incidents. How they change is said in `state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from processes.engine.errors import IncidentKind


class NodeState(StrEnum):
    """The life of an activity, BPMN 2.0.2 figure 13.2, as far as it is executed.

    READY --> ACTIVE --> COMPLETING --> COMPLETED
      |         |            |
      +---------+------------+--------> TERMINATED
    """

    READY = "READY"
    ACTIVE = "ACTIVE"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class JobState(StrEnum):
    """DUE: may be claimed from `due_at` on. CLAIMED: a worker holds the lease. FAILED: parked by an incident."""

    DUE = "DUE"
    CLAIMED = "CLAIMED"
    FAILED = "FAILED"


class Binding(StrEnum):
    """Which version of a called process runs.

    LATEST: the newest when it starts. DEPLOYMENT: that of the same file. VERSION: that number. VERSION_TAG: the newest
    with that tag.
    """

    LATEST = "LATEST"
    DEPLOYMENT = "DEPLOYMENT"
    VERSION = "VERSION"
    VERSION_TAG = "VERSION_TAG"


@dataclass(slots=True)
class FlowNodeInstance:
    """One visit to a flow node. `variables` are local to it.

    `result` is what it keeps for itself. While COMPLETING: ``response``, what the work gave, and ``plain``, whether the
    result is taken from it already. Of an activity that is repeated: ``size`` and ``items``, the rounds that are
    planned; of each of its rounds: its ``position``, what it was ``given``, and when it completed, its ``output``.
    Of a gateway that takes some of the tokens that come to it: the flows ``joined`` over which it did.
    Of an ad-hoc sub-process: the elements in its ``queue``, and whether it is ``over``. Of a scope that is open again:
    the key of what it ``undoes``.
    """

    key: int
    element: str
    scope: int
    state: NodeState = NodeState.READY
    variables: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None

    @property
    def response(self) -> Mapping[str, Any]:
        return self.result.get("response", {}) if self.result else {}

    @property
    def plain(self) -> bool:
        return bool(self.result and self.result.get("plain"))

    @property
    def position(self) -> int:
        """Number of a round, from 1."""
        return int(self.result["position"]) if self.result else 0


@dataclass(frozen=True, slots=True)
class Token:
    """A token waiting on a sequence flow that could not enter its target yet."""

    key: int
    flow: str
    scope: int


@dataclass(slots=True)
class Job:
    """Work for the outside. Claims and leases are the runtime's; the engine sees `state` and `attempt`."""

    key: int
    node: int
    type: str
    headers: Mapping[str, str]
    retries: int
    due_at: datetime
    state: JobState = JobState.DUE
    attempt: int = 0
    retry_until: datetime | None = None
    """No further try begins from then on."""


@dataclass(frozen=True, slots=True)
class Timer:
    """`element` is the event that it triggers; `node` the visit that armed it, or the scope, 0: the process, in which
    the event begins an event sub-process."""

    key: int
    node: int
    element: str
    due_at: datetime
    repetitions: int = 0


@dataclass(frozen=True, slots=True)
class MessageSubscription:
    key: int
    node: int
    element: str
    name: str
    correlation_key: str


@dataclass(frozen=True, slots=True)
class Call:
    """A called process, for whose end a visit waits."""

    key: int
    node: int
    process: str


@dataclass(frozen=True, slots=True)
class SignalSubscription:
    key: int
    node: int
    element: str
    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that is watched; `satisfied` is what it was when it was looked at last."""

    key: int
    node: int
    element: str
    expression: str
    satisfied: bool = False


@dataclass(frozen=True, slots=True)
class Compensation:
    """A completed activity that can be undone. `node` is the scope around it, 0: the process; or, once that scope has
    completed, the key of what undoes the scope. `variables` are those of a sub-process as it completed.

    `thrower` is the visit on whose behalf it is undone, 0: none; `handler` the visit that undoes it, 0: none yet.
    """

    key: int
    node: int
    element: str
    variables: Mapping[str, Any]
    thrower: int = 0
    handler: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    key: int
    node: int
    kind: IncidentKind
    message: str


Trigger = Timer | MessageSubscription | SignalSubscription | Condition
"""What triggers an event."""


Wait = Job | Trigger | Call | Compensation | Incident
