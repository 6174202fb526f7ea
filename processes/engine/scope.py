"""What activities with a scope inside share, BPMN 2.0.2 section 13.3.4: they end when nothing in it is alive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from processes.engine import data
from processes.engine.activity import Activity, Work
from processes.engine.errors import Problem
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded(Activity):
    attributes: ClassVar[frozenset[str]] = Activity.attributes | {"triggeredByEvent"}
    encloses: ClassVar[bool] = True
    triggered_by_event: bool = False

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        if not source.flag("triggeredByEvent"):
            return {}
        mapping = source.extension("ioMapping")
        if mapping is not None and any(mapping.parts("input")):
            mapping.problem(
                "not-executable", "Expected no input mapping on an event sub-process but found one, not executed"
            )
        return {"triggered_by_event": True}

    def check(self, process: Process) -> Iterable[Problem]:
        starts = [node for node in process.nodes.values() if node.scope == self.id and node.begins]
        if len(starts) != 1:
            yield Problem("one-start", f"Expected one start event inside but found {len(starts)}", self.line, self.id)
        if self.triggered_by_event and any(mapping.source is not data.NULL for mapping in self.inputs):
            message = "Expected no inputs of an event sub-process, which its event begins, but found some"
            yield Problem("not-executable", message, self.line, self.id)
        if self.triggered_by_event and (self.incoming or self.outgoing):
            message = "Expected no sequence flow to or from an event sub-process but found one"
            yield Problem("event-sub-process-with-flow", message, self.line, self.id)

    @property
    def kind(self) -> tuple[str, ...]:
        kind = super(Embedded, self).kind
        return (*kind, "triggeredByEvent") if self.triggered_by_event else kind

    @property
    def handles(self) -> bool:
        return self.triggered_by_event

    @property
    def own_data(self) -> Mapping[str, Any]:
        return {mapping.target[0]: None for mapping in self.inputs}

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        start = run.process.starts[self.id]
        return lambda: run.activate(run.enter(start, visit.key))
