"""Escalations are looked for like errors, but nobody has to catch them; and events with several definitions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import ModelInvalid
from processes.engine.parser import parse
from processes.engine.parts import Trigger
from tests.drawing import Definition, Drawing
from tests.engine.play import Play

ESCALATION = ("escalation", "LATE")


def inside(drawing: Drawing | None = None) -> Drawing:
    """A sub-process that escalates in its middle."""
    inner = (drawing or Drawing("inner")).start("s").throw("escalate", ESCALATION).service("deep", type="t").end("e")
    return Drawing().start().sub_process("sub", inner).service("next", type="t").end()


def catchers(play: Play) -> list[str]:
    return [fact.catcher for fact in play.facts if isinstance(fact, f.EscalationThrown)]


def test_an_escalation_nobody_catches_is_told_and_no_harm() -> None:
    play = Play(inside())
    assert catchers(play) == [""]
    assert play.incidents() == []
    assert play.standing() == ["sub", "deep"]


def test_an_interrupting_boundary_event_ends_who_escalated() -> None:
    play = Play(inside().on("sub", "caught", ESCALATION).end("gave-up"))
    assert play.path() == ["start", "sub", "s", "escalate", "caught", "gave-up"]
    assert play.completed


def test_a_non_interrupting_boundary_event_goes_beside() -> None:
    play = Play(inside().on("sub", "caught", ESCALATION, interrupting=False).service("help", type="t").end("helped"))
    assert play.standing() == ["sub", "help", "deep"]
    play.complete("help")
    play.complete("deep")
    play.complete("next")
    assert play.completed


@pytest.mark.parametrize("interrupting", [True, False])
def test_an_event_sub_process_catches_an_escalation(interrupting: bool) -> None:
    handler = (
        Drawing("h").start_on("caught", ("escalation",), interrupting=interrupting).service("help", type="t").end("x")
    )
    inner = Drawing("inner").start("s").throw("escalate", ESCALATION).service("deep", type="t").end("e")
    play = Play(Drawing().start().sub_process("sub", inner.event_sub_process("handler", handler)).end())
    assert catchers(play) == ["caught"]
    assert play.standing() == (["sub", "handler", "help"] if interrupting else ["sub", "handler", "help", "deep"])


def test_an_exact_code_beats_the_catch_all_and_the_inner_scope_the_outer() -> None:
    drawing = inside().on("sub", "any", ("escalation",), interrupting=False).end("e1")
    play = Play(drawing.on("sub", "exact", ESCALATION, interrupting=False).end("e2"))
    assert catchers(play) == ["exact"]
    play = Play(inside().on("sub", "other", ("escalation", "OTHER"), interrupting=False).end("e1"))
    assert catchers(play) == [""]


def test_an_end_event_escalates_as_it_ends() -> None:
    inner = Drawing("inner").start("s").end_on("escalate", ESCALATION)
    drawing = Drawing().start().sub_process("sub", inner).end()
    play = Play(drawing.on("sub", "caught", ESCALATION, interrupting=False).end("told"))
    assert play.completed
    assert {"end", "told"} <= set(play.path())


def test_an_escalation_is_no_error() -> None:
    drawing = inside().on_error("sub", "error").end("e1")
    assert catchers(Play(drawing)) == [""]


@pytest.mark.parametrize("kind", ["error", "escalation"])
def test_a_code_that_is_thrown_may_be_computed(kind: str) -> None:
    inner = Drawing("inner").start("s").end_on("bad", (kind, "=code"))
    play = Play(
        Drawing().start().sub_process("sub", inner).end().on("sub", "caught", (kind, "X")).end("e"), {"code": "X"}
    )
    assert play.path()[-2:] == ["caught", "e"]
    play = Play(Drawing().start().sub_process("sub", inner).end().on("sub", "caught", (kind, "X")).end("e"))
    assert "code '=code' to give a text but found null" in play.incidents()[0].message


# -- several definitions -----------------------------------------------------------------------------------------------


def test_the_first_of_several_events_counts() -> None:
    drawing = Drawing().start().catch("wait", ("message", "a"), ("timer", "PT1M"), ("message", "b", "=k")).end()
    for happen in ("a", "b", "timer"):
        play = Play(drawing, {"k": "1"})
        if happen == "timer":
            play.wait(timedelta(minutes=1))
        else:
            play.publish(happen, "1" if happen == "b" else "")
        assert play.completed
        assert play.instance.waits == {}


def test_a_border_with_several_events() -> None:
    drawing = Drawing().start().service("work", type="t").end()
    drawing.on("work", "out", ("error", "X"), ("timer", "PT1M")).end("over")
    play = Play(drawing)
    play.throw("work", "X")
    assert play.path()[-2:] == ["out", "over"]
    play = Play(drawing)
    play.wait(timedelta(minutes=1))
    assert play.path()[-2:] == ["out", "over"]


def test_parallel_multiple_needs_all() -> None:
    events: tuple[Definition, ...] = (("message", "a"), ("message", "b"), ("timer", "PT1M"))
    play = Play(Drawing().start().catch("wait", *events, parallelMultiple="true").end())
    play.publish("b", "", {"x": 1})
    assert play.variables == {"x": 1}
    with pytest.raises(AssertionError, match="nobody waits"):
        play.publish("b")
    play.wait(timedelta(minutes=1))
    assert not play.completed
    play.publish("a", "", {"y": 2})
    assert play.completed
    assert play.variables == {"x": 1, "y": 2}


def test_a_parallel_multiple_event_sub_process() -> None:
    inner = Drawing("h").start_on("both", ("message", "a"), ("message", "b"), parallelMultiple="true")
    drawing = (
        Drawing()
        .start()
        .service("work", type="t")
        .end()
        .event_sub_process("sub", inner.service("w", type="t").end("x"))
    )
    play = Play(drawing)
    play.publish("a", "", {"a": 1})
    assert play.standing() == ["work"]
    play.publish("b")
    assert play.standing() == ["sub", "w"]
    assert play.variables == {"a": 1}


def side_by_side(place: str, *events: Definition) -> Drawing:
    """A task, and what a parallel multiple event that does not interrupt sets off beside it."""
    drawing = Drawing().start().service("work", type="t").end()
    if place == "boundary":
        on = drawing.on("work", "both", *events, interrupting=False, parallelMultiple="true")
        return on.service("note", type="n").end("noted")
    inner = Drawing("h").start_on("both", *events, interrupting=False, parallelMultiple="true")
    return drawing.event_sub_process("sub", inner.service("note", type="n").end("noted"))


@pytest.mark.parametrize("place", ["boundary", "event sub-process"])
def test_a_parallel_multiple_that_does_not_interrupt_fires_each_time_that_all_have_happened_anew(place: str) -> None:
    play = Play(side_by_side(place, ("message", "a"), ("signal", "b")), {})
    for round in (1, 2):
        play.publish("a", "", {"a": round})
        with pytest.raises(AssertionError, match="nobody waits"):
            play.publish("a")
        assert play.path().count("note") == round - 1
        play.broadcast("b", {"b": round})
        assert play.path().count("note") == round
        assert play.variables == {"a": round, "b": round}
    for job in play.jobs():
        play.complete(job)
    assert play.completed


def test_a_condition_among_them_has_to_become_true_again() -> None:
    play = Play(side_by_side("boundary", ("message", "a"), ("conditional", "=hot")), {"hot": True})
    play.publish("a")
    assert play.path().count("note") == 1
    play.publish("a")
    assert play.path().count("note") == 1, "it is true still, and has not become so"
    play.carry_out(c.SetVariables({"hot": False}))
    play.carry_out(c.SetVariables({"hot": True}))
    assert play.path().count("note") == 2


def test_a_duration_among_them_is_over_once() -> None:
    play = Play(side_by_side("boundary", ("message", "a"), ("timer", "PT1M")))
    play.wait(timedelta(minutes=1))
    play.publish("a")
    assert play.path().count("note") == 1
    assert not any(isinstance(wait, Trigger) for wait in play.instance.waits.values())


def test_what_cannot_be_waited_for_anew_parks_the_host() -> None:
    events = ("message", "a", "=key"), ("message", "b")
    play = Play(side_by_side("boundary", *events), {"key": "k"})
    play.publish("a", "k", {"key": None})
    play.publish("b")
    assert play.path().count("note") == 1
    assert "the correlation key '=key'" in play.incidents()[0].message


def test_a_multiple_throw_throws_all() -> None:
    inner = Drawing("inner").start("s").end_on("bad", ("error", "X"), ("message", "m"), ESCALATION)
    drawing = Drawing().start().sub_process("sub", inner).end().on_error("sub", "caught", "X").end("e1")
    play = Play(drawing.on("sub", "escalated", ESCALATION, interrupting=False).end("e2"))
    kinds = [
        type(fact) for fact in play.facts if isinstance(fact, f.MessageThrown | f.EscalationThrown | f.ErrorThrown)
    ]
    assert kinds == [f.MessageThrown, f.EscalationThrown, f.ErrorThrown]
    assert {"caught", "escalated"} <= set(play.path())
    assert play.completed


@pytest.mark.parametrize(
    ("drawing", "rule"),
    [
        (Drawing().start().catch("x", ("message", "m"), ("message", "m")).end(), "event-twice"),
        (Drawing().start().end_on("x", ("terminate",), ("error", "X")), "not-executable"),
        (Drawing().start().catch("x", ESCALATION).end(), "not-executable"),
        (Drawing().start().throw("x", ("escalation",)).end(), "no-escalation"),
        (
            Drawing().start().service("t", type="t").end()
            .on("t", "x", ("message", "m"), ("error",), parallelMultiple="true").end("e"),
            "not-executable",
        ),
        (
            Drawing().start().service("t", type="t").end()
            .on("t", "x", ("message", "m"), ("timer", "R/PT1S", "timeCycle"), interrupting=False,
                parallelMultiple="true").end("e"),
            "not-executable",
        ),
        (Drawing().start().service("t", type="t").end().on("t", "x", ("escalation", "=c")).end("e"), "not-executable"),
        (
            Drawing().start().service("t", type="t").end().on("t", "y", ("escalation",), interrupting=False).end("e")
            .on("t", "x", ("escalation",), interrupting=False).end("e2"),
            "escalation-caught-twice",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(drawing: Drawing, rule: str) -> None:
    with pytest.raises(ModelInvalid) as refusal:
        parse(drawing.xml())
    assert rule in {problem.rule for problem in refusal.value.problems}
