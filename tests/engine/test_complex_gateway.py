"""The complex gateway, BPMN 2.0.2 section 13.4.5: opens early, waits for the late ones, opens again."""

from __future__ import annotations

from typing import Any

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid
from processes.engine.parser import parse
from tests.drawing import Drawing
from tests.engine.play import Play
from tests.engine.test_migration import migrate, refused


def race(activation: str, *, split: str = "parallelGateway", names: str = "abc") -> Drawing:
    """Tasks side by side that lead to a complex gateway, over flows of their names in capitals."""
    drawing = Drawing().start().node(split, "fork")
    for name in names:
        drawing.at("fork")
        if split == "inclusiveGateway":
            drawing.when(f'=list contains(chosen, "{name}")')
        drawing.service(name, type="t")
        if name == names[0]:
            drawing._at = None
            drawing.complex("gate", activation).at(name)
        drawing.to("gate", flow=name.upper())
    return drawing.at("gate")


def afterwards(drawing: Drawing, *, both: bool = False) -> Drawing:
    """Behind the gateway: `after`, and `late` in the second phase, where it is asked for."""
    if not both:
        return drawing.service("after", type="t").end()
    drawing.when("=waitingForStart").service("after", type="t").end()
    return drawing.at("gate").when("=not(waitingForStart)").service("late", type="t").end("end2")


def entered(play: Play, element: str) -> int:
    return play.path().count(element)


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_it_opens_once_its_condition_is_true_and_what_is_late_ends_there(order: str) -> None:
    play = Play(afterwards(race("=activationCount >= 2")))
    first, second, third = order
    play.complete(first)
    assert "gate" not in play.path()
    play.complete(second)
    assert play.standing() == [third, "gate", "after"], "it waits for reset"
    play.complete("after")
    assert not play.completed
    play.complete(third)
    assert play.completed
    assert entered(play, "after") == 1


def test_late_tokens_leave_together_on_the_flows_whose_condition_is_true_by_then() -> None:
    play = Play(afterwards(race("=A > 0"), both=True))
    for name in "cb":
        play.complete(name)
    assert "gate" not in play.path(), "the flow of a has none yet"
    play.complete("a")
    assert (play.standing(), play.completed) == (["after"], False), "all were there, so nobody is late"
    play = Play(afterwards(race("=A > 0"), both=True))
    play.complete("a")
    play.complete("b")
    assert play.standing() == ["c", "gate", "after"], "one of the late ones is not there yet"
    assert [token.flow for token in play.instance.tokens.values()] == ["B"]
    play.complete("c")
    assert play.standing() == ["after", "late"]
    assert (entered(play, "after"), entered(play, "late"), entered(play, "gate")) == (1, 1, 2)
    assert next(fact.flows for fact in play.facts if isinstance(fact, f.FlowsJoined)) == ("A",)


def test_it_does_not_wait_for_what_cannot_arrive() -> None:
    play = Play(afterwards(race("=activationCount >= 1", split="inclusiveGateway")), {"chosen": ["a", "c"]})
    play.complete("a")
    assert play.standing() == ["c", "gate", "after"]
    play.complete("c")
    assert play.standing() == ["after"], "b was never begun"
    play = Play(afterwards(race("=activationCount >= 1", split="inclusiveGateway"), both=True), {"chosen": ["a"]})
    play.complete("a")
    assert play.standing() == ["after"], "it is reset at once, and no token comes out of nothing"
    play.complete("after")
    assert play.completed


def test_it_is_reset_when_the_last_path_to_it_dies() -> None:
    drawing = afterwards(race("=activationCount >= 1", names="ab")).on_error("b", "failed", "E").end("gone")
    play = Play(drawing)
    play.complete("a")
    play.complete("after")
    assert play.standing() == ["b", "gate"]
    play.throw("b", "E")
    assert play.completed


def test_it_opens_again_after_it_was_reset() -> None:
    drawing = Drawing().start().exclusive("again").parallel("fork").service("a", type="t")
    drawing.complex("gate", "=activationCount >= 1").service("after", type="t").exclusive("more").when("=n < 2")
    drawing.script("count", "=n + 1", "n").to("again").at("more").otherwise().end()
    play = Play(drawing.at("fork").service("b", type="t").to("gate"), {"n": 1})
    play.complete("a")
    play.complete("after")
    assert play.standing() == ["b", "gate", "a", "b"]
    play.complete("a")
    assert entered(play, "gate") == 1, "a second token over the same flow waits for the next round"
    slow, fast = (job for job in play.jobs())
    play.complete(slow)
    assert entered(play, "after") == 2, "b was late for the first round; then the gateway opened anew"
    play.complete(fast)
    play.complete("after")
    assert play.completed


def test_what_it_counts_are_tokens() -> None:
    drawing = Drawing().start().parallel("fork").exclusive("merge").complex("gate", "=activationCount >= 2 and go")
    drawing.service("after", type="t").end().at("fork").to("merge", flow="second").at("fork").service("b", type="t")
    play = Play(drawing.to("gate"), {"go": False})
    assert (play.standing(), len(play.instance.tokens)) == (["b"], 2)
    play.carry_out(c.SetVariables({"go": True}))
    assert play.standing() == ["b", "gate", "after"], "it looks at the variables as well"
    assert [token.flow for token in play.instance.tokens.values()] == ["merge-gate"], "one of each flow is taken"


def test_variables_around_a_sub_process_count_inside() -> None:
    inner = Drawing("inner").start("s").parallel("fork").complex("gate", "=go").end("e").at("fork").to("gate", flow="B")
    play = Play(Drawing().start().sub_process("sub", inner).end(), {"go": None})
    assert play.standing() == ["sub"]
    play.carry_out(c.SetVariables({"go": True}))
    assert play.completed


def test_a_condition_that_cannot_be_evaluated_is_an_incident_around_it() -> None:
    play = Play(afterwards(race("=10 ** n > activationCount", names="ab")), {"n": 9999})
    play.complete("a")
    (incident,) = play.incidents()
    assert (incident.node, incident.kind) == (0, IncidentKind.CONDITION)
    play.complete("b")
    assert len(play.incidents()) == 1
    play.carry_out(c.SetVariables({"n": 2}))
    assert play.standing() == ["after"]
    play.resolve()
    play.complete("after")
    assert play.completed


@pytest.mark.parametrize("mend", [{"go": "a"}, {"go": "b"}])
def test_where_no_flow_can_be_taken_it_is_an_incident_and_goes_on_from_there(mend: dict[str, Any]) -> None:
    drawing = race("=activationCount >= 1", names="ab").when('=go = "a"').end("x").at("gate").when('=go = "b"').end("y")
    play = Play(drawing, {"go": ""})
    play.complete("a")
    assert "to be true, or a default flow" in play.incidents()[0].message
    play.complete("b")
    assert len(play.instance.tokens) == 1, "late tokens wait until the first phase is over"
    play.carry_out(c.SetVariables(mend))
    play.resolve()
    assert play.completed
    assert (entered(play, "x"), entered(play, "y")) == ((2, 0) if mend["go"] == "a" else (0, 2))


def test_the_default_flow_is_taken_where_no_condition_is_true_in_either_phase() -> None:
    drawing = race("=activationCount >= 1", names="ab").when("=n > 1").end("x").at("gate").otherwise().end("y")
    play = Play(drawing, {"n": 2})
    play.complete("a")
    play.carry_out(c.SetVariables({"n": 0}))
    play.complete("b")
    assert play.completed
    assert play.path()[-3:] == ["b", "gate", "y"] or play.path()[-2:] == ["gate", "y"]
    assert (entered(play, "x"), entered(play, "y")) == (1, 1)


def test_with_one_flow_in_it_is_a_split() -> None:
    drawing = Drawing().start().complex("gate").when("=n > 1").end("x").at("gate").when("=n > 2").end("y")
    assert Play(drawing.at("gate").otherwise().end("z"), {"n": 3}).path()[2:] == ["x", "y"]
    assert Play(drawing, {"n": 1}).path()[2:] == ["z"]


def test_what_ends_its_scope_ends_what_waits_for_reset() -> None:
    drawing = race("=activationCount >= 1", names="ab").terminate()
    play = Play(drawing)
    play.complete("a")
    assert play.completed


def test_an_inclusive_join_behind_it_does_not_wait_for_its_reset() -> None:
    drawing = Drawing().start().parallel("fork").service("a", type="t").complex("gate", "=activationCount >= 1")
    drawing.inclusive("join").service("after", type="t").end().at("fork").service("b", type="t").to("gate")
    drawing.at("fork").service("c", type="t").to("join")
    play = Play(drawing)
    play.complete("a")
    assert play.standing() == ["b", "c", "gate"]
    play.complete("c")
    assert play.standing() == ["b", "gate", "after"]


def test_what_waits_for_reset_is_migrated_with_its_flows() -> None:
    play = Play(afterwards(race("=activationCount >= 1", names="ab")))
    play.complete("a")
    play.complete("after")
    other = race("=activationCount >= 1", names="ab").service("after", type="t").end()
    migrate(play, other.at("a"))
    assert play.standing() == ["b", "gate"]
    renamed = Drawing().start().parallel("fork").service("a", type="t").complex("gate", "=true")
    renamed.service("after", type="t").end().at("fork").service("b", type="t").to("gate", flow="B")
    assert "Expected flow 'A' to stay what it is" in refused(play, renamed, A="a-gate")
    play.complete("b")
    assert play.completed


@pytest.mark.parametrize(
    ("drawing", "rule"),
    [
        (race(""), "no-activation-condition"),
        (race("=1 +"), "bad-feel"),
    ],
)
def test_what_never_opens_is_refused(drawing: Drawing, rule: str) -> None:
    with pytest.raises(ModelInvalid) as refusal:
        parse(drawing.xml())
    assert (rule, "gate") in {(problem.rule, problem.element) for problem in refusal.value.problems}
