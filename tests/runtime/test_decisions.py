"""Decisions are deployed in versions, and processes find the one that is deployed when they get there."""

from __future__ import annotations

from typing import Any

import pytest

from processes.models import DecisionDefinition, Incident, ProcessInstance, Step
from processes.runtime import ModelInvalid, Rejected, decisions, definitions, incidents, instances
from tests.decisions import decisions as document
from tests.decisions import literal, table
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db


def dish(name: str = "Stew", **around: str) -> bytes:
    rules = [("<= 4", f'"{name}"'), ("> 3", '"Roast"')]
    return document(table("dish", inputs=["guests"], outputs=["name"], rules=rules, **around))


def menu(called: str = "") -> Drawing:
    inside = (
        '<bpmn:extensionElements><zeebe:calledDecision decisionId="dish" resultVariable="dinner" '
        f"{called}/></bpmn:extensionElements>"
    )
    return Drawing("dinner").start().node("businessRuleTask", "choose", inside).end()


def dine(**variables: Any) -> ProcessInstance:
    started = instances.start(definitions.find("dinner"), variables=variables)
    return ProcessInstance.objects.get(pk=started.instance.pk)


def test_versions_count_for_each_decision() -> None:
    first = definitions.deploy(dish(), resource="menu.dmn", by="user:ada")
    assert (first.definitions, first.created) == ((), True)
    (one,) = first.decisions
    assert (one.definition.version, one.definition.resource, one.definition.deployed_by) == (1, "menu.dmn", "user:ada")
    again = definitions.deploy(dish())
    assert not again.created
    assert again.decisions[0].definition == one.definition
    other = definitions.deploy(document(literal("wine", "1"), literal("dish", "2")))
    assert [(row.definition.decision_id, row.definition.version) for row in other.decisions] == [
        ("wine", 1),
        ("dish", 2),
    ]


def test_a_file_with_a_problem_changes_nothing() -> None:
    with pytest.raises(ModelInvalid):
        definitions.deploy(document(literal("good", "1"), literal("bad", "1 +")))
    assert not DecisionDefinition.objects.exists()


def test_a_process_calls_the_version_that_is_the_latest_when_it_gets_there() -> None:
    definitions.deploy(menu().xml())
    definitions.deploy(dish("Stew"))
    assert dine(guests=2).variables["dinner"] == "Stew"
    definitions.deploy(dish("Pizza"))
    ended = dine(guests=2)
    assert (ended.state, ended.variables["dinner"]) == ("COMPLETED", "Pizza")
    (step,) = Step.objects.filter(instance=ended)
    (fact,) = (fact for fact in step.facts if fact["fact"] == "DecisionEvaluated")
    assert (fact["decision"], fact["version"]) == ("dish", 2)
    assert fact["decisions"][0]["inputs"] == {"guests": 2}
    assert fact["decisions"][0]["rules"] == [{"index": 1, "rule": "dish_rule1", "outputs": {"name": "Pizza"}}]


def test_a_version_tag_holds_on_to_a_version() -> None:
    definitions.deploy(menu('bindingType="versionTag" versionTag="stable" ').xml())
    definitions.deploy(dish("Stew", camunda_versionTag="stable"))
    definitions.deploy(dish("Pizza"))
    assert dine(guests=2).variables["dinner"] == "Stew"


def test_without_the_decision_there_is_an_incident_until_it_is_deployed() -> None:
    definitions.deploy(menu().xml())
    parked = dine(guests=2)
    incident = Incident.objects.get(instance=parked)
    assert (incident.kind, incident.element_id) == ("DECISION", "choose")
    assert incident.message == "Expected a decision 'dish' to be deployed but found none"
    definitions.deploy(dish())
    incidents.resolve(incident.pk)
    parked.refresh_from_db()
    assert (parked.state, parked.variables["dinner"]) == ("COMPLETED", "Stew")


def test_a_table_without_an_answer_is_an_incident() -> None:
    definitions.deploy(menu().xml())
    definitions.deploy(dish())
    assert "hit policy UNIQUE" in Incident.objects.get(instance=dine(guests=4)).message


def test_evaluation_outside_of_processes() -> None:
    definitions.deploy(dish())
    found = decisions.evaluate(decisions.find("dish"), {"guests": 2})
    assert found.evaluation.result == "Stew"
    with pytest.raises(Rejected) as failed:
        decisions.evaluate(decisions.find("dish"), {"guests": 4})
    assert failed.value.code == "decision-failed"
    with pytest.raises(Rejected) as missing:
        decisions.find("dish", 2)
    assert missing.value.code == "decision-not-found"
    with pytest.raises(Rejected) as unfit:
        decisions.evaluate(decisions.find("dish"), {"guests": float("nan")})
    assert unfit.value.code == "value-invalid"
