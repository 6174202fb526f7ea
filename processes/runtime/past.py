"""Instances as they were: the facts of their first steps, applied to a blank instance. Nothing here writes.

An instance changes by facts alone, so its history holds every state that it ever had. What facts do not say is who
held a job in between: a claim is no step. A state is found again from the nearest one that was found before, of which
the last few are kept; they cost little, for of what they hold only visits and jobs ever change in place.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime
from threading import Lock
from typing import Any

from processes.engine import facts as f
from processes.engine.errors import Rejected
from processes.engine.parts import Job
from processes.engine.state import Changes, Instance
from processes.models import ProcessInstance, Step

MOST_STEPS = 5_000
"""Steps that are replayed: a second or so."""
EVERY = 200
"""Between states that are kept."""
MOST_KEPT = 64
LARGEST_KEPT = 2_000
"""Live parts of a state that is kept."""


@dataclass(slots=True)
class Past:
    """An instance after a step: the engine's view of it, the flows it had taken, and how often visits had completed;
    of an activity that is repeated, how often its rounds."""

    number: int = 0
    instance: Instance = field(default_factory=Instance)
    taken: set[str] = field(default_factory=set)
    wholes: Counter[str] = field(default_factory=Counter)
    rounds: Counter[str] = field(default_factory=Counter)

    @property
    def visited(self) -> dict[str, int]:
        return {**self.wholes, **self.rounds}

    @property
    def active(self) -> dict[str, int]:
        """How many live visits, by element id; rounds, where there are some."""
        nodes = self.instance.nodes
        wholes = Counter(node.element for node in nodes.values())
        rounds = Counter(node.element for node in nodes.values() if self._is_round(node.element, node.scope))
        return {**wholes, **rounds}

    def apply(self, fact: f.Fact) -> None:
        if isinstance(fact, f.FlowTaken):
            self.taken.add(fact.flow)
        elif isinstance(fact, f.NodeCompleted):
            node = self.instance.nodes[fact.node]
            (self.rounds if self._is_round(node.element, node.scope) else self.wholes)[node.element] += 1
        self.instance.apply(fact)

    def _is_round(self, element: str, scope: int) -> bool:
        around = self.instance.nodes.get(scope)
        return around is not None and around.element == element

    def copied(self) -> Past:
        """Another one that may change."""
        was, instance = self.instance, Instance(id=self.instance.id)
        instance.state, instance.variables, instance.last_key = was.state, was.variables, was.last_key
        instance.ended_because, instance.called = was.ended_because, was.called
        for key, node in was.nodes.items():
            instance.nodes[key] = copy(node)
        for key, token in was.tokens.items():
            instance.tokens[key] = token
        for key, wait in was.waits.items():
            instance.waits[key] = copy(wait) if isinstance(wait, Job) else wait
        return Past(self.number, instance, set(self.taken), Counter(self.wholes), Counter(self.rounds))


def after(row: ProcessInstance, number: int) -> Past:
    """The instance as it was after that step.

    Raises `Rejected`: ``step-not-found``, ``step-too-late``: more steps than are replayed, ``history-incomplete``:
    steps are missing, or say what this version does not know.
    """
    if not 1 <= number <= row.steps:
        expected = f"Expected a step from 1 to {row.steps} of instance {row.pk} but found {number}"
        raise Rejected("step-not-found", expected)
    if number > MOST_STEPS:
        expected = f"Expected one of the first {MOST_STEPS:,} steps, which are replayed, but found {number:,}"
        raise Rejected("step-too-late", expected)
    past = _shelf.nearest(row, number) or Past(instance=Instance(id=str(row.pk)))
    steps = Step.objects.filter(instance=row, number__gt=past.number, number__lte=number).order_by("number")
    for found, facts in steps.values_list("number", "facts").iterator(chunk_size=EVERY):
        if found != past.number + 1:
            break
        _play(row, past, found, facts)
    if past.number != number:
        missing = f"Expected step {past.number + 1} of instance {row.pk} but its history lacks it"
        raise Rejected("history-incomplete", missing)
    return past


def _play(row: ProcessInstance, past: Past, number: int, facts: Any) -> None:
    try:
        for fact in facts:
            past.apply(f.from_json(fact))
    except (ValueError, KeyError, AssertionError) as error:
        unclear = f"Expected step {number} of instance {row.pk} to follow from those before but it does not: {error}"
        raise Rejected("history-incomplete", unclear) from error
    past.number = number
    past.instance.changes = Changes()  # nobody records this
    if number % EVERY == 0:
        _shelf.keep(row, past)


def parts(past: Past, most: int) -> dict[str, Any]:
    """What was alive, as JSON has it; at most so many of a kind, the oldest."""
    instance = past.instance
    kinds: tuple[Any, ...] = (instance.nodes, instance.tokens, instance.waits)
    nodes, tokens, waits = ([kind[key] for key in sorted(kind)[:most]] for kind in kinds)
    return {
        "variables": instance.variables,
        "visits": [
            {"key": v.key, "element_id": v.element, "scope": v.scope, "state": v.state.value, "variables": v.variables}
            for v in nodes
        ],
        "tokens": [{"key": token.key, "flow_id": token.flow, "scope": token.scope} for token in tokens],
        "waits": [_wait(wait) for wait in waits],
        "flows_taken": sorted(past.taken),
        "completed": past.visited,
        "complete": all(len(kind) <= most for kind in kinds),
    }


def _wait(wait: Any) -> dict[str, Any]:
    details = {each.name: getattr(wait, each.name) for each in fields(wait)}
    return {
        "kind": type(wait).__name__,
        "key": details.pop("key"),
        "node": details.pop("node"),
        "details": {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in details.items()
        },
    }


def definition_after(row: ProcessInstance, number: int) -> int | None:
    """The definition that ran after that step; None where a migration did not keep what was before it."""
    moves = (
        Step.objects.filter(instance=row, command="MigrateInstance").order_by("number").values_list("number", "facts")
    )
    found = [(at, fact) for at, facts in moves for fact in facts if fact["fact"] == f.InstanceMigrated.__name__]
    before = [fact["definition"] for at, fact in found if at <= number]
    if before:
        return int(before[-1])
    if found:
        return found[0][1].get("source") or None
    return row.definition_id


class _Shelf:
    """The states that were found last. A history only grows; an id may come again, but not at the same moment."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, datetime, int], Past] = OrderedDict()
        self._lock = Lock()

    def nearest(self, row: ProcessInstance, number: int) -> Past | None:
        with self._lock:
            for at in range(number - number % EVERY, 0, -EVERY):
                found = self._kept.get((row.pk, row.started_at, at))
                if found is not None:
                    self._kept.move_to_end((row.pk, row.started_at, at))
                    return found.copied()
        return None

    def keep(self, row: ProcessInstance, past: Past) -> None:
        instance = past.instance
        if len(instance.nodes) + len(instance.tokens) + len(instance.waits) > LARGEST_KEPT:
            return
        with self._lock:
            self._kept[row.pk, row.started_at, past.number] = past.copied()
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)


_shelf = _Shelf()
