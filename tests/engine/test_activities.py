"""Tasks: mappings, results, retries, incidents, and going on after a repair."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, Rejected
from processes.engine.parser import parse
from processes.engine.parts import JobState, NodeState
from tests.drawing import Drawing
from tests.engine.play import NOON, Play


def test_the_smallest_process_runs() -> None:
    play = Play(Drawing().start().service("ServiceTask_1").end())
    assert play.job("ServiceTask_1").type == "ServiceTask_1"
    play.complete("ServiceTask_1", {"paid": True})
    assert play.completed
    assert play.variables == {"paid": True}
    assert play.path() == ["start", "ServiceTask_1", "end"]


def test_inputs_are_local_and_outputs_go_to_the_enclosing_scope() -> None:
    drawing = (
        Drawing()
        .start()
        .service(
            "charge",
            type="charge",
            inputs={"amount": "=order.total * 2", "order.note": "gift", "currency": "EUR"},
            outputs={"receipt": "=id", "order.paid": "=amount"},
        )
        .end()
    )
    play = Play(drawing, {"order": {"total": Decimal("1.5"), "id": 7}})
    assert play.node("charge").variables == {"amount": 3, "order": {"note": "gift"}, "currency": "EUR"}
    play.complete("charge", {"id": "r-1"})
    assert play.variables == {"order": {"total": Decimal("1.5"), "id": 7, "paid": 3}, "receipt": "r-1"}


def test_job_type_and_retries_may_be_expressions() -> None:
    play = Play(
        Drawing().start().service("a", type='="charge-" + region', retries="=tries").end(), {"region": "eu", "tries": 5}
    )
    assert (play.job("a").type, play.job("a").retries) == ("charge-eu", 5)


def test_a_wrong_job_type_parks_the_task_before_anything_happened() -> None:
    play = Play(Drawing().start().service("a", type="=region").end())
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.EXPRESSION
    assert "the type of the job '=region' to give a text but found null" in incident.message
    assert play.node("a").state is NodeState.READY
    play.carry_out(c.SetVariables({"region": "eu"}))
    play.resolve()
    assert play.job("a").type == "eu"


@pytest.mark.parametrize(
    ("headers", "response", "expected"),
    [
        ({}, {"x": 1}, {"x": 1}),
        ({"resultVariable": "answer"}, {"x": 1}, {"answer": {"x": 1}}),
        ({"resultExpression": "={y: response.x + 1, z: x}"}, {"x": 1}, {"y": 2, "z": 1}),
        ({"resultVariable": "answer", "resultExpression": "{y: x}"}, {"x": 1}, {"answer": {"x": 1}, "y": 1}),
    ],
)
def test_headers_say_what_of_the_response_becomes_a_variable(
    headers: dict[str, str], response: dict[str, int], expected: dict[str, object]
) -> None:
    play = Play(Drawing().start().service("a", type="t", headers=headers).end())
    play.complete("a", response)
    assert play.variables == expected


def test_a_result_that_cannot_be_taken_over_is_kept_and_the_service_is_not_called_again() -> None:
    drawing = Drawing().start().service("a", type="t", headers={"resultExpression": "=shape(response)"}).end()
    play = Play(drawing)
    play.complete("a", {"x": 1})
    node = play.node("a")
    assert node.state is NodeState.COMPLETING
    assert node.response == {"x": 1}
    assert play.jobs() == []
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.OUTPUT_MAPPING
    play.resolve()
    assert play.node("a").state is NodeState.COMPLETING, "nothing has changed, so it is parked again"
    assert len(play.incidents()) == 1


def test_resolving_after_a_repair_resumes_with_the_kept_result() -> None:
    drawing = (
        Drawing()
        .start()
        .service("a", type="t")
        .exclusive("g")
        .when("=ok")
        .end("yes")
        .at("g")
        .when("=not(ok)")
        .end("no")
    )
    play = Play(drawing)
    play.complete("a", {"answer": 42})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.CONDITION
    assert "the condition '=ok' of flow 'g-yes' to be true or false but found null" in incident.message
    play.carry_out(c.SetVariables({"ok": False}))
    play.resolve()
    assert play.completed
    assert play.path() == ["start", "a", "g", "no"]
    assert play.variables == {"answer": 42, "ok": False}


def test_a_failed_try_is_due_again_by_the_policy() -> None:
    play = Play(Drawing().start().service("a", type="t", retries=3, headers={"retryBackoff": "PT10S,PT1M"}).end())
    play.fail("a", "first")
    job = play.job("a")
    assert (job.state, job.retries, job.due_at) == (JobState.DUE, 2, NOON + timedelta(seconds=10))
    play.now = job.due_at
    play.fail("a", "second")
    assert play.job("a").due_at == play.now + timedelta(minutes=1)
    play.now = play.job("a").due_at
    play.fail("a", "third")
    (incident,) = play.incidents()
    assert (incident.kind, incident.message) == (IncidentKind.JOB_NO_RETRIES, "third")
    assert play.job("a").state is JobState.FAILED


def test_the_worker_may_say_how_many_tries_are_left_and_when() -> None:
    play = Play(Drawing().start().service("a", type="t").end())
    play.fail("a", retries=7, retry_in=timedelta(hours=1))
    assert (play.job("a").retries, play.job("a").due_at) == (7, NOON + timedelta(hours=1))
    play.now += timedelta(hours=1)
    play.fail("a", "hopeless", retries=0)
    assert play.incidents()[0].message == "hopeless"


def test_resolving_evaluates_the_inputs_again() -> None:
    play = Play(Drawing().start().service("a", type="t", retries=1, inputs={"url": "=host"}).end(), {"host": "wrong"})
    play.fail("a")
    play.carry_out(c.SetVariables({"host": "right"}))
    play.resolve()
    assert play.node("a").variables == {"url": "right"}
    assert (play.job("a").state, play.job("a").retries) == (JobState.DUE, 1)
    play.complete("a")
    assert play.completed


def test_an_outcome_for_another_attempt_is_rejected_and_changes_nothing() -> None:
    play = Play(Drawing().start().service("a", type="t", headers={"retryBackoff": "PT0S"}).end())
    job = play.claim("a")
    play.carry_out(c.FailJob(job.key, 1, "lease lapsed"))
    play.claim("a")
    before = list(play.facts)
    with pytest.raises(
        Rejected, match=r"Expected job 4 to be claimed with attempt 1 but found it CLAIMED with attempt 2"
    ):
        play.carry_out(c.CompleteJob(job.key, 1))
    assert play.facts == before
    play.carry_out(c.CompleteJob(job.key, 2))
    with pytest.raises(Rejected) as rejection:
        play.carry_out(c.CompleteJob(job.key, 2))
    assert rejection.value.code == "instance-ended"


def test_conditional_flows_out_of_a_task_and_its_default() -> None:
    def play(amount: int) -> Play:
        drawing = (
            Drawing()
            .start()
            .service("a", type="t")
            .when("=amount > 10")
            .end("big")
            .at("a")
            .when("=amount > 100")
            .end("huge")
            .at("a")
            .otherwise()
            .end("small")
        )
        play = Play(drawing, {"amount": amount})
        play.complete("a")
        return play

    assert play(1).path()[2:] == ["small"]
    assert play(11).path()[2:] == ["big"]
    assert play(101).path()[2:] == ["big", "huge"]


def test_a_feel_script_sets_its_variable_at_once() -> None:
    play = Play(Drawing().start().script("s", "=sum(prices)", "total").end(), {"prices": [1, Decimal("2.5")]})
    assert play.completed
    assert play.variables["total"] == Decimal("3.5")


@pytest.mark.parametrize(
    ("format", "language"),
    [("python", "python"), ("JavaScript", "javascript"), ("application/javascript", "javascript")],
)
def test_a_script_in_a_foreign_language_is_a_job(format: str, language: str) -> None:
    body = "<bpmn:script>\n    x = 1\n    x + a\n  </bpmn:script>"
    play = Play(Drawing().start().node("scriptTask", "s", body, scriptFormat=format).end(), {"a": 1})
    job = play.job("s")
    assert job.type == "script"
    assert job.headers == {"script": "\nx = 1\nx + a", "language": language}
    play.complete("s", {"result": 2})
    assert play.variables["result"] == 2


def test_a_script_beside_its_task_definition_travels_with_the_job() -> None:
    body = (
        '<bpmn:extensionElements><zeebe:taskDefinition type="script" retries="5" /></bpmn:extensionElements>'
        "<bpmn:script>a * 2</bpmn:script>"
    )
    play = Play(Drawing().start().node("scriptTask", "s", body, scriptFormat="python").end(), {"a": 1})
    assert (play.job("s").type, play.job("s").headers["script"], play.job("s").retries) == ("script", "a * 2", 5)


def test_tasks_without_a_system_pass() -> None:
    play = Play(Drawing().start().node("manualTask", "m").node("task", "t").node("intermediateThrowEvent", "x").end())
    assert play.path() == ["start", "m", "t", "x", "end"]


@pytest.mark.parametrize("tag", ["sendTask", "businessRuleTask", "userTask", "scriptTask"])
def test_other_tasks_with_a_task_definition_are_jobs(tag: str) -> None:
    play = Play(Drawing().start().service("a", type="special", tag=tag).end())
    assert play.job("a").type == "special"
    play.complete("a")
    assert play.completed


def test_a_user_task_without_one_has_camundas_type_and_carries_its_assignment() -> None:
    body = '<bpmn:extensionElements><zeebe:assignmentDefinition assignee="ann" /></bpmn:extensionElements>'
    play = Play(Drawing().start().node("userTask", "u", body).end())
    assert play.job("u").type == "io.camunda.zeebe:userTask"
    assert play.job("u").headers == {"io.camunda.zeebe:assignee": "ann"}


def test_the_deploy_report_does_not_say_that_a_user_task_has_the_type_of_its_id() -> None:
    assert parse(Drawing().start().node("userTask", "u").end().xml()).warnings == ()
    owned = Drawing().start().node("userTask", "u", "<bpmn:potentialOwner/>").end()
    assert [warning.rule for warning in parse(owned.xml()).warnings] == ["performer-not-told"]


def test_an_internal_incident_parks_the_job() -> None:
    play = Play(Drawing().start().service("a", type="t").end())
    job = play.claim("a")
    play.carry_out(c.RaiseIncident(job.node, "a bug"))
    assert play.incidents()[0].kind is IncidentKind.INTERNAL
    assert play.job("a").state is JobState.FAILED
    play.resolve()
    play.complete("a")
    assert play.completed


def test_suspension_stops_what_comes_from_outside_but_loses_no_result() -> None:
    play = Play(Drawing().start().service("a", type="t").timer("t1", "PT1M").end())
    job = play.claim("a")
    play.carry_out(c.SuspendInstance())
    play.carry_out(c.CompleteJob(job.key, 1, {"kept": 1}))
    assert play.variables == {"kept": 1}
    (timer,) = play.timers()
    with pytest.raises(Rejected) as rejection:
        play.carry_out(c.FireTimer(timer.key))
    assert rejection.value.code == "instance-suspended"
    play.carry_out(c.ResumeInstance())
    play.wait(timedelta(minutes=1))
    assert play.completed


def test_cancelling_ends_everything() -> None:
    inner = Drawing("inner").start("s").service("b", type="t").end("e")
    drawing = Drawing().start().parallel("f").service("a", type="t").end().at("f").sub_process("sub", inner).end("end2")
    play = Play(drawing)
    play.carry_out(c.CancelInstance("no longer wanted"))
    assert play.instance.waits == {}
    assert play.instance.nodes == {}
    assert play.instance.ended_because == "no longer wanted"
    terminated = [fact for fact in play.facts if isinstance(fact, f.NodeTerminated)]
    assert len(terminated) == 3


def test_a_model_that_runs_in_a_circle_is_stopped() -> None:
    play = Play(Drawing().start().exclusive("a").node("task", "b").to("a"))
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.ENDLESS_LOOP
