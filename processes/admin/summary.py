"""The few numbers on top of the index: is anything stuck, and is anybody there to work?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils import timezone

from processes.admin import shown
from processes.admin.base import COUNTED, count_up_to
from processes.admin.places import listed
from processes.models import Incident, Job, ProcessInstance
from processes.runtime import pressure, recovery, workers

MOST_TROUBLES = 8


@dataclass(frozen=True)
class Tile:
    """A number that leads to the list of what it counts; `mood` is ``good``, ``warn``, ``bad`` or nothing."""

    label: str
    number: str
    href: str
    note: str = ""
    mood: str = ""


def tiles(request: HttpRequest) -> list[Tile]:
    """What this user may see of it."""
    sections = [
        ("processes.view_processinstance", [_running, _suspended, _with_incidents]),
        ("processes.view_job", [_due, *_pressed(), _claimed]),
        ("processes.view_worker", [_alive]),
    ]
    return [tile() for permission, of in sections if request.user.has_perm(permission) for tile in of]


@dataclass(frozen=True)
class Trouble:
    """Open incidents that are alike; `message` is that of the newest."""

    kind: str
    process_id: str
    element_id: str
    count: str
    since: str
    message: str
    href: str


def troubles(request: HttpRequest) -> list[Trouble]:
    """What is stuck, most of it first: when a service is down, one line says so and not a thousand."""
    if not request.user.has_perm("processes.view_incident"):
        return []
    kinds = dict(Incident._meta.get_field("kind").flatchoices)
    return [
        Trouble(
            kind=kinds.get(group.kind, group.kind),
            process_id=group.process_id,
            element_id=group.element_id,
            count=f"{group.count:,}",
            since=shown.since(group.since),
            message=group.message,
            href=listed("incident", fingerprint=group.fingerprint)
            if group.fingerprint
            else listed("incident", process=group.process_id, element=group.element_id, kind__exact=group.kind),
        )
        for group in recovery.groups(Incident.objects.filter(ended_at__isnull=True), MOST_TROUBLES)
    ]


def _running() -> Tile:
    running = count_up_to(ProcessInstance.objects.filter(state="ACTIVE"), COUNTED + 1)
    return Tile("running", _text(running), listed("processinstance", state="ACTIVE"), "instances that are active")


def _suspended() -> Tile:
    suspended = count_up_to(ProcessInstance.objects.filter(state="SUSPENDED"), COUNTED + 1)
    mood = "warn" if suspended else ""
    return Tile("suspended", _text(suspended), listed("processinstance", state="SUSPENDED"), "until resumed", mood)


def _with_incidents() -> Tile:
    opened = Incident.objects.filter(ended_at__isnull=True)
    stuck = opened.order_by().values("instance_id").distinct()[: COUNTED + 1].count()
    note = f"{_text(count_up_to(opened, COUNTED + 1))} open incidents" if stuck else "nothing is stuck"
    mood = "bad" if stuck else "good"
    return Tile("with incidents", _text(stuck), listed("processinstance", incident="yes"), note, mood)


def _due() -> Tile:
    due = Job.objects.filter(state="DUE", suspended=False, due_at__lte=timezone.now())
    oldest = due.order_by("due_at").values_list("due_at", flat=True).first()
    note = f"oldest {shown.since(oldest)}" if oldest else "nothing waits"
    return Tile("due jobs", _text(count_up_to(due, COUNTED + 1)), listed("job", due="now"), note)


def _pressed() -> list[Callable[[], Tile]]:
    """Where there is a limit, how far from it we are."""
    return [_pressure] if pressure.limit() else []


def _pressure() -> Tile:
    found = pressure.look()
    allowed = shown.length(found.limit) if found.limit else ""
    note = f"limit {allowed}: new work is refused" if found.is_high else f"new work is refused beyond {allowed}"
    mood = "bad" if found.is_high else "good"
    return Tile("age of the queue", shown.length(found.age) if found.type else "0 s", _oldest(found.type), note, mood)


def _oldest(type: str) -> str:
    return listed("job", type=type, due="now", parked__exact="") if type else listed("job", due="now")


def _claimed() -> Tile:
    claimed = count_up_to(Job.objects.filter(state="CLAIMED"), COUNTED + 1)
    return Tile("jobs at work", _text(claimed), listed("job", state__exact="CLAIMED"), "held by a worker")


def _alive() -> Tile:
    alive = workers.alive().count()
    return Tile(
        "workers alive",
        _text(alive),
        listed("worker", alive="yes"),
        "seen in the last minute",
        "good" if alive else "bad",
    )


def _text(count: int) -> str:
    return f"{count:,}" if count <= COUNTED else f"{COUNTED:,}+"
