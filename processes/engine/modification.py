"""Modification: an operator moves tokens, ending visits here and starting others there, all in one step.

First everything is looked up and evaluated: which visits end, in which scopes the others start, what the sub-processes
around them need. Only then the new visits are entered, so that scopes which are left by one and entered by another
live on; then what is cancelled ends, and with it every scope in which nothing is alive any more; then the new visits
are activated as if a token had reached them.

A scope that is not active is entered without its start event; its boundary events and its event sub-processes wait as
usual. What starts is told nothing of flows, so a join that starts goes on at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from processes.engine import compensation
from processes.engine import facts as f
from processes.engine.commands import Cancel, ModifyInstance, StartBefore, StartInstanceAt
from processes.engine.errors import ProcessFault, Rejected
from processes.engine.event_definition import Armed
from processes.engine.machine import Run
from processes.engine.mapping import Overlay
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance, NodeState, Token
from processes.engine.state import PROCESS_SCOPE

INVALID = "modification-invalid"


@dataclass(eq=False, slots=True)
class Place:
    """A scope in which something starts: one that is alive, or one that is to be entered for it (`node`)."""

    around: Place | None
    visit: FlowNodeInstance | None = None
    node: FlowNode | None = None
    local: dict[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    activate: Callable[[FlowNodeInstance], None] | None = None
    starts: list[FlowNode] = field(default_factory=list)
    inner: dict[str, Place] = field(default_factory=dict)
    """Scopes to be entered in it, by the id of their sub-process."""
    armed: list[tuple[FlowNode, Armed]] = field(default_factory=list)
    """What its event sub-processes wait for, where it is to be entered."""

    @property
    def key(self) -> int:
        return PROCESS_SCOPE if self.visit is None else self.visit.key


def modify(run: Run, command: ModifyInstance) -> None:
    """Carry out a modification. Raises `Rejected`: ``modification-empty``, ``modification-invalid``,
    ``element-not-found``, ``visit-not-found``, ``scope-not-found``, ``scope-ambiguous``."""
    if not command.cancel and not command.start:
        raise Rejected("modification-empty", "Expected something to cancel or to start but found nothing")
    assert run.instance.reader is None, "a modification looks at everything that is alive"
    visits, tokens = _cancelled(run, command.cancel)
    plan = _Plan(run, {visit.key for visit in visits})
    for each in command.start:
        plan.add(each)
    plan.evaluate()
    run.emit(f.InstanceModified(command.reason))
    entered = plan.enter()
    for visit in visits:
        _end(run, visit)
    for token in tokens:
        run.withdraw(token)
    _close(run, {visit.scope for visit in visits} | {token.scope for token in tokens}, command.reason)
    _activate(run, entered)


def start_at(run: Run, command: StartInstanceAt) -> None:
    """Begin an instance before elements of it, or at its start event. Raises `Rejected` as `modify`, and
    ``instance-started``, ``no-none-start``."""
    if run.instance.last_key:
        raise Rejected("instance-started", "Expected a new instance but found a running one")
    plan = _Plan(run, set(), command.variables)
    for each in command.start or (StartBefore(run.none_start().id),):
        plan.add(each)
    plan.evaluate()
    run.emit(f.InstanceStarted(dict(command.variables)))
    if command.restarted:
        run.emit(f.InstanceRestarted(command.restarted, command.reason))
    _activate(run, plan.enter())


def _activate(run: Run, entered: Iterable[FlowNodeInstance]) -> None:
    for visit in entered:
        if visit.key in run.instance.nodes:  # not ended by what started before it
            run.activate(visit)


def _end(run: Run, visit: FlowNodeInstance) -> None:
    """End a visit; if it was to undo something, that counts as undone."""
    undone = compensation.of(run, visit)
    run.terminate(visit)
    compensation.over(run, undone, visit.scope)


def _close(run: Run, scopes: set[int], reason: str) -> None:
    """Nothing is left in a scope: it ends, and those around it in which it was the last; at last the instance."""
    for scope in sorted(scopes, reverse=True):
        while scope != PROCESS_SCOPE and not run.instance.occupied(scope):
            visit = run.instance.node(scope)
            if visit is None:
                break
            _end(run, visit)
            scope = visit.scope
    if not run.instance.occupied(PROCESS_SCOPE):
        run.emit(f.InstanceTerminated(reason or "Everything in it was cancelled"))


# -- what ends ---------------------------------------------------------------------------------------------------------


def _cancelled(run: Run, instructions: Iterable[Cancel]) -> tuple[list[FlowNodeInstance], list[Token]]:
    """The visits that end, without those that end with the scope around them, and the tokens that are withdrawn."""
    visits: dict[int, FlowNodeInstance] = {}
    tokens: dict[int, Token] = {}
    for each in instructions:
        if each.node:
            found = run.instance.node(each.node)
            if found is None or each.element not in ("", found.element):
                what = f"a live visit {each.node}" + (f" to '{each.element}'" if each.element else "")
                raise Rejected("visit-not-found", f"Expected {what} but found none")
            visits[found.key] = found
            continue
        _element(run, each.element)
        some = [visit for visit in run.instance.nodes.values() if visit.element == each.element]
        flows = run.process.flows
        waiting = [token for token in run.instance.tokens.values() if flows[token.flow].target == each.element]
        if not some and not waiting:
            raise Rejected("visit-not-found", f"Expected a live visit to '{each.element}' but found none")
        visits |= {visit.key: visit for visit in some}
        tokens |= {token.key: token for token in waiting}
    gone = set(visits)
    ends = [visits[key] for key in sorted(gone) if not _inside(run, visits[key].scope, gone)]
    return ends, [tokens[key] for key in sorted(tokens) if not _inside(run, tokens[key].scope, gone)]


def _inside(run: Run, scope: int, keys: set[int]) -> bool:
    """Whether a scope is one of those, or inside one."""
    while scope != PROCESS_SCOPE:
        if scope in keys:
            return True
        visit = run.instance.node(scope)
        scope = PROCESS_SCOPE if visit is None else visit.scope
    return False


def _element(run: Run, id: str) -> FlowNode:
    node = run.process.nodes.get(id)
    if node is None:
        raise Rejected("element-not-found", f"Expected an element '{id}' in process '{run.process.id}' but found none")
    return node


# -- what starts -------------------------------------------------------------------------------------------------------


class _Plan:
    """What is to be entered, where. `gone` are the keys of visits that end in the same step."""

    def __init__(self, run: Run, gone: set[int], fresh: Mapping[str, Any] | None = None) -> None:
        self.run = run
        self.gone = gone
        self.fresh = fresh is not None
        self.variables: dict[str, Any] = {}
        self.given = fresh
        self.root = Place(None)
        self.live: dict[int, Place] = {PROCESS_SCOPE: self.root}
        self.new: list[Place] = []
        self.order: list[tuple[FlowNode, Place]] = []

    def add(self, each: StartBefore) -> None:
        node = _element(self.run, each.element)
        if node.attached_to:
            raise Rejected(INVALID, f"Expected an element to start before but found the {node.tag} '{node.id}'")
        if node.handles or node.stands_by:
            what = "event sub-process" if node.handles else "activity for compensation"
            raise Rejected(INVALID, f"Expected an element that a token reaches but found the {what} '{node.id}'")
        place = self._place(node, each.scope)
        self._check(node, place)
        place.starts.append(node)
        place.local |= each.local
        self.variables |= each.variables
        self.order.append((node, place))

    def _place(self, node: FlowNode, scope: int | None) -> Place:
        chain = self._chain(node)
        place = self.root
        if scope:
            place, chain = self._named(node, scope, chain)
        elif scope is None:
            while chain and (found := self._only(place.key, chain[0])) is not None:
                place = self._known(found)
                chain = chain[1:]
        for sub_process in chain:
            place = self._entered(place, sub_process)
        return place

    def _check(self, node: FlowNode, place: Place) -> None:
        """What starts in a scope that is alive goes with what is there."""
        process = self.run.process
        if place.node is not None or (self.fresh and place is self.root):
            return
        if node.begins and node.scope in process.handlers:
            what = f"Expected a scope that has not begun, for '{node.id}' arms its event sub-processes"
            raise Rejected(INVALID, f"{what}, but found one that has")
        for visit in self.run.instance.nodes_in(place.key):
            if visit.element in process.superseding and visit.key not in self.gone:
                what = f"but found that '{visit.element}' ({visit.key}) took the place of everything there"
                raise Rejected(INVALID, f"Expected the scope of '{node.id}' to be at work {what}")

    def _chain(self, node: FlowNode) -> list[FlowNode]:
        """The sub-processes around an element, the outermost first."""
        chain: list[FlowNode] = []
        while node.scope:
            node = self.run.process.nodes[node.scope]
            chain.insert(0, node)
        return chain

    def _named(self, node: FlowNode, scope: int, chain: list[FlowNode]) -> tuple[Place, list[FlowNode]]:
        visit = self.run.instance.node(scope)
        if visit is None or _inside(self.run, scope, self.gone):
            why = "none" if visit is None else "one that is cancelled in the same request"
            raise Rejected("scope-not-found", f"Expected a live scope with key {scope} but found {why}")
        ids = [each.id for each in chain]
        if visit.element not in ids:
            what = f"Expected scope {scope} to be around '{node.id}' but found it to be '{visit.element}'"
            raise Rejected(INVALID, what)
        element = self.run.element(visit)
        if element.is_repeated and self.run.body(visit) is None:
            what = f"Expected scope {scope} to be one round of '{element.id}' but found all its rounds"
            raise Rejected(INVALID, what)
        return self._known(visit), chain[ids.index(visit.element) + 1 :]

    def _only(self, scope: int, node: FlowNode) -> FlowNodeInstance | None:
        """The live visit to a sub-process in a scope, None where there is none."""
        run = self.run
        found = [visit for visit in run.instance.nodes_in(scope) if visit.element == node.id]
        if node.is_repeated:
            found = [visit for body in found for visit in run.instance.nodes_in(body.key) if visit.element == node.id]
        found = [visit for visit in found if not _inside(run, visit.key, self.gone)]
        if len(found) > 1:
            keys = ", ".join(str(visit.key) for visit in found)
            what = f"Expected the scope to be named, for '{node.id}' is active {len(found)} times: {keys}"
            raise Rejected("scope-ambiguous", what)
        return found[0] if found else None

    def _known(self, visit: FlowNodeInstance) -> Place:
        if visit.key in self.live:
            return self.live[visit.key]
        if visit.state is not NodeState.ACTIVE:
            what = f"Expected '{visit.element}' ({visit.key}) to be active but found it {visit.state.lower()}"
            raise Rejected(INVALID, what)
        around = self.root
        if visit.scope != PROCESS_SCOPE:
            outer = self.run.instance.node(visit.scope)
            assert outer is not None
            around = self._known(outer)
        self.live[visit.key] = place = Place(around, visit)
        return place

    def _entered(self, around: Place, node: FlowNode) -> Place:
        place = around.inner.get(node.id)
        if place is None:
            if node.handles:
                what = f"Expected the event sub-process '{node.id}' to be active but found that it is not"
                raise Rejected(INVALID, f"{what}: only its event begins it")
            if node.is_repeated:
                what = f"a round of '{node.id}' that is active, or '{node.id}' to be started itself: it is repeated"
                raise Rejected(INVALID, f"Expected {what}, but found none")
            place = around.inner[node.id] = Place(around, node=node)
            self.new.append(place)
        return place

    def seen(self, place: Place) -> Mapping[str, Any]:
        """The variables that a scope will see."""
        if place.around is None:
            given = self.run.instance.variables if self.given is None else self.given
            return {**given, **self.variables, **place.local}
        own = {**(place.visit.variables if place.visit is not None else place.inputs), **place.local}
        around = self.seen(place.around)
        return Overlay(own, around) if own else around

    def evaluate(self) -> None:
        """Evaluate what the scopes need that are to be entered. Raises `Rejected`."""
        for place in [*([self.root] if self.fresh else []), *self.new]:
            name = self.run.process.id if place.node is None else place.node.id
            try:
                if place.node is not None and place.around is not None:
                    place.inputs, place.activate = place.node.open(self.run, self.seen(place.around))
                self._handlers(place, "" if place.node is None else place.node.id)
            except ProcessFault as fault:
                what = f"Expected '{name}' to be entered but found that it cannot be: {fault}"
                raise Rejected(INVALID, what) from None

    def _handlers(self, place: Place, scope: str) -> None:
        """Evaluate what the event sub-processes of a scope wait for, unless it begins at its start event after all."""
        if any(node.begins for node in place.starts):
            return
        variables = self.seen(place)
        for event in self.run.process.handlers.get(scope, ()):
            if (armed := event.wait_for(self.run, variables)) is not None:
                place.armed.append((event, armed))

    def enter(self) -> list[FlowNodeInstance]:
        """Set the variables and enter the scopes and what starts in them, without activating it yet."""
        run = self.run
        if self.variables:
            run.emit(f.VariablesSet(PROCESS_SCOPE, self.variables))
        for place in self.new:
            assert place.node is not None
            assert place.around is not None
            assert place.activate is not None
            place.visit = run.enter(place.node, place.around.key)
            place.activate(place.visit)
        for place in (*self.live.values(), *self.new):
            if place.local:
                run.emit(f.VariablesSet(place.key, place.local))
            for event, armed in place.armed:
                armed.arm(run, run.holder(place.key), event.id)
        return [run.enter(node, place.key) for node, place in self.order]
