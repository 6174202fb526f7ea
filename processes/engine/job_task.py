"""What is given away as a job: how its type, headers and retries are read, and what becomes of its answer.

A `JobTask` is an activity whose work is a job; which elements are such tasks is said in their own files. A throwing
event whose message is a job, see `is_job`, is one too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from processes.engine import camunda7, retry
from processes.engine import facts as f
from processes.engine.activity import Activity, Work
from processes.engine.errors import BpmnError, IncidentKind, ProcessFault
from processes.engine.event_definition import event_definitions
from processes.engine.expression import Expression, expected
from processes.engine.machine import Run
from processes.engine.mapping import Overlay, mapped
from processes.engine.model import FlowNode
from processes.engine.parts import FlowNodeInstance, Job, JobState
from processes.engine.source import Source
from processes.engine.unread import IDENTITY, refuse_unread

JOB_EXTENSIONS = Activity.extensions | {"taskDefinition", "taskHeaders"}


def is_job(event: Source) -> bool:
    """Whether a throwing event gives its message away as a job; a problem where it says half of it."""
    kinds = [event.document.event_definitions.get(part.tag) for part in event.children()]
    message = any(kind is not None and kind.deliverable for kind in kinds)
    publication = event.extension("publishMessage")
    if publication is not None and not message:
        publication.problem("not-executable", "Expected a message event but found publishMessage on another one")
    worded = next((part for part in event.children() if camunda7.names_work(part)), None)
    if message and worded is not None:
        refuse_unread(
            worded,
            attributes=IDENTITY | {"messageRef", "operationRef"},
            camunda_attributes=JobTask.camunda_attributes,
            camunda_elements=JobTask.camunda_elements,
        )
    if message and (worded is not None or event.extension("taskDefinition") is not None):
        if (found := len(event_definitions(event))) > 1:
            event.problem("not-executable", f"Expected one event definition but found {found}: a job is one message")
        if publication is not None:
            publication.problem("two-messages", "Expected a task definition or publishMessage but found both")
        return True
    mappable = any(kind is not None and kind.carries for kind in kinds)
    camunda = event.camunda_extensions(*camunda7.JOB_ELEMENTS - FlowNode.camunda_elements, *camunda7.MAPPING_ELEMENTS)
    for extension in (*event.extensions(*JOB_EXTENSIONS), *camunda):
        if mappable and extension.tag in Activity.extensions | camunda7.MAPPING_ELEMENTS:
            continue
        extension.problem(
            "not-executable", f"Expected a message event with a task definition but found only {extension.tag}"
        )
    return False


@dataclass(frozen=True, slots=True)
class Binding:
    """A job type, and the headers that tell its connector what is wanted."""

    type: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTask(Activity):
    """An activity whose work is a job. `type` and `retries` are literals or FEEL; `headers` are static texts."""

    extensions: ClassVar[frozenset[str]] = JOB_EXTENSIONS
    camunda_attributes: ClassVar[frozenset[str]] = camunda7.JOB_ATTRIBUTES | camunda7.EXPRESSION_ATTRIBUTES
    camunda_elements: ClassVar[frozenset[str]] = Activity.camunda_elements | camunda7.JOB_ELEMENTS
    own_type: ClassVar[str] = ""
    """The type of its jobs where the model names none; "": its id."""
    type: Expression = field(default_factory=lambda: Expression(""))
    retries: Expression | int = retry.DEFAULT_RETRIES
    headers: Mapping[str, str] = field(default_factory=dict)
    result_expression: Expression | None = None
    script: Expression | None = None
    """What is evaluated at once, instead of a job."""
    variable: str = ""
    """The name of its value."""
    error_rules: tuple[camunda7.ErrorRule, ...] = ()

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        """The job of an element: its ``taskDefinition``, else what Camunda 7 says of it, else what BPMN itself says,
        else its own id."""
        return cls.read_job(source)

    @classmethod
    def read_job(cls, source: Source, known: Expression | None = None) -> dict[str, Any]:
        """As `read_work`; a type that the element itself makes `known` comes before topic and id."""
        headers = read_headers(source)
        definition = source.extension("taskDefinition")
        type = known or Expression(cls.own_type or source.id)
        retries: Expression | int = retry.DEFAULT_RETRIES
        policy = retry.Policy()
        worded = camunda7.place(source)
        rules = camunda7.error_rules(worded)
        cycle = camunda7.retry_cycle(source)
        if cycle is not None:
            headers.setdefault("retryBackoff", cycle[0])
            retries = cycle[1]
        if definition is not None:
            if definition.get("retryBackoff"):
                headers.setdefault("retryBackoff", definition.get("retryBackoff"))
            type = definition.expression(definition.get("type").strip(), "the type of the job")
            if not type.text:
                definition.problem("no-job-type", "Expected taskDefinition to have a type but found none")
        elif (named := camunda7.implementation(worded)) is not None:
            if named.expression is not None:
                return {"script": named.expression, "variable": worded.camunda("resultVariable") or ""}
            type, headers = named.type or type, {**named.headers, **headers}
        elif (binding := cls.bound(source)) is not None:
            type, headers = Expression(binding.type), {**binding.headers, **headers}
        elif source.get("operationRef"):
            source.problem(
                "not-executable", "Expected a task definition but found operationRef, which is not executed yet"
            )
        elif source.get("implementation") not in ("", "##WebService", "##unspecified"):
            found = f"implementation '{source.get('implementation')}'"
            source.problem("not-executable", f"Expected a task definition but found {found}, which is not executed")
        elif known is None and not cls.own_type:
            source.warning("job-type-by-id", f"No task definition: its job type is its id, '{source.id}'")
        try:
            policy = retry.Policy.read(headers)
        except ValueError as error:
            source.problem("bad-retry", str(error))
        if policy.tries is not None:
            retries = policy.tries
        if definition is not None and definition.get("retries"):
            retries = _read_retries(definition, headers)
        result = headers.get("resultExpression")
        if headers.get("errorExpression"):
            source.expression(headers["errorExpression"], "errorExpression", always_feel=True)
        return {
            "type": type,
            "retries": retries,
            "headers": headers,
            "error_rules": rules,
            "result_expression": source.expression(result, "resultExpression", always_feel=True) if result else None,
        }

    @classmethod
    def bound(cls, source: Source) -> Binding | None:
        """The job that an element names in BPMN's own words, None where it names none."""
        return None

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        if self.script is not None:
            value = self.script.evaluate(variables, run.at, IncidentKind.EXPRESSION)
            result = self.evaluated(value)
            return lambda: run.complete(visit, result)
        type, retries = self._job(run, variables)
        headers = self.headers_for(run, variables)
        return lambda: run.emit(f.JobCreated(run.next_key(), visit.key, type, headers, retries, run.at))

    def headers_for(self, run: Run, variables: Mapping[str, Any]) -> Mapping[str, str]:
        """The headers of its job. Raises `ProcessFault`."""
        return self.headers

    def evaluated(self, value: Any) -> dict[str, Any]:
        """What of the value of its script is its result."""
        return {self.variable: value} if self.variable else {}

    def _job(self, run: Run, variables: Mapping[str, Any]) -> tuple[str, int]:
        type = self.type.text_of(variables, run.at, "the type of the job", IncidentKind.EXPRESSION)
        if isinstance(self.retries, int):
            return type, self.retries
        value, why = self.retries.explain(variables, run.at)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1000:
            what = f"retries '{self.retries.text}' to give a whole number from 1 to 1000"
            raise ProcessFault(IncidentKind.EXPRESSION, expected(what, value, why))
        return type, value

    def resume(self, run: Run, visit: FlowNodeInstance, retries: int | None) -> None:
        """The inputs are evaluated anew, so that a corrected variable counts."""
        job = next((wait for wait in run.instance.waits_of(visit.key) if isinstance(wait, Job)), None)
        if job is None or job.state is not JobState.FAILED:
            return
        around, given = self.surroundings(run, visit, run.body(visit))
        inputs = mapped(self.inputs, around, run.at, IncidentKind.INPUT_MAPPING)
        variables = Overlay(inputs, around)
        type, planned = self._job(run, variables)
        headers = self.headers_for(run, variables)
        run.wait(visit, {**given, **inputs})
        run.emit(f.JobResumed(job.key, type, headers, planned if retries is None else retries, run.at))

    def rebind(self, run: Run, visit: FlowNodeInstance) -> tuple[str, Mapping[str, str]] | None:
        if self.script is not None:
            return None
        variables = run.visible(visit.key)
        type, _ = self._job(run, variables)
        return type, self.headers_for(run, variables)

    def failed(self, run: Run, visit: FlowNodeInstance, message: str) -> BpmnError | None:
        return camunda7.failed(self.error_rules, message, run.visible(visit.key), run.at) if self.error_rules else None

    def result(self, run: Run, visit: FlowNodeInstance, response: Mapping[str, Any]) -> Mapping[str, Any]:
        """``resultVariable`` holds the whole response; ``resultExpression`` gives a context of variables; with neither
        the response is the result."""
        if self.error_rules:
            error = camunda7.completed(self.error_rules, response, run.visible(visit.key), run.at)
            if error is not None:
                raise error
        name = self.headers.get("resultVariable")
        if not name and self.result_expression is None:
            return response
        result: dict[str, Any] = {name: dict(response)} if name else {}
        if self.result_expression is not None:
            seen = Overlay({**response, "response": dict(response)}, run.visible(visit.key))
            value, why = self.result_expression.explain(seen, run.at, IncidentKind.OUTPUT_MAPPING)
            if not isinstance(value, dict):
                what = f"resultExpression '{self.result_expression.text}' to give a context"
                raise ProcessFault(IncidentKind.OUTPUT_MAPPING, expected(what, value, why))
            result.update(value)
        return result


def read_headers(source: Source) -> dict[str, str]:
    container = source.extension("taskHeaders")
    headers: dict[str, str] = {}
    if container is not None:
        for part in container.parts("header"):
            if not part.get("key"):
                part.problem("no-header-key", "Expected a task header to have a key but found none")
            elif part.get("key") in headers:
                part.problem("two-headers", f"Expected one task header '{part.get('key')}' but found another")
            headers[part.get("key")] = part.get("value")
    return headers


def _read_retries(definition: Source, headers: dict[str, str]) -> Expression | int:
    text = definition.get("retries").strip()
    if text.startswith("="):
        return definition.expression(text, "retries")
    if text.startswith("R") and "/" in text:
        headers.setdefault("retryBackoff", text)
        try:
            return retry.Policy.read({"retryBackoff": text}).tries or retry.DEFAULT_RETRIES
        except ValueError as error:
            definition.problem("bad-retry", str(error))
            return retry.DEFAULT_RETRIES
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        definition.problem("bad-retry", f"Expected retries to be a whole number from 1 to 1000 but found '{text}'")
        return retry.DEFAULT_RETRIES
    return int(text)
