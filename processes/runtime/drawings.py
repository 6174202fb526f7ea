"""The drawing of a definition, with what happened in an instance marked on it: until now, or until one of its steps."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Case, Count, Exists, Max, OuterRef, Q, When

from processes.engine.diagram import Marks, Note, draw, with_diagram
from processes.engine.parts import Incident as LiveIncident
from processes.engine.parts import NodeState
from processes.models import FlowNodeInstance, Incident, ProcessDefinition, ProcessInstance, Step
from processes.models.instances import row_by_row
from processes.runtime.past import Past

MOST_STEPS = 50_000
"""The path is that of so many steps, the newest."""

__all__ = ["Note", "drawing", "drawing_then", "marks", "marks_then", "model", "of_file"]


def drawing(
    definition: ProcessDefinition,
    instance: ProcessInstance | None = None,
    notes: Mapping[str, Note] | None = None,
) -> str:
    """SVG; with an instance, elements are marked as completed, active or failed, and flows as taken. `notes` are what
    else is to be said of elements, by id."""
    document = bytes(definition.xml)
    title = str(definition if instance is None else instance)
    marked = Marks() if instance is None else marks(instance)
    return draw(document, title=title, marks=replace(marked, notes=notes or {}))


def of_file(document: bytes, *, title: str, notes: Mapping[str, Note] | None = None) -> str:
    """SVG of a file that is not deployed, perhaps because it was refused. Raises `ModelInvalid` where it is no BPMN."""
    return draw(document, title=title, marks=Marks(notes=notes or {}))


def model(definition: ProcessDefinition) -> bytes:
    """The document with a diagram: as it was deployed, or laid out where nobody has drawn it."""
    return with_diagram(bytes(definition.xml))


def drawing_then(definition: ProcessDefinition, past: Past, *, title: str) -> str:
    """The same of an instance as it was."""
    return draw(bytes(definition.xml), title=title, marks=marks_then(past))


def marks(instance: ProcessInstance) -> Marks:
    """Where an instance was, where it is, and where it is stuck: how often, by element id; and the flows taken."""
    visited, active = _visits(instance)
    incidents = Incident.objects.filter(instance=instance, ended_at__isnull=True)
    failed: Any = incidents.order_by().values_list("element_id").annotate(Count("pk"))
    return Marks(taken=_taken(instance), visited=visited, active=active, failed=dict(failed))


def marks_then(past: Past) -> Marks:
    nodes = past.instance.nodes
    open_ones = [wait for wait in past.instance.waits.values() if isinstance(wait, LiveIncident)]
    failed = Counter(nodes[one.node].element if one.node in nodes else "" for one in open_ones)
    return Marks(taken=frozenset(past.taken), visited=past.visited, active=past.active, failed=failed)


def _visits(instance: ProcessInstance) -> tuple[dict[str, int], dict[str, int]]:
    """How many visits are completed, and how many live, by element id. Of an activity that is repeated, the rounds and
    not the whole."""
    visits = FlowNodeInstance.objects.filter(instance=instance)
    live = Q(ended_at__isnull=True)
    whole = FlowNodeInstance.objects.filter(
        instance=OuterRef("instance"), key=OuterRef("scope"), element_id=OuterRef("element_id")
    )
    rows = (
        visits.filter(live | Q(state=NodeState.COMPLETED.value))
        .annotate(
            live=Case(When(live, then=True), default=False, output_field=BooleanField()),
            round=row_by_row(Exists(whole)),
        )
        .order_by()
        .values_list("element_id", "live", "round")
        .annotate(Count("pk"))
    )
    wholes: dict[bool, dict[str, int]] = {False: {}, True: {}}
    rounds: dict[bool, dict[str, int]] = {False: {}, True: {}}
    for element_id, is_live, is_round, count in rows:
        (rounds if is_round else wholes)[is_live][element_id] = count
    return wholes[False] | rounds[False], wholes[True] | rounds[True]


# -- the path ----------------------------------------------------------------------------------------------------------

# Taken flows have no rows of their own: a token that arrives is the visit. The history knows them. The database looks
# for them in its JSON, for which the ORM has no words, in a third of the time that reading the facts takes; and who
# looks again, as the page of a live instance does, reads what is new.

_WHERE = "WHERE s.instance_id = %s AND s.number > %s AND s.number <= %s AND"
_FLOWS = {
    "postgresql": "SELECT DISTINCT fact ->> 'flow' "
    "FROM {steps} s CROSS JOIN LATERAL jsonb_array_elements(s.facts) fact "
    f"{_WHERE} fact ->> 'fact' = 'FlowTaken'",
    "sqlite": "SELECT DISTINCT json_extract(fact.value, '$.flow') FROM {steps} s, json_each(s.facts) fact "
    f"{_WHERE} json_extract(fact.value, '$.fact') = 'FlowTaken'",
}
_REMEMBERED = 256
_paths: OrderedDict[tuple[int, datetime], tuple[int, frozenset[str]]] = OrderedDict()
_lock = Lock()


def _taken(instance: ProcessInstance) -> frozenset[str]:
    who = (instance.pk, instance.started_at)
    last = Step.objects.filter(instance=instance).aggregate(last=Max("number"))["last"] or 0
    with _lock:
        known, flows = _paths.get(who, (0, frozenset()))
    if known < last:
        with connection.cursor() as cursor:
            statement = _FLOWS[connection.vendor].format(steps=Step._meta.db_table)
            cursor.execute(statement, [instance.pk, max(known, last - MOST_STEPS), last])
            flows |= {flow for (flow,) in cursor.fetchall()}
    with _lock:
        _paths[who] = (last, flows)
        _paths.move_to_end(who)
        while len(_paths) > _REMEMBERED:
            _paths.popitem(last=False)
    return flows
