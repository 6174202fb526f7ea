"""The token machine: scopes, tokens and visits to nodes, and no element by name.

Theory. A command is carried out in two movements. First it changes one thing (see `stepping`): a job ends, a timer
fires, an operator resolves. Then the machine *settles*: tokens that arrived are offered to their targets, targets are
entered, activities complete and put new tokens on flows, until nothing moves. Then waiting tokens are offered again
to joins whose answer depends on the rest of the scope (an inclusive join opens when the other path dies), and scopes
in which nothing is alive any more complete, which may set more in motion. The fixed point is the end of the step.

Where a process has conditional events, their conditions are looked at before anything moves on, whenever variables that
they see have changed. A scope is open, and the events of its event sub-processes are armed, once the node at which it
begins completes; those waits belong to the scope itself, and do not keep it from completing.

Rules of this room. `Run.emit` is the only way in which anything changes. Whatever can fail is evaluated before the
first fact of an operation, so a fault parks a visit exactly where it stands: READY (its inputs could not be
evaluated), ACTIVE (its job has no tries left), or COMPLETING (its outputs or conditions could not be evaluated; the
result is kept). Resolving the incident resumes there, and calls no service again whose answer is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from processes.engine import compensation
from processes.engine import facts as f
from processes.engine.errors import BpmnError, IncidentKind, ProcessFault, Rejected
from processes.engine.event_definition import Armed, Cancellation, Escalation, Thrown
from processes.engine.expression import Expression, expected
from processes.engine.mapping import Overlay
from processes.engine.model import FlowNode, SequenceFlow
from processes.engine.parts import FlowNodeInstance, Incident, NodeState, Token, Trigger
from processes.engine.process import Process
from processes.engine.state import PROCESS_SCOPE, Instance

MAX_VISITS = 10_000
"""Nodes entered in one step; a model that needs more without ever waiting runs in a circle."""
MAX_ROUNDS = 100_000
"""Rounds of repeated activities that may be planned in one step."""


class Run:
    """One step under way."""

    __slots__ = (
        "_arrived",
        "_changed",
        "_emptied",
        "_limit",
        "_next",
        "_planned",
        "_rounds",
        "_stirred",
        "_undoing",
        "_visits",
        "at",
        "facts",
        "instance",
        "process",
    )

    def __init__(self, process: Process, instance: Instance, at: datetime) -> None:
        self.process = process
        self.instance = instance
        self.at = at
        self.facts: list[f.Fact] = []
        self._arrived: deque[Token] = deque()
        self._emptied: deque[int] = deque()
        self._stirred: set[int] = set()
        self._changed: set[int] = set()
        """Scopes and visits whose variables changed, as far as conditions are watched."""
        self._undoing: deque[tuple[int, int]] = deque()
        """Scopes in which something is to be undone, and on behalf of which visits."""
        self._visits = 0
        self._rounds = 0
        self._limit = MAX_VISITS
        self._planned: set[tuple[str, int]] = set()
        """Repeated activities, each in its scope, for which the limit was raised: once, or a circle would go on."""
        self._next: deque[Callable[[], None]] = deque()

    # -- facts and expressions -------------------------------------------------------------------------------------

    def emit(self, fact: f.Fact) -> None:
        self.instance.apply(fact)
        self.facts.append(fact)
        if self.process.is_watchful:
            if isinstance(fact, f.VariablesSet):
                self._changed.add(fact.scope)
            elif isinstance(fact, f.NodeActivated | f.ConditionAwaited):
                self._changed.add(fact.node)
        if self.process.is_weighing and isinstance(fact, f.VariablesSet):
            self._stirred |= self._within(fact.scope)

    def next_key(self) -> int:
        return self.instance.last_key + 1

    def element(self, visit: FlowNodeInstance) -> FlowNode:
        return self.process.nodes[visit.element]

    def holder(self, scope: int) -> FlowNodeInstance:
        """The visit whose scope it is, or the process itself."""
        found = self.instance.holder(scope)
        assert found is not None, f"something belongs to visit {scope}, which is not alive"
        return found

    def visible(self, scope: int) -> Mapping[str, Any]:
        return self.instance.visible(scope)

    def holds(self, flow: SequenceFlow, variables: Mapping[str, Any]) -> bool:
        """Whether the condition of a flow is true. Raises `ProcessFault` unless it is true or false."""
        assert flow.condition is not None
        value, why = flow.condition.explain(variables, self.at, IncidentKind.CONDITION)
        if isinstance(value, bool):
            return value
        what = f"the condition '{flow.condition.text}' of flow '{flow.id}' to be true or false"
        raise ProcessFault(IncidentKind.CONDITION, expected(what, value, why))

    def evaluate(self, expression: Expression, variables: Mapping[str, Any]) -> Any:
        return expression.evaluate(variables, self.at)

    # -- tokens ----------------------------------------------------------------------------------------------------

    def take(self, flows: tuple[SequenceFlow, ...], scope: int) -> None:
        """Put a token on each of the flows."""
        for flow in flows:
            key = self.next_key()
            self.emit(f.FlowTaken(flow.id, scope, key))
            self._arrived.append(self.instance.tokens[key])

    def none_start(self) -> FlowNode:
        """Where the process begins for callers. Raises `Rejected` where it does so nowhere."""
        start = self.process.starts.get("")
        if start is None:
            found = ", ".join(f"'{id}'" for id in self.process.beginnings)
            raise Rejected(
                "no-none-start",
                f"Expected process '{self.process.id}' to have a none start event but found only {found}",
            )
        return start

    def offer(self, tokens: Iterable[Token]) -> None:
        """Have waiting tokens looked at again: what they wait for may be something else now."""
        self._arrived.extend(tokens)

    def enter(self, node: FlowNode, scope: int, tokens: tuple[Token, ...] = ()) -> FlowNodeInstance:
        """Visit a node, without activating it yet."""
        key = self.next_key()
        self._visits += 1
        self._stirred.add(scope)
        self.emit(f.NodeEntered(key, node.id, scope, tuple(token.key for token in tokens)))
        return self.instance.nodes[key]

    def activate(self, visit: FlowNodeInstance) -> None:
        try:
            if self._visits > self._limit:
                raise ProcessFault(
                    IncidentKind.ENDLESS_LOOP,
                    f"Expected the process to wait for something within {self._limit} nodes but found it still moving",
                )
            self.element(visit).activate(self, visit)
        except ProcessFault as fault:
            self.park(visit, fault)
        except BpmnError as error:
            self.throw(visit, error)

    def wait(self, visit: FlowNodeInstance, variables: Mapping[str, Any] | None = None) -> None:
        """The visit works or waits from now on."""
        self.emit(f.NodeActivated(visit.key, variables or {}))

    def complete(
        self, visit: FlowNodeInstance, response: Mapping[str, Any] | None = None, *, plain: bool = False
    ) -> None:
        """The work of a visit is done. `plain` says that the response is the result already."""
        node = self.element(visit)
        response = response or {}
        try:
            result = response if plain else node.result(self, visit, response)
            response, plain = result, True
            go_on = node.completion(self, visit, result)
        except ProcessFault as fault:
            self.emit(f.NodeCompleting(visit.key, response, plain))
            self.park(visit, fault)
            return
        except BpmnError as error:
            self.emit(f.NodeCompleting(visit.key, response, plain))
            self.throw(visit, error)
            return
        go_on()

    def going_on(self, visit: FlowNodeInstance, outputs: Mapping[str, Any], *, done: bool = True) -> Callable[[], None]:
        """Evaluate where the token goes, with these outputs for the scope around; what is returned lets it go.
        Raises `ProcessFault`."""
        around = self.visible(visit.scope)
        variables = Overlay(outputs, around) if outputs else around
        node = self.element(visit)
        flows = node.departures(self, visit, variables)
        triggers = self._triggers(node.scope, variables) if node.begins else []
        host = None if visit.scope == PROCESS_SCOPE else self.instance.node(visit.scope)
        then = None if host is None else self.element(host).inner_completes(self, host, visit, variables)

        def go_on() -> None:
            if outputs:
                self.propagate(visit.scope, outputs)
            for event, armed in triggers:
                armed.arm(self, self.holder(visit.scope), event.id)
            self.leave(visit, flows, done=done)
            if then is not None:
                then()

        return go_on

    def _triggers(self, scope: str, variables: Mapping[str, Any]) -> list[tuple[FlowNode, Armed]]:
        """What the event sub-processes of a scope wait for, as it begins. Raises `ProcessFault`."""
        events = self.process.handlers.get(scope, ())
        return [(event, armed) for event in events if (armed := event.wait_for(self, variables)) is not None]

    def open(self) -> None:
        """The process began, at no start event: from now on its event sub-processes may."""
        process = self.holder(PROCESS_SCOPE)
        try:
            triggers = self._triggers(process.element, self.visible(PROCESS_SCOPE))
        except ProcessFault as fault:
            self.park(process, fault)
            return
        for event, armed in triggers:
            armed.arm(self, process, event.id)

    def leave(self, visit: FlowNodeInstance, flows: tuple[SequenceFlow, ...], *, done: bool = True) -> None:
        """The visit is over; its tokens go on. Unless it is `done`, there is nothing to undo later."""
        self._stirred.add(visit.scope)
        stands_by = self.element(visit).stands_by
        undone = compensation.of(self, visit) if stands_by and not flows else None
        if not done:
            self.terminate(visit)
        else:
            if visit.element in self.process.compensable and not stands_by:
                compensation.register(self, visit)
            self.emit(f.NodeCompleted(visit.key))
        if flows:
            self.take(flows, visit.scope)
        else:
            self._emptied.append(visit.scope)
            if undone is not None:
                compensation.over(self, undone, visit.scope)

    def body(self, visit: FlowNodeInstance) -> FlowNodeInstance | None:
        """The visit that repeats an activity, where this one is a round of it: a visit to the same node inside it."""
        around = None if visit.scope == PROCESS_SCOPE else self.instance.node(visit.scope)
        return around if around is not None and around.element == visit.element else None

    def boundaries(self, visit: FlowNodeInstance) -> tuple[FlowNode, ...]:
        """The boundary events of a visit. A repeated activity has them once, its rounds have none."""
        events = self.process.boundaries[visit.element]
        return () if events and self.body(visit) is not None else events

    def plan(self, body: FlowNodeInstance, rounds: int) -> None:
        """Rounds of a repeated activity are about to begin; the step may enter the more nodes, unless the
        activity comes again. Raises `ProcessFault`."""
        if self._rounds + rounds > MAX_ROUNDS:
            raise ProcessFault(
                IncidentKind.ENDLESS_LOOP, f"Expected at most {MAX_ROUNDS} rounds at once but found {rounds} more"
            )
        self._rounds += rounds
        if (body.element, body.scope) not in self._planned:
            self._planned.add((body.element, body.scope))
            self._limit += rounds * len(self.process.nodes)

    def then(self, work: Callable[[], None]) -> None:
        """Do something as the step settles instead of at once: what follows itself often would nest too deeply."""
        self._next.append(work)

    def linger(self, visit: FlowNodeInstance, flows: tuple[SequenceFlow, ...]) -> None:
        """Its tokens go on, but the visit stays."""
        self._stirred.add(visit.scope)
        self.wait(visit)
        self.take(flows, visit.scope)

    def leave_on(self, visit: FlowNodeInstance, flow: SequenceFlow, *, stays: bool = False) -> Token:
        """The visit is over, unless it `stays`, and its token stands on one flow, for the caller to take on."""
        key = self.next_key()
        self._stirred.add(visit.scope)
        if not stays:
            self.emit(f.NodeCompleted(visit.key))
        self.emit(f.FlowTaken(flow.id, visit.scope, key))
        return self.instance.tokens[key]

    def propagate(self, scope: int, variables: Mapping[str, Any]) -> None:
        """Set variables where they belong: in the nearest scope that has one of that name, else in the process."""
        rest = dict(variables)
        while scope != PROCESS_SCOPE and rest:
            visit = self.instance.node(scope)
            if visit is None:
                break
            own = {name: rest.pop(name) for name in list(rest) if name in visit.variables}
            if own:
                self.emit(f.VariablesSet(scope, own))
            scope = visit.scope
        if rest:
            self.emit(f.VariablesSet(PROCESS_SCOPE, rest))

    # -- ending ----------------------------------------------------------------------------------------------------

    def terminate(self, visit: FlowNodeInstance) -> None:
        """End a visit and everything inside it."""
        for inner in self.instance.nodes_in(visit.key):
            self.terminate(inner)
        self._stirred.add(visit.scope)
        self.emit(f.NodeTerminated(visit.key))

    def withdraw(self, token: Token) -> None:
        """Take a token off its flow."""
        self._stirred.add(token.scope)
        self.emit(f.TokenWithdrawn(token.key))

    def clear(self, scope: int, *, but: int = 0) -> None:
        """End everything inside a scope, but for one visit, and what its event sub-processes wait for."""
        for visit in self.instance.nodes_in(scope):
            if visit.key != but:
                self.terminate(visit)
        for token in self.instance.tokens_in(scope):
            self.emit(f.TokenWithdrawn(token.key))
        self._undoing = deque(one for one in self._undoing if one[0] != scope)
        self._disarm(scope)

    def _disarm(self, scope: int) -> None:
        """The event sub-processes of a scope are begun no more."""
        events = {event.id for event in self.process.handlers.get(self.holder(scope).element, ())}
        waits = self.instance.waits_of(scope) if events else []
        if withdrawn := tuple(wait.key for wait in waits if isinstance(wait, Trigger) and wait.element in events):
            self.emit(f.WaitsWithdrawn(scope, withdrawn))

    def terminate_scope(self, scope: int) -> None:
        """End everything inside a scope, then the scope itself, as done."""
        self.clear(scope)
        self.close(scope)

    def interrupt(self, host: FlowNodeInstance, event: FlowNode, variables: Mapping[str, Any]) -> None:
        """A boundary event ends its host and goes on in its place."""
        scope, undone = host.scope, compensation.of(self, host)
        self.terminate(host)
        compensation.over(self, undone, scope)
        self.complete(self.enter(event, scope), variables)

    def handle(self, start: FlowNode, scope: int, variables: Mapping[str, Any]) -> None:
        """An event begins an event sub-process in a scope: beside what is there, or in its place."""
        node = self.process.nodes[start.scope]
        if node.id in self.process.superseding:
            self.clear(scope)
        visit = self.enter(node, scope)
        self.wait(visit, node.own_data)
        self.complete(self.enter(start, visit.key), variables)

    def close(self, scope: int) -> None:
        """Everything inside a scope has ended: so does the scope."""
        if scope == PROCESS_SCOPE:
            self.emit(f.InstanceCompleted())
        else:
            visit = self.instance.node(scope)
            if visit is not None:
                self._disarm(scope)
                if not self._undid(visit):
                    self.element(visit).emptied(self, visit)

    def _undid(self, visit: FlowNodeInstance) -> bool:
        """End a scope that was opened again to undo what is inside; False where it is no such scope."""
        undone = None if self.element(visit).stands_by else compensation.of(self, visit)
        if undone is None:
            return False
        compensation.over(self, undone, visit.scope)
        self._stirred.add(visit.scope)
        self.emit(f.NodeCompleted(visit.key))
        self._emptied.append(visit.scope)
        return True

    def emptied(self, scope: int) -> None:
        """Close a scope if nothing is alive in it."""
        self._emptied.append(scope)

    def undo(self, scope: int, thrower: int) -> None:
        """Go on undoing what was marked by a visit in a scope, as soon as nothing else is half done."""
        self._undoing.append((scope, thrower))

    def cancel(self, visit: FlowNodeInstance) -> None:
        """Everything in a transaction is undone: it ends, with all its rounds, and its cancel event takes its place."""
        host = self.holder(visit.scope)
        host = self.body(host) or host
        event = _best(self.process.boundaries[host.element], Cancellation())
        assert event is not None, f"'{host.element}' was deployed without a cancel event"
        event.triggered(self, host, {})

    # -- trouble ---------------------------------------------------------------------------------------------------

    def park(self, visit: FlowNodeInstance, fault: ProcessFault) -> None:
        self.emit(f.IncidentRaised(self.next_key(), visit.key, fault.kind, str(fault)))

    def catcher(self, visit: FlowNodeInstance, thrown: Thrown) -> tuple[FlowNode, FlowNodeInstance] | None:
        """Who catches what a visit throws, and the visit that it is attached to, or in whose scope it begins.

        Looked for outwards: on the border of the visit, then among the event sub-processes of the scope around it, then
        on the border of that scope. On one border or in one scope an exact code beats a catch-all. An event sub-process
        that took the place of its scope is out of reach for what is thrown inside it.
        """
        while True:
            if best := _best(self.boundaries(visit), thrown):
                return best, visit
            around = self.holder(visit.scope)
            beside = self.process.handlers.get(around.element, ())
            if visit.element in self.process.superseding or self.body(visit) is not None:
                beside = ()
            if best := _best(beside, thrown):
                return best, around
            if around.key == PROCESS_SCOPE:
                return None
            visit = around

    def escalate(self, visit: FlowNodeInstance, escalation: Escalation) -> None:
        """Throw an escalation, which nobody has to catch."""
        found = self.catcher(visit, escalation)
        self.emit(f.EscalationThrown(visit.key, escalation.code, found[0].id if found else ""))
        if found:
            event, host = found
            event.triggered(self, host, event.told(escalation))

    def throw(self, visit: FlowNodeInstance, error: BpmnError, *, called: str = "") -> None:
        """Throw an error, which came from the process that the visit `called`; an incident where nobody catches it."""
        found = self.catcher(visit, error)
        if found:
            event, host = found
            self.emit(f.ErrorThrown(visit.key, error.code, error.message, event.id))
            event.triggered(self, host, event.told(error))
            return
        self.emit(f.ErrorThrown(visit.key, error.code, error.message, ""))
        if self.instance.called:
            self.escape(visit, error)
            return
        of = f" of the called process '{called}'" if called else ""
        message = f"Expected an event to catch the error '{error.code}'{of} but found none"
        if error.message and error.message != error.code:
            message += f": {error.message}"
        if called:
            message += " (it has ended; a retry calls it again)"
        self.park(visit, ProcessFault(IncidentKind.UNHANDLED_ERROR, message))

    def escape(self, visit: FlowNodeInstance, error: BpmnError) -> None:
        """The instance ends, and the error goes on to who called it."""
        self.emit(f.ErrorEscaped(visit.key, error.code, error.message, dict(error.variables)))
        self.clear(PROCESS_SCOPE)
        self.emit(f.InstanceTerminated(f"The error '{error.code}' went on to the caller"))

    # -- settling --------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        while not self.instance.state.is_final:
            if self._changed and self._condition_changed():
                continue
            if self._next:
                self._next.popleft()()
            elif self._undoing:
                scope, thrower = self._undoing.popleft()
                if self.instance.holder(scope) is not None:
                    compensation.go_on(self, scope, thrower)
            elif self._arrived:
                token = self._arrived.popleft()
                if token.key in self.instance.tokens:
                    self._offer(token)
            elif self._stirred and self._offer_again():
                continue
            elif self._emptied:
                scope = self._emptied.popleft()
                if self._is_open(scope) and not self.instance.occupied(scope):
                    self.close(scope)
            else:
                return

    def _condition_changed(self) -> bool:
        """Look at the conditions that see changed variables, the oldest first; whether one became true."""
        changed, self._changed = self._changed, set()
        for watched in self.instance.conditions():
            if not changed & self._sight(watched.node):
                continue
            event = self.process.nodes[watched.element]
            try:
                satisfied = event.holds(self, watched.expression, self.visible(watched.node))
            except ProcessFault as fault:
                if not any(isinstance(wait, Incident) for wait in self.instance.waits_of(watched.node)):
                    self.park(self.holder(watched.node), fault)
                continue
            if satisfied is not watched.satisfied:
                self.emit(f.ConditionChanged(watched.key, satisfied))
                if satisfied:
                    self._changed |= changed
                    self.happened(watched, {})
                    return True
        return False

    def _sight(self, scope: int) -> set[int]:
        """The scopes whose variables are seen from one."""
        seen = {scope, PROCESS_SCOPE}
        while scope != PROCESS_SCOPE:
            scope = self.holder(scope).scope
            seen.add(scope)
        return seen

    def stir(self, scope: int) -> None:
        """Have the conditions that see a scope looked at again."""
        if self.process.is_watchful:
            self._changed.add(scope)
        self.reconsider(scope)

    def reconsider(self, scope: int) -> None:
        """Have the joins of a scope that wait for what can still arrive looked at again."""
        self._stirred.add(scope)

    def _within(self, scope: int) -> set[int]:
        """A scope and those inside it, which see its variables."""
        found = {scope}
        for visit in self.instance.nodes_in(scope):
            if self.element(visit).encloses:
                found |= self._within(visit.key)
        return found

    def happened(self, wait: Trigger, variables: Mapping[str, Any]) -> None:
        """What an event waits for happened; one that needs everything it waits for may have to wait for the rest."""
        visit, event = self.holder(wait.node), self.process.nodes[wait.element]
        if not event.needs_all:
            event.triggered(self, visit, variables)
            return
        if wait.key in self.instance.waits:
            self.emit(f.WaitsWithdrawn(visit.key, (wait.key,)))
        rest = [other for other in self.instance.waits_of(visit.key) if isinstance(other, Trigger)]
        if not any(other.element == event.id for other in rest):
            event.triggered(self, visit, variables)
            if not self.instance.state.is_final and self._is_open(visit.key):
                try:
                    event.renew(self, visit)
                except ProcessFault as fault:
                    self.park(visit, fault)
        elif variables:
            self.propagate(visit.key if event.begins else visit.scope, variables)

    def _is_open(self, scope: int) -> bool:
        """Whether a scope is still at work: not gone, and not parked on its way out."""
        if scope == PROCESS_SCOPE:
            return True
        visit = self.instance.node(scope)
        return visit is not None and visit.state is NodeState.ACTIVE

    def _offer(self, token: Token) -> bool:
        node = self.process.nodes[self.process.flows[token.flow].target]
        try:
            tokens = node.gather(self, token)
        except ProcessFault as fault:
            around = self.holder(token.scope)
            if not any(isinstance(wait, Incident) for wait in self.instance.waits_of(around.key)):
                self.park(around, fault)
            return False
        if tokens is None:
            return False
        visit = self.enter(node, token.scope, tokens)
        node.took(self, visit, tokens)
        self.activate(visit)
        return True

    def _offer_again(self) -> bool:
        """Offer waiting tokens to patient joins of the scopes in which something moved, and let go of visits that
        linger for nothing; whether that moved something."""
        scopes, self._stirred = self._stirred, set()
        if not self.process.is_patient:
            return False
        for scope in sorted(scopes):
            for token in self.instance.tokens_in(scope):
                if self.process.nodes[self.process.flows[token.flow].target].patient and self._offer(token):
                    self._stirred |= scopes
                    return True
            for visit in self.instance.nodes_in(scope) if self.process.has_lingering else ():
                node = self.element(visit)
                if node.lingers and visit.state is NodeState.ACTIVE and node.lapses(self, visit):
                    self._stirred |= scopes
                    self.leave(visit, ())
                    return True
        return False


def _best(events: Iterable[FlowNode], thrown: Thrown) -> FlowNode | None:
    """The event that catches it best, the first of several."""
    best = max(events, key=lambda event: event.catches(thrown), default=None)
    return best if best is not None and best.catches(thrown) else None
