"""Event-based gateway, BPMN 2.0.2 sections 10.6.6 and 13.4.4: waits for several events at once and goes where the first
occurs.

The gateway waits on behalf of the events behind it; none of them is entered before it is chosen. A parallel one begins
the process with the first of its messages and then waits for all the others, each of which goes its own way; so the
process does not end without them. They share their correlation information, as the standard has it: the others are
awaited under the key with which the first one came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from processes.engine import facts as f
from processes.engine.activity import Activity
from processes.engine.errors import Problem
from processes.engine.machine import Run
from processes.engine.model import OUTERMOST, FlowNode, nothing_to_wait_for
from processes.engine.parts import FlowNodeInstance, Trigger
from processes.engine.process import Process
from processes.engine.source import Source
from processes.engine.unread import IDENTITY
from processes.engine.waits import PreparedMessage

TARGETS = ("intermediateCatchEvent", "receiveTask")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBasedGateway(FlowNode):
    tag: ClassVar[str] = "eventBasedGateway"
    attributes: ClassVar[frozenset[str]] = IDENTITY | {"eventGatewayType", "gatewayDirection", "instantiate"}
    conditional: ClassVar[bool] = False
    instantiate: bool = False
    """Whether each of its events begins the process."""
    parallel: bool = False
    """Whether the others are waited for after that."""

    @classmethod
    def read(cls, source: Source, **common: Any) -> Self:
        instantiate = source.flag("instantiate")
        if (kind := source.get("eventGatewayType", "Exclusive")) not in ("Exclusive", "Parallel"):
            source.problem("not-executable", f"Expected eventGatewayType Exclusive or Parallel but found {kind}")
        if kind == "Parallel" and not instantiate:
            what = "Expected a parallel event-based gateway to begin the process but found one that does not"
            source.problem("event-gateway-parallel", what)
        if len(common["outgoing"]) < 2:
            source.problem(
                "event-gateway-targets", f"Expected two flows or more out but found {len(common['outgoing'])}"
            )
        return cls(instantiate=instantiate, parallel=kind == "Parallel", **common)

    @property
    def kind(self) -> tuple[str, ...]:
        return (self.tag, "parallel") if self.parallel else (self.tag,)

    @property
    def chooses_one(self) -> bool:
        return not self.parallel

    @property
    def instantiates(self) -> bool:
        return self.instantiate

    def begun_by(self, process: Process) -> tuple[FlowNode, ...]:
        return tuple(process.nodes[id] for id in self._targets(process)) if self.instantiate else ()

    def _targets(self, process: Process) -> list[str]:
        return [flow.target for flow in process.departing[self.id]]

    def begin(self, run: Run, event: FlowNode, variables: Mapping[str, Any], correlation_key: str) -> None:
        others = [other for other in self.awaited(run.process) if self.parallel and other is not event]
        starts = [start for other in others for start in other.starts(run.at)]
        visit = run.enter(self, OUTERMOST)
        if starts:
            run.wait(visit)
        for start in starts:
            PreparedMessage(start.name, correlation_key).arm(run, visit, start.element)
        self.chosen(run, visit, event, variables)

    def check(self, process: Process) -> Iterable[Problem]:
        if self.instantiate:
            yield from self._check_beginning(process)
        for flow in process.departing[self.id]:
            target = process.nodes[flow.target]
            if target.tag not in TARGETS:
                what = f"Expected flow '{flow.id}' to lead to one of {', '.join(TARGETS)} but found {target.tag}"
                yield Problem("event-gateway-targets", f"{what} '{target.id}'", flow.line, self.id)
            elif len(target.incoming) > 1:
                what = f"Expected '{target.id}' to have no other incoming flow but found {len(target.incoming)}"
                yield Problem("event-gateway-targets", what, target.line, self.id)
            # The gateway waits in its place, so nothing of it is active while it could happen (section 10.6.6).
            for event in process.boundaries[target.id]:
                what = f"Expected no boundary event on '{target.id}' behind the gateway but found {event.tag}"
                yield Problem("event-gateway-targets", f"{what} '{event.id}'", event.line, self.id)
            if isinstance(target, Activity) and (target.loop is not None or target.start_quantity != 1):
                what = f"Expected '{target.id}' behind the gateway to be done once, with one token, but found otherwise"
                yield Problem("event-gateway-targets", what, target.line, self.id)
            if isinstance(target, Activity) and target.inputs:
                what = f"Expected no input mapping on '{target.id}' behind the gateway but found one, not executed"
                yield Problem("event-gateway-targets", what, target.line, self.id)

    def _check_beginning(self, process: Process) -> Iterable[Problem]:
        """BPMN 2.0.2 section 10.6.6: no flow leads into it, and it waits for what can begin a process."""
        if self.incoming or self.scope:
            message = "Expected a gateway that begins the process to have no incoming flow and no sub-process around it"
            yield Problem("bad-instantiate", f"{message} but found one", self.line, self.id)
        for id in self._targets(process):
            if not process.nodes[id].may_begin:
                what = f"Expected events behind a gateway that begins the process to begin it but found '{id}'"
                yield Problem("bad-instantiate", what, self.line, self.id)
            elif self.parallel and not process.nodes[id].correlates:
                what = f"Expected messages, which share a correlation key, behind a parallel gateway but found '{id}'"
                yield Problem("event-gateway-parallel", what, self.line, self.id)

    def awaited(self, process: Process) -> tuple[FlowNode, ...]:
        return tuple(process.nodes[flow.target] for flow in process.departing[self.id])

    def activate(self, run: Run, visit: FlowNodeInstance) -> None:
        variables = run.visible(visit.scope)
        events = [run.process.nodes[flow.target] for flow in run.process.departing[self.id]]
        waits = [(event, event.wait_for(run, variables)) for event in events]
        if all(wait is None for _, wait in waits):
            raise nothing_to_wait_for(self)
        run.wait(visit)
        for event, wait in waits:
            if wait is not None:
                wait.arm(run, visit, event.id)

    def chosen(self, run: Run, visit: FlowNodeInstance, event: FlowNode, variables: Mapping[str, Any]) -> None:
        flows = tuple(flow for flow in run.process.departing[self.id] if flow.target == event.id)[:1]
        scope = visit.scope
        waits = run.instance.waits_of(visit.key) if self.parallel else []
        mine = tuple(wait.key for wait in waits if isinstance(wait, Trigger) and wait.element == event.id)
        stays = any(isinstance(wait, Trigger) and wait.element != event.id for wait in waits)
        if stays and mine:
            run.emit(f.WaitsWithdrawn(visit.key, mine))
        token = run.leave_on(visit, flows[0], stays=stays)
        run.complete(run.enter(event, scope, (token,)), variables)
