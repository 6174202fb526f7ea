"""What becomes of a deployed version: it is suspended and resumed, and deleted where nothing ever ran of it.

Of a suspended version no instance begins: callers are rejected with ``definition-suspended``, a call activity gets an
incident, its timers stay due and its messages buffered until it is resumed; signals, which nobody buffers, pass it by.
Its running instances go on, unless they are suspended with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import transaction as database
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from processes.engine.elements.call_activity import CallActivity
from processes.engine.errors import Rejected
from processes.engine.event_definition import StartKind
from processes.engine.parts import Binding
from processes.engine.state import InstanceState
from processes.models import ProcessDefinition, ProcessInstance, StartSubscription
from processes.models.instances import FINAL
from processes.runtime import audit, bulk, definitions, instances, values

AT_ONCE = 1000
"""Running instances that one call suspends or resumes with their definition."""
COUNTED = 10_000
"""Instances are counted so far and no further."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What `suspend` or `resume` did. `more`: instances are left; asked again, they have their turn."""

    definitions: tuple[ProcessDefinition, ...]
    instances: tuple[int, ...] = ()
    rejected: dict[int, str] = field(default_factory=dict)
    more: bool = False


def suspend(
    definition: ProcessDefinition,
    *,
    all_versions: bool = False,
    with_instances: bool = False,
    reason: str = "",
    by: str = "",
    limit: int | None = AT_ONCE,
) -> Turned:
    """Let no instance of a version begin, or of any version that there is now; versions deployed later are active.

    `with_instances` suspends the running ones too, each in its own transaction and at most `limit`. Raises `Rejected`:
    ``definition-not-found``, and ``definition-suspended`` where there is nothing to do.
    """
    turned = _turn(definition, all_versions, with_instances, suspended=True, reason=reason, by=by)
    if not with_instances:
        return Turned(turned)
    active = _live(definition, all_versions).filter(state=InstanceState.ACTIVE.value)
    return _each(turned, active, lambda pk: instances.suspend(pk, reason=reason, by=by), limit)


def resume(
    definition: ProcessDefinition,
    *,
    all_versions: bool = False,
    with_instances: bool = False,
    reason: str = "",
    by: str = "",
    limit: int | None = AT_ONCE,
) -> Turned:
    """Undo `suspend`: a timer that became due meanwhile fires, messages that are still buffered begin instances.

    `with_instances` resumes every suspended instance, whoever suspended it. Raises `Rejected`:
    ``definition-not-found``, ``definition-not-suspended``.
    """
    turned = _turn(definition, all_versions, with_instances, suspended=False, reason=reason, by=by)
    if not with_instances:
        return Turned(turned)
    suspended = _live(definition, all_versions).filter(state=InstanceState.SUSPENDED.value)
    return _each(turned, suspended, lambda pk: instances.resume(pk, reason=reason, by=by), limit)


def remove(definition: ProcessDefinition, *, reason: str = "", by: str = "") -> ProcessDefinition | None:
    """Delete a version of which there is no instance, running or ended. Where it was the latest, the one before is
    the latest again, with what begins it; that version, else None.

    Raises `Rejected`: ``definition-not-found``, and ``definition-in-use`` with the numbers of its instances, or where a
    process of the same file runs that calls what was deployed with it.
    """
    with database.atomic():
        # The lock meets that of the foreign key: an instance that begins meanwhile waits, and then finds no version.
        held = ProcessDefinition.objects.select_for_update().filter(pk=definition.pk).defer("xml").first()
        if held is None:
            raise _missing(definition)
        _refuse_used(held)
        _refuse_called(held)
        was_latest = not ProcessDefinition.objects.filter(process_id=held.process_id, version__gt=held.version).exists()
        held.delete()
        what = {"version": held.version, "digest": held.digest}
        audit.record("delete", "process definition", held.process_id, by=by, reason=reason, details=what)
        if not was_latest:
            return None
        versions = ProcessDefinition.objects.filter(process_id=held.process_id).order_by("-version")
        previous = versions.select_for_update().defer("xml").first()
        if previous is not None:
            definitions.subscribe_again(previous)
        return previous


def _refuse_used(definition: ProcessDefinition) -> None:
    running = _counted(definition.instances.exclude(state__in=FINAL))
    ended = _counted(definition.instances.filter(state__in=FINAL))
    if running or ended:
        found = " and ".join(f"{_number(count)} {word}" for count, word in ((running, "running"), (ended, "ended")))
        raise Rejected("definition-in-use", f"Expected no instance of {_named(definition)} but found {found}")


def _refuse_called(definition: ProcessDefinition) -> None:
    """Who is bound to the processes of his own file would find this one no more."""
    running = ProcessInstance.objects.filter(definition=OuterRef("pk")).exclude(state__in=FINAL)
    siblings = ProcessDefinition.objects.filter(digest=definition.digest).exclude(pk=definition.pk)
    for sibling in siblings.filter(Exists(running)).defer("xml").order_by("process_id"):
        for node in definitions.process_of(sibling).nodes.values():
            bound = isinstance(node, CallActivity) and node.binding is Binding.DEPLOYMENT
            if bound and node.calls in ("", definition.process_id):
                what = f"Expected nothing that runs to call {_named(definition)} but found '{node.id}'"
                raise Rejected("definition-in-use", f"{what} of {_named(sibling)}, which was deployed with it")


def _counted(rows: QuerySet[ProcessInstance]) -> int:
    return rows.order_by()[: COUNTED + 1].count()


def _number(count: int) -> str:
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"


def _turn(
    definition: ProcessDefinition, all_versions: bool, lenient: bool, *, suspended: bool, reason: str, by: str
) -> tuple[ProcessDefinition, ...]:
    """Turn the versions that are not so yet; `lenient`: that there are none is no error."""
    said = {
        "suspended": suspended,
        "suspension_reason": values.told(reason, 1000),
        "suspension_by": values.told(by, 255),
        "suspension_at": timezone.now(),
    }
    with database.atomic():
        versions = ProcessDefinition.objects.filter(process_id=definition.process_id).defer("xml")
        if not all_versions:
            versions = versions.filter(pk=definition.pk)
        held = list(versions.select_for_update().order_by("version"))
        if not held:
            raise _missing(definition)
        turned = [row for row in held if row.suspended is not suspended]
        if not turned and not lenient:
            code = "definition-suspended" if suspended else "definition-not-suspended"
            wanted, found = ("active", "suspended") if suspended else ("suspended", "active")
            what = f"every version of '{definition.process_id}'" if all_versions else _named(definition)
            raise Rejected(code, f"Expected {what} to be {wanted} but found it {found}")
        ProcessDefinition.objects.filter(pk__in=[row.pk for row in turned]).update(**said)
        for row in turned:
            verb, version = "suspend" if suspended else "resume", {"version": row.version}
            audit.record(verb, "process definition", row.process_id, by=by, reason=reason, details=version)
            for name, value in said.items():
                setattr(row, name, value)
        if turned and not suspended:
            waiting = StartSubscription.objects.filter(definition__in=turned, kind=StartKind.MESSAGE.value)
            definitions.waits_for(list(waiting.order_by("name").values_list("name", flat=True)))
    return tuple(turned)


def _live(definition: ProcessDefinition, all_versions: bool) -> QuerySet[ProcessInstance]:
    found = ProcessInstance.objects.exclude(state__in=FINAL)
    if all_versions:
        return found.filter(process_id=definition.process_id).order_by("id")
    return found.filter(definition=definition).order_by("id")


def _each(
    turned: tuple[ProcessDefinition, ...],
    chosen: QuerySet[ProcessInstance],
    work: Callable[[int], None],
    limit: int | None,
) -> Turned:
    ids = list(chosen.values_list("pk", flat=True)[: None if limit is None else limit + 1])
    done = bulk.each(ids if limit is None else ids[:limit], work)
    return Turned(turned, tuple(done.done), done.rejected, more=limit is not None and len(ids) > limit)


def _named(definition: ProcessDefinition) -> str:
    return f"'{definition.process_id}' version {definition.version}"


def _missing(definition: ProcessDefinition) -> Rejected:
    return Rejected("definition-not-found", f"Expected {_named(definition)} to be deployed but it is not")
