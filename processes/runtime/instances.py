"""The verbs on a whole instance: start, set variables, suspend, resume, cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.db import transaction as database
from django.utils import timezone

from processes.engine.commands import (
    ActivateAdHoc,
    CancelInstance,
    ResumeInstance,
    StartBefore,
    StartInstance,
    StartInstanceAt,
    SuspendInstance,
)
from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Job, MessageSubscription, ProcessDefinition, ProcessInstance, SignalDelivery
from processes.runtime import corrections, dispatch, pressure, transaction, values

WOKEN = 500
"""Jobs that are announced when an instance is resumed; the sweep announces the rest."""


@dataclass(frozen=True, slots=True)
class Started:
    instance: ProcessInstance
    created: bool
    """False where the start key was used before: `instance` is the one that it started then."""


def find(instance_id: int) -> ProcessInstance:
    """An instance with its definition. Raises `Rejected` with ``instance-not-found``."""
    found = ProcessInstance.objects.select_related("definition").filter(pk=instance_id).first()
    if found is None:
        raise Rejected("instance-not-found", f"Expected an instance {instance_id} but there is none")
    return found


def start(
    definition: ProcessDefinition,
    *,
    variables: Mapping[str, Any] | None = None,
    business_key: str = "",
    start_key: str | None = None,
    before: Sequence[str] = (),
    force: bool = False,
    by: str = "",
) -> Started:
    """Start an instance, or begin one `before` these elements instead of its start event. With a `start_key`, however
    often and by however many at once, one per process is started. With `force`, whatever waits already.

    Raises `Overloaded`, and `Rejected`: ``variables-invalid``, ``value-invalid``, ``definition-suspended``,
    ``definition-not-found``, ``no-none-start``, and for elements as `modifications.modify`.
    """
    given = values.checked(variables)
    command = StartInstanceAt(given, tuple(map(StartBefore, before))) if before else StartInstance(given)
    business_key = values.text(business_key, what="a business key")
    if start_key is not None:
        start_key = values.text(start_key, what="a start key")
        if first := _started_with(definition.process_id, start_key):
            return Started(first, False)
    if not force:
        pressure.let_in()
    try:
        row = transaction.begin(definition, command, by=by, business_key=business_key, start_key=start_key)
    except IntegrityError:
        if start_key is not None and (first := _started_with(definition.process_id, start_key)):
            return Started(first, False)
        if not ProcessDefinition.objects.filter(pk=definition.pk).exists():
            what = f"Expected '{definition.process_id}' version {definition.version} to be deployed"
            raise Rejected("definition-not-found", f"{what} but it was deleted") from None
        raise
    return Started(row, True)


def _started_with(process_id: str, start_key: str) -> ProcessInstance | None:
    return ProcessInstance.objects.filter(process_id=process_id, start_key=start_key).first()


def set_variables(
    instance_id: int,
    variables: Mapping[str, Any],
    *,
    scope: int = 0,
    expected: Mapping[str, Any] | None = None,
    reason: str = "",
    by: str = "",
) -> None:
    """Merge variables into a scope: 0 is the process, any other the key of a live visit.

    With `expected`, only where those of these names are still what it says: a name that it lacks is no variable yet.

    Raises `Rejected`: ``variables-invalid``, ``value-invalid``, ``instance-not-found``, ``instance-ended``,
    ``scope-not-found``, ``variables-changed``.
    """
    command = corrections.of(values.checked(variables), scope, expected)
    transaction.carry_out(instance_id, command, by=by, reason=reason)


def activate_ad_hoc(instance_id: int, node: int, elements: Sequence[str], *, reason: str = "", by: str = "") -> None:
    """Pick what is to be performed inside a live visit to an ad-hoc sub-process, by its key: ids of elements that have
    no flow into them.

    Raises `Rejected`: ``value-invalid``, ``instance-not-found``, ``instance-ended``, ``instance-suspended``,
    ``scope-not-found``, ``element-not-found``, ``not-ad-hoc``, ``ad-hoc-over``.
    """
    if not elements:
        raise Rejected("value-invalid", "Expected the id of an element but found none")
    transaction.carry_out(instance_id, ActivateAdHoc(node, tuple(elements)), by=by, reason=reason)


def cancel(instance_id: int, *, reason: str = "", by: str = "") -> None:
    """End an instance with everything in it. Raises `Rejected`: ``instance-not-found``, ``instance-ended``."""
    transaction.carry_out(instance_id, CancelInstance(values.told(reason)), by=by)


def suspend(instance_id: int, *, reason: str = "", by: str = "") -> None:
    """Stop giving out work: no job is claimed, no timer fires, no message correlates. Work under way may finish. The
    instances that it called, and will call meanwhile, follow, in transactions of their own.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``instance-suspended``.
    """
    transaction.carry_out(instance_id, SuspendInstance(values.told(reason)), by=by)


def suspend_with_caller(instance_id: int, *, by: str = "") -> None:
    """Suspend an instance because its caller is, until that is resumed. Raises `Rejected` as `suspend`."""
    with database.atomic():
        transaction.carry_out(instance_id, SuspendInstance("The instance that called it was suspended"), by=by)
        ProcessInstance.objects.filter(pk=instance_id).update(suspended_with_caller=True)


def resume(instance_id: int, *, reason: str = "", by: str = "") -> None:
    """Undo `suspend`; what became due or was published meanwhile has its turn now. Of the instances that it called
    those follow that were suspended with it.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``instance-not-suspended``.
    """
    with database.atomic():
        carried = transaction.carry_out(instance_id, ResumeInstance(values.told(reason)), by=by)
        ProcessInstance.objects.filter(pk=instance_id, suspended_with_caller=True).update(suspended_with_caller=False)
        due = Job.objects.filter(instance_id=instance_id, state=JobState.DUE.value, due_at__lte=carried.at)
        jobs = [dispatch.DueJob(pk, type) for pk, type in due.order_by("id").values_list("id", "type")[:WOKEN]]
        Job.objects.filter(pk__in=[job.id for job in jobs]).update(hinted_at=timezone.now())
        dispatch.wake(jobs)
        waiting = MessageSubscription.objects.filter(instance_id=instance_id).order_by()
        if meetings := list(waiting.values_list("name", "correlation_key").distinct()):
            transaction.call_for(meetings)
        if SignalDelivery.objects.filter(instance_id=instance_id).exists():
            transaction.call_for_signals()
