"""Calls of a real service: what is sent, what comes back, what goes wrong."""

from __future__ import annotations

import base64
import hashlib
import re
from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors.base import BpmnError, Connection, Connector, Response
from tasks.connectors.soap import SoapConnector
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.soap.conftest import KEY, Service

ORDER = {
    "id": "o-7",
    "placed": "2026-03-01T10:00:00Z",
    "due": "2026-04-01",
    "express": True,
    "lines": {"Line": [{"sku": "a & b", "quantity": 2, "price": {"_value": Decimal("1.10"), "currency": "EUR"}}]},
    "tags": ["x", "y"],
}
WSDL = "http://a.example/"
TOKEN = "usernameToken"
BOTH = pytest.mark.parametrize("shop", ["shop11", "shop12"])


def test_is_a_connector() -> None:
    connector = SoapConnector()
    assert isinstance(connector, Connector)
    assert (connector.type, connector.aliases) == ("soap", ("io.camunda:soap:1",))


@BOTH
def test_complex_types_go_there_and_back(service: Service, shop: str) -> None:
    response = service.call("place", shop=shop, parameters={"order": ORDER})
    assert isinstance(response, Response)
    found = response["body"]["placeResult"]
    assert found == {**ORDER, "placed": "2026-03-01T10:00:00+00:00", "note": None}
    assert isinstance(found["lines"]["Line"][0]["price"]["_value"], Decimal)
    assert response["headers"] == {}


@BOTH
def test_decimals_are_exact(service: Service, shop: str) -> None:
    given = {"a": Decimal("0.10"), "b": "123456789012345.000000000001"}
    found = service.call("add", shop=shop, parameters=given)["body"]
    assert str(found["addResult"]) == "123456789012345.100000000001"
    assert service.call("add", shop=shop, parameters={"a": Decimal("1E+2"), "b": -1})["body"]["addResult"] == 99


def test_lists_stay_lists(service: Service) -> None:
    for count in (0, 1, 3):
        found = service.call("names", parameters={"count": count})["body"]["namesResult"]
        assert found == ({"string": [f"name {number}" for number in range(count)]})
    empty = service.call("place", parameters={"order": {"id": "1", "lines": {}}})["body"]["placeResult"]
    assert (empty["lines"], empty["tags"]) == ({"Line": []}, [])


def test_null_is_nil_and_absent_is_absent(service: Service) -> None:
    service.call("place", parameters={"order": {"id": "1", "lines": {"Line": []}, "note": None}})
    (sent,) = [seen["body"] for seen in service.told() if seen["method"] == "POST"]
    assert re.search(r"<\w+:note [^>]*nil=\"true\"/>", sent)
    assert "placed" not in sent


def test_derived_types_are_named(service: Service) -> None:
    line = {"_type": "GiftLine", "sku": "g", "quantity": 1, "card": "hello"}
    found = service.call("place", parameters={"order": {"id": "1", "lines": {"Line": [line]}}})["body"]
    assert found["placeResult"]["lines"]["Line"] == [{**line, "price": None}]


def test_moments_with_the_zone_of_feel(service: Service) -> None:
    parameters = {"moment": "2026-07-01T12:00:00@Europe/Berlin", "day": "2026-07-02"}
    assert service.call("when", parameters=parameters)["body"] == {"whenResult": "2026-07-01T12:00:00+02:00 2026-07-02"}


def test_headers_there_and_back(service: Service) -> None:
    response = service.call("place", parameters={"order": ORDER}, headers={"Token": {"client": "me"}})
    assert response["headers"] == {"Token": {"client": "me", "trace": None}}
    refused = service.failure("place", parameters={"order": ORDER}, headers={"Tokn": {}})
    assert refused.code == "INVALID_INPUT"
    assert refused.message == "Expected `headers` to have what the WSDL declares (`Token`), but found `Tokn`"


def test_without_parameters(service: Service) -> None:
    assert service.call("ping")["body"] == {}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"a": "x"}, "Expected `parameters.a` to be xsd:decimal, but found 'x'"),
        ({"c": 1}, "Expected `parameters` to have `a`, `b`, but found `c`"),
        ({"a": [1, 2]}, "Expected `parameters.a` to be xsd:decimal, but found a list"),
        ("text", "Expected `parameters` to be a context, but found 'text'"),
    ],
)
def test_what_the_schema_does_not_know_is_refused(service: Service, parameters: Any, message: str) -> None:
    refused = service.failure("add", parameters=parameters)
    assert (refused.code, refused.retryable, refused.message) == ("INVALID_INPUT", False, message)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"lines": {}}, "Expected `parameters.order.id` to be xsd:string, but found none"),
        ({"id": "1", "lines": None}, "Expected `parameters.order.lines` to be LineArray, but found null"),
        (
            {"id": "1", "lines": {"Line": [{"sku": "a", "quantity": "two"}]}},
            "Expected `parameters.order.lines.Line[1].quantity` to be xsd:integer, but found 'two'",
        ),
        (
            {"id": "1", "lines": {"Line": [{"sku": "a", "quantity": 1, "price": {"_value": 1}}]}},
            "Expected `parameters.order.lines.Line[1].price.currency`, but found none",
        ),
        (
            {"id": "1", "lines": {}, "due": "2026-02-30"},
            "Expected `parameters.order.due` to be xsd:date, but found '2026-02-30'",
        ),
        (
            {"id": "\x01", "lines": {}},
            "Expected `parameters.order.id` to be xsd:string, but found text with the character '\\x01', which XML "
            "cannot carry",
        ),
    ],
)
def test_the_place_of_what_is_wrong_is_told(service: Service, order: Any, message: str) -> None:
    assert service.failure("place", parameters={"order": order}).message == message
    assert not [seen for seen in service.told() if seen["method"] == "POST"]


def test_the_message_id_is_the_job(service: Service) -> None:
    service.call("ping")
    service.call("ping")
    service.call("ping", addressing=False)
    first, second, bare = (seen for seen in service.told() if seen["method"] == "POST")
    assert f">urn:uuid:{KEY}</wsa:MessageID>" in first["body"]
    assert "<wsa:Action" in first["body"]
    assert first["body"] == second["body"]
    assert first["headers"]["idempotency_key"] == KEY
    assert "MessageID" not in bare["body"]


def test_the_versions_differ_in_their_http(service: Service) -> None:
    service.call("ping")
    service.call("ping", shop="shop12")
    eleven, twelve = (seen["headers"] for seen in service.told() if seen["method"] == "POST")
    assert (eleven["content_type"], eleven["soapaction"]) == ("text/xml; charset=utf-8", '"ping"')
    assert twelve["content_type"] == 'application/soap+xml; charset=utf-8; action="ping"'
    assert "soapaction" not in twelve


def test_a_port_that_is_not_there(service: Service) -> None:
    refused = service.failure("ping", soapVersion="1.2")
    assert "it has Shop/Application (SOAP 1.1)" in refused.message or "(SOAP 1.1)" in refused.message
    assert refused.code == "INVALID_INPUT"
    assert service.call("ping", soapVersion="1.1")["body"] == {}


@BOTH
def test_a_username_token(service: Service, shop: str) -> None:
    login = {"type": "usernameToken", "username": "ann", "password": "s3cret-word", "timestamp": 60}
    response = service.call("ping", shop=shop, authentication=login)
    (sent,) = [seen["body"] for seen in service.told() if seen["method"] == "POST"]
    assert "s3cret-word" in sent
    assert "#PasswordText" in sent
    assert "Expires>" in sent
    assert "s3cret-word" not in str(response.journal)


def test_a_password_digest(service: Service) -> None:
    login = {"authentication": "usernameToken", "username": "ann", "password": "s3cret-word", "encoded": "Yes"}
    service.call("ping", authentication=login)
    (sent,) = [seen["body"] for seen in service.told() if seen["method"] == "POST"]
    assert "s3cret-word" not in sent
    nonce, created, digest = (
        re.search(rf"<\w+:{name}[^>]*>([^<]+)<", sent)[1]  # type: ignore[index]
        for name in ("Nonce", "Created", "Password")
    )
    made = hashlib.sha1(base64.b64decode(nonce) + created.encode() + b"s3cret-word").digest()
    assert base64.b64encode(made).decode() == digest


def test_http_credentials_go_with_the_call_and_the_wsdl(impatient: Service) -> None:
    impatient.call("ping", authentication={"type": "basic", "username": "ann", "password": "s3cret-word"})
    assert all(seen["headers"]["authorization"].startswith("Basic ") for seen in impatient.told())


def test_a_connection_gives_address_and_credentials(service: Service) -> None:
    login = {"type": "usernameToken", "username": "ann", "password": "s3cret-word"}
    connection = Connection(name="shop", url=f"{service.url}/shop11?wsdl", authentication=login, allow_private=True)
    response = service.run({"operation": "add", "parameters": {"a": 1, "b": 2}}, connection=connection)
    assert response["body"] == {"addResult": 3}
    assert "s3cret-word" in service.told()[-1]["body"]
    relative = {"operation": "ping", "wsdl": "shop12?wsdl", "endpoint": "shop12"}
    assert service.run(relative, connection=connection)["body"] == {}
    assert service.told()[-1]["path"] == "shop12"


def test_the_guard_stands_before_wsdl_and_service(service: Service, impatient: Service) -> None:
    service.call("ping")
    service.told()
    for known in (service, impatient):
        error = known.refused(known.inputs("ping"), allow_private=False)
        assert (error.code, error.retryable) == ("ADDRESS_REFUSED", False)
        assert "loopback" in error.message
    assert service.told() == []


def test_the_credentials_of_a_connection_stay_with_it(service: Service) -> None:
    login = {"type": "basic", "username": "ann", "password": "s3cret-word"}
    fields: dict[str, Any] = {"name": "shop", "url": f"{service.url}/shop11?wsdl", "authentication": login}
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    inputs = {"operation": "ping", "endpoint": f"{elsewhere}/shop11"}
    refused = service.refused(inputs, connection=Connection(**fields))
    assert (refused.code, "but found http://localhost" in refused.message) == ("INVALID_INPUT", True)
    fields |= {"allowed_hosts": ("localhost", "127.0.0.1"), "allow_private": True, "timeout": 9.0}
    allowed = Connection(**fields, options={"headers": {"X-Shop": "1"}})
    assert service.run(inputs, connection=allowed)["body"] == {}
    assert service.told()[-1]["headers"]["x_shop"] == "1"


@pytest.mark.parametrize(
    ("shop", "how", "code", "retryable"),
    [
        ("shop11", "Client", "Client", False),
        ("shop11", "Server", "Server", True),
        ("shop11", "Server.Busy", "Server.Busy", True),
        ("shop11", "Client.NoSuchCard", "Client.NoSuchCard", False),
        ("shop12", "Client", "Sender", False),
        ("shop12", "Server", "Receiver", True),
    ],
)
def test_faults(service: Service, shop: str, how: str, code: str, retryable: bool) -> None:
    error = service.failure("fail", shop=shop, parameters={"how": how})
    assert (error.code, error.retryable) == (code, retryable)
    assert error.message == f"{code}: failed as {how}"
    assert error.details["fault"]["message"] == f"failed as {how}"
    assert error.journal["response"]["status"] == (500 if retryable or shop == "shop11" else 400) or shop == "shop12"


def test_a_fault_with_actor_and_detail(service: Service) -> None:
    error = service.failure("fail", parameters={"how": "OutOfStock"})
    assert error.code == "Client.OutOfStock"
    assert error.details["fault"] == {
        "code": "Client.OutOfStock",
        "subcode": None,
        "actor": "urn:stock",
        "message": "there is no more",
        "detail": {"stock": {"sku": "A1"}},
    }


@pytest.mark.parametrize("at", ["stock", "fault-in-200"])
def test_a_detail_that_the_schema_knows_is_typed(service: Service, at: str) -> None:
    error = service.failure("add", at=at)
    assert (error.code, error.retryable) == ("Business", False)
    assert error.details["fault"]["detail"] == {"OutOfStock": {"sku": "A1", "left": 3}}


def test_subcodes_of_soap_12(service: Service) -> None:
    error = service.failure("add", shop="shop12", at="twelve")
    assert error.code == "Declined"
    assert error.details["fault"] == {
        "code": "Sender",
        "subcode": "Declined",
        "actor": "urn:bank",
        "message": "no credit",
        "detail": None,
    }


@pytest.mark.parametrize("name", ["Business", "OutOfStock"])
def test_faults_that_the_model_declares_are_thrown(service: Service, name: str) -> None:
    with pytest.raises(BpmnError) as thrown:
        service.run(service.inputs("add", at="stock"), headers={"faultErrors": f"Other, {name}"})
    assert (thrown.value.code, thrown.value.message) == (name, "gone")
    assert thrown.value.variables["fault"]["detail"] == {"OutOfStock": {"sku": "A1", "left": 3}}


@pytest.mark.parametrize(
    ("at", "code", "retryable", "part"),
    [
        ("malformed", "INVALID_RESPONSE", False, "it is not well-formed"),
        ("html", "INVALID_RESPONSE", False, "its root is html"),
        ("empty", "INVALID_RESPONSE", False, "but there is nothing"),
        ("doctype", "INVALID_RESPONSE", False, "it has a DOCTYPE"),
        ("wrong-type", "INVALID_RESPONSE", False, "`body.addResult` as xsd:decimal, but it is 'many'"),
        ("huge", "RESPONSE_TOO_LARGE", False, "at most"),
        ("busy", "503", True, "come back"),
        ("denied", "403", False, "no"),
    ],
)
def test_answers_that_are_none(service: Service, at: str, code: str, retryable: bool, part: str) -> None:
    error = service.failure("add", at=at)
    assert (error.code, error.retryable) == (code, retryable)
    assert part in error.message
    assert error.journal["request"]["method"] == "POST"


def test_a_slow_answer_ends_in_time(service: Service) -> None:
    error = service.failure("add", at="slow", deadlineInSeconds="0.5")
    assert (error.code, error.retryable) == ("408", True)
    assert error.journal["timings"]["total"] < 15


def test_nobody_there(service: Service) -> None:
    error = service.refused({**service.inputs("add"), "endpoint": "http://127.0.0.1:9/"})
    assert (error.code, error.retryable) == ("CONNECTION_FAILED", True)


def test_what_the_schema_does_not_know_yet_is_given_as_it_is(service: Service) -> None:
    assert service.call("add", at="newer")["body"] == {"addResult": 3, "new": "x"}


def test_one_way(service: Service) -> None:
    assert dict(service.call("ping", at="accepted")) == {"body": None, "headers": {}}


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"operation": "add"}, "Expected the input `wsdl`"),
        ({"wsdl": "http://127.0.0.1:9/"}, "Expected the input `operation`"),
        ({"wsdl": "file:///etc/passwd", "operation": "x"}, "its scheme is 'file'"),
        ({"wsdl": WSDL, "operation": "x", "attachments": ["x"]}, "The input `attachments` is not"),
        ({"wsdl": WSDL, "operation": "x", "mtom": "maybe"}, "Expected `mtom` to be true or false"),
        ({"wsdl": WSDL, "operation": "x", "body": {"type": "json"}}, "The input `body` belongs to"),
        ({"wsdl": WSDL, "operation": "x", "soapVersion": "2"}, "`soapVersion` to be 1.1 or 1.2"),
        ({"wsdl": WSDL, "operation": "x", "authentication": {"type": "signature"}}, "`authentication.certificate`"),
        ({"wsdl": WSDL, "operation": "x", "authentication": {"type": TOKEN}}, "authentication.username"),
        ({"wsdl": WSDL, "operation": "x", "authentication": {"type": "magic"}}, "'magic'"),
        (
            {"wsdl": WSDL, "operation": "x", "authentication": {"type": TOKEN, "username": "u", "x": 1}},
            "but found `authentication.x`",
        ),
        ({"wsdl": WSDL, "serviceUrl": WSDL, "body": {"a": 1}}, "but found `wsdl`, too"),
    ],
)
def test_inputs_that_are_wrong(service: Service, variables: dict[str, Any], part: str) -> None:
    error = service.refused(variables)
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert part in error.message


def test_operations_of_bpmn_take_variables_by_name(service: Service) -> None:
    headers = {"wsdl": f"{service.url}/shop11?wsdl", "operation": "add", "port": "Shop"}
    job_variables = {"a": 1, "b": Decimal("0.5"), "body": "mine", "other": [1]}
    headers.pop("port")
    assert service.run(job_variables, headers=headers)["body"] == {"addResult": Decimal("1.5")}


def test_the_lease_ends_the_call(service: Service) -> None:
    error = service.refused(service.inputs("ping"), deadline=make_job(lease=-1.0).deadline)
    assert error.code == "408"
