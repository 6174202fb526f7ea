"""What the HTTP connector refuses, by name, before a byte is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.tasks.connectors.conftest import call, failure
from tests.tasks.connectors.server import Server


def refused(url: Any, **variables: Any) -> str:
    error = failure(url, **variables)
    assert (error.code, error.retryable, error.journal) == ("INVALID_INPUT", False, {})
    return error.message


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, "found none"),
        ("", "found none"),
        (5, "it has no scheme"),
        (["http://a/"], "found list"),
        ("example.com/path", "no scheme"),
        ("/path", "no scheme"),
        ("ftp://example.com/", "'ftp'"),
        ("file:///etc/passwd", "'file'"),
        ("javascript:alert(1)", "'javascript'"),
        ("http:///path", "no host"),
        ("http://", "no host"),
        ("http://[::1/", "cannot be parsed"),
        ("http://host:99999/", "cannot be parsed"),
        ("http://host:port/", "cannot be parsed"),
        ("http://good.example\\@evil.example/", "backslashes"),
        ("http://host/\r\nX-Evil: 1", "control characters"),
        ("http://ho st/", ""),
        ("http://*.example/", "not valid"),
        ("http://\ud800/", ""),
    ],
)
def test_urls(url: Any, told: str) -> None:
    message = refused(url)
    assert "`url`" in message
    assert told in message


@pytest.mark.parametrize("url", ["http://ann:hunter22@ho st/", "htp://ann:hunter22@host/", "http://ann:hunter22@[::1/"])
def test_refusals_tell_no_secrets(url: str) -> None:
    assert "hunter22" not in refused(url)


@pytest.mark.parametrize("method", ["BREW", "TRACE", "CONNECT", "GET / HTTP/1.1\r\nX: y", 5, ["GET"]])
def test_methods(method: Any) -> None:
    assert "`method`" in refused("http://127.0.0.1:9/", method=method)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ("Accept: text/html", "`headers` to be a context"),
        ([], "`headers` to be a context"),
        ({"X-A": "a\r\nX-B: b"}, "`headers.X-A`"),
        ({"X-A": "a\nb"}, "`headers.X-A`"),
        ({"X-A": "\0"}, "`headers.X-A`"),
        ({"X-A": "日本"}, "Latin-1"),
        ({"X-A": ["a"]}, "found list"),
        ({"X-A": {}}, "found dict"),
        ({"X A": "a"}, "'X A'"),
        ({"": "a"}, "header name"),
        ({"X-A:": "a"}, "header name"),
        ({"X-A\r\nX-B": "a"}, "header name"),
        ({"Content-Length": "5"}, "Content-Length"),
        ({"transfer-encoding": "chunked"}, "transfer-encoding"),
        ({"Connection": "close"}, "Connection"),
        ({"Upgrade": "h2c"}, "Upgrade"),
        ({"X-A": "1", "x-a": "2"}, "twice"),
    ],
)
def test_headers(headers: Any, told: str) -> None:
    assert told in refused("http://127.0.0.1:9/", headers=headers)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("a=1", "`queryParameters` to be a context"),
        ({"a": {"b": 1}}, "`queryParameters.a`"),
        ({"a": [[1]]}, "`queryParameters.a`"),
        ({"a": Decimal("NaN")}, "`queryParameters.a`"),
        ({"a": Decimal("1E+99999999")}, "`queryParameters.a`"),
        ({"a": "\ud800"}, "`queryParameters.a`"),
    ],
)
def test_query_parameters(query: Any, told: str) -> None:
    assert told in refused("http://127.0.0.1:9/", queryParameters=query)


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        ({"a": {"b": object()}}, {}, "a.b is object"),
        ({"a": [Decimal("Infinity")]}, {}, "a[0]"),
        ({"a": float("nan")}, {}, "a is float"),
        ({1: 2}, {}, "the key 1"),
        ({"a": b"bytes"}, {}, "a is bytes"),
        ({"a": "\ud800"}, {}, "cannot be written"),
        ({"a": 1}, {"Content-Type": "text/xml"}, "text/xml"),
        ({"a": 1}, {"Content-Type": "multipart/related"}, "multipart/related"),
        ([1], {"Content-Type": "application/x-www-form-urlencoded"}, "`body` to be a context"),
        ({"a": {"b": 1}}, {"Content-Type": "application/x-www-form-urlencoded"}, "`body.a`"),
        ("日本", {"Content-Type": "text/plain; charset=latin-1"}, "latin-1"),
        ("a", {"Content-Type": "text/plain; charset=klingon"}, "klingon"),
    ],
)
def test_bodies(body: Any, headers: dict[str, str], told: str) -> None:
    assert told in refused("http://127.0.0.1:9/", method="POST", body=body, headers=headers)


def test_a_body_without_bottom() -> None:
    body: list[Any] = []
    body.append(body)
    assert "deeper" in refused("http://127.0.0.1:9/", method="POST", body=body)


@pytest.mark.parametrize(
    ("authentication", "told"),
    [
        ("basic", "to be a context"),
        ({"type": "oauth-client-credentials-flow", "clientId": "x"}, "oauth-client-credentials-flow"),
        ({"type": "oauth-refresh-token"}, "oauth-refresh-token"),
        ({"type": "digest"}, "digest"),
        ({"type": ["basic"]}, "basic"),
        ({"type": "basic"}, "`authentication.username`"),
        ({"type": "basic", "username": "a:b", "password": "c"}, "colon"),
        ({"type": "basic", "username": "a", "password": ["b"]}, "`authentication.password`"),
        ({"type": "basic", "username": "a", "token": "t"}, "`authentication.token`"),
        ({"username": "a", "password": "b"}, "`authentication.username`"),
        ({"type": "bearer"}, "`authentication.token`"),
        ({"type": "bearer", "token": "a\r\nX-Evil: 1"}, "control characters"),
        ({"type": "apiKey", "name": "X-Key", "value": "v"}, "`authentication.apiKeyLocation`"),
        ({"type": "apiKey", "name": "X-Key", "value": "v", "apiKeyLocation": "cookie"}, "cookie"),
        (
            {"type": "apiKey", "name": "X Key", "value": "v", "apiKeyLocation": "headers"},
            "`authentication.name`",
        ),
        (
            {"type": "apiKey", "name": "Host:", "value": "v", "apiKeyLocation": "headers"},
            "`authentication.name`",
        ),
        (
            {"type": "apiKey", "name": "TE", "value": "v", "apiKeyLocation": "headers"},
            "`authentication.name`",
        ),
        ({"type": "apiKey", "value": "v", "apiKeyLocation": "query"}, "`authentication.name`"),
        (
            {"type": "apiKey", "name": "k", "value": "\ud800", "apiKeyLocation": "query"},
            "`authentication.value`",
        ),
    ],
)
def test_authentication(authentication: Any, told: str) -> None:
    assert told in refused("http://127.0.0.1:9/", authentication=authentication)


def test_two_authentications() -> None:
    bearer = {"type": "bearer", "token": "t"}
    headers = {"authorization": "Basic abc"}
    assert "Authorization" in refused("http://127.0.0.1:9/", authentication=bearer, headers=headers)
    assert "one place" in refused("http://a:b@127.0.0.1:9/", authentication=bearer)
    assert "one place" in refused("http://a:b@127.0.0.1:9/", headers=headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("documentReturnFormat", {"choice": "STREAM"}),
        ("clientTls", {"clientCertificate": "x"}),
        ("authenticationConfiguration", "shared"),
        ("writeTimeoutInSeconds", 5),
    ],
)
def test_what_camunda_knows_and_we_do_not(server: Server, name: str, value: Any) -> None:
    assert f"`{name}`" in refused(f"{server.url}/echo", **{name: value})
    for nothing in (None, False, "", "false", {}):
        assert call(f"{server.url}/echo", **{name: nothing})["status"] == 200


def test_what_camunda_shares_is_authentication(server: Server) -> None:
    shared = {"type": "bearer", "token": "abc-def-ghi"}
    plain = {"type": "noAuth"}
    found = call(f"{server.url}/echo", authenticationConfiguration=shared, authentication=plain)
    assert found["body"]["headers"]["authorization"] == "Bearer abc-def-ghi"
    assert "abc-def-ghi" not in str(found.journal)
    assert "found both" in refused(f"{server.url}/echo", authenticationConfiguration=shared, authentication=shared)
    told = refused(f"{server.url}/echo", authenticationConfiguration="shop-login")
    assert "header `connection`" in told
    assert call(f"{server.url}/echo", writeTimeoutInSeconds="0")["status"] == 200


@pytest.mark.parametrize("name", ["connectionTimeoutInSeconds", "readTimeoutInSeconds", "deadlineInSeconds"])
@pytest.mark.parametrize(
    "value", [-1, "soon", True, [], Decimal("NaN"), "Infinity", 10**9, "1e999999999", float("nan")]
)
def test_spans(name: str, value: Any) -> None:
    assert f"`{name}`" in refused("http://127.0.0.1:9/", **{name: value})


@pytest.mark.parametrize("value", [0, -1, "many", True, 10**12])
def test_max_response_bytes(value: Any) -> None:
    assert "`maxResponseBytes`" in refused("http://127.0.0.1:9/", maxResponseBytes=value)


@pytest.mark.parametrize("value", ["yes", 1, []])
def test_flags(value: Any) -> None:
    assert "`followRedirects`" in refused("http://127.0.0.1:9/", followRedirects=value)
    assert "`ignoreNullValues`" in refused("http://127.0.0.1:9/", body={}, ignoreNullValues=value)


def test_text_is_as_good_as_numbers(server: Server) -> None:
    blank = {
        "headers": "",
        "queryParameters": "",
        "authentication": "",
        "followRedirects": "",
        "method": " get ",
    }
    numbers = {"connectionTimeoutInSeconds": "5", "readTimeoutInSeconds": " 5.5 ", "deadlineInSeconds": ""}
    assert call(f"  {server.url}/echo ", **blank, **numbers)["status"] == 200
