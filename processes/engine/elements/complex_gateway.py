"""Complex gateway, BPMN 2.0.2 sections 10.6.5 and 13.4.5: a join that opens before all tokens are there, when its
activation condition says so, and then waits for the late ones before it can open again.

Waiting for start, it looks at its condition whenever a token comes or a variable changes. The condition sees the
variables, how many tokens wait before it (``activationCount``), and how many of them on each incoming flow, by its id.
Once it is true, one token of each flow that has some is taken, and tokens leave as from an inclusive gateway.

It then waits for reset: for a token over each of the flows that had none, as far as an inclusive gateway would expect
one. Those are taken together, and tokens leave once more on the flows whose condition is true by then, or else on the
default flow, or on none; conditions tell the two phases apart by ``waitingForStart``. A flow without a condition is for
the first phase, and no token leaves where none was taken: so without conditions a late token ends here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from processes.engine import facts as f
from processes.engine.arrivals import others_expected, waiting_before
from processes.engine.errors import IncidentKind
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.mapping import Overlay
from processes.engine.model import FlowNode, SequenceFlow
from processes.engine.parts import FlowNodeInstance, NodeState, Token
from processes.engine.source import Source
from processes.engine.unread import EXPRESSION, IDENTITY, refuse_language, refuse_unread

START, COUNT = "waitingForStart", "activationCount"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexGateway(FlowNode):
    tag: ClassVar[str] = "complexGateway"
    attributes: ClassVar[frozenset[str]] = IDENTITY | {"default", "gatewayDirection"}
    children: ClassVar[frozenset[str]] = frozenset({"activationCondition"})
    patient: ClassVar[bool] = True
    lingers: ClassVar[bool] = True
    weighs: ClassVar[bool] = True
    activation: Expression | None = None

    @classmethod
    def read(cls, source: Source, **common: Any) -> Self:
        found = [part for part in source.children("activationCondition") if part.text()]
        if len(found) > 1 or (not found and len(common["incoming"]) > 1):
            what = "Expected one activationCondition with a text, for several flows lead into the gateway, but found"
            source.problem("no-activation-condition", f"{what} {len(found)}")
        activation = None
        for part in found[:1]:
            refuse_unread(part, attributes=EXPRESSION)
            refuse_language(part, declared=source.document.root.get("expressionLanguage", "").strip())
            activation = part.expression(part.text(), "the activation condition", always_feel=True)
        return cls(activation=activation, **common)

    # -- taking tokens ---------------------------------------------------------------------------------------------

    def gather(self, run: Run, token: Token) -> tuple[Token, ...] | None:
        waiting = waiting_before(run, self, token.scope)
        visits = [visit for visit in run.instance.nodes_in(token.scope) if visit.element == self.id]
        if not visits:
            if not self._is_activated(run, token.scope, waiting):
                return None
            return tuple(waiting[flow][0] for flow in self.incoming if flow in waiting)
        if any(visit.state is not NodeState.ACTIVE for visit in visits):
            return None  # one of its phases is parked
        late = [flow for flow in self._late(visits[0]) if flow in waiting]
        if not late or self._expects(run, visits[0], waiting):
            return None
        return tuple(waiting[flow][0] for flow in late)

    def _is_activated(self, run: Run, scope: int, waiting: Mapping[str, list[Token]]) -> bool:
        if self.activation is None:
            return True
        counts = {flow: len(waiting.get(flow, ())) for flow in self.incoming}
        seen = Overlay({**counts, COUNT: sum(counts.values())}, run.visible(scope))
        return self.activation.evaluate(seen, run.at, IncidentKind.CONDITION) is True

    def took(self, run: Run, visit: FlowNodeInstance, tokens: tuple[Token, ...]) -> None:
        if self._first_phase(run, visit) is None and len(tokens) < len(self.incoming):
            run.emit(f.FlowsJoined(visit.key, tuple(token.flow for token in tokens)))

    # -- waiting for the late ones ---------------------------------------------------------------------------------

    def _late(self, visit: FlowNodeInstance) -> list[str]:
        """The flows over which a visit has taken no token."""
        taken = (visit.result or {}).get("joined", self.incoming)
        return [flow for flow in self.incoming if flow not in taken]

    def _expects(self, run: Run, visit: FlowNodeInstance, waiting: Mapping[str, Any]) -> bool:
        late = self._late(visit)
        come = {flow for flow in self.incoming if flow not in late or flow in waiting}
        return others_expected(run, self, visit.scope, come)

    def _first_phase(self, run: Run, visit: FlowNodeInstance) -> FlowNodeInstance | None:
        """Of a visit of the second phase: the one that waits for it."""
        beside = run.instance.nodes_in(visit.scope)
        return next((one for one in beside if one.element == self.id and one.key < visit.key), None)

    def lapses(self, run: Run, visit: FlowNodeInstance) -> bool:
        waiting = waiting_before(run, self, visit.scope)
        beside = [one for one in run.instance.nodes_in(visit.scope) if one.element == self.id]
        if len(beside) > 1 or any(flow in waiting for flow in self._late(visit)):
            return False
        return not self._expects(run, visit, waiting)

    # -- letting tokens go -----------------------------------------------------------------------------------------

    def completion(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Callable[[], None]:
        first = self._first_phase(run, visit)
        if first is None and self._late(visit):
            flows = self.departures(run, visit, run.visible(visit.scope))
            return lambda: run.linger(visit, flows)
        go_on = run.going_on(visit, {})

        def reset() -> None:
            if first is not None:
                run.leave(first, ())
            go_on()

        return reset

    def departures(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> tuple[SequenceFlow, ...]:
        starts = self._first_phase(run, visit) is None
        seen = Overlay({START: starts}, variables)
        if starts:
            return super(ComplexGateway, self).departures(run, visit, seen)
        flows = [flow for flow in run.process.departing[self.id] if flow.condition is not None]
        taken = tuple(flow for flow in flows if run.holds(flow, seen))
        return taken if taken or not self.default else (run.process.flows[self.default],)
