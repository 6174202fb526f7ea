"""Service tasks in BPMN's own words: an interface, its operation, and the web service that implements them."""

from __future__ import annotations

import pytest

from processes.engine import facts as f
from processes.engine.parser import parse
from tests.engine.play import Play
from tests.engine.test_parser import problems

HEAD = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:shop="urn:shop"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="urn:t">"""
IMPORT = """<bpmn:import importType="http://schemas.xmlsoap.org/wsdl/" namespace="urn:shop" location="{}"/>"""
INTERFACE = """<bpmn:interface id="i" name="Shop" implementationRef="{}">
<bpmn:operation id="place" name="place" implementationRef="shop:placeOrder">
<bpmn:inMessageRef>m</bpmn:inMessageRef>{}</bpmn:operation></bpmn:interface><bpmn:message id="m" name="in"/>"""
PROCESS = """<bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:serviceTask id="t" implementation="##WebService" operationRef="{}">{}</bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process></bpmn:definitions>"""


def model(
    implementation: str = "https://shop.example/orders?wsdl",
    *,
    location: str = "",
    errors: str = "",
    operation: str = "place",
    extra: str = "",
    inside: str = "",
) -> bytes:
    imported = IMPORT.format(location) if location else ""
    return (
        HEAD + imported + INTERFACE.format(implementation, errors) + extra + PROCESS.format(operation, inside)
    ).encode()


def job(xml: bytes) -> f.JobCreated:
    (created,) = (fact for fact in Play(xml).facts if isinstance(fact, f.JobCreated))
    return created


@pytest.mark.parametrize(
    ("implementation", "location", "headers"),
    [
        ("https://shop.example/orders?wsdl", "", {"wsdl": "https://shop.example/orders?wsdl"}),
        ("shop:OrderPort", "http://shop.example/o.wsdl", {"wsdl": "http://shop.example/o.wsdl", "port": "OrderPort"}),
        ("{urn:shop}OrderPort", "http://shop.example/o", {"wsdl": "http://shop.example/o", "port": "OrderPort"}),
        ("{urn:shop}OrderPort", "", {"port": "OrderPort"}),
        ("the-shop", "", {"connection": "the-shop"}),
        ("", "", {}),
    ],
)
def test_an_operation_is_a_job_of_type_soap(implementation: str, location: str, headers: dict[str, str]) -> None:
    created = job(model(implementation, location=location))
    assert created.type == "soap"
    assert created.headers == {"operation": "placeOrder", **headers}


def test_nothing_is_guessed_by_the_id() -> None:
    assert parse(model()).warnings == ()
    assert parse(model("shop:P", location="http://shop.example/o.wsdl")).warnings == ()


def test_a_wsdl_that_is_no_address_is_told() -> None:
    (warning,) = parse(model("shop:P", location="orders.wsdl")).warnings
    assert (warning.rule, warning.message) == (
        "import-not-read",
        "The import of 'orders.wsdl' is not read; a model stands alone",
    )


def test_errors_of_the_operation_are_thrown() -> None:
    error = '<bpmn:error id="e1" errorCode="OutOfStock"/>'
    created = job(model(errors="<bpmn:errorRef>e1</bpmn:errorRef>", extra=error))
    assert created.headers["faultErrors"] == "OutOfStock"
    (problem,) = problems(model(errors="<bpmn:errorRef>e1</bpmn:errorRef>"))
    assert (problem.rule, problem.message) == (
        "unknown-reference",
        "Expected errorRef to name an error but found no error 'e1'",
    )


def test_headers_of_the_task_have_the_last_word() -> None:
    inside = """<bpmn:extensionElements><zeebe:taskHeaders><zeebe:header key="wsdl" value="https://other/"/>
    <zeebe:header key="resultVariable" value="answer"/></zeebe:taskHeaders></bpmn:extensionElements>"""
    created = job(model(inside=inside))
    assert created.type == "soap"
    assert created.headers["wsdl"] == "https://other/"
    assert created.headers["resultVariable"] == "answer"


def test_a_task_definition_comes_first() -> None:
    inside = '<bpmn:extensionElements><zeebe:taskDefinition type="own"/></bpmn:extensionElements>'
    assert job(model(inside=inside)).type == "own"


def test_an_operation_must_exist() -> None:
    for name in ("nowhere", "m"):
        (problem,) = problems(model(operation=name))
        assert (problem.rule, problem.element) == ("unknown-reference", "t")
        assert problem.message == f"Expected operationRef to name a operation but found no operation '{name}'"
