"""Which flow nodes were entered and which sequence flows were taken, over any number of runs of a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from processes.engine import facts as f
from processes.engine.diagram import Marks
from processes.engine.process import Process


@dataclass(slots=True)
class Coverage:
    """How often, by id."""

    nodes: Counter[str] = field(default_factory=Counter)
    flows: Counter[str] = field(default_factory=Counter)

    def add(self, facts: Iterable[f.Fact]) -> None:
        for fact in facts:
            if isinstance(fact, f.NodeEntered):
                self.nodes[fact.element] += 1
            elif isinstance(fact, f.FlowTaken):
                self.flows[fact.flow] += 1

    def __iadd__(self, other: Coverage) -> Self:
        self.nodes += other.nodes
        self.flows += other.flows
        return self

    def line(self, process: Process) -> dict[str, Any]:
        """What a process has, what of it was covered, and what was not."""
        return {
            "event": "Coverage",
            "process": process.id,
            "nodes": _share(process.nodes, self.nodes),
            "flows": _share(process.flows, self.flows),
        }

    def marks(self) -> Marks:
        """For the drawing."""
        return Marks(taken=frozenset(self.flows), visited=dict(self.nodes))


def _share(all_of_them: Iterable[str], found: Counter[str]) -> dict[str, Any]:
    ids = list(all_of_them)
    missing = [id for id in ids if not found[id]]
    return {"all": len(ids), "covered": len(ids) - len(missing), "missing": missing}
