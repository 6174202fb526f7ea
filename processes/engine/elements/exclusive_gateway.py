"""Exclusive gateway, BPMN 2.0.2 section 13.4.2: a token passes and leaves on the first flow whose condition holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from processes.engine.errors import Problem
from processes.engine.machine import Run
from processes.engine.model import FlowNode, SequenceFlow, nothing_holds
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.unread import IDENTITY


class ExclusiveGateway(FlowNode):
    tag: ClassVar[str] = "exclusiveGateway"
    attributes: ClassVar[frozenset[str]] = IDENTITY | {"default", "gatewayDirection"}

    @property
    def chooses_one(self) -> bool:
        return True

    def check(self, process: Process) -> Iterable[Problem]:
        flows = process.departing[self.id]
        for flow in flows if len(flows) > 1 else ():
            if flow.condition is None and flow.id != self.default:
                message = f"Expected a condition on flow '{flow.id}', or that it is the default flow, but found neither"
                yield Problem("no-condition", message, flow.line, flow.id)

    def departures(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> tuple[SequenceFlow, ...]:
        flows = run.process.departing[self.id]
        for flow in flows:
            if flow.id != self.default and (flow.condition is None or run.holds(flow, variables)):
                return (flow,)
        if self.default:
            return (run.process.flows[self.default],)
        if not flows:
            return ()
        raise nothing_holds(self)
