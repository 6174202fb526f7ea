"""Element templates: valid for Modeler, true to the connectors, served as files are; applied, they deploy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from processes.runtime.definitions import deploy
from tasks.jobs import registry
from tests.api.conftest import V1, problem
from tests.drawing import Drawing
from tests.form import fill

FOLDER = Path(__file__).resolve().parents[2] / "tasks" / "element_templates"
TEMPLATES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
KINDS = {"String", "Text", "Number", "Boolean", "Dropdown", "Hidden"}
COMMON = {"resultVariable", "resultExpression", "errorExpression", "retryBackoff", "retryDeadline", "connection"}
"""Headers that hold for every job."""

OTHER_WORDS = {("message", "mode"): {"fireAndForget", "waitForReply"}}
"""Choices that mean the same as another one that the form offers."""
NOT_OFFERED = {
    "email": {"url"},
    "http": {"authenticationConfiguration"},
    "soap": {"serviceUrl", "header", "body", "namespaces"},
    "message": {"authentication", "routing", "message"},
    "sql": {"database", "connection", "data"},
}
"""Other words for what the form asks for; most are Camunda's, whose own templates are the form for them."""

each = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())


def bound(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in template["properties"] if each["binding"]["type"] == kind]


def job_type(template: dict[str, Any]) -> str:
    definition = next(p for p in bound(template, "zeebe:taskDefinition") if p["binding"]["property"] == "type")
    return str(definition.get("value", ""))


CAMUNDA_7 = {"http-connector", "soap-http-connector"}
"""Drawn in Camunda 7's own forms."""


def test_there_is_one_for_each_built_in_job_type() -> None:
    built_in = {
        registration.connector.type
        for registration in registry().registrations.values()
        if registration.owner.startswith("built-in")
    }
    assert built_in - CAMUNDA_7 <= {job_type(template) for template in TEMPLATES.values()}
    ids = [template["id"] for template in TEMPLATES.values()]
    assert len(ids) == len(set(ids))


@each
def test_it_is_what_modeler_reads(template: dict[str, Any]) -> None:
    assert template["$schema"].startswith("https://unpkg.com/@camunda/zeebe-element-templates-json-schema")
    assert template["name"]
    assert template["description"]
    assert isinstance(template["version"], int)
    assert all(element.startswith("bpmn:") for element in template["appliesTo"])
    assert template["icon"]["contents"].startswith("data:image/svg+xml,")
    groups = {group["id"] for group in template["groups"]}
    ids = [p["id"] for p in template["properties"] if "id" in p]
    assert len(ids) == len(set(ids))
    for given in template["properties"]:
        assert given["type"] in KINDS, given
        match given["binding"]:
            case {"type": "zeebe:taskDefinition", "property": "type" | "retries"}:
                pass
            case {"type": "zeebe:input", "name": str()} | {"type": "zeebe:taskHeader", "key": str()}:
                pass
            case other:
                raise AssertionError(other)
        if given["type"] == "Hidden":
            continue
        assert given["label"], given
        assert given["group"] in groups, given
        assert given.get("feel") in (None, "optional", "required", "static"), given
        if given["type"] == "Dropdown":
            values = [choice["value"] for choice in given["choices"]]
            assert given["value"] in values, given
            assert len(values) == len(set(values)), given
        assert not (given.get("optional") and given.get("constraints", {}).get("notEmpty")), given
        for condition in given.get("condition", {}).get("allMatch", [given.get("condition")]):
            if condition is None:
                continue
            decides = next(p for p in template["properties"] if p.get("id") == condition["property"])
            values = [choice["value"] for choice in decides["choices"]]
            assert set(condition.get("oneOf") or [condition["equals"]]) <= set(values), given
    assert {p["group"] for p in template["properties"] if "group" in p} == groups


@each
def test_it_names_inputs_that_the_connector_understands(template: dict[str, Any]) -> None:
    connector = registry().get(job_type(template))
    if not job_type(template):
        assert not bound(template, "zeebe:input"), "an external worker gets what it asks for"
        return
    if connector is None:
        pytest.skip(f"no connector for {job_type(template)} here")
    declared = {given.name: given for given in connector.inputs}  # type: ignore[attr-defined]
    for given in bound(template, "zeebe:input"):
        name, _, field = given["binding"]["name"].partition(".")
        assert name in declared, f"{name} is no input of {connector.type}"
        of = declared[name]
        assert not of.fields or not field or field in of.fields, given
        assert not field or of.kind == "context", given
        if of.choices and given["type"] == "Dropdown":
            listed = {choice["value"] for choice in given["choices"]} - {""}
            assert listed == set(of.choices) - OTHER_WORDS.get((connector.type, name), set())
        assert not of.required or given.get("constraints", {}).get("notEmpty") or "value" in given, given
        assert of.secret <= ("secrets" in given.get("description", "")), given
    for given in bound(template, "zeebe:taskHeader"):
        key = given["binding"]["key"]
        header = key in declared and declared[key].header
        assert key in COMMON or header or f"`{key}`" in (sys.modules[type(connector).__module__].__doc__ or ""), key


@each
def test_it_offers_every_input_that_the_connector_declares(template: dict[str, Any]) -> None:
    connector = registry().get(job_type(template))
    if connector is None:
        assert job_type(template) == "", "an external worker says itself what it wants"
        return
    offered = {given["binding"]["name"].partition(".")[0] for given in bound(template, "zeebe:input")}
    offered |= {given["binding"]["key"] for given in bound(template, "zeebe:taskHeader")}
    declared = {given.name for given in connector.inputs}  # type: ignore[attr-defined]
    assert declared - (offered - COMMON) == NOT_OFFERED.get(connector.type, set())


@pytest.mark.django_db
@each
def test_applied_as_modeler_does_it_deploys(template: dict[str, Any]) -> None:
    filled = fill(template)
    tags = [applied[len("bpmn:") :] for applied in template["appliesTo"] if applied != "bpmn:Task"]
    for tag in tags:
        drawing = Drawing().start()
        name = tag[0].lower() + tag[1:]
        given = {"headers": filled.headers, "inputs": filled.inputs, "tag": name}
        drawing.service("task", type=filled.type or "t", retries="3", **given)
        assert deploy(drawing.end().xml()).warnings == (), template["id"]


# -- over REST ---------------------------------------------------------------------------------------------------------


def test_the_list_is_what_modeler_takes(api: Any) -> None:
    answer = api.get(f"{V1}/element-templates")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    listed = answer.json()
    assert sorted(template["id"] for template in listed) == sorted(one["id"] for one in TEMPLATES.values())
    assert [template["name"] for template in listed] == sorted(template["name"] for template in listed)


def test_one_of_them(api: Any) -> None:
    assert api.get(f"{V1}/element-templates/orchestrator.http").json() == TEMPLATES["http"]
    problem(api.get(f"{V1}/element-templates/orchestrator.none"), 404, "not-found")
    problem(api.get(f"{V1}/element-templates/..%2f..%2fsettings"), 404, "not-found")


def test_an_operator_adds_and_replaces_some(api: Any, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(
        json.dumps([{"id": "own", "name": "A"}, {"id": "orchestrator.http", "name": "B"}])
    )
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('["no template"]')
    folders = [*settings.ORCHESTRATOR_API["ELEMENT_TEMPLATES"], str(tmp_path), str(tmp_path / "none")]
    settings.ORCHESTRATOR_API = {**settings.ORCHESTRATOR_API, "ELEMENT_TEMPLATES": folders}
    listed = {template["id"]: template["name"] for template in api.get(f"{V1}/element-templates").json()}
    assert (listed["own"], listed["orchestrator.http"]) == ("A", "B")
    assert len(listed) == len(TEMPLATES) + 1
