"""Call activities, BPMN 2.0.2 section 13.3.4: what goes in, what comes out, and what comes of trouble in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid, Rejected
from processes.engine.parser import parse
from processes.engine.parts import Call, JobState
from processes.engine.state import Instance, InstanceState
from processes.engine.stepping import step
from tests.drawing import HEAD, Drawing
from tests.engine.play import NOON, Play


def caller(**options: Any) -> Drawing:
    return Drawing().start().call("call", "child", **options).end()


def called(play: Play) -> f.ProcessCalled:
    return [fact for fact in play.facts if isinstance(fact, f.ProcessCalled)][-1]


def complete(play: Play, variables: dict[str, Any] | None = None) -> list[f.Fact]:
    return play.carry_out(c.CompleteCall(called(play).call, variables or {}))


def camunda(inside: str = "", attributes: str = 'calledElement="child"') -> bytes:
    body = (
        '<bpmn:startEvent id="start"/><bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="call"/>'
        f'<bpmn:callActivity id="call" {attributes}><bpmn:extensionElements>{inside}</bpmn:extensionElements>'
        '</bpmn:callActivity><bpmn:sequenceFlow id="f2" sourceRef="call" targetRef="end"/><bpmn:endEvent id="end"/>'
    )
    return f'{HEAD}<bpmn:process id="p" isExecutable="true">{body}</bpmn:process></bpmn:definitions>'.encode()


def rules(xml: bytes) -> list[str]:
    with pytest.raises(ModelInvalid) as caught:
        parse(xml)
    return [problem.rule for problem in caught.value.problems if problem.severity == "error"]


# -- Camunda 8 ---------------------------------------------------------------------------------------------------------


def test_everything_goes_in_and_comes_out() -> None:
    play = Play(caller(inputs={"local": "=a + 1"}), {"a": 1})
    fact = called(play)
    assert (fact.process, fact.binding, fact.version, fact.business_key) == ("child", "LATEST", "", None)
    assert fact.variables == {"a": 1, "local": 2}
    assert play.standing() == ["call"]
    assert play.node("call").variables == {"local": 2}
    complete(play, {"a": 5, "b": 6})
    assert play.completed
    assert play.variables == {"a": 5, "b": 6}


def test_only_what_is_mapped_goes_in_and_comes_out() -> None:
    drawing = caller(inputs={"x": "=a"}, outputs={"y": "=b"}, propagateAllParentVariables="false")
    play = Play(drawing, {"a": 1, "secret": 2})
    assert called(play).variables == {"x": 1}
    complete(play, {"b": 6, "c": 7})
    assert play.variables == {"a": 1, "secret": 2, "y": 6}


def test_nothing_comes_out_unless_it_is_asked_for() -> None:
    play = Play(caller(propagateAllChildVariables="false"))
    complete(play, {"b": 6})
    assert play.completed
    assert play.variables == {}


def test_the_process_may_be_an_expression() -> None:
    play = Play(Drawing().start().call("call", '="child-" + kind').end(), {"kind": "a"})
    assert called(play).process == "child-a"
    play = Play(Drawing().start().call("call", "=kind").end(), {"kind": None})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.CALLED_ELEMENT
    play.carry_out(c.SetVariables({"kind": "b"}))
    play.resolve()
    assert called(play).process == "b"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bindingType": "latest"}, ("LATEST", "")),
        ({"bindingType": "deployment"}, ("DEPLOYMENT", "")),
        ({"bindingType": "versionTag", "versionTag": "v1"}, ("VERSION_TAG", "v1")),
    ],
)
def test_which_version(options: dict[str, str], expected: tuple[str, str]) -> None:
    fact = called(Play(caller(**options)))
    assert (fact.binding, fact.version) == expected


# -- Camunda 7 ---------------------------------------------------------------------------------------------------------


def test_camunda_7_passes_what_is_named() -> None:
    inside = (
        '<camunda:in source="a" target="x"/><camunda:in sourceExpression="${a + 1}" target="y"/>'
        '<camunda:in businessKey="#{execution.processBusinessKey}"/>'
        '<camunda:out source="r" target="result"/><camunda:out sourceExpression="${r + 1}" target="more"/>'
    )
    play = Play(camunda(inside), {"a": 1, "secret": 2})
    assert called(play).variables == {"x": 1, "y": 2}
    assert called(play).business_key is None
    complete(play, {"r": 10, "other": 1})
    assert play.variables == {"a": 1, "secret": 2, "result": 10, "more": 11}


def test_camunda_7_passes_nothing_by_itself() -> None:
    play = Play(camunda(), {"a": 1})
    assert (called(play).variables, called(play).business_key) == ({}, "")
    complete(play, {"r": 10})
    assert play.variables == {"a": 1}


def test_camunda_7_passes_all() -> None:
    play = Play(camunda('<camunda:in variables="all"/><camunda:out variables="all"/>'), {"a": 1})
    assert called(play).variables == {"a": 1}
    complete(play, {"r": 10})
    assert play.variables == {"a": 1, "r": 10}


def test_camunda_7_passes_its_local_variables() -> None:
    mapping = (
        '<camunda:inputOutput><camunda:inputParameter name="x">${a}</camunda:inputParameter></camunda:inputOutput>'
    )
    play = Play(camunda(mapping + '<camunda:in variables="all" local="true"/>'), {"a": 1})
    assert called(play).variables == {"x": 1}


LOCAL_X = '<camunda:inputOutput><camunda:inputParameter name="x">${a}</camunda:inputParameter></camunda:inputOutput>'


@pytest.mark.parametrize(
    ("passing", "expected"),
    [
        ('source="x" target="y"', {"y": 1}),
        ('source="a" target="y"', {"y": None}),
        ('sourceExpression="${x + 1}" target="y"', {"y": 2}),
        ('sourceExpression="${empty a}" target="y"', {"y": True}),
        ('variables="all"', {"x": 1}),
    ],
)
def test_camunda_7_passes_in_what_is_local(passing: str, expected: dict[str, Any]) -> None:
    play = Play(camunda(f'{LOCAL_X}<camunda:in {passing} local="true"/>'), {"a": 1})
    assert called(play).variables == expected


def test_camunda_7_passes_in_what_a_round_was_given() -> None:
    passing = '<camunda:in source="item" target="y" local="true"/><camunda:in source="a" target="z" local="true"/>'
    loop = '<bpmn:multiInstanceLoopCharacteristics camunda:collection="${some}" camunda:elementVariable="item"/>'
    play = Play(camunda(passing).replace(b"</bpmn:callActivity>", loop.encode() + b"</bpmn:callActivity>"), {
        "a": 1, "some": [7, 8],
    })  # fmt: skip
    found = [fact.variables for fact in play.facts if isinstance(fact, f.ProcessCalled)]
    assert found == [{"y": 7, "z": None}, {"y": 8, "z": None}]


@pytest.mark.parametrize(
    ("passings", "outputs", "expected"),
    [
        ('<camunda:out source="r" target="x" local="true"/>', "", {}),
        ('<camunda:out variables="all" local="true"/>', "", {}),
        ('<camunda:out source="r" target="x" local="true"/>', "${x + 1}", {"out": 3}),
        ('<camunda:out variables="all" local="true"/><camunda:out source="r" target="y"/>', "${q}", {"y": 2, "out": 5}),
        ('<camunda:out variables="all"/><camunda:out source="r" target="x" local="true"/>', "", {"r": 2, "q": 5}),
    ],
)
def test_camunda_7_keeps_local_what_comes_out(passings: str, outputs: str, expected: dict[str, Any]) -> None:
    mapping = f'<camunda:outputParameter name="out">{outputs}</camunda:outputParameter>' if outputs else ""
    inside = f"<camunda:inputOutput>{mapping}</camunda:inputOutput>{passings}"
    play = Play(camunda(inside))
    complete(play, {"r": 2, "q": 5})
    assert play.completed
    assert play.variables == expected


def test_camunda_7_names_a_version() -> None:
    attributes = 'calledElement="child" camunda:calledElementBinding="version" camunda:calledElementVersion="${v}"'
    fact = called(Play(camunda(attributes=attributes), {"v": 3}))
    assert (fact.binding, fact.version) == ("VERSION", "3")
    (incident,) = Play(camunda(attributes=attributes), {"v": "new"}).incidents()
    assert "whole number" in incident.message


# -- refused by name ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xml", "rule"),
    [
        (camunda(attributes=""), "no-called-process"),
        (camunda("<zeebe:calledElement/>", ""), "no-called-process"),
        (camunda('<zeebe:calledElement processId="a"/>'), "two-dialects"),
        (camunda('<zeebe:calledElement processId="a"/><camunda:in variables="all"/>', ""), "two-dialects"),
        (camunda('<zeebe:calledElement processId="a" bindingType="newest"/>', ""), "bad-binding"),
        (camunda('<zeebe:calledElement processId="a" bindingType="versionTag"/>', ""), "no-version-tag"),
        (camunda('<zeebe:calledElement processId="a" what="x"/>', ""), "not-executable"),
        (camunda(attributes='calledElement="a" camunda:calledElementBinding="newest"'), "bad-binding"),
        (camunda(attributes='calledElement="a" camunda:calledElementBinding="version"'), "no-version"),
        (camunda(attributes='calledElement="a" camunda:calledElementTenantId="t"'), "not-executable"),
        (camunda(attributes='calledElement="a" camunda:variableMappingClass="t"'), "not-executable"),
        (camunda('<camunda:in source="a"/>'), "bad-passing"),
        (camunda('<camunda:in source="a" local="true"/>'), "bad-passing"),
        (camunda('<camunda:out businessKey="${a}"/>'), "not-executable"),
        (camunda('<camunda:out variables="some"/>'), "bad-passing"),
    ],
)
def test_what_cannot_be_called_is_refused(xml: bytes, rule: str) -> None:
    assert rule in rules(xml)


@pytest.mark.parametrize(
    ("task", "type"),
    [
        ('<bpmn:globalUserTask id="shared" name="Approve"/>', "io.camunda.zeebe:userTask"),
        (
            '<bpmn:globalScriptTask id="shared" scriptLanguage="python"><bpmn:script>1</bpmn:script>'
            "</bpmn:globalScriptTask>",
            "script",
        ),
        ('<bpmn:globalBusinessRuleTask id="shared"/>', "shared"),
        ('<bpmn:globalManualTask id="shared"/>', ""),
        ('<bpmn:globalTask id="shared"/>', ""),
    ],
)
def test_a_global_task_is_a_process_of_its_own_for_those_that_call_it(task: str, type: str) -> None:
    xml = camunda(attributes='calledElement="shared"').replace(
        b"</bpmn:definitions>", task.encode() + b"</bpmn:definitions>"
    )
    caller, shared = parse(xml).processes
    assert caller.id == "p"
    assert shared.id == "shared"
    instance = Instance()
    facts = step(shared, instance, c.StartInstance({}), NOON)
    if not type:
        assert instance.state is InstanceState.COMPLETED
        return
    (created,) = (fact for fact in facts if isinstance(fact, f.JobCreated))
    assert created.type == type
    job = instance.waits[created.job]
    job.state, job.attempt = JobState.CLAIMED, 1
    step(shared, instance, c.CompleteJob(created.job, 1, {"done": True}), NOON)
    assert instance.state is InstanceState.COMPLETED
    assert instance.variables == {"done": True}


def test_a_global_task_that_nobody_calls_is_told_of() -> None:
    xml = camunda(attributes='calledElement="other"').replace(
        b"</bpmn:definitions>", b'<bpmn:globalTask id="shared"/></bpmn:definitions>'
    )
    model = parse(xml)
    assert [process.id for process in model.processes] == ["p"]
    assert ("global-task-not-called", "shared") in [(found.rule, found.element) for found in model.warnings]


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_a_call_that_fails_is_an_incident_and_called_again() -> None:
    play = Play(caller(inputs={"x": "=a"}), {"a": 1})
    first = called(play)
    play.carry_out(c.FailCall(first.call, "no such process"))
    (incident,) = play.incidents()
    assert (incident.kind, incident.message) == (IncidentKind.CALLED_ELEMENT, "no such process")
    with pytest.raises(Rejected, match="call"):
        play.carry_out(c.CompleteCall(first.call))
    play.carry_out(c.SetVariables({"a": 2}))
    play.resolve()
    second = called(play)
    assert second.call != first.call
    assert second.variables == {"a": 2, "x": 2}
    complete(play)
    assert play.completed


def test_a_call_under_way_is_not_called_twice() -> None:
    play = Play(caller())
    play.carry_out(c.RaiseIncident(called(play).node, "a bug"))
    play.resolve()
    assert sum(isinstance(fact, f.ProcessCalled) for fact in play.facts) == 1
    complete(play)
    assert play.completed


def test_an_error_of_the_called_process_is_caught_at_the_call() -> None:
    drawing = caller().on_error("call", "sorry", "E1").end("caught")
    play = Play(drawing)
    play.carry_out(c.ThrowCallError(called(play).call, "E1", "no", {"why": "stock"}))
    assert play.completed
    assert play.path()[-2:] == ["sorry", "caught"]
    assert play.variables == {"why": "stock"}


def test_an_error_that_nobody_catches_is_an_incident_at_the_call() -> None:
    play = Play(caller().on_error("call", "sorry", "E1").end("caught"))
    first = called(play)
    play.carry_out(c.ThrowCallError(first.call, "E2", "no stock"))
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.UNHANDLED_ERROR
    assert incident.message == (
        "Expected an event to catch the error 'E2' of the called process 'child' but found none: no stock "
        "(it has ended; a retry calls it again)"
    )
    play.resolve()
    assert called(play).call != first.call
    complete(play)
    assert play.completed


def test_an_error_that_a_called_process_does_not_catch_goes_on_to_its_caller() -> None:
    play = Play(Drawing().start().parallel("fork").service("work", type="a").end().at("fork").service("b"), start=False)
    play.carry_out(c.StartInstance(called=True))
    play.throw("work", "E1", {"why": "stock"})
    assert play.instance.state is InstanceState.TERMINATED
    assert play.standing() == []
    (escaped,) = (fact for fact in play.facts if isinstance(fact, f.ErrorEscaped))
    assert (escaped.code, escaped.variables) == ("E1", {"why": "stock"})


def test_a_called_process_catches_its_own_errors() -> None:
    drawing = Drawing().start().service("work", type="a").end().on_error("work", "sorry", "E1").end("caught")
    play = Play(drawing, start=False)
    play.carry_out(c.StartInstance(called=True))
    play.throw("work", "E1")
    assert play.completed
    assert not play.has(f.ErrorEscaped)


def test_a_timer_ends_the_call() -> None:
    play = Play(caller().on_timer("call", "late", "PT1H").end("gave-up"))
    play.wait(timedelta(hours=1))
    assert play.completed
    assert not [wait for wait in play.instance.waits.values() if isinstance(wait, Call)]


def test_outputs_that_fail_keep_what_came_back() -> None:
    play = Play(Drawing().start().call("call", "child").when("=ok").end())
    complete(play, {"ok": "perhaps"})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.CONDITION
    assert play.node("call").response == {"ok": "perhaps"}


# -- once for each -----------------------------------------------------------------------------------------------------


def test_a_process_is_called_for_each_element() -> None:
    drawing = Drawing().start().call("call", "child", propagateAllParentVariables="false")
    play = Play(drawing.many("=items", output=("found", "=r")).end(), {"items": [1, 2]})
    calls = [fact for fact in play.facts if isinstance(fact, f.ProcessCalled)]
    assert [call.variables["item"] for call in calls] == [1, 2]
    assert "items" not in calls[0].variables
    play.carry_out(c.RaiseIncident(play.instance.node(calls[0].node).scope, "a bug"))  # type: ignore[union-attr]
    play.resolve()
    assert sum(isinstance(fact, f.ProcessCalled) for fact in play.facts) == 2  # the body itself calls nobody
    for call in calls:
        play.carry_out(c.CompleteCall(call.call, {"r": call.variables["item"] * 10}))
    assert play.completed
    assert play.variables["found"] == [10, 20]


def test_an_error_out_of_one_round_ends_the_others() -> None:
    drawing = Drawing().start().call("call", "child").many("=items").end()
    play = Play(drawing.on_error("call", "sorry", "E1").end("caught"), {"items": [1, 2, 3]})
    play.carry_out(c.ThrowCallError(called(play).call, "E1"))
    assert play.completed
    assert not [wait for wait in play.instance.waits.values() if isinstance(wait, Call)]
