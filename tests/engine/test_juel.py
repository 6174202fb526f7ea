"""JUEL, as far as it means something without Java."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from processes.engine import juel
from processes.engine.feel import Budget, BudgetExceeded, FeelSyntaxError

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
VARIABLES: dict[str, Any] = {
    "amount": 5,
    "status": "open",
    "nothing": None,
    "ok": True,
    "i": 1,
    "orders": [{"i": 7, "total": 2}, {"i": 8, "total": 3}],
    "customer": {"name": "Ada", "zip code": "1010", "tags": ["gold"]},
    "empty_list": [],
}


def value(text: str, **variables: Any) -> Any:
    return juel.compile(text).evaluate(VARIABLES | variables, now=NOON).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # operators and their words
        ("${amount > 3 && status == 'open'}", True),
        ("${amount gt 3 and status eq 'open'}", True),
        ("#{amount <= 3 or not ok}", False),
        ("${amount lt 3 || amount ge 5}", True),
        ("${amount ne 5}", False),
        ("${1 + 2 * 3 - 4 / 2}", 5),
        ("${(1 + 2) * 3}", 9),
        ("${7 % 4} ", 3),
        ("${7 mod 4 div 3}", 1),
        ("${-amount}", -5),
        ("${0.1 + 0.2}", Decimal("0.3")),
        ("${amount > 3 ? 'big' : 'small'}", "big"),
        ("${amount > 9 ? 'huge' : amount > 3 ? 'big' : 'small'}", "big"),
        ('${"double \\" quote"}', 'double " quote'),
        # null is false, never unknown
        ("${missing == null}", True),
        ("${nothing}", None),
        ("${!nothing}", True),
        ("${nothing && ok}", False),
        ("${nothing || ok}", True),
        ("${nothing < 5}", False),
        ("${amount == 'five'}", False),
        ("${amount != 'five'}", True),
        # empty
        ("${empty nothing}", True),
        ("${empty ''}", True),
        ("${empty empty_list}", True),
        ("${not empty orders}", True),
        ("${empty customer}", False),
        # paths and items, counted from 0
        ("${customer.name}", "Ada"),
        ("${customer['zip code']}", "1010"),
        ("${orders[0].total}", 2),
        ("${orders[i].total}", 3),
        ("${orders[i].i}", 8),
        ("${orders[9]}", None),
        # methods and functions
        ("${status.toUpperCase()}", "OPEN"),
        ("${status.length() + orders.size()}", 6),
        ("${customer.tags.contains('gold')}", True),
        ("${status.contains('pe') && status.startsWith('o') && status.endsWith('n')}", True),
        ("${status.concat('-').concat(amount)}", "open-5"),
        ("${status.equals('open')}", True),
        ("${customer.get('name')}", "Ada"),
        ("${customer.containsKey('name')}", True),
        ("${customer.containsKey('age')}", False),
        ("${execution.getVariable('amount') + 1}", 6),
        ("${execution.hasVariable('missing')}", False),
        # texts with expressions inside
        ("Hello ${customer.name}, it is ${amount + 1}${nothing}!", "Hello Ada, it is 6!"),
        ("${status}${status}", "openopen"),
    ],
)
def test_it_means_what_it_means_there(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "says", "position"),
    [
        ("${a", "closing '}'", 3),
        ("${}", "Expected an expression", 2),
        ("${a +}", "Expected an expression", 5),
        ("${a b}", "an operator or '}'", 4),
        ("${'a}", "a closing quote", 2),
        ("${a.}", "Expected a name", 4),
        ("${(a}", "Expected ')'", 4),
        ("${bean.pay(order)}", "the method pay()", 7),
        ("${S(response).prop('id')}", "the function S()", 2),
        ("${execution.processInstanceId}", "execution.processInstanceId", 12),
        ("${execution.getVariable(name)}", "a literal text", 0),
        ("${status.length(1)}", "with 0 arguments but found 1", 9),
        ("${" + "(" * 60 + "a" + ")" * 60 + "}", "at most 50", 52),
        ("${" + "+".join("a" * 200) + "}", "at most 50", 103),
    ],
)
def test_what_it_is_not_is_said_with_its_place(text: str, says: str, position: int) -> None:
    with pytest.raises(FeelSyntaxError, match="Expected") as problem:
        juel.compile(text)
    assert says in str(problem.value)
    assert problem.value.position == position


def test_it_has_feels_budget() -> None:
    many = juel.compile("${" + " && ".join(["orders.size() > 0"] * 40) + "}")
    with pytest.raises(BudgetExceeded):
        many.evaluate(VARIABLES, now=NOON, budget=Budget(steps=20))
