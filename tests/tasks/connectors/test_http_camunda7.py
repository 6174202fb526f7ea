"""The connectors of Camunda 7, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.connectors.base import JobError
from tasks.connectors.http_camunda7 import Camunda7HttpConnector, Camunda7SoapConnector
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.server import Server

ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'


def call(connector: Camunda7HttpConnector, **variables: Any) -> Any:
    return connector.run(make_job(type=connector.type, inputs_only=True, variables=variables))


def test_a_call(server: Server) -> None:
    headers = {"Content-Type": "application/json", "X-Order": 17}
    url = server.url + "/echo?a=b"
    answer = call(Camunda7HttpConnector(), url=url, method="post", headers=headers, payload='{"a": 1}', other=5)
    assert set(answer) == {"statusCode", "headers", "response"}
    assert answer["statusCode"] == 200
    assert isinstance(answer["response"], str), "text, even where it is JSON"
    seen = server.seen[-1]
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/echo?a=b", '{"a": 1}')
    assert seen["headers"]["x-order"] == "17"
    assert seen["headers"]["content-type"] == "application/json"
    assert answer.journal["request"]["method"] == "POST"


def test_a_status_is_no_error_unless_asked_for(server: Server) -> None:
    url = server.url + "/declined"
    answer = call(Camunda7HttpConnector(), url=url, method="GET")
    assert (answer["statusCode"], answer["response"]) == (402, '{"code": "card-declined", "left": 0.10}')
    with pytest.raises(JobError) as error:
        call(Camunda7HttpConnector(), url=url, method="GET", config={"throw-http-error": "TRUE"})
    assert error.value.code == "402"


def test_what_is_no_answer_is_an_error(server: Server) -> None:
    with pytest.raises(JobError) as error:
        call(Camunda7HttpConnector(), url=server.url + "/reset", method="GET")
    assert (error.value.code, error.value.retryable) == ("CONNECTION_FAILED", True)
    with pytest.raises(JobError) as error:
        call(Camunda7HttpConnector(), url=server.url + "/silent", method="GET", config={"socket-timeout": "300"})
    assert error.value.code == "408"


def test_soap_posts_its_envelope(server: Server) -> None:
    headers = {"SOAPAction": "urn:pay", "Content-Type": "text/xml; charset=utf-8"}
    call(Camunda7SoapConnector(), url=server.url + "/echo", headers=headers, payload=ENVELOPE)
    seen = server.seen[-1]
    assert (seen["method"], seen["body"], seen["headers"]["soapaction"]) == ("POST", ENVELOPE, "urn:pay")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"method": "GET"}, "the input `url`"),
        ({"url": "http://127.0.0.1:9/"}, "the input `method`"),
        ({"url": "http://127.0.0.1:9/", "method": "GET", "config": {"proxy": "http://p"}}, "found `config.proxy`"),
        ({"url": "http://127.0.0.1:9/", "method": "GET", "config": {"socket-timeout": "soon"}}, "milliseconds"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(variables: dict[str, Any], says: str) -> None:
    with pytest.raises(JobError) as error:
        call(Camunda7HttpConnector(), **variables)
    assert (error.value.code, error.value.retryable) == ("INVALID_INPUT", False)
    assert says in error.value.message
