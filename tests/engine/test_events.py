"""Events: errors, timers, messages; on borders, in the flow, at the end; and sub-processes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind
from tests.drawing import Drawing
from tests.engine.play import NOON, Play


def _guarded() -> Drawing:
    return (
        Drawing()
        .start()
        .service("pay", type="t")
        .end("paid")
        .on_error("pay", "declined", "DECLINED")
        .end("ask-again")
        .on_error("pay", "anything")
        .end("give-up")
    )


def test_an_exact_code_beats_the_catch_all() -> None:
    play = Play(_guarded())
    play.throw("pay", "DECLINED", {"reason": "limit"})
    assert play.path()[-2:] == ["declined", "ask-again"]
    assert play.variables == {"reason": "limit"}
    play = Play(_guarded())
    play.throw("pay", "OTHER")
    assert play.path()[-2:] == ["anything", "give-up"]
    assert play.completed


def test_an_error_nobody_catches_is_an_incident_and_can_be_retried() -> None:
    play = Play(Drawing().start().service("pay", type="t", retries=2).end())
    play.throw("pay", "DECLINED")
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.UNHANDLED_ERROR
    assert "catch the error 'DECLINED' but found none" in incident.message
    play.resolve()
    assert play.job("pay").retries == 2, "a business error consumes no retry"
    play.complete("pay")
    assert play.completed


def test_an_error_is_looked_for_outwards() -> None:
    inner = Drawing("inner").start("s").service("deep", type="t").end("e")
    drawing = (
        Drawing()
        .start()
        .sub_process("sub", inner)
        .end()
        .on_error("sub", "caught", "X")
        .service("repair", type="t")
        .end("e2")
    )
    play = Play(drawing)
    play.throw("deep", "X", {"why": "cold"})
    assert play.standing() == ["repair"]
    assert play.variables == {"why": "cold"}
    thrown = next(fact for fact in play.facts if isinstance(fact, f.ErrorThrown))
    assert thrown.catcher == "caught"


def test_an_error_end_event_throws() -> None:
    inner = Drawing("inner").start("s").error_end("bad", "X")
    play = Play(Drawing().start().sub_process("sub", inner).end().on_error("sub", "caught", "X").end("saved"))
    assert play.path()[-2:] == ["caught", "saved"]
    play = Play(Drawing().start().error_end("bad", "X"))
    assert play.incidents()[0].kind is IncidentKind.UNHANDLED_ERROR
    assert play.standing() == ["bad"]


def test_an_interrupting_timer_takes_the_place_of_the_task() -> None:
    drawing = Drawing().start().service("slow", type="t").end().on_timer("slow", "late", "PT5M").end("timeout")
    play = Play(drawing)
    assert play.timers()[0].due_at == NOON + timedelta(minutes=5)
    play.wait(timedelta(minutes=5))
    assert play.completed
    assert play.path()[-2:] == ["late", "timeout"]
    assert play.jobs() == []


def test_a_completed_task_leaves_no_timer_behind() -> None:
    drawing = Drawing().start().service("quick", type="t").end().on_timer("quick", "late", "PT5M").end("timeout")
    play = Play(drawing)
    play.complete("quick")
    assert play.completed
    assert play.timers() == []


def test_a_non_interrupting_timer_repeats_beside_the_task() -> None:
    drawing = (
        Drawing()
        .start()
        .service("slow", type="t")
        .end()
        .on_timer("slow", "remind", "R3/PT1M", kind="timeCycle", interrupting=False)
        .end("reminded")
    )
    play = Play(drawing)
    play.wait(timedelta(minutes=10))
    assert play.path().count("reminded") == 3
    assert play.standing() == ["slow"]
    assert play.timers() == []
    play.complete("slow")
    assert play.completed


def test_a_non_interrupting_message_may_come_often() -> None:
    drawing = (
        Drawing()
        .start()
        .service("work", type="t")
        .end()
        .on_message("work", "note", "note", "=id", interrupting=False)
        .end("noted")
    )
    play = Play(drawing, {"id": "k"})
    play.publish("note", "k", {"n": 1})
    play.publish("note", "k", {"n": 2})
    assert play.path().count("noted") == 2
    assert play.variables["n"] == 2
    play.complete("work")
    assert play.completed


def test_an_interrupting_message_ends_the_whole_sub_process() -> None:
    inner = (
        Drawing("inner")
        .start("s")
        .parallel("f")
        .service("a", type="t")
        .end("e")
        .at("f")
        .service("b", type="t")
        .end("e2")
    )
    drawing = Drawing().start().sub_process("sub", inner).end().on_message("sub", "stop", "stop").end("stopped")
    play = Play(drawing)
    assert play.standing() == ["sub", "a", "b"]
    play.publish("stop")
    assert play.completed
    assert play.path()[-2:] == ["stop", "stopped"]


@pytest.mark.parametrize(
    ("kind", "value", "due"),
    [
        ("timeDate", "2030-02-01T08:00:00+01:00", timedelta(hours=19)),
        ("timeDate", '=date and time("2030-01-31T13:00:00Z")', timedelta(hours=1)),
        ("timeDuration", "P1M", timedelta(days=28)),
        ("timeDuration", '=duration("PT" + string(n) + "S")', timedelta(seconds=90)),
        ("timeCycle", "R/PT7S", timedelta(seconds=7)),
        ("timeCycle", "0 13 * * *", timedelta(hours=1)),
    ],
)
def test_timers_wait_for_dates_durations_and_cycles(kind: str, value: str, due: timedelta) -> None:
    play = Play(Drawing().start().timer("t", value, kind=kind).end(), {"n": 90})
    assert play.incidents() == []
    assert play.timers()[0].due_at == NOON + due
    play.wait(due)
    assert play.completed


def test_a_timer_that_cannot_be_understood_parks_the_event() -> None:
    play = Play(Drawing().start().timer("t", "=when").end(), {"when": "soon"})
    assert "Expected an ISO 8601 duration such as PT30S but found 'soon'" in play.incidents()[0].message


def test_a_message_is_awaited_and_thrown() -> None:
    play = Play(Drawing().start().throw_message("say", "hello", "=id").receive("hear", "hello", "=id").end(), {"id": 7})
    (thrown,) = (fact for fact in play.facts if isinstance(fact, f.MessageThrown))
    assert (thrown.name, thrown.correlation_key, thrown.variables) == ("hello", "7", {"id": 7})
    play.publish("hello", "7")
    assert play.completed


@pytest.mark.parametrize("tag", ["intermediateThrowEvent", "endEvent"])
def test_a_message_event_with_a_task_definition_is_a_job(tag: str) -> None:
    extension = '<bpmn:extensionElements><zeebe:taskDefinition type="send-mail" /></bpmn:extensionElements>'
    drawing = Drawing().start().node(tag, "say", f"{extension}<bpmn:messageEventDefinition />")
    play = Play(drawing if tag == "endEvent" else drawing.end())
    assert play.job("say").type == "send-mail"
    play.complete("say")
    assert play.completed


def test_a_missing_correlation_key_parks_before_waiting() -> None:
    play = Play(Drawing().start().receive("hear", "hello", "=id").end())
    assert "the correlation key '=id' to give a text but found null" in play.incidents()[0].message


def test_terminate_ends_the_rest_of_its_scope_only() -> None:
    inner = Drawing("inner").start("s").parallel("f").service("a", type="t").end("e").at("f").terminate("now")
    play = Play(Drawing().start().sub_process("sub", inner).service("next", type="t").end())
    assert play.standing() == ["next"]
    assert play.jobs()[0].node == play.node("next").key
    play = Play(Drawing().start().parallel("f").service("a", type="t").end().at("f").terminate("now"))
    assert play.completed
    assert play.jobs() == []


def test_terminate_withdraws_tokens_even_where_the_scope_cannot_complete_yet() -> None:
    inner = Drawing("inner").start("s").parallel("f").terminate("now").at("f").service("a", type="t").end("e")
    drawing = Drawing().start().sub_process("sub", inner).exclusive("g").end()
    xml = drawing.xml().replace(
        b'targetRef="g"></bpmn:sequenceFlow>',
        b'targetRef="g"><bpmn:conditionExpression>=go</bpmn:conditionExpression></bpmn:sequenceFlow>',
    )
    play = Play(xml)
    assert play.standing() == ["sub"], "nothing inside is entered any more"
    assert play.incidents()[0].kind is IncidentKind.CONDITION
    play.carry_out(c.SetVariables({"go": True}))
    play.resolve()
    assert play.completed


def test_variables_of_a_sub_process_stay_inside_it() -> None:
    inner = (
        Drawing("inner").start("s").service("a", type="t", outputs={"count": "=count + 1", "seen": "=count"}).end("e")
    )
    drawing = Drawing().start().sub_process("sub", inner, inputs={"count": "=start"}).service("b", type="t").end()
    play = Play(drawing, {"start": 1})
    play.complete("a")
    assert play.variables == {"start": 1, "seen": 2}, "count is local to the sub-process, seen is new and bubbles up"


def test_a_name_of_a_message_has_an_end() -> None:
    play = Play(Drawing().start().receive("hear", "hello", "=id").end(), {"id": "x" * 256})
    assert "which has 256 characters, more than 255" in play.incidents()[0].message


def test_a_number_that_no_database_gives_back_parks_the_task() -> None:
    play = Play(Drawing().start().script("s", "=10**6000", "n").end())
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.EXPRESSION
    assert "an exponent of at most 1000" in incident.message
    assert Play(Drawing().start().script("s", '="a\\u0000b"', "t").end()).variables == {"t": "a\ufffdb"}


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing().start().timer("t", "R0/PT1S", kind="timeCycle").end(),
        Drawing().start().event_based("t").timer("a", "R0/PT1S", kind="timeCycle").end("x").at("t")
        .timer("b", "R0/PT2S", kind="timeCycle").end("y"),
    ],
)  # fmt: skip
def test_a_token_does_not_wait_for_what_never_happens(drawing: Drawing) -> None:
    play = Play(drawing)
    (incident,) = play.incidents()
    assert incident.message == "Expected 't' to wait for something but found a timer that never fires"
