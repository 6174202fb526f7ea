"""User task, BPMN 2.0.2 section 10.3.3: a job for whoever shows it to people.

Its type is Camunda's ``io.camunda.zeebe:userTask`` unless a task definition names another; the assignment of the model
travels in the headers of the job, under Camunda's names: texts, and JSON lists of candidates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.expression import Expression, expected
from processes.engine.job_task import JobTask
from processes.engine.machine import Run
from processes.engine.source import Source
from processes.engine.unread import CAMUNDA_FORMS

PERFORMERS = ("humanPerformer", "performer", "potentialOwner")
"""BPMN's own words for who does it: expressions over a directory of people, which is not ours."""
CANDIDATES = ("candidateGroups", "candidateUsers")
ASSIGNMENT = frozenset({*CANDIDATES, *CAMUNDA_FORMS, "assignee", "dueDate", "followUpDate", "priority"})
"""What Camunda 7 says in attributes of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTask(JobTask):
    """`assignment` is what is evaluated when the task begins."""

    tag: ClassVar[str] = "userTask"
    global_tag: ClassVar[str] = "globalUserTask"
    attributes: ClassVar[frozenset[str]] = JobTask.attributes | {"implementation"}
    extensions: ClassVar[frozenset[str]] = JobTask.extensions | {
        "assignmentDefinition",
        "formDefinition",
        "priorityDefinition",
        "taskSchedule",
        "userTask",
    }
    camunda_attributes: ClassVar[frozenset[str]] = JobTask.camunda_attributes | ASSIGNMENT
    children: ClassVar[frozenset[str]] = JobTask.children | set(PERFORMERS)
    own_type: ClassVar[str] = "io.camunda.zeebe:userTask"
    assignment: Mapping[str, Expression] = field(default_factory=dict)

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        fields = super(UserTask, cls).read_work(source)
        for part in source.children(*PERFORMERS):
            part.warning("performer-not-told", f"{part.tag} is not told to whoever shows the task")
        assignment: dict[str, Expression] = {}
        for name in sorted(ASSIGNMENT):
            text = source.camunda(name)
            if text is not None:
                assignment[name] = source.juel(text, f"camunda:{name}")
        for name in ("assignmentDefinition", "formDefinition", "priorityDefinition", "taskSchedule"):
            extension = source.extension(name)
            if extension is not None:
                for key in map(str, extension.element.attrib):
                    assignment[key] = extension.expression(extension.get(key), key)
        return {**fields, "assignment": assignment}

    def headers_for(self, run: Run, variables: Mapping[str, Any]) -> Mapping[str, str]:
        if not self.assignment:
            return self.headers
        headers = dict(self.headers)
        for name, expression in self.assignment.items():
            value, why = expression.explain(variables, run.at)
            if value is None:
                if why:
                    raise ProcessFault(IncidentKind.EXPRESSION, expected(f"{name} to be known", value, why))
                continue
            headers[f"io.camunda.zeebe:{name}"] = _candidates(name, value) if name in CANDIDATES else str(value)
        return headers


def _candidates(name: str, value: Any) -> str:
    """A JSON list of names, from a list or a text with commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ProcessFault(IncidentKind.EXPRESSION, expected(f"{name} to be a list of texts", value))
    return json.dumps(value)
