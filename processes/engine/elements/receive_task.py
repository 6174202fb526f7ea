"""Receive task, BPMN 2.0.2 section 10.3.3: the token waits for a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from processes.engine.activity import Activity, Work
from processes.engine.errors import Problem
from processes.engine.event_definition import Armed, Start
from processes.engine.expression import Expression
from processes.engine.machine import Run
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance
from processes.engine.process import Process
from processes.engine.source import Source
from processes.engine.waits import MessageReference


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveTask(Activity):
    tag: ClassVar[str] = "receiveTask"
    attributes: ClassVar[frozenset[str]] = Activity.attributes | {
        "implementation",
        "instantiate",
        "messageRef",
        "operationRef",
    }
    message: MessageReference = field(default_factory=lambda: MessageReference(Expression("")))
    instantiate: bool = False
    """Whether its message begins the process; then no flow leads into it, and its inputs are of no use."""

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        if source.get("operationRef"):
            source.problem("not-executable", "Expected a message but found operationRef, which is not executed yet")
        return {"message": MessageReference.read(source), "instantiate": source.flag("instantiate")}

    def check(self, process: Process) -> Iterable[Problem]:
        if self.instantiate and (self.incoming or self.scope or self.inputs or process.boundaries[self.id]):
            what = "no incoming flow, sub-process around it, input mapping or boundary event"
            yield Problem(
                "bad-instantiate",
                f"Expected a receive task that begins the process to have {what} but found one",
                self.line,
                self.id,
            )

    @property
    def instantiates(self) -> bool:
        return self.instantiate

    @property
    def may_begin(self) -> bool:
        return True

    @property
    def correlates(self) -> bool:
        return True

    def starts(self, at: datetime) -> tuple[Start, ...]:
        return (self.message.start(self.id, at),)

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        message = self.message.awaited(run, variables)
        return lambda: message.arm(run, visit, self.id)

    def awaited(self, process: Process) -> tuple[FlowNode, ...]:
        return (self,)

    def wait_for(self, run: Run, variables: Mapping[str, Any]) -> Armed | None:
        return self.message.awaited(run, variables)
