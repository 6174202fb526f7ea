"""A process of a model: its nodes and flows by id, and what is asked of them as a whole, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from processes.engine import dmn
from processes.engine.errors import Problem
from processes.engine.model import FlowNode, SequenceFlow


@dataclass(frozen=True)
class Process:
    """One executable process of a model, BPMN 2.0.2 section 10.1. `nodes` and `flows` by id, in document order, those
    inside sub-processes too. `decisions` are those that it can call, where it runs."""

    id: str
    name: str = ""
    version_tag: str = ""
    line: int = 0
    nodes: Mapping[str, FlowNode] = field(default_factory=dict)
    flows: Mapping[str, SequenceFlow] = field(default_factory=dict)
    decisions: dmn.Library = field(default=dmn.NO_DECISIONS, compare=False, repr=False)

    @cached_property
    def departing(self) -> Mapping[str, tuple[SequenceFlow, ...]]:
        """The flows that leave each node, in the order of the document."""
        return {id: tuple(self.flows[flow] for flow in node.outgoing) for id, node in self.nodes.items()}

    @cached_property
    def boundaries(self) -> Mapping[str, tuple[FlowNode, ...]]:
        """The boundary events of each activity."""
        found: dict[str, list[FlowNode]] = {id: [] for id in self.nodes}
        for node in self.nodes.values():
            if node.attached_to in found:
                found[node.attached_to].append(node)
        return {id: tuple(nodes) for id, nodes in found.items()}

    @cached_property
    def handlers(self) -> Mapping[str, tuple[FlowNode, ...]]:
        """The events that begin the event sub-processes of each scope that has some, by the id of the sub-process,
        "" for the process."""
        found: dict[str, list[FlowNode]] = {}
        for node in self.nodes.values():
            if node.begins and node.scope and self.nodes[node.scope].handles:
                found.setdefault(self.nodes[node.scope].scope, []).append(node)
        return {id: tuple(nodes) for id, nodes in found.items()}

    @cached_property
    def starts(self) -> Mapping[str, FlowNode]:
        """The node at which each scope begins, by the id of the sub-process, "" for the process."""
        return {node.scope: node for node in self.nodes.values() if node.begins and not node.instantiates}

    @cached_property
    def beginnings(self) -> Mapping[str, tuple[FlowNode, FlowNode]]:
        """The events that begin the process, by id, each with the node at which it does."""
        return {event.id: (event, node) for node in self.nodes.values() for event in node.begun_by(self)}

    @cached_property
    def is_patient(self) -> bool:
        return any(node.patient for node in self.nodes.values())

    @cached_property
    def is_weighing(self) -> bool:
        return any(node.weighs for node in self.nodes.values())

    @cached_property
    def has_lingering(self) -> bool:
        return any(node.lingers for node in self.nodes.values())

    @cached_property
    def superseding(self) -> frozenset[str]:
        """The event sub-processes that take the place of everything else in the scope around them."""
        return frozenset(event.scope for events in self.handlers.values() for event in events if event.supersedes)

    @cached_property
    def undone_by(self) -> Mapping[str, str]:
        """The activities that undo others, by the id of the other."""
        events = [node for node in self.nodes.values() if node.undoing and node.attached_to in self.nodes]
        return {event.attached_to: event.undoing for event in events}

    @cached_property
    def undoing_events(self) -> Mapping[str, FlowNode]:
        """The events that begin event sub-processes for compensation, by the scope around."""
        return {scope: event for scope, events in self.handlers.items() for event in events if event.undoes}

    @cached_property
    def compensable(self) -> frozenset[str]:
        """The activities that can be undone, and those around them."""
        found = set(self.undone_by) | set(self.undoing_events)
        for id in list(found):
            around = self.nodes[id].scope if id else ""
            while around and not self.nodes[around].handles:
                found.add(around)
                around = self.nodes[around].scope
        return frozenset(found - {""})

    @cached_property
    def is_watchful(self) -> bool:
        return any(node.watches for node in self.nodes.values())


@dataclass(frozen=True, slots=True)
class Model:
    """What one document deploys: its executable processes, and what is worth knowing about them."""

    processes: tuple[Process, ...]
    warnings: tuple[Problem, ...] = ()
