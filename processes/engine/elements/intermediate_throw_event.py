"""Intermediate throw event, BPMN 2.0.2 section 10.5.4: throws something and goes on.

With a task definition, what it throws is given away as a job: how Camunda 8 sends messages.
"""

from __future__ import annotations

from typing import ClassVar

from processes.engine.event import ThrowEvent
from processes.engine.event_definition import Role
from processes.engine.job_task import JobTask


class IntermediateThrowEventJob(JobTask):
    tag: ClassVar[str] = "intermediateThrowEvent"


class IntermediateThrowEvent(ThrowEvent):
    tag: ClassVar[str] = "intermediateThrowEvent"
    as_job: ClassVar[type[JobTask]] = IntermediateThrowEventJob
    role: ClassVar[Role] = Role.THROW
