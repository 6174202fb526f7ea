"""What a model says that nobody executes: every attribute, child and extension is read by somebody or refused by name.

Each element says in its own file what it reads (`attributes`, `children`, `extensions`); the shapes of the extension
elements, which many elements share, stand here. Foreign extensions (of a modeller, of a company) mean nothing to
execution and pass; those of engines that would have executed them do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processes.engine import xml
from processes.engine.source import EXTENSIONS, Source

COMMON = frozenset({"documentation", "extensionElements", "incoming", "outgoing", "auditing", "monitoring", "category"})
"""Children of flow elements that mean nothing to execution."""
ARTIFACTS = frozenset({"textAnnotation", "association", "group", "laneSet"})
DATA = frozenset(
    {
        "dataInputAssociation",
        "dataObject",
        "dataObjectReference",
        "dataOutputAssociation",
        "dataStoreReference",
        "ioSpecification",
        "property",
    }
)
"""Drawn and described; variables are what carries data, see `data`."""
DATA_ASSOCIATIONS = ("dataInputAssociation", "dataOutputAssociation")
COMPUTED = ("assignment", "transformation")
"""What makes of a data association more than a line in a drawing."""

IDENTITY = frozenset({"id", "name"})
EXPRESSION = frozenset({"id", "language", "evaluatesToTypeRef"})

OTHER_ENGINES = {
    "http://activiti.org/bpmn": "activiti",
    "http://flowable.org/bpmn": "flowable",
    "http://www.jboss.org/drools": "drools",
}
CAMUNDA_HARMLESS = frozenset(
    {
        "async",
        "asyncAfter",
        "asyncBefore",
        "candidateStarterGroups",
        "candidateStarterUsers",
        "exclusive",
        "historyTimeToLive",
        "isStartableInTasklist",
        "jobPriority",
        "modelerTemplate",
        "modelerTemplateVersion",
        "taskPriority",
        "versionTag",
    }
)
"""Attributes of Camunda 7 that ask for nothing which is not done anyway: every step is a transaction of its own."""
CAMUNDA_FORMS = frozenset({"formKey", "formRef", "formRefBinding", "formRefVersion"})
"""Attributes of Camunda 7 that name a form."""
CAMUNDA_SHOWN = frozenset({"formData", "formProperty"})
"""Extension elements of Camunda 7 that say what a form shows: whoever shows it reads the model."""
HARMLESS = frozenset({"properties", "userTaskForm"})
"""Extension elements for whoever reads the model, in every dialect."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an extension element may say: attributes (None: any) and children."""

    attributes: frozenset[str] | None = frozenset()
    children: frozenset[str] = frozenset()


SHAPES: Mapping[str, Shape] = {
    "adHoc": Shape(frozenset({"activeElementsCollection"})),
    "assignmentDefinition": Shape(None),
    "calledDecision": Shape(frozenset({"bindingType", "decisionId", "resultVariable", "versionTag"})),
    "calledElement": Shape(
        frozenset(
            {"bindingType", "processId", "propagateAllChildVariables", "propagateAllParentVariables", "versionTag"}
        )
    ),
    "formDefinition": Shape(None),
    "header": Shape(frozenset({"key", "value"})),
    "input": Shape(frozenset({"source", "target"})),
    "ioMapping": Shape(children=frozenset({"input", "output"})),
    "loopCharacteristics": Shape(frozenset({"inputCollection", "inputElement", "outputCollection", "outputElement"})),
    "output": Shape(frozenset({"source", "target"})),
    "priorityDefinition": Shape(frozenset({"priority"})),
    "publishMessage": Shape(frozenset({"correlationKey", "messageId", "timeToLive"})),
    "script": Shape(frozenset({"expression", "resultVariable"})),
    "subscription": Shape(frozenset({"correlationKey"})),
    "taskDefinition": Shape(frozenset({"type", "retries", "retryBackoff"})),
    "taskHeaders": Shape(children=frozenset({"header"})),
    "taskSchedule": Shape(None),
    "userTask": Shape(),
    "versionTag": Shape(frozenset({"value"})),
}


_VALUES = frozenset({"list", "map", "script"})
CAMUNDA_SHAPES: Mapping[str, Shape] = {
    "connector": Shape(children=frozenset({"connectorId", "inputOutput"})),
    "connectorId": Shape(),
    "entry": Shape(frozenset({"key"}), _VALUES),
    "errorEventDefinition": Shape(frozenset({"errorRef", "expression", "id"})),
    "expression": Shape(),
    "failedJobRetryTimeCycle": Shape(),
    "field": Shape(frozenset({"expression", "name", "stringValue"}), frozenset({"expression", "string"})),
    "in": Shape(frozenset({"businessKey", "local", "source", "sourceExpression", "target", "variables"})),
    "inputOutput": Shape(children=frozenset({"inputParameter", "outputParameter"})),
    "inputParameter": Shape(frozenset({"name"}), _VALUES),
    "list": Shape(children=_VALUES | {"value"}),
    "map": Shape(children=frozenset({"entry"})),
    "out": Shape(frozenset({"local", "source", "sourceExpression", "target", "variables"})),
    "outputParameter": Shape(frozenset({"name"}), _VALUES),
    "script": Shape(frozenset({"resource", "scriptFormat"})),
    "string": Shape(),
    "value": Shape(frozenset({"id", "name"}), _VALUES),
}


def refuse_unread(
    source: Source,
    *,
    attributes: frozenset[str] = IDENTITY,
    children: frozenset[str] = frozenset(),
    extensions: frozenset[str] = frozenset(),
    camunda_attributes: frozenset[str] = frozenset(),
    camunda_elements: frozenset[str] = frozenset(),
) -> None:
    """Report what an element says beside these: BPMN attributes, BPMN children, extension elements; attributes and
    extension elements of Camunda 7."""
    for child in source.element:
        part = source.within(child)
        if xml.namespace(child) != xml.BPMN:
            _refuse(source, part, f"{part.tag} of the namespace '{xml.namespace(child)}' outside extensionElements")
        elif part.tag in DATA and part.tag not in children:
            _data(source, part)
        elif part.tag not in COMMON | children:
            _refuse(source, part, part.tag)
    _attributes(source, attributes, camunda_attributes)
    _extensions(source, extensions, camunda_elements)


def refuse_language(source: Source, *, declared: str = "") -> None:
    """Report an expression in another language than FEEL. It names its language by URI, or the document has `declared`
    one; but many modellers declare BPMN's default and mean nothing by it, so that ``=`` before it says FEEL too, and
    ``${`` says JUEL."""
    language = source.get("language").strip() or declared
    if language and "feel" not in language.lower() and not source.text().startswith(("=", "${", "#{")):
        source.problem("not-feel", f"Expected FEEL, or '=' before it, but found the expression language '{language}'")


def _refuse(source: Source, part: Source, what: str) -> None:
    part.problem("not-executable", f"Expected what is executed but found {what}", element=source.id or source.owner)


def _data(source: Source, part: Source) -> None:
    for computed in part.children(*COMPUTED):
        _refuse(source, computed, f"{part.tag} with {computed.tag}")
    part.warning("data-not-executed", f"{part.tag} is described but not executed; variables carry the data")


def _attributes(source: Source, known: frozenset[str], camunda: frozenset[str]) -> None:
    for attribute in map(str, source.element.attrib):
        namespace, _, name = attribute[1:].rpartition("}") if attribute.startswith("{") else ("", "", attribute)
        if namespace in ("", xml.BPMN):
            if namespace or name not in known:
                _refuse(source, source, f"the attribute {name}")
        elif namespace == xml.CAMUNDA and name not in CAMUNDA_HARMLESS | camunda:
            _refuse(source, source, f"camunda:{name}")
        elif namespace in EXTENSIONS and not name.startswith("modelerTemplate"):
            _refuse(source, source, f"the attribute zeebe:{name}")
        elif namespace in OTHER_ENGINES:
            _refuse(source, source, f"{OTHER_ENGINES[namespace]}:{name}")


def _extensions(source: Source, known: frozenset[str], camunda: frozenset[str]) -> None:
    found: set[str] = set()
    for container in xml.children(source.element, "extensionElements"):
        for child in container:
            part, namespace = source.within(child), xml.namespace(child)
            if part.tag in HARMLESS:
                continue
            if namespace in EXTENSIONS:
                if part.tag not in known:
                    _refuse(source, part, f"the extension {part.tag}")
                elif part.tag in found:
                    _refuse(source, part, f"the extension {part.tag} once more")
                else:
                    _shape(source, part)
                found.add(part.tag)
            elif namespace == xml.CAMUNDA:
                if part.tag in camunda:
                    _shape(source, part, CAMUNDA_SHAPES)
                elif part.tag in CAMUNDA_SHOWN:
                    part.warning("form-not-shown", f"camunda:{part.tag} is for whoever shows the form")
                else:
                    _refuse(source, part, f"camunda:{part.tag}")
            elif namespace in OTHER_ENGINES:
                _refuse(source, part, f"{OTHER_ENGINES[namespace]}:{part.tag}")


def _shape(source: Source, part: Source, shapes: Mapping[str, Shape] = SHAPES) -> None:
    shape = shapes.get(part.tag, Shape())
    for attribute in map(str, part.element.attrib):
        if shape.attributes is not None and not attribute.startswith("{") and attribute not in shape.attributes:
            _refuse(source, part, f"the attribute {attribute} of {part.tag}")
    for child in part.element:
        inner = part.within(child)
        if inner.tag in shape.children:
            _shape(source, inner, shapes)
        else:
            _refuse(source, inner, f"{inner.tag} in {part.tag}")
