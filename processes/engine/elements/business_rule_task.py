"""Business rule task, BPMN 2.0.2 section 10.3.3: a DMN decision, evaluated at once; with a task definition, a job.

    <zeebe:calledDecision decisionId="dish" resultVariable="dinner" bindingType="versionTag" versionTag="stable" />
    camunda:decisionRef="dish" camunda:resultVariable="dinner" camunda:mapDecisionResult="singleEntry"

The decision is found where the process runs, its latest version unless the model says otherwise. Camunda 7's result is
the list of what the rules say, and `mapDecisionResult` makes of it what it makes there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from processes.engine import camunda7, dmn
from processes.engine import facts as f
from processes.engine.activity import Work
from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.expression import Expression, expected
from processes.engine.job_task import JobTask
from processes.engine.machine import Run
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source

DECISION_ATTRIBUTES = frozenset(
    {
        "decisionRef",
        "decisionRefBinding",
        "decisionRefVersion",
        "decisionRefVersionTag",
        "mapDecisionResult",
        "resultVariable",
    }
)
"""Of Camunda 7."""
MAPPINGS = ("singleEntry", "singleResult", "collectEntries", "resultList")


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessRuleTask(JobTask):
    tag: ClassVar[str] = "businessRuleTask"
    global_tag: ClassVar[str] = "globalBusinessRuleTask"
    attributes: ClassVar[frozenset[str]] = JobTask.attributes | {"implementation"}
    extensions: ClassVar[frozenset[str]] = JobTask.extensions | {"calledDecision"}
    camunda_attributes: ClassVar[frozenset[str]] = JobTask.camunda_attributes | DECISION_ATTRIBUTES
    decision: Expression | None = None
    mapping: str = ""
    """One of `MAPPINGS`; "": the value of the decision as it is."""
    version: Expression | None = None
    version_tag: Expression | None = None

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        called, reference = source.extension("calledDecision"), source.camunda("decisionRef")
        if called is None and reference is None:
            for name in ("mapDecisionResult", "decisionRefBinding"):
                if source.camunda(name) is not None:
                    source.problem(
                        "no-decision", f"Expected camunda:{name} with camunda:decisionRef but found no decision"
                    )
            return super(BusinessRuleTask, cls).read_work(source)
        for other in _others(source):
            source.problem("two-decisions", f"Expected a decision or something else but found both, {other}")
        if called is not None and reference is not None:
            source.problem("two-decisions", "Expected one decision but found calledDecision and camunda:decisionRef")
        for headers in source.extensions("taskHeaders"):
            headers.problem("not-executable", "Expected taskHeaders with a task definition but found none")
        return _called(called) if called is not None else _referred(source, reference or "")

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        if self.decision is None:
            return super(BusinessRuleTask, self).prepare(run, visit, variables)
        id = self.decision.text_of(variables, run.at, "the id of the decision", IncidentKind.DECISION)
        published = self._find(run, id, variables)
        evaluation = dmn.evaluate(published.model, id, variables, run.at)
        result = {self.variable: _mapped(self.mapping, evaluation)}
        told = tuple(one.to_json() for one in evaluation.decisions)
        fact = f.DecisionEvaluated(visit.key, id, published.version, told, evaluation.warnings)

        def work() -> None:
            run.emit(fact)
            run.complete(visit, result)

        return work

    def rebind(self, run: Run, visit: FlowNodeInstance) -> tuple[str, Mapping[str, str]] | None:
        return super(BusinessRuleTask, self).rebind(run, visit) if self.decision is None else None

    def _find(self, run: Run, id: str, variables: Mapping[str, Any]) -> dmn.Published:
        """Raises `ProcessFault` where there is no such decision."""
        kind = IncidentKind.DECISION
        version, tag, what = None, "", f"a decision '{id}'"
        if self.version is not None:
            text = self.version.text_of(variables, run.at, "the version of the decision", kind)
            if not (text.isascii() and text.isdecimal() and len(text) < 10):
                raise ProcessFault(kind, f"Expected the version of the decision to be a number but found '{text}'")
            version, what = int(text), f"version {text} of the decision '{id}'"
        elif self.version_tag is not None:
            tag = self.version_tag.text_of(variables, run.at, "the version tag of the decision", kind)
            what = f"a decision '{id}' with the version tag '{tag}'"
        found = run.process.decisions.find(id, version=version, version_tag=tag)
        if found is None:
            raise ProcessFault(kind, f"Expected {what} to be deployed but found none")
        return found


def _others(source: Source) -> Iterator[str]:
    """What else is said to do the work."""
    if source.extension("taskDefinition") is not None:
        yield "taskDefinition"
    for name in sorted(camunda7.JOB_ATTRIBUTES | {"expression"}):
        if source.camunda(name) is not None:
            yield f"camunda:{name}"
    for element in sorted(camunda7.JOB_ELEMENTS - {"failedJobRetryTimeCycle"}):
        if any(source.camunda_extensions(element)):
            yield f"camunda:{element}"


def _called(part: Source) -> dict[str, Any]:
    """``zeebe:calledDecision``."""
    decision, variable = part.get("decisionId").strip(), part.get("resultVariable").strip()
    if not decision:
        part.problem("no-decision", "Expected calledDecision to have a decisionId but found none")
    if not variable:
        part.problem("no-result-variable", "Expected calledDecision to have a resultVariable but found none")
    binding, tag = part.get("bindingType", "latest").strip(), part.get("versionTag").strip()
    if binding not in ("latest", "versionTag"):
        part.problem("not-executable", f"Expected bindingType latest or versionTag but found '{binding}'")
    if (binding == "versionTag") != bool(tag):
        part.problem("no-version-tag", f"Expected a versionTag with bindingType versionTag but found '{tag}'")
    return {
        "decision": part.expression(decision, "the id of the decision"),
        "variable": variable,
        "version_tag": part.expression(tag, "the version tag") if tag else None,
    }


def _referred(source: Source, reference: str) -> dict[str, Any]:
    """Camunda 7's attributes."""
    variable = (source.camunda("resultVariable") or "").strip()
    mapping = source.camunda("mapDecisionResult") or "resultList"
    binding = source.camunda("decisionRefBinding") or "latest"
    if not reference.strip():
        source.problem("no-decision", "Expected camunda:decisionRef to name a decision but found nothing")
    if not variable:
        source.problem("no-result-variable", "Expected the decision to have a camunda:resultVariable but found none")
    if mapping not in MAPPINGS:
        source.problem("bad-mapping", f"Expected mapDecisionResult to be {', '.join(MAPPINGS)} but found '{mapping}'")
    fields: dict[str, Any] = {
        "decision": source.juel(reference.strip(), "camunda:decisionRef"),
        "variable": variable,
        "mapping": mapping,
    }
    named = {"version": "decisionRefVersion", "versionTag": "decisionRefVersionTag"}.get(binding)
    if named is not None:
        text = (source.camunda(named) or "").strip()
        if not text:
            source.problem("no-version", f"Expected camunda:{named} with the binding {binding} but found none")
        fields["version" if binding == "version" else "version_tag"] = source.juel(text, f"camunda:{named}")
    elif binding != "latest":
        source.problem(
            "not-executable", f"Expected decisionRefBinding latest, version or versionTag but found '{binding}'"
        )
    return fields


def _mapped(mapping: str, evaluation: dmn.Evaluation) -> Any:
    """What becomes of the rules that matched. Raises `ProcessFault` where there are too many of them or of columns."""
    rows = [dict(row) for row in evaluation.rows]
    if not mapping:
        return evaluation.result
    if mapping == "resultList":
        return rows
    if mapping.startswith("single") and len(rows) > 1:
        raise ProcessFault(IncidentKind.DECISION, expected(f"one rule at most for {mapping}", rows))
    if mapping == "singleResult":
        return rows[0] if rows else None
    entries: list[Any] = []
    for row in rows:
        if len(row) != 1:
            raise ProcessFault(IncidentKind.DECISION, expected(f"one output for {mapping}", row))
        entries += row.values()
    if mapping == "collectEntries":
        return entries
    return entries[0] if entries else None
