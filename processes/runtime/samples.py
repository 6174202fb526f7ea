"""What the newest attempts say of their job types: how long they waited and took, and which failures are alike.

`throughput` takes a sample once a minute and keeps it with the minute. Times are kept as numbers of jobs in classes,
each a tenth wider than the one before: so minutes can be added up, and a percentile of an hour is right within five
percent.

A job waits from when its task was entered until its first attempt began. That, and how long an attempt took, is known
where the worker told how long it took, as those of Celery do.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from processes.engine.errors import IncidentKind, ModelInvalid, Rejected
from processes.models import FlowNodeInstance, Minute, ProcessInstance, Step
from processes.runtime.definitions import process_by_key
from processes.runtime.fingerprints import fingerprint

SAMPLED = 1_000
"""Attempts that are read at once, the newest; and as many failed ones."""
MOST_TYPES = 50
MOST_ALIKE = 20
"""Kept of a minute: those with most attempts."""
MESSAGE = 300
"""Characters of a message that are kept."""
WIDER = 1.1
SHORTEST = 0.001


class Times(Counter[int]):
    """How many took how long, by class."""

    def tell(self, seconds: float) -> None:
        self[math.floor(math.log(max(seconds, SHORTEST), WIDER))] += 1

    def percentile(self, part: float) -> float | None:
        """The seconds that such a part took no longer than; None where there is nothing."""
        rank = min(self.total() - 1, int(self.total() * part))
        for number in sorted(self):
            rank -= self[number]
            if rank < 0:
                return float(WIDER ** (number + 0.5))
        return None


@dataclass(slots=True)
class Type:
    """What is known of a job type."""

    waited: Times = field(default_factory=Times)
    worked: Times = field(default_factory=Times)
    completed: int = 0
    failed: int = 0

    def add(self, other: Type) -> None:
        self.waited.update(other.waited)
        self.worked.update(other.worked)
        self.completed += other.completed
        self.failed += other.failed

    def to_json(self) -> dict[str, Any]:
        times = {
            name: {str(number): count for number, count in told.items()}
            for name, told in (("waited", self.waited), ("worked", self.worked))
        }
        return {**times, "completed": self.completed, "failed": self.failed}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Type:
        waited, worked = (
            Times({int(number): int(count) for number, count in told[name].items()}) for name in ("waited", "worked")
        )
        return cls(waited, worked, int(told["completed"]), int(told["failed"]))


@dataclass(slots=True)
class Alike:
    """Failed attempts with one fingerprint, which is that of the incident that the last of them raises; `message` is
    that of the newest."""

    fingerprint: str
    process_id: str
    element_id: str
    type: str
    message: str
    last: datetime
    count: int = 0


@dataclass(slots=True)
class Sample:
    """Of one minute."""

    types: dict[str, Type] = field(default_factory=lambda: defaultdict(Type))
    alike: dict[str, Alike] = field(default_factory=dict)

    def times_json(self) -> dict[str, Any]:
        most = sorted(self.types.items(), key=lambda each: -(each[1].completed + each[1].failed))[:MOST_TYPES]
        return {type: told.to_json() for type, told in most}

    def failed_json(self) -> dict[str, Any]:
        most = sorted(self.alike.values(), key=lambda each: -each.count)[:MOST_ALIKE]
        return {
            each.fingerprint: {
                "process": each.process_id,
                "element": each.element_id,
                "type": each.type,
                "message": each.message[:MESSAGE],
                "last": each.last.isoformat(),
                "count": each.count,
            }
            for each in most
        }


class _Attempt(NamedTuple):
    instance_id: int
    node: int
    at: datetime
    fact: str
    number: int
    seconds: Any


class _Place(NamedTuple):
    process_id: str
    element_id: str
    type: str
    entered: datetime


def take(bottom: int, top: int, begin: datetime) -> Mapping[datetime, Sample]:
    """What the newest attempts say that ended after `begin`, in steps beyond `bottom` and up to `top`, by minute."""
    steps = Step.objects.filter(pk__gt=bottom, pk__lte=top, at__gte=begin, node__isnull=False).order_by("-pk")
    columns = ("instance_id", "node", "at", "facts__0__fact", "facts__0__attempt", "journal__seconds")
    ended = steps.filter(command__in=["CompleteJob", "FailJob"]).values_list(*columns)[:SAMPLED]
    failed = steps.filter(command="FailJob").values_list(*columns, "facts__0__message")[:SAMPLED]
    attempts = [_Attempt(*row) for row in ended]
    failures = [(_Attempt(*row), str(message)) for *row, message in failed]
    places = _places({(one.instance_id, one.node) for one in (*attempts, *(one for one, _ in failures))})
    found: dict[datetime, Sample] = defaultdict(Sample)
    for attempt in attempts:
        place = places.get((attempt.instance_id, attempt.node))
        if place is not None and attempt.fact in ("JobCompleted", "JobFailed"):
            _tell(found[_minute(attempt.at)].types[place.type], attempt, place)
    for attempt, message in failures:
        place = places.get((attempt.instance_id, attempt.node))
        if place is not None and attempt.fact == "JobFailed":
            _alike(found[_minute(attempt.at)].alike, attempt, place, message)
    return found


def by_type(minutes: Iterable[Minute]) -> dict[str, Type]:
    """The samples of some minutes together, those with most attempts first."""
    found: dict[str, Type] = defaultdict(Type)
    for minute in minutes:
        for type, told in (minute.times or {}).items():
            found[type].add(Type.from_json(told))
    return dict(sorted(found.items(), key=lambda each: -(each[1].completed + each[1].failed)))


def of_all(minute: Minute) -> Type:
    """All types of a minute together."""
    together = Type()
    for told in (minute.times or {}).values():
        together.add(Type.from_json(told))
    return together


def alike(minutes: Iterable[Minute]) -> Sequence[Alike]:
    """The failed attempts of some minutes, oldest first, put together; most of them first."""
    found: dict[str, Alike] = {}
    for minute in minutes:
        for like, told in (minute.failed or {}).items():
            one = found.get(like)
            if one is None:
                where = (told["process"], told["element"], told["type"])
                one = found[like] = Alike(like, *where, "", minute.at)
            one.count += int(told["count"])
            one.message, one.last = told["message"], datetime.fromisoformat(told["last"])
    return sorted(found.values(), key=lambda each: -each.count)


def _tell(type: Type, attempt: _Attempt, place: _Place) -> None:
    if attempt.fact == "JobFailed":
        type.failed += 1
    else:
        type.completed += 1
    try:
        seconds = float(str(attempt.seconds))  # what a worker tells is whatever it likes
    except ValueError:
        return
    if not 0 <= seconds < 1e9:
        return
    type.worked.tell(seconds)
    if attempt.number == 1:
        type.waited.tell((attempt.at - place.entered - timedelta(seconds=seconds)).total_seconds())


def _alike(found: dict[str, Alike], attempt: _Attempt, place: _Place, message: str) -> None:
    like = fingerprint(place.process_id, place.element_id, IncidentKind.JOB_NO_RETRIES.value, "", message)
    one = found.get(like)
    if one is None:  # the newest, for they come in that order
        one = found[like] = Alike(like, place.process_id, place.element_id, place.type, message, attempt.at)
    one.count += 1


def _places(wanted: set[tuple[int, int]]) -> dict[tuple[int, int], _Place]:
    """Where these visits are, by instance and key. Two queries."""
    ids, keys = {instance for instance, _ in wanted}, {key for _, key in wanted}
    columns = ("pk", "process_id", "definition_id", "definition__digest")
    instances = {row[0]: row[1:] for row in ProcessInstance.objects.filter(pk__in=ids).values_list(*columns)}
    visits = FlowNodeInstance.objects.filter(instance__in=ids, key__in=keys).order_by()
    found = {}
    for instance, key, element, entered in visits.values_list("instance_id", "key", "element_id", "entered_at"):
        if (instance, key) in wanted and instance in instances:
            process, definition, digest = instances[instance]
            found[instance, key] = _Place(process, element, _type(definition, digest, element), entered)
    return found


def _type(definition_id: int, digest: str, element_id: str) -> str:
    """The job type that the model says; the element where it says none, or where the model is gone."""
    try:
        node = process_by_key(definition_id, digest).nodes.get(element_id)
    except (ModelInvalid, Rejected, LookupError):
        return element_id
    type = getattr(node, "type", None)
    return str(type.text or element_id) if type is not None else element_id


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
