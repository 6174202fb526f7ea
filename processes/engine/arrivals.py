"""Which tokens can still arrive at a join, as BPMN 2.0.2 section 13.4.3 has it for those that wait for exactly them.

A token elsewhere in the scope is expected where it has a path, not through the join itself, to an incoming flow over
which none has come, and no such path to one over which some has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from processes.engine.model import FlowNode, SequenceFlow
from processes.engine.parts import NodeState, Token
from processes.engine.process import Process

if TYPE_CHECKING:
    from processes.engine.machine import Run


def waiting_before(run: Run, join: FlowNode, scope: int) -> dict[str, list[Token]]:
    """The tokens that wait before a join, by the flow over which they came, oldest first."""
    waiting: dict[str, list[Token]] = {}
    for token in run.instance.tokens_in(scope):
        if token.flow in join.incoming:
            waiting.setdefault(token.flow, []).append(token)
    return waiting


def others_expected(run: Run, join: FlowNode, scope: int, come: Collection[str]) -> bool:
    """Whether tokens can still arrive over other incoming flows of a join than these, over which some have come."""
    if all(flow in come for flow in join.incoming):
        return False
    process = run.process
    tokens = (token for token in run.instance.tokens_in(scope) if token.flow not in join.incoming)
    elsewhere = {process.flows[token.flow].target for token in tokens}
    for visit in run.instance.nodes_in(scope):
        # One that lingers has let its token go.
        if not (process.nodes[visit.element].lingers and visit.state is NodeState.ACTIVE):
            elsewhere.add(visit.element)
    for node in elsewhere:
        reached = _reached(process, join, node)
        if any(flow not in come for flow in reached) and not any(flow in come for flow in reached):
            return True
    return False


def _reached(process: Process, join: FlowNode, start: str) -> set[str]:
    """The incoming flows of the join to which a path leads from a node, not through the join itself."""
    reached: set[str] = set()
    seen = {start, join.id}
    frontier = [start] if start != join.id else []
    while frontier:
        node = frontier.pop()
        for flow in _ways_out(process, node):
            if flow.target == join.id:
                reached.add(flow.id)
            elif flow.target not in seen:
                seen.add(flow.target)
                frontier.append(flow.target)
    return reached


def _ways_out(process: Process, node: str) -> Iterable[SequenceFlow]:
    """The flows on which a token in a node can leave, those of its boundary events too."""
    yield from process.departing[node]
    for event in process.boundaries[node]:
        yield from process.departing[event.id]
