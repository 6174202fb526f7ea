"""Facts as lines for people, programs and recordings: elements instead of keys, so that a recording outlives a change
of the model that does not change what happens.

    {"at": "2030-01-01T12:00:00+00:00", "event": "JobCreated", "element": "charge", "type": "charge-card", ...}

Every fact is told, those of elements yet to come too: its name, its fields, and in place of the keys of parts the
element that they belong to. Lines of another instance than the first name it. The last lines of a run are ``Ended``,
with everything that is left of each instance, the first one last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from processes.engine import facts as f
from processes.engine.parts import Incident
from processes.engine.process import Process
from processes.engine.state import Instance

Line = dict[str, Any]

NUMBERS = frozenset({"attempt", "position", "repetitions", "retries", "size", "version"})
"""Whole numbers of facts that are no keys of parts; all others are."""
WAITED_FOR = ("type", "name", "correlation_key")
"""What a wait says of itself."""
NOT_OWN = frozenset({"reach", "scope"})
"""Keys of parts that a fact is not about."""


def _keys(kind: type) -> tuple[str, ...]:
    """The fields of a fact that hold keys."""
    types = {"int", "int | None", "tuple[int, ...]"}
    return tuple(field.name for field in fields(kind) if field.type in types and field.name not in NUMBERS)


_KEYS = {kind: _keys(kind) for kind in f.Fact.__args__}


def announced(run: str, at: datetime, event: str, told: Mapping[str, Any]) -> Line:
    """A line about what no instance did."""
    return {**({"run": run} if run else {}), "at": at.isoformat(), "event": event, **told}


class Teller:
    """Tells the facts of one instance, and remembers which part belongs to which element."""

    def __init__(self, process: Process, instance: Instance, run: str = "", name: str = "") -> None:
        self.process = process
        self.instance = instance
        self.run = run
        self.name = name
        """Of the instance, "" for the first of a run."""
        self._elements: dict[int, str] = {}

    def line(self, fact: f.Fact, at: datetime) -> Line:
        document = f.to_json(fact)
        name = document.pop("fact")
        keys = {field: document.pop(field) for field in _KEYS[type(fact)]}
        own = [key for field, key in keys.items() if field not in NOT_OWN and isinstance(key, int) and key]
        known = (self._elements[key] for key in (*own, keys.get("scope")) if key in self._elements)
        element = document.pop("element", "") or next(known, "")
        if element:
            for key in own:
                self._elements.setdefault(key, element)
        line = self._begin(at, name)
        if element:
            line["element"] = element
        if isinstance(fact, f.NodeEntered):
            line["type"] = self.process.nodes[fact.element].tag
        elif isinstance(fact, f.InstanceStarted):
            line["process"] = self.process.id
        elif isinstance(fact, f.JobCreated):
            # What a worker gets to see; the visit itself may be over by the end of the step.
            line["inputs"] = dict(self.instance.visible(fact.node))
        return line | document

    def ending(self, at: datetime, stopped: str) -> Line:
        """How the instance ended, or what it still waits for."""
        waits = sorted(self.instance.waits.values(), key=lambda wait: wait.key)
        line = self._begin(at, "Ended") | {
            "process": self.process.id,
            "state": self.instance.state.value,
            "variables": self.instance.variables,
            "incidents": [
                {"element": self._element(wait.node), "kind": wait.kind.value, "message": wait.message}
                for wait in waits
                if isinstance(wait, Incident)
            ],
            "waiting": [self._wait(wait) for wait in waits if not isinstance(wait, Incident)],
        }
        return line | {"stopped": stopped} if stopped else line

    def _begin(self, at: datetime, event: str) -> Line:
        return announced(self.run, at, event, {"instance": self.name} if self.name else {})

    def _wait(self, wait: Any) -> Line:
        told = {"element": getattr(wait, "element", "") or self._element(wait.node), "for": type(wait).__name__}
        return told | {field: getattr(wait, field) for field in WAITED_FOR if hasattr(wait, field)}

    def _element(self, node: int) -> str:
        visit = self.instance.nodes.get(node)
        return visit.element if visit else ""
