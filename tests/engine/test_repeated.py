"""Activities that are done more than once: multi-instance, standard loop, and the quantities of tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid
from processes.engine.parser import parse
from processes.engine.parts import NodeState
from tests.drawing import Drawing
from tests.engine.play import Play

RESULTS = ("results", "=result")


def charges(**options: Any) -> Drawing:
    """A service task for each order."""
    options = {"output": RESULTS, **options}
    return Drawing().start().service("charge", type="charge").many("=orders", "order", **options).end()


def problems(drawing: Drawing) -> list[tuple[str, str]]:
    with pytest.raises(ModelInvalid) as caught:
        parse(drawing.xml())
    return [(problem.rule, problem.message) for problem in caught.value.problems]


# -- parallel ----------------------------------------------------------------------------------------------------------


def test_all_rounds_begin_at_once_and_their_results_are_collected_by_position() -> None:
    play = Play(charges(), {"orders": ["a", "b", "c"]})
    body, *rounds = (play.instance.nodes[key] for key in sorted(play.instance.nodes))
    assert [visit.scope for visit in rounds] == [body.key] * 3
    assert [visit.variables for visit in rounds] == [
        {"order": order, "loopCounter": number, "result": None} for number, order in enumerate("abc", 1)
    ]
    for position in (3, 1):
        play.complete("charge", {"result": position * 10, "seen": position}, position=position)
    assert not play.completed
    assert "results" not in play.variables
    play.complete("charge", {"result": 20}, position=2)
    assert play.completed
    assert play.variables == {"orders": ["a", "b", "c"], "results": [10, 20, 30], "seen": 1}
    assert play.path() == ["start", "charge", "charge", "charge", "charge", "end"]


def test_an_empty_collection_completes_at_once() -> None:
    play = Play(charges(), {"orders": []})
    assert play.completed
    assert play.variables == {"orders": [], "results": []}


def test_what_is_no_list_is_an_incident_and_evaluated_again_when_it_is_resolved() -> None:
    play = Play(charges().on_timer("charge", "late", "PT1H").end("gave up"), {"orders": "many"})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.EXPRESSION
    assert incident.message == "Expected the collection '=orders' to be a list but found \"many\""
    assert play.node("charge").state is NodeState.READY
    assert play.timers() == []
    play.carry_out(c.SetVariables({"orders": [1]}))
    play.resolve()
    play.complete("charge", {"result": 1})
    assert play.completed


def test_inputs_and_outputs_are_those_of_each_round() -> None:
    drawing = (
        Drawing()
        .start()
        .service("charge", type="charge", inputs={"amount": "=order.total * loopCounter"}, outputs={"paid": "=id"})
        .many("=orders", "order", output=("receipts", "={n: loopCounter, paid: paid}"))
        .end()
    )
    play = Play(drawing, {"orders": [{"total": 5}, {"total": 7}]})
    assert [play.instance.nodes[job.node].variables["amount"] for job in play.jobs()] == [5, 14]
    play.complete("charge", {"id": "r1"}, position=1)
    play.complete("charge", {"id": "r2"}, position=2)
    assert play.variables["receipts"] == [{"n": 1, "paid": "r1"}, {"n": 2, "paid": "r2"}]


def test_an_input_may_hide_the_element_and_is_still_evaluated_anew_from_it() -> None:
    drawing = Drawing().start().service("a", inputs={"item": "=item * factor"}).many("=items").end()
    play = Play(drawing, {"items": [3], "factor": 2})
    assert play.instance.nodes[play.job("a").node].variables["item"] == 6
    play.fail("a", retries=0)
    play.carry_out(c.SetVariables({"factor": 5}))
    play.resolve()
    assert play.instance.nodes[play.job("a").node].variables["item"] == 15


def test_a_round_is_parked_and_resolved_alone() -> None:
    play = Play(charges(), {"orders": [1, 2]})
    play.fail("charge", retries=0, position=1)
    play.complete("charge", {"result": "two"}, position=2)
    assert not play.completed
    play.resolve()
    play.complete("charge", {"result": "one"}, position=1)
    assert play.variables["results"] == ["one", "two"]


def test_an_input_that_cannot_be_evaluated_parks_only_its_round() -> None:
    drawing = Drawing().start().service("a", type="=order.kind").many("=orders", "order").end()
    play = Play(drawing, {"orders": [{"kind": "x"}, {}]})
    assert [job.type for job in play.jobs()] == ["x"]
    (incident,) = play.incidents()
    play.carry_out(c.SetVariables({"order": {"kind": "y"}}, incident.node))
    play.resolve()
    assert [job.type for job in play.jobs()] == ["x", "y"]
    assert play.instance.nodes[play.jobs()[1].node].variables["loopCounter"] == 2


def test_the_completion_condition_ends_the_others() -> None:
    play = Play(charges(until="=result > 10"), {"orders": [1, 2, 3]})
    play.complete("charge", {"result": 4}, position=3)
    assert len(play.jobs()) == 2
    facts = play.complete("charge", {"result": 11}, position=1)
    assert play.completed
    assert sum(isinstance(fact, f.NodeTerminated) for fact in facts) == 1
    assert play.variables["results"] == [11, None, 4]


@pytest.mark.parametrize(
    ("condition", "ends_with"),
    [
        ("=numberOfCompletedInstances = 2", 2),
        ("=nrOfCompletedInstances / nrOfInstances >= 0.5", 2),
        ("=numberOfActiveInstances = 1", 3),
        ("=nrOfActiveInstances = 0", 4),
        ("=numberOfTerminatedInstances > 0", 4),
        ("=numberOfInstances = 4", 1),
        ("=count(results[item != null]) = 3", 3),
        ("=false", 4),
    ],
)
@pytest.mark.parametrize("sequential", [False, True])
def test_a_completion_condition_may_name_counts(condition: str, ends_with: int, sequential: bool) -> None:
    if sequential:
        # One after the other: never is more than one active, and only those that began are there.
        ends_with = {
            "=numberOfActiveInstances = 1": 4,
            "=nrOfActiveInstances = 0": 1,
            "=numberOfInstances = 4": 4,
        }.get(condition, ends_with)
    play = Play(charges(until=condition, sequential=sequential), {"orders": [1, 2, 3, 4]})
    for position in (1, 2, 3, 4):
        play.complete("charge", {"result": position}, position=position)
        if play.completed:
            break
    assert position == ends_with
    assert play.variables["results"] == [1, 2, 3, 4][:ends_with] + [None] * (4 - ends_with)


def test_a_completion_condition_that_is_no_truth_parks_the_round_with_its_result() -> None:
    play = Play(charges(until="=enough"), {"orders": [1]})
    play.complete("charge", {"result": 5})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.CONDITION
    assert "the completionCondition '=enough' to be true or false but found null" in incident.message
    assert not play.jobs()
    play.carry_out(c.SetVariables({"enough": False}))
    play.resolve()
    assert play.completed
    assert play.variables["results"] == [5]


def test_rounds_that_wait_for_nothing_are_all_done_in_one_step() -> None:
    drawing = Drawing().start().script("square", "=item * item", "result").many("=items", output=RESULTS).end()
    play = Play(drawing, {"items": [1, 2, 3]})
    assert play.completed
    assert play.variables["results"] == [1, 4, 9]


def test_a_condition_may_hold_before_all_rounds_were_activated() -> None:
    drawing = (
        Drawing().start().script("square", "=item * item", "result").many("=items", output=RESULTS, until="=item = 2")
    )
    play = Play(drawing.end(), {"items": [1, 2, 3]})
    assert play.completed
    assert play.variables["results"] == [1, 4, None]


# -- what bounds it ----------------------------------------------------------------------------------------------------


def test_boundary_events_are_those_of_the_whole() -> None:
    drawing = charges().on_timer("charge", "late", "PT1H").end("gave up")
    play = Play(drawing, {"orders": [1, 2, 3]})
    assert len(play.timers()) == 1
    play.complete("charge", {"result": 1}, position=1)
    play.wait(timedelta(hours=2))
    assert play.completed
    assert play.path()[-2:] == ["late", "gave up"]
    assert "results" not in play.variables


def test_a_boundary_event_that_does_not_interrupt_goes_beside_it() -> None:
    drawing = charges().on_message("charge", "asked", "status", interrupting=False).end("told")
    play = Play(drawing, {"orders": [1, 2]})
    play.publish("status")
    assert "told" in play.path()
    assert len(play.jobs()) == 2


def test_an_error_of_one_round_is_caught_on_the_border_and_ends_the_others() -> None:
    drawing = charges().on_error("charge", "declined", "DECLINED").end("no")
    play = Play(drawing, {"orders": [1, 2, 3]})
    play.throw("charge", "DECLINED", {"why": "broke"}, position=2)
    assert play.completed
    assert play.path()[-2:] == ["declined", "no"]
    assert play.variables["why"] == "broke"


def test_an_error_that_nobody_catches_parks_its_round() -> None:
    play = Play(charges().on_error("charge", "declined", "DECLINED").end("no"), {"orders": [1, 2]})
    play.throw("charge", "OTHER", position=2)
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.UNHANDLED_ERROR
    assert play.instance.nodes[incident.node].position == 2


def test_cancelling_ends_all_rounds() -> None:
    play = Play(charges(), {"orders": [1, 2, 3]})
    play.carry_out(c.CancelInstance())
    assert play.instance.nodes == {}
    assert play.instance.waits == {}


# -- sequential --------------------------------------------------------------------------------------------------------


def test_one_round_begins_when_the_one_before_has_completed() -> None:
    play = Play(charges(sequential=True), {"orders": ["a", "b"]})
    assert play.instance.nodes[play.job("charge").node].variables["order"] == "a"
    # What becomes of the collection meanwhile does not matter.
    play.complete("charge", {"result": 1, "orders": []})
    assert play.instance.nodes[play.job("charge").node].variables == {"order": "b", "loopCounter": 2, "result": None}
    play.complete("charge", {"result": 2})
    assert play.completed
    assert play.variables["results"] == [1, 2]


def test_a_long_sequence_that_waits_for_nothing_is_no_deep_recursion() -> None:
    drawing = (
        Drawing().start().script("square", "=item * item", "result").many("=items", output=RESULTS, sequential=True)
    )
    play = Play(drawing.end(), {"items": list(range(3000))})
    assert play.completed
    assert play.variables["results"][-1] == 2999**2


def test_a_circle_around_rounds_is_found_as_soon_as_any_other() -> None:
    drawing = Drawing().start().exclusive("again").script("a", "=item", "x").many("=[1, 2, 3]").to("again")
    play = Play(drawing)
    assert {incident.kind for incident in play.incidents()} == {IncidentKind.ENDLESS_LOOP}
    assert len(play.path()) < 11_000


def test_too_many_rounds_are_refused_at_once() -> None:
    play = Play(Drawing().start().script("a", "=1", "x").many(cardinality="=100001").end())
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.ENDLESS_LOOP
    assert "at most 100000 rounds at once but found 100001" in incident.message


# -- insides -----------------------------------------------------------------------------------------------------------


def inner() -> Drawing:
    return (
        Drawing("inner")
        .start("is")
        .exclusive("which")
        .when("=order > 10")
        .service("large")
        .exclusive("joined")
        .end("ie")
        .at("which")
        .otherwise()
        .service("small")
        .to("joined")
    )


def test_a_sub_process_is_repeated_with_all_that_is_in_it() -> None:
    drawing = Drawing().start().sub_process("each", inner()).many("=orders", "order", output=RESULTS).end()
    play = Play(drawing, {"orders": [5, 50]})
    assert sorted(play.instance.nodes[job.node].element for job in play.jobs()) == ["large", "small"]
    play.complete("large", {"result": "L"})
    play.complete("small", {"result": "S"})
    assert play.completed
    assert play.variables["results"] == ["S", "L"]


def test_what_terminates_inside_a_round_ends_that_round() -> None:
    body = Drawing("inner").start("is").parallel("fork").service("work").end("ie").at("fork").terminate("stop")
    drawing = Drawing().start().sub_process("each", body).many("=orders", "order").end()
    play = Play(drawing, {"orders": [1, 2]})
    assert play.completed


def test_a_round_inside_a_round() -> None:
    inside = Drawing("inner").start("is").service("cell").many("=row", "cell", output=("line", "=value")).end("ie")
    drawing = Drawing().start().sub_process("rows", inside).many("=table", "row", output=("grid", "=line")).end()
    play = Play(drawing, {"table": [[1, 2], [], [3]]})
    assert len(play.jobs()) == 3
    for job in list(play.jobs()):
        visit = play.instance.nodes[job.node]
        play.complete(job, {"value": visit.variables["cell"] * 10})
    assert play.completed
    assert play.variables["grid"] == [[10, 20], [], [30]]


def test_messages_and_tokens_find_their_round() -> None:
    drawing = Drawing().start().receive("answer", "reply", "=item").many("=items", output=("got", "=said")).end()
    play = Play(drawing, {"items": ["x", "y"]})
    play.publish("reply", "y", {"said": 2})
    play.publish("reply", "x", {"said": 1})
    assert play.completed
    assert play.variables["got"] == [1, 2]


# -- words of others ---------------------------------------------------------------------------------------------------


def test_bpmn_has_words_of_its_own() -> None:
    loop = (
        "<bpmn:multiInstanceLoopCharacteristics><bpmn:loopDataInputRef>orders</bpmn:loopDataInputRef>"
        "<bpmn:loopDataOutputRef>results</bpmn:loopDataOutputRef><bpmn:inputDataItem id='i' name='order' />"
        "<bpmn:outputDataItem id='o' name='result' /></bpmn:multiInstanceLoopCharacteristics>"
    )
    play = Play(Drawing().start().service("a").within(loop).end(), {"orders": [7]})
    assert play.instance.nodes[play.job("a").node].variables == {"loopCounter": 1, "order": 7, "result": None}
    play.complete("a", {"result": 8})
    assert play.variables == {"orders": [7], "results": [8]}


@pytest.mark.parametrize("collection", ["orders", "${orders}", "#{ orders }"])
def test_camunda_7_has_words_too(collection: str) -> None:
    loop = (
        f'<bpmn:multiInstanceLoopCharacteristics isSequential="true" camunda:collection="{collection}" '
        'camunda:elementVariable="order" camunda:asyncBefore="true" />'
    )
    play = Play(Drawing().start().service("a").within(loop).end(), {"orders": [7]})
    assert play.instance.nodes[play.job("a").node].variables == {"loopCounter": 1, "order": 7}


def test_a_cardinality_is_a_number_of_rounds() -> None:
    play = Play(Drawing().start().service("a").many(cardinality="=n + 1").end(), {"n": 1})
    assert len(play.jobs()) == 2
    for wrong in ("=-1", '="x"', "=1.5", "=true"):
        parked = Play(Drawing().start().service("a").many(cardinality=wrong).end())
        assert "to give a whole number" in parked.incidents()[0].message


@pytest.mark.parametrize(
    ("loop", "rule"),
    [
        ("<bpmn:multiInstanceLoopCharacteristics/>", "no-collection"),
        (
            "<bpmn:multiInstanceLoopCharacteristics camunda:collection='a'><bpmn:loopCardinality>3"
            "</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>",
            "no-collection",
        ),
        ("<bpmn:multiInstanceLoopCharacteristics camunda:elementVariable='a'/>", "no-collection"),
        ("<bpmn:multiInstanceLoopCharacteristics camunda:collection='${a.b()}'/>", "bad-juel"),
        (
            "<bpmn:multiInstanceLoopCharacteristics><bpmn:inputDataItem id='i'/>"
            "</bpmn:multiInstanceLoopCharacteristics>",
            "no-collection",
        ),
        (
            "<bpmn:multiInstanceLoopCharacteristics camunda:collection='a'><bpmn:extensionElements>"
            "<zeebe:loopCharacteristics outputCollection='b'/></bpmn:extensionElements>"
            "</bpmn:multiInstanceLoopCharacteristics>",
            "half-an-output",
        ),
        (
            "<bpmn:multiInstanceLoopCharacteristics behavior='None'><bpmn:loopCardinality>3</bpmn:loopCardinality>"
            "</bpmn:multiInstanceLoopCharacteristics>",
            "not-executable",
        ),
        (
            "<bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality language='groovy'>x</bpmn:loopCardinality>"
            "</bpmn:multiInstanceLoopCharacteristics>",
            "not-feel",
        ),
        ("<bpmn:standardLoopCharacteristics/>", "endless-loop"),
        ("<bpmn:standardLoopCharacteristics loopMaximum='0'/>", "bad-loop"),
        (
            "<bpmn:standardLoopCharacteristics loopMaximum='2'/><bpmn:standardLoopCharacteristics loopMaximum='2'/>",
            "two-loops",
        ),
    ],
)
def test_what_cannot_be_repeated_is_refused(loop: str, rule: str) -> None:
    found = problems(Drawing().start().service("a", type="a").within(loop).end())
    assert rule in [name for name, _ in found], found


def test_behind_an_event_based_gateway_nothing_is_repeated() -> None:
    drawing = Drawing().start().event_based("first").receive("a", "m").many(cardinality="2").end()
    drawing.at("first").timer("t", "PT1H").end("late")
    assert ("event-gateway-targets", problems(drawing)[0][1]) in problems(drawing)
    assert "to be done once" in problems(drawing)[0][1]


# -- standard loop -----------------------------------------------------------------------------------------------------


def test_it_is_done_again_while_the_condition_holds() -> None:
    play = Play(Drawing().start().service("poll").again('=status != "done"').end())
    play.complete("poll", {"status": "busy"})
    assert play.instance.nodes[play.job("poll").node].variables == {"loopCounter": 2}
    play.complete("poll", {"status": "done"})
    assert play.completed
    assert play.variables == {"status": "done"}


def test_it_may_be_tested_before_the_first_time() -> None:
    drawing = Drawing().start().service("a").again("=loopCounter < n", before=True).end()
    assert Play(drawing, {"n": 0}).completed
    play = Play(drawing, {"n": 2})
    play.complete("a")
    play.complete("a")
    assert play.completed


def test_it_is_done_at_most_so_often() -> None:
    play = Play(Drawing().start().script("a", "=loopCounter", "n").again(maximum=3).end())
    assert play.completed
    assert play.variables == {"n": 3}
    play = Play(Drawing().start().script("a", "=loopCounter", "n").again("=n < 2", maximum=3).end())
    assert play.variables == {"n": 2}


def test_a_circle_without_end_is_an_incident() -> None:
    play = Play(Drawing().start().script("a", "=1", "x").again("=true").end())
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.ENDLESS_LOOP


def test_a_loop_condition_that_is_no_truth_is_an_incident() -> None:
    play = Play(Drawing().start().service("a").again("=more", before=True).end())
    assert play.node("a").state is NodeState.READY
    play.carry_out(c.SetVariables({"more": True}))
    play.resolve()
    play.complete("a", {"more": None})
    assert play.incidents()[0].kind is IncidentKind.CONDITION
    play.carry_out(c.SetVariables({"more": False}))
    play.resolve()
    assert play.incidents()[0].kind is IncidentKind.CONDITION, "what the round itself said holds"


def test_a_sub_process_is_done_again_and_bounded() -> None:
    body = Drawing("inner").start("is").service("work").end("ie")
    drawing = Drawing().start().sub_process("each", body).again("=true").end()
    play = Play(drawing.on_timer("each", "late", "PT1H").end("enough"))
    play.complete("work")
    play.complete("work")
    play.wait(timedelta(hours=2))
    assert play.completed
    assert len(play.timers()) == 0


# -- quantities --------------------------------------------------------------------------------------------------------


def test_an_activity_may_take_several_tokens_to_begin_and_give_several() -> None:
    drawing = Drawing().start().service("give", completionQuantity="4").service("take", startQuantity="2").end()
    play = Play(drawing)
    play.complete("give")
    assert len(play.jobs()) == 2
    assert play.instance.tokens == {}
    for job in list(play.jobs()):
        play.complete(job)
    assert play.completed
    assert play.path().count("end") == 2


def test_a_token_that_is_one_of_too_few_waits() -> None:
    drawing = Drawing().start().parallel("fork").service("a").service("both", startQuantity="2").end()
    drawing.at("fork").service("b").to("both")
    play = Play(drawing)
    play.complete("a")
    assert [token.flow for token in play.instance.tokens.values()] == ["a-both"]
    play.complete("b")
    assert play.standing() == ["both"]


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1001", ""])
def test_a_quantity_is_a_whole_number(wrong: str) -> None:
    found = problems(Drawing().start().service("a", type="a", startQuantity=wrong).end())
    assert [rule for rule, _ in found] == ["bad-quantity"]
