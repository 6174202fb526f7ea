"""Tables over FEEL, decisions that require others, knowledge, boxed expressions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from processes.engine import dmn
from processes.engine.errors import ProcessFault
from tests.decisions import decision, decisions, expression, input_data, knowledge, literal, table
from tests.engine.dmn.test_policies import NOON


def evaluate(document: bytes, id: str = "d", **variables: Any) -> dmn.Evaluation:
    return dmn.evaluate(dmn.parse(document), id, variables, NOON)


def one_column(test: str, type: str = "") -> bytes:
    types = {"input_types": [type]} if type else {}
    return decisions(table("d", inputs=["x"], outputs=["hit"], rules=[(test, "true")], defaults=["false"], **types))


@pytest.mark.parametrize(
    ("test", "x", "hit"),
    [
        ("5", 5, True),
        ("5", 6, False),
        ("< 5", 4, True),
        ("[1..5)", 5, False),
        ("]1..5]", 1, False),
        ('"a", "b"', "b", True),
        ('not("a", "b")', "b", False),
        ('not("a", "b")', "c", True),
        ("-", None, True),
        ("", None, True),
        ("null", None, True),
        ("1, > 10", 11, True),
        ("? > limit", 11, True),
        ("? > limit", 9, False),
        ("limit", 10, True),
        ('contains(?, "ell")', "hello", True),
        ("list contains([1, 2], ?)", 2, True),
        ("true", True, True),
        ("> 5", "text", False),
    ],
)
def test_unary_tests(test: str, x: Any, hit: bool) -> None:
    assert evaluate(one_column(test), x=x, limit=10).result is hit


@pytest.mark.parametrize(
    ("test", "type", "x", "hit"),
    [
        ('< date("2030-01-01")', "date", "2029-12-31", True),
        ('< date("2030-01-01")', "date", "2030-01-01", False),
        ('< date and time("2030-01-01T12:00:00Z")', "dateTime", "2030-01-01T12:59:00+01:00", True),
        ('<= duration("P1D")', "dayTimeDuration", "PT24H", True),
        ('time("08:00:00")', "time", "08:00:00", True),
        ("> 5", "integer", 6, True),
    ],
)
def test_a_text_is_read_as_the_date_that_an_input_asks_for(test: str, type: str, x: Any, hit: bool) -> None:
    assert evaluate(one_column(test, type), x=x).result is hit


@pytest.mark.parametrize(
    ("type", "x", "message"),
    [
        ("number", "5", "Expected the input 'x' to be of type number but found \"5\""),
        ("string", 5, "Expected the input 'x' to be of type string but found 5"),
        ("date", "soon", "Expected the input 'x' to be of type date but found \"soon\""),
        ("boolean", 1, "Expected the input 'x' to be of type boolean but found 1"),
    ],
)
def test_an_input_of_another_type_is_a_fault(type: str, x: Any, message: str) -> None:
    with pytest.raises(ProcessFault) as raised:
        evaluate(one_column("-", type), x=x)
    assert str(raised.value) == f"Decision 'd': {message}"


def test_input_values() -> None:
    document = decisions(
        table(
            "d",
            inputs=["x"],
            input_values=['"a", "b", "c"'],
            outputs=["o"],
            rules=[('"a"', "1"), ("-", "2")],
            policy="FIRST",
        )
    )
    assert evaluate(document, x="b").result == 2
    assert evaluate(document).result == 2, "null may always be"
    with pytest.raises(ProcessFault) as raised:
        evaluate(document, x="d")
    assert 'Expected the input \'x\' to be one of "a", "b", "c" but found "d"' in str(raised.value)


def test_several_outputs_are_a_context_and_expressions() -> None:
    document = decisions(
        table(
            "d",
            inputs=["amount"],
            outputs=["discount", "text"],
            rules=[("> 100", "amount * 0.1", '"good: " + customer.name'), ("-", "0", "")],
            policy="FIRST",
        )
    )
    assert evaluate(document, amount=Decimal("200.50"), customer={"name": "Ada"}).result == {
        "discount": Decimal("20.05"),
        "text": "good: Ada",
    }
    assert evaluate(document, amount=1).result == {"discount": 0, "text": None}


def test_the_evaluation_tells_inputs_rules_and_outputs() -> None:
    document = decisions(
        table("d", inputs=["x", "x * 2"], outputs=["o"], rules=[("1", "-", "1"), ("> 1", "> 3", "date(2030, 1, 1)")])
    )
    (told,) = evaluate(document, x=2).decisions
    assert told.to_json() == {
        "decision": "d",
        "name": "d",
        "inputs": {"x": 2, "x * 2": 4},
        "rules": [{"index": 2, "rule": "d_rule2", "outputs": {"o": "2030-01-01"}}],
        "result": "2030-01-01",
    }


def test_an_output_of_another_type_is_told_and_kept() -> None:
    document = decisions(table("d", inputs=["x"], outputs=["o"], output_types=["string"], rules=[("-", "x")]))
    found = evaluate(document, x=2)
    assert found.result == 2
    assert "Expected the output 'o' to be of type string but found 2" in found.warnings


def test_what_is_missing_is_null_and_told() -> None:
    found = evaluate(one_column("> 5"))
    assert found.result is False
    assert any("variable 'x' does not exist" in warning for warning in found.warnings)


# -- requirements ------------------------------------------------------------------------------------------------------


def menu() -> bytes:
    seasons = [("> 20", '"Summer"'), ("<= 20", '"Winter"')]
    guests = [('"Weekend"', "15"), ('"Weekday"', "4")]
    return decisions(
        input_data("InputData_1", "day type"),
        table("season", name="Season of year", inputs=["temperature"], outputs=["o"], rules=seasons),
        table("guests", inputs=["day type"], outputs=["o"], rules=guests),
        literal("d", 'Season of year + " for " + string(guests)', requires=["season", "guests"]),
    )


def test_required_decisions_are_seen_by_name_and_by_id() -> None:
    found = evaluate(menu(), temperature=25, **{"day type": "Weekend"})
    assert found.result == "Summer for 15"
    assert [one.decision for one in found.decisions] == ["season", "guests", "d"]
    assert evaluate(menu(), "season", temperature=5).result == "Winter"


def test_a_decision_that_several_require_is_evaluated_once() -> None:
    document = decisions(
        literal("base", "1 + x"),
        literal("left", "base * 2", requires=["base"]),
        literal("right", "base * 3", requires=["base"]),
        literal("d", "left + right", requires=["left", "right"]),
    )
    found = evaluate(document, x=1)
    assert found.result == 10
    assert [one.decision for one in found.decisions] == ["base", "left", "right", "d"]


def test_typed_input_data() -> None:
    document = decisions(input_data("born", type="date"), literal("d", "born.year", inputs=["born"]))
    assert evaluate(document, born="1815-12-10").result == 1815
    with pytest.raises(ProcessFault, match="Expected the input data 'born' to be of type date but found 7"):
        evaluate(document, born=7)


def test_a_fault_names_the_decision_in_which_it_is() -> None:
    document = decisions(
        table("base", inputs=["x"], outputs=["o"], rules=[("-", "1"), ("-", "2")]),
        literal("d", "base", requires=["base"]),
    )
    with pytest.raises(ProcessFault, match="Decision 'base': Expected one rule at most"):
        evaluate(document, x=1)


def test_dates_travel_between_decisions_as_dates() -> None:
    document = decisions(literal("due", 'date("2030-01-31")'), literal("d", 'due + duration("P1D")', requires=["due"]))
    assert evaluate(document).result == "2030-02-01"


# -- knowledge and boxed expressions -----------------------------------------------------------------------------------


def test_business_knowledge_is_called_as_a_function() -> None:
    document = decisions(
        knowledge("rate", "if score > 5 then 0.1 else 0.2", {"score": "number"}),
        knowledge("price", "net * (1 + rate(score))", {"net": "number", "score": "number"}, knows=["rate"]),
        literal("d", "price(net: amount, score: 9)", knows=["price"]),
    )
    assert evaluate(document, amount=100).result == 110


def test_boxed_invocation() -> None:
    call = (
        "<invocation><literalExpression><text>price</text></literalExpression>"
        f'<binding><parameter name="net amount" />{expression("amount + 1")}</binding></invocation>'
    )
    document = decisions(
        knowledge("price", "net amount * 2", {"net amount": "number"}), decision("d", call, knows=["price"])
    )
    assert evaluate(document, amount=1).result == 4


def test_boxed_context_list_and_relation() -> None:
    def entry(name: str, text: str) -> str:
        variable = f'<variable name="{name}" />' if name else ""
        return f"<contextEntry>{variable}{expression(text)}</contextEntry>"

    context = f"<context>{entry('a', 'x')}{entry('b c', 'a + 1')}</context>"
    assert evaluate(decisions(decision("d", context)), x=1).result == {"a": 1, "b c": 2}
    answer = f"<context>{entry('a', 'x')}{entry('b c', 'a + 1')}{entry('', 'b c * 2')}</context>"
    assert evaluate(decisions(decision("d", answer)), x=1).result == 4
    boxes = f"<list>{expression('x')}{expression('x * 2')}</list>"
    assert evaluate(decisions(decision("d", boxes)), x=1).result == [1, 2]
    relation = (
        '<relation><column name="n" /><column name="m" />'
        f"<row>{expression('1')}{expression('x')}</row><row>{expression('2')}{expression('x')}</row></relation>"
    )
    assert evaluate(decisions(decision("d", relation)), x=7).result == [{"n": 1, "m": 7}, {"n": 2, "m": 7}]


def test_one_budget_for_all_cells() -> None:
    loop = "count(for i in 1..30000 return i) > 0"
    cells = [(loop, "1")] * 400
    document = decisions(table("d", inputs=["x"], outputs=["o"], rules=cells, policy="COLLECT"))
    with pytest.raises(ProcessFault, match="steps"):
        evaluate(document, x=1)
