"""Requests in the words of Camunda's SOAP connector, without a WSDL."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.tasks.connectors.soap import BINARY
from tests.tasks.connectors.soap.conftest import Service


def raw(service: Service, path: str = "shop11", **inputs: Any) -> dict[str, Any]:
    body = {"type": "json", "json": {"s:add": {"s:a": 1, "s:b": "2.5"}}}
    return {"serviceUrl": f"{service.url}/{path}", "body": body, "namespaces": {"s": "urn:shop"}, **inputs}


def test_a_body_of_json(service: Service) -> None:
    response = service.run(raw(service), type="io.camunda:soap:1")
    assert dict(response) == {"Envelope": {"Body": {"addResponse": {"addResult": "3.5"}}}}
    (seen,) = service.told()
    assert "<s:add><s:a>1</s:a><s:b>2.5</s:b></s:add>" in seen["body"]
    assert seen["headers"]["soapaction"] == '""'


def test_a_body_of_a_template_and_a_header_with_an_action(service: Service) -> None:
    body = {
        "type": "template",
        "template": "<s:place><s:order><s:id>{{ order.id }}</s:id><s:lines/>{{{tags}}}</s:order></s:place>",
        "context": {"order": {"id": "<&>"}, "tags": "<s:tags>x</s:tags><s:tags>y</s:tags>"},
    }
    header = {"type": "json", "json": {"s:Token": {"@x": "1", "s:client": "me"}}}
    version = {"version": "1.1", "soapAction": "place"}
    found = service.run(raw(service, body=body, header=header, soapVersion=version))["Envelope"]
    assert found["Header"]["Token"]["client"] == "me"
    assert found["Body"]["placeResponse"]["placeResult"] == {"id": "<&>", "lines": {}, "tags": ["x", "y"]}
    assert service.told()[0]["headers"]["soapaction"] == '"place"'


def test_version_12_with_a_token(service: Service) -> None:
    login = {"authentication": "usernameToken", "username": "u", "password": "pa55word", "encoded": "No"}
    inputs = raw(service, "shop12", soapVersion={"version": "1.2"}, authentication=login, connectionTimeoutInSeconds=5)
    assert service.run(inputs)["Envelope"]["Body"]["addResponse"]["addResult"] == "3.5"
    assert "pa55word" in service.told()[0]["body"]


def test_a_fault_is_camundas_code_with_ours_beside_it(service: Service) -> None:
    error = service.refused(raw(service, body={"s:fail": {"s:how": "Server"}}))
    assert (error.code, error.retryable) == ("SOAP_FAULT_RECEIVED", True)
    assert error.details["fault"]["code"] == "Server"
    assert error.details["response"]["Envelope"]["Body"]["Fault"]["faultstring"] == "failed as Server"


def test_attributes_text_and_nil(service: Service) -> None:
    inputs = raw(service, "latin", body="<s:ping/>")
    assert service.run(inputs)["Envelope"]["Body"] == {"x": "ä"}


def test_binary_parts_are_put_in_place(service: Service) -> None:
    found = service.run(raw(service, "mtom", body="<s:ping/>"))["Envelope"]["Body"]["loadResponse"]
    assert base64.b64decode(found["data"]) == BINARY


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        ({"serviceUrl": "ftp://a/"}, "`serviceUrl`"),
        ({"body": {"type": "xml"}}, "`body.type` to be template or json"),
        ({"body": None}, "`body.type` to be template or json"),
        ({"body": {"type": "json", "json": {"a b": 1}}}, "the name of an element"),
        ({"body": {"type": "json", "json": {"n:a": 1}}}, "make an envelope"),
        ({"body": {"type": "template", "template": "<a>"}}, "make an envelope"),
        ({"body": {"type": "template", "template": "<a>{{b}}</a>"}}, "`body.context` to have `b`"),
        ({"body": {"type": "template", "template": "{{#b}}x{{/b}}"}}, "names in {{ }}"),
        ({"body": {"type": "template", "template": "<!DOCTYPE a><a/>"}}, "make an envelope"),
        ({"namespaces": {"xml": "urn:x"}}, "prefixes of their own"),
        ({"header": {"type": "json", "json": {}, "extra": 1}}, "`header.extra` is not known"),
        ({"soapVersion": {"version": "1.3"}}, "1.1 or 1.2"),
        ({"addressing": True}, "needs a WSDL"),
        ({"authentication": {"authentication": "signature", "keystore": "x"}}, "but found `authentication.keystore`"),
        ({"mtom": True}, "`mtom` needs a WSDL"),
    ],
)
def test_inputs_that_are_wrong(service: Service, inputs: dict[str, Any], part: str) -> None:
    error = service.refused(raw(service, **inputs))
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert part in error.message
    assert service.told() == []
