"""The HTTP connector against a server that answers: requests as asked for, responses as given."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tasks.connectors.base import Connector, Response
from tests.tasks.connectors.conftest import CONNECTOR, as_json, call, failure, make_job
from tests.tasks.connectors.server import Server


def said(server: Server, body: bytes, type: str = "", **query: str) -> str:
    return f"{server.url}/say?" + urlencode({"body": base64.b64encode(body).decode(), "type": type, **query})


def test_is_a_connector() -> None:
    assert isinstance(CONNECTOR, Connector)
    assert CONNECTOR.type == "http"
    assert CONNECTOR.aliases == ("io.camunda:http-json:1",)


def test_get(server: Server) -> None:
    response = call(f"{server.url}/echo?a=1", queryParameters={"b": [2, Decimal("1E+2")], "c": None, "d": True})
    assert isinstance(response, Response)
    assert (response["status"], response["reason"]) == (200, "OK")
    assert response["headers"]["Content-Type"] == "application/json"
    seen = response["body"]
    assert seen["method"] == "GET"
    assert seen["path"] == "/echo?a=1&b=2&b=100&d=true"
    assert seen["headers"]["user-agent"] == "service-task-orchestrator"
    assert seen["headers"]["idempotency-key"] == "job-7-key"
    assert "content-type" not in seen["headers"]
    assert "cookie" not in seen["headers"]


def test_other_process_variables_are_no_inputs(server: Server) -> None:
    assert call(f"{server.url}/echo", orderId=5, whatever={"a": 1})["status"] == 200


def test_json_body_keeps_its_numbers(server: Server) -> None:
    body = {"amount": Decimal("0.10"), "many": Decimal("1E+3"), "big": 10**30, "ü": [None, True, "x\n"]}
    seen = call(f"{server.url}/echo", method="post", body=body)["body"]
    assert seen["headers"]["content-type"] == "application/json"
    sent = seen["body"].encode("latin-1").decode()
    assert sent == '{"amount":0.10,"many":1E+3,"big":1000000000000000000000000000000,"ü":[null,true,"x\\n"]}'


def test_null_values_are_ignored_on_request(server: Server) -> None:
    body = {"a": None, "b": {"c": None, "d": 1}, "e": [None]}
    seen = call(f"{server.url}/echo", method="POST", body=body, ignoreNullValues="true")["body"]
    assert json.loads(seen["body"]) == {"b": {"d": 1}, "e": [None]}


@pytest.mark.parametrize(
    ("body", "headers", "content_type", "sent"),
    [
        ("Grüße", {}, "text/plain; charset=utf-8", "Grüße".encode()),
        (
            "Grüße",
            {"content-type": "text/plain; charset=latin-1"},
            "text/plain; charset=latin-1",
            b"Gr\xfc\xdfe",
        ),
        ('{"a":1}', {"Content-Type": "application/json"}, "application/json", b'{"a":1}'),
        ([1], {"Content-Type": "application/x-amz-json-1.1"}, "application/x-amz-json-1.1", b"[1]"),
        (42, {}, "application/json", b"42"),
        (
            {"a": "x y", "b": [1, 2], "c": None},
            {"Content-Type": "application/x-www-form-urlencoded"},
            "application/x-www-form-urlencoded",
            b"a=x%20y&b=1&b=2",
        ),
    ],
)
def test_bodies(server: Server, body: Any, headers: dict[str, str], content_type: str, sent: bytes) -> None:
    seen = call(f"{server.url}/echo", method="PUT", body=body, headers=headers)["body"]
    assert seen["headers"]["content-type"] == content_type
    assert seen["body"].encode("latin-1") == sent


def test_headers(server: Server) -> None:
    headers = {"X-Number": 5, "X-Flag": False, "X-None": None, "Idempotency-Key": "mine", "user-agent": "me"}
    seen = call(f"{server.url}/echo", headers=headers)["body"]["headers"]
    assert (seen["x-number"], seen["x-flag"], seen["idempotency-key"], seen["user-agent"]) == (
        "5",
        "false",
        "mine",
        "me",
    )
    assert "x-none" not in seen


@pytest.mark.parametrize(
    ("authentication", "header"),
    [
        ({"type": "noAuth"}, None),
        ({}, None),
        (
            {"type": "basic", "username": "ann", "password": "pässword"},
            "Basic " + base64.b64encode("ann:pässword".encode()).decode(),
        ),
        ({"type": "bearer", "token": "abc.def"}, "Bearer abc.def"),
        ({"type": "apiKey", "apiKeyLocation": "headers", "name": "Authorization", "value": "k"}, "k"),
        ({"type": "bearer", "token": "t", "username": "", "oauthTokenEndpoint": None}, "Bearer t"),
    ],
)
def test_authentication(server: Server, authentication: dict[str, str], header: str | None) -> None:
    seen = call(f"{server.url}/echo", authentication=authentication)["body"]
    assert seen["headers"].get("authorization") == header


def test_api_key_in_the_query(server: Server) -> None:
    key = {"type": "apiKey", "apiKeyLocation": "query", "name": "appid", "value": "s&cret"}
    response = call(f"{server.url}/echo?a=1", authentication=key)
    assert response["body"]["path"] == "/echo?a=1&appid=s%26cret"
    assert "cret" not in as_json(response.journal)


def test_credentials_in_the_url_are_basic_authentication(server: Server) -> None:
    response = call(server.url.replace("//", "//ann:p%40ss@") + "/echo")
    assert response["body"]["headers"]["authorization"] == "Basic " + base64.b64encode(b"ann:p@ss").decode()
    assert "p%40ss" not in as_json(response.journal)


@pytest.mark.parametrize(
    ("content", "type", "body"),
    [
        (
            b'{"a": 0.10, "b": 12345678901234567890}',
            "application/json",
            {"a": Decimal("0.10"), "b": 12345678901234567890},
        ),
        (b"\xef\xbb\xbf[1]", "application/json; charset=utf-8", [1]),
        ('"ü"'.encode("latin-1"), "application/json;charset=ISO-8859-1", "ü"),
        (b'{"title": "x"}', "application/problem+json", {"title": "x"}),
        (b"null", "text/json", None),
        (b"[1, 2]", "text/csv", "[1, 2]"),
        ("Grüße".encode(), "text/plain", "Grüße"),
        (b"Gr\xfc\xdfe", 'text/plain; charset="windows-1252"', "Grüße"),
        (b"<a/>", "application/soap+xml", "<a/>"),
        (b'{"a":1}\n{"a":2}\n', "application/x-ndjson", '{"a":1}\n{"a":2}\n'),
        (b"hello", "", "hello"),
        (b"", "application/json", None),
        (b"", "", None),
    ],
)
def test_response_bodies(server: Server, content: bytes, type: str, body: Any) -> None:
    response = call(said(server, content, type))
    assert response["body"] == body
    assert "bodyEncoding" not in response
    if isinstance(body, dict):
        assert all(isinstance(value, Decimal | int | str) for value in response["body"].values())


@pytest.mark.parametrize("type", ["application/pdf", "image/png", "application/octet-stream", ""])
def test_binary_is_base64(server: Server, type: str) -> None:
    response = call(said(server, b"%PDF\x00\xff", type))
    assert (response["body"], response["bodyEncoding"]) == (
        base64.b64encode(b"%PDF\x00\xff").decode(),
        "base64",
    )
    assert "%PDF" not in response.journal["response"]["body"] or not type


@pytest.mark.parametrize("status", [200, 201, 202, 204, 205, 299, 304])
def test_success_without_content(server: Server, status: int) -> None:
    response = call(f"{server.url}/status/{status}", method="DELETE")
    assert (response["status"], response["body"]) == (status, None)


def test_head_has_no_body(server: Server) -> None:
    response = call(f"{server.url}/large?size=5000000", method="HEAD")
    assert (response["headers"]["Content-Length"], response["body"]) == ("5000000", None)


def test_response_headers_are_those_of_the_server(server: Server) -> None:
    headers = call(f"{server.url}/cookies")["headers"]
    assert headers["X-Twice"] == "a, b"
    assert headers["Set-Cookie"] == ["session=abc123; Expires=Wed, 21 Oct 2037 07:28:00 GMT", "theme=dark"]


def test_cookies_do_not_pass_from_job_to_job(server: Server) -> None:
    call(f"{server.url}/cookies")
    assert "cookie" not in call(f"{server.url}/echo")["body"]["headers"]


@pytest.mark.parametrize(
    ("path", "body"), [("chunks", "abcde"), ("no-length", "until the end"), ("gzip", {"packed": True})]
)
def test_transfers(server: Server, path: str, body: Any) -> None:
    assert call(f"{server.url}/{path}")["body"] == body


def test_connections_are_kept(server: Server) -> None:
    call(f"{server.url}/echo")
    before = server.connections
    for path in ("echo", "chunks", "declined", "gzip", "status/204"):
        if path == "declined":
            failure(f"{server.url}/{path}")
        else:
            call(f"{server.url}/{path}")
    assert server.connections == before


def test_each_thread_and_each_child_has_its_own_session() -> None:
    sessions = CONNECTOR._sessions
    here, there = sessions.get(), []
    assert sessions.get() is here
    thread = threading.Thread(target=lambda: there.append(sessions.get()))
    thread.start()
    thread.join()
    assert there[0] is not here
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if sessions.get() is not here else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_environment_has_no_say(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert call(f"{server.url}/echo")["status"] == 200


def test_journal(server: Server) -> None:
    journal = call(f"{server.url}/echo", method="POST", body={"name": "Ann"}).journal
    assert journal["request"]["method"] == "POST"
    assert journal["request"]["url"] == f"{server.url}/echo"
    assert journal["request"]["body"] == '{"name":"Ann"}'
    assert journal["request"]["bytes"] == 14
    assert journal["request"]["headers"]["User-Agent"] == "service-task-orchestrator"
    assert journal["request"]["headers"]["Content-Length"] == "14"
    assert journal["response"]["status"] == 200
    assert journal["response"]["headers"]["Content-Type"] == "application/json"
    assert '"method": "POST"' in journal["response"]["body"]
    assert journal["redirects"] == []
    assert 0 <= journal["timings"]["headers"] <= journal["timings"]["total"] < 30
    as_json(journal)


def test_the_journal_keeps_excerpts(server: Server) -> None:
    response = call(f"{server.url}/large?size=100000", method="POST", body="ü" * 20_000)
    assert len(response["body"]) == 100_000
    assert response.journal["request"]["body"] == "ü" * 8192 + "…"
    assert response.journal["response"]["body"] == "y" * 8192 + "…"
    assert response.journal["response"]["bytes"] == 100_000


# What the status says


def test_client_error(server: Server) -> None:
    error = failure(f"{server.url}/declined", method="POST", body={})
    assert (error.code, error.retryable, error.retry_in) == ("402", False, None)
    assert error.message == '402 Payment Required: {"code": "card-declined", "left": 0.10}'
    response = error.details["response"]
    assert (response["status"], response["headers"]["Content-Type"]) == (402, "application/json")
    assert response["body"] == {"code": "card-declined", "left": Decimal("0.10")}
    assert error.journal["response"]["status"] == 402


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (409, False),
        (422, False),
        (425, True),
        (429, True),
        (500, True),
        (501, True),
        (502, True),
        (503, True),
        (504, True),
        (599, True),
    ],
)
def test_which_errors_are_worth_another_try(server: Server, status: int, retryable: bool) -> None:
    error = failure(f"{server.url}/status/{status}")
    assert (error.code, error.retryable) == (str(status), retryable)


@pytest.mark.parametrize(
    ("after", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("99999999999999999999", timedelta(days=1)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", timedelta(0)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", timedelta(0)),
        ("Sun Nov  6 08:49:37 1994", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=1)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
        ("", None),
    ],
)
def test_retry_after(server: Server, after: str, wait: timedelta | None) -> None:
    error = failure(f"{server.url}/busy?after={quote(after)}")
    assert (error.code, error.retryable, error.retry_in) == ("503", True, wait)


def test_retry_after_goes_by_the_clock_of_the_server(server: Server) -> None:
    assert failure(f"{server.url}/busy-until").retry_in == timedelta(seconds=90)


def test_no_reason_phrase(server: Server) -> None:
    assert failure(f"{server.url}/no-reason").message == "418 I'm a Teapot"


def test_a_bad_body_does_not_hide_the_status(server: Server) -> None:
    error = failure(said(server, b"<html>oops", "application/json", status="500"))
    assert (error.code, error.details["response"]["body"]) == ("500", "<html>oops")
    error = failure(f"{server.url}/large?size=3000000&status=404")
    assert (error.code, error.retryable) == ("404", False)


def test_messages_are_short(server: Server) -> None:
    error = failure(f"{server.url}/large?size=100000&status=500")
    assert error.message.startswith("500 Internal Server Error: yyy")
    assert len(error.message) < 400
    assert error.details["response"]["body"] == "y" * 100_000


# Bodies that are not what they say


@pytest.mark.parametrize(
    ("content", "type", "told"),
    [
        (b'{"a": ', "application/json", "not JSON"),
        (b"<html>", "application/json", "not JSON"),
        (b'{"a": NaN}', "application/json", "NaN"),
        (b"[1e999999999]", "application/json", "out of range"),
        (b"[1e99999999999999999999999]", "application/json", "out of range"),
        (b"9" * 5000, "application/json", "5000 characters"),
        (b"[" * 5000 + b"]" * 5000, "application/json", "deeper"),
        (b"[" * 200 + b"]" * 200, "application/json", "deeper"),
        (b'{"a":"\xff"}', "application/json", "byte 6"),
        (b"Gr\xfc\xdfe", "text/plain", "text in utf-8, but byte 2"),
        (b"abc", "text/plain; charset=klingon", "klingon"),
        (b"abc", "text/plain; charset=zip", "zip"),
        (b"abc", "text/plain; charset=punycode", "punycode"),
        (b"\\u0041", "text/plain; charset=unicode_escape", "unicode_escape"),
    ],
)
def test_invalid_bodies(server: Server, content: bytes, type: str, told: str) -> None:
    error = failure(said(server, content, type))
    assert (error.code, error.retryable) == ("INVALID_RESPONSE", False)
    assert told in error.message
    assert error.journal["response"]["status"] == 200


def test_bad_coding(server: Server) -> None:
    error = failure(f"{server.url}/no-gzip")
    assert (error.code, error.retryable) == ("INVALID_RESPONSE", False)


def test_response_is_a_mapping(server: Server) -> None:
    response: Mapping[str, Any] = call(f"{server.url}/status/204")
    assert set(response) == {"status", "reason", "headers", "body"}


def test_both_names_serve(server: Server) -> None:
    job = make_job(type="io.camunda:http-json:1", variables={"url": f"{server.url}/echo"})
    assert CONNECTOR.run(job)["status"] == 200
