"""Modification: visits end here and start there, in one step; replayed after every step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.engine import facts as f
from processes.engine.commands import Cancel, ModifyInstance, StartBefore, StartInstanceAt
from processes.engine.errors import Rejected
from processes.engine.state import InstanceState
from tests.drawing import Drawing
from tests.engine.play import Play


def three() -> Drawing:
    return Drawing().start().service("a", type="a").service("b", type="b").service("c", type="c").end()


def nested(late: str = "PT1H", **inputs: str) -> Drawing:
    inner = Drawing("inner").start("is").service("x", type="x").service("y", type="y").end("ie")
    drawing = Drawing().start().service("a", type="a").sub_process("sub", inner, inputs=inputs or None)
    drawing = drawing.service("z", type="z").end()
    return drawing.on_timer("sub", "late", late).service("chase", type="chase").end("chased")


def modify(play: Play, *start: str | StartBefore, cancel: tuple[str | int, ...] = (), reason: str = "") -> Any:
    starts = tuple(each if isinstance(each, StartBefore) else StartBefore(each) for each in start)
    ends = tuple(Cancel(node=each) if isinstance(each, int) else Cancel(element=each) for each in cancel)
    return play.carry_out(ModifyInstance(ends, starts, reason))


def rejected(play: Play, code: str, *start: str | StartBefore, cancel: tuple[str | int, ...] = ()) -> str:
    before = len(play.facts), play.instance.last_key, play.standing()
    with pytest.raises(Rejected) as told:
        modify(play, *start, cancel=cancel)
    assert told.value.code == code
    assert (len(play.facts), play.instance.last_key, play.standing()) == before
    return str(told.value)


def test_a_token_is_moved_on() -> None:
    play = Play(three())
    facts = modify(play, "c", cancel=("a",), reason="b was done by phone")
    assert facts[0] == f.InstanceModified("b was done by phone")
    assert play.standing() == ["c"]
    assert [job.type for job in play.jobs()] == ["c"]
    play.complete("c")
    assert play.completed


def test_a_token_is_moved_back_by_its_key_and_given_variables() -> None:
    play = Play(three(), {"n": 1})
    play.complete("a")
    start = StartBefore("a", variables={"n": 2, "again": True})
    modify(play, start, cancel=(play.node("b").key,))
    assert play.standing() == ["a"]
    assert play.variables == {"n": 2, "again": True}


def test_another_token_starts_beside() -> None:
    play = Play(three())
    modify(play, "b", "b")
    assert play.standing() == ["a", "b", "b"]
    for _ in range(2):
        key = min(job.key for job in play.jobs() if job.type == "b")
        modify(play, cancel=(play.instance.waits[key].node,))
    assert play.standing() == ["a"]


def test_the_last_token_ends_the_instance() -> None:
    play = Play(three())
    facts = modify(play, cancel=("a",), reason="a mistake")
    assert facts[-1] == f.InstanceTerminated("a mistake")
    assert play.instance.state is InstanceState.TERMINATED
    assert not play.instance.waits


def test_the_last_token_of_a_sub_process_ends_it_and_what_it_waits_for() -> None:
    play = Play(nested())
    play.complete("a")
    modify(play, "z", cancel=("x",))
    assert play.standing() == ["z"]
    assert not play.timers()
    modify(play, cancel=("z",))
    assert play.instance.state is InstanceState.TERMINATED


def test_inside_a_sub_process_that_is_not_active() -> None:
    play = Play(nested(local="=n + 1"), {"n": 1})
    modify(play, StartBefore("y", variables={"n": 5}, local={"mine": True}), cancel=("a",))
    assert play.standing() == ["sub", "y"]
    assert "is" not in play.path()
    assert play.node("sub").variables == {"local": 6, "mine": True}
    assert play.variables == {"n": 5}
    (timer,) = play.timers()
    assert (timer.element, timer.node) == ("late", play.node("sub").key)
    play.complete("y")
    assert play.standing() == ["z"]


def test_its_boundary_event_waits_as_usual() -> None:
    play = Play(nested())
    modify(play, "y", cancel=("a",))
    play.wait(timedelta(hours=2))
    assert play.standing() == ["chase"]


def test_inside_a_sub_process_that_is_active() -> None:
    play = Play(nested())
    play.complete("a")
    scope = play.node("sub").key
    modify(play, "y", cancel=("x",))
    assert play.standing() == ["sub", "y"]
    assert play.node("sub").key == scope


def test_inside_a_sub_process_that_is_cancelled_in_the_same_step() -> None:
    play = Play(nested())
    play.complete("a")
    scope = play.node("sub").key
    modify(play, "y", "x", cancel=("sub",))
    assert play.standing() == ["sub", "y", "x"]
    assert play.node("sub").key > scope
    assert len(play.timers()) == 1


def test_in_several_scopes_the_one_has_to_be_named() -> None:
    play = Play(nested())
    play.complete("a")
    modify(play, StartBefore("x", scope=0))
    first, second = (key for key, node in sorted(play.instance.nodes.items()) if node.element == "sub")
    found = rejected(play, "scope-ambiguous", "y")
    assert found == f"Expected the scope to be named, for 'sub' is active 2 times: {first}, {second}"
    modify(play, StartBefore("y", scope=second))
    assert play.node("y").scope == second


def test_scopes_within_scopes() -> None:
    deep = Drawing("deep").start("ds").service("d", type="d").end("de")
    inner = Drawing("inner").start("is").sub_process("middle", deep, inputs={"m": "=o * 2"}).end("ie")
    play = Play(Drawing().start().service("a", type="a").sub_process("outer", inner, inputs={"o": "=n"}).end())
    modify(play, StartBefore("d", variables={"n": 4}), cancel=("a",))
    assert play.standing() == ["outer", "middle", "d"]
    assert (play.node("outer").variables, play.node("middle").variables) == ({"o": 4}, {"m": 8})
    play.complete("d")
    assert play.completed


def test_tokens_before_a_join_are_withdrawn() -> None:
    drawing = Drawing().start().parallel("fork").service("a", type="a").parallel("join").service("z", type="z").end()
    play = Play(drawing.at("fork").service("b", type="b").to("join"))
    play.complete("a")
    assert play.instance.tokens
    modify(play, "z", cancel=("join", "b"))
    assert play.standing() == ["z"]
    assert not play.instance.tokens
    play.complete("z")
    assert play.completed


def test_a_join_that_starts_goes_on() -> None:
    drawing = Drawing().start().parallel("fork").service("a", type="a").parallel("join").service("z", type="z").end()
    play = Play(drawing.at("fork").service("b", type="b").to("join"))
    modify(play, "join", cancel=("a", "b"))
    assert play.standing() == ["z"]


def test_an_inclusive_join_opens_when_the_other_path_is_cancelled() -> None:
    drawing = Drawing().start().inclusive("fork").when("=true").service("a", type="a").inclusive("join")
    drawing = drawing.service("z", type="z").end().at("fork").when("=true").service("b", type="b").to("join")
    play = Play(drawing)
    play.complete("a")
    modify(play, cancel=("b",))
    assert play.standing() == ["z"]


def test_one_round_of_a_repeated_activity_is_cancelled() -> None:
    drawing = Drawing().start().service("each", type="a").many("=[1, 2, 3]", output=("all", "=r"))
    play = Play(drawing.service("z", type="z").end())
    second = next(node for node in play.instance.nodes.values() if node.scope and node.position == 2)
    modify(play, cancel=(second.key,))
    play.complete("each", {"r": 10}, position=1)
    play.complete("each", {"r": 30}, position=3)
    assert play.variables["all"] == [10, None, 30]
    assert play.standing() == ["z"]


def test_a_repeated_sub_process_starts_as_a_whole_or_in_a_round() -> None:
    inner = Drawing("inner").start("is").service("x", type="x").service("y", type="y").end("ie")
    drawing = Drawing().start().service("a", type="a").sub_process("sub", inner).many("=[1, 2]").end()
    play = Play(drawing)
    found = rejected(play, "modification-invalid", "y")
    assert found.startswith("Expected a round of 'sub' that is active, or 'sub' to be started itself")
    modify(play, "sub", cancel=("a",))
    assert play.standing().count("x") == 2
    body, *rounds = (key for key, node in sorted(play.instance.nodes.items()) if node.element == "sub")
    assert "all its rounds" in rejected(play, "modification-invalid", StartBefore("y", scope=body))
    rejected(play, "scope-ambiguous", "y")
    inside = next(key for key, node in play.instance.nodes.items() if node.scope == rounds[1])
    modify(play, StartBefore("y", scope=rounds[1]), cancel=(inside,))
    assert play.node("y").scope == rounds[1]


def test_an_incident_ends_with_its_visit() -> None:
    play = Play(three())
    play.fail("a", retries=0)
    modify(play, "b", cancel=("a",))
    assert not play.incidents()
    assert play.standing() == ["b"]


def test_what_cannot_be_evaluated_where_it_starts_is_an_incident() -> None:
    drawing = Drawing().start().service("a", type="a").service("b", type="=nothing").end()
    play = Play(drawing)
    modify(play, "b", cancel=("a",))
    (incident,) = play.incidents()
    assert incident.node == play.node("b").key


def test_one_of_several_that_ends_the_scope() -> None:
    drawing = Drawing().start().service("a", type="a").terminate()
    play = Play(drawing)
    modify(play, "terminate", "a", cancel=("a",))
    assert play.completed


def test_what_is_refused() -> None:
    play = Play(nested("=deadline"))
    assert rejected(play, "modification-empty") == "Expected something to cancel or to start but found nothing"
    assert "found the boundaryEvent 'late'" in rejected(play, "modification-invalid", "late")
    assert "but found none" in rejected(play, "element-not-found", "nowhere")
    assert "but found none" in rejected(play, "element-not-found", cancel=("nowhere",))
    assert rejected(play, "visit-not-found", cancel=("z",)) == "Expected a live visit to 'z' but found none"
    assert rejected(play, "visit-not-found", cancel=(99,)) == "Expected a live visit 99 but found none"
    rejected(play, "scope-not-found", StartBefore("y", scope=99))
    found = rejected(play, "modification-invalid", StartBefore("y", scope=play.node("a").key))
    assert found.endswith("to be around 'y' but found it to be 'a'")
    found = rejected(play, "modification-invalid", "y", cancel=("a",))
    assert found.startswith("Expected 'sub' to be entered but found that it cannot be: ")


def test_a_scope_that_is_cancelled_cannot_be_named() -> None:
    play = Play(nested())
    play.complete("a")
    found = rejected(play, "scope-not-found", StartBefore("y", scope=play.node("sub").key), cancel=("sub",))
    assert found.endswith("one that is cancelled in the same request")


def test_a_scope_that_is_parked_is_not_open() -> None:
    play = Play(nested("=deadline"))
    play.complete("a")
    assert play.incidents()
    assert "to be active but found it ready" in rejected(play, "modification-invalid", "y")


def test_an_instance_begins_before_elements() -> None:
    play = Play(nested(local="=n"), start=False)
    play.carry_out(StartInstanceAt({"n": 3}, (StartBefore("y"), StartBefore("z", variables={"m": 1}))))
    assert play.standing() == ["sub", "y", "z"]
    assert play.variables == {"n": 3, "m": 1}
    assert play.node("sub").variables == {"local": 3}
    with pytest.raises(Rejected, match="Expected a new instance"):
        play.carry_out(StartInstanceAt({}, (StartBefore("y"),)))


# -- with events that belong to scopes, and what can be undone ---------------------------------------------------------


def guarded(*, interrupting: bool = True, start: str = "start") -> Drawing:
    """Event sub-processes in the process and in a sub-process."""
    stop = (
        Drawing("stop").start_on("hs", ("signal", "stop"), interrupting=interrupting).service("h", type="h").end("he")
    )
    inner = Drawing("inner").start("is").service("x", type="x").end("ie")
    inner = inner.event_sub_process("late", Drawing("l").start_on("ls", ("timer", "=wait")).end("le"))
    drawing = Drawing().start(start).service("a", type="a").sub_process("sub", inner, inputs={"wait": '="PT2H"'})
    return drawing.end().event_sub_process("guard", stop)


def test_event_sub_processes_of_a_scope_that_is_entered_wait_as_usual() -> None:
    play = Play(guarded())
    modify(play, "x", cancel=("a",))
    (timer,) = play.timers()
    assert (timer.element, timer.node) == ("ls", play.node("sub").key)
    play.wait(timedelta(hours=3))
    assert play.completed
    assert play.path()[-1] == "end"


def test_a_scope_that_begins_at_its_start_arms_them_once() -> None:
    play = Play(guarded())
    modify(play, "is", cancel=("a",))
    assert play.standing() == ["sub", "x"]
    assert len(play.timers()) == 1
    assert "but found one that has" in rejected(play, "modification-invalid", "is")
    assert "but found one that has" in rejected(play, "modification-invalid", "start")


def test_an_instance_that_begins_elsewhere_is_guarded_too() -> None:
    play = Play(guarded(), start=False)
    play.carry_out(StartInstanceAt({}, (StartBefore("a"),)))
    play.broadcast("stop")
    assert play.standing() == ["guard", "h"]


def test_event_sub_processes_are_begun_by_their_event_only() -> None:
    play = Play(guarded())
    assert "found the event sub-process 'guard'" in rejected(play, "modification-invalid", "guard")
    assert rejected(play, "modification-invalid", "h").endswith("only its event begins it")
    play.broadcast("stop")
    assert "'guard' (" in rejected(play, "modification-invalid", "a")
    modify(play, "h", cancel=("h",))
    modify(play, "a", cancel=("guard",))
    assert play.standing() == ["a"]


def test_what_waits_for_the_process_ends_with_it() -> None:
    play = Play(guarded())
    modify(play, cancel=("a",))
    assert play.instance.state is InstanceState.TERMINATED
    assert not play.instance.waits


def test_what_undoes_something_is_cancelled_as_done_and_not_started() -> None:
    drawing = Drawing().start().service("hotel", type="t").undo_with("hotel", "no-hotel")
    drawing = drawing.service("flight", type="t").undo_with("flight", "no-flight").throw("undo", ("compensate",)).end()
    play = Play(drawing)
    assert "activity for compensation 'no-hotel'" in rejected(play, "modification-invalid", "no-hotel")
    play.complete("hotel")
    play.complete("flight")
    assert play.standing() == ["undo", "no-flight"]
    modify(play, cancel=("no-flight",))
    assert play.standing() == ["undo", "no-hotel"]
    play.complete("no-hotel")
    assert play.completed


def test_a_called_process_is_left_with_its_call() -> None:
    play = Play(Drawing().start().call("call", "child").service("z", type="z").end())
    assert play.instance.waits
    modify(play, "z", cancel=("call",))
    assert [job.type for job in play.jobs()] == ["z"]
    assert len(play.instance.waits) == 1


def test_inside_an_ad_hoc_sub_process() -> None:
    inner = Drawing("inner").service("x", type="x").apart().service("y", type="y")
    play = Play(Drawing().start().service("a", type="a").ad_hoc("some", inner).service("z", type="z").end())
    modify(play, "y", cancel=("a",))
    assert play.standing() == ["some", "y"]
    play.complete("y")
    assert play.standing() == ["z"]
