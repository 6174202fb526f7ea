"""Every flow element and every event of BPMN 2.0.2 as a small model, or several where it is written in several ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from processes.engine import xml
from processes.engine.errors import ModelInvalid
from processes.engine.parser import parse

HEAD = (
    f'<definitions xmlns="{xml.BPMN}" xmlns:xsi="{xml.XSI}" xmlns:zeebe="{xml.ZEEBE}" targetNamespace="urn:standard">'
    '<message id="M" name="m"/><message id="M2" name="m2"/><signal id="S" name="s"/>'
    '<error id="E" name="e" errorCode="e"/>'
    '<escalation id="X" name="x" escalationCode="x"/>'
    '<globalTask id="G1"/><globalManualTask id="G2"/><globalUserTask id="G3"/>'
    '<globalScriptTask id="G4" scriptLanguage="feel"><script>1</script></globalScriptTask>'
    '<globalBusinessRuleTask id="G5" implementation="##unspecified"/>'
    '<process id="p" isExecutable="true">'
)
FOOT = "</process></definitions>"
START, END = '<startEvent id="start"/>', '<endEvent id="end"/>'
TASK = '<task id="task"/>'


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing of the standard: its name, and models that have it."""

    name: str
    models: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What becomes of it: "executed", "drawn only", which deploys with a warning, or "refused"."""
        found = {_verdict(model) for model in self.models}
        return next(verdict for verdict in VERDICTS if verdict in found)

    @property
    def is_executed(self) -> bool:
        return self.verdict == VERDICTS[0]


VERDICTS = ("executed", "drawn only", "refused")


@lru_cache(maxsize=1024)
def _verdict(body: str) -> str:
    executed, drawn, refused = VERDICTS
    try:
        model = parse(f"{HEAD}{body}{FOOT}".encode())
    except ModelInvalid:
        return refused
    return drawn if any(warning.rule == "data-not-executed" for warning in model.warnings) else executed


def flow(source: str, target: str, inside: str = "") -> str:
    return f'<sequenceFlow id="{source}-{target}" sourceRef="{source}" targetRef="{target}">{inside}</sequenceFlow>'


def between(node: str, id: str = "x") -> str:
    """A node on the way from start to end."""
    return f"{START}{flow('start', id)}{node}{flow(id, 'end')}{END}"


def extended(tag: str, extension: str) -> str:
    return between(f'<{tag} id="x"><extensionElements>{extension}</extensionElements></{tag}>')


INSIDE = f'<startEvent id="s1"/>{flow("s1", "e1")}<endEvent id="e1"/>'

TASKS: Mapping[str, tuple[str, ...]] = {
    "Task (abstract)": (between('<task id="x"/>'),),
    "Service task": (between('<serviceTask id="x"/>'),),
    "Send task": (between('<sendTask id="x"/>'), between('<sendTask id="x" messageRef="M"/>')),
    "Receive task": (between('<receiveTask id="x" messageRef="M"/>'),),
    "Receive task that begins the process": (
        f'<receiveTask id="x" messageRef="M" instantiate="true"/>{flow("x", "end")}{END}',
    ),
    "User task": (between('<userTask id="x"/>'),),
    "Manual task": (between('<manualTask id="x"/>'),),
    "Script task": (between('<scriptTask id="x" scriptFormat="feel"><script>1</script></scriptTask>'),),
    "Business rule task": (extended("businessRuleTask", '<zeebe:calledDecision decisionId="d" resultVariable="r"/>'),),
}
SUB_PROCESSES: Mapping[str, tuple[str, ...]] = {
    "Embedded sub-process": (between(f'<subProcess id="x">{INSIDE}</subProcess>'),),
    "Event sub-process": (f'{between(TASK, "task")}<subProcess id="x" triggeredByEvent="true"><startEvent id="s1">'
                          f'<messageEventDefinition messageRef="M"/></startEvent>{flow("s1", "e1")}<endEvent id="e1"/>'
                          "</subProcess>",),
    "Transaction": (between(f'<transaction id="x">{INSIDE}</transaction>'),),
    "Ad-hoc sub-process": (
        between(f'<adHocSubProcess id="x">{TASK}</adHocSubProcess>'),
        extended("adHocSubProcess", '<zeebe:adHoc activeElementsCollection="=[]"/>').replace(
            "</adHocSubProcess>", f"{TASK}</adHocSubProcess>"
        ),
    ),
    "Call activity": (
        extended("callActivity", '<zeebe:calledElement processId="q"/>'),
        between('<callActivity id="x" calledElement="q"/>'),
    ),
    "Global task, called": tuple(
        between(f'<callActivity id="x" calledElement="G{number}"/>') for number in range(1, 6)
    ),
    "Standard loop": (
        between('<task id="x"><standardLoopCharacteristics loopMaximum="2"><loopCondition>=true</loopCondition>'
                "</standardLoopCharacteristics></task>"),
    ),
    "Multi-instance, parallel": (between('<task id="x"><multiInstanceLoopCharacteristics><loopCardinality>=2'
                                         "</loopCardinality></multiInstanceLoopCharacteristics></task>"),),
    "Multi-instance, sequential": (
        between('<task id="x"><multiInstanceLoopCharacteristics isSequential="true"><loopCardinality>=2'
                "</loopCardinality></multiInstanceLoopCharacteristics></task>"),
    ),
    "Compensation activity": (
        between(TASK, "task") + '<boundaryEvent id="b" attachedToRef="task"><compensateEventDefinition id="c"/>'
        '</boundaryEvent><task id="undo" isForCompensation="true"/>'
        '<association id="a" sourceRef="b" targetRef="undo" associationDirection="One"/>',
    ),
}  # fmt: skip


def _fork(tag: str, condition: str = "", **attributes: str) -> str:
    """A gateway that splits into two, of which the second is the default."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    default = ' default="x-e2"' if condition else ""
    test = f'<conditionExpression xsi:type="tFormalExpression">{condition}</conditionExpression>' if condition else ""
    ends = '<endEvent id="e1"/><endEvent id="e2"/>'
    node = f'<{tag} id="x"{default}{given}/>'
    return f"{START}{flow('start', 'x')}{node}{flow('x', 'e1', test)}{flow('x', 'e2')}{ends}"


def _race(second: str, **attributes: str) -> str:
    """An event-based gateway for a message or a second event; one that begins the process has nothing before it."""
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    before = "" if attributes else START + flow("start", "x")
    events = "".join(
        f'<intermediateCatchEvent id="c{id}">{definition}</intermediateCatchEvent>{flow("x", f"c{id}")}'
        f'{flow(f"c{id}", f"e{id}")}<endEvent id="e{id}"/>'
        for id, definition in (("1", '<messageEventDefinition messageRef="M"/>'), ("2", second))
    )
    return f'{before}<eventBasedGateway id="x"{given}/>{events}'


OTHER_MESSAGE = '<messageEventDefinition messageRef="M2"/>'
DEFINITIONS: Mapping[str, tuple[str, ...]] = {
    "None": ("",),
    "Message": ('<messageEventDefinition messageRef="M"/>',),
    "Timer": tuple(
        f"<timerEventDefinition><{kind}>{value}</{kind}></timerEventDefinition>"
        for kind, value in (("timeDuration", "PT1H"), ("timeCycle", "R/PT1H"), ("timeDate", "2030-01-01T00:00:00Z"))
    ),
    "Conditional": ("<conditionalEventDefinition><condition>=x</condition></conditionalEventDefinition>",),
    "Signal": ('<signalEventDefinition signalRef="S"/>',),
    "Error": ('<errorEventDefinition errorRef="E"/>',),
    "Escalation": ('<escalationEventDefinition escalationRef="X"/>',),
    "Compensation": ('<compensateEventDefinition id="c"/>',),
    "Cancel": ("<cancelEventDefinition/>",),
    "Link": ('<linkEventDefinition name="L"/>',),
    "Terminate": ("<terminateEventDefinition/>",),
    "Multiple": ('<messageEventDefinition messageRef="M"/><signalEventDefinition signalRef="S"/>',),
    "Parallel multiple": (
        '<messageEventDefinition messageRef="M"/><signalEventDefinition signalRef="S"/>',
        '<messageEventDefinition messageRef="M"/><messageEventDefinition messageRef="M2"/>',
    ),
}
GATEWAYS: Mapping[str, tuple[str, ...]] = {
    "Exclusive": (_fork("exclusiveGateway", "=x"),),
    "Parallel": (_fork("parallelGateway"),),
    "Inclusive": (_fork("inclusiveGateway", "=x"),),
    "Complex": (_fork("complexGateway"), _fork("complexGateway", "=x")),
    "Event-based": (_race(OTHER_MESSAGE),),
    "Event-based that begins the process": (_race(OTHER_MESSAGE, instantiate="true"),),
    "Event-based, parallel, that begins the process": (
        _race(OTHER_MESSAGE, instantiate="true", eventGatewayType="Parallel"),
    ),
}
FLOWS: Mapping[str, tuple[str, ...]] = {
    "Sequence flow": (between(TASK, "task"),),
    "Conditional and default flow out of a gateway": (_fork("exclusiveGateway", "=x"),),
    "Conditional and default flow out of an activity": (_fork("task", "=x"),),
}


def _data(around: str, inside: str) -> str:
    """A task that takes or gives data, which stands around it."""
    return f'{between(f"""<task id="x">{inside}</task>""")}{around}'


INPUT = (
    '<ioSpecification><dataInput id="i" name="given"/><inputSet/><outputSet/>'
    "</ioSpecification><dataInputAssociation><sourceRef>{}</sourceRef><targetRef>i</targetRef>{}</dataInputAssociation>"
)
OUTPUT = (
    '<ioSpecification><dataOutput id="o" name="got"/><inputSet/><outputSet/>'
    "</ioSpecification><dataOutputAssociation><sourceRef>o</sourceRef><targetRef>d</targetRef></dataOutputAssociation>"
)
OBJECT = '<dataObject id="d" name="d"/>'
DATA: Mapping[str, tuple[str, ...]] = {
    "Data object": (_data(OBJECT, INPUT.format("d", "")), _data(OBJECT, OUTPUT)),
    "Data object reference": (
        _data(f'{OBJECT}<dataObjectReference id="r" dataObjectRef="d"/>', INPUT.format("r", "")),
    ),
    "Property": (_data('<property id="q" name="q"/>', INPUT.format("q", "")),),
    "Data input and output": (_data(OBJECT, INPUT.format("d", "")), _data(OBJECT, OUTPUT)),
    "Transformation": (_data(OBJECT, INPUT.format("d", "<transformation>1</transformation>")),),
    "Assignment": (_data(OBJECT, INPUT.format("d", "<assignment><from>1</from><to>given</to></assignment>")),),
    "Data store": (_data('<dataStoreReference id="s"/>', INPUT.format("s", "")),),
}

COLUMNS = (
    "start", "start of an event sub-process", "the same, non-interrupting", "catch", "boundary",
    "boundary, non-interrupting", "throw", "end",
)  # fmt: skip
_CATCHING = "start", "start of an event sub-process", "the same, non-interrupting", "catch", "boundary", COLUMNS[5]
EVENTS: Mapping[str, tuple[str, ...]] = {
    "None": ("start", "throw", "end"),
    "Message": (*_CATCHING, "throw", "end"),
    "Timer": _CATCHING,
    "Conditional": _CATCHING,
    "Signal": (*_CATCHING, "throw", "end"),
    "Error": (COLUMNS[1], "boundary", "end"),
    "Escalation": (COLUMNS[1], COLUMNS[2], "boundary", COLUMNS[5], "throw", "end"),
    "Compensation": (COLUMNS[1], "boundary", "throw", "end"),
    "Cancel": ("boundary", "end"),
    "Link": ("catch", "throw"),
    "Terminate": ("end",),
    "Multiple": (*_CATCHING, "throw", "end"),
    "Parallel multiple": _CATCHING,
}
"""Where the standard has each event: BPMN 2.0.2, table 10.93."""


def event(kind: str, column: str) -> Probe:
    """An event in one of the places of the standard."""
    return Probe(f"{kind}: {column}", tuple(_event(kind, column, definition) for definition in DEFINITIONS[kind]))


def _event(kind: str, column: str, definition: str) -> str:
    every = ' parallelMultiple="true"' if kind == "Parallel multiple" else ""
    if kind == "Link":
        caught = f'<intermediateCatchEvent id="x">{definition}</intermediateCatchEvent>'
        thrown = f'<intermediateThrowEvent id="y">{definition}</intermediateThrowEvent>'
        return f"{START}{flow('start', 'y')}{thrown}{caught}{flow('x', 'end')}{END}"
    if column == "start":
        return f'<startEvent id="x"{every}>{definition}</startEvent>{flow("x", "end")}{END}'
    if column in COLUMNS[1:3]:
        interrupts = "true" if column == COLUMNS[1] else "false"
        start = f'<startEvent id="s1" isInterrupting="{interrupts}"{every}>{definition}</startEvent>'
        inside = f'{start}{flow("s1", "e1")}<endEvent id="e1"/>'
        around = f'{INSIDE.replace("1", "2")}<subProcess id="x" triggeredByEvent="true">{inside}</subProcess>'
        return between(f'<subProcess id="y">{around}</subProcess>', "y")
    if column == "catch":
        return between(f'<intermediateCatchEvent id="x"{every}>{definition}</intermediateCatchEvent>')
    if column in COLUMNS[4:6]:
        return _boundary(kind, definition, every, interrupts=column == "boundary")
    if column == "throw":
        return between(f'<intermediateThrowEvent id="x">{definition}</intermediateThrowEvent>')
    if kind == "Cancel":
        inside = f'<startEvent id="s1"/>{flow("s1", "e1")}<endEvent id="e1">{definition}</endEvent>'
        border = f'<boundaryEvent id="b" attachedToRef="x">{definition}</boundaryEvent>{flow("b", "e2")}'
        around = between(f'<transaction id="x">{inside}</transaction>')
        return f'{around}{border}<endEvent id="e2"/>'
    return f'{START}{flow("start", "x")}<endEvent id="x">{definition}</endEvent>'


def _boundary(kind: str, definition: str, every: str, *, interrupts: bool) -> str:
    if kind == "Compensation":
        return SUB_PROCESSES["Compensation activity"][0]
    host = f'<transaction id="task">{INSIDE}</transaction>' if kind == "Cancel" else TASK
    border = f'<boundaryEvent id="x" attachedToRef="task" cancelActivity="{str(interrupts).lower()}"{every}>'
    return f'{between(host, "task")}{border}{definition}</boundaryEvent>{flow("x", "e9")}<endEvent id="e9"/>'


def probes() -> Iterator[tuple[str, Probe]]:
    """Everything of the standard that is no event, by heading."""
    for heading, group in (
        ("Tasks", TASKS),
        ("Sub-processes and repetition", SUB_PROCESSES),
        ("Gateways", GATEWAYS),
        ("Flows", FLOWS),
        ("Data", DATA),
    ):
        for name, models in group.items():
            yield heading, Probe(name, models)
