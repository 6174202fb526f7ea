"""Ad-hoc sub-processes: what is inside is performed as it is picked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid, Rejected
from processes.engine.parser import parse
from processes.engine.parts import NodeState
from tests.drawing import Drawing
from tests.engine.play import Play


def inside() -> Drawing:
    """Three to pick: `call`; `write`, with `post` behind it; `rest`, which is done at once."""
    drawing = Drawing("inside").apart().service("call", type="t").apart().service("write", type="t")
    return drawing.service("post", type="t").apart().node("task", "rest")


def support(**options: Any) -> Drawing:
    return Drawing().start().ad_hoc("support", inside(), **options).end()


def pick(play: Play, *ids: str) -> list[f.Fact]:
    return play.carry_out(c.ActivateAdHoc(play.node("support").key, ids))


def test_what_is_named_is_picked_as_it_begins_and_it_ends_with_all_of_it() -> None:
    play = Play(support(active="=wanted"), {"wanted": ["call", "write"]})
    assert play.standing() == ["support", "call", "write"]
    play.complete("write")
    play.complete("call")
    assert play.standing() == ["support", "post"]
    play.complete("post", {"posted": True})
    assert play.completed
    assert play.variables["posted"] is True


def test_where_nothing_is_named_it_waits_for_somebody_to_pick() -> None:
    play = Play(support())
    assert play.standing() == ["support"]
    pick(play, "call", "call")
    assert play.standing() == ["support", "call", "call"]
    play = Play(support(active="=[]"))
    assert play.node("support").state is NodeState.ACTIVE
    pick(play, "rest")
    assert play.completed


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("call", 'to be a list of ids but found "call"'),
        ([1], "to be a list of ids but found [1]"),
        (["post"], "to name what has no flow into it inside 'support' but found 'post'"),
        (["nobody"], "but found 'nobody'"),
    ],
)
def test_what_cannot_be_picked_is_an_incident_before_anything_happened(wanted: Any, message: str) -> None:
    play = Play(support(active="=wanted"), {"wanted": wanted})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.EXPRESSION
    assert message in incident.message
    play.carry_out(c.SetVariables({"wanted": ["rest"]}))
    play.resolve()
    assert play.completed


def test_a_condition_that_holds_ends_the_rest() -> None:
    play = Play(support(active='=["call", "write"]', until="=enough = true"))
    facts = play.complete("write", {"enough": True})
    assert play.completed
    assert play.path()[-1] == "end"
    assert "post" not in play.path()
    assert sum(isinstance(fact, f.NodeTerminated) for fact in facts) == 1


def test_a_condition_that_does_not_hold_keeps_it_waiting() -> None:
    play = Play(support(active='=["call"]', until="=enough = true"))
    play.complete("call")
    assert play.standing() == ["support"]
    pick(play, "call")
    play.complete("call", {"enough": True})
    assert play.completed


def test_a_condition_that_holds_may_let_the_rest_finish() -> None:
    play = Play(support(active='=["call", "write"]', until="=enough = true", cancel=False))
    play.complete("call", {"enough": True})
    assert play.standing() == ["support", "write"]
    with pytest.raises(Rejected) as caught:
        pick(play, "call")
    assert caught.value.code == "ad-hoc-over"
    # Once is enough: what becomes of the variable is of no interest any more.
    play.complete("write", {"enough": False})
    play.complete("post")
    assert play.completed


def test_a_condition_that_is_no_truth_parks_what_completes() -> None:
    play = Play(support(active='=["call"]', until="=enough"))
    play.complete("call")
    assert play.incidents()[0].kind is IncidentKind.CONDITION
    assert play.node("call").state is NodeState.COMPLETING
    play.carry_out(c.SetVariables({"enough": True}))
    play.resolve()
    assert play.completed


def test_in_sequence_one_is_performed_after_the_other() -> None:
    play = Play(support(active='=["write", "call"]', ordering="Sequential"))
    assert play.standing() == ["support", "write"]
    pick(play, "rest")
    play.complete("write")
    assert play.standing() == ["support", "post"]
    play.complete("post")
    assert play.standing() == ["support", "call"]
    play.complete("call")
    assert play.completed
    assert play.path() == ["start", "support", "write", "post", "call", "rest", "end"]


def test_picking_is_refused_where_it_makes_no_sense() -> None:
    play = Play(support(active='=["call"]'))
    for node, ids, code in (
        (play.node("support").key, ("post",), "element-not-found"),
        (play.node("support").key, ("support",), "element-not-found"),
        (play.node("call").key, ("call",), "not-ad-hoc"),
        (99, ("call",), "scope-not-found"),
    ):
        with pytest.raises(Rejected) as caught:
            play.carry_out(c.ActivateAdHoc(node, ids))
        assert caught.value.code == code
    play.carry_out(c.SuspendInstance())
    with pytest.raises(Rejected) as caught:
        pick(play, "call")
    assert caught.value.code == "instance-suspended"


def test_it_is_bounded_and_repeated_like_any_activity() -> None:
    drawing = Drawing().start().ad_hoc("support", inside(), active="=wanted").many("=lists", "wanted").end()
    play = Play(drawing.on_timer("support", "late", "PT1H").end("gave up"), {"lists": [["call"], ["rest"], ["write"]]})
    assert len(play.jobs()) == 2
    (body,) = (visit for visit in play.instance.nodes.values() if visit.scope == 0)
    with pytest.raises(Rejected) as caught:
        play.carry_out(c.ActivateAdHoc(body.key, ("call",)))
    assert caught.value.code == "not-ad-hoc"
    play.complete("call")
    play.complete("write")
    play.wait(timedelta(hours=1))
    assert play.completed
    assert play.path()[-1] == "gave up"


def test_what_does_not_belong_inside_is_refused() -> None:
    for inner, rule in (
        (Drawing("inner").start("s").service("a", type="t"), "ad-hoc-events"),
        (Drawing("inner").apart().service("a", type="t").end("e"), "ad-hoc-events"),
        (Drawing("inner").apart().timer("t", "PT1S"), "nothing-inside"),
    ):
        with pytest.raises(ModelInvalid) as caught:
            parse(Drawing().start().ad_hoc("support", inner).end().xml())
        assert rule in [problem.rule for problem in caught.value.problems]
    with pytest.raises(ModelInvalid) as caught:
        parse(support(ordering="Random").xml())
    assert [problem.rule for problem in caught.value.problems] == ["bad-ordering"]
