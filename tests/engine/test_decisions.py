"""Business rule tasks evaluate decisions inside their step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from processes.engine import commands as c
from processes.engine import dmn
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid
from processes.engine.parser import parse
from tests.decisions import decisions, literal, table
from tests.drawing import Drawing
from tests.engine.play import Play

DISHES = [("1", '"Stew"', "4"), ("> 1", '"Roast"', "12"), ("> 10", '"Boar"', "60")]


@dataclass
class Shelf:
    """A library of documents, oldest version first."""

    documents: list[bytes] = field(default_factory=list)

    def find(self, decision_id: str, *, version: int | None = None, version_tag: str = "") -> dmn.Published | None:
        found = None
        for number, document in enumerate(self.documents, start=1):
            model = dmn.parse(document)
            wanted = model.decisions.get(decision_id)
            if wanted and version in (None, number) and version_tag in ("", wanted.version_tag):
                found = dmn.Published(model, number)
        return found


def dish(policy: str = "FIRST", tag: str = "", rules: list[Any] = DISHES) -> bytes:
    outputs = {"inputs": ["guests"], "outputs": ["dish", "price"], "rules": rules, "policy": policy}
    return decisions(table("dish", **outputs, **({"camunda_versionTag": tag} if tag else {})))


def menu(called: str = 'decisionId="dish"', **attributes: str) -> Drawing:
    """A process whose task calls a decision in Camunda 8's way, or in Camunda 7's with attributes."""
    inside = f'<bpmn:extensionElements><zeebe:calledDecision resultVariable="r" {called} /></bpmn:extensionElements>'
    given = {name.replace("_", ":"): value for name, value in attributes.items()}
    return Drawing("dinner").start().node("businessRuleTask", "choose", "" if given else inside, **given).end()


def seven(**attributes: str) -> Drawing:
    given = {"decisionRef": "dish", "resultVariable": "r", **attributes}
    return menu(**{f"camunda_{name}": value for name, value in given.items()})


def play(drawing: Drawing, variables: Mapping[str, Any], *documents: bytes) -> Play:
    played = Play(drawing, start=False)
    played.process = replace(played.process, decisions=Shelf(list(documents)))
    played.carry_out(c.StartInstance(dict(variables)))
    return played


def test_the_result_becomes_a_variable_within_the_step() -> None:
    played = play(menu(), {"guests": 1}, dish())
    assert played.completed
    assert played.variables == {"guests": 1, "r": {"dish": "Stew", "price": 4}}
    assert not played.has(f.JobCreated)
    (told,) = (fact for fact in played.facts if isinstance(fact, f.DecisionEvaluated))
    assert (told.decision, told.version) == ("dish", 1)
    rule = {"index": 1, "rule": "dish_rule1", "outputs": {"dish": "Stew", "price": 4}}
    assert told.decisions[0]["inputs"] == {"guests": 1}
    assert told.decisions[0]["rules"] == [rule]
    assert f.to_json(told)["decisions"][0]["result"] == {"dish": "Stew", "price": 4}


def test_inputs_are_mapped_before_and_outputs_after() -> None:
    inside = (
        '<bpmn:extensionElements><zeebe:calledDecision decisionId="=what" resultVariable="r" />'
        '<zeebe:ioMapping><zeebe:input source="=n + 1" target="guests" /><zeebe:input source="dish" target="what" />'
        '<zeebe:output source="=r.dish" target="dinner" /></zeebe:ioMapping></bpmn:extensionElements>'
    )
    drawing = Drawing("dinner").start().node("businessRuleTask", "choose", inside).end()
    assert play(drawing, {"n": 1}, dish()).variables == {"n": 1, "dinner": "Roast"}


def test_the_latest_version_or_that_with_a_tag() -> None:
    documents = (dish(tag="old"), dish(rules=[("-", '"Pizza"', "1")]))
    assert play(menu(), {"guests": 1}, *documents).variables["r"]["dish"] == "Pizza"
    tagged = menu('decisionId="dish" bindingType="versionTag" versionTag="old"')
    assert play(tagged, {"guests": 1}, *documents).variables["r"]["dish"] == "Stew"


@pytest.mark.parametrize(
    ("variables", "documents", "message"),
    [
        ({"guests": 1}, (), "Expected a decision 'dish' to be deployed but found none"),
        ({"guests": 11}, (dish("UNIQUE"),), "Decision 'dish': Expected one rule at most to match"),
        ({"guests": 1}, (decisions(literal("other", "1")),), "Expected a decision 'dish' to be deployed"),
    ],
)
def test_what_goes_wrong_is_an_incident(variables: dict[str, Any], documents: tuple[bytes, ...], message: str) -> None:
    played = play(menu(), variables, *documents)
    (incident,) = played.incidents()
    assert incident.kind is IncidentKind.DECISION
    assert message in incident.message
    assert played.standing() == ["choose"]


def test_a_resolved_incident_evaluates_anew() -> None:
    played = play(menu(), {"guests": 11}, dish("UNIQUE"))
    played.carry_out(c.SetVariables({"guests": 2}))
    played.resolve()
    assert played.completed
    assert played.variables["r"]["dish"] == "Roast"


@pytest.mark.parametrize(
    ("mapping", "guests", "result"),
    [
        ("singleResult", 1, {"dish": "Stew", "price": 4}),
        ("singleResult", 0, None),
        ("resultList", 11, [{"dish": "Roast", "price": 12}, {"dish": "Boar", "price": 60}]),
        ("", 1, [{"dish": "Stew", "price": 4}]),
    ],
)
def test_camunda_7_maps_rows(mapping: str, guests: int, result: Any) -> None:
    how = {"mapDecisionResult": mapping} if mapping else {}
    assert play(seven(**how), {"guests": guests}, dish("COLLECT")).variables["r"] == result


@pytest.mark.parametrize(
    ("mapping", "guests", "result"),
    [("singleEntry", 1, "Stew"), ("singleEntry", 0, None), ("collectEntries", 11, ["Roast", "Boar"])],
)
def test_camunda_7_maps_entries(mapping: str, guests: int, result: Any) -> None:
    drawing = seven(mapDecisionResult=mapping)
    one = decisions(
        table("dish", inputs=["guests"], outputs=["d"], rules=[row[:2] for row in DISHES], policy="COLLECT")
    )
    assert play(drawing, {"guests": guests}, one).variables["r"] == result


@pytest.mark.parametrize("mapping", ["singleEntry", "singleResult"])
def test_camunda_7_faults_where_there_is_more_than_one(mapping: str) -> None:
    drawing = seven(mapDecisionResult=mapping)
    (incident,) = play(drawing, {"guests": 11}, dish("COLLECT")).incidents()
    assert f"Expected one rule at most for {mapping}" in incident.message


def test_camunda_7_names_a_version() -> None:
    drawing = seven(mapDecisionResult="singleResult", decisionRefBinding="version", decisionRefVersion="1")
    documents = (dish(), dish(rules=[("-", '"Pizza"', "1")]))
    assert play(drawing, {"guests": 1}, *documents).variables["r"]["dish"] == "Stew"


def test_camunda_7_names_a_decision_by_an_expression() -> None:
    drawing = seven(decisionRef="${what}", mapDecisionResult="singleResult")
    assert play(drawing, {"guests": 1, "what": "dish"}, dish()).variables["r"]["dish"] == "Stew"


def test_with_a_task_definition_it_is_a_job() -> None:
    drawing = Drawing("dinner").start().service("choose", type="rules", tag="businessRuleTask").end()
    played = Play(drawing)
    assert played.job("choose").type == "rules"


@pytest.mark.parametrize(
    ("drawing", "rule"),
    [
        (menu(""), "no-decision"),
        (menu('decisionId="dish" bindingType="deployment"'), "not-executable"),
        (menu('decisionId="dish" bindingType="versionTag"'), "no-version-tag"),
        (menu('decisionId="dish" versionTag="a"'), "no-version-tag"),
        (menu('decisionId="=1 +"'), "bad-feel"),
        (menu('decisionId="dish" retries="3"'), "not-executable"),
        (menu(camunda_decisionRef="dish"), "no-result-variable"),
        (seven(mapDecisionResult="all"), "bad-mapping"),
        (seven(decisionRefBinding="deployment"), "not-executable"),
        (seven(decisionRefBinding="version"), "no-version"),
        (seven(decisionRefTenantId="t"), "not-executable"),
        (menu(camunda_mapDecisionResult="singleEntry"), "no-decision"),
        (seven(topic="dishes", type="external"), "two-decisions"),
        (seven(expression="${1}"), "two-decisions"),
    ],
)
def test_what_is_wrong_with_a_call_is_refused(drawing: Drawing, rule: str) -> None:
    with pytest.raises(ModelInvalid) as invalid:
        parse(drawing.xml())
    assert rule in [problem.rule for problem in invalid.value.problems]


def test_only_a_business_rule_task_calls_decisions() -> None:
    drawing = Drawing("p").start().node("serviceTask", "t", **{"camunda:decisionRef": "dish"}).end()
    with pytest.raises(ModelInvalid, match="camunda:decisionRef"):
        parse(drawing.xml())
