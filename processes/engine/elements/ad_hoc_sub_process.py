"""Ad-hoc sub-process, BPMN 2.0.2 sections 10.3.5 and 13.3.5: what is inside is performed in any order, as it is picked.

Whatever has no flow into it may be picked, any number of times; flows lead on from there. As in Camunda 8, what
``zeebe:adHoc`` names is picked as the sub-process begins, and where it names nothing, nothing is: it waits for the
command `ActivateAdHoc`. With the ordering `Sequential` one is performed after the other, in the order in which they
were picked.

A completion condition is asked whenever an activity inside completes. Once it holds, the rest is terminated
(`cancelRemainingInstances`) or awaited, and nothing more is begun. While it does not hold, a sub-process in which
nothing is active waits for somebody to pick. Without a condition it completes when everything inside has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from processes.engine import facts as f
from processes.engine.activity import Activity, Work
from processes.engine.errors import IncidentKind, Problem, ProcessFault, Rejected
from processes.engine.expression import Expression, expected
from processes.engine.loop import holds, read_condition
from processes.engine.machine import Run
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance, NodeState
from processes.engine.process import Process
from processes.engine.source import Source

NOT_INSIDE = ("startEvent", "endEvent")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdHocSubProcess(Activity):
    tag: ClassVar[str] = "adHocSubProcess"
    attributes: ClassVar[frozenset[str]] = Activity.attributes | {
        "cancelRemainingInstances",
        "ordering",
        "triggeredByEvent",
    }
    children: ClassVar[frozenset[str]] = Activity.children | {"completionCondition"}
    extensions: ClassVar[frozenset[str]] = Activity.extensions | {"adHoc"}
    encloses: ClassVar[bool] = True
    picks: ClassVar[bool] = True
    picked: Expression | None = None
    """A list of ids that are picked as it begins."""
    condition: Expression | None = None
    cancels: bool = True
    sequential: bool = False

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        if source.flag("triggeredByEvent"):
            source.problem("not-executable", "Expected an ad-hoc sub-process but found triggeredByEvent as well")
        ordering = source.get("ordering", "Parallel")
        if ordering not in ("Parallel", "Sequential"):
            source.problem("bad-ordering", f"Expected ordering Parallel or Sequential but found '{ordering}'")
        extension = source.extension("adHoc")
        text = extension.get("activeElementsCollection") if extension is not None else ""
        return {
            "picked": source.expression(text, "activeElementsCollection", always_feel=True) if text else None,
            "condition": read_condition(source, "completionCondition"),
            "cancels": source.flag("cancelRemainingInstances", default=True),
            "sequential": ordering == "Sequential",
        }

    def check(self, process: Process) -> Iterable[Problem]:
        inside = [node for node in process.nodes.values() if node.scope == self.id]
        for node in inside:
            if node.tag in NOT_INSIDE:
                message = f"Expected no {node.tag} inside an ad-hoc sub-process but found '{node.id}'"
                yield Problem("ad-hoc-events", message, node.line, node.id)
            elif node.handles:
                message = f"Expected no event sub-process inside an ad-hoc sub-process but found '{node.id}'"
                yield Problem("not-executable", message, node.line, node.id)
        if not any(isinstance(node, Activity) for node in inside):
            yield Problem("nothing-inside", "Expected an activity inside but found none", self.line, self.id)

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        ids = self._ids(run, variables)
        return lambda: self._perform(run, visit, ids)

    def _ids(self, run: Run, variables: Mapping[str, Any]) -> list[str]:
        if self.picked is None:
            return []
        value, why = self.picked.explain(variables, run.at)
        what = f"activeElementsCollection '{self.picked.text}'"
        if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
            raise ProcessFault(IncidentKind.EXPRESSION, expected(f"{what} to be a list of ids", value, why))
        if unknown := self._unknown(run.process, value):
            message = f"Expected {what} to name what has no flow into it inside '{self.id}' but found '{unknown}'"
            raise ProcessFault(IncidentKind.EXPRESSION, message)
        return value

    def _unknown(self, process: Process, ids: Iterable[str]) -> str:
        """The first id that cannot be picked, "" where all can."""
        return next((id for id in ids if not self._may_be_picked(process.nodes.get(id))), "")

    def _may_be_picked(self, node: FlowNode | None) -> bool:
        if node is None or node.scope != self.id or node.incoming or node.attached_to:
            return False
        return not node.handles and not node.stands_by

    def pick(self, run: Run, visit: FlowNodeInstance, ids: Sequence[str]) -> None:
        if self.loop is not None and run.body(visit) is None:
            raise Rejected("not-ad-hoc", f"Expected one round of '{self.id}' but found visit {visit.key} around them")
        memory = visit.result or {}
        if visit.state is not NodeState.ACTIVE or memory.get("over") or "undoes" in memory:
            raise Rejected("ad-hoc-over", f"Expected '{self.id}' to be at work but found it {visit.state.lower()}")
        if unknown := self._unknown(run.process, ids):
            message = f"Expected what has no flow into it inside '{self.id}' but found '{unknown}'"
            raise Rejected("element-not-found", message)
        queue = memory.get("queue", [])
        if self.sequential and (queue or run.instance.occupied(visit.key)):
            run.emit(f.AdHocPlanned(visit.key, (*queue, *ids)))
        else:
            self._perform(run, visit, ids)

    def _perform(self, run: Run, visit: FlowNodeInstance, ids: Sequence[str]) -> None:
        if self.sequential and len(ids) > 1:
            run.emit(f.AdHocPlanned(visit.key, tuple(ids[1:])))
            ids = ids[:1]
        for id in ids:
            # What was begun before may have completed, and the condition with it.
            if visit.key in run.instance.nodes and not (visit.result or {}).get("over"):
                run.activate(run.enter(run.process.nodes[id], visit.key))

    def inner_completes(
        self, run: Run, visit: FlowNodeInstance, inner: FlowNodeInstance, variables: Mapping[str, Any]
    ) -> Callable[[], None] | None:
        memory = visit.result or {}
        if self.condition is None or not isinstance(run.element(inner), Activity):
            return None
        if memory.get("over") or "undoes" in memory:
            return None
        if not holds(self.condition, "completionCondition", run, variables):
            return None

        def end() -> None:
            run.emit(f.AdHocPlanned(visit.key, (), True))
            if self.cancels:
                run.terminate_scope(visit.key)

        return end

    def emptied(self, run: Run, visit: FlowNodeInstance) -> None:
        if self.loop is not None and run.body(visit) is None:
            super(AdHocSubProcess, self).emptied(run, visit)
            return
        memory = visit.result or {}
        if queue := memory.get("queue"):
            run.emit(f.AdHocPlanned(visit.key, tuple(queue[1:])))
            run.activate(run.enter(run.process.nodes[queue[0]], visit.key))
        elif self.condition is None or memory.get("over"):
            run.complete(visit)
