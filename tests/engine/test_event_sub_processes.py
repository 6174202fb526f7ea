"""Event sub-processes: begun by an event in the scope around them, in its place or beside it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid, Rejected
from processes.engine.parser import parse
from processes.engine.parts import MessageSubscription
from tests.drawing import Definition, Drawing, mappings
from tests.engine.play import NOON, Play


def handler(*definitions: Definition, interrupting: bool = True, name: str = "handler") -> Drawing:
    inner = Drawing(name).start_on(f"{name}-begins", *definitions, interrupting=interrupting)
    return inner.service(f"{name}-work", type="t").end(f"{name}-ends")


def working(inner: Drawing, id: str = "sub") -> Drawing:
    return Drawing().start().service("work", type="t").end().event_sub_process(id, inner)


def test_an_interrupting_message_takes_the_place_of_the_process() -> None:
    play = Play(working(handler(("message", "stop", "=id"))), {"id": "7"})
    play.publish("stop", "7", {"why": "late"})
    assert play.standing() == ["sub", "handler-work"]
    assert play.variables == {"id": "7", "why": "late"}
    assert [job.node for job in play.jobs()] == [play.node("handler-work").key]
    assert list(play.instance.waits.values()) == play.jobs(), "its message is waited for no more"
    play.complete("handler-work")
    assert play.completed


def test_a_non_interrupting_message_comes_often_and_beside_the_process() -> None:
    play = Play(working(handler(("message", "note"), interrupting=False)))
    play.publish("note")
    play.publish("note")
    assert play.standing() == ["work", "sub", "handler-work", "sub", "handler-work"]
    play.complete("work")
    assert not play.completed, "a scope is not done before its event sub-processes are"
    for job in play.jobs():
        play.claim_key(job.key)
        play.carry_out(c.CompleteJob(job.key, 1))
    assert play.completed
    assert play.instance.waits == {}


def test_waits_alone_do_not_keep_a_scope() -> None:
    play = Play(working(handler(("timer", "PT1H"))))
    assert [timer.node for timer in play.timers()] == [0]
    play.complete("work")
    assert play.completed
    assert play.instance.waits == {}


def test_a_cancelled_process_waits_for_nothing() -> None:
    play = Play(working(handler(("timer", "PT1H"))))
    play.carry_out(c.CancelInstance())
    assert play.instance.waits == {}


def test_a_non_interrupting_timer_repeats() -> None:
    play = Play(working(Drawing("h").start_on("tick", ("timer", "R3/PT1M", "timeCycle"), interrupting=False).end("t")))
    play.wait(timedelta(minutes=10))
    assert play.path().count("tick") == 3
    assert play.standing() == ["work"]
    assert play.timers() == []


def test_an_interrupting_timer_fires_once() -> None:
    play = Play(working(handler(("timer", "R/PT1M", "timeCycle"))))
    play.wait(timedelta(minutes=5))
    assert play.standing() == ["sub", "handler-work"]
    assert play.timers() == []


def test_inside_a_sub_process_it_ends_that_scope_only() -> None:
    inner = (
        Drawing("inner")
        .start("s")
        .service("deep", type="t")
        .end("e")
        .event_sub_process("sub", handler(("message", "m")))
    )
    drawing = (
        Drawing().start().parallel("f").sub_process("scope", inner).end().at("f").service("other", type="t").end("e2")
    )
    play = Play(drawing.at("scope").to("end"))
    play.publish("m")
    assert play.standing() == ["scope", "other", "sub", "handler-work"]
    play.complete("handler-work")
    assert play.standing() == ["other"]
    play.complete("other")
    assert play.completed


def test_waits_of_a_scope_go_with_it_even_where_it_cannot_complete_yet() -> None:
    inner = (
        Drawing("inner")
        .start("s")
        .service("deep", type="t")
        .end("e")
        .event_sub_process("sub", handler(("message", "m")))
    )
    drawing = Drawing().start().sub_process("scope", inner).exclusive("g").end()
    xml = drawing.xml().replace(
        b'targetRef="g"></bpmn:sequenceFlow>',
        b'targetRef="g"><bpmn:conditionExpression>=go</bpmn:conditionExpression></bpmn:sequenceFlow>',
    )
    play = Play(xml)
    play.complete("deep")
    assert play.standing() == ["scope"]
    assert not any(isinstance(wait, MessageSubscription) for wait in play.instance.waits.values())
    play.carry_out(c.SetVariables({"go": True}))
    play.resolve()
    assert play.completed


def test_an_error_begins_it_and_brings_its_variables() -> None:
    inner = Drawing("h").start_on("caught", ("error", "X")).service("repair", type="t").end("repaired")
    play = Play(working(inner))
    play.throw("work", "X", {"why": "cold"})
    assert play.standing() == ["sub", "repair"]
    assert play.variables == {"why": "cold"}
    assert next(fact for fact in play.facts if isinstance(fact, f.ErrorThrown)).catcher == "caught"
    play.complete("repair")
    assert play.completed


def test_an_error_is_looked_for_on_the_border_first_then_in_the_scope_then_outwards() -> None:
    def play(code: str) -> Play:
        deep = Drawing("deep").start("s").service("work", type="t").end("e").on_error("work", "border", "A").end("e1")
        deep.event_sub_process("in-scope", Drawing("h1").start_on("scope", ("error", "B")).end("e2"))
        deep.event_sub_process("in-scope-any", Drawing("h2").start_on("scope-any", ("error", "D")).end("e3"))
        outer = Drawing().start().sub_process("sub", deep).end().on_error("sub", "outer-border", "C").end("e4")
        outer.event_sub_process("in-process", Drawing("h3").start_on("process-any", ("error",)).end("e5"))
        played = Play(outer)
        played.throw("work", code)
        return played

    caught = {code: play(code) for code in "ABCDE"}
    catchers = {"A": "border", "B": "scope", "C": "outer-border", "D": "scope-any", "E": "process-any"}
    for code, one in caught.items():
        assert [fact.catcher for fact in one.facts if isinstance(fact, f.ErrorThrown)] == [catchers[code]]
        assert catchers[code] in one.path()
    assert all(one.completed for one in caught.values())


def test_a_code_beats_the_catch_all_of_the_same_scope() -> None:
    drawing = working(Drawing("h1").start_on("any", ("error",)).end("e1"), "first")
    play = Play(drawing.event_sub_process("second", Drawing("h2").start_on("exact", ("error", "X")).end("e2")))
    play.throw("work", "X")
    assert play.path()[-2:] == ["exact", "e2"]


def test_what_is_thrown_in_an_interrupting_one_is_not_caught_by_its_own_scope() -> None:
    inner = Drawing("h").start_on("caught", ("error",)).service("repair", type="t").end("repaired")
    play = Play(working(inner))
    play.throw("work", "X")
    play.throw("repair", "Y")
    assert play.incidents()[0].kind is IncidentKind.UNHANDLED_ERROR
    assert play.standing() == ["sub", "repair"]


def test_what_is_thrown_in_a_non_interrupting_one_is_caught_by_its_scope() -> None:
    drawing = working(handler(("message", "m"), interrupting=False))
    play = Play(drawing.event_sub_process("errors", Drawing("h").start_on("caught", ("error",)).end("repaired")))
    play.publish("m")
    play.throw("handler-work", "X")
    assert play.path()[-2:] == ["caught", "repaired"]
    assert play.completed


def test_every_round_of_a_repeated_sub_process_has_its_own() -> None:
    inner = Drawing("inner").start("s").service("deep", type="t").end("e")
    inner.event_sub_process("sub", handler(("message", "m", "=item")))
    inner.event_sub_process("errors", Drawing("h").start_on("caught", ("error",)).end("he"))
    play = Play(Drawing().start().sub_process("scope", inner).many("=keys").end(), {"keys": ["a", "b", "c"]})
    play.publish("m", "b")
    assert [element for element in play.standing() if element != "scope"] == ["deep", "deep", "sub", "handler-work"]
    play.throw("handler-work", "X")
    assert play.incidents()[0].kind is IncidentKind.UNHANDLED_ERROR, "its own scope does not catch it, nor the rounds"
    for job in [job for job in play.jobs() if play.instance.nodes[job.node].element == "deep"]:
        play.claim_key(job.key)
        play.carry_out(c.ThrowError(job.key, 1, "Y"))
    assert play.path().count("caught") == 2
    play.resolve()
    play.complete("handler-work")
    assert play.completed
    assert play.instance.waits == {}


def test_an_event_sub_process_has_event_sub_processes_of_its_own() -> None:
    inner = handler(("message", "m")).event_sub_process(
        "nested", handler(("message", "n", "=id"), name="nested-handler")
    )
    play = Play(working(inner))
    play.publish("m", "", {"id": "5"})
    play.publish("n", "5")
    assert play.standing() == ["sub", "nested", "nested-handler-work"]
    play.complete("nested-handler-work")
    assert play.completed


def test_what_cannot_be_armed_parks_the_start_and_loses_nothing() -> None:
    play = Play(working(handler(("message", "m", "=id"))))
    assert play.standing() == ["start"]
    assert "the correlation key '=id' to give a text but found null" in play.incidents()[0].message
    play.carry_out(c.SetVariables({"id": "1"}))
    play.resolve()
    assert play.standing() == ["work"]
    play.publish("m", "1")
    assert play.standing() == ["sub", "handler-work"]


def test_a_nested_wait_that_cannot_be_armed_keeps_what_the_trigger_brought() -> None:
    inner = handler(("message", "m")).event_sub_process(
        "nested", handler(("message", "n", "=later"), name="nested-handler")
    )
    play = Play(working(inner))
    play.publish("m", "", {"got": 1})
    assert play.standing() == ["sub", "handler-begins"]
    play.carry_out(c.SetVariables({"later": "x"}))
    play.resolve()
    assert play.standing() == ["sub", "handler-work"]
    assert play.variables["got"] == 1


def test_a_bug_at_a_wait_of_the_process_is_an_incident_of_the_process() -> None:
    play = Play(working(handler(("timer", "PT1M"))))
    play.carry_out(c.RaiseIncident(0, "boom"))
    assert [incident.node for incident in play.incidents()] == [0]
    play.resolve()
    play.wait(timedelta(minutes=1))
    assert play.standing() == ["sub", "handler-work"]


def test_output_mappings_of_the_start_event_choose_what_is_kept() -> None:
    mapping = f"<bpmn:extensionElements>{mappings(None, {'b': '=a'})}</bpmn:extensionElements>"
    inner = Drawing("h").node("startEvent", "hs", mapping + "<bpmn:errorEventDefinition />", connect=False).end("he")
    play = Play(working(inner))
    play.throw("work", "X", {"a": 1, "c": 2})
    assert play.variables == {"b": 1}


def test_a_timer_is_armed_as_the_scope_begins() -> None:
    play = Play(working(handler(("timer", "=wait"))), {"wait": "PT5M"})
    assert play.timers()[0].due_at == NOON + timedelta(minutes=5)
    with pytest.raises(Rejected):
        play.carry_out(c.FireTimer(99))


@pytest.mark.parametrize(
    ("drawing", "rule", "element"),
    [
        (working(Drawing("h").start("hs").end("he")), "no-event-definition", "hs"),
        (
            working(Drawing("h").start_on("hs", ("error", "X"), interrupting=False).end("he")),
            "error-not-interrupting",
            "hs",
        ),
        (working(handler(("message", "m"))).at("work").to("sub"), "event-sub-process-with-flow", "sub"),
        (working(handler(("message", "m"))).on_timer("sub", "late", "PT1S").end("x"), "unknown-reference", "late"),
        (working(handler(("cancel",))), "not-executable", "handler-begins"),
        (
            working(handler(("error", "X"))).event_sub_process("two", handler(("error", "X"), name="second")),
            "error-caught-twice",
            "second-begins",
        ),
        (
            working(handler(("error",))).event_sub_process("two", handler(("error",), name="second")),
            "error-caught-twice",
            "second-begins",
        ),
        (
            Drawing().start().sub_process("sub", Drawing("i").start_on("s", ("message", "m")).end("e")).end("x"),
            "not-executable",
            "s",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(drawing: Drawing, rule: str, element: str) -> None:
    with pytest.raises(ModelInvalid) as refusal:
        parse(drawing.xml())
    found = {(problem.rule, problem.element) for problem in refusal.value.problems}
    assert (rule, element) in found
