"""Skipping: an operator has a token go on behind a visit whose work is not to be done, or was done elsewhere.

It is not completion. The visit ends as terminated, with all that is inside it, so the history does not claim that
something was done; nothing of it can be undone later; its output mappings are not evaluated, for there is no result to
map. What follows in the model may need variables that it would have given: the operator says them.
"""

from __future__ import annotations

from processes.engine import compensation
from processes.engine.commands import SkipVisit
from processes.engine.errors import ProcessFault, Rejected
from processes.engine.machine import Run

INVALID = "skip-invalid"


def skip(run: Run, command: SkipVisit) -> None:
    """Carry it out. Raises `Rejected`: ``visit-not-found``; ``skip-invalid`` where it is a round of a repeated
    activity, or chooses between events, or where it cannot be evaluated which way to go on."""
    visit = run.instance.node(command.node)
    if visit is None:
        raise Rejected("visit-not-found", f"Expected a live visit {command.node} but found none: it has ended")
    node = run.element(visit)
    if run.body(visit) is not None:
        what = f"Expected a visit of its own but found a round of '{node.id}': complete its job, or skip all rounds"
        raise Rejected(INVALID, what)
    if any(event.id != node.id for event in node.awaited(run.process)):
        what = f"Expected one way to go on but found that '{node.id}' waits for one of several events: let one occur"
        raise Rejected(INVALID, what)
    undone = compensation.of(run, visit)
    if undone is not None:
        # Nothing follows it but what is to be undone next.
        if command.variables:
            run.propagate(visit.scope, command.variables)
        run.terminate(visit)
        compensation.over(run, undone, visit.scope)
        run.emptied(visit.scope)
        return
    try:
        go_on = run.going_on(visit, command.variables, done=False)
    except ProcessFault as fault:
        what = f"Expected to go on behind '{node.id}' but it cannot be told where: {fault}"
        raise Rejected(INVALID, what) from None
    go_on()
