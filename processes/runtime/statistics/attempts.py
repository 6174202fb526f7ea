"""What the newest attempts say of their job types: how long they waited and took, and which failures are alike.

A sample is taken once a minute, after `throughput` has counted it, and kept with the minute: who looks adds up sixty
small rows, and reads no history.

A job waits from when its task was entered until its first attempt began. That, and how long an attempt took, is known
where the worker told how long it took, as those of Celery do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from processes.engine.errors import IncidentKind, ModelInvalid, Rejected
from processes.models import FlowNodeInstance, Minute, ProcessInstance, Step
from processes.runtime import throughput
from processes.runtime.definitions import process_by_key
from processes.runtime.fingerprints import fingerprint
from processes.runtime.statistics.times import Type

SAMPLED = 500
"""Attempts that are read at once, the newest; and as many failed ones."""
MOST_TYPES = 50
MOST_ALIKE = 20
"""Kept of a minute: those with most attempts."""
MESSAGE = 300
"""Characters of a message that are kept."""


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


def sample(now: datetime | None = None) -> int:
    """Take the sample of the minutes of the last hour that were counted and have none yet; how many."""
    since = throughput.ended_before(now or timezone.now()) - timedelta(minutes=throughput.SHOWN)
    minutes = list(Minute.objects.filter(times__isnull=True, at__gte=since).order_by("at"))
    if not minutes:
        return 0
    top = minutes[-1].last_step
    before = Minute.objects.filter(at__lt=minutes[0].at).order_by("-at").values_list("last_step", flat=True).first()
    found = take(max(before or 0, top - throughput.MOST_STEPS), top, minutes[0].at)
    for minute in minutes:
        of = found.get(minute.at) or Sample()
        minute.times, minute.failed = of.times_json(), of.failed_json()
    return Minute.objects.bulk_update(minutes, ["times", "failed"])


def take(bottom: int, top: int, begin: datetime) -> Mapping[datetime, Sample]:
    """What the newest attempts say that ended after `begin`, in steps beyond `bottom` and up to `top`, by minute. Four
    queries."""
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
