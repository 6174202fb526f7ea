"""The control-flow patterns that BPMN expresses directly, one drawing each, by their numbers in Russell, ter Hofstede,
van der Aalst and Mulyar, Workflow Control-Flow Patterns: A Revised View, 2006."""

from __future__ import annotations

from datetime import timedelta

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.state import InstanceState
from tests.drawing import Drawing
from tests.engine.play import Play


def work(drawing: Drawing, *ids: str) -> Drawing:
    for id in ids:
        drawing.service(id, type="t")
    return drawing


def branches(split: str, *ids: str, tag: str = "parallelGateway", join: str = "parallelGateway") -> Drawing:
    """One service task on each branch between a split and a join, then `after`."""
    drawing = Drawing().start().node(tag, split)
    for number, id in enumerate(ids):
        drawing.at(split)
        if tag != "parallelGateway":
            drawing.when(f'=list contains(chosen, "{id}")')
        work(drawing, id)
        drawing.to("join") if number else drawing.node(join, "join")
    return work(drawing, "after").end()


def test_1_sequence() -> None:
    play = Play(work(Drawing().start(), "a", "b").end())
    assert play.standing() == ["a"]
    play.complete("a")
    assert play.standing() == ["b"]


def test_2_parallel_split() -> None:
    play = Play(branches("split", "a", "b"))
    assert play.standing() == ["a", "b"]


def test_3_synchronization() -> None:
    play = Play(branches("split", "a", "b"))
    play.complete("b")
    assert play.standing() == ["a"]
    play.complete("a")
    assert play.standing() == ["after"]


def test_4_exclusive_choice() -> None:
    drawing = work(Drawing().start().exclusive("choice").when("=amount > 10"), "a").end("large").at("choice")
    play = Play(work(drawing.otherwise(), "b").end("small"), {"amount": 10})
    assert play.standing() == ["b"]


def test_5_simple_merge() -> None:
    play = Play(branches("split", "a", "b", tag="exclusiveGateway", join="exclusiveGateway"), {"chosen": ["b"]})
    play.complete("b")
    assert play.standing() == ["after"]


def test_6_multi_choice() -> None:
    play = Play(branches("split", "a", "b", "c", tag="inclusiveGateway"), {"chosen": ["a", "c"]})
    assert play.standing() == ["a", "c"]


def test_7_structured_synchronizing_merge() -> None:
    drawing = branches("split", "a", "b", "c", tag="inclusiveGateway", join="inclusiveGateway")
    play = Play(drawing, {"chosen": ["a", "c"]})
    play.complete("c")
    assert play.standing() == ["a"]
    play.complete("a")
    assert play.standing() == ["after"]


def test_8_multi_merge() -> None:
    play = Play(branches("split", "a", "b", join="exclusiveGateway"))
    play.complete("a")
    play.complete("b")
    assert play.standing() == ["after", "after"]


def test_10_arbitrary_cycles() -> None:
    drawing = work(Drawing().start().exclusive("one"), "a").exclusive("two")
    work(drawing, "b").exclusive("choice").when("=back = 1").to("one")
    drawing.at("choice").when("=back = 2").to("two")
    play = Play(drawing.at("choice").otherwise().end())
    for id, back in (("a", 0), ("b", 2), ("b", 1), ("a", 0), ("b", 0)):
        play.complete(id, {"back": back})
    assert play.completed


def test_11_implicit_termination() -> None:
    drawing = work(Drawing().start().parallel("split"), "a").end("one").at("split")
    play = Play(work(drawing, "b").end("two"))
    play.complete("a")
    assert not play.completed
    play.complete("b")
    assert play.completed


def test_12_multiple_instances_without_synchronization() -> None:
    """What is spawned goes on by itself, and nobody waits for it."""
    drawing = work(Drawing().start().exclusive("next").parallel("spawn"), "a").end("spawned")
    drawing.at("spawn").exclusive("more").when("=count > 0").script("less", "=count - 1", "count").to("next")
    play = Play(drawing.at("more").otherwise().end("all"), {"count": 2})
    assert play.standing() == ["a", "a", "a"]
    assert "all" in play.path()


def test_13_multiple_instances_with_design_time_knowledge() -> None:
    play = Play(work(work(Drawing().start(), "a").many(cardinality="3"), "after").end())
    for position in (2, 3, 1):
        assert play.standing()[0] == "a"
        play.complete("a", position=position)
    assert play.standing() == ["after"]


def test_14_multiple_instances_with_run_time_knowledge() -> None:
    play = Play(work(work(Drawing().start(), "a", "b").many("=orders"), "after").end())
    play.complete("a", {"orders": ["x", "y"]})
    assert len(play.jobs()) == 2
    for job in play.jobs():
        play.complete(job)
    assert play.standing() == ["after"]


def test_16_deferred_choice() -> None:
    drawing = Drawing().start().event_based("first").message("paid", "paid").end("ship")
    play = Play(drawing.at("first").timer("late", "P1D").end("remind"))
    play.publish("paid")
    assert play.path()[-2:] == ["paid", "ship"]
    assert play.timers() == []


def test_17_interleaved_parallel_routing() -> None:
    """Whatever order is picked, never two at once, and what follows inside follows."""
    inner = work(work(work(Drawing("inner"), "a", "then").apart(), "b").apart(), "c")
    drawing = Drawing().start().ad_hoc("any-order", inner, active='=["b", "a", "c"]', ordering="Sequential")
    play = Play(work(drawing, "after").end())
    for id in ("b", "a", "then", "c"):
        assert play.standing() == ["any-order", id]
        play.complete(id)
    assert play.standing() == ["after"]


def test_19_cancel_task() -> None:
    drawing = work(Drawing().start(), "a").end("done").on_message("a", "withdrawn", "withdrawn")
    play = Play(work(drawing, "b").end("given-up"))
    play.publish("withdrawn")
    assert play.standing() == ["b"]


def test_20_cancel_case() -> None:
    play = Play(branches("split", "a", "b"))
    play.carry_out(c.CancelInstance("the customer is gone"))
    assert play.instance.state is InstanceState.TERMINATED
    assert play.standing() == []
    assert play.jobs() == []


def test_21_structured_loop() -> None:
    play = Play(work(work(Drawing().start(), "a").again("=not(good)"), "after").end())
    play.complete("a", {"good": False})
    play.complete("a", {"good": True})
    assert play.standing() == ["after"]


def test_23_transient_trigger() -> None:
    """A signal reaches who waits now, and is lost on who will wait later."""
    drawing = work(Drawing().start().parallel("split"), "slow").catch("too-late", ("signal", "bell")).end("one")
    drawing.at("split").catch("listens", ("signal", "bell")).end("two")
    play = Play(drawing)
    play.broadcast("bell")
    play.complete("slow")
    assert play.standing() == ["too-late"]


def test_25_cancel_region() -> None:
    """Some activities end together, those around them go on."""
    region = work(Drawing("inner").start("s").parallel("f"), "a").end("x").at("f")
    work(region, "b").end("y")
    drawing = Drawing().start().parallel("split").sub_process("region", region).end("done").at("split")
    drawing = work(drawing, "beside").end("kept").on_timer("region", "late", "PT1H").end("cleared")
    play = Play(drawing)
    play.wait(timedelta(hours=1))
    assert play.standing() == ["beside"]
    assert "cleared" in play.path()


def test_26_cancel_multiple_instance_activity() -> None:
    drawing = work(Drawing().start(), "a").many("=[1, 2, 3]").end("done")
    play = Play(work(drawing.on_timer("a", "late", "PT1H"), "b").end("given-up"))
    play.complete("a", position=2)
    play.wait(timedelta(hours=1))
    assert play.standing() == ["b"]


def test_27_complete_multiple_instance_activity() -> None:
    drawing = work(Drawing().start(), "a").many("=[1, 2, 3]", until="=numberOfCompletedInstances >= 2")
    play = Play(work(drawing, "after").end())
    play.complete("a", position=3)
    play.complete("a", position=1)
    assert play.standing() == ["after"]
    assert sum(isinstance(fact, f.NodeTerminated) for fact in play.facts) == 1


def test_43_explicit_termination() -> None:
    drawing = work(Drawing().start().parallel("split"), "a").end("one").at("split")
    play = Play(work(drawing, "b").terminate("all"))
    play.complete("b")
    assert play.completed
    assert play.jobs() == []
