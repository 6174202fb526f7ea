"""The lines of a timeline: which visits stand for themselves, which for many, and what each spent its time with. Pure.

Visits come as rows, oldest first; what happened during them comes as steps, whose facts are as they are stored. Where
many visits of one scope went to one element they are one line, and so is everything inside them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

SINGLE = 12
"""More visits than this to one element, in one scope, are one line."""
MOST_LINES = 300
MOST_SPANS = 100
"""Of one line."""


class Kind(StrEnum):
    """What time is spent with."""

    QUEUED = "queued"
    WORK = "work"
    FAILED = "failed"
    PAUSE = "pause"
    TIMER = "timer"
    MESSAGE = "message"
    SIGNAL = "signal"
    CONDITION = "condition"
    CALL = "call"
    INCIDENT = "incident"
    SUSPENDED = "suspended"


class Visit(NamedTuple):
    key: int
    element: str
    type: str
    scope: int
    state: str
    entered: datetime
    ended: datetime | None


class Told(NamedTuple):
    """A step. `seconds` is how long a worker said that its attempt took."""

    at: datetime
    facts: Sequence[Mapping[str, Any]]
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time; `ended` None: it lasts. `aside`: it does not say what the visit is busy with, as a timer on
    its border does not."""

    kind: Kind
    began: datetime
    ended: datetime | None
    words: str
    aside: bool = False


@dataclass(slots=True, kw_only=True)
class Line:
    """One visit, or with a `count` many; then `key` is that of the first, and `median` and `slow`, the 95th
    percentile, are of the durations of those that ended. `entered` and `ended` are the first and the last."""

    key: int
    element: str
    type: str
    depth: int
    state: str
    entered: datetime
    ended: datetime | None
    spans: list[Span] = field(default_factory=list)
    count: int = 1
    live: int = 0
    median: timedelta | None = None
    slow: timedelta | None = None
    failed: int = 0
    """Attempts that failed."""
    incidents: int = 0
    stuck: int = 0
    """Incidents that are open."""
    name: str = ""
    """Of the element, as in the model."""


def lines(visits: Sequence[Visit]) -> tuple[list[Line], dict[int, Line], bool]:
    """The lines, which of them tells of a visit, by key, and whether some were left out."""
    inside: dict[int, list[Visit]] = defaultdict(list)
    keys = {visit.key for visit in visits}
    for visit in visits:
        inside[visit.scope if visit.scope in keys else 0].append(visit)
    found: list[Line] = []
    of: dict[int, Line] = {}
    complete = True
    for depth, members in _walk(inside, inside[0], 0, SINGLE):
        if len(found) == MOST_LINES:
            complete = False
            break
        line = _line(members, depth)
        found.append(line)
        of.update((visit.key, line) for visit in members)
    return found, of, complete


Group = tuple[int, list[Visit]]


def _walk(inside: Mapping[int, list[Visit]], visits: Iterable[Visit], depth: int, most: int) -> Iterator[Group]:
    """Depth and visits of every line below some scopes; inside of many visits, `most` is 1."""
    together: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        together[visit.element].append(visit)
    groups = [
        group
        for members in together.values()
        for group in ([members] if len(members) > most else [[visit] for visit in members])
    ]
    for members in sorted(groups, key=lambda members: members[0].key):
        yield depth, members
        below = [child for visit in members for child in inside.get(visit.key, ())]
        if below:
            yield from _walk(inside, below, depth + 1, SINGLE if len(members) == 1 and most > 1 else 1)


def _line(visits: Sequence[Visit], depth: int) -> Line:
    first = visits[0]
    live = sum(visit.ended is None for visit in visits)
    ended = None if live else max(visit.ended for visit in visits if visit.ended)
    states = Counter(visit.state for visit in visits)
    line = Line(
        key=first.key,
        element=first.element,
        type=first.type,
        depth=depth,
        state="ACTIVE" if live and len(visits) > 1 else states.most_common(1)[0][0],
        entered=min(visit.entered for visit in visits),
        ended=ended,
        count=len(visits),
        live=live,
    )
    if len(visits) > 1:
        took = sorted(visit.ended - visit.entered for visit in visits if visit.ended)
        if took:
            line.median, line.slow = took[(len(took) - 1) // 2], took[-(-len(took) * 95 // 100) - 1]
    return line


# -- what happened during them -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    kind: Kind
    node: int
    since: datetime
    words: str
    aside: bool = False


_AWAITED = {
    "TimerScheduled": ("timer", Kind.TIMER),
    "MessageAwaited": ("subscription", Kind.MESSAGE),
    "SignalAwaited": ("subscription", Kind.SIGNAL),
    "ConditionAwaited": ("condition", Kind.CONDITION),
    "ProcessCalled": ("call", Kind.CALL),
}
_OVER = {
    "TimerFired": ("timer", "fired"),
    "MessageCorrelated": ("subscription", "arrived"),
    "SignalReceived": ("subscription", "arrived"),
    "CallCompleted": ("call", "completed"),
    "CallFailed": ("call", "failed"),
}


class Teller:
    """Turns facts into spans of visits, 0: of the instance. Feed it the steps in their order, then ask what is left."""

    def __init__(self, types: Mapping[int, tuple[str, str]]) -> None:
        self.spans: dict[int, list[Span]] = defaultdict(list)
        self.failed: Counter[int] = Counter()
        self._types = types
        """Element and tag of the visits that are told of."""
        self._open: dict[int, _Open] = {}
        self._of: dict[int, set[int]] = defaultdict(set)
        """What is open, by visit."""

    def tell(self, step: Told) -> None:
        for fact in step.facts:
            try:
                self._tell(step, fact, fact["fact"])
            except (KeyError, ValueError):
                continue  # histories outlive versions

    def _tell(self, step: Told, fact: Mapping[str, Any], name: str) -> None:
        if name in _AWAITED:
            self._await(step, fact, *_AWAITED[name])
        elif name in _OVER:
            key, word = _OVER[name]
            self._close(fact[key], step.at, word)
        elif name in ("JobCreated", "JobResumed"):
            self._due(fact, step.at)
        elif name in ("JobCompleted", "JobFailed", "JobErrorThrown"):
            self._attempt(step, fact, name)
        elif name in ("NodeCompleted", "NodeTerminated"):
            self._close_all(fact["node"], step.at)
        elif name == "WaitsWithdrawn":
            for key in fact["waits"]:
                self._close(key, step.at, "withdrawn")
        elif name == "InstanceSuspended":
            because = f": {fact['reason']}" if fact.get("reason") else ""
            self._begin(-1, _Open(Kind.SUSPENDED, 0, step.at, f"suspended{because}"))
        elif name == "InstanceResumed":
            self._close(-1, step.at, "resumed")

    def left(self) -> Iterator[tuple[int, _Open]]:
        """What still lasts, by key."""
        yield from self._open.items()

    def add(self, node: int, span: Span) -> None:
        if len(self.spans[node]) < MOST_SPANS and (span.ended is None or span.ended >= span.began):
            self.spans[node].append(span)

    def _await(self, step: Told, fact: Mapping[str, Any], key: str, kind: Kind) -> None:
        node = fact["node"]
        if node not in self._types:
            return
        element, tag = self._types[node]
        about = fact.get("element", element)
        aside = about != element and tag != "eventBasedGateway"
        what = {
            Kind.TIMER: lambda: f"timer until {_clock(datetime.fromisoformat(fact['due_at']))}",
            Kind.MESSAGE: lambda: f"waits for the message {fact['name']} with the key “{fact['correlation_key']}”",
            Kind.SIGNAL: lambda: f"waits for the signal {fact['name']}",
            Kind.CONDITION: lambda: f"waits for the condition {fact['expression']}",
            Kind.CALL: lambda: f"calls the process {fact['process']}",
        }[kind]()
        words = f"{about}: {what}" if about != element else what
        self._begin(fact[key], _Open(kind, node, step.at, words, aside))

    def _due(self, fact: Mapping[str, Any], at: datetime) -> None:
        known = self._open.get(fact["job"])
        node: int | None = fact.get("node", known.node if known else None)
        if node is not None and node in self._types:
            due = max(at, datetime.fromisoformat(fact["due_at"]))
            self._begin(fact["job"], _Open(Kind.QUEUED, node, due, "waits for a worker"))

    def _attempt(self, step: Told, fact: Mapping[str, Any], name: str) -> None:
        job = self._end(fact["job"])
        if job is None:
            return
        began = job.since
        if step.seconds is not None:
            began = max(job.since, step.at - timedelta(seconds=step.seconds))
            self.add(job.node, Span(kind=Kind.QUEUED, began=job.since, ended=began, words="waited for a worker"))
        number = f"attempt {fact['attempt']}"
        if name == "JobCompleted":
            self.add(job.node, Span(kind=Kind.WORK, began=began, ended=step.at, words=f"{number} completed"))
            return
        self.failed[job.node] += 1
        why = f"{fact['code']}: {fact['message']}" if name == "JobErrorThrown" else fact["message"]
        word = "threw the error" if name == "JobErrorThrown" else "failed"
        words = f"{number} {word}: {why[:300]}"
        self.add(job.node, Span(kind=Kind.FAILED, began=min(began, step.at), ended=step.at, words=words))
        due_at = fact.get("due_at")
        if due_at:
            due = datetime.fromisoformat(due_at)
            if due > step.at:
                words = f"pause before the next try, until {_clock(due)}"
                self.add(job.node, Span(kind=Kind.PAUSE, began=step.at, ended=due, words=words))
            self._begin(fact["job"], _Open(Kind.QUEUED, job.node, max(due, step.at), "waits for a worker"))
        else:
            # Parked: what lasts now is the incident, whose rows say so.
            self._begin(fact["job"], _Open(Kind.INCIDENT, job.node, step.at, ""))

    def _begin(self, key: int, wait: _Open) -> None:
        self._open[key] = wait
        self._of[wait.node].add(key)

    def _end(self, key: int) -> _Open | None:
        wait = self._open.pop(key, None)
        if wait is not None:
            self._of[wait.node].discard(key)
        return wait

    def _close(self, key: int, at: datetime, word: str) -> None:
        wait = self._end(key)
        if wait is not None and wait.kind is not Kind.INCIDENT:
            words = f"{wait.words}; {word}"
            span = Span(kind=wait.kind, began=wait.since, ended=max(at, wait.since), words=words, aside=wait.aside)
            self.add(wait.node, span)

    def _close_all(self, node: int, at: datetime) -> None:
        for key in sorted(self._of.pop(node, ())):
            self._close(key, at, "over with the visit")


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
