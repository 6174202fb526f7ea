"""From a BPMN document to executable processes, or to the list of everything that stands in the way.

Reading goes on past every problem, so that a modeller sees all of them at once. What is not executed is refused by
name; what means nothing to execution (documentation, diagrams, lanes, artifacts, foreign extensions) is let pass, and
where a user might expect it to do something, a warning says that it does not.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from processes.engine import compensation, data, soundness, xml
from processes.engine.elements import EVENT_DEFINITIONS, FLOW_NODES, GLOBAL_TASKS, LOOPS
from processes.engine.elements.end_event import EndEvent
from processes.engine.elements.start_event import StartEvent
from processes.engine.errors import ModelInvalid, Problem, Severity
from processes.engine.model import FlowNode, SequenceFlow
from processes.engine.process import Model, Process
from processes.engine.source import Document, Source
from processes.engine.unread import ARTIFACTS, COMMON, DATA, EXPRESSION, IDENTITY, refuse_language, refuse_unread

PROCESS = IDENTITY | {"definitionalCollaborationRef", "isClosed", "isExecutable", "processType"}
FLOW = IDENTITY | {"isImmediate", "sourceRef", "targetRef"}


def parse(document: bytes) -> Model:
    """The executable processes of a document. Raises `ModelInvalid` with every problem, warnings included."""
    root = xml.read(document)
    context = Document(root, event_definitions=EVENT_DEFINITIONS, loops=LOOPS)
    source = Source(root, context)
    _index(source)
    for part in source.children("import"):
        if part.get("importType").startswith(xml.WSDL) and part.get("location").lower().startswith(xml.REACHABLE):
            continue  # describes services, for whoever names them
        part.warning("import-not-read", f"The import of '{part.get('location')}' is not read; a model stands alone")
    executable: list[Source] = []
    others: list[Source] = []
    for process in source.children("process"):
        (executable if process.flag("isExecutable") else others).append(process)
    if not executable and not others:
        source.problem("no-process", "Expected a process but found none")
    for process in others:
        if executable:
            process.warning("not-executable-process", "Not executable, so it is not deployed")
        else:
            # Refused anyway; whoever makes it executable wants to know what else stands in the way.
            process.problem("not-executable-process", 'Expected isExecutable="true" but found a process without it')
            _process(process)
    processes = tuple(_process(process) for process in executable)
    called = {node.calls for process in processes for node in process.nodes.values() if node.calls}
    for task in source.children(*GLOBAL_TASKS):
        if task.id in called:
            processes += (_global_task(task),)
        elif executable:
            message = "Expected a call activity of this document to call it but found none, so it is not deployed"
            task.warning("global-task-not-called", message)
    errors = [problem for problem in context.problems if problem.severity is Severity.ERROR]
    if errors:
        raise ModelInvalid(context.problems)
    return Model(processes, tuple(context.problems))


def _index(root: Source) -> None:
    """Every element by its id; a problem where two share one."""
    for element in root.element.iter():
        id = element.get("id")
        if id is None or xml.namespace(element) != xml.BPMN:
            continue
        first = root.document.ids.setdefault(id, element)
        if first is not element:
            message = f"Expected every id once but found '{id}' also at line {xml.line_of(first)}"
            root.within(element).problem("duplicate-id", message)


def _process(source: Source) -> Process:
    if not source.id:
        source.problem("no-id", "Expected the process to have an id but found none")
    inside = frozenset(part.tag for part in source.children())
    refuse_unread(source, attributes=PROCESS, children=inside, extensions=frozenset({"versionTag"}))
    nodes: dict[str, FlowNode] = {}
    flows: dict[str, SequenceFlow] = {}
    _scope(source, "", nodes, flows)
    tag = source.extension("versionTag")
    process = Process(
        id=source.id,
        name=source.get("name"),
        version_tag=tag.get("value") if tag is not None else source.camunda("versionTag") or "",
        line=source.line,
        nodes=nodes,
        flows=flows,
    )
    starts = [node for node in nodes.values() if node.begins and not node.scope and not node.instantiates]
    if len(starts) != 1 and not (not starts and any(node.instantiates for node in nodes.values())):
        source.problem("one-start", f"Expected one start event but found {len(starts)}")
    if not any(problem.severity is Severity.ERROR for problem in source.document.problems):
        # What follows looks at whole graphs, which have no dangling ends by now.
        source.document.problems.extend(soundness.findings(process))
        source.document.problems.extend(compensation.findings(process))
        for node in nodes.values():
            source.document.problems.extend(node.check(process))
    return process


def _global_task(source: Source) -> Process:
    """A task that stands outside of processes (BPMN 2.0.2 section 10.3.4), as a process of its own around it."""
    flows = [
        SequenceFlow(f"{source.id}-begin", f"{source.id}-start", source.id, line=source.line),
        SequenceFlow(f"{source.id}-finish", source.id, f"{source.id}-end", line=source.line),
    ]
    kind = GLOBAL_TASKS[source.tag]
    _refuse_unread_node(source, kind)
    common: dict[str, Any] = {"id": source.id, "name": source.get("name"), "line": source.line, "scope": ""}
    task = kind.read(source, **common, incoming=(flows[0].id,), outgoing=(flows[1].id,), default="")
    start = StartEvent(id=flows[0].source, line=source.line, outgoing=(flows[0].id,))
    end = EndEvent(id=flows[1].target, line=source.line, incoming=(flows[1].id,))
    return Process(
        id=source.id,
        name=source.get("name"),
        line=source.line,
        nodes={node.id: node for node in (start, task, end)},
        flows={flow.id: flow for flow in flows},
    )


def _scope(source: Source, scope: str, nodes: dict[str, FlowNode], flows: dict[str, SequenceFlow]) -> None:
    """Read the flow elements of a process or sub-process."""
    own_flows: dict[str, SequenceFlow] = {}
    elements = []
    refused = set()
    read = FLOW_NODES[source.tag].children if source.tag in FLOW_NODES else frozenset()
    for part in source.children():
        if part.tag == "sequenceFlow":
            flow = _flow(part, len(flows) + len(own_flows))
            own_flows[flow.id] = flow
        elif part.tag in FLOW_NODES:
            elements.append(part)
        elif part.tag in DATA:
            if source.tag in FLOW_NODES and part.tag in FLOW_NODES[source.tag].children:
                continue  # is the activity's own
            if part.tag in ("dataObject", "dataObjectReference", "property") and data.is_executed(part):
                continue
            part.warning("data-not-executed", f"{part.tag} is drawn but not executed; variables carry the data")
        elif part.tag not in COMMON | ARTIFACTS | read:
            part.problem("not-executable", f"Expected an element that is executed but found {part.tag}")
            refused.add(part.id)
    for flow in _links(elements, list(own_flows.values())):
        own_flows[flow.id] = flow
    flows.update(own_flows)
    incoming: defaultdict[str, list[str]] = defaultdict(list)
    outgoing: defaultdict[str, list[str]] = defaultdict(list)
    for flow in own_flows.values():
        incoming[flow.target].append(flow.id)
        outgoing[flow.source].append(flow.id)
    own_nodes: dict[str, FlowNode] = {}
    for part in elements:
        if not part.id:
            part.problem("no-id", f"Expected the {part.tag} to have an id but found none")
            continue
        if part.id in nodes:
            continue
        node = _node(part, scope, own_flows, incoming[part.id], outgoing[part.id])
        own_nodes[node.id] = nodes[node.id] = node
        if node.encloses:
            _scope(part, node.id, nodes, flows)
    for flow in own_flows.values():
        for attribute, end in (("sourceRef", flow.source), ("targetRef", flow.target)):
            if end not in own_nodes and end not in refused:
                message = f"Expected {attribute} to name a flow node in the same scope but found '{end}'"
                source.document.problems.append(Problem("unknown-reference", message, flow.line, flow.id))


def _links(elements: list[Source], drawn: list[SequenceFlow]) -> list[SequenceFlow]:
    """The flows of a scope that are not drawn: from events that throw a link to the one that catches it."""
    throws: list[tuple[Source, str]] = []
    catches: dict[str, Source] = {}
    for part in elements:
        for name in filter(None, map(_link, part.children())):
            throwing = FLOW_NODES[part.tag].throws
            if any(part.id == (flow.source if throwing else flow.target) for flow in drawn):
                way = "out of an event that throws" if throwing else "into an event that catches"
                part.problem("link-with-flow", f"Expected no sequence flow {way} a link but found one")
            if throwing:
                throws.append((part, name))
            elif catches.setdefault(name, part) is not part:
                what = f"Expected one event to catch the link '{name}' but found '{catches[name].id}' too"
                part.problem("two-link-targets", what)
    for part, name in throws:
        if name not in catches:
            part.problem("no-link-target", f"Expected an event in the same scope to catch the link '{name}'")
    for name in [name for name in catches if name not in {thrown for _, thrown in throws}]:
        catches[name].problem("no-link-source", f"Expected an event in the same scope to throw the link '{name}'")
    linked = [(part, catches[name], name) for part, name in throws if name in catches]
    return [SequenceFlow(f"{a.id}=>{b.id}", a.id, b.id, name, line=a.line) for a, b, name in linked]


def _link(definition: Source) -> str:
    kind = EVENT_DEFINITIONS.get(definition.tag)
    return kind.connects(definition) if kind is not None else ""


def _flow(source: Source, number: int) -> SequenceFlow:
    refuse_unread(source, attributes=FLOW, children=frozenset({"conditionExpression"}))
    conditions = list(source.children("conditionExpression"))
    if len(conditions) > 1:
        source.problem("not-executable", f"Expected one condition but found {len(conditions)}")
    condition = None
    for part in conditions[:1]:
        refuse_unread(part, attributes=EXPRESSION)
        if not part.text():
            part.problem("no-condition", "Expected the conditionExpression to have a text but found none")
        else:
            refuse_language(part, declared=source.document.root.get("expressionLanguage", "").strip())
            condition = part.expression(part.text(), "the condition", always_feel=True)
    id = source.id or f"flow-{number + 1}"
    while not source.id and id in source.document.ids:
        id += "-"
    return SequenceFlow(
        id=id,
        source=source.get("sourceRef").rpartition(":")[2],
        target=source.get("targetRef").rpartition(":")[2],
        name=source.get("name"),
        condition=condition,
        line=source.line,
    )


def _node(
    source: Source, scope: str, flows: dict[str, SequenceFlow], incoming: list[str], outgoing: list[str]
) -> FlowNode:
    kind = FLOW_NODES[source.tag]
    _refuse_unread_node(source, kind)
    default = source.get("default")
    if default and default not in outgoing:
        source.problem("unknown-reference", f"Expected default to name a flow out of it but found '{default}'")
        default = ""
    if default and flows[default].condition is not None:
        source.problem("default-with-condition", f"Expected the default flow '{default}' to have no condition")
    if not kind.conditional:
        for flow in outgoing:
            if flows[flow].condition is not None:
                source.problem("condition-not-allowed", f"Expected no condition on flow '{flow}' out of a {kind.tag}")
    common: dict[str, Any] = {
        "id": source.id,
        "name": source.get("name"),
        "line": source.line,
        "scope": scope,
        "incoming": tuple(incoming),
        "outgoing": tuple(outgoing),
        "default": default,
    }
    return kind.read(source, **common)


def _refuse_unread_node(source: Source, kind: type[FlowNode]) -> None:
    inside = {part.tag for part in source.children()} if kind.encloses else frozenset()
    events = {part.tag for part in source.children() if kind.is_event and part.tag.endswith("EventDefinition")}
    refuse_unread(
        source,
        attributes=kind.attributes,
        children=kind.children | inside | events,
        extensions=kind.extensions,
        camunda_attributes=kind.camunda_attributes,
        camunda_elements=kind.camunda_elements,
    )
