"""Cancel event definition, BPMN 2.0.2 section 10.5.6 and 13.5.6: thrown at an end within a transaction, everything else
in it ends, what is completed is undone, and then the cancel event on its border takes its place. A repeated transaction
is cancelled as one: what its other rounds have completed is undone too, the latest round first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from processes.engine import compensation
from processes.engine.errors import Problem
from processes.engine.event_definition import Cancellation, EventDefinition, Role, Throw, Thrown
from processes.engine.machine import Run
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process


class CancelEventDefinition(EventDefinition):
    tag: ClassVar[str] = "cancelEventDefinition"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.BOUNDARY, Role.END})
    always_interrupts: ClassVar[bool] = True
    breaks_off: ClassVar[bool] = True
    armed: ClassVar[bool] = False
    rank: ClassVar[int] = 2

    def check(self, process: Process, event: FlowNode) -> Iterable[Problem]:
        host = process.nodes.get(event.attached_to or event.scope)
        if host is None or not host.cancellable:
            what = "on the border of a transaction" if event.attached_to else "directly in a transaction"
            yield Problem("cancel-outside", f"Expected a cancel event {what} but found none", event.line, event.id)
        elif not any(other.catches(Cancellation()) for other in process.boundaries[host.id]):
            message = f"Expected a cancel event on the border of '{host.id}' but found none: it could not be left"
            yield Problem("no-cancel", message, event.line, event.id)

    def catches(self, thrown: Thrown) -> int:
        return 2 if isinstance(thrown, Cancellation) else 0

    def throw(self, run: Run, visit: FlowNodeInstance) -> Throw:
        def cancel() -> None:
            run.wait(visit)
            run.clear(visit.scope, but=visit.key)
            for other in _other_rounds(run, visit):
                run.clear(other.key)
                if not compensation.has_any(run, other.key):
                    run.terminate(other)
            self.undone(run, visit)

        return cancel

    def undone(self, run: Run, visit: FlowNodeInstance) -> None:
        if compensation.throw(run, visit, visit.scope, wait=False):
            return
        for other in reversed(_other_rounds(run, visit)):
            if compensation.throw(run, visit, other.key, wait=False):
                return
            run.terminate(other)
        body = run.body(run.holder(visit.scope))
        if body is None or not compensation.throw(run, visit, body.key, wait=False):
            run.cancel(visit)


def _other_rounds(run: Run, visit: FlowNodeInstance) -> list[FlowNodeInstance]:
    """The rounds of a transaction beside that in which it is cancelled, as far as they have not completed."""
    own = run.holder(visit.scope)
    body = run.body(own)
    return [] if body is None else [one for one in run.instance.nodes_in(body.key) if one.key != own.key]
