"""Gateways: splitting, joining, choosing, waiting."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine.errors import IncidentKind
from tests.drawing import Drawing
from tests.engine.play import Play


def test_exclusive_takes_the_first_flow_that_holds() -> None:
    drawing = Drawing().start().exclusive("g").when("=n > 1").end("a").at("g").when("=n > 0").end("b")
    assert Play(drawing, {"n": 5}).path()[2:] == ["a"]
    assert Play(drawing, {"n": 1}).path()[2:] == ["b"]
    (incident,) = Play(drawing, {"n": 0}).incidents()
    assert incident.kind is IncidentKind.CONDITION
    assert "a default flow, but found neither" in incident.message


def _fork(join: str = "parallel") -> Drawing:
    drawing = Drawing().start().parallel("fork").service("a", type="t")
    drawing = drawing.parallel("join") if join == "parallel" else drawing.inclusive("join")
    return drawing.service("after", type="t").end().at("fork").service("b", type="t").to("join")


def test_a_parallel_join_waits_for_every_flow() -> None:
    play = Play(_fork())
    assert play.standing() == ["a", "b"]
    play.complete("b")
    assert play.standing() == ["a"]
    assert [token.flow for token in play.instance.tokens.values()] == ["b-join"]
    play.complete("a")
    assert play.standing() == ["after"]
    assert play.instance.tokens == {}
    play.complete("after")
    assert play.completed


def test_two_tokens_over_one_flow_do_not_open_a_parallel_join() -> None:
    drawing = (
        Drawing()
        .start()
        .parallel("fork")
        .exclusive("merge")
        .parallel("join")
        .end()
        .at("fork")
        .to("merge", flow="second")
        .at("fork")
        .service("slow", type="t")
        .to("join")
    )
    play = Play(drawing)
    assert sorted(token.flow for token in play.instance.tokens.values()) == ["merge-join", "merge-join"]
    play.complete("slow")
    assert play.path().count("join") == 1
    assert not play.completed, "one token still waits at the join, for a flow that stays empty"


def _inclusive(join: str = "inclusive") -> Drawing:
    return (
        Drawing()
        .start()
        .inclusive("split")
        .when("=a")
        .service("one", type="t")
        .inclusive("join")
        .end()
        .at("split")
        .when("=b")
        .service("two", type="t")
        .to("join")
        .at("split")
        .otherwise()
        .service("else", type="t")
        .to("join")
    )


@pytest.mark.parametrize(
    ("variables", "taken"),
    [
        ({"a": True, "b": True}, ["one", "two"]),
        ({"a": True, "b": False}, ["one"]),
        ({"a": False, "b": False}, ["else"]),
    ],
)
def test_an_inclusive_join_waits_for_what_can_still_arrive(variables: dict[str, bool], taken: list[str]) -> None:
    play = Play(_inclusive(), variables)
    assert play.standing() == taken
    for element in taken:
        assert not play.completed
        play.complete(element)
    assert play.completed
    assert play.path().count("join") == 1


def test_an_inclusive_join_opens_when_the_other_path_dies() -> None:
    drawing = (
        Drawing()
        .start()
        .parallel("fork")
        .service("a", type="t")
        .inclusive("join")
        .end()
        .at("fork")
        .service("b", type="t")
        .exclusive("choice")
        .when("=join")
        .to("join")
        .at("choice")
        .otherwise()
        .end("elsewhere")
    )
    play = Play(drawing, {"join": False})
    play.complete("a")
    assert play.standing() == ["b"]
    play.complete("b")
    assert play.completed
    assert play.path()[-3:] == ["choice", "elsewhere", "join"] or "join" in play.path()


def test_an_inclusive_join_in_a_loop_does_not_wait_for_itself() -> None:
    drawing = (
        Drawing()
        .start()
        .inclusive("join")
        .service("work", type="t")
        .exclusive("again")
        .when("=more")
        .to("join")
        .at("again")
        .otherwise()
        .end()
    )
    play = Play(drawing, {"more": True})
    play.complete("work", {"more": True})
    play.complete("work", {"more": False})
    assert play.completed
    assert play.path().count("work") == 2


def test_an_inclusive_join_waits_for_a_path_through_a_boundary_event() -> None:
    drawing = (
        Drawing()
        .start()
        .parallel("fork")
        .service("a", type="t")
        .inclusive("join")
        .end()
        .at("fork")
        .service("b", type="t")
        .end("b-end")
        .on_error("b", "b-failed")
        .to("join")
    )
    play = Play(drawing)
    play.complete("a")
    assert not play.completed
    assert play.path().count("join") == 0
    play.throw("b", "X")
    assert play.completed
    assert play.path().count("join") == 1


def test_an_event_based_gateway_goes_where_the_first_event_occurs() -> None:
    def drawing() -> Drawing:
        return (
            Drawing()
            .start()
            .event_based("wait")
            .message("paid", "payment", "=id")
            .end("happy")
            .at("wait")
            .timer("late", "PT1H")
            .end("sad")
        )

    play = Play(drawing(), {"id": 7})
    assert play.standing() == ["wait"]
    play.publish("payment", "7", {"amount": 3})
    assert play.path() == ["start", "wait", "paid", "happy"]
    assert play.variables == {"id": 7, "amount": 3}
    assert play.instance.waits == {}

    play = Play(drawing(), {"id": 7})
    play.wait(timedelta(hours=1))
    assert play.path() == ["start", "wait", "late", "sad"]


def test_an_event_based_gateway_may_lead_to_a_receive_task() -> None:
    drawing = (
        Drawing()
        .start()
        .event_based("wait")
        .receive("letter", "letter", "=id")
        .end("happy")
        .at("wait")
        .timer("late", "PT1H")
        .end("sad")
    )
    play = Play(drawing, {"id": "x"})
    play.publish("letter", "x")
    assert play.path() == ["start", "wait", "letter", "happy"]
