"""Tokens: fetched once, kept while they hold, fetched again when a service refuses them, and told to nobody."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from tasks.connectors.base import JobError
from tasks.connectors.http import HttpConnector
from tasks.connectors.oauth import MARGIN, Grant, Token, Tokens
from tests.tasks.connectors.conftest import as_json
from tests.tasks.connectors.http.conftest import Desk
from tests.tasks.connectors.http.service import CLIENT, SECRET, Service

Made = Callable[..., Desk]


def authentication(service: Service, **more: Any) -> dict[str, Any]:
    return {
        "type": "oauth-client-credentials-flow",
        "oauthTokenEndpoint": f"{service.url}/token",
        "clientId": CLIENT,
        "clientSecret": SECRET,
        **more,
    }


@pytest.mark.parametrize("place", [None, "credentialsBody", "basicAuthHeader"])
def test_client_credentials(service: Service, desk: Made, place: str | None) -> None:
    given = authentication(service, clientAuthentication=place, scopes="read  write", audience="orders")
    work = desk("/guarded", authentication=given)
    assert work.run()["body"] == {"welcome": True}
    assert work.run()["body"] == {"welcome": True}
    assert service.grants == 1
    (asked,) = [seen for seen in service.seen if seen["path"] == "/token"]
    assert asked["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert "grant_type=client_credentials" in asked["body"]
    assert "scope=read%20write" in asked["body"]
    assert "audience=orders" in asked["body"]
    assert ("client_secret" in asked["body"]) == (place != "basicAuthHeader")


def test_nothing_secret_is_told(service: Service, desk: Made) -> None:
    work = desk("/guarded", authentication=authentication(service))
    told = as_json(work.run().journal)
    service.valid.clear()
    service.broken_pages["token"] = 9
    error = work.fails()
    told += as_json(error.journal) + error.message + as_json(error.details) + repr(error)
    wrong = desk("/guarded", authentication=authentication(service, clientSecret="wrong-secret-42"))
    service.broken_pages["token"] = 0
    error = wrong.fails()
    told += as_json(error.journal) + error.message + as_json(error.details)
    assert "invalid_client" in told
    for secret in (SECRET, "wrong-secret-42", "token-1"):
        assert secret not in told
    assert "Bearer ***" in told


def test_tokens_are_kept_apart(service: Service, desk: Made) -> None:
    connector = HttpConnector()
    for given in ({}, {"scopes": "a"}, {"scopes": "b"}, {"audience": "x"}, {"scopes": "a"}, {}):
        work = desk("/guarded", authentication=authentication(service, **given))
        work.connector = connector
        work.run()
    assert service.grants == 4
    work = desk("/guarded", authentication=authentication(service, clientSecret="wrong"))
    work.connector = connector
    assert work.fails().code == "OAUTH_FAILED"  # not served with the token of who knew the secret


def test_a_token_about_to_expire_is_not_used(service: Service, desk: Made) -> None:
    service.lifetime = 0
    work = desk("/guarded", authentication=authentication(service))
    work.run()
    work.run()
    assert service.grants == 2


def test_expiry_has_a_margin() -> None:
    now = [0.0]
    tokens, grant = Tokens(lambda: now[0]), Grant(endpoint="e", client_id="c", client_secret="s")
    fetched: list[Token] = []

    def fetch(asked: Grant) -> Token:
        fetched.append(Token(f"t{len(fetched)}", 3600.0))
        return fetched[-1]

    assert tokens.get(grant, "", 1, fetch).access_token == "t0"
    now[0] = 3600 - MARGIN - 1
    assert tokens.get(grant, "", 1, fetch).access_token == "t0"
    now[0] = 3600 - MARGIN + 1
    assert tokens.get(grant, "", 1, fetch).access_token == "t1"
    assert tokens.get(grant, "another profile", 1, fetch).access_token == "t2"


def test_a_refused_token_is_fetched_again_once(service: Service, desk: Made) -> None:
    work = desk("/guarded", authentication=authentication(service))
    work.run()
    service.valid.clear()  # revoked
    assert work.run()["body"] == {"welcome": True}
    assert service.grants == 2
    work = desk("/status/401", authentication=authentication(service))
    before = service.count("/status")
    assert work.fails().code == "401"
    assert service.count("/status") - before == 2


def test_a_wrong_client(service: Service, desk: Made) -> None:
    error = desk("/guarded", authentication=authentication(service, clientSecret="nonsense")).fails()
    assert (error.code, error.retryable) == ("OAUTH_FAILED", False)
    assert "401" in error.message
    assert "invalid_client" in error.message
    assert error.details["response"]["status"] == 401
    assert error.details["response"]["body"]["error"] == "invalid_client"
    assert service.count("/guarded") == 0


def test_a_busy_endpoint_is_tried_again(service: Service, desk: Made) -> None:
    service.broken_pages["token"] = 1
    work = desk("/guarded", authentication=authentication(service))
    error = work.fails()
    assert (error.code, error.retryable) == ("OAUTH_FAILED", True)
    assert error.retry_in is not None
    assert error.retry_in.total_seconds() == 7
    assert work.run()["status"] == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([1], "no JSON object"),
        ({}, "no `access_token`"),
        ({"access_token": 5}, "no `access_token`"),
        ({"access_token": "hidden", "token_type": "mac"}, "'mac'"),
        ({"access_token": "hidden\r\nX-Evil: 1"}, "is none"),
        ({"access_token": "hidden", "expires_in": "soon"}, "is none"),
        ({"access_token": "hidden", "expires_in": -1}, "is none"),
    ],
)
def test_answers_without_a_token(service: Service, desk: Made, body: Any, told: str) -> None:
    coded = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().replace("-", "%2B").replace("_", "%2F")
    endpoint = f"{service.url}/odd-token?body={coded}"
    error = desk("/guarded", authentication=authentication(service, oauthTokenEndpoint=endpoint)).fails()
    assert (error.code, error.retryable) == ("OAUTH_FAILED", False)
    assert told in error.message
    assert "hidden" not in error.message + as_json(error.journal)


class Queued(Tokens):
    """Lets the service answer once so many threads wait for the one that has asked it."""

    def __init__(self, service: Service, number: int) -> None:
        super().__init__()
        self._missing = number
        service.held = self._all_here = threading.Event()

    def _wait(self, flight: Future[Token], patience: float) -> Token:
        with self._lock:
            self._missing -= 1
        if not self._missing:
            self._all_here.set()
        return super()._wait(flight, patience)


def test_twenty_threads_and_one_token(service: Service, desk: Made) -> None:
    work = desk("/guarded", authentication=authentication(service))
    work.connector._tokens = Queued(service, 19)
    done = _at_once(20, lambda: work.connector.run(work.job())["status"])
    assert done == [200] * 20
    assert service.grants == 1


def test_twenty_threads_and_one_refusal(service: Service, desk: Made) -> None:
    work = desk("/guarded", authentication=authentication(service, clientSecret="nonsense"))
    work.connector._tokens = Queued(service, 19)

    def fail() -> str:
        with pytest.raises(JobError) as caught:
            work.connector.run(work.job())
        return caught.value.code

    assert _at_once(20, fail) == ["OAUTH_FAILED"] * 20
    assert service.count("/token") == 1


def test_a_slow_endpoint_is_within_the_deadline(service: Service, desk: Made) -> None:
    service.held = threading.Event()
    error = desk("/guarded", authentication=authentication(service), deadlineInSeconds=0.3).fails()
    service.held.set()
    assert (error.code, error.retryable) == ("OAUTH_FAILED", True)
    assert service.count("/guarded") == 0


def test_refresh_tokens_rotate(service: Service, desk: Made) -> None:
    given = {**authentication(service), "type": "oauth-refresh-token", "refreshToken": "refresh-0"}
    work = desk("/guarded", authentication=given)
    assert work.run()["status"] == 200
    service.valid.clear()
    assert work.run()["status"] == 200  # with the refresh token that came with the first access token
    assert service.grants == 2
    asked = [seen["body"] for seen in service.seen if seen["path"] == "/token"]
    assert "refresh_token=refresh-0" in asked[0]
    assert "refresh_token=refresh-1" in asked[1]
    other = desk("/guarded", authentication={**given, "refreshToken": "stale"}).fails()
    assert other.details["response"]["body"] == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"oauthTokenEndpoint": ""}, "`authentication.oauthTokenEndpoint`"),
        ({"oauthTokenEndpoint": "ftp://x/"}, "`authentication.oauthTokenEndpoint`"),
        ({"oauthTokenEndpoint": "http://a:b@127.0.0.1/"}, "credentials"),
        ({"clientId": None}, "`authentication.clientId`"),
        ({"clientSecret": None}, "`authentication.clientSecret`"),
        ({"clientAuthentication": "jwt"}, "`authentication.clientAuthentication`"),
        ({"refreshToken": "x"}, "`authentication.refreshToken`"),
        ({"type": "oauth-refresh-token"}, "`authentication.refreshToken`"),
    ],
)
def test_inputs(service: Service, desk: Made, change: dict[str, Any], told: str) -> None:
    error = desk("/guarded", authentication=authentication(service, **change)).fails()
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert told in error.message
    assert service.seen == []


def _at_once(number: int, work: Callable[[], Any]) -> list[Any]:
    barrier, results = threading.Barrier(number), [None] * number

    def run(place: int) -> None:
        barrier.wait(timeout=60)
        results[place] = work()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
