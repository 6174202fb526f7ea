"""What has happened so far, of what begins a process only once all of it has (a parallel multiple start event).

Messages belong together by their correlation key, signals because they are for everyone. Each counts once: one that
comes again before the others have waits, if it is a message, for the next time. Whoever brings one holds the
subscriptions of the event, so of two that come at once the second one sees the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from processes.engine.event_definition import Start
from processes.models import MessageCorrelation, ProcessDefinition, StartOccurrence, StartSubscription

Trigger = tuple[str, str]
"""Kind and name."""


def is_wanted(definition: ProcessDefinition, element: str, trigger: Trigger, correlation_key: str = "") -> bool:
    """Whether an event still waits for a trigger, and has not had it yet. Holds its subscriptions."""
    subscriptions = StartSubscription.objects.filter(definition=definition, element_id=element)
    wanted = subscriptions.select_for_update().order_by("id").values_list("kind", "name")
    if trigger not in list(wanted):
        return False  # a newer version took its place
    kind, name = trigger
    return not kept(definition, element, correlation_key).filter(kind=kind, name=name).exists()


def gather(
    definition: ProcessDefinition,
    element: str,
    trigger: Trigger,
    variables: Mapping[str, Any],
    *,
    at: datetime,
    correlation_key: str = "",
    message_id: int | None = None,
) -> dict[str, Any] | None:
    """A trigger of an event happened that `is_wanted`: the variables of all, the latest over the others, where it was
    the last one; else it is kept, and the answer is None."""
    subscriptions = StartSubscription.objects.filter(definition=definition, element_id=element)
    wanted = set(subscriptions.values_list("kind", "name"))
    come = kept(definition, element, correlation_key)
    have = {(one.kind, one.name): one.variables for one in come.order_by("id")}
    if wanted - {*have, trigger}:
        StartOccurrence.objects.create(
            definition=definition,
            element_id=element,
            correlation_key=correlation_key,
            kind=trigger[0],
            name=trigger[1],
            variables=dict(variables),
            message_id=message_id,
            occurred_at=at,
        )
        return None
    given: dict[str, Any] = {}
    for brought in (*have.values(), variables):
        given |= brought
    return given


def kept(definition: ProcessDefinition, element: str, correlation_key: str) -> Any:
    """What is kept for an event under a key."""
    return StartOccurrence.objects.filter(definition=definition, element_id=element, correlation_key=correlation_key)


def spend(definition: ProcessDefinition, element: str, correlation_key: str, instance_id: int) -> None:
    """What was kept has begun an instance."""
    used = kept(definition, element, correlation_key)
    messages = [pk for pk in used.values_list("message_id", flat=True) if pk is not None]
    reached = MessageCorrelation.objects.filter(message_id__in=messages, process_id=definition.process_id)
    reached.update(instance_id=instance_id, started=True)
    used.delete()


def carry_over(process_id: str, definition: ProcessDefinition, starts: Sequence[Start]) -> None:
    """A new version of a process takes over what is kept for events that wait for the same as before. To be called
    while the subscriptions of the old one are there."""
    before: defaultdict[str, set[Trigger]] = defaultdict(set)
    after: defaultdict[str, set[Trigger]] = defaultdict(set)
    old = StartSubscription.objects.select_for_update().filter(process_id=process_id).order_by("id")
    for element, kind, name in old.values_list("element_id", "kind", "name"):
        before[element].add((kind, name))
    for start in starts:
        after[start.element].add((start.kind.value, start.name))
    same = [element for element, triggers in before.items() if after[element] == triggers]
    rows = StartOccurrence.objects.filter(definition__process_id=process_id)
    rows.exclude(element_id__in=same).delete()
    rows.update(definition=definition)
