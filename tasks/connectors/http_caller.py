"""Sends the calls of one job: with a token where they need one, within what is left of the lease, and on to where an
answer leads.

A job makes one call, or several (pages, polls). What is common to them is here; `http_pages` and `http_polls` say
which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus, urljoin

import requests

from tasks.connectors import deadline, exact_json
from tasks.connectors.base import Job, JobError, Response
from tasks.connectors.http_bearer import with_token
from tasks.connectors.http_exchange import Exchange, origin, without_credentials
from tasks.connectors.http_request import Call, split_url
from tasks.connectors.http_session import Sessions
from tasks.connectors.inputs import invalid
from tasks.connectors.oauth import Tokens
from tasks.connectors.pagination import with_parameter, without_parameter

_KEY = "%7B%7Bkey%7D%7D"
"""Stands for the key in an URL that is kept."""
_TOLD = ("method", "url", "queryParameters", "body", "form", "multipart", "pagination", "poll")


class Caller:
    """The calls of one job. `first` is the one that its inputs ask for."""

    def __init__(self, job: Job, first: Call, sessions: Sessions, tokens: Tokens) -> None:
        self.job = job
        self.first = first
        self.until = job.deadline
        self.received = 0
        """Decoded bytes of all bodies."""
        self._sessions = sessions
        self._tokens = tokens
        self._kept = bool(job.progress)

    def send(self, call: Call) -> Response:
        """Make one call. Raises `JobError` as the table of `http` says."""
        session = self._session(call)
        lease = (self.until - datetime.now(UTC)).total_seconds()
        patience = lease if call.deadline is None else min(call.deadline, lease)
        if lease <= 0:
            exchange = Exchange(call, patience)
            raise exchange.error("408", f"The lease of the job ended before {exchange.place} was called")
        with deadline.within(patience):
            return with_token(
                self.job,
                call,
                (self._sessions, self._tokens),
                patience,
                lambda bearing: self._exchange(bearing, session, patience),
            )

    def keep(self, progress: Mapping[str, Any]) -> None:
        """Checkpoint, which extends the lease."""
        self.until = self.job.checkpoint(progress) or self.until
        self._kept = bool(progress)

    def forget(self) -> None:
        """Another attempt is to start over."""
        if self._kept:
            self.keep({})

    def evaluate(self, expression: str, place: str, response: Mapping[str, Any], **more: Any) -> Any:
        """A FEEL expression of an input over a response. Raises `JobError`."""
        try:
            return self.job.evaluate(expression, {"response": dict(response), **more})
        except ValueError as problem:
            raise invalid(f"Expected `{place}` to be a FEEL expression, but {problem}") from None

    def check(self, expressions: Mapping[str, str]) -> None:
        """Expressions that cannot be compiled are found before anything is sent."""
        for place, text in expressions.items():
            self.evaluate(text, place, {})

    def towards(self, target: str, *, base: str, allowed: bool, journal: Mapping[str, Any]) -> Call:
        """A call like the first to where a server pointed, relative to `base`.

        Another origin is refused unless `allowed`, and gets no credentials. Raises `JobError`.
        """
        first = self.first

        def refused(code: str, message: str) -> JobError:
            return JobError(message, retryable=False, code=code, journal=journal)

        try:
            url, _ = split_url(urljoin(base, target.strip()))
            there, here = origin(url), origin(first.url)
        except ValueError as problem:
            raise refused("INVALID_LINK", f"Expected a link to an address, but {problem}") from None
        if there == here:
            return replace(first, url=self.signed(url), verbatim=False)
        if not allowed or (here[0] == "https" and there[0] == "http"):
            found = f"{there[0]}://{there[1]}:{there[2]}"
            raise refused("OTHER_ORIGIN", f"Expected a link to {here[0]}://{here[1]}:{here[2]}, but found {found:.200}")
        headers = without_credentials(first.headers, first.secret_headers)
        tls = first.tls and replace(first.tls, certificate="", key="", password="")
        return replace(
            first,
            anonymous=True,
            url=url,
            headers=headers,
            grant=None,
            tls=tls,
            secret_parameter="",
            secrets=(),
            verbatim=False,
        )

    def signed(self, url: str) -> str:
        """The URL with the key that belongs into its query, whatever the server made of it."""
        name = self.first.secret_parameter
        if not name:
            return url
        key = self.first.secrets[0]
        return with_parameter(url.replace(_KEY, quote(key, safe="")), name, key)

    def unsigned(self, url: str) -> str:
        """The URL as it may be kept: `signed` puts the key back."""
        name = self.first.secret_parameter
        if not name:
            return url
        url, key = without_parameter(url, name), self.first.secrets[0]
        for spelling in (quote(key, safe=""), quote_plus(key), key):
            url = url.replace(spelling, _KEY)
        return url

    def fingerprint(self) -> str:
        """Of what the job is to do: progress with another one belongs to inputs that were corrected since."""
        told = [self.job.variables.get(name) for name in _TOLD]
        return hashlib.sha256(exact_json.dumps(told).encode("utf-8", "replace")).hexdigest()[:32]

    def _session(self, call: Call) -> requests.Session:
        return self._sessions.get(self.job, call.tls, anonymous=call.anonymous)

    def _exchange(self, call: Call, session: requests.Session, patience: float) -> Response:
        exchange = Exchange(call, patience)
        try:
            return exchange.run(session)
        finally:
            self.received += len(exchange.received)
