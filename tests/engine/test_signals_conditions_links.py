"""Signals, conditions and links: in the flow, on borders, behind gateways, and where event sub-processes begin."""

from __future__ import annotations

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid
from processes.engine.parser import parse
from tests.drawing import Definition, Drawing
from tests.engine.play import Play
from tests.engine.test_block_structured import carry_out

STOP = ("signal", "stop")
HOT = ("conditional", "=heat > 9")


def working() -> Drawing:
    return Drawing().start().service("work", type="t").end()


def heat(play: Play, degrees: object) -> None:
    """On a copy, lazily, and truly."""
    carry_out(play, c.SetVariables({"heat": degrees}))


# -- signals -----------------------------------------------------------------------------------------------------------


def test_a_signal_is_waited_for_and_brings_variables() -> None:
    play = Play(Drawing().start().catch("wait", ("signal", "=name")).end(), {"name": "stop"})
    play.broadcast("stop", {"why": "late"})
    assert play.completed
    assert play.variables["why"] == "late"


def test_a_signal_on_a_border() -> None:
    play = Play(working().on("work", "out", STOP).end("over"))
    play.broadcast("stop")
    assert play.path()[-2:] == ["out", "over"]
    assert play.completed
    play = Play(working().on("work", "note", STOP, interrupting=False).end("noted"))
    play.broadcast("stop")
    play.broadcast("stop")
    assert play.path().count("noted") == 2
    assert play.standing() == ["work"]


def test_a_signal_begins_an_event_sub_process() -> None:
    play = Play(working().event_sub_process("sub", Drawing("h").start_on("hs", STOP).service("w", type="t").end("he")))
    play.broadcast("stop")
    assert play.standing() == ["sub", "w"]


def test_a_signal_behind_a_gateway() -> None:
    drawing = Drawing().start().event_based("g").catch("a", STOP).end("stopped").at("g").catch("b", HOT).end("hot")
    play = Play(drawing)
    play.broadcast("stop")
    assert play.path()[-2:] == ["a", "stopped"]
    play = Play(drawing)
    heat(play, 10)
    assert play.path()[-2:] == ["b", "hot"]
    assert play.completed


def test_a_signal_takes_along_what_its_mapping_says_and_no_more() -> None:
    mapping = '<bpmn:extensionElements><zeebe:ioMapping><zeebe:input source="=a + 1" target="b" /></zeebe:ioMapping>'
    drawing = Drawing().start().throw("say", STOP).end_on("bye", ("signal", "gone"))
    xml = drawing.xml().replace(
        b'<bpmn:intermediateThrowEvent id="say">',
        f'<bpmn:intermediateThrowEvent id="say">{mapping}</bpmn:extensionElements>'.encode(),
    )
    play = Play(xml, {"a": 1})
    thrown = [fact for fact in play.facts if isinstance(fact, f.SignalThrown)]
    assert [(fact.name, fact.variables) for fact in thrown] == [("stop", {"b": 2}), ("gone", {})]
    assert play.variables == {"a": 1}


# -- conditions --------------------------------------------------------------------------------------------------------


def test_a_condition_that_is_true_already_lets_the_token_pass() -> None:
    assert Play(Drawing().start().catch("wait", HOT).end(), {"heat": 10}).completed


def test_a_condition_is_looked_at_when_a_variable_changes() -> None:
    play = Play(Drawing().start().catch("wait", HOT).end())
    for degrees in (5, None, "hot"):
        heat(play, degrees)
        assert play.standing() == ["wait"]
    heat(play, 11)
    assert play.completed


def test_an_interrupting_condition_takes_the_place_of_the_task() -> None:
    play = Play(working().on("work", "out", HOT).end("over"), {"heat": 1})
    heat(play, 10)
    assert play.path()[-2:] == ["out", "over"]
    assert play.completed


def test_a_condition_that_does_not_interrupt_is_triggered_whenever_it_becomes_true_again() -> None:
    play = Play(working().on("work", "note", HOT, interrupting=False).end("noted"))
    for degrees in (10, 11, 3, 12, 4, 5):
        heat(play, degrees)
    assert play.path().count("noted") == 2
    play.complete("work")
    assert play.completed
    assert play.instance.waits == {}


def test_a_condition_sees_what_a_job_brings_before_the_token_goes_on() -> None:
    inner = Drawing("inner").start("s").service("measure", type="t").script("next", "=1", "n").end("e")
    play = Play(Drawing().start().sub_process("sub", inner).end().on("sub", "out", HOT).end("over"))
    play.complete("measure", {"heat": 12})
    assert "next" not in play.path()
    assert play.path()[-2:] == ["out", "over"]


def test_a_condition_begins_an_event_sub_process() -> None:
    handler = Drawing("h").start_on("hs", HOT).script("cool", "=0", "heat").service("w", type="t").end("he")
    play = Play(working().event_sub_process("sub", handler), {"heat": 10})
    assert play.path() == ["start", "sub", "hs", "cool", "w"]
    assert play.standing() == ["sub", "w"]


def test_a_condition_sees_its_own_scope_only() -> None:
    inner = Drawing("inner").start("s").catch("wait", HOT).end("e")
    play = Play(Drawing().start().parallel("g").sub_process("sub", inner, inputs={"heat": "=0"}).end().at("g")
                .service("work", type="t").end("e2"))  # fmt: skip
    heat(play, 10)
    assert play.standing() == ["sub", "work", "wait"]
    carry_out(play, c.SetVariables({"heat": 10}, play.node("sub").key))
    assert play.standing() == ["work"]


def test_conditions_that_set_each_other_off_come_to_rest() -> None:
    cool = Drawing("cool").start_on("too-hot", ("conditional", "=n > 0 and even(n)"), interrupting=False)
    cool.script("down", "=n - 1", "n").end("cooled")
    warm = Drawing("warm").start_on("odd", ("conditional", "=n > 0 and odd(n)"), interrupting=False)
    warm.script("down-too", "=n - 1", "n").end("warmed")
    play = Play(working().event_sub_process("one", cool).event_sub_process("two", warm))
    play.carry_out(c.SetVariables({"n": 6}))
    assert play.variables["n"] == 0
    assert play.standing() == ["work"]


def test_conditions_that_never_rest_are_an_incident() -> None:
    inner = Drawing("h").start_on("flip", ("conditional", "=n >= 0 and even(n)"), interrupting=False)
    other = Drawing("o").start_on("flop", ("conditional", "=n >= 0 and odd(n)"), interrupting=False)
    drawing = working().event_sub_process("one", inner.script("up", "=n + 1", "n").end("e1"))
    play = Play(drawing.event_sub_process("two", other.script("up-too", "=n + 1", "n").end("e2")))
    play.carry_out(c.SetVariables({"n": 0}))
    assert {incident.kind for incident in play.incidents()} == {IncidentKind.ENDLESS_LOOP}


def test_a_condition_too_costly_to_evaluate_is_one_incident_until_it_is_resolved() -> None:
    play = Play(Drawing().start().catch("wait", ("conditional", "=n > 0 and (every i in 1..n satisfies i > 0)")).end())
    for n in (100_000_000, 200_000_000):
        play.carry_out(c.SetVariables({"n": n}))
        (incident,) = play.incidents()
        assert incident.kind is IncidentKind.CONDITION
    play.resolve()
    assert len(play.incidents()) == 1, "it was looked at again"
    play.carry_out(c.SetVariables({"n": 2}))
    assert play.completed


# -- links -------------------------------------------------------------------------------------------------------------


def test_a_link_is_a_flow_that_is_not_drawn() -> None:
    drawing = Drawing().start().exclusive("g").when("=a").throw("one", ("link", "L"))
    drawing.at("g").otherwise().throw("two", ("link", "L")).at("none")
    drawing._at = None
    drawing.catch("target", ("link", "L")).service("work", type="t").end()
    for a, thrower in ((True, "one"), (False, "two")):
        play = Play(drawing, {"a": a})
        assert play.path()[-3:] == [thrower, "target", "work"]
        play.complete("work")
        assert play.completed


def test_an_inclusive_join_knows_that_a_token_can_arrive_by_a_link() -> None:
    drawing = Drawing().start().inclusive("split").when("=true").node("task", "a").inclusive("join").end()
    drawing.at("split").when("=true").service("slow", type="t").throw("away", ("link", "back"))
    drawing._at = None
    drawing.catch("here", ("link", "back")).to("join")
    play = Play(drawing)
    assert play.standing() == ["slow"]
    assert "end" not in play.path()
    play.complete("slow")
    assert play.path().count("end") == 1
    assert play.completed


def unconnected(drawing: Drawing, id: str, *definitions: Definition) -> Drawing:
    drawing._at = None
    return drawing.catch(id, *definitions)


@pytest.mark.parametrize(
    ("drawing", "rule", "element"),
    [
        (Drawing().start().throw("x", ("link", "L")), "no-link-target", "x"),
        (Drawing().start().throw("x", ("link", "")), "no-link", "x"),
        (
            unconnected(unconnected(Drawing().start().throw("x", ("link", "L")), "a", ("link", "L")).end("e"), "b",
                        ("link", "L")).end("e2"),
            "two-link-targets",
            "b",
        ),
        (
            unconnected(Drawing().start().throw("x", ("link", "L")).end(), "a", ("link", "L")).end("e"),
            "link-with-flow",
            "x",
        ),
        (unconnected(Drawing().start().end(), "a", ("link", "L")).end("e"), "no-link-source", "a"),
        (Drawing().start().catch("x", ("signal", "")).end(), "no-signal", "x"),
        (Drawing().start().catch("x", ("conditional", "")).end(), "no-condition", "x"),
        (Drawing().start().catch("x", ("conditional", "=1 +")).end(), "bad-feel", "x"),
        (Drawing().start().throw("x", ("conditional", "=true")).end(), "not-executable", "x"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_refused(drawing: Drawing, rule: str, element: str) -> None:
    with pytest.raises(ModelInvalid) as refusal:
        parse(drawing.xml())
    assert (rule, element) in {(problem.rule, problem.element) for problem in refusal.value.problems}
