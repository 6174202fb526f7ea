"""Parallel gateway, BPMN 2.0.2 section 13.4.1: takes one token from each incoming flow, puts one on each outgoing.

Two tokens over one flow do not open it; the second waits for the next round.
"""

from __future__ import annotations

from typing import ClassVar

from processes.engine.machine import Run
from processes.engine.model import FlowNode
from processes.engine.parts import Token
from processes.engine.unread import IDENTITY


class ParallelGateway(FlowNode):
    tag: ClassVar[str] = "parallelGateway"
    joins_all: ClassVar[bool] = True
    attributes: ClassVar[frozenset[str]] = IDENTITY | {"gatewayDirection"}
    conditional: ClassVar[bool] = False

    def gather(self, run: Run, token: Token) -> tuple[Token, ...] | None:
        if len(self.incoming) == 1:
            return (token,)
        first: dict[str, Token] = {}
        for waiting in run.instance.tokens_in(token.scope):
            first.setdefault(waiting.flow, waiting)
        if all(flow in first for flow in self.incoming):
            return tuple(first[flow] for flow in self.incoming)
        return None
