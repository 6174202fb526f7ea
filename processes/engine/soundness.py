"""What can go wrong with a process as a whole: nodes that no token reaches, joins that may wait for ever.

Warnings, not errors: whether a condition can hold is not known here, so a join is only said to be in danger. A process
is sound where every way that is chosen can still open the joins that it has begun to fill (van der Aalst, Verification
of Workflow Nets, 1997); deciding that exactly takes every state of the net, and what is looked at here is one choice
at a time, which finds the mistakes that people make.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from processes.engine.errors import Problem, Severity
from processes.engine.model import FlowNode
from processes.engine.process import Process

EFFORT = 2_000_000
"""Flows that are looked at before the search for joins in danger gives up, so that no model takes seconds."""


def findings(process: Process) -> Iterator[Problem]:
    """The warnings about a process whose flows all have both ends."""
    yield from _never_reached(process)
    yield from _Joins(process).in_danger()


def _never_reached(process: Process) -> Iterator[Problem]:
    roots = [node for node in process.nodes.values() if _begins(process, node)]
    seen = {node.id for node in roots}
    left = [node.id for node in roots]
    while left:
        id = left.pop()
        following = [flow.target for flow in process.departing[id]]
        following += [event.id for event in process.boundaries[id]]
        for target in following:
            if target not in seen:
                seen.add(target)
                left.append(target)
    for node in process.nodes.values():
        if node.id not in seen:
            what = f"No token ever reaches the {node.tag} '{node.id}': nothing leads to it from a start"
            yield Problem("never-reached", what, node.line, node.id, Severity.WARNING)


def _is_picked(process: Process, node: FlowNode) -> bool:
    """Whether it begins because somebody picks it."""
    return bool(node.scope) and process.nodes[node.scope].picks and not node.incoming and not node.attached_to


def _begins(process: Process, node: FlowNode) -> bool:
    """Whether it begins without a flow that leads to it."""
    return node.begins or node.instantiates or node.handles or node.stands_by or _is_picked(process, node)


class _Joins:
    """Looks for joins that take a token of each incoming flow, behind choices that give them only some."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._effort = EFFORT

    def in_danger(self) -> Iterator[Problem]:
        nodes = self._process.nodes.values()
        choices = [node for node in nodes if len(self._ways(node)) > 1]
        for join in nodes:
            if not join.joins_all or len(join.incoming) < 2:
                continue
            for choice in choices:
                if choice.scope == join.scope and choice is not join and (missing := self._missing(join, choice)):
                    what = (
                        f"The join '{join.id}' may wait for ever: when '{choice.id}' takes one way, "
                        f"no token comes over '{missing}'"
                    )
                    yield Problem("join-may-wait", what, join.line, join.id, Severity.WARNING)
                    break
            if self._effort < 0:
                return

    def _ways(self, node: FlowNode) -> list[list[str]]:
        """The flows of each way that a token may go on from a node, of which it takes one."""
        flows = self._process.departing[node.id]
        leaving = [flow.id for flow in flows]
        if node.chooses_one or node.default or any(flow.condition is not None for flow in flows):
            return [[flow] for flow in leaving]
        interrupting = [event for event in self._process.boundaries[node.id] if event.interrupts_host]
        return [leaving, *([flow.id for flow in self._process.departing[event.id]] for event in interrupting)]

    def _missing(self, join: FlowNode, choice: FlowNode) -> str:
        """A flow into the join over which no token comes while others do, by one way out of the choice; "": none."""
        wanted = set(join.incoming)
        anyway, _ = self._reached(join, self._beginnings(join.scope, choice), without=choice)
        for way in self._ways(choice):
            given, breaks_off = self._reached(join, way)
            come = (given | anyway) & wanted
            if come and come != wanted and not breaks_off:
                return min(wanted - come)
        return ""

    def _beginnings(self, scope: str, choice: FlowNode) -> list[str]:
        """The flows over which tokens come into a scope, but for those of the choice."""
        process = self._process
        firsts = [node for node in process.nodes.values() if node.scope == scope and not node.incoming]
        firsts = [node for node in firsts if not node.attached_to and node is not choice]
        return [flow.id for node in firsts for flow in process.departing[node.id]]

    def _reached(self, join: FlowNode, flows: Iterable[str], without: FlowNode | None = None) -> tuple[set[str], bool]:
        """The flows that a token may take from here on, not beyond the join and not through a node; whether it may
        come to where everything ends."""
        seen: set[str] = set()
        left = list(flows)
        breaks_off = False
        while left:
            flow = left.pop()
            if flow in seen:
                continue
            seen.add(flow)
            self._effort -= 1
            node = self._process.nodes[self._process.flows[flow].target]
            breaks_off = breaks_off or node.breaks_off
            if node is join or node is without:
                continue
            left += [following.id for following in self._process.departing[node.id]]
            for event in self._process.boundaries[node.id]:
                left += [following.id for following in self._process.departing[event.id]]
        return seen, breaks_off
