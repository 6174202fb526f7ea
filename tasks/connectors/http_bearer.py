"""Makes a call with an OAuth 2.0 token: one that is kept, or else one that is fetched first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tasks.connectors import deadline, outbound
from tasks.connectors.base import Job, JobError
from tasks.connectors.http_exchange import Exchange
from tasks.connectors.http_request import Call
from tasks.connectors.http_session import Sessions, profile_of, tls_of_connection
from tasks.connectors.http_token import fetch_token
from tasks.connectors.oauth import Grant, Token, Tokens

Answer = TypeVar("Answer")


def with_token(
    job: Job,
    call: Call,
    means: tuple[Sessions, Tokens],
    patience: float,
    attempt: Callable[[Call], Answer],
) -> Answer:
    """What `attempt` makes of the call with its token. A call without a grant needs none.

    Where the service says 401, the token may have been revoked before its time: another one is fetched, and the call
    made once more. Raises `JobError`: that of the attempt, ``OAUTH_FAILED``, or ``408``.
    """
    grant, (_, tokens) = call.grant, means
    if grant is None:
        return attempt(call)
    profile = profile_of(call.tls, tls_of_connection(job, anonymous=call.anonymous))
    token = _token(job, call, grant, means, profile, patience)
    try:
        return attempt(_bearing(call, token))
    except JobError as error:
        if error.code != "401":
            raise
    # The call was not carried out, so it may be sent once more.
    tokens.forget(grant, profile, token)
    return attempt(_bearing(call, _token(job, call, grant, means, profile, patience)))


def _token(job: Job, call: Call, grant: Grant, means: tuple[Sessions, Tokens], profile: str, patience: float) -> Token:
    sessions, tokens = means
    policy = _policy(job, grant)

    def fetch(asked: Grant) -> Token:
        with outbound.guarding(policy):
            session = sessions.get(job, call.tls, anonymous=call.anonymous, policy=policy)
            return fetch_token(asked, call, session, patience)

    try:
        return tokens.get(grant, profile, deadline.left() or 0.0, fetch)
    except TimeoutError as problem:
        exchange = Exchange(call, patience)
        raise exchange.error("408", f"Expected a token for {exchange.place}, but {problem}") from None


def _policy(job: Job, grant: Grant) -> outbound.Policy:
    """Where the endpoint of a connection is named by the connection itself, its operator has allowed that host."""
    policy, connection = outbound.policy_of(job), job.connection
    if connection is not None and connection.authentication.get("oauthTokenEndpoint") == grant.endpoint:
        return replace(policy, allowed_hosts=())
    return policy


def _bearing(call: Call, token: Token) -> Call:
    secret = token.access_token
    return replace(
        call,
        headers={**call.headers, "Authorization": f"Bearer {secret}"},
        secrets=(secret, *call.secrets),
    )
