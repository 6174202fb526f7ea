"""SOAP services that want a token: of the task, or of its connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.connectors.base import Connection
from tests.tasks.connectors.conftest import as_json
from tests.tasks.connectors.http.service import CLIENT, SECRET
from tests.tasks.connectors.http.service import Service as Issuer
from tests.tasks.connectors.server import running
from tests.tasks.connectors.soap.conftest import Service


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Its first token, and every second one after, is refused by the service."""
    with running(Issuer()) as issuer:
        assert isinstance(issuer, Issuer)
        yield issuer


def login(issuer: Issuer, **more: Any) -> dict[str, Any]:
    endpoint = f"{issuer.url}/token"
    given = {"oauthTokenEndpoint": endpoint, "clientId": CLIENT, "clientSecret": SECRET}
    return {"type": "oauth-client-credentials-flow", **given, **more}


def sent(service: Service) -> list[tuple[str, str]]:
    return [(seen["method"], seen["headers"].get("authorization", "")) for seen in service.told()]


def test_a_token_goes_with_the_wsdl_and_the_call(impatient: Service, issuer: Issuer) -> None:
    given = {"parameters": {"a": 1, "b": 2}, "authentication": login(issuer)}
    response = impatient.call("add", shop="guarded", at="guarded", **given)
    assert response["body"] == {"addResult": 3}
    # The first was revoked, so a second one was fetched; that one is kept.
    assert sent(impatient) == [
        ("GET", "Bearer token-1-"), ("GET", "Bearer token-2-"), ("POST", "Bearer token-2-"),
    ]  # fmt: skip
    impatient.call("ping", shop="guarded", at="guarded", authentication=login(issuer))
    assert issuer.grants == 2
    told = as_json(response.journal)
    assert not [secret for secret in (SECRET, "token-2-") if secret in told]


def test_a_refresh_token(impatient: Service, issuer: Issuer) -> None:
    own = login(issuer, type="oauth-refresh-token", refreshToken="refresh-0")
    assert impatient.call("ping", shop="guarded", at="guarded", authentication=own)["body"] == {}
    assert issuer.refresh == "refresh-2"


def test_the_connection_has_the_grant(impatient: Service, issuer: Issuer) -> None:
    place = {"url": f"{impatient.url}/guarded?wsdl", "authentication": login(issuer), "allow_private": True}
    connection = Connection(name="shop", **place)
    inputs = {"operation": "ping", "endpoint": "guarded"}
    assert impatient.run(inputs, connection=connection)["body"] == {}
    # Without a WSDL as well.
    raw = {"serviceUrl": f"{impatient.url}/guarded", "body": "<s:ping/>", "namespaces": {"s": "urn:shop"}}
    assert impatient.run(raw, connection=connection)["Envelope"]["Body"] == {"pingResponse": {}}
    assert issuer.grants == 2


def test_without_a_token_nothing_is_asked(impatient: Service, issuer: Issuer) -> None:
    error = impatient.failure("ping", shop="guarded", authentication=login(issuer, clientSecret="wrong-secret"))
    assert (error.code, error.retryable) == ("OAUTH_FAILED", False)
    assert "invalid_client" in error.message
    assert "wrong-secret" not in error.message + as_json(error.details) + as_json(error.journal)
    assert impatient.told() == []
    issuer.broken_pages["token"] = 1
    again = impatient.failure("ping", shop="guarded", authentication=login(issuer))
    assert (again.code, again.retryable) == ("OAUTH_FAILED", True)


def test_a_service_that_takes_no_token_at_all(impatient: Service, issuer: Issuer) -> None:
    issuer.grants = 10
    own = login(issuer, scopes="none")  # the scope is part of its name, so that none is even
    error = impatient.failure("ping", at="guarded", authentication=own)
    assert (error.code, error.retryable) == ("401", False)
    assert [method for method, _ in sent(impatient)].count("POST") == 2
