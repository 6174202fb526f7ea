"""Call activity, BPMN 2.0.2 section 13.3.4: another process runs as an instance of its own; the token waits for it.

Camunda 8 says which process in ``zeebe:calledElement``; all variables go in and all come out unless it says otherwise.
Camunda 7 says it in ``calledElement``, and passes nothing but what ``camunda:in`` and ``camunda:out`` name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from processes.engine import facts as f
from processes.engine.activity import Activity, Work, mapped_output
from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.expression import Expression, expected
from processes.engine.machine import Run
from processes.engine.mapping import Overlay, mapped
from processes.engine.parts import Binding, Call, FlowNodeInstance
from processes.engine.passing import Passing
from processes.engine.source import Source

ZEEBE_BINDINGS = {"latest": Binding.LATEST, "deployment": Binding.DEPLOYMENT, "versionTag": Binding.VERSION_TAG}
CAMUNDA_BINDINGS = {**ZEEBE_BINDINGS, "version": Binding.VERSION}
CALLERS_KEY = re.compile(r"[$#]\{\s*execution\.(processBusinessKey|businessKey)\s*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallActivity(Activity):
    """`passes_in` and `passes_out` None: as Camunda 8 does it. `business_key` None: that of the caller."""

    tag: ClassVar[str] = "callActivity"
    attributes: ClassVar[frozenset[str]] = Activity.attributes | {"calledElement"}
    extensions: ClassVar[frozenset[str]] = Activity.extensions | {"calledElement"}
    camunda_attributes: ClassVar[frozenset[str]] = frozenset(
        {"calledElementBinding", "calledElementVersion", "calledElementVersionTag"}
    )
    camunda_elements: ClassVar[frozenset[str]] = Activity.camunda_elements | {"in", "out"}
    process: Expression = field(default_factory=lambda: Expression(""))
    binding: Binding = Binding.LATEST
    version: Expression | None = None
    """The number or the tag, where the binding needs one."""
    all_in: bool = True
    all_out: bool = True
    passes_in: tuple[Passing, ...] | None = None
    passes_out: tuple[Passing, ...] | None = None
    business_key: Expression | None = None

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        extension = source.extension("calledElement")
        return _camunda_7(source) if extension is None else _camunda_8(source, extension)

    @property
    def calls(self) -> str:
        return self.process.text.strip() if self.process.code is None else ""

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        kind = IncidentKind.CALLED_ELEMENT
        process = self.process.text_of(variables, run.at, "the called process", kind).strip()
        version = self._version(run, variables)
        key = self.business_key
        business_key = None if key is None else _key(key, variables, run.at)
        given = self._given(run, visit, variables)

        def call() -> None:
            # By now the inputs are the local variables of the visit.
            emitted = run.next_key(), visit.key, process, self.binding.value, version, given(visit), business_key
            run.emit(f.ProcessCalled(*emitted))

        return call

    def resume(self, run: Run, visit: FlowNodeInstance, retries: int | None) -> None:
        """The process is called again, with inputs evaluated anew, unless it runs."""
        body = run.body(visit)
        calls_nobody = self.loop is not None and body is None  # its rounds do
        if calls_nobody or any(isinstance(wait, Call) for wait in run.instance.waits_of(visit.key)):
            return
        around, given = self.surroundings(run, visit, body)
        inputs = mapped(self.inputs, around, run.at, IncidentKind.INPUT_MAPPING)
        work = self.prepare(run, visit, Overlay(inputs, around) if inputs else around)
        run.wait(visit, {**given, **inputs})
        work()

    def result(self, run: Run, visit: FlowNodeInstance, response: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of the variables of the called process comes out."""
        if self.passes_out is None:
            return response if self.all_out or self.outputs else {}
        result: dict[str, Any] = {}
        for passing in self.passes_out:
            result |= passing.passed(response, run.at, IncidentKind.OUTPUT_MAPPING)
        return result

    def output(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Mapping[str, Any]:
        if not any(passing.local for passing in self.passes_out or ()):
            return super(CallActivity, self).output(run, visit, result)
        given = mapped_output(self.outputs, run, visit, result) if self.outputs else {}
        return {**{name: result[name] for name in result if self._comes_out(name)}, **given}

    def _comes_out(self, name: str) -> bool:
        """Whether a variable that is passed goes to the scope around by itself."""
        passings = self.passes_out or ()
        if any(passing.target == name and not passing.local for passing in passings):
            return True
        everything = any(not passing.target and not passing.local for passing in passings)
        return everything and not any(passing.target == name for passing in passings)

    def _given(
        self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]
    ) -> Callable[[FlowNodeInstance], dict[str, Any]]:
        """The variables that go in, once the visit has its local ones. Raises `ProcessFault`."""
        if self.passes_in is None:
            around = dict(variables) if self.all_in else {}
            return lambda visit: {**around, **visit.variables}
        own = self._local(run, visit, variables)
        found: dict[str, Any] = {}
        for each in self.passes_in:
            found |= each.passed(own if each.local else variables, run.at, IncidentKind.INPUT_MAPPING)
        return lambda visit: found

    def _local(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Of what the inputs gave, and a round was given, all that is local to the visit."""
        given = self.loop.given(visit) if self.loop is not None and run.body(visit) is not None else {}
        names = (*given, *(mapping.target[0] for mapping in self.inputs))
        return {name: variables[name] for name in names}

    def _version(self, run: Run, variables: Mapping[str, Any]) -> str:
        if self.version is None:
            return ""
        kind = IncidentKind.CALLED_ELEMENT
        text = self.version.text_of(variables, run.at, "the version of the called process", kind).strip()
        if self.binding is Binding.VERSION and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ProcessFault(kind, expected(f"the version '{self.version.text}' to give a whole number", text))
        return text


def _camunda_8(source: Source, extension: Source) -> dict[str, Any]:
    other = [f"camunda:{name}" for name in CallActivity.camunda_attributes if source.camunda(name) is not None]
    other += [f"camunda:{part.tag}" for part in source.camunda_extensions("in", "out")]
    for name in sorted({*other, *(["calledElement"] if source.get("calledElement") else [])}):
        source.problem("two-dialects", f"Expected zeebe:calledElement or {name} but found both")
    process = extension.get("processId").strip()
    if not process:
        extension.problem("no-called-process", "Expected calledElement to have a processId but found none")
    kind = extension.get("bindingType") or "latest"
    binding = ZEEBE_BINDINGS.get(kind)
    if binding is None:
        what = f"Expected bindingType to be one of {', '.join(ZEEBE_BINDINGS)} but found '{kind}'"
        extension.problem("bad-binding", what)
    tag = extension.get("versionTag").strip()
    if binding is Binding.VERSION_TAG and not tag:
        extension.problem("no-version-tag", "Expected a versionTag with bindingType versionTag but found none")
    return {
        "process": extension.expression(process, "the called process"),
        "binding": binding or Binding.LATEST,
        "version": extension.expression(tag, "the version tag") if binding is Binding.VERSION_TAG else None,
        "all_in": extension.flag("propagateAllParentVariables", default=True),
        "all_out": extension.flag("propagateAllChildVariables", default=True),
    }


def _camunda_7(source: Source) -> dict[str, Any]:
    called = source.get("calledElement").strip()
    if not called:
        source.problem("no-called-process", "Expected calledElement to name a process but found none")
    if not called.startswith(("${", "#{")):
        called = called.rpartition(":")[2]
    kind = source.camunda("calledElementBinding") or "latest"
    binding = CAMUNDA_BINDINGS.get(kind)
    if binding is None:
        what = f"Expected camunda:calledElementBinding to be one of {', '.join(CAMUNDA_BINDINGS)} but found '{kind}'"
        source.problem("bad-binding", what)
    attribute = {Binding.VERSION: "calledElementVersion", Binding.VERSION_TAG: "calledElementVersionTag"}.get(
        binding or Binding.LATEST
    )
    version = (source.camunda(attribute) or "").strip() if attribute else ""
    if attribute and not version:
        source.problem("no-version", f"Expected camunda:{attribute} with the binding {kind} but found none")
    business_key: Expression | None = Expression("")
    passes_in: list[Passing] = []
    for part in source.camunda_extensions("in"):
        if part.get("businessKey"):
            text = part.get("businessKey").strip()
            business_key = None if CALLERS_KEY.fullmatch(text) else part.juel(text, "the business key")
        if not part.get("businessKey") or part.get("variables"):
            passes_in.append(Passing.read(part))
    passes_out = tuple(Passing.read(part) for part in source.camunda_extensions("out"))
    return {
        "process": source.juel(called, "calledElement"),
        "binding": binding or Binding.LATEST,
        "version": source.juel(version, f"camunda:{attribute}") if version else None,
        "passes_in": tuple(passes_in),
        "passes_out": passes_out,
        "business_key": business_key,
    }


def _key(expression: Expression, variables: Mapping[str, Any], at: datetime) -> str:
    if not expression.text:
        return ""
    return expression.text_of(variables, at, "the business key", IncidentKind.INPUT_MAPPING)
