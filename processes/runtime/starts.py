"""What begins instances beside callers: messages and timers for which a deployed process waits, and conditions that
somebody asks to have evaluated; for signals see `signals`.

The subscriptions are written at deployment, of the latest version of a process only. An instance begins in the same
transaction that takes note of why: the timer moves on, the message is marked as met. So each begins exactly one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db import transaction as database
from django.utils import timezone

from processes.engine.commands import StartInstance
from processes.engine.errors import ProcessFault, Rejected
from processes.engine.event_definition import Start, StartKind
from processes.models import Message, MessageCorrelation, ProcessDefinition, ProcessInstance, StartSubscription
from processes.runtime import definitions, occurrences, pressure, transaction, values

logger = logging.getLogger(__name__)

PAUSE = timedelta(minutes=1)
"""How long a timer rests after it met a bug of ours."""


def begin(
    subscription: StartSubscription,
    *,
    variables: Mapping[str, Any],
    by: str,
    correlation_key: str = "",
    business_key: str = "",
) -> ProcessInstance:
    """Begin an instance at the event of a subscription, in a transaction that joins the caller's."""
    return transaction.begin(
        subscription.definition,
        StartInstance(variables, element=subscription.element_id, correlation_key=correlation_key),
        by=by,
        business_key=business_key,
        correlation_key=correlation_key,
    )


# -- timers ------------------------------------------------------------------------------------------------------------


def fire_due(limit: int = 100) -> int:
    """Begin an instance for each timer that is due, oldest first, each in its own transaction; how many."""
    due = StartSubscription.objects.filter(due_at__lte=timezone.now(), definition__suspended=False)
    due = due.order_by("due_at", "id")
    fired = 0
    for pk in list(due.values_list("pk", flat=True)[:limit]):
        try:
            fired += _fire(pk)
        except Exception:
            logger.exception("Expected the timer of start subscription %s to begin an instance", pk)
            StartSubscription.objects.filter(pk=pk).update(due_at=timezone.now() + PAUSE)
    return fired


def _fire(pk: int) -> bool:
    with database.atomic():
        now = timezone.now()
        free = StartSubscription.objects.select_for_update(skip_locked=True, of=("self",))
        row = free.select_related("definition").defer("definition__xml").filter(pk=pk, due_at__lte=now).first()
        if row is None or row.definition.suspended:
            return False  # somebody else did, or a newer version took its place
        begin(row, variables={}, by="timer")
        following = _following(row, now)
        row.due_at, row.repetitions = following.due_at, following.repetitions
        row.save(update_fields=["due_at", "repetitions"])
        return True


def _following(row: StartSubscription, at: datetime) -> Start:
    event, _ = definitions.process_of(row.definition).beginnings[row.element_id]
    start = Start(StartKind.TIMER, row.element_id, due_at=row.due_at, repetitions=row.repetitions)
    return event.start_again(start, at)


# -- messages ----------------------------------------------------------------------------------------------------------


class Occupied(Rejected):
    """An instance that a message with this correlation key started is alive."""


class Met(Rejected):
    """The message has reached the process already, or is gone."""


def by_message(subscription: StartSubscription, message: Message) -> int | None:
    """Begin an instance with a message; its primary key, or None where the message is kept until others have come too.
    Raises `Occupied` and `Met`."""
    process_id, key = subscription.process_id, message.correlation_key
    definition, element = subscription.definition, subscription.element_id
    together = needs_all(definition, element)
    try:
        with database.atomic():
            # Held, so that it neither expires nor is taken before this commits.
            held = Message.objects.select_for_update(no_key=True).filter(pk=message.pk).values_list("pk").first()
            met = MessageCorrelation.objects.filter(message_id=message.pk, process_id=process_id)
            if held is None or met.exists():
                raise Met("message-taken", f"Expected message {message.pk} to be free but it is taken or gone")
            if key and occupied(process_id, key):
                raise Occupied("key-occupied", f"Expected no live instance of {process_id} for '{key}' but found one")
            now, given = timezone.now(), message.variables
            if together:
                trigger = (StartKind.MESSAGE.value, message.name)
                if not occurrences.is_wanted(definition, element, trigger, key):
                    raise Occupied("key-occupied", f"Expected no {message.name} for '{key}' to be kept but found one")
                given = occurrences.gather(
                    definition, element, trigger, given, at=now, correlation_key=key, message_id=message.pk
                )
            row = None
            if given is not None:
                row = begin(subscription, variables=given, by=f"message:{message.name}", correlation_key=key)
            MessageCorrelation.objects.create(
                message_id=message.pk,
                process_id=process_id,
                instance_id=None if row is None else row.pk,
                correlated_at=now,
                started=row is not None,
            )
            if together and row is not None:
                occurrences.spend(definition, element, key, row.pk)
                others = StartSubscription.objects.filter(definition=definition, element_id=element)
                transaction.call_for([(name, key) for name in others.values_list("name", flat=True)])
            return None if row is None else row.pk
    except IntegrityError:
        if key and occupied(process_id, key):
            raise Occupied("key-occupied", f"Expected no live instance of {process_id} for '{key}'") from None
        raise


def needs_all(definition: ProcessDefinition, element: str) -> bool:
    """Whether the process begins there only once everything that the event waits for has happened."""
    return definitions.process_of(definition).beginnings[element][0].needs_all


def occupied(process_id: str, correlation_key: str) -> bool:
    """Whether an instance that a message with this key started is alive."""
    alive = ProcessInstance.objects.filter(process_id=process_id, ended_at__isnull=True)
    return alive.filter(correlation_key=correlation_key).exists()


# -- conditions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unknown:
    """A condition that these variables do not let be evaluated, and why."""

    process_id: str
    element: str
    message: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    started: tuple[ProcessInstance, ...]
    unknown: tuple[Unknown, ...]


def evaluate_conditions(
    variables: Mapping[str, Any] | None = None, *, process_id: str = "", business_key: str = "", by: str = ""
) -> Evaluated:
    """Begin an instance, with these variables, at every event whose condition is true of them: of the latest version of
    every process, or of one. All of them or none; asking again begins them again. A condition that cannot be evaluated
    begins nothing, and keeps the others from nothing.

    Raises `Overloaded`, and `Rejected`: ``variables-invalid``, ``value-invalid``, ``definition-not-found``, and
    ``definition-suspended`` where it is the one; among all, suspended ones are left out.
    """
    given = values.checked(variables)
    business_key = values.text(business_key, what="a business key")
    rows = StartSubscription.objects.filter(kind=StartKind.CONDITION.value)
    if process_id:
        rows = rows.filter(process_id=definitions.find(process_id).process_id)
    else:
        rows = rows.filter(definition__suspended=False)
    pressure.let_in()
    started: list[ProcessInstance] = []
    unknown: list[Unknown] = []
    with database.atomic():
        now = timezone.now()
        for row in rows.select_related("definition").defer("definition__xml").order_by("process_id", "id"):
            event, _ = definitions.process_of(row.definition).beginnings[row.element_id]
            try:
                if event.begins_with(given, now):
                    started.append(begin(row, variables=given, by=by, business_key=business_key))
            except ProcessFault as fault:
                unknown.append(Unknown(row.process_id, row.element_id, str(fault)))
    return Evaluated(tuple(started), tuple(unknown))
