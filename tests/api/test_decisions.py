"""Decisions over REST: deployed at the door of processes, listed, taken back, evaluated."""

from __future__ import annotations

import pytest

from tests.api.conftest import V1, fields, problem
from tests.decisions import decisions, literal, table

URL = f"{V1}/decision-definitions"
DISH = decisions(
    table("dish", name="Dish", inputs=["guests"], outputs=["name"], rules=[("<= 4", '"Stew"'), ("> 3", '"Roast"')])
)


@pytest.fixture
def dish(api):
    answer = api.post(f"{V1}/process-definitions?resource=menu.dmn", DISH, content_type="application/xml")
    assert answer.status_code == 201, answer.content
    assert answer.json()["definitions"] == []
    return answer.json()["decisions"][0]


def test_deploying(api, dish):
    assert (dish["decision_id"], dish["version"], dish["name"], dish["created"]) == ("dish", 1, "Dish", True)
    again = api.post(f"{V1}/process-definitions", DISH, content_type="application/xml")
    assert again.status_code == 200
    assert again.json()["decisions"][0]["created"] is False


def test_what_is_wrong_with_a_file_is_told(api):
    answer = api.post(f"{V1}/process-definitions", decisions(literal("d", "1 +")), content_type="application/xml")
    (found,) = problem(answer, 422, "model-invalid")["problems"]
    assert (found["rule"], found["element"]) == ("bad-feel", "d")


def test_finding_and_taking_back(api, dish):
    api.post(f"{V1}/process-definitions", decisions(literal("dish", "1")), content_type="application/xml")
    found = api.get(f"{URL}?decision_id=dish").json()["results"]
    assert [row["version"] for row in found] == [2, 1]
    assert [row["version"] for row in api.get(f"{URL}?latest=true").json()["results"]] == [2]
    assert [row["version"] for row in api.get(f"{URL}?latest=false&name=DISH").json()["results"]] == [1]
    assert api.get(f"{URL}/{dish['id']}").json()["digest"] == dish["digest"]
    document = api.get(f"{URL}/{dish['id']}/xml")
    assert document.content == DISH
    assert document["Content-Disposition"] == 'attachment; filename="menu.dmn"'
    problem(api.get(f"{URL}/777"), 404, "decision-not-found")


def test_evaluating(api, dish):
    answer = api.post(f"{URL}/{dish['id']}/evaluate", {"variables": {"guests": 2}}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "decision_id": "dish",
        "version": 1,
        "result": "Stew",
        "decisions": [
            {
                "decision": "dish",
                "name": "Dish",
                "inputs": {"guests": 2},
                "rules": [{"index": 1, "rule": "dish_rule1", "outputs": {"name": "Stew"}}],
                "result": "Stew",
            }
        ],
        "warnings": [],
    }


def test_what_cannot_be_evaluated(api, dish):
    url = f"{URL}/{dish['id']}/evaluate"
    failed = problem(api.post(url, {"variables": {"guests": 4}}, format="json"), 422, "decision-failed")
    assert "hit policy UNIQUE" in failed["detail"]
    assert fields(problem(api.post(url, {"variable": {}}, format="json"), 400, "invalid")) == {
        "variable": "unknown-field"
    }
    problem(api.post(f"{URL}/777/evaluate", {}, format="json"), 404, "decision-not-found")
    nothing = api.post(url, {}, format="json").json()
    assert nothing["result"] is None
    assert any("variable 'guests' does not exist" in warning for warning in nothing["warnings"])
