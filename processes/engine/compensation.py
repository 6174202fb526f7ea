"""Compensation, BPMN 2.0.2 section 13.5.5: what is completed is undone, the latest first.

An activity that can be undone leaves a `Compensation` behind as it completes, in the scope around it. A sub-process
whose inside can be undone does so too, and those of its inside hang on its own from then on. To undo an activity is to
run the activity that is associated with its compensation event. To undo a sub-process without one is to open its scope
again, with the variables that it had as it completed, and to run its compensation event sub-process there, or else to
undo what is inside.

A repeated activity is undone as one where an activity is associated with it, which is run once for all its rounds, and
may be repeated itself. Without one its rounds are undone, the latest first, each with the variables that it had; they
hang on its own compensation as what is inside hangs on theirs.

Who throws marks what is to be undone; whatever is marked by him in the scope is undone one after the other, and when
nothing is left he goes on. Nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from processes.engine import facts as f
from processes.engine.errors import Problem
from processes.engine.model import FlowNode
from processes.engine.parts import Compensation, FlowNodeInstance
from processes.engine.process import Process

if TYPE_CHECKING:
    from processes.engine.machine import Run


def register(run: Run, visit: FlowNodeInstance) -> None:
    """An activity completes that can perhaps be undone: remember it, if there is something to undo."""
    process, element = run.process, visit.element
    is_round = run.body(visit) is not None
    is_body = run.element(visit).is_repeated and not is_round
    own = (not is_round and element in process.undone_by) or (not is_body and element in process.undoing_events)
    if own or _inside(run, visit.key):
        fact = f.CompensationRegistered(run.next_key(), visit.scope, element, visit.key, dict(visit.variables))
        run.emit(fact)


def throw(run: Run, visit: FlowNodeInstance, scope: int, *, activity: str = "", wait: bool = True) -> bool:
    """Undo what is completed in a scope, all of it or the visits to one activity; whether there is something to undo.
    With `wait` the visit that throws goes on when that is done, see `FlowNode.undone`."""
    inside = _inside(run, scope)
    under_way = {one.thrower for one in inside if one.handler and run.instance.node(one.handler) is not None}
    chosen = [one for one in inside if one.thrower not in under_way and activity in ("", one.element)]
    if not chosen:
        return False
    if wait:
        run.wait(visit)
    run.emit(f.CompensationThrown(visit.key, scope, tuple(one.key for one in chosen)))
    run.undo(scope, visit.key)
    return True


def go_on(run: Run, scope: int, thrower: int) -> None:
    """Undo the next of what was marked, or have its thrower go on."""
    marked = [one for one in _inside(run, scope) if one.thrower == thrower]
    if not marked:
        visit = run.instance.node(thrower)
        if visit is not None:
            run.element(visit).undone(run, visit)
        return
    latest = marked[-1]
    node = run.process.nodes[latest.element]
    is_round = run.holder(scope).element == node.id
    handler = None if is_round else run.process.undone_by.get(node.id)
    visit = run.enter(run.process.nodes[handler] if handler else node, scope)
    run.emit(f.CompensationStarted(latest.key, visit.key))
    if handler:
        run.activate(visit)
        return
    run.wait(visit, latest.variables)
    start = run.process.undoing_events.get(node.id)
    if start is not None and (is_round or not node.is_repeated):
        run.handle(start, visit.key, {})
    elif not throw(run, visit, visit.key, wait=False):
        run.emptied(visit.key)


def of(run: Run, visit: FlowNodeInstance) -> Compensation | None:
    """What a visit undoes, None where it undoes nothing."""
    node = run.element(visit)
    if not node.stands_by and node.id not in run.process.compensable:
        return None
    if opened := (visit.result or {}).get("undoes"):
        return run.instance.wait(Compensation, opened)
    if run.body(visit) is not None:
        return None  # nor is anybody asked how many other rounds there are
    return next((one for one in _inside(run, visit.scope) if one.handler == visit.key), None)


def over(run: Run, undone: Compensation | None, scope: int) -> None:
    """Forget what a visit in that scope undid, and go on with the next."""
    if undone is not None:
        run.emit(f.Compensated(undone.key))
        run.undo(scope, undone.thrower)


def has_any(run: Run, scope: int) -> bool:
    """Whether there is something to undo in a scope."""
    return bool(_inside(run, scope))


def _inside(run: Run, scope: int) -> list[Compensation]:
    """What can be undone in a scope, in the order of completion."""
    return [wait for wait in run.instance.waits_of(scope) if isinstance(wait, Compensation)]


def findings(process: Process) -> Iterable[Problem]:
    """What is wrong with the events and activities that undo something."""
    undoing: set[str] = set()
    for node in process.nodes.values():
        if node.undoing:
            yield from _check_event(process, node)
            undoing.add(node.undoing)
    for node in process.nodes.values():
        if node.stands_by and node.id not in undoing:
            message = "Expected an association from a compensation event to it but found none: it would never run"
            yield Problem("never-compensates", message, node.line, node.id)
        if node.stands_by and (node.incoming or node.outgoing):
            message = "Expected no sequence flow to or from an activity for compensation but found one"
            yield Problem("compensation-with-flow", message, node.line, node.id)
    for id, start in process.undoing_events.items():
        if not id:
            message = (
                "Expected a compensation event sub-process in a sub-process but found one in the process itself, "
                "which has ended by the time when a caller could undo it: associate an activity with the call instead"
            )
            yield Problem("not-executable", message, start.line, start.id)


def _check_event(process: Process, event: FlowNode) -> Iterable[Problem]:
    handler = process.nodes.get(event.undoing)
    if handler is None or not handler.stands_by or handler.scope != event.scope:
        found = f"{handler.tag} '{handler.id}'" if handler else f"'{event.undoing}'"
        message = f"Expected it to be associated with an activity for compensation beside it but found {found}"
        yield Problem("unknown-reference", message, event.line, event.id)
    if event.outgoing:
        message = "Expected an association, and no sequence flow, out of a compensation event but found a flow"
        yield Problem("compensation-with-flow", message, event.line, event.id)
    for other in process.boundaries.get(event.attached_to, ()):
        if other is event:
            break
        if other.undoing:
            message = f"Expected one compensation event on an activity but found '{other.id}' too"
            yield Problem("compensation-twice", message, event.line, event.id)
