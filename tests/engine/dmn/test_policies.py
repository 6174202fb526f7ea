"""What every hit policy makes of no rule, one rule and several rules that match."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from processes.engine import dmn
from processes.engine.errors import IncidentKind, ModelInvalid, ProcessFault
from tests.decisions import decisions, table

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
GRADES = [("> 10", '"low"'), ("> 20", '"high"'), ("> 30", '"middle"'), ("> 30", '"middle"')]
VALUES = '"high", "middle", "low"'


def result(document: bytes, **variables: Any) -> Any:
    return dmn.evaluate(dmn.parse(document), "d", variables, NOON).result


def graded(policy: str, rules: list[tuple[str, str]] = GRADES, **options: Any) -> bytes:
    return decisions(table("d", inputs=["n"], outputs=["grade"], rules=rules, policy=policy, **options))


def fault(document: bytes, **variables: Any) -> str:
    with pytest.raises(ProcessFault) as raised:
        result(document, **variables)
    assert raised.value.kind is IncidentKind.DECISION
    return str(raised.value)


@pytest.mark.parametrize("policy", ["", "UNIQUE", "ANY", "FIRST", "PRIORITY"])
def test_one_rule_gives_its_output_and_no_rule_null_or_the_default(policy: str) -> None:
    values = {"output_values": [VALUES]}
    assert result(graded(policy, **values), n=15) == "low"
    assert result(graded(policy, **values), n=5) is None
    assert result(graded(policy, **values, defaults=['"low"']), n=5) == "low"


@pytest.mark.parametrize("policy", ["RULE ORDER", "OUTPUT ORDER", "COLLECT"])
def test_policies_of_several_rules_always_give_a_list(policy: str) -> None:
    values = {"output_values": [VALUES]}
    assert result(graded(policy, **values), n=15) == ["low"]
    assert result(graded(policy, **values), n=5) == []
    assert result(graded(policy, **values, defaults=['"low"']), n=5) == ["low"]


def test_unique_refuses_two_rules() -> None:
    said = fault(graded("UNIQUE"), n=25)
    assert said == "Decision 'd': Expected one rule at most to match, hit policy UNIQUE, but found rules 1, 2"


def test_any_takes_rules_that_agree_and_refuses_others() -> None:
    assert result(graded("ANY", GRADES[2:]), n=35) == "middle"
    assert 'rule 1 with "low" and rule 2 with "high"' in fault(graded("ANY"), n=25)


def test_first_takes_the_first_in_the_table_and_looks_no_further() -> None:
    assert result(graded("FIRST"), n=35) == "low"
    model = dmn.parse(graded("FIRST"))
    assert len(dmn.evaluate(model, "d", {"n": 35}, NOON).decisions[0].rules) == 1


def test_priority_goes_by_the_output_values() -> None:
    assert result(graded("PRIORITY", output_values=[VALUES]), n=35) == "high"
    assert result(graded("PRIORITY", output_values=['"middle", "low", "high"']), n=35) == "middle"


def test_priority_goes_by_the_columns_from_the_left() -> None:
    document = decisions(
        table(
            "d",
            inputs=["n"],
            outputs=["a", "b"],
            rules=[("-", '"y"', "1"), ("-", '"x"', "2"), ("-", '"x"', "1")],
            policy="PRIORITY",
            output_values=['"x", "y"', "1, 2"],
        )
    )
    assert result(document, n=1) == {"a": "x", "b": 1}


def test_orders() -> None:
    assert result(graded("RULE ORDER"), n=35) == ["low", "high", "middle", "middle"]
    assert result(graded("COLLECT"), n=35) == ["low", "high", "middle", "middle"]
    assert result(graded("OUTPUT ORDER", output_values=[VALUES]), n=35) == ["high", "middle", "middle", "low"]


@pytest.mark.parametrize(
    ("aggregation", "several", "none"),
    [("SUM", Decimal("6.5"), None), ("MIN", Decimal("1.5"), None), ("MAX", 3, None), ("COUNT", 3, 0)],
)
def test_collect_aggregates(aggregation: str, several: Any, none: Any) -> None:
    rules = [("> 10", "1.5"), ("> 10", "2"), ("> 10", "3"), ("> 99", "n")]
    document = graded("COLLECT", rules, aggregation=aggregation)
    assert result(document, n=15) == several
    assert result(document, n=5) == none
    assert result(graded("COLLECT", rules, aggregation=aggregation, defaults=["7"]), n=5) == (
        0 if aggregation == "COUNT" else 7
    )


def test_collect_refuses_what_cannot_be_added() -> None:
    said = fault(graded("COLLECT", [("-", "1"), ("-", '"x"')], aggregation="SUM"), n=1)
    assert "Expected outputs that have a SUM" in said


def test_an_output_that_is_none_of_the_output_values_is_a_fault() -> None:
    said = fault(graded("FIRST", [("-", '"huge"')], output_values=[VALUES]), n=1)
    assert "Expected the output 'grade' of rule 1 to be one of its output values \"high\"" in said
    assert 'but found "huge"' in said


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"policy": "SOME"}, "bad-hit-policy"),
        ({"policy": "PRIORITY"}, "no-output-values"),
        ({"policy": "OUTPUT ORDER"}, "no-output-values"),
        ({"policy": "COLLECT", "aggregation": "AVERAGE"}, "bad-aggregation"),
        ({"policy": "UNIQUE", "aggregation": "SUM"}, "bad-aggregation"),
    ],
)
def test_what_no_policy_can_be_is_refused(options: dict[str, str], rule: str) -> None:
    with pytest.raises(ModelInvalid) as invalid:
        dmn.parse(graded(**options))
    assert [problem.rule for problem in invalid.value.problems] == [rule]


def test_several_columns_cannot_be_aggregated() -> None:
    with pytest.raises(ModelInvalid) as invalid:
        dmn.parse(
            decisions(table("d", inputs=["n"], outputs=["a", "b"], rules=[], policy="COLLECT", aggregation="SUM"))
        )
    assert "Expected one output to aggregate but found 2" in str(invalid.value)
