"""Inclusive gateway, BPMN 2.0.2 section 13.4.3: leaves on every flow whose condition holds; as a join it waits for
exactly those tokens that can still arrive.

The rule of the specification, by the letter. It opens when some incoming flow has a token, and every token elsewhere
in the scope that has a path to an incoming flow without a token, not through this gateway, also has such a path to an
incoming flow with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from processes.engine.arrivals import others_expected, waiting_before
from processes.engine.machine import Run
from processes.engine.model import FlowNode, SequenceFlow
from processes.engine.parts import FlowNodeInstance, Token
from processes.engine.unread import IDENTITY


class InclusiveGateway(FlowNode):
    tag: ClassVar[str] = "inclusiveGateway"
    attributes: ClassVar[frozenset[str]] = IDENTITY | {"default", "gatewayDirection"}
    patient: ClassVar[bool] = True

    def gather(self, run: Run, token: Token) -> tuple[Token, ...] | None:
        if len(self.incoming) == 1:
            return (token,)
        waiting = waiting_before(run, self, token.scope)
        if others_expected(run, self, token.scope, waiting):
            return None
        return tuple(waiting[flow][0] for flow in self.incoming if flow in waiting)

    def departures(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> tuple[SequenceFlow, ...]:
        flows = run.process.departing[self.id]
        if len(flows) == 1 and flows[0].condition is None:
            return flows
        return super().departures(run, visit, variables)
