"""Nothing that a model says is silently ignored: it is executed, refused by name, or a warning says that it is not."""

from __future__ import annotations

import pytest

from processes.engine.elements import EVENT_DEFINITIONS, FLOW_NODES
from processes.engine.errors import ModelInvalid, Problem
from processes.engine.parser import parse
from processes.engine.unread import HARMLESS, SHAPES
from tests.drawing import HEAD, Drawing

AROUND = (
    '<bpmn:startEvent id="s"/><bpmn:endEvent id="e"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="x"/>'
    '<bpmn:sequenceFlow id="f2" sourceRef="x" targetRef="e"/>'
)
MESSAGE = '<bpmn:message id="M" name="m"/>'
OTHERS = 'xmlns:flowable="http://flowable.org/bpmn" xmlns:activiti="http://activiti.org/bpmn" '


def document(body: str, *, process: str = "", definitions: str = "", extra: str = MESSAGE) -> bytes:
    head = HEAD.replace("<bpmn:definitions ", f"<bpmn:definitions {OTHERS}{definitions} ")
    start = f'<bpmn:process id="p" isExecutable="true" {process}>{AROUND}'
    return f"{head}{start}\n{body}\n</bpmn:process>{extra}</bpmn:definitions>".encode()


def errors(xml: bytes) -> list[Problem]:
    with pytest.raises(ModelInvalid) as refusal:
        parse(xml)
    return [problem for problem in refusal.value.problems if problem.severity == "error"]


def extension(inside: str) -> str:
    return f"<bpmn:extensionElements>{inside}</bpmn:extensionElements>"


def catch(definition: str, attributes: str = "") -> str:
    return f'<bpmn:intermediateCatchEvent id="x" {attributes}>{definition}</bpmn:intermediateCatchEvent>'


def service(extensions: str = "", attributes: str = "") -> str:
    return f'<bpmn:serviceTask id="x" {attributes}>{extension(extensions)}</bpmn:serviceTask>'


TIMER = "<bpmn:timerEventDefinition>{}<bpmn:timeDuration{}>PT1S</bpmn:timeDuration></bpmn:timerEventDefinition>"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        # attributes
        ('<bpmn:serviceTask id="x" defualt="f2"/>', "the attribute defualt"),
        ('<bpmn:parallelGateway id="x" default="f2"/>', "the attribute default"),
        ('<bpmn:serviceTask id="x" zeebe:retries="2"/>', "zeebe:retries"),
        ('<bpmn:serviceTask id="x" flowable:class="a.B"/>', "flowable:class"),
        ('<bpmn:serviceTask id="x" activiti:expression="${a}"/>', "activiti:expression"),
        ('<bpmn:sendTask id="x" operationRef="o"/>', "operationRef"),
        ('<bpmn:receiveTask id="x" operationRef="o" messageRef="M"/>', "operationRef"),
        ('<bpmn:serviceTask id="x" implementation="http://example.org/pay"/>', "'http://example.org/pay'"),
        ('<bpmn:serviceTask id="x" camunda:type="external"/>', "camunda:type 'external' with a topic"),
        ('<bpmn:serviceTask id="x" camunda:topic="pay"/>', "only topic 'pay'"),
        ('<bpmn:serviceTask id="x" camunda:resultVariable="r"/>', "resultVariable with camunda:expression"),
        ('<bpmn:manualTask id="x" camunda:type="external" camunda:topic="pay"/>', "camunda:topic"),
        (catch(TIMER.format("", ""), 'parallelMultipel="true"'), "the attribute parallelMultipel"),
        # children
        ('<bpmn:serviceTask id="x"><zeebe:taskDefinition type="q"/></bpmn:serviceTask>', "outside extensionElements"),
        ('<bpmn:task id="x"/><serviceTask id="q"/>', "serviceTask of the namespace ''"),
        ('<bpmn:task id="x"><bpmn:timerEventDefinition/></bpmn:task>', "timerEventDefinition"),
        (catch("<bpmn:eventDefinitionRef>T</bpmn:eventDefinitionRef>"), "eventDefinitionRef"),
        (
            catch(
                '<bpmn:messageEventDefinition messageRef="M"><bpmn:operationRef>o</bpmn:operationRef>'
                "</bpmn:messageEventDefinition>"
            ),
            "operationRef",
        ),
        (
            '<bpmn:task id="x"><bpmn:dataInputAssociation id="d"><bpmn:transformation>a</bpmn:transformation>'
            "</bpmn:dataInputAssociation></bpmn:task>",
            "dataInputAssociation with transformation",
        ),
        # extensions
        (extension("<zeebe:executionListeners/>") + '<bpmn:task id="x"/>', "extension executionListeners"),
        (extension("<camunda:executionListener/>") + '<bpmn:task id="x"/>', "camunda:executionListener"),
        (service("<flowable:field/>"), "flowable:field"),
        (service('<zeebe:taskDefinition type="q"/><zeebe:taskDefinition type="r"/>'), "taskDefinition once more"),
        (service('<zeebe:taskDefinition type="q" retriess="5"/>'), "the attribute retriess of taskDefinition"),
        (service('<zeebe:ioMapping><zeebe:inptu source="=1" target="a"/></zeebe:ioMapping>'), "inptu in ioMapping"),
        (catch(TIMER.format(extension("<zeebe:foo/>"), "")), "the extension foo"),
        (
            '<bpmn:sendTask id="x" messageRef="M">' + extension("<zeebe:taskHeaders/>") + "</bpmn:sendTask>",
            "taskHeaders with a task definition",
        ),
        (
            '<bpmn:intermediateThrowEvent id="x">'
            + extension("<zeebe:publishMessage/>")
            + "</bpmn:intermediateThrowEvent>",
            "publishMessage on another one",
        ),
        (
            '<bpmn:intermediateThrowEvent id="x">'
            + extension('<zeebe:taskDefinition type="q"/>')
            + "<bpmn:messageEventDefinition/><bpmn:signalEventDefinition/></bpmn:intermediateThrowEvent>",
            "one event definition but found 2",
        ),
        (
            '<bpmn:task id="x"/><bpmn:boundaryEvent id="b" attachedToRef="x">'
            '<bpmn:errorEventDefinition camunda:errorCodes="q"/></bpmn:boundaryEvent>',
            "camunda:errorCodes",
        ),
    ],
)
def test_what_nobody_reads_is_refused_by_name(body: str, name: str) -> None:
    found = errors(document(body))
    named = [problem for problem in found if problem.rule == "not-executable" and name in problem.message]
    assert named, found
    assert named[0].line == 6
    assert named[0].element in ("x", "p", "b")


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ('<bpmn:conditionExpression language="groovy">a</bpmn:conditionExpression>', "not-feel"),
        ('<bpmn:conditionExpression camunda:resource="a.groovy">a</bpmn:conditionExpression>', "not-executable"),
        ("<bpmn:conditionExpression/>", "no-condition"),
        ("<bpmn:conditionExpression>a</bpmn:conditionExpression>" * 2, "not-executable"),
        ("", "no-condition"),
        (extension("<camunda:executionListener/>"), "not-executable"),
        ("<bpmn:foo/>", "not-executable"),
    ],
)
def test_a_flow_is_read_as_strictly(condition: str, rule: str) -> None:
    found = errors(
        document(
            '<bpmn:exclusiveGateway id="x" default="f2"/><bpmn:endEvent id="e2"/>'
            f'\n<bpmn:sequenceFlow id="f3" sourceRef="x" targetRef="e2">{condition}</bpmn:sequenceFlow>'
        )
    )
    assert (rule, "f3", 7) in [(problem.rule, problem.element, problem.line) for problem in found]


@pytest.mark.parametrize(
    ("body", "rule", "element"),
    [
        (
            '<bpmn:task id="x"/><bpmn:boundaryEvent id="b" cancelActivity="nein" attachedToRef="x">'
            + TIMER.format("", "")
            + "</bpmn:boundaryEvent>",
            "bad-boolean",
            "b",
        ),
        (
            '<bpmn:task id="x"/>'
            + "".join(
                f'<bpmn:boundaryEvent id="{id}" attachedToRef="x"><bpmn:errorEventDefinition/></bpmn:boundaryEvent>'
                for id in ("b1", "b2")
            ),
            "error-caught-twice",
            "b2",
        ),
        (
            service(
                '<zeebe:taskDefinition type="q"/><zeebe:taskHeaders><zeebe:header key="a" value="1"/>'
                '<zeebe:header key="a" value="2"/></zeebe:taskHeaders>'
            ),
            "two-headers",
            "x",
        ),
        (
            '<bpmn:sendTask id="x" messageRef="M">'
            + extension('<zeebe:taskDefinition type="q"/><zeebe:publishMessage/>')
            + "</bpmn:sendTask>",
            "two-messages",
            "x",
        ),
        (
            '<bpmn:sendTask id="x">' + extension("<zeebe:publishMessage/>") + "</bpmn:sendTask>",
            "no-message",
            "x",
        ),
        (
            '<bpmn:scriptTask id="x">'
            + extension('<zeebe:taskDefinition type="q"/>')
            + "<bpmn:script>1</bpmn:script></bpmn:scriptTask>",
            "two-scripts",
            "x",
        ),
        (catch(TIMER.format("", ' language="groovy"')), "not-feel", "x"),
    ],
)
def test_what_contradicts_itself_or_leads_nowhere_is_refused(body: str, rule: str, element: str) -> None:
    assert (rule, element) in [(problem.rule, problem.element) for problem in errors(document(body))]


def test_what_stands_behind_an_event_gateway_is_nothing_but_an_event() -> None:
    drawing = Drawing().start().event_based("g").timer("t", "PT1H").end("sad").at("g")
    drawing.receive("letter", "letter").end("happy").on_timer("letter", "hurry", "PT1M").end("e3")
    (problem,) = errors(drawing.xml())
    assert (problem.rule, problem.element) == ("event-gateway-targets", "g")
    assert "no boundary event on 'letter' behind the gateway but found boundaryEvent 'hurry'" in problem.message
    drawing = Drawing().start().event_based("g").timer("t", "PT1H").end("sad").at("g")
    mapping = extension('<zeebe:ioMapping><zeebe:input source="=1" target="x"/></zeebe:ioMapping>')
    xml = drawing.node("receiveTask", "letter", mapping, messageRef="M").end("happy").xml()
    (problem,) = errors(xml.replace(b"</bpmn:definitions>", MESSAGE.encode() + b"</bpmn:definitions>"))
    assert "no input mapping on 'letter'" in problem.message


@pytest.mark.parametrize(
    ("declared", "condition", "refused"),
    [
        ("http://www.w3.org/1999/XPath", "a", True),
        ("http://www.w3.org/1999/XPath", "=a", False),
        ("https://www.omg.org/spec/DMN/20191111/FEEL/", "a", False),
    ],
)
def test_the_expression_language_of_a_document_is_that_of_its_conditions(
    declared: str, condition: str, refused: bool
) -> None:
    xml = document(
        '<bpmn:exclusiveGateway id="x" default="f2"/><bpmn:endEvent id="e2"/>'
        '<bpmn:sequenceFlow id="f3" sourceRef="x" targetRef="e2">'
        f"<bpmn:conditionExpression>{condition}</bpmn:conditionExpression></bpmn:sequenceFlow>",
        definitions=f'expressionLanguage="{declared}"',
    )
    if refused:
        (problem,) = errors(xml)
        assert (problem.rule, problem.element) == ("not-feel", "f3")
    else:
        assert parse(xml).warnings == ()


def test_what_a_modeller_says_for_itself_passes() -> None:
    task = (
        '<bpmn:serviceTask id="x" zeebe:modelerTemplate="t" zeebe:modelerTemplateVersion="1" camunda:asyncBefore="true"'
        ' implementation="##WebService" completionQuantity="1" isForCompensation="false">'
        + extension('<zeebe:taskDefinition type="q"/><zeebe:properties/><m:x xmlns:m="urn:modeler"/>')
        + "</bpmn:serviceTask>"
    )
    process = 'camunda:historyTimeToLive="P1D" isClosed="false" processType="None" xmlns:m="urn:m" m:x="1"'
    assert parse(document(task, process=process)).warnings == ()


def test_a_data_association_and_an_import_are_warnings() -> None:
    task = (
        '<bpmn:task id="x"><bpmn:property id="q"/><bpmn:dataInputAssociation id="d"><bpmn:sourceRef>o</bpmn:sourceRef>'
        "<bpmn:targetRef>q</bpmn:targetRef></bpmn:dataInputAssociation></bpmn:task>"
    )
    imported = '<bpmn:import importType="http://www.w3.org/2001/XMLSchema" location="a.xsd" namespace="urn:a"/>'
    rules = [warning.rule for warning in parse(document(task, extra=imported)).warnings]
    assert sorted(rules) == ["data-not-executed", "data-not-executed", "import-not-read"]


def test_a_flow_without_an_id_takes_none_that_is_taken() -> None:
    xml = document(
        '<bpmn:parallelGateway id="x"/><bpmn:endEvent id="e2"/><bpmn:sequenceFlow sourceRef="x" targetRef="e2"/>'
        '<bpmn:endEvent id="e3"/><bpmn:sequenceFlow id="flow-3" sourceRef="x" targetRef="e3"/>'
    )
    assert len(parse(xml).processes[0].flows) == 4


def test_every_extension_that_is_read_has_a_shape() -> None:
    read = frozenset().union(*(kind.extensions for kind in FLOW_NODES.values()))
    assert read - HARMLESS <= SHAPES.keys()


def test_every_element_keeps_its_identity() -> None:
    assert all("id" in kind.attributes for kind in (*FLOW_NODES.values(), *EVENT_DEFINITIONS.values()))
