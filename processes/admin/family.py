"""The call hierarchy around an instance: who called whom, as a tree that is cut where it grows too large."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, F, Q, When
from django.urls import reverse

from processes.admin import shown
from processes.models import ProcessInstance

MOST = 100
"""Instances of one tree."""
MOST_CALLERS = 20
AT_ONCE = 10
"""Callers that one query looks up, each a join by primary key."""
MOST_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Family:
    """Instances of one tree by primary key; `more`: some are left out."""

    found: Mapping[int, ProcessInstance]
    more: bool

    @property
    def members(self) -> Collection[ProcessInstance]:
        return self.found.values()


def gather(row: ProcessInstance, called: Iterable[ProcessInstance]) -> Family:
    """The callers, itself and what it `called` come before the rest. One query for the rows, and one more for every
    `AT_ONCE` callers that are around its own."""
    columns = ("id", "process_id", "state", "parent_id", "parent_element", "root_id", "started_at", "ended_at")
    callers = _callers(row)
    first = Case(When(pk__in=callers, then=True), default=False, output_field=BooleanField())
    order = [first.desc()] if callers else []  # PostgreSQL does not sort by a constant
    kin = ProcessInstance.objects.filter(Q(root=row.root_id or row.pk) | Q(pk__in=callers)).only(*columns)
    kin = kin.order_by(*order, F("ended_at").desc(nulls_first=True), "-id")
    rows = list(kin[: MOST + len(callers) + 1])
    found = {each.pk: each for each in rows if each.pk in callers}
    found[row.pk] = row
    more = _add(found, called)
    return Family(found, _add(found, rows) or more)


def tree(row: ProcessInstance, family: Family, incidents: Mapping[int, int]) -> dict[str, Any]:
    """Every instance of it in order."""
    rows = [
        {
            "pk": each.pk,
            "href": reverse("admin:processes_processinstance_change", args=[each.pk]),
            "process": each.process_id,
            "element": each.parent_element,
            "state": shown.badge(each.state),
            "incidents": incidents.get(each.pk, 0),
            "took": shown.length(each.ended_at - each.started_at) if each.ended_at else "",
            "here": each.pk == row.pk,
            "depth": min(depth, MOST_DEPTH),
            "level": depth + 1,
        }
        for depth, each in _ordered(family.found)
    ]
    return {"rows": rows, "more": family.more}


def _callers(row: ProcessInstance) -> list[int]:
    """Primary keys from its own caller outward, and the outermost one."""
    found = [row.parent_id] if row.parent_id else []
    while found and found[-1] != row.root_id and len(found) < MOST_CALLERS:
        paths = ["__".join(["parent"] * depth) + "_id" for depth in range(1, AT_ONCE + 1)]
        outward = ProcessInstance.objects.filter(pk=found[-1]).values_list(*paths).first() or ()
        around = [pk for pk in outward if pk]
        found += around
        if len(around) < AT_ONCE:
            break
    found = found[:MOST_CALLERS]
    return found if row.root_id is None or row.root_id in found else [*found, row.root_id]


def _add(found: dict[int, ProcessInstance], rows: Iterable[ProcessInstance]) -> bool:
    more = False
    for each in rows:
        if each.pk not in found and len(found) >= MOST:
            more = True
        else:
            found.setdefault(each.pk, each)
    return more


def _ordered(found: Mapping[int, ProcessInstance]) -> Iterator[tuple[int, ProcessInstance]]:
    """Parents before children; who lost its parent to retention, or to the cut, stands at the left."""
    below: dict[int | None, list[ProcessInstance]] = defaultdict(list)
    for pk in sorted(found):
        parent = found[pk].parent_id
        below[parent if parent in found else None].append(found[pk])
    waiting = [(0, each) for each in reversed(below[None])]
    while waiting:
        depth, each = waiting.pop()
        yield depth, each
        waiting += [(depth + 1, child) for child in reversed(below[each.pk])]
