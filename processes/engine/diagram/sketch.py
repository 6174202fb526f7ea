"""What there is to draw, read from the XML: every element with its kind, its name and its ties. No geometry.

This is not the executable graph: it takes what it finds, in any order, with broken references, missing ids
and elements that the engine never executes, because a model that is refused is drawn all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from processes.engine.xml import BPMN, child, children, local, namespace, text_of

TASKS = frozenset(
    {
        "task",
        "serviceTask",
        "userTask",
        "manualTask",
        "scriptTask",
        "sendTask",
        "receiveTask",
        "businessRuleTask",
    }
)
SUB_PROCESSES = frozenset({"subProcess", "adHocSubProcess", "transaction", "subChoreography"})
CALLS = frozenset({"callActivity", "callChoreography"})
CHOREOGRAPHY = frozenset({"choreographyTask", "subChoreography", "callChoreography"})
ACTIVITIES = TASKS | SUB_PROCESSES | CALLS | CHOREOGRAPHY
EVENTS = frozenset(
    {
        "startEvent",
        "endEvent",
        "intermediateCatchEvent",
        "intermediateThrowEvent",
        "boundaryEvent",
        "implicitThrowEvent",
    }
)
GATEWAYS = frozenset({"exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"})
FLOW_NODES = ACTIVITIES | EVENTS | GATEWAYS
DATA = frozenset({"dataObjectReference", "dataStoreReference", "dataInput", "dataOutput", "dataObject", "dataStore"})
CONVERSATIONS = frozenset({"conversation", "subConversation", "callConversation"})
LINKS = frozenset(
    {
        "sequenceFlow",
        "messageFlow",
        "association",
        "dataInputAssociation",
        "dataOutputAssociation",
        "conversationLink",
    }
)
PROCESSES = frozenset({"process", "choreography", "globalChoreographyTask"})
COLLABORATIONS = frozenset({"collaboration", "choreography", "globalConversation"})
DRAWN = FLOW_NODES | DATA | CONVERSATIONS | LINKS | {"participant", "lane", "textAnnotation", "group", "message"}

Resolve = Callable[[str | None], str]


@dataclass(frozen=True, slots=True)
class Element:
    """One BPMN element as the pencil sees it.

    `key` is unique in the document and is the id wherever there is a usable one; `id` is what the document
    says. `parent` is the key of the process, sub-process, lane or collaboration around it. `symbols` are the
    kinds of the event definitions (``message``, ``timer`` ...). `traits` are words for everything that is
    merely so or not so: ``parallel-multiple``, ``non-interrupting``, ``loop``, ``default`` and the like.
    `source` and `target` are the keys at the ends of a link, `host` of the activity on which a boundary event
    sits, `process` of the process of a participant.
    """

    key: str
    tag: str
    id: str = ""
    name: str = ""
    parent: str = ""
    symbols: tuple[str, ...] = ()
    traits: frozenset[str] = frozenset()
    source: str = ""
    target: str = ""
    host: str = ""
    process: str = ""


@dataclass(slots=True)
class Sketch:
    """All elements by key, in document order, and who is inside whom."""

    elements: dict[str, Element] = field(default_factory=dict)
    inside: dict[str, list[str]] = field(default_factory=dict)
    lane_of: dict[str, str] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    """Keys of the flow elements in a group, by the key of the group."""

    def of(self, parent: str, tags: frozenset[str]) -> Iterator[Element]:
        """The direct children of a container with one of these tags, in document order."""
        for key in self.inside.get(parent, ()):
            if self.elements[key].tag in tags:
                yield self.elements[key]

    def ancestors(self, key: str) -> Iterator[str]:
        """The keys of the containers around an element, from the inside out."""
        seen = {key}
        while (element := self.elements.get(key)) is not None and element.parent not in seen:
            key = element.parent
            seen.add(key)
            if key in self.elements:
                yield key


def sketched(root: etree._Element) -> Sketch:
    """Everything under ``bpmn:definitions``. Never raises: what cannot be understood is left out."""
    keys = _keys(root)
    by_id = {element.get("id", ""): key for element, key in keys.items() if element.get("id") == key}
    elements_by_id = {key: element for element, key in keys.items()}
    defaults = {element.get("default", "") for element in keys if element.get("default")}
    groups = {
        element.get("categoryValueRef", "").rpartition(":")[2]: key
        for element, key in keys.items()
        if local(element) == "group"
    }
    page = Sketch()
    for element, key in keys.items():
        read = _read(element, key, keys, by_id, elements_by_id, defaults)
        page.elements[key] = read
        page.inside.setdefault(read.parent, []).append(key)
        if read.tag == "lane":
            for reference in children(element, "flowNodeRef"):
                page.lane_of[text_of(reference)] = key
        for reference in children(element, "categoryValueRef"):
            group = groups.get(text_of(reference).rpartition(":")[2])
            if group is not None:
                page.members.setdefault(group, []).append(key)
    return page


def _keys(root: etree._Element) -> dict[etree._Element, str]:
    """A unique key for every BPMN element that has an id or is drawn, in document order."""
    keys: dict[etree._Element, str] = {}
    taken: set[str] = set()
    for number, element in enumerate(root.iter(f"{{{BPMN}}}*")):
        name = element.get("id", "")
        if not name and local(element) not in DRAWN:
            continue
        key = name if name and name not in taken else f" {number}"
        taken.add(key)
        keys[element] = key
    return keys


def _read(
    element: etree._Element,
    key: str,
    keys: dict[etree._Element, str],
    by_id: dict[str, str],
    elements: dict[str, etree._Element],
    defaults: set[str],
) -> Element:
    tag = local(element)
    parent = element.getparent()
    while parent is not None and (parent not in keys or local(parent) in ("laneSet", "childLaneSet")):
        parent = parent.getparent()

    def resolve(reference: str | None) -> str:
        reference = (reference or "").strip()
        return by_id.get(reference) or by_id.get(reference.rpartition(":")[2], "")

    source, target = resolve(element.get("sourceRef")), resolve(element.get("targetRef"))
    if tag in ("dataInputAssociation", "dataOutputAssociation"):
        owner = keys.get(parent, "") if parent is not None else ""
        source = resolve(text_of(child(element, "sourceRef"))) if tag == "dataInputAssociation" else owner
        target = resolve(text_of(child(element, "targetRef"))) if tag == "dataOutputAssociation" else owner
    if tag == "callActivity":
        target = resolve(element.get("calledElement"))
    traits = set(_traits(element, tag))
    data = elements.get(resolve(element.get("dataObjectRef")))
    if data is not None and data.get("isCollection") == "true":
        traits.add("collection")
    if tag == "sequenceFlow" and element.get("id") in defaults:
        traits.add("default")
    if tag == "sequenceFlow" and child(element, "conditionExpression") is not None:
        origin = elements.get(source)
        if origin is not None and local(origin) in ACTIVITIES and "default" not in traits:
            traits.add("conditional")
    return Element(
        key=key,
        tag=tag,
        id=element.get("id", ""),
        name=_name(element, tag, resolve, elements),
        parent=keys.get(parent, "") if parent is not None else "",
        symbols=tuple(_symbols(element, resolve, elements)) if tag in EVENTS else (),
        traits=frozenset(traits),
        source=source,
        target=target,
        host=resolve(element.get("attachedToRef")),
        process=resolve(element.get("processRef")),
    )


def _name(element: etree._Element, tag: str, resolve: Resolve, elements: dict[str, etree._Element]) -> str:
    name: str = element.get("name") or ""
    if tag == "textAnnotation":
        return text_of(child(element, "text")) or name
    if tag == "group":
        value = elements.get(resolve(element.get("categoryValueRef")))
        return name or (value.get("value", "") if value is not None else "")
    if tag in DATA:
        state = child(element, "dataState")
        target = elements.get(resolve(element.get("dataObjectRef") or element.get("dataStoreRef")))
        name = name or (target.get("name", "") if target is not None else "")
        if state is not None and state.get("name"):
            name = f"{name} [{state.get('name')}]".strip()
    return name


def _symbols(element: etree._Element, resolve: Resolve, elements: dict[str, etree._Element]) -> Iterator[str]:
    for definition in children(element):
        tag = local(definition)
        if tag == "eventDefinitionRef":
            found = elements.get(resolve(text_of(definition)))
            tag = local(found) if found is not None else ""
        if tag.endswith("EventDefinition"):
            yield tag.removesuffix("EventDefinition")


def _traits(element: etree._Element, tag: str) -> Iterator[str]:
    if element.get("parallelMultiple") == "true":
        yield "parallel-multiple"
    if element.get("cancelActivity") == "false" or element.get("isInterrupting") == "false":
        yield "non-interrupting"
    if element.get("triggeredByEvent") == "true":
        yield "event-sub-process"
    if element.get("isForCompensation") == "true":
        yield "compensation"
    if element.get("isCollection") == "true":
        yield "collection"
    if element.get("instantiate") == "true":
        yield "instantiate"
    if element.get("eventGatewayType") == "Parallel":
        yield "parallel"
    if element.get("associationDirection") in ("One", "Both"):
        yield element.get("associationDirection", "").lower()
    if tag == "adHocSubProcess":
        yield "ad-hoc"
    loop = {
        "Standard": "loop",
        "MultiInstanceSequential": "sequential",
        "MultiInstanceParallel": "multi-instance",
    }
    if element.get("loopType") in loop:
        yield loop[element.get("loopType", "")]
    for part in element:
        if namespace(part) != BPMN:
            continue
        if local(part) == "standardLoopCharacteristics":
            yield "loop"
        elif local(part) == "multiInstanceLoopCharacteristics":
            yield "sequential" if part.get("isSequential") == "true" else "multi-instance"
        elif local(part) == "participantMultiplicity":
            yield "multi-instance"
