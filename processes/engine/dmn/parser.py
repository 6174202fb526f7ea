"""From a DMN document to a model, or to the list of everything that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from processes.engine import feel, xml
from processes.engine.dmn.boxed import UNREAD, logic_in
from processes.engine.dmn.logic import LiteralExpression, Logic
from processes.engine.dmn.model import Decision, DecisionModel, InputData, Knowledge
from processes.engine.dmn.part import CAMUNDA, NAMESPACES, NULL, Document, Part
from processes.engine.dmn.requirements import Requires, circles, ordered
from processes.engine.dmn.types import known
from processes.engine.errors import ModelInvalid, Problem, Severity

DRAWN = frozenset(
    {
        "artifact", "association", "authorityRequirement", "businessContextElement", "elementCollection", "group",
        "impactedPerformanceIndicator", "impactingDecision", "decisionMaker", "decisionOwner", "knowledgeSource",
        "organizationUnit", "performanceIndicator", "supportedObjective", "textAnnotation", "usingProcess",
        "usingTask", "DMNDI",
    }
)  # fmt: skip
"""Elements for whoever reads the model."""
MAX_NAMES = 200
_LOGIC = frozenset({"literalExpression", "decisionTable", "context", "list", "relation", "invocation", *UNREAD})


def is_dmn(document: bytes) -> bool:
    """Whether a document is a decision model. Raises `ModelInvalid` where it is no XML that is read at all."""
    return xml.namespace(xml.tree(document)) in NAMESPACES


def parse(document: bytes) -> DecisionModel:
    """The decisions of a document. Raises `ModelInvalid` with every problem, warnings included."""
    root = xml.tree(document)
    if xml.namespace(root) not in NAMESPACES or xml.local(root) != "definitions":
        message = f"Expected definitions of DMN {', '.join(NAMESPACES.values())} but found {root.tag}"
        raise ModelInvalid([Problem("not-dmn", message, xml.line_of(root))])
    source = Part(root, Document(_names(root)))
    language = source.get("expressionLanguage")
    if language and "feel" not in language.lower():
        source.problem("not-feel", f"Expected FEEL but found the expression language '{language}'")
    source.refuse_others({"decision", "inputData", "businessKnowledgeModel", "itemDefinition", *DRAWN})
    for item in source.children("itemDefinition"):
        item.warning("type-not-checked", f"The type '{item.get('name')}' is described but not checked")
    parts = _by_id(source)
    models = parts["businessKnowledgeModel"]
    calls = {id: _called(part, models) for id, part in models.items()}
    functions = {id: _read_knowledge(part) for id, part in models.items()}
    inputs = {id: _input_data(part) for id, part in parts["inputData"].items()}
    decisions = {}
    for id, part in parts["decision"].items():
        called = ordered(_called(part, models), calls)
        decisions[id] = _decision(part, parts["decision"], inputs, tuple(functions[one] for one in called))
    if not decisions:
        source.problem("no-decision", "Expected a decision but found none")
    _refuse_circles({id: one.requires for id, one in decisions.items()}, parts["decision"])
    _refuse_circles(calls, models)
    problems = source.document.problems
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ModelInvalid(problems)
    return DecisionModel(source.id, source.get("name"), decisions, tuple(problems))


def _names(root: etree._Element) -> frozenset[str]:
    """Names of whatever has a value, as far as FEEL has to know them: ``net-total``. Every cell is read with them."""
    found: set[str] = set()
    for element in root.iter():
        name = element.get("name")
        if name and name not in found and feel.needs_scope(name):
            found.add(name)
            if len(found) > MAX_NAMES:
                message = f"Expected at most {MAX_NAMES} names with operators or keywords inside but found more"
                raise ModelInvalid([Problem("too-many-names", message, xml.line_of(element))])
    return frozenset(found)


def _by_id(source: Part) -> dict[str, dict[str, Part]]:
    found: dict[str, dict[str, Part]] = {"decision": {}, "inputData": {}, "businessKnowledgeModel": {}}
    seen: set[str] = set()
    for part in source.children(*found):
        if not part.id:
            part.problem("no-id", f"Expected the {part.tag} to have an id but found none")
        elif part.id in seen:
            part.problem("duplicate-id", f"Expected every id once but found '{part.id}' again")
        else:
            seen.add(part.id)
            found[part.tag][part.id] = part
    return found


def _decision(
    part: Part, decisions: Mapping[str, Part], inputs: Mapping[str, InputData], knowledge: tuple[Knowledge, ...]
) -> Decision:
    variable = part.child("variable")
    requires: list[str] = []
    data: list[InputData] = []
    for requirement in part.children("informationRequirement"):
        for reference in requirement.children("requiredDecision"):
            requires += _referred(reference, decisions, "decision")
        for reference in requirement.children("requiredInput"):
            data += [inputs[id] for id in _referred(reference, inputs, "inputData")]
    logic: Logic | None = logic_in(part, "variable", "informationRequirement", "knowledgeRequirement", *DRAWN)
    if logic is None and not any(child.tag in _LOGIC for child in part.children()):
        part.problem("no-logic", "Expected the decision to have a decision table or an expression but found none")
    return Decision(
        id=part.id,
        name=part.get("name"),
        variable=variable.get("name") if variable is not None else "",
        type=known(variable.get("typeRef")) if variable is not None else "",
        logic=logic or LiteralExpression(NULL),
        requires=tuple(dict.fromkeys(requires)),
        inputs=tuple(data),
        knowledge=knowledge,
        version_tag=_version_tag(part),
        line=xml.line_of(part.element),
    )


def _input_data(part: Part) -> InputData:
    part.refuse_others({"variable", *DRAWN})
    variable = part.child("variable")
    if variable is None:
        return InputData(part.get("name"))
    return InputData(variable.get("name") or part.get("name"), known(variable.get("typeRef")))


def _read_knowledge(part: Part) -> Knowledge:
    variable, logic = part.child("variable"), part.child("encapsulatedLogic")
    part.refuse_others({"variable", "encapsulatedLogic", "knowledgeRequirement", *DRAWN})
    name = (variable.get("name") if variable is not None else "") or part.get("name")
    if logic is None:
        part.problem("no-logic", "Expected the business knowledge model to have encapsulatedLogic but found none")
    return Knowledge(name, _function(logic, name) if logic is not None else NULL)


def _function(part: Part, name: str) -> feel.Expression:
    """``function(a: number) body`` of an ``encapsulatedLogic``."""
    part.refuse_others({"formalParameter", "literalExpression", *(_LOGIC - {"literalExpression"})})
    if part.get("kind", "FEEL") != "FEEL":
        part.refuse(f"a function of kind {part.get('kind')}")
    body = part.child("literalExpression")
    other = next((child for child in part.children() if child.tag in _LOGIC - {"literalExpression"}), None)
    if other is not None:
        other.refuse(f"{other.tag} as a function; a literal expression in FEEL is one")
        return NULL
    if body is None or not body.text():
        part.problem("no-logic", f"Expected the function '{name}' to have a literal expression but found none")
        return NULL
    if body.expression(body.text(), f"the function '{name}'") is NULL:
        return NULL  # and the problem is told
    parameters = [
        f"`{one.get('name')}`" + (f": {type}" if (type := known(one.get("typeRef"))) else "")
        for one in part.children("formalParameter")
    ]
    return part.expression(f"function({', '.join(parameters)}) {body.text()}", f"the function '{name}'")


def _called(part: Part, knowledge: Mapping[str, object]) -> list[str]:
    """Ids of the business knowledge models that a part calls."""
    return [
        id
        for requirement in part.children("knowledgeRequirement")
        for reference in requirement.children("requiredKnowledge")
        for id in _referred(reference, knowledge, "businessKnowledgeModel")
    ]


def _referred(part: Part, known: Mapping[str, object], tag: str) -> list[str]:
    """The id that a reference names; a problem where there is no such element in this document."""
    space, _, id = part.get("href").rpartition("#")
    if space or id not in known:
        part.problem(
            "unknown-reference", f"Expected href to name a {tag} of this document but found '{part.get('href')}'"
        )
        return []
    return [id]


def _refuse_circles(requires: Requires, parts: Mapping[str, Part]) -> None:
    for circle in circles(requires):
        message = f"Expected no {parts[circle[0]].tag} to require itself but found {' -> '.join(circle)}"
        parts[circle[0]].problem("requirement-cycle", message)


def _version_tag(part: Part) -> str:
    for container in part.children("extensionElements"):
        for element in container.element:
            if xml.local(element) == "versionTag" and xml.namespace(element) in (xml.ZEEBE, xml.ZENBPM):
                return str(element.get("value", ""))
    return part.foreign(CAMUNDA, "versionTag")
