"""Send task, BPMN 2.0.2 section 10.3.3: publishes the message that it names, or is a job of its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from processes.engine.activity import Work
from processes.engine.job_task import JobTask
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source
from processes.engine.waits import MessageReference, Publication


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTask(JobTask):
    tag: ClassVar[str] = "sendTask"
    attributes: ClassVar[frozenset[str]] = JobTask.attributes | {"implementation", "messageRef", "operationRef"}
    extensions: ClassVar[frozenset[str]] = JobTask.extensions | {"publishMessage"}
    publication: Publication | None = None

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        publication = source.extension("publishMessage")
        if source.extension("taskDefinition") is not None or (publication is None and not source.get("messageRef")):
            if publication is not None:
                publication.problem("two-messages", "Expected a task definition or publishMessage but found both")
            return super(SendTask, cls).read_work(source)
        for headers in source.extensions("taskHeaders"):
            headers.problem("not-executable", "Expected taskHeaders with a task definition but found none")
        if source.get("operationRef"):
            source.problem("not-executable", "Expected a message but found operationRef, which is not executed yet")
        return {"publication": Publication.read(source, MessageReference.read(source))}

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        if self.publication is None:
            return super(SendTask, self).prepare(run, visit, variables)
        thrown = self.publication.thrown(run, visit, variables, variables)

        def publish() -> None:
            run.emit(thrown)
            run.complete(visit)

        return publish
