"""Compensation: completed activities are undone, the latest first; transactions are cancelled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import ModelInvalid
from processes.engine.parser import parse
from processes.engine.parts import Compensation, Job
from tests.drawing import Drawing
from tests.engine.play import Play
from tests.engine.test_block_structured import carry_out

UNDO = ("compensate",)


def booked() -> Drawing:
    """Two bookings that can be undone, one after the other, and one that cannot."""
    drawing = Drawing().start().service("hotel", type="t").undo_with("hotel", "no-hotel")
    return drawing.service("flight", type="t").undo_with("flight", "no-flight").service("pay", type="t")


def compensations(play: Play) -> list[str]:
    found = [wait for wait in play.instance.waits.values() if isinstance(wait, Compensation)]
    return [wait.element for wait in sorted(found, key=lambda wait: wait.key)]


def complete(play: Play, *elements: str) -> None:
    """On a copy, lazily, and truly."""
    for element in elements:
        job = play.claim(element)
        carry_out(play, c.CompleteJob(job.key, job.attempt, {}))


def test_what_is_completed_is_undone_the_latest_first() -> None:
    play = Play(booked().throw("undo", UNDO).end())
    complete(play, "hotel", "flight")
    assert compensations(play) == ["hotel", "flight"]
    complete(play, "pay")
    assert play.standing() == ["undo", "no-flight"]
    complete(play, "no-flight")
    assert play.standing() == ["undo", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed
    assert play.path()[-1] == "end"
    assert play.instance.waits == {}


def test_one_activity_is_undone_by_name() -> None:
    play = Play(booked().throw("undo", ("compensate", "hotel")).end())
    complete(play, "hotel", "flight", "pay")
    assert play.standing() == ["undo", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed


def test_who_does_not_wait_goes_on() -> None:
    play = Play(booked().throw("undo", ("compensate", "", 'waitForCompletion="false"')).service("next", type="t").end())
    complete(play, "hotel", "flight", "pay")
    assert play.standing() == ["no-flight", "next"]
    complete(play, "next", "no-flight")
    assert not play.completed
    complete(play, "no-hotel")
    assert play.completed


def test_an_end_event_undoes_too_and_what_never_completed_is_not_undone() -> None:
    drawing = Drawing().start().exclusive("g").when("=a").service("hotel", type="t").undo_with("hotel", "no-hotel")
    drawing.exclusive("m").end_on("undo", UNDO).at("g").otherwise().to("m")
    play = Play(drawing, {"a": False})
    assert play.completed
    play = Play(drawing, {"a": True})
    complete(play, "hotel", "no-hotel")
    assert play.completed


def test_every_visit_is_undone_once() -> None:
    drawing = Drawing().start().exclusive("again").service("hotel", type="t").undo_with("hotel", "no-hotel")
    drawing.exclusive("enough").when("=more").to("again").at("enough").otherwise().throw("undo", UNDO)
    play = Play(drawing.throw("undo-again", UNDO).end(), {"more": True})
    complete(play, "hotel")
    complete(play, "hotel")
    play.carry_out(c.SetVariables({"more": False}))
    complete(play, "hotel")
    complete(play, *["no-hotel"] * 3)
    assert play.completed
    assert sum(isinstance(fact, f.Compensated) for fact in play.facts) == 3


def test_a_terminated_activity_is_not_undone() -> None:
    drawing = Drawing().start().service("hotel", type="t").undo_with("hotel", "no-hotel").end()
    play = Play(drawing.on("hotel", "late", ("error",)).throw("undo", UNDO).end("e2"))
    play.throw("hotel", "X")
    assert play.completed
    assert "no-hotel" not in play.path()


def trip() -> Drawing:
    """A sub-process that completes with two bookings inside, in an order of its own, and locals of its own."""
    inner = Drawing("inner").start("s").service("hotel", type="t").undo_with("hotel", "no-hotel", inputs={"r": "=room"})
    inner.service("flight", type="t").undo_with("flight", "no-flight").end("e")
    return Drawing().start().sub_process("trip", inner, inputs={"room": "=wish"})


def test_a_completed_sub_process_is_undone_inside_with_the_variables_that_it_had() -> None:
    play = Play(trip().service("pay", type="t").throw("undo", UNDO).end(), {"wish": 7})
    complete(play, "hotel", "flight")
    assert play.standing() == ["pay"]
    play.carry_out(c.SetVariables({"wish": 8}))
    complete(play, "pay")
    assert play.standing() == ["undo", "trip", "no-flight"]
    complete(play, "no-flight")
    assert play.node("no-hotel").variables == {"r": 7}
    complete(play, "no-hotel")
    assert play.completed
    assert play.path().count("pay") == 1, "undoing takes no flow out of the sub-process"
    assert play.instance.waits == {}


def test_a_sub_process_has_an_event_sub_process_that_undoes_it() -> None:
    inner = Drawing("inner").start("s").service("hotel", type="t").undo_with("hotel", "no-hotel").end("e")
    undo = Drawing("u").start_on("us", UNDO).service("call", type="t").throw("rest", UNDO).end("ue")
    inner.event_sub_process("undoing", undo)
    play = Play(Drawing().start().sub_process("trip", inner).throw("undo", ("compensate", "trip")).end())
    complete(play, "hotel")
    assert play.standing() == ["undo", "trip", "undoing", "call"]
    complete(play, "call")
    assert play.standing() == ["undo", "trip", "undoing", "rest", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed
    assert play.instance.waits == {}


def test_an_activity_that_undoes_a_sub_process_stands_for_its_inside() -> None:
    play = Play(trip().undo_with("trip", "no-trip").throw("undo", UNDO).end(), {"wish": 1})
    complete(play, "hotel", "flight")
    assert play.standing() == ["undo", "no-trip"]
    complete(play, "no-trip")
    assert play.completed
    assert play.instance.waits == {}


def test_sub_processes_within_sub_processes() -> None:
    inner = Drawing("inner").start("s").service("hotel", type="t").undo_with("hotel", "no-hotel").end("e")
    middle = Drawing("middle").start("ms").sub_process("deep", inner).end("me")
    play = Play(Drawing().start().sub_process("outer", middle).throw("undo", UNDO).end())
    complete(play, "hotel")
    assert play.standing() == ["undo", "outer", "deep", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed
    assert play.instance.waits == {}


def test_an_event_sub_process_undoes_the_scope_around_it() -> None:
    drawing = (
        booked().end().event_sub_process("sub", Drawing("h").start_on("hs", ("error",)).throw("undo", UNDO).end("he"))
    )
    play = Play(drawing)
    complete(play, "hotel", "flight")
    play.throw("pay", "X")
    assert play.standing() == ["sub", "undo", "no-flight"]
    complete(play, "no-flight", "no-hotel")
    assert play.completed


def test_an_event_sub_process_undoes_what_it_completed_itself_by_name() -> None:
    handler = Drawing("h").start_on("hs", ("error",)).service("car", type="t").undo_with("car", "no-car")
    handler.throw("undo", ("compensate", "car")).throw("undo-one", ("compensate", "hotel")).end("he")
    play = Play(booked().end().event_sub_process("sub", handler))
    complete(play, "hotel", "flight")
    play.throw("pay", "X")
    complete(play, "car")
    assert play.standing() == ["sub", "undo", "no-car"]
    complete(play, "no-car")
    assert play.standing() == ["sub", "undo-one", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed
    assert play.instance.waits == {}


def test_many_are_undone_in_one_step() -> None:
    drawing = Drawing().start().exclusive("again").script("count", "=n + 1", "n").undo_with("count", "undo-count")
    drawing.exclusive("enough").when("=n < 1500").to("again").at("enough").otherwise().throw("undo", UNDO).end()
    xml = drawing.xml().replace(b"<bpmn:serviceTask", b"<bpmn:task").replace(b"</bpmn:serviceTask", b"</bpmn:task")
    start, _, rest = xml.partition(b"<bpmn:extensionElements><zeebe:taskDefinition")
    xml = start + rest.partition(b"</bpmn:extensionElements>")[2]
    play = Play(xml, {"n": 0})
    assert play.completed
    assert play.path().count("undo-count") == 1500


def test_trouble_while_undoing_is_an_incident_and_goes_on_from_there() -> None:
    play = Play(booked().throw("undo", UNDO).end())
    complete(play, "hotel", "flight", "pay")
    play.throw("no-flight", "X")
    play.resolve()
    complete(play, "no-flight", "no-hotel")
    assert play.completed


def test_an_interrupted_undoing_is_over_and_the_next_goes_on() -> None:
    drawing = booked().throw("undo", UNDO).end()
    play = Play(drawing.on("no-flight", "late", ("timer", "PT1H")).service("call", type="t").end("called"))
    complete(play, "hotel", "flight", "pay")
    play.wait(timedelta(hours=1))
    assert play.standing() == ["undo", "no-hotel", "call"]
    complete(play, "call", "no-hotel")
    assert play.completed
    assert play.path()[-1] == "end"


def test_an_event_sub_process_that_interrupts_undoing_can_undo_what_is_left() -> None:
    handler = Drawing("h").start_on("hs", ("message", "stop")).throw("undo-rest", UNDO).end("he")
    play = Play(booked().throw("undo", UNDO).end().event_sub_process("sub", handler))
    complete(play, "hotel", "flight", "pay", "no-flight")
    assert play.standing() == ["undo", "no-hotel"]
    play.publish("stop")
    assert play.standing() == ["sub", "undo-rest", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed


def test_a_scope_that_ends_forgets_what_could_be_undone() -> None:
    play = Play(trip().end().on("trip", "stop", ("message", "stop")).throw("undo", UNDO).end("e2"), {"wish": 1})
    complete(play, "hotel")
    play.publish("stop")
    assert play.completed
    assert play.instance.waits == {}
    assert "no-hotel" not in play.path()


# -- what is repeated --------------------------------------------------------------------------------------------------


def repeated(drawing: Drawing, kind: str) -> Drawing:
    """What was drawn last, done for two rooms."""
    if kind == "again":
        return drawing.again("=loopCounter < 2")
    return drawing.many("=rooms", "room", sequential=kind == "turn")


ROUNDS = pytest.mark.parametrize("kind", ["many", "turn", "again"])


@ROUNDS
def test_who_undoes_a_repeated_activity_runs_once_for_all_its_rounds(kind: str) -> None:
    drawing = repeated(Drawing().start().service("hotel", type="t"), kind).undo_with("hotel", "no-hotel")
    play = Play(drawing.throw("undo", ("compensate", "hotel")).end(), {"rooms": [1, 2]})
    play.complete(play.jobs()[0])
    assert compensations(play) == [], "a round is not the activity"
    play.complete(play.jobs()[0])
    assert play.standing() == ["undo", "no-hotel"]
    complete(play, "no-hotel")
    assert play.completed
    assert play.path().count("no-hotel") == 1
    assert play.instance.waits == {}


def test_who_undoes_may_be_repeated_itself_over_what_was_collected() -> None:
    drawing = Drawing().start().service("hotel", type="t")
    drawing.many("=rooms", "room", output=("bookings", "=booking"))
    drawing.undo_with("hotel", "no-hotel", inputs={"cancelled": "=booking"}).many("=bookings", "booking")
    play = Play(drawing.throw("undo", UNDO).end(), {"rooms": [1, 2]})
    for booking in ("A", "B"):
        play.complete(play.jobs()[0], {"booking": booking})
    found = [play.instance.nodes[job.node].variables["cancelled"] for job in play.jobs()]
    assert found == ["A", "B"]
    for job in play.jobs():
        play.complete(job)
    assert play.completed
    assert play.instance.waits == {}


def trips(kind: str, *, transaction: bool = False) -> Drawing:
    """A sub-process for each room, with an input of its own and two bookings that can be undone."""
    inner = Drawing("inner").start("s").service("hotel", type="t", outputs={"here": "=booking"})
    inner.undo_with("hotel", "no-hotel", inputs={"r": "=here"})
    inner.service("flight", type="t").undo_with("flight", "no-flight")
    drawing = Drawing().start()
    if transaction:
        inner.exclusive("full").when("=full").end_on("cancelled", ("cancel",)).at("full").otherwise().end("e")
        return repeated(drawing.transaction("trip", inner), kind)
    return repeated(drawing.sub_process("trip", inner.end("e"), inputs={"here": "=loopCounter * 10"}), kind)


def undoing(play: Play) -> tuple[str, object]:
    """What is undone now, one after the other, and the variable that it was given."""
    (job,) = play.jobs()
    visit = play.instance.nodes[job.node]
    return visit.element, visit.variables.get("r")


def of(play: Play, element: str) -> list[Job]:
    return [job for job in play.jobs() if play.instance.nodes[job.node].element == element]


@ROUNDS
def test_the_rounds_of_a_sub_process_are_undone_the_latest_first_each_with_its_variables(kind: str) -> None:
    play = Play(trips(kind).service("pay", type="t").throw("undo", UNDO).end(), {"rooms": ["a", "b"]})
    while "pay" not in play.standing():
        job = play.jobs()[0]
        counter = play.instance.visible(job.node)["loopCounter"]
        play.complete(job, {"booking": counter * 100})
    assert compensations(play).count("trip") == 3, "the activity and its rounds"
    complete(play, "pay")
    undone = []
    while not play.completed:
        undone.append(undoing(play))
        complete(play, undone[-1][0])
    assert undone == [("no-flight", None), ("no-hotel", 200), ("no-flight", None), ("no-hotel", 100)]
    assert play.instance.waits == {}


@ROUNDS
def test_each_round_has_its_event_sub_process_that_undoes_it(kind: str) -> None:
    inner = Drawing("inner").start("s").service("hotel", type="t").end("e")
    undo = Drawing("u").start_on("us", UNDO).service("call", type="t", inputs={"r": "=loopCounter"}).end("ue")
    inner.event_sub_process("undoing", undo)
    play = Play(
        repeated(Drawing().start().sub_process("trip", inner), kind).throw("undo", UNDO).end(), {"rooms": [1, 2]}
    )
    for _ in range(2):
        play.complete(play.jobs()[0])
    for counter in (2, 1):
        assert undoing(play) == ("call", counter)
        complete(play, "call")
    assert play.completed
    assert play.instance.waits == {}


def test_an_activity_that_undoes_a_repeated_sub_process_stands_for_its_rounds() -> None:
    play = Play(trips("turn").undo_with("trip", "no-trip").throw("undo", UNDO).end(), {"rooms": ["a"]})
    complete(play, "hotel", "flight")
    assert play.standing() == ["undo", "no-trip"]
    complete(play, "no-trip")
    assert play.completed
    assert play.instance.waits == {}


def test_rounds_that_a_condition_ends_are_not_undone() -> None:
    inner = Drawing("inner").start("s").service("hotel", type="t").undo_with("hotel", "no-hotel")
    inner.service("flight", type="t").end("e")
    drawing = Drawing().start().sub_process("trip", inner).many("=[1, 2]", until="=numberOfCompletedInstances = 1")
    play = Play(drawing.throw("undo", UNDO).end())
    first, second = play.jobs()
    play.complete(second)
    play.complete(first)
    play.complete(play.jobs()[0])
    complete(play, "no-hotel")
    assert play.completed
    assert play.path().count("no-hotel") == 1


def test_a_cancelled_repeated_transaction_undoes_what_all_its_rounds_completed() -> None:
    drawing = trips("many", transaction=True).end().on("trip", "out", ("cancel",)).service("tell", type="t").end("e2")
    play = Play(drawing, {"rooms": ["a", "b", "c"], "full": False})
    for job in of(play, "hotel"):
        play.complete(job)
    first, second, _ = of(play, "flight")
    play.complete(first)
    play.carry_out(c.SetVariables({"full": True}))
    play.complete(second)
    undone = []
    while "tell" not in play.standing():
        undone.append(undoing(play)[0])
        complete(play, undone[-1])
    assert undone == ["no-flight", "no-hotel", "no-hotel", "no-flight", "no-hotel"]
    complete(play, "tell")
    assert play.completed
    assert play.instance.waits == {}


def test_an_ad_hoc_sub_process_that_is_undone_is_not_ended_by_its_condition() -> None:
    inner = Drawing("inner").service("hotel", type="t").undo_with("hotel", "no-hotel")
    inner.apart().service("flight", type="t").undo_with("flight", "no-flight")
    drawing = Drawing().start().ad_hoc("any", inner, active='=["hotel", "flight"]', until="=enough", cancel=True)
    play = Play(drawing.throw("undo", UNDO).end(), {"enough": False})
    complete(play, "hotel")
    play.carry_out(c.SetVariables({"enough": True}))
    complete(play, "flight")
    complete(play, "no-flight", "no-hotel")
    assert play.completed
    assert play.instance.waits == {}


# -- transactions ------------------------------------------------------------------------------------------------------


def transaction(*, cancel: bool = True) -> Drawing:
    inner = Drawing("inner").start("s").service("hotel", type="t").undo_with("hotel", "no-hotel")
    inner.parallel("f").service("flight", type="t").exclusive("g").when("=full").end_on("cancelled", ("cancel",))
    inner.at("g").otherwise().end("booked").at("f").service("car", type="t").undo_with("car", "no-car").end("driven")
    drawing = Drawing().start().transaction("trip", inner).end()
    drawing.on("trip", "failed", ("error",)).end("hazard")
    return drawing.on("trip", "given-up", ("cancel",)).service("tell", type="t").end("told") if cancel else drawing


def test_a_cancelled_transaction_ends_undoes_and_leaves_by_its_border() -> None:
    play = Play(transaction(), {"full": True})
    complete(play, "hotel", "flight")
    assert play.standing() == ["trip", "cancelled", "no-hotel"], "the car ended"
    complete(play, "no-hotel")
    assert play.standing() == ["tell"]
    complete(play, "tell")
    assert play.completed
    assert play.instance.waits == {}


def test_a_repeated_transaction_is_cancelled_with_all_its_rounds() -> None:
    inner = Drawing("inner").start("s").service("ask", type="t").end_on("cancelled", ("cancel",))
    drawing = Drawing().start().transaction("trip", inner).many("=[1, 2]").end().on("trip", "out", ("cancel",))
    play = Play(drawing.service("tell", type="t").end("told"))
    play.complete(play.jobs()[0])
    assert play.standing() == ["tell"]
    play.complete("tell")
    assert play.completed


def test_a_transaction_with_nothing_to_undo_is_cancelled_at_once() -> None:
    inner = Drawing("inner").start("s").end_on("cancelled", ("cancel",))
    play = Play(Drawing().start().transaction("t", inner).end().on("t", "out", ("cancel",)).end("e"))
    assert play.path()[-2:] == ["out", "e"]
    assert play.completed


def test_a_transaction_that_succeeds_is_an_ordinary_sub_process() -> None:
    play = Play(transaction(), {"full": False})
    complete(play, "hotel", "flight", "car")
    assert play.completed
    assert play.path()[-1] == "end"


def test_an_error_out_of_a_transaction_undoes_nothing() -> None:
    play = Play(transaction(), {"full": True})
    complete(play, "hotel")
    play.throw("flight", "X")
    assert play.completed
    assert play.path()[-2:] == ["failed", "hazard"]
    assert "no-hotel" not in play.path()


# -- models that make no sense -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawing", "rule", "element"),
    [
        (Drawing().start().service("a", type="t").end().on("a", "x", UNDO), "no-compensation", "x"),
        (booked().throw("x", ("compensate", "pay")).end(), "unknown-reference", "x"),
        (booked().throw("x", ("compensate", "nothing")).end(), "unknown-reference", "x"),
        (booked().end().at("undo-of-hotel").to("pay"), "compensation-with-flow", "undo-of-hotel"),
        (booked().end().at("pay").to("no-hotel"), "compensation-with-flow", "no-hotel"),
        (Drawing().start().service("x", type="t", isForCompensation="true").end(), "never-compensates", "x"),
        (
            booked().end().event_sub_process("sub", Drawing("h").start_on("x", UNDO).end("he")),
            "not-executable",
            "x",
        ),
        (transaction(cancel=False), "no-cancel", "cancelled"),
        (Drawing().start().end_on("x", ("cancel",)), "cancel-outside", "x"),
        (Drawing().start().service("a", type="t").end().on("a", "x", ("cancel",)).end("e"), "cancel-outside", "x"),
        (booked().undo_with("nobody", "second").end(), "unknown-reference", "undo-of-nobody"),
        (booked().on("hotel", "twice", UNDO).end(), "no-compensation", "twice"),
        (booked().undo_with("hotel", "second").end(), "duplicate-id", "undo-of-hotel"),
        (Drawing().start().catch("x", UNDO).end(), "not-executable", "x"),
        (Drawing().start().throw("x", ("cancel",)).end(), "not-executable", "x"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(drawing: Drawing, rule: str, element: str) -> None:
    with pytest.raises(ModelInvalid) as refusal:
        parse(drawing.xml())
    assert (rule, element) in {(problem.rule, problem.element) for problem in refusal.value.problems}
