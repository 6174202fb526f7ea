"""Processes that call processes: what one instance does to another is delivered in a transaction of its own.

The step that calls, cancels or ends writes a `Delivery`; right after its commit the same thread performs it, and the
sweep performs what was left by a crash in between. Performing deletes the row in the same transaction, and the
constraint on `parent` and `parent_call` makes a start happen once, so that nothing is lost and nothing doubled. Nobody
waits for an instance while holding another: a delivery is held, and one instance.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import Error
from django.db import transaction as database
from django.utils import timezone

from processes.engine.commands import CancelInstance, CompleteCall, FailCall, StartInstance, ThrowCallError
from processes.engine.errors import Rejected
from processes.engine.parts import Binding
from processes.engine.state import InstanceState
from processes.models import Call, Delivery, ProcessDefinition, ProcessInstance
from processes.runtime import definitions, instances, transaction, values

logger = logging.getLogger(__name__)

DEEPEST = 100
"""Callers around an instance, at most; a process that calls itself for ever ends in an incident."""
AT_ONCE = 100
"""Deliveries that one commit may lead to; the rest goes on at the pace of the sweep."""
SUSPENDED = InstanceState.SUSPENDED.value
PAUSES = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1))
"""After a delivery that met trouble."""


def deliver_due(limit: int = 100) -> int:
    """Perform deliveries that nobody has, oldest first; how many."""
    due = Delivery.objects.filter(due_at__lte=timezone.now())
    return _perform_all(list(due.order_by("due_at", "id").values_list("pk", flat=True)[:limit]), limit)


# -- who delivers ------------------------------------------------------------------------------------------------------


class _Carrying(threading.local):
    """What this thread is to deliver. One delivery leads to the next; that is a queue and not a recursion."""

    def __init__(self) -> None:
        self.queue: deque[int] = deque()
        self.busy = False


_carrying = _Carrying()


def _carry(deliveries: Sequence[int]) -> None:
    """After a commit. Never raises, for the commit is done."""
    _perform_all(deliveries, AT_ONCE)


transaction.on_delivery(_carry)


def _perform_all(deliveries: Sequence[int], limit: int) -> int:
    _carrying.queue.extend(deliveries)
    if _carrying.busy:
        return 0  # somewhere up the stack somebody does
    _carrying.busy = True
    done = 0
    try:
        while _carrying.queue and done < limit:
            done += _perform(_carrying.queue.popleft())
    except Exception:
        logger.exception("Expected to perform deliveries; the sweep tries again")
    finally:
        _carrying.queue.clear()
        _carrying.busy = False
    return done


def _perform(pk: int) -> bool:
    try:
        with database.atomic():
            held = Delivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
            if held is None:
                return False  # somebody else does, or has
            try:
                _VERBS[held.kind](held)
            except Exception:
                # Kept, and so is the incident with which a bug has parked the visit.
                logger.exception("Expected to perform delivery %s; the sweep tries again", pk)
                held.due_at = timezone.now() + PAUSES[min(held.tries, len(PAUSES) - 1)]
                held.tries += 1
                held.save(update_fields=["due_at", "tries"])
                return False
            held.delete()
            return True
    except Error:
        logger.exception("Expected to perform delivery %s; the sweep tries again", pk)
        return False


# -- from the caller ---------------------------------------------------------------------------------------------------


def _start(delivery: Delivery) -> None:
    call = Call.objects.filter(instance_id=delivery.instance_id, key=delivery.call).first()
    if call is None:
        return  # the caller has given up
    caller = ProcessInstance.objects.defer("variables").get(pk=delivery.instance_id)
    content: Mapping[str, Any] = delivery.content
    key = content["business_key"]
    try:
        if caller.depth >= DEEPEST:
            raise Rejected(
                "too-deep", f"Expected at most {DEEPEST} callers around a process but found '{call}' below as many"
            )
        business_key = caller.business_key if key is None else values.text(key, what="a business key")
        called = transaction.begin(
            _definition(caller, content),
            StartInstance(content["variables"], called=True),
            by=f"instance:{caller.pk}",
            business_key=business_key,
            caller=transaction.Caller(
                caller.pk, caller.root_id or caller.pk, caller.depth, delivery.call, call.element_id
            ),
        )
    except Rejected as told:
        _tell(delivery, FailCall(delivery.call, values.told(str(told))))
    except Error:
        raise
    except Exception as bug:
        logger.exception("Expected to start what call %s of instance %s calls", delivery.call, caller.pk)
        _tell(delivery, FailCall(delivery.call, values.told(f"{type(bug).__name__}: {bug}")))
    else:
        if caller.state == SUSPENDED and called.ended_at is None:
            instances.suspend_with_caller(called.pk, by=f"instance:{caller.pk}")


def _definition(caller: ProcessInstance, content: Mapping[str, Any]) -> ProcessDefinition:
    """The version that is called. Raises `Rejected` where there is none."""
    process, version, binding = content["process"], content["version"], Binding(content["binding"])
    if binding is Binding.LATEST:
        return definitions.find(process)
    if binding is Binding.VERSION:
        return definitions.find(process, int(version))
    versions = ProcessDefinition.objects.filter(process_id=process).defer("xml").order_by("-version")
    if binding is Binding.DEPLOYMENT:
        # What was deployed together has the same file.
        own = ProcessDefinition.objects.filter(pk=caller.definition_id).values("digest")
        versions, what = versions.filter(digest__in=own), f"in the file of '{caller.process_id}'"
    else:
        versions, what = versions.filter(version_tag=version), f"with the version tag '{version}'"
    found = versions.first()
    if found is None:
        raise Rejected("definition-not-found", f"Expected process '{process}' {what} to be deployed but it is not")
    return found


def _cancel(delivery: Delivery) -> None:
    # Deleting waits for who starts it just now; then it is there to be seen.
    Delivery.objects.filter(instance_id=delivery.instance_id, call=delivery.call, kind="START").delete()
    called = ProcessInstance.objects.filter(parent_id=delivery.instance_id, parent_call=delivery.call)
    for pk in called.filter(ended_at__isnull=True).values_list("pk", flat=True):
        by = f"instance:{delivery.instance_id}"
        try:
            transaction.carry_out(pk, CancelInstance("The activity that called it was ended"), by=by)
        except Rejected as told:
            logger.debug("Called instance %s is not cancelled: %s", pk, told)


def _follow(delivery: Delivery) -> None:
    """The called instance is suspended and resumed as its caller is now; a suspension of its own stays."""
    # Waits for who starts it just now; and who starts it later sees for himself.
    start = Delivery.objects.filter(instance=delivery.instance_id, call=delivery.call, kind="START")
    start.select_for_update(of=("self",)).first()
    live = ProcessInstance.objects.select_for_update(of=("self",)).filter(ended_at__isnull=True)
    called = live.only("state", "suspended_with_caller").filter(parent=delivery.instance_id, parent_call=delivery.call)
    for row in called:
        # Looked up under the lock of the called, so that of two deliveries the later one sees the later state.
        caller = ProcessInstance.objects.only("state").get(pk=delivery.instance_id)
        by = f"instance:{delivery.instance_id}"
        if caller.state == SUSPENDED and row.state != SUSPENDED:
            instances.suspend_with_caller(row.pk, by=by)
        elif caller.state == InstanceState.ACTIVE.value and row.suspended_with_caller:
            instances.resume(row.pk, by=by)


# -- from the called instance ------------------------------------------------------------------------------------------


def _completed(delivery: Delivery) -> None:
    _tell(delivery, CompleteCall(delivery.call, delivery.content["variables"]))


def _error(delivery: Delivery) -> None:
    content = delivery.content
    _tell(delivery, ThrowCallError(delivery.call, content["code"], content["message"], content["variables"]))


def _ended(delivery: Delivery) -> None:
    because = f": {reason}" if (reason := delivery.content["reason"]) else ""
    _tell(
        delivery, FailCall(delivery.call, f"Expected the called process to complete but somebody cancelled it{because}")
    )


def _tell(delivery: Delivery, command: CompleteCall | FailCall | ThrowCallError) -> None:
    try:
        transaction.carry_out(delivery.instance_id, command, by="call")
    except Rejected as told:
        logger.debug("Nobody waits for call %s of instance %s: %s", delivery.call, delivery.instance_id, told)


_VERBS: Mapping[str, Callable[[Delivery], None]] = {
    "START": _start,
    "CANCEL": _cancel,
    "FOLLOW": _follow,
    "COMPLETED": _completed,
    "ERROR": _error,
    "ENDED": _ended,
}
