"""End event, BPMN 2.0.2 section 10.5.3: the token ends here, and may throw something as it does.

With a task definition, what it throws is given away as a job: how Camunda 8 sends messages.
"""

from __future__ import annotations

from typing import Any, ClassVar

from processes.engine.event import ThrowEvent
from processes.engine.event_definition import Role
from processes.engine.job_task import JobTask
from processes.engine.model import FlowNode
from processes.engine.source import Source


class EndEventJob(JobTask):
    tag: ClassVar[str] = "endEvent"


class EndEvent(ThrowEvent):
    tag: ClassVar[str] = "endEvent"
    as_job: ClassVar[type[JobTask]] = EndEventJob
    role: ClassVar[Role] = Role.END

    @classmethod
    def read(cls, source: Source, **common: Any) -> FlowNode:
        if common["outgoing"]:
            source.problem("end-with-outgoing", "Expected no sequence flow out of an end event but found one")
        return super().read(source, **common)
