"""Where the HTTP connector follows, and what it takes along."""

from __future__ import annotations

import pytest

from tests.tasks.connectors.conftest import as_json, call, failure
from tests.tasks.connectors.server import Server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_get_is_followed(server: Server, status: int) -> None:
    response = call(f"{server.url}/redirect?status={status}&to=/echo")
    assert response["body"]["path"] == "/echo"
    assert response.journal["redirects"] == [
        {
            "status": status,
            "from": f"{server.url}/redirect?status={status}&to=/echo",
            "to": f"{server.url}/echo",
        }
    ]
    assert response.journal["request"]["url"] == f"{server.url}/echo"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("answer", [False, "false"])
def test_on_request_a_redirect_is_a_response(server: Server, method: str, answer: object) -> None:
    response = call(f"{server.url}/redirect?to=/echo", method=method, followRedirects=answer)
    assert (response["status"], response["headers"]["Location"], response["body"]) == (302, "/echo", "moved")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_post_is_not_followed_by_itself(server: Server, status: int) -> None:
    error = failure(f"{server.url}/redirect?status={status}&to=/echo", method="POST", body={"a": 1})
    assert (error.code, error.retryable) == (str(status), False)
    assert "followRedirects" in error.message
    assert len(server.seen) == 1


def test_see_other_says_done(server: Server) -> None:
    response = call(f"{server.url}/redirect?status=303&to=/orders/1", method="POST")
    assert (response["status"], response["headers"]["Location"]) == (303, "/orders/1")


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "PUT", "PUT"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
    ],
)
def test_methods_on_request(server: Server, status: int, method: str, then: str) -> None:
    body = None if method == "HEAD" else {"a": 1}
    url = f"{server.url}/redirect?status={status}&to=/echo"
    call(url, method=method, body=body, followRedirects=True)
    second = server.seen[1]
    assert second["method"] == then
    assert second["body"] == ('{"a":1}' if then in ("POST", "PUT") else "")
    assert ("content-type" in second["headers"]) == (then in ("POST", "PUT"))
    assert second["headers"]["idempotency-key"] == "job-7-key"


def test_the_same_origin_keeps_the_credentials(server: Server) -> None:
    call(f"{server.url}/redirect?to=/echo", authentication={"type": "bearer", "token": "tok-123"})
    assert server.seen[1]["headers"]["authorization"] == "Bearer tok-123"


@pytest.mark.parametrize(
    ("inputs", "header"),
    [
        ({"authentication": {"type": "bearer", "token": "tok-123"}}, "authorization"),
        ({"authentication": {"type": "basic", "username": "ann", "password": "tok-123"}}, "authorization"),
        (
            {
                "authentication": {
                    "type": "apiKey",
                    "apiKeyLocation": "headers",
                    "name": "X-Mine",
                    "value": "tok-123",
                }
            },
            "x-mine",
        ),
        ({"headers": {"Authorization": "Bearer tok-123"}}, "authorization"),
        ({"headers": {"Cookie": "session=tok-123"}}, "cookie"),
        ({"headers": {"X-Api-Key": "tok-123"}}, "x-api-key"),
        ({"headers": {"X-Auth-Token": "tok-123"}}, "x-auth-token"),
    ],
)
def test_credentials_do_not_travel(server: Server, other: Server, inputs: dict[str, object], header: str) -> None:
    response = call(f"{server.url}/redirect?to={other.url}/echo", **inputs)
    assert header in server.seen[0]["headers"]
    assert header not in other.seen[0]["headers"]
    assert "tok-123" not in str(other.seen)
    assert "tok-123" not in as_json(response.journal)


def test_another_port_is_another_origin_and_a_host_header_stays(server: Server, other: Server) -> None:
    call(f"{server.url}/redirect?to={other.url}/echo", headers={"Host": "shop.example", "X-Trace": "1"})
    assert server.seen[0]["headers"]["host"] == "shop.example"
    assert other.seen[0]["headers"]["host"] == other.url.removeprefix("http://")
    assert other.seen[0]["headers"]["x-trace"] == "1"


def test_credentials_of_a_location_are_not_used(server: Server, other: Server) -> None:
    response = call(f"{server.url}/redirect?to={other.url.replace('//', '//u:pw-9999@')}/echo")
    assert "authorization" not in response["body"]["headers"]
    assert "pw-9999" not in as_json(response.journal)


def test_loop(server: Server) -> None:
    error = failure(f"{server.url}/loop")
    assert (error.code, error.retryable) == ("TOO_MANY_REDIRECTS", False)
    assert len(server.seen) == 11
    assert len(error.journal["redirects"]) == 11


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://[::1",
        "http://a\\@b/",
        "//:1/",
        "javascript:alert(1)",
        "http://127.0.0.1:99999/",
        "http://" + "a" * 70 + ".example/",
    ],
)
def test_where_no_redirect_leads(server: Server, location: str) -> None:
    error = failure(f"{server.url}/redirect", queryParameters={"to": location})
    assert error.code in ("INVALID_REDIRECT", "CONNECTION_FAILED")
    assert len(server.seen) == 1


def test_a_redirect_without_an_address_is_a_response(server: Server) -> None:
    assert call(f"{server.url}/status/302")["status"] == 302
