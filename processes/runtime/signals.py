"""Signals reach all who waited when they were thrown: each in a transaction of its own, none twice, none forgotten.

The throw commits with its deliveries (see `broadcasts`); they are carried out right after that commit, and what is left
over, after a crash or because an instance is suspended, by the sweep. A delivery goes with the step that it leads to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction as database
from django.db.models import Exists, OuterRef
from django.utils import timezone

from processes.engine.commands import Command, ReceiveSignal, StartInstance
from processes.engine.errors import Rejected
from processes.engine.event_definition import StartKind
from processes.engine.state import InstanceState
from processes.models import Signal, SignalDelivery
from processes.runtime import broadcasts, occurrences, pressure, starts, transaction, values

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Deliveries that one commit may lead to; the others go at the pace of the sweep."""
OVER = frozenset({"subscription-not-found", "instance-ended", "instance-not-found"})
"""Why a delivery is no longer wanted: who waited does so no more."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    name: str
    awaited_by: int
    """How many waits it reaches: within moments, each in a transaction of its own."""


def broadcast(name: str, variables: Mapping[str, Any] | None = None, *, by: str = "") -> Broadcast:
    """Throw a signal: everything that waits for it now gets it. Joins the caller's transaction.

    Raises `Rejected`: ``variables-invalid``, ``value-invalid``; and `Overloaded` where it would do nothing but begin
    instances.
    """
    if not name:
        raise Rejected("value-invalid", "Expected a signal name but found none")
    name, given = values.text(name, what="a signal name"), values.checked(variables)
    if pressure.is_high() and broadcasts.only_begins(name):
        raise pressure.refused()
    with database.atomic():
        left = broadcasts.spread(name, given, at=timezone.now(), by=values.told(by, 255))
        if left:
            database.on_commit(_deliver_at_once)
    return Broadcast(name, left)


def deliver(limit: int = 500) -> int:
    """Carry out deliveries that are due, oldest first, each in its own transaction; how many waits were reached."""
    reached, seen = 0, 0
    tried: list[int] = []
    while seen < limit:
        some = _due().exclude(pk__in=tried).select_related("signal").order_by("id")[: min(limit - seen, 100)]
        deliveries = list(some)
        if not deliveries:
            break
        for delivery in deliveries:
            seen += 1
            tried.append(delivery.pk)
            reached += _deliver(delivery)
    return reached


def forget(limit: int = 1000) -> int:
    """Delete signals that all have got; how many."""
    over = Signal.objects.filter(~Exists(SignalDelivery.objects.filter(signal=OuterRef("pk")))).order_by("id")
    with database.atomic():
        ids = list(over.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        Signal.objects.filter(pk__in=ids).only("pk").order_by().delete()
    return len(ids)


class _Delivering(threading.local):
    """Whether this thread delivers already: a delivery may lead to the next throw, in a loop and not in depth."""

    busy = False


_delivering = _Delivering()


def _deliver_at_once() -> None:
    """After a commit. Never raises, for the commit is done; what is over the limit is left to the sweep."""
    if _delivering.busy:
        return  # somewhere up the stack somebody does, and looks again
    _delivering.busy = True
    try:
        deliver(AT_ONCE)
    except Exception:
        logger.exception("Expected to deliver signals; the sweep tries again")
    finally:
        _delivering.busy = False


transaction.on_signals(_deliver_at_once)


def _due() -> Any:
    """Deliveries to those who can take them now."""
    active = SignalDelivery.objects.filter(instance__state=InstanceState.ACTIVE.value)
    ended = SignalDelivery.objects.filter(instance__ended_at__isnull=False)
    begins = SignalDelivery.objects.filter(definition__suspended=False)
    return (active | ended | begins).exclude(transaction.parked_by_a_bug())


def _deliver(delivery: SignalDelivery) -> bool:
    """Whether it was this call that reached who waits."""
    try:
        if delivery.instance_id is None:
            return _begin(delivery)
        transaction.carry_out(delivery.instance_id, partial(_reception, delivery), by="signal")
    except Rejected as told:
        logger.debug("Signal %s does not reach instance %s: %s", delivery.signal_id, delivery.instance_id, told)
        if told.code in OVER:
            SignalDelivery.objects.filter(pk=delivery.pk).delete()
        return False
    except Exception:
        logger.exception("Expected signal %s to reach instance %s", delivery.signal_id, delivery.instance_id)
        return False
    return True


def _begin(delivery: SignalDelivery) -> bool:
    """Begin an instance, in the transaction that takes the delivery, which only one can; or note that the signal came,
    where others have to come too."""
    definition, element, signal = delivery.definition, delivery.element_id, delivery.signal
    assert definition is not None
    with database.atomic():
        taken, _ = SignalDelivery.objects.filter(pk=delivery.pk).delete()
        if not taken:
            return False
        given, together = signal.variables, starts.needs_all(definition, element)
        if together:
            trigger = (StartKind.SIGNAL.value, signal.name)
            if not occurrences.is_wanted(definition, element, trigger):
                return True  # it counts once
            given = occurrences.gather(definition, element, trigger, given, at=timezone.now())
        if given is not None:
            row = transaction.begin(definition, StartInstance(given, element=element), by="signal")
            if together:
                occurrences.spend(definition, element, "", row.pk)
    return True


def _reception(delivery: SignalDelivery, loaded: Loaded, at: datetime) -> Command:
    """Under the lock of the instance: take the delivery, which only one can, and say what follows."""
    if not loaded.instance.state.is_final and loaded.instance.state is not InstanceState.ACTIVE:
        raise Rejected("instance-suspended", f"Expected instance {loaded.id} to be active")
    taken, _ = SignalDelivery.objects.filter(pk=delivery.pk).delete()
    if not taken:
        raise Rejected("signal-taken", f"Expected delivery {delivery.pk} to be there but somebody carried it out")
    return ReceiveSignal(delivery.key, delivery.signal.variables)
