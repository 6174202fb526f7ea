"""A scenario says what is to come of it, and is told where it came otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from processes.engine.parser import parse
from processes.engine.simulation import ScenarioInvalid, Simulation, read_scenarios
from tests.drawing import Drawing

DRAWING = Drawing("order").start("placed").service("charge", type="charge-card").end("paid")
DRAWING.on_error("charge", "declined", "DECLINED").end("refused")
PAID = {"services": {"charge": {"answer": {"fee": Decimal("1.10")}}}}
WAITS = {"services": {"charge": {"fail": {"message": "no such card", "retryable": False}}}}


def unmet(given: dict[str, Any], **then: Any) -> list[str]:
    (scenario,) = read_scenarios(given | {"then": then}, parse(DRAWING.xml()))
    assert scenario.then is not None
    return scenario.then.unmet(list(Simulation(scenario).lines()))


@pytest.mark.parametrize(
    "then",
    [
        {},
        {"state": "COMPLETED"},
        {"path": ["placed", "charge", "paid"]},
        {"variables": {"fee": Decimal("1.1")}},
        {"incidents": []},
        {"waiting": []},
    ],
)
def test_what_comes_as_expected_says_nothing(then: dict[str, Any]) -> None:
    assert unmet(PAID, **then) == []


@pytest.mark.parametrize(
    ("then", "what"),
    [
        ({"state": "TERMINATED"}, "the state TERMINATED but found COMPLETED"),
        ({"path": ["placed", "charge", "refused"]}, "'refused'] but found ['placed', 'charge', 'paid']"),
        ({"path": ["placed", "charge"]}, "the path ['placed', 'charge'] but found"),
        ({"path": []}, "the path [] but found"),
        ({"variables": {}}, "the variables {} but found"),
        ({"variables": {"fee": Decimal("1.10"), "more": 1}}, "the variables"),
        ({"incidents": [{"element": "charge"}]}, "the incidents [{'element': 'charge'}] but found []"),
        ({"waiting": [{"element": "charge"}]}, "what it waits for to be [{'element': 'charge'}] but found []"),
    ],
)
def test_what_comes_otherwise_is_told(then: dict[str, Any], what: str) -> None:
    (told,) = unmet(PAID, **then)
    assert what in told


def test_of_incidents_and_waits_only_what_is_said_counts() -> None:
    incident = {"element": "charge", "message": "no such card"}
    assert unmet(WAITS, state="ACTIVE", incidents=[incident], waiting=[{"for": "Job"}]) == []
    wrong = unmet(WAITS, state="ACTIVE", incidents=[{"kind": "CONDITION"}], waiting=[{"for": "Timer"}])
    assert [told.split(" [")[0] for told in wrong] == ["Expected the incidents", "Expected what it waits for to be"]


def test_an_incident_that_nobody_expects_is_told() -> None:
    assert any("the incidents [] but found" in told for told in unmet(WAITS, state="ACTIVE"))


def test_nothing_begins_where_the_path_is_empty() -> None:
    drawing = Drawing("p").start_message("placed", "order").end("done")
    model = parse(drawing.xml())
    for path, expected in (([], []), (["placed"], ["Expected an instance but found that nothing began one"])):
        (scenario,) = read_scenarios({"then": {"path": path}}, model)
        assert scenario.then is not None
        assert scenario.then.unmet(list(Simulation(scenario).lines())) == expected


def test_a_run_may_say_more_than_all() -> None:
    runs = [{"name": "one"}, {"name": "other", "then": {"state": "ACTIVE"}}]
    one, other = read_scenarios({"then": {"path": ["placed"]}, "runs": runs}, parse(DRAWING.xml()))
    assert one.then is not None
    assert other.then is not None
    assert (one.then.path, one.then.state) == (("placed",), "COMPLETED")
    assert (other.then.path, other.then.state) == (None, "ACTIVE")


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ({"path": ["plaecd"]}, "scenario.then.path: Expected one of charge, declined, paid, placed, refused"),
        ({"state": "DONE"}, "scenario.then.state: Expected one of ACTIVE, "),
        ({"incidents": [{"element": "chrge"}]}, "scenario.then.incidents[0].element: Expected one of charge, "),
        ({"incidents": [{"kind": "BAD"}]}, "scenario.then.incidents[0].kind: Expected one of CALLED_ELEMENT, "),
        ({"waiting": [{"since": "noon"}]}, "scenario.then.waiting[0]: Expected element, for, type, name, "),
        ({"ways": []}, "scenario.then: Expected state, path, variables, incidents, waiting but found 'ways'"),
        ({"variables": 1}, "scenario.then.variables: Expected an object of variables"),
        ("COMPLETED", "scenario.then: Expected an object with state, path, variables, incidents, waiting"),
    ],
)
def test_a_slip_of_the_pen_is_told(then: Any, message: str) -> None:
    with pytest.raises(ScenarioInvalid) as refused:
        read_scenarios({"then": then}, parse(DRAWING.xml()))
    assert str(refused.value).replace("path[0]", "path").startswith(message)
