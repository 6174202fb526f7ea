"""Fetches the token of an OAuth 2.0 grant from its endpoint.

Neither the token nor the secrets that it was asked for with reach a message or a journal: of this exchange an error
tells the address, the status, and what the server calls its reason (``error``, RFC 6749 5.2).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import requests

from tasks.connectors.base import JobError
from tasks.connectors.http_authentication import header_value
from tasks.connectors.http_body import FORM
from tasks.connectors.http_exchange import Exchange
from tasks.connectors.http_request import Call, split_url
from tasks.connectors.inputs import invalid
from tasks.connectors.oauth import Grant, Token
from tasks.connectors.redaction import Redactor

CODE = "OAUTH_FAILED"
LARGEST = 256 * 1024


def fetch_token(grant: Grant, call: Call, session: requests.Session, patience: float) -> Token:
    """Ask the endpoint, within the timeouts of the call that needs the token.

    Raises `JobError` with the code ``OAUTH_FAILED``; what an endpoint said no to is not tried again.
    """
    exchange = Exchange(_call(grant, call), patience)
    try:
        response = exchange.run(session)
    except JobError as error:
        raise _failed(exchange, grant, error) from None
    try:
        return _token(response.get("body"))
    except ValueError as problem:
        message = f"Expected {exchange.place} to answer with a token, but {response['status']} came with {problem}"
        raise JobError(message, retryable=False, code=CODE, journal=_journal(exchange)) from None


def _call(grant: Grant, call: Call) -> Call:
    try:
        endpoint, userinfo = split_url(grant.endpoint)
    except ValueError as problem:
        raise invalid(f"Expected `authentication.oauthTokenEndpoint` to be a URL, but {problem}") from None
    if userinfo is not None:
        raise invalid("Expected `authentication.oauthTokenEndpoint` to have no credentials, but it has")
    form = {
        "grant_type": "refresh_token" if grant.refresh_token else "client_credentials",
        "refresh_token": grant.refresh_token,
        "scope": grant.scopes,
        "audience": grant.audience,
    }
    headers = {"Accept": "application/json", "Content-Type": FORM}
    if grant.by_header:
        # Coded as in a form before base64 (RFC 6749 2.3.1).
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
    body = "&".join(f"{name}={quote(value, safe='')}" for name, value in form.items() if value)
    return Call(
        method="POST",
        url=endpoint,
        headers=headers,
        body=body.encode(),
        connect_timeout=call.connect_timeout,
        read_timeout=call.read_timeout,
        deadline=call.deadline,
        follow_redirects=False,
        max_response_bytes=LARGEST,
        secrets=grant.secrets,
        secret_headers=frozenset({"authorization"}),
    )


def _token(body: Any) -> Token:
    """Raises ValueError, which says what came instead, but not the token."""
    if not isinstance(body, Mapping):
        raise ValueError("no JSON object")
    access, kind, lifetime = body.get("access_token"), body.get("token_type"), body.get("expires_in")
    if not isinstance(access, str) or not access:
        raise ValueError("no `access_token`")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise ValueError(f"a `token_type` of {kind!r:.40} instead of Bearer")
    try:
        header_value(access, "access_token")
        seconds = None if lifetime in (None, "") else float(Decimal(str(lifetime)))
        if seconds is not None and not 0 <= seconds < 10**10:
            raise ValueError
    except (JobError, ValueError, ArithmeticError):
        raise ValueError("an `access_token` or `expires_in` that is none") from None
    refresh = body.get("refresh_token")
    return Token(access, seconds, refresh if isinstance(refresh, str) else "")


def _failed(exchange: Exchange, grant: Grant, error: JobError) -> JobError:
    redactor = Redactor(grant.secrets)
    found = error.details.get("response")
    if not isinstance(found, Mapping):
        message = f"Expected a token of {exchange.place}, but found none: {error.message}"
        return JobError(message, error.retry_in, error.retryable, CODE, {}, _journal(exchange))
    body = found["body"] if isinstance(found.get("body"), Mapping) else {}
    told = {
        name: redactor.text(str(body[name]))[:500]
        for name in ("error", "error_description")
        if isinstance(body.get(name), str)
    }
    reason = ": ".join(told.values())
    message = f"Expected a token of {exchange.place}, but {found['status']} said no" + (f": {reason}" if reason else "")
    details = {"response": {"status": found["status"], "body": told}}
    return JobError(message, error.retry_in, error.retryable, CODE, details, _journal(exchange))


def _journal(exchange: Exchange) -> dict[str, Any]:
    kept = exchange.journal()
    response = kept["response"]
    return {
        "request": {"method": "POST", "url": kept["request"]["url"]},
        "response": None if response is None else {"status": response["status"]},
        "timings": kept["timings"],
    }
