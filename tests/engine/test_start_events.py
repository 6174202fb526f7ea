"""What begins a process, BPMN 2.0.2 section 10.5.2: start events, receive tasks and event-based gateways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import ModelInvalid, ProcessFault, Rejected
from processes.engine.event_definition import StartKind
from processes.engine.parser import parse
from tests.drawing import Definition, Drawing, mappings, timer
from tests.engine.play import NOON, Play


def begun(drawing: Drawing, element: str, variables: dict[str, Any] | None = None) -> Play:
    play = Play(drawing, start=False)
    play.carry_out(c.StartInstance(variables or {}, element=element))
    return play


def starts(drawing: Drawing) -> list[tuple[Any, ...]]:
    process = parse(drawing.xml()).processes[0]
    found = [start for event, _ in process.beginnings.values() for start in event.starts(NOON)]
    return [(each.kind, each.element, each.name, each.due_at, each.repetitions) for each in found]


def three() -> Drawing:
    drawing = Drawing().start().service("work", type="a").end()
    drawing = drawing.start_message("hear", "order-placed", "=never").to("work")
    return drawing.start_timer("daily", "R/PT24H", kind="timeCycle").service("report", type="r").end("reported")


def test_a_process_says_what_begins_it() -> None:
    day = NOON + timedelta(days=1)
    assert starts(three()) == [
        (StartKind.MESSAGE, "hear", "order-placed", None, 0),
        (StartKind.TIMER, "daily", "", day, -1),
    ]


@pytest.mark.parametrize(
    ("value", "kind", "due", "repetitions"),
    [
        ("PT1H", "timeDuration", timedelta(hours=1), 0),
        ("R3/PT1H", "timeCycle", timedelta(hours=1), 2),
        ("2030-02-01T12:00:00Z", "timeDate", timedelta(days=1), 0),
        ('="PT" + string(1 + 1) + "H"', "timeDuration", timedelta(hours=2), 0),
        ("0 13 * * *", "timeCycle", timedelta(hours=1), -1),
    ],
)
def test_when_a_timer_begins_it(value: str, kind: str, due: timedelta, repetitions: int) -> None:
    ((_, _, _, due_at, left),) = starts(Drawing().start_timer("t", value, kind=kind).end())
    assert (due_at - NOON, left) == (due, repetitions)


def test_a_timer_begins_it_so_many_times() -> None:
    process = parse(Drawing().start_timer("t", "R3/PT1H", kind="timeCycle").end().xml()).processes[0]
    event, _ = process.beginnings["t"]
    (start,), found = event.starts(NOON), []
    while start.due_at is not None:
        found.append(start.due_at - NOON)
        start = event.start_again(start, start.due_at)
    assert found == [timedelta(hours=hours) for hours in (1, 2, 3)]


def test_triggers_see_no_variables() -> None:
    process = parse(Drawing().start_message("hear", "=name").end().xml()).processes[0]
    with pytest.raises(ProcessFault, match="name of the message"):
        process.beginnings["hear"][0].starts(NOON)


def test_each_event_begins_at_its_own_place() -> None:
    play = begun(three(), "hear", {"order": 7})
    assert play.path() == ["hear", "work"]
    assert play.variables == {"order": 7}
    assert begun(three(), "daily").path() == ["daily", "report"]
    assert Play(three(), {"by": "hand"}).path() == ["start", "work"]


def test_outputs_say_what_of_the_message_comes_in() -> None:
    extension = f"<bpmn:extensionElements>{mappings(None, {'number': '=order.id'})}</bpmn:extensionElements>"
    xml = Drawing().start_message("hear", "m").service("work", type="a").end().xml()
    play = Play(
        xml.replace(b"<bpmn:messageEventDefinition", extension.encode() + b"<bpmn:messageEventDefinition"), start=False
    )
    play.carry_out(c.StartInstance({"order": {"id": 7}, "more": 1}, element="hear"))
    assert play.variables == {"number": 7}


def test_without_a_none_start_event_nobody_begins_it_by_hand() -> None:
    with pytest.raises(Rejected, match="none start event but found only 'hear'") as refusal:
        Play(Drawing().start_message("hear", "m").end())
    assert refusal.value.code == "no-none-start"
    with pytest.raises(Rejected) as refusal:
        begun(three(), "work")
    assert refusal.value.code == "start-not-found"


def test_a_receive_task_begins_it() -> None:
    drawing = Drawing().node("receiveTask", "hear", messageRef="", instantiate="true")
    xml = drawing.service("work", type="a").end().xml()
    xml = xml.replace(b'messageRef=""', b'messageRef="M"').replace(
        b"</bpmn:definitions>", b'<bpmn:message id="M" name="placed"/></bpmn:definitions>'
    )
    play = Play(xml, start=False)
    assert play.process.beginnings["hear"][0].starts(NOON)[0].name == "placed"
    play.carry_out(c.StartInstance({"order": 7}, element="hear"))
    assert (play.path(), play.variables) == (["hear", "work"], {"order": 7})


def gateway() -> Drawing:
    drawing = Drawing().node("eventBasedGateway", "first", instantiate="true")
    drawing = drawing.message("placed", "placed").service("work", type="a").end()
    return drawing.at("first").timer("nightly", "PT8H").end("over")


def test_an_event_based_gateway_begins_it_with_each_of_its_events() -> None:
    assert [(kind, element) for kind, element, *_ in starts(gateway())] == [
        (StartKind.MESSAGE, "placed"),
        (StartKind.TIMER, "nightly"),
    ]
    play = begun(gateway(), "placed", {"order": 7})
    assert (play.path(), play.variables) == (["first", "placed", "work"], {"order": 7})
    assert [fact.flow for fact in play.facts if isinstance(fact, f.FlowTaken)] == ["first-placed", "placed-work"]
    assert begun(gateway(), "nightly").completed


@pytest.mark.parametrize("begins", ["receive task", "gateway"])
def test_whatever_begins_it_its_event_sub_processes_may_begin_from_then_on(begins: str) -> None:
    inner = Drawing("h").start_on("stop", ("message", "stop", "=order")).end("stopped")
    drawing = (
        Drawing().receive("placed", "placed").service("work", type="a").end() if begins != "gateway" else gateway()
    )
    if begins != "gateway":
        drawing._nodes[0] = drawing._nodes[0].replace(' id="placed"', ' id="placed" instantiate="true"', 1)
    play = begun(drawing.event_sub_process("sub", inner), "placed", {"order": "7"})
    assert play.standing() == ["work"]
    play.publish("stop", "7")
    assert play.completed
    assert play.path()[-1] == "stopped"
    play = begun(drawing, "placed")
    assert "the correlation key '=order'" in play.incidents()[0].message
    play.complete("work")
    assert play.completed


def hot() -> Drawing:
    drawing = Drawing().start_on("hot", ("conditional", "=heat > 30"), ("conditional", "=fire"))
    drawing = drawing.service("cool", type="a").end()
    return drawing.start_on("cold", ("conditional", "=heat < 0")).to("cool")


@pytest.mark.parametrize(
    ("variables", "true"),
    [({"heat": 31}, ["hot"]), ({"heat": 30}, []), ({"fire": True}, ["hot"]), ({}, []), ({"heat": "31"}, []),
     ({"heat": -1, "fire": True}, ["hot", "cold"])],
)  # fmt: skip
def test_a_condition_begins_it_where_it_is_true_of_the_variables_given(
    variables: dict[str, Any], true: list[str]
) -> None:
    assert starts(hot()) == [(StartKind.CONDITION, "hot", "", None, 0), (StartKind.CONDITION, "cold", "", None, 0)]
    beginnings = parse(hot().xml()).processes[0].beginnings.values()
    assert [event.id for event, _ in beginnings if event.begins_with(variables, NOON)] == true
    for id in true:
        play = begun(hot(), id, variables)
        assert (play.path(), play.variables) == ([id, "cool"], variables)


def together(*triggers: Definition) -> Drawing:
    return Drawing().start_on("all", *triggers, parallelMultiple="true").service("work", type="a").end()


@pytest.mark.parametrize("kind", ["message", "signal"])
def test_a_parallel_multiple_event_says_that_it_needs_all(kind: str) -> None:
    drawing = together((kind, "one"), (kind, "two"))
    assert [(found.lower(), name) for found, _, name, *_ in starts(drawing)] == [(kind, "one"), (kind, "two")]
    assert parse(drawing.xml()).processes[0].beginnings["all"][0].needs_all
    assert begun(drawing, "all", {"a": 1}).standing() == ["work"]


def all_of_them(*, instantiate: str = "true", third: str = "") -> Drawing:
    drawing = Drawing().node("eventBasedGateway", "all", eventGatewayType="Parallel", instantiate=instantiate)
    for name in ("placed", "paid"):
        drawing.at("all").message(name, name, "=nobody").service(f"note-{name}", type="t")
        drawing.to("both") if name == "paid" else drawing.parallel("both")
    drawing.end()
    kind = ("conditional" if third.startswith("=") else "timer", third)
    return drawing.at("all").catch("third", kind).end("over") if third else drawing


def test_a_parallel_event_based_gateway_begins_it_with_the_first_message_and_waits_for_the_others() -> None:
    play = Play(all_of_them(), start=False)
    play.carry_out(c.StartInstance({"order": 7}, element="paid", correlation_key="7"))
    assert play.standing() == ["all", "note-paid"]
    play.complete("note-paid")
    assert play.standing() == ["all"], "its way goes on at once, and the gateway still waits"
    play.publish("placed", "7", {"by": "post"})
    assert play.standing() == ["note-placed"]
    play.complete("note-placed")
    assert play.completed
    assert play.variables == {"order": 7, "by": "post"}
    assert [fact.flow for fact in play.facts if isinstance(fact, f.FlowTaken)][:3] == [
        "all-paid", "paid-note-paid", "note-paid-both",
    ]  # fmt: skip


def test_each_message_of_a_parallel_gateway_is_waited_for_once() -> None:
    drawing = Drawing().node("eventBasedGateway", "all", eventGatewayType="Parallel", instantiate="true")
    for name in ("one", "two", "three"):
        drawing.at("all").receive(name, name).end(f"end-{name}")
    play = begun(drawing, "two")
    play.publish("one")
    with pytest.raises(AssertionError, match="nobody waits"):
        play.publish("one")
    assert not play.completed, "the process does not end without all of them"
    play.publish("three")
    assert play.completed
    assert play.path() == ["all", "two", "end-two", "one", "end-one", "three", "end-three"]


def test_what_ends_the_process_ends_a_parallel_gateway_that_waits() -> None:
    drawing = Drawing().node("eventBasedGateway", "all", eventGatewayType="Parallel", instantiate="true")
    drawing.message("stop", "stop").terminate().at("all").message("go", "go").end()
    assert begun(drawing, "stop").completed


def test_no_join_behind_a_parallel_gateway_is_said_to_wait_for_ever() -> None:
    rules = [warning.rule for warning in parse(all_of_them().xml()).warnings]
    assert "join-may-wait" not in rules


@pytest.mark.parametrize(
    ("drawing", "rule"),
    [
        (Drawing().start().end().start("second").end("end2"), "one-start"),
        (Drawing().start().node("receiveTask", "r", messageRef="M", instantiate="true").end(), "bad-instantiate"),
        (
            Drawing()
            .start()
            .node("eventBasedGateway", "g", instantiate="true")
            .message("m", "m")
            .end()
            .at("g")
            .timer("t", "PT1H")
            .end("e2"),
            "bad-instantiate",
        ),
        (together(("message", "a"), ("signal", "b")), "not-executable"),
        (together(("message", "a"), ("timer", "PT1H")), "not-executable"),
        (together(("signal", "a"), ("conditional", "=x")), "not-executable"),
        (all_of_them(third="PT1H"), "event-gateway-parallel"),
        (all_of_them(instantiate="false"), "event-gateway-parallel"),
        (Drawing().node("eventBasedGateway", "g", eventGatewayType="Odd", instantiate="true"), "not-executable"),
        (Drawing().start().sub_process("sub", Drawing("i").start_timer("t", "PT1H").end("e")).end(), "not-executable"),
        (Drawing().node("startEvent", "s", "<bpmn:conditionalEventDefinition/>").end(), "no-condition"),
        (all_of_them(third="=x > 1"), "event-gateway-parallel"),
        (Drawing().node("startEvent", "s", "<bpmn:errorEventDefinition/>").end(), "not-executable"),
        (Drawing().node("startEvent", "s", timer("soon")).end(), "bad-timer"),
        (Drawing().start_message("s", "=").end(), "bad-feel"),
        (Drawing().node("startEvent", "s", "<bpmn:messageEventDefinition/>").end(), "no-message"),
    ],
)
def test_what_begins_nothing_is_refused(drawing: Drawing, rule: str) -> None:
    xml = drawing.xml().replace(b"</bpmn:definitions>", b'<bpmn:message id="M" name="m"/></bpmn:definitions>')
    with pytest.raises(ModelInvalid) as caught:
        parse(xml)
    assert rule in [problem.rule for problem in caught.value.problems]
