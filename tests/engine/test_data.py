"""Data objects, properties, data inputs and outputs, BPMN 2.0.2 section 10.4: variables carry what is associated."""

from __future__ import annotations

import time

import pytest

from processes.engine.errors import ModelInvalid, Problem, Severity
from processes.engine.parser import parse
from tests.drawing import Drawing
from tests.engine.play import Play

CREDIT = '<bpmn:dataObject id="D1" name="credit"/>'
SCORE_IN = '<bpmn:dataInput id="I1" name="score"/>'
SCORE_OUT = '<bpmn:dataOutput id="O1" name="score"/>'


def declared(*items: str) -> str:
    """Data inputs and outputs, each in the only set of its kind."""
    sets = "<bpmn:inputSet/><bpmn:outputSet/>"
    return f"<bpmn:ioSpecification>{''.join(items)}{sets}</bpmn:ioSpecification>"


def comes_in(source: str = "", target: str = "I1", more: str = "") -> str:
    given = f"<bpmn:sourceRef>{source}</bpmn:sourceRef>" if source else ""
    return (
        f"<bpmn:dataInputAssociation>{given}<bpmn:targetRef>{target}</bpmn:targetRef>{more}</bpmn:dataInputAssociation>"
    )


def goes_out(source: str = "O1", target: str = "D1", more: str = "") -> str:
    given = f"<bpmn:sourceRef>{source}</bpmn:sourceRef>" if source else ""
    ends = f"{given}<bpmn:targetRef>{target}</bpmn:targetRef>"
    return f"<bpmn:dataOutputAssociation>{ends}{more}</bpmn:dataOutputAssociation>"


def made(text: str) -> str:
    return f"<bpmn:transformation>{text}</bpmn:transformation>"


def put(value: str, to: str) -> str:
    return f"<bpmn:assignment><bpmn:from>{value}</bpmn:from><bpmn:to>{to}</bpmn:to></bpmn:assignment>"


def with_data(drawing: Drawing, *items: str) -> bytes:
    """Items beside the flow elements of the process."""
    return drawing.xml().replace(b"\n</bpmn:process>", "".join(items).encode() + b"</bpmn:process>", 1)


def task(*inside: str, items: str = CREDIT, **options: str) -> bytes:
    drawing = Drawing().start().service("a", type="t").within("".join(inside)).end()
    return with_data(drawing, items)


def problems(xml: bytes) -> list[Problem]:
    with pytest.raises(ModelInvalid) as refused:
        parse(xml)
    return [problem for problem in refused.value.problems if problem.severity is Severity.ERROR]


def test_a_data_object_comes_in_as_a_local_variable_and_goes_out_by_name() -> None:
    xml = task(declared(SCORE_IN, SCORE_OUT), comes_in("D1"), goes_out())
    assert parse(xml).warnings == ()
    play = Play(xml, {"credit": 7})
    assert play.node("a").variables == {"score": 7}
    play.complete("a", {"score": 8, "other": 1})
    assert play.variables == {"credit": 8}
    assert play.completed


def test_a_reference_stands_for_its_object_and_names_it_where_it_has_no_name() -> None:
    items = '<bpmn:dataObject id="D1"/><bpmn:dataObjectReference id="R1" name="Order form" dataObjectRef="D1"/>'
    play = Play(
        task(declared(SCORE_IN, SCORE_OUT), comes_in("R1"), goes_out(target="R1"), items=items), {"Order form": 1}
    )
    assert play.node("a").variables == {"score": 1}
    play.complete("a", {"score": 2})
    assert play.variables == {"Order form": 2}


def test_what_is_not_there_is_null_and_nothing_waits_for_it() -> None:
    optional = SCORE_IN + "<bpmn:inputSet><bpmn:dataInputRefs>I1</bpmn:dataInputRefs></bpmn:inputSet>"
    optional += "<bpmn:outputSet/>"
    play = Play(task(f"<bpmn:ioSpecification>{optional}</bpmn:ioSpecification>", comes_in("D1")))
    assert play.node("a").variables == {"score": None}


def test_a_transformation_makes_the_value() -> None:
    inside = declared(SCORE_IN, SCORE_OUT), comes_in("D1", more=made("credit * 2")), goes_out(more=made("=score + 1"))
    play = Play(task(*inside), {"credit": 2})
    assert play.node("a").variables == {"score": 4}
    play.complete("a", {"score": 10})
    assert play.variables == {"credit": 11}


def test_assignments_build_the_value() -> None:
    into = comes_in("D1", more=put("credit", "score.old") + put("1 + 1", "I1.new"))
    out = goes_out("", more=put("score.new", "credit.final"))
    play = Play(task(declared(SCORE_IN, SCORE_OUT), into, out), {"credit": {"a": 1}})
    assert play.node("a").variables == {"score": {"old": {"a": 1}, "new": 2}}
    play.complete("a", {"ignored": 1})
    assert play.variables == {"credit": {"a": 1, "final": 2}}


def test_mappings_see_what_data_brought_in_and_data_goes_out_after_them() -> None:
    drawing = Drawing().start()
    drawing.service("a", type="t", inputs={"twice": "=score * 2"}, outputs={"score": "=answer"})
    drawing.within(declared(SCORE_IN, SCORE_OUT) + comes_in("D1") + goes_out()).end()
    play = Play(with_data(drawing, CREDIT), {"credit": 3})
    assert play.node("a").variables == {"score": 3, "twice": 6}
    play.complete("a", {"answer": 9})
    assert play.variables == {"score": 9, "credit": 9}


def test_a_data_object_lives_and_dies_with_its_sub_process() -> None:
    inner = Drawing("inner").start("s").service("a", type="t").within(declared(SCORE_OUT) + goes_out())
    inner.service("b", type="t").within(declared(SCORE_IN) + comes_in("D1")).end("e")
    drawing = Drawing().start().sub_process("sub", inner).within(CREDIT).end()
    play = Play(drawing, {"credit": "of the process"})
    assert play.node("sub").variables == {"credit": None}
    play.complete("a", {"score": 5})
    assert play.node("sub").variables == {"credit": 5}
    assert play.node("b").variables == {"score": 5}
    play.complete("b")
    assert play.variables == {"credit": "of the process"}


def test_a_property_is_local_to_its_activity() -> None:
    property = '<bpmn:property id="P1" name="draft"/>'
    play = Play(task(property, declared(SCORE_IN), comes_in("P1", more=made('if draft = null then "new" else draft'))))
    assert play.node("a").variables == {"draft": None, "score": "new"}


def test_a_repeated_activity_goes_through_data_and_collects_it() -> None:
    items = '<bpmn:dataObject id="D1" name="orders"/><bpmn:dataObject id="D2" name="bills"/>'
    inside = declared(SCORE_IN, SCORE_OUT), comes_in("D1"), goes_out(target="D2"), LOOP
    play = Play(task(*inside, items=items), {"orders": [1, 2]})
    for order in (1, 2):
        visit = play.instance.nodes[play.job("a").node]
        assert visit.variables["order"] == order
        play.complete("a", {"bill": order * 10})
    assert play.completed
    assert play.variables == {"orders": [1, 2], "bills": [10, 20]}


def test_the_payload_of_a_message_goes_into_a_data_object() -> None:
    drawing = Drawing().start().message("hear", "scored").within(SCORE_OUT + goes_out()).end()
    play = Play(with_data(drawing, CREDIT))
    play.publish("scored", variables={"score": 4, "other": 1})
    assert play.variables == {"credit": 4}


def test_data_inputs_are_what_a_thrown_message_or_signal_carries() -> None:
    into = SCORE_IN + comes_in("D1")
    drawing = Drawing().start().throw_message("say", "scored").within(into).throw("shout", ("signal", "s")).end()
    xml = with_data(drawing, CREDIT).replace(
        b"<bpmn:signalEventDefinition", into.replace("I1", "I2").encode() + b"<bpmn:signalEventDefinition"
    )
    play = Play(xml, {"credit": 4, "secret": 1})
    carried = [fact.variables for fact in play.facts if type(fact).__name__ in ("MessageThrown", "SignalThrown")]
    assert carried == [{"score": 4}, {"score": 4}]


LOOP = (
    '<bpmn:multiInstanceLoopCharacteristics isSequential="true"><bpmn:loopDataInputRef>I1</bpmn:loopDataInputRef>'
    '<bpmn:loopDataOutputRef>O1</bpmn:loopDataOutputRef><bpmn:inputDataItem id="i" name="order"/>'
    '<bpmn:outputDataItem id="o" name="bill"/></bpmn:multiInstanceLoopCharacteristics>'
)


def test_what_a_process_takes_is_a_variable_of_it() -> None:
    takes = declared('<bpmn:dataInput id="A1" name="amount"/>')
    play = Play(task(declared(SCORE_IN), comes_in("A1"), items=takes), {"amount": 3})
    assert play.node("a").variables == {"score": 3}


def test_a_reference_to_nothing_is_refused() -> None:
    lost = '<bpmn:dataObjectReference id="R1" dataObjectRef="gone"/>'
    (problem,) = problems(task(declared(SCORE_IN), comes_in("R1"), items=lost))
    assert (problem.rule, problem.element) == ("unknown-reference", "R1")


PLACEHOLDER = '<bpmn:property id="P1" name="__targetRef_placeholder"/>'


@pytest.mark.parametrize(
    "inside",
    [
        PLACEHOLDER + comes_in("D1", "P1"),
        goes_out(""),
        declared(SCORE_IN, SCORE_OUT) + goes_out(""),
        declared('<bpmn:dataInput id="I1"/>', '<bpmn:dataOutput id="O1"/>') + comes_in("D1") + goes_out(),
        declared(SCORE_IN) + comes_in("STORE"),
        declared(SCORE_IN, SCORE_OUT),
    ],
)
def test_what_is_only_drawn_is_a_warning_and_changes_nothing(inside: str) -> None:
    xml = task(inside, items=CREDIT + '<bpmn:dataStoreReference id="STORE"/>')
    assert {warning.rule for warning in parse(xml).warnings} == {"data-not-executed"}
    play = Play(xml, {"credit": 1})
    assert play.node("a").variables == {}
    play.complete("a", {"answer": 2})
    assert play.variables == {"credit": 1, "answer": 2}


@pytest.mark.parametrize(
    ("inside", "rule", "message"),
    [
        (comes_in("D1", "P1", made("1")), "not-executable", "dataInputAssociation with transformation"),
        (declared(SCORE_IN) + comes_in("nothing"), "unknown-reference", "Expected sourceRef 'nothing' to name data"),
        (declared(SCORE_IN) + comes_in("a"), "unknown-reference", "but found serviceTask"),
        (declared(SCORE_IN) + comes_in("D1", more=made("1 +")), "bad-feel", "Expected the transformation to be FEEL"),
        (declared(SCORE_IN) + comes_in("D1", more=put("1", "other")), "no-target", "'score', which targetRef names"),
        (
            declared(SCORE_IN)
            + comes_in("D1", more='<bpmn:transformation language="urn:java">x</bpmn:transformation>'),
            "not-feel",
            "found the expression language 'urn:java'",
        ),
        (
            declared(SCORE_IN) + comes_in("D1", more="<bpmn:assignment><bpmn:to>score</bpmn:to></bpmn:assignment>"),
            "no-source",
            "Expected the assignment to have a from",
        ),
        (
            declared(SCORE_IN)
            + comes_in("D1").replace("<bpmn:targetRef>", "<bpmn:sourceRef>D2</bpmn:sourceRef><bpmn:targetRef>"),
            "two-sources",
            "Expected one sourceRef without a transformation but found 2",
        ),
        (
            '<bpmn:property id="P1" name="p"/>' + declared(SCORE_OUT) + goes_out(target="P1"),
            "data-not-visible",
            "Expected targetRef to name data in a scope around but found 'P1'",
        ),
        (declared(SCORE_IN, "<bpmn:dataFoo/>"), "not-executable", "dataFoo"),
        (
            declared(SCORE_IN, SCORE_OUT) + comes_in("D2") + goes_out(more=made("1")) + LOOP,
            "not-executable",
            "Expected what many rounds gave to go where it is collected",
        ),
    ],
)
def test_what_cannot_be_executed_is_refused_by_name(inside: str, rule: str, message: str) -> None:
    items = CREDIT + '<bpmn:dataObject id="D2" name="more"/>'
    (problem,) = problems(task(inside, items=items))
    assert (problem.rule, problem.element) == (rule, "a")
    assert message in problem.message


def test_data_inside_a_sub_process_is_not_seen_outside_nor_behind_another_of_its_name() -> None:
    inner = Drawing("inner").start("s").service("b", type="t").within(declared(SCORE_OUT) + goes_out()).end("e")
    drawing = Drawing().start().sub_process("sub", inner).within(CREDIT)
    drawing.service("a", type="t").within(declared(SCORE_IN.replace("I1", "I2")) + comes_in("D1", "I2")).end()
    assert [problem.rule for problem in problems(drawing.xml())] == ["data-not-visible"]
    inner.at("b").service("c", type="t").within(declared(SCORE_IN) + comes_in("D2")).end("e2")
    drawing = Drawing().start().sub_process("sub", inner).within(CREDIT).end()
    (problem,) = problems(with_data(drawing, CREDIT.replace("D1", "D2")))
    assert "but found another 'credit' between" in problem.message


# -- events and their sub-processes ------------------------------------------------------------------------------------

DRAFT = '<bpmn:property id="P1" name="draft"/>'
TWICE = SCORE_OUT + DRAFT + goes_out(target="P1") + goes_out("P1", more=made("draft * 2"))


@pytest.mark.parametrize(
    "drawing",
    [
        Drawing().start().message("hear", "scored").within(TWICE).end(),
        Drawing().start().service("a", type="t").end().on_message("a", "hear", "scored").within(TWICE).end("e"),
        Drawing().start().event_based("g").message("hear", "scored").within(TWICE).end().at("g").timer("t", "PT1H")
        .to("end"),
    ],
)  # fmt: skip
def test_a_property_of_an_event_lives_and_dies_with_it(drawing: Drawing) -> None:
    xml = with_data(drawing, CREDIT)
    assert parse(xml).warnings == ()
    play = Play(xml, {"credit": 1, "draft": "of the process"})
    play.publish("scored", variables={"score": 4, "other": 1})
    assert play.variables == {"credit": 8, "draft": "of the process"}
    assert play.completed


def test_a_property_of_an_event_that_throws_is_null() -> None:
    inside = DRAFT + SCORE_IN + comes_in("P1", more=made('if draft = null then "new" else draft'))
    play = Play(Drawing().start().throw_message("say", "m").within(inside).end(), {"draft": "of the process"})
    assert [fact.variables for fact in play.facts if type(fact).__name__ == "MessageThrown"] == [{"score": "new"}]


@pytest.mark.parametrize(
    ("inside", "rule", "element"),
    [
        (SCORE_OUT + goes_out(target="P1"), "data-not-visible", "hear"),
        (SCORE_OUT + DRAFT.replace("draft", "score").replace("P1", "P2") + goes_out(target="P2"), "two-names", "P2"),
        (SCORE_OUT + DRAFT.replace("draft", "credit").replace("P1", "P2") + goes_out(), "", ""),
        (
            SCORE_OUT + DRAFT.replace("draft", "credit").replace("P1", "P2") + goes_out(target="P2") + goes_out(),
            "data-not-visible",
            "hear",
        ),
    ],
)
def test_a_property_is_seen_by_its_event_only_and_hides_nothing(inside: str, rule: str, element: str) -> None:
    drawing = Drawing().start().throw("tell", ("signal", "s")).within(DRAFT).message("hear", "m").within(inside).end()
    xml = with_data(drawing, CREDIT)
    if rule:
        assert (rule, element) in {(problem.rule, problem.element) for problem in problems(xml)}
    else:
        assert {warning.rule for warning in parse(xml).warnings} == {"data-not-executed"}


def test_a_data_object_lives_and_dies_with_its_event_sub_process() -> None:
    inner = Drawing("inner").start_on("s", ("message", "scored")).within(SCORE_OUT + goes_out())
    inner.service("b", type="t").within(declared(SCORE_IN) + comes_in("D1"))
    inner.throw_message("say", "told").within(SCORE_IN.replace("I1", "I2") + comes_in("D1", "I2")).end("e")
    drawing = Drawing().start().service("a", type="t").end().event_sub_process("sub", inner).within(CREDIT)
    assert parse(drawing.xml()).warnings == ()
    play = Play(drawing, {"credit": "of the process"})
    play.publish("scored", variables={"score": 5})
    assert play.node("sub").variables == {"credit": 5}
    assert play.node("b").variables == {"score": 5}
    play.complete("b")
    assert [fact.variables for fact in play.facts if type(fact).__name__ == "MessageThrown"] == [{"score": 5}]
    assert play.variables == {"credit": "of the process"}
    assert play.completed


def test_every_run_of_an_event_sub_process_has_data_of_its_own() -> None:
    inner = Drawing("inner").start_on("s", ("message", "scored"), interrupting=False).within(SCORE_OUT + goes_out())
    inner.service("b", type="t").end("e")
    play = Play(Drawing().start().service("a", type="t").end().event_sub_process("sub", inner).within(CREDIT))
    for score in (1, 2):
        play.publish("scored", variables={"score": score})
    found = [visit.variables for visit in play.instance.nodes.values() if visit.element == "sub"]
    assert found == [{"credit": 1}, {"credit": 2}]
    assert play.variables == {}


def test_an_event_sub_process_takes_nothing() -> None:
    inner = Drawing("inner").start_on("s", ("signal", "x")).service("b", type="t").end("e")
    drawing = Drawing().start().service("a", type="t").end().event_sub_process("sub", inner)
    drawing.within(declared(SCORE_IN) + comes_in("D1"))
    (problem,) = problems(with_data(drawing, CREDIT))
    assert (problem.rule, problem.element) == ("not-executable", "sub")


def test_data_goes_with_messages_and_signals_only() -> None:
    drawing = Drawing().start().end_on("stop", ("terminate",)).within(SCORE_IN + comes_in("D1"))
    (problem,) = problems(with_data(drawing, CREDIT))
    assert (problem.rule, problem.element) == ("not-executable", "stop")


def test_much_data_is_read_in_no_time() -> None:
    count = 1500
    items = "".join(
        f'<bpmn:dataObject id="D{n}"/><bpmn:dataObjectReference id="R{n}" name="n{n}" dataObjectRef="D{n}"/>'
        for n in range(count)
    )
    inputs = "".join(f'<bpmn:dataInput id="I{n}" name="i{n}"/>' for n in range(count))
    inside = declared(inputs) + "".join(comes_in(f"R{n}", f"I{n}") for n in range(count))
    began = time.process_time()
    play = Play(task(inside, items=items), {"n7": 7})
    assert time.process_time() - began < 10, "what is looked up is looked up once, not again for every part"
    assert play.node("a").variables["i7"] == 7
