"""Skipping: a visit ends undone, and the token goes on behind it; replayed after every step."""

from __future__ import annotations

import pytest

from processes.engine import facts as f
from processes.engine.commands import SkipVisit
from processes.engine.errors import Rejected
from tests.drawing import Drawing
from tests.engine.play import Play


def skip(play: Play, element: str, **variables: object) -> list[f.Fact]:
    return play.carry_out(SkipVisit(play.node(element).key, variables))


def test_the_token_goes_on_and_outputs_are_not_mapped() -> None:
    play = Play(Drawing().start().service("a", type="a", outputs={"total": "=amount * 2"}).service("b", type="b").end())
    facts = skip(play, "a", total=7)
    assert [type(fact) for fact in facts[:3]] == [f.VariablesSet, f.NodeTerminated, f.FlowTaken]
    assert (play.standing(), play.variables) == (["b"], {"total": 7})
    assert [job.type for job in play.jobs()] == ["b"]


def test_what_is_given_decides_which_way() -> None:
    drawing = Drawing().start().service("a", type="a").exclusive("x").when("=ok").service("yes", type="t").end()
    drawing.at("x").otherwise().service("no", type="t").end("e2")
    play = Play(drawing)
    skip(play, "a", ok=True)
    assert play.standing() == ["yes"]


def test_an_incident_ends_with_the_visit() -> None:
    play = Play(Drawing().start().service("a", type="a").service("b", type="b").end())
    play.fail("a", retries=0)
    assert play.incidents()
    skip(play, "a")
    assert (play.standing(), play.incidents()) == (["b"], [])


def test_a_sub_process_ends_with_all_that_is_in_it_and_its_boundary_events() -> None:
    inner = Drawing("inner").start("is").parallel("fork").service("x", type="x").end("e1")
    inner.at("fork").timer("nap", "PT1H").end("e2")
    drawing = Drawing().start().sub_process("sub", inner).service("z", type="z").end()
    play = Play(drawing.on_timer("sub", "late", "PT1H").end("gone"))
    skip(play, "sub")
    assert play.standing() == ["z"]
    assert play.timers() == []


def test_waiting_for_a_message_and_the_last_of_an_instance() -> None:
    play = Play(Drawing().start().message("await", "paid", "=1").service("last", type="t"))
    skip(play, "await")
    skip(play, "last")
    assert play.completed


def test_what_was_not_done_is_not_undone_later() -> None:
    drawing = Drawing().start().service("book", type="book").undo_with("book", "unbook", type="unbook")
    drawing = drawing.throw("undo", ("compensate",)).end()
    play = Play(drawing)
    skip(play, "book")
    assert play.completed
    assert not [fact for fact in play.facts if isinstance(fact, f.CompensationRegistered)]


def refused(play: Play, node: int, code: str) -> str:
    before = len(play.facts)
    with pytest.raises(Rejected) as told:
        play.carry_out(SkipVisit(node))
    assert (told.value.code, len(play.facts)) == (code, before)
    return str(told.value)


def test_a_round_is_not_skipped_but_all_of_them_are() -> None:
    play = Play(Drawing().start().service("each", type="t").many("=[1, 2]").service("b", type="b").end())
    body, first, _ = sorted(visit.key for visit in play.instance.nodes.values())
    assert "round" in refused(play, first, "skip-invalid")
    play.carry_out(SkipVisit(body))
    assert play.standing() == ["b"]


def test_what_cannot_go_on_stays() -> None:
    drawing = Drawing().start().service("a", type="a").when("=ok").end()
    play = Play(drawing)
    assert "ok" in refused(play, play.node("a").key, "skip-invalid")
    assert refused(play, 99, "visit-not-found")
    gateway = Play(
        Drawing().start().event_based("either").timer("t", "PT1H").end().at("either").message("m", "n").end("e")
    )
    assert "events" in refused(gateway, gateway.node("either").key, "skip-invalid")


def test_what_undoes_something_is_skipped_and_the_next_is_undone() -> None:
    inner = Drawing("inner").start("is").service("pay", type="pay").undo_with("pay", "refund", type="refund").end("ie")
    drawing = Drawing().start().service("book", type="book").undo_with("book", "unbook", type="unbook")
    drawing = drawing.sub_process("sub", inner).throw("undo", ("compensate",)).service("last", type="t").end()
    for skipped in ("refund", "sub"):
        play = Play(drawing)
        play.complete("book")
        play.complete("pay")
        assert "refund" in play.standing()
        skip(play, skipped)
        assert play.standing() == ["undo", "unbook"], skipped
        skip(play, "unbook")
        assert play.standing() == ["last"]
