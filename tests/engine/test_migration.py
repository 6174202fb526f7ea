"""Migration: an instance goes on in another version of its process; replayed after every step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.engine import facts as f
from processes.engine.commands import Cancel, CompleteCall, MigrateInstance, ModifyInstance, SetVariables
from processes.engine.errors import Rejected
from processes.engine.migration import generate, problems
from processes.engine.parser import parse
from processes.engine.parts import MessageSubscription, Timer, Trigger
from processes.engine.process import Process
from tests.drawing import Drawing
from tests.engine.play import NOON, Play

RENAMED = {"start": "start", "a": "first", "b": "second", "end": "end"}


def version(drawing: Drawing) -> Process:
    return parse(drawing.xml()).processes[0]


def migrate(play: Play, drawing: Drawing, *, update: bool = False, **mapping: str) -> list[f.Fact]:
    """By the generated plan, and what differs from it."""
    target = version(drawing)
    plan = {**generate(play.process, target), **mapping}
    facts = play.carry_out(MigrateInstance(target, plan, 7, update, "newer"))
    play.process = target
    return facts


def refused(play: Play, drawing: Drawing, **mapping: str) -> str:
    before = len(play.facts), play.instance.last_key, play.standing()
    with pytest.raises(Rejected) as told:
        migrate(play, drawing, **mapping)
    assert told.value.code == "migration-invalid"
    assert (len(play.facts), play.instance.last_key, play.standing()) == before
    return str(told.value)


def two(**options: Any) -> Drawing:
    return Drawing().start().service("a", type="a", **options).service("b", type="b").end()


def test_an_instance_goes_on_in_the_new_version() -> None:
    play = Play(two())
    new = Drawing().start().service("a", type="a").service("between", type="c").service("b", type="b").end()
    facts = migrate(play, new)
    assert facts == [f.InstanceMigrated("process", 7, "newer")]
    play.complete("a")
    assert play.standing() == ["between"]


def test_the_deadline_of_its_tries_is_that_of_the_new_version_from_when_they_began() -> None:
    play = Play(two(headers={"retryDeadline": "PT1H"}))
    play.wait(timedelta(minutes=10))
    play.fail("a")
    migrate(play, two(headers={"retryDeadline": "PT2H"}))
    assert play.job("a").retry_until == NOON + timedelta(hours=2)
    migrate(play, two(headers={"h": "none"}))
    assert play.job("a").retry_until is None
    migrate(play, two(headers={"retryDeadline": "PT1H"}))
    assert play.job("a").retry_until == play.job("a").due_at + timedelta(hours=1)


def test_a_job_keeps_its_tries_and_takes_type_and_headers() -> None:
    play = Play(two(retries=5))
    play.fail("a")
    play.wait(timedelta(hours=1))
    migrate(play, two(headers={"url": "http://new"}))
    job = play.job("a")
    assert (job.type, job.headers, job.retries, job.attempt) == ("a", {"url": "http://new"}, 4, 1)
    play.claim("a")
    typed = Drawing().start().service("a", type="=kind").service("b", type="b").end()
    play.instance.variables["kind"] = play.replayed.variables["kind"] = "newer"
    migrate(play, typed)
    job = play.job("a")
    assert (job.type, job.state, job.attempt) == ("newer", "CLAIMED", 2)


def test_elements_are_renamed() -> None:
    play = Play(two())
    new = Drawing().start().service("first", type="a").service("second", type="b").end()
    assert refused(play, new) == "Expected 'a' to be mapped, for the instance stands there, but it is not"
    facts = migrate(play, new, a="first")
    assert facts[1:] == [f.NodeMigrated(play.node("first").key, "first")]
    play.complete("first")
    play.complete("second")
    assert play.completed


def test_an_incident_stays_and_is_resolved_in_the_new_version() -> None:
    drawing = Drawing().start().service("a", type="=wrong").end()
    play = Play(drawing)
    assert play.incidents()
    migrate(play, Drawing().start().service("a", type="right").end())
    play.resolve()
    assert play.job("a").type == "right"


def sub(*, late: str = "PT1H", border: bool = True, inner: str = "x", name: str = "sub") -> Drawing:
    inside = Drawing("inner").start("is").service(inner, type="x").end("ie")
    drawing = Drawing().start().sub_process(name, inside).end()
    return drawing.on_timer(name, "late", late).service("chase", type="c").end("chased") if border else drawing


def test_timers_are_kept_or_evaluated_anew() -> None:
    play = Play(sub())
    play.now += timedelta(minutes=10)
    migrate(play, sub(late="PT5H"))
    assert [timer.due_at for timer in play.timers()] == [NOON + timedelta(hours=1)]
    facts = migrate(play, sub(late="PT5H"), update=True)
    assert [type(fact).__name__ for fact in facts] == ["InstanceMigrated", "WaitsWithdrawn", "TimerScheduled"]
    assert [timer.due_at for timer in play.timers()] == [NOON + timedelta(hours=5, minutes=10)]
    play.wait(timedelta(hours=6))
    assert play.standing() == ["chase"]


def test_what_the_new_version_does_not_wait_for_is_withdrawn_and_what_it_adds_is_armed() -> None:
    play = Play(sub())
    migrate(play, sub(border=False))
    assert not play.timers()
    migrate(play, sub(late="PT2H"))
    assert [timer.due_at for timer in play.timers()] == [NOON + timedelta(hours=2)]


def test_a_timer_that_fired_is_not_armed_again() -> None:
    drawing = sub(border=False).on_timer("sub", "remind", "PT1H", interrupting=False).end("reminded")
    play = Play(drawing)
    play.wait(timedelta(hours=2))
    assert not play.timers()
    migrate(play, drawing, update=True)
    assert not play.timers()


def test_boundary_events_are_renamed_with_their_host() -> None:
    play = Play(sub())
    inside = Drawing("inner").start("is").service("x", type="x").end("ie")
    new = Drawing().start().sub_process("ship", inside).end().on_timer("ship", "overdue", "PT9H").end("o")
    found = refused(play, new, x="x")
    assert "Expected 'sub' to be mapped" in found
    migrate(play, new, sub="ship", x="x", late="overdue")
    (timer,) = play.timers()
    assert isinstance(timer, Timer)
    assert (timer.element, timer.due_at) == ("overdue", NOON + timedelta(hours=1))
    play.wait(timedelta(hours=2))
    assert play.completed


def test_scopes_have_to_nest_alike() -> None:
    play = Play(sub())
    found = refused(play, Drawing().start().service("x", type="x").end(), x="x")
    assert "Expected 'x' to be in what 'sub' is mapped to but found it in none" in found
    flat = Play(Drawing().start().service("x", type="x").end())
    found = refused(flat, sub(), x="x")
    assert found.startswith("Expected 'x' to be in no sub-process but found it in 'sub'")


def test_kinds_have_to_be_the_same() -> None:
    play = Play(two())
    new = Drawing().start().service("a", type="a", tag="sendTask").end()
    assert "of the same kind as 'a', serviceTask, but found sendTask" in refused(play, new, a="a")
    many = Drawing().start().service("a", type="a").many("=[1]").end()
    found = refused(play, many, a="a")
    assert "serviceTask, but found serviceTask multiInstanceLoopCharacteristics parallel" in found
    assert refused(play, new, a="nowhere").startswith("Expected an element 'nowhere' in process 'process' for 'a'")
    assert "Expected an element or flow 'q' in process" in refused(play, two(), q="a")


def test_a_message_is_waited_for_under_its_old_key_or_a_new_one() -> None:
    play = Play(Drawing().start().message("m", "paid", "=id").end(), {"id": "1", "other": "2"})
    new = Drawing().start().message("m", "payed", "=other").end()
    migrate(play, new)

    def key() -> tuple[str, str]:
        (wait,) = (wait for wait in play.instance.waits.values() if isinstance(wait, MessageSubscription))
        return wait.name, wait.correlation_key

    assert key() == ("paid", "1")
    migrate(play, new, update=True)
    assert key() == ("payed", "2")
    play.publish("payed", "2")
    assert play.completed


def test_what_a_receive_task_waits_for_is_mapped_with_it() -> None:
    play = Play(Drawing().start().receive("r", "paid").end())
    migrate(play, Drawing().start().receive("s", "other").end("e"), r="s")
    play.publish("paid")
    assert play.completed


def test_what_rounds_wait_for_is_mapped_with_them() -> None:
    def many(id: str) -> Drawing:
        return Drawing().start().receive(id, "paid", "=string(item)").many("=[1, 2]").service("z", type="z").end()

    play = Play(many("r"))
    migrate(play, many("s"), r="s")
    assert {wait.element for wait in play.instance.waits.values() if isinstance(wait, Trigger)} == {"s"}
    migrate(play, many("s"), update=True)
    play.publish("paid", "2")
    play.publish("paid", "1")
    assert play.standing() == ["z"]


def choice(*names: str) -> Drawing:
    drawing = Drawing().start().event_based("gate")
    for name in names:
        drawing = drawing.at("gate").message(name, name).end(f"e-{name}")
    return drawing


def test_an_event_based_gateway_waits_for_what_is_behind_it() -> None:
    play = Play(choice("one", "two"))
    found = refused(play, choice("one", "three"))
    assert found == "Expected 'two' to be mapped to what is waited for in its place but it is not"
    migrate(play, choice("one", "three", "four"), two="three")
    names = sorted(wait.element for wait in play.instance.waits.values() if isinstance(wait, MessageSubscription))
    assert names == ["four", "one", "three"]
    play.publish("two")
    assert play.path()[-2:] == ["three", "e-three"]


def fork(*branches: str, join: str = "join") -> Drawing:
    drawing = Drawing().start().parallel("fork")
    for branch in branches:
        drawing = drawing.at("fork").service(branch, type=branch)
        drawing = drawing.parallel(join) if branch == branches[0] else drawing.to(join)
    return drawing.at(join).service("z", type="z").end()


def test_tokens_wait_on_flows_that_are_mapped() -> None:
    play = Play(fork("a", "b"))
    play.complete("a")
    found = refused(play, fork("a", "b", join="meet"))
    assert found == "Expected flow 'a-join' to be mapped, for a token waits there, but it is not"
    migrate(play, fork("a", "b", join="meet"), **{"join": "meet", "a-join": "a-meet"})
    play.complete("b")
    assert play.standing() == ["z"]


def test_a_join_that_needs_less_opens() -> None:
    play = Play(fork("a", "b", "c"))
    play.complete("a")
    play.complete("b")
    assert "Expected 'c' to be mapped" in refused(play, fork("a", "b"))
    play.carry_out(ModifyInstance((Cancel(element="c"),)))
    assert len(play.instance.tokens) == 2
    migrate(play, fork("a", "b"))
    assert play.standing() == ["z"]


def test_rounds_go_on() -> None:
    def many(**options: Any) -> Drawing:
        drawing = Drawing().start().service("each", type="a", **options)
        return drawing.many("=[1, 2, 3]", output=("all", "=r"), sequential=True).service("z", type="z").end()

    play = Play(many())
    play.complete("each", {"r": 1})
    migrate(play, many(headers={"h": "new"}))
    assert play.job("each", 2).headers == {"h": "new"}
    play.complete("each", {"r": 2}, position=2)
    play.complete("each", {"r": 3}, position=3)
    assert play.variables["all"] == [1, 2, 3]


def test_what_cannot_be_evaluated_is_refused() -> None:
    play = Play(two())
    found = refused(play, Drawing().start().service("a", type="=nothing").end())
    assert found.startswith("Expected the job of 'a' to be known but found that it cannot be: ")
    found = refused(Play(sub(border=False)), sub(late="=nothing"))
    assert found.startswith("Expected to know what 'late' waits for but found that it cannot be known: ")


def test_a_plan_is_generated() -> None:
    old, new = version(sub()), version(sub(inner="y", border=False))
    plan = generate(old, new)
    assert set(plan) == {"start", "sub", "is", "ie", "end", "start-sub", "sub-end"}
    assert not problems(old, new, plan)
    flow = problems(old, new, {"sub-end": "start-sub"})
    assert flow == {"sub-end": "Expected flow 'start-sub' to lead to what 'end' is mapped to but found 'sub'"}


# -- with events that belong to scopes, and what can be undone ---------------------------------------------------------


def guarded(*signals: str, wait: str = "PT1H", body: str = "a") -> Drawing:
    drawing = Drawing().start().service(body, type="a").end().on(body, "when", ("conditional", "=n > 5")).end("w")
    for place, signal in enumerate(signals, 1):
        inner = Drawing(f"i{place}").start_on(f"s-{signal}", ("signal", signal)).service(f"h-{signal}", type="h")
        drawing = drawing.event_sub_process(f"guard-{signal}", inner.end(f"e-{signal}"))
    inner = Drawing("t").start_on("ts", ("timer", wait), interrupting=False).end("te")
    return drawing.event_sub_process("reminding", inner)


def elements(play: Play) -> list[str]:
    return sorted(wait.element for wait in play.instance.waits.values() if isinstance(wait, Trigger))


def test_event_sub_processes_are_carried_over_dropped_and_added() -> None:
    play = Play(guarded("one", "two"), {"n": 1})
    assert elements(play) == ["s-one", "s-two", "ts", "when"]
    migrate(play, guarded("one", "three", wait="PT5H"))
    assert elements(play) == ["s-one", "s-three", "ts", "when"]
    assert [timer.due_at for timer in play.timers()] == [NOON + timedelta(hours=1)]
    migrate(play, guarded("one", "three", wait="PT5H"), update=True)
    assert [timer.due_at for timer in play.timers()] == [NOON + timedelta(hours=5)]
    play.broadcast("three")
    assert play.standing() == ["guard-three", "h-three"]


def test_what_took_the_place_of_a_scope_stays_alone() -> None:
    play = Play(guarded("one"), {"n": 1})
    play.broadcast("one")
    migrate(play, guarded("one", "two"))
    assert play.standing() == ["guard-one", "h-one"]
    assert elements(play) == []


def test_conditions_are_watched_in_the_new_version() -> None:
    play = Play(guarded(), {"n": 1})
    migrate(play, guarded(body="b"), a="b", when="when")
    play.carry_out(SetVariables({"n": 6}))
    assert play.path()[-2:] == ["when", "w"]


def test_what_is_watched_for_the_first_time_and_true_happens_at_once() -> None:
    play = Play(two(), {"n": 6})
    migrate(play, two().on("a", "when", ("conditional", "=n > 5")).end("w"))
    assert play.completed


def booked(hotel: str = "hotel") -> Drawing:
    drawing = Drawing().start().service(hotel, type="t").undo_with(hotel, f"no-{hotel}")
    return drawing.service("pay", type="t").throw("undo", ("compensate",)).end()


def test_what_can_be_undone_is_undone_in_the_new_version() -> None:
    play = Play(booked())
    play.complete("hotel")
    found = refused(play, Drawing().start().service("hotel", type="t").service("pay", type="t").end())
    assert found == "Expected 'hotel', which can be undone, to be mapped to what can be undone but found 'hotel'"
    assert "to be mapped to what can be undone but found nothing" in refused(play, booked("inn"))
    migrate(play, booked("inn"), hotel="inn")
    play.complete("pay")
    assert play.standing() == ["undo", "no-inn"]
    play.complete("no-inn")
    assert play.completed


def test_calls_go_on() -> None:
    play = Play(Drawing().start().call("call", "child").end())
    migrate(play, Drawing().start().call("called", "other").service("z", type="z").end(), call="called")
    (wait,) = play.instance.waits.values()
    play.carry_out(CompleteCall(wait.key, {}))
    assert play.standing() == ["z"]
