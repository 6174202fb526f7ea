"""What a document must look like to be deployed; every problem with its place."""

from __future__ import annotations

import time

import pytest

from processes.engine.errors import ModelInvalid, Problem, Severity
from processes.engine.parser import parse
from tests.drawing import HEAD, Drawing


def problems(xml: bytes | Drawing) -> list[Problem]:
    with pytest.raises(ModelInvalid) as refusal:
        parse(xml if isinstance(xml, bytes) else xml.xml())
    return [problem for problem in refusal.value.problems if problem.severity is Severity.ERROR]


def process(body: str, extra: str = "") -> bytes:
    return (
        f'{HEAD}<bpmn:process id="p" isExecutable="true">\n{body}\n</bpmn:process>{extra}</bpmn:definitions>'.encode()
    )


def test_not_xml() -> None:
    (problem,) = problems(b"<bpmn:definitions>\n<oops")
    assert (problem.rule, problem.line) == ("not-xml", 1) or problem.rule == "not-xml"
    assert problems(b"")[0].rule == "not-xml"
    assert problems(b"\xff\xfe\x00rubbish")[0].rule == "not-xml"


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>',
        b"<!DOCTYPE definitions>",
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    ],
)
def test_any_doctype_is_refused(doctype: bytes) -> None:
    head, _, body = Drawing().start().end().xml().partition(b"?>")
    (problem,) = problems(head + b"?>" + doctype + body)
    assert problem.rule == "doctype"


def test_another_root_is_not_bpmn() -> None:
    (problem,) = problems(b"<html/>")
    assert problem.rule == "not-bpmn"
    assert "found html" in problem.message


def test_hostile_sizes_are_refused_at_once() -> None:
    attributes = "".join(f' a{n}="1"' for n in range(40_000))
    before = time.process_time()
    (problem,) = problems(f"{HEAD}<bpmn:process id='p'{attributes}/></bpmn:definitions>".encode())
    assert problem.rule == "too-many-attributes"
    assert problem.line == 5
    assert problems(HEAD.encode() + b"<x>" * 100_000)[0].rule == "not-xml"
    assert problems(b" " * (5 * 1024 * 1024 + 1))[0].rule == "too-large"
    assert problems((HEAD + "<bpmn:x/>" * 50_001 + "</bpmn:definitions>").encode())[0].rule == "too-many-elements"
    assert time.process_time() - before < 5


def test_the_time_to_read_grows_with_the_model_and_not_with_its_square() -> None:
    drawing = Drawing().start()
    for number in range(4_000):
        drawing.node("task", f"t{number}")
    document = drawing.end().xml()
    before = time.process_time()
    assert len(parse(document).processes[0].nodes) == 4_002
    assert time.process_time() - before < 20


def test_references_must_lead_somewhere() -> None:
    found = problems(
        process(
            '<bpmn:startEvent id="s"/>\n<bpmn:serviceTask id="t" default="f9"/>\n'
            '<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="nowhere"/>\n'
            '<bpmn:boundaryEvent id="b" attachedToRef="t">'
            '<bpmn:errorEventDefinition errorRef="E"/></bpmn:boundaryEvent>\n'
            '<bpmn:receiveTask id="r" messageRef="M"/>'
        )
    )
    assert [(problem.rule, problem.element, problem.line) for problem in found] == [
        ("unknown-reference", "t", 7),
        ("unknown-reference", "f1", 8),
        ("unknown-reference", "b", 9),
        ("unknown-reference", "r", 10),
    ]
    assert found[1].message == "Expected targetRef to name a flow node in the same scope but found 'nowhere'"


def test_flows_to_an_element_that_is_refused_are_not_blamed() -> None:
    (problem,) = problems(Drawing().start().node("choreographyTask", "c").end())
    assert (problem.rule, problem.element) == ("not-executable", "c")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('<bpmn:choreographyTask id="x"/>', "choreographyTask"),
        ('<bpmn:transaction id="x" method="##Store"/>', "##Store"),
        (
            '<bpmn:serviceTask id="x"><bpmn:multiInstanceLoopCharacteristics behavior="One"/></bpmn:serviceTask>',
            "behavior All but found One",
        ),
        (
            '<bpmn:serviceTask id="x"><bpmn:multiInstanceLoopCharacteristics behavior="Complex">'
            "<bpmn:complexBehaviorDefinition/></bpmn:multiInstanceLoopCharacteristics></bpmn:serviceTask>",
            "complexBehaviorDefinition",
        ),
        ('<bpmn:manualTask id="x" camunda:class="a.B"/>', "camunda:class"),
        ('<bpmn:serviceTask id="x" implementation="java:x.Y" operationRef="o"/>', "java:x.Y"),
        (
            '<bpmn:task id="x"><bpmn:extensionElements><camunda:connector/></bpmn:extensionElements></bpmn:task>',
            "camunda:connector",
        ),
        (
            "<bpmn:serviceTask id='x'><bpmn:extensionElements><zeebe:executionListeners/></bpmn:extensionElements>"
            "</bpmn:serviceTask>",
            "executionListeners",
        ),
        (
            "<bpmn:serviceTask id='x'><bpmn:extensionElements><zeebe:calledDecision/></bpmn:extensionElements>"
            "</bpmn:serviceTask>",
            "calledDecision",
        ),
        ('<bpmn:scriptTask id="x" scriptFormat="groovy"><bpmn:script>1</bpmn:script></bpmn:scriptTask>', "'groovy'"),
        ('<bpmn:endEvent id="x"><bpmn:linkEventDefinition name="a"/></bpmn:endEvent>', "linkEventDefinition"),
        (
            '<bpmn:intermediateCatchEvent id="x"><bpmn:escalationEventDefinition/></bpmn:intermediateCatchEvent>',
            "escalationEventDefinition",
        ),
        (
            '<bpmn:endEvent id="x"><bpmn:conditionalEventDefinition/></bpmn:endEvent>',
            "conditionalEventDefinition",
        ),
        (
            '<bpmn:endEvent id="x"><bpmn:terminateEventDefinition/><bpmn:terminateEventDefinition/></bpmn:endEvent>',
            "found several",
        ),
        ('<bpmn:eventBasedGateway id="x" instantiate="true" eventGatewayType="Odd"/>', "Odd"),
    ],
)
def test_what_is_not_executed_is_refused_by_name(body: str, name: str) -> None:
    found = problems(process(f'<bpmn:startEvent id="s"/>\n{body}', '<bpmn:message id="M" name="m"/>'))
    named = [problem for problem in found if problem.rule == "not-executable" and name in problem.message]
    assert named, found
    assert named[0].line == 7
    assert named[0].element == "x"


@pytest.mark.parametrize(
    ("drawing", "element", "text"),
    [
        (Drawing().start().service("a", inputs={"x": "=1 +"}).end(), "a", "the source of the input 'x'"),
        (Drawing().start().exclusive("g").when("=a >").end(), "g-end", "the condition"),
        (Drawing().start().service("a", type="=)").end(), "a", "the type of the job"),
        (Drawing().start().service("a", headers={"errorExpression": "=if"}).end(), "a", "errorExpression"),
        (Drawing().start().service("a", headers={"resultExpression": "={"}).end(), "a", "resultExpression"),
        (Drawing().start().timer("t", "=duration(").end(), "t", "timeDuration"),
        (Drawing().start().script("s", "=1 +", "x").end(), "s", "the script"),
        (Drawing().start().receive("r", "m", "=").end(), "Message_process_0", "the correlation key"),
    ],
)
def test_bad_feel_is_refused_where_it_stands(drawing: Drawing, element: str, text: str) -> None:
    (problem,) = problems(drawing)
    assert problem.rule == "bad-feel"
    assert problem.element == element
    assert problem.line > 4
    assert text in problem.message


def test_what_needs_java_is_named() -> None:
    (problem,) = problems(Drawing().start().exclusive("g").when("${order.total() > 1}").end())
    assert problem.rule == "bad-juel"
    assert "the method total()" in problem.message


@pytest.mark.parametrize(
    ("drawing", "rule"),
    [
        (Drawing().start().service("a", type="t", retries="many").end(), "bad-retry"),
        (Drawing().start().service("a", type="t", headers={"retryBackoff": "soon"}).end(), "bad-retry"),
        (Drawing().start().service("a", type="t", headers={"retryJitter": "7"}).end(), "bad-retry"),
        (Drawing().start().service("a", type="t", headers={"retryDeadline": "an hour"}).end(), "bad-retry"),
        (Drawing().start().timer("t", "tomorrow").end(), "bad-timer"),
        (Drawing().start().timer("t", "R/PT0S", kind="timeCycle").end(), "bad-timer"),
        (Drawing().start().node("intermediateCatchEvent", "x").end(), "no-event-definition"),
        (Drawing().start("s").start("s2").end(), "one-start"),
        (Drawing().node("task", "t").end(), "one-start"),
        (Drawing().start().parallel("g").when("=true").end(), "condition-not-allowed"),
        (Drawing().start().exclusive("g").when("=true").otherwise().end(), "default-with-condition"),
        (
            Drawing().start().event_based("g").node("task", "t").end().at("g").timer("x", "PT1S").end("e"),
            "event-gateway-targets",
        ),
        (Drawing().start().sub_process("sub", Drawing("i").node("task", "t")).end(), "one-start"),
        (Drawing().start().end().to("start"), "end-with-outgoing"),
        (Drawing().start().service("a").end().on_error("end", "b").end("e2"), "unknown-reference"),
    ],
)
def test_rules(drawing: Drawing, rule: str) -> None:
    assert rule in {problem.rule for problem in problems(drawing)}


def test_ids_are_given_once() -> None:
    (problem, *_) = problems(process('<bpmn:startEvent id="s"/>\n<bpmn:task id="s"/>'))
    assert problem.rule == "duplicate-id"
    assert problem.line == 7


def test_a_process_that_is_not_executable_is_refused() -> None:
    xml = Drawing().start().end().xml().replace(b' isExecutable="true"', b"")
    (problem,) = problems(xml)
    assert (problem.rule, problem.element, problem.line) == ("not-executable-process", "process", 5)
    (problem,) = problems((HEAD + "</bpmn:definitions>").encode())
    assert problem.rule == "no-process"


def test_all_problems_are_reported_at_once_in_order() -> None:
    found = problems(Drawing().start().service("a", type="=)").timer("t", "x").node("choreographyTask", "c").end())
    assert {problem.element for problem in found} >= {"a", "t", "c"}
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


def test_foreign_extensions_artifacts_and_lanes_pass() -> None:
    xml = process(
        '<bpmn:extensionElements><m:x xmlns:m="urn:modeler"/></bpmn:extensionElements>'
        '<bpmn:laneSet id="ls"><bpmn:lane id="l"><bpmn:flowNodeRef>s</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>'
        '<bpmn:startEvent id="s"><bpmn:extensionElements><m:x xmlns:m="urn:modeler"/></bpmn:extensionElements>'
        '</bpmn:startEvent><bpmn:endEvent id="e"/><bpmn:sequenceFlow sourceRef="s" targetRef="e"/>'
        '<bpmn:textAnnotation id="ta"/><bpmn:association id="as" sourceRef="s" targetRef="ta"/>'
        '<bpmn:dataObjectReference id="d"/>'
    )
    model = parse(xml)
    assert [warning.rule for warning in model.warnings] == ["data-not-executed"]
    assert list(model.processes[0].flows) == ["flow-1"]


def test_zenbpm_extensions_mean_the_same() -> None:
    xml = Drawing().start().service("a", type="charge", retries=5, inputs={"x": "=1"}).end().xml()
    process = parse(
        xml.replace(b"http://camunda.org/schema/zeebe/1.0", b"http://zenbpm.pbinitiative.org/1.0")
    ).processes[0]
    task = process.nodes["a"]
    assert (task.type.text, task.retries, len(task.inputs)) == ("charge", 5, 1)  # type: ignore[attr-defined]


def test_an_external_topic_of_camunda_7_is_a_job_type() -> None:
    attributes = {"camunda:type": "external", "camunda:topic": "charge"}
    process = parse(Drawing().start().node("serviceTask", "a", **attributes).end().xml()).processes[0]
    assert process.nodes["a"].type.text == "charge"  # type: ignore[attr-defined]


def test_the_deploy_report_says_when_an_id_is_the_job_type() -> None:
    (warning,) = parse(Drawing().start().service("a").end().xml()).warnings
    assert (warning.rule, warning.element) == ("job-type-by-id", "a")


def test_several_pools_deploy_their_executable_processes() -> None:
    xml = (
        Drawing("one").start().end().xml().replace(b"</bpmn:definitions>", b"")
        + b'<bpmn:process id="two" isExecutable="true"><bpmn:startEvent id="s2"/></bpmn:process>'
        + b'<bpmn:process id="three"><bpmn:callActivity id="c"/></bpmn:process></bpmn:definitions>'
    )
    model = parse(xml)
    assert [process.id for process in model.processes] == ["one", "two"]
    assert [warning.rule for warning in model.warnings] == ["not-executable-process"]


def test_pools_lanes_and_message_flows_are_drawings_around_processes() -> None:
    lanes = (
        '<bpmn:laneSet id="lanes"><bpmn:lane id="sales"><bpmn:flowNodeRef>s</bpmn:flowNodeRef>'
        '<bpmn:childLaneSet id="inner"><bpmn:lane id="desk"/></bpmn:childLaneSet></bpmn:lane></bpmn:laneSet>'
    )
    shop = f'<bpmn:process id="shop" isExecutable="true">{lanes}<bpmn:startEvent id="s"/></bpmn:process>'
    store = '<bpmn:process id="store" isExecutable="true"><bpmn:startEvent id="s2"/></bpmn:process>'
    pools = (
        '<bpmn:collaboration id="C"><bpmn:participant id="P1" processRef="shop"/>'
        '<bpmn:participant id="P2" processRef="store"/><bpmn:participant id="customer"/>'
        '<bpmn:messageFlow id="m1" sourceRef="P1" targetRef="P2"/></bpmn:collaboration>'
    )
    model = parse(f"{HEAD}{pools}{shop}{store}</bpmn:definitions>".encode())
    assert [process.id for process in model.processes] == ["shop", "store"]
    assert model.warnings == ()


def test_data_that_is_only_drawn_is_let_pass_and_data_that_computes_is_refused() -> None:
    drawn = (
        '<bpmn:startEvent id="s"/><bpmn:dataObject id="d"/><bpmn:dataObjectReference id="r" dataObjectRef="d"/>'
        '<bpmn:dataStoreReference id="store"/><bpmn:property id="prop"/>'
    )
    model = parse(process(drawn, '<bpmn:itemDefinition id="i" structureRef="xs:string"/>'))
    assert {warning.rule for warning in model.warnings} == {"data-not-executed"}
    association = (
        '<bpmn:task id="t"><bpmn:dataInputAssociation id="a"><bpmn:targetRef>x</bpmn:targetRef>'
        "<bpmn:assignment><bpmn:from>1</bpmn:from><bpmn:to>2</bpmn:to></bpmn:assignment>"
        "</bpmn:dataInputAssociation></bpmn:task>"
    )
    found = problems(process(f'<bpmn:startEvent id="s"/>{association}'))
    assert "assignment" in found[0].message
