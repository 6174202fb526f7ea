"""OAuth 2.0 grants without a person (RFC 6749 4.4 and 6), and the tokens that they brought, for as long as they hold.

A token is fetched once for each grant and process, however many threads ask at the same moment: one goes, the others
wait for what it brings, be it a token or an error. It is used until shortly before it expires, and forgotten where a
service refuses it. Tokens and secrets live in memory only. Nothing here speaks to the network; `http_token` does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any

from tasks.connectors.base import JobError
from tasks.connectors.inputs import encodable, invalid, scalar

CLIENT_CREDENTIALS = "oauth-client-credentials-flow"
REFRESH_TOKEN = "oauth-refresh-token"

MARGIN = 30.0
"""Seconds before its end from which on a token is not used any more; of a short-lived one, a quarter of its life."""
UNTOLD = 300.0
"""Seconds that a token is used whose server does not say how long it lives."""
MOST = 1000
"""Tokens that are kept. More grants than that are secrets that rotate, and the oldest is the least likely to return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token is asked for with."""

    endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: str = ""
    """Separated by spaces."""
    audience: str = ""
    by_header: bool = False
    """Whether the client says who it is by HTTP Basic, rather than in the form."""
    refresh_token: str = field(default="", repr=False)
    """Empty: client credentials."""

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for secret in (self.client_secret, self.refresh_token) if secret)

    def key(self, profile: str = "") -> str:
        """Of the token: two grants that differ in anything, the secret included, do not share one."""
        parts = (*dataclasses.astuple(self), profile)
        return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `lifetime` in seconds, None where the server did not say."""

    access_token: str = field(repr=False)
    lifetime: float | None = None
    refresh_token: str = field(default="", repr=False)
    """A new one, in place of the one that was used (RFC 6749 6)."""


def read_grant(given: Mapping[str, Any], kind: str) -> Grant:
    """The grant that an `authentication` of one of the OAuth types describes. Raises `JobError`."""

    def text(name: str, *, required: bool = False) -> str:
        value = given.get(name)
        if value is None or value == "":
            if required:
                raise invalid(f"Expected the input `authentication.{name}` for {kind}, but found none")
            return ""
        return encodable(scalar(value, f"authentication.{name}"), f"authentication.{name}")

    place = given.get("clientAuthentication")
    if place not in (None, "", "credentialsBody", "basicAuthHeader"):
        wanted = "credentialsBody or basicAuthHeader"
        raise invalid(f"Expected `authentication.clientAuthentication` to be {wanted}, but found {place!r:.60}")
    scopes = given.get("scopes")
    if isinstance(scopes, list | tuple):
        given = {**given, "scopes": " ".join(scalar(scope, "authentication.scopes") for scope in scopes)}
    refreshing = kind == REFRESH_TOKEN
    return Grant(
        endpoint=text("oauthTokenEndpoint", required=True).strip(),
        client_id=text("clientId", required=True),
        # A public client may refresh without a secret (RFC 6749 6); client credentials without one are none.
        client_secret=text("clientSecret", required=not refreshing),
        scopes=" ".join(text("scopes").split()),
        audience=text("audience"),
        by_header=place == "basicAuthHeader",
        refresh_token=text("refreshToken", required=True) if refreshing else "",
    )


@dataclass(slots=True)
class _Kept:
    token: Token
    until: float


class Tokens:
    """The tokens of this process. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._flights: dict[str, Future[Token]] = {}
        self._rotated: dict[str, str] = {}

    def get(self, grant: Grant, profile: str, patience: float, fetch: Callable[[Grant], Token]) -> Token:
        """A token that holds, from memory or by `fetch`, which only one thread calls at a time for each grant.

        Raises what `fetch` raises, in all threads that wait for it; TimeoutError after `patience` seconds of waiting.
        """
        if self._pid != os.getpid():
            self._begin()  # a lock that was held while the process forked stays held
        key = grant.key(profile)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and self._clock() < kept.until:
                return kept.token
            flight = self._flights.get(key)
            ours = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
            if key in self._rotated:
                grant = dataclasses.replace(grant, refresh_token=self._rotated[key])
        if not ours:
            return self._wait(flight, patience)
        try:
            token = fetch(grant)
        except BaseException as problem:
            with self._lock:
                del self._flights[key]
            flight.set_exception(
                problem if isinstance(problem, Exception) else RuntimeError("the fetch was broken off")
            )
            raise
        with self._lock:
            del self._flights[key]
            self._keep(key, token)
        flight.set_result(token)
        return token

    def forget(self, grant: Grant, profile: str, token: Token) -> None:
        """A service refused this token: the next one who asks fetches another, unless somebody has already."""
        key = grant.key(profile)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.token.access_token == token.access_token:
                del self._kept[key]

    def _wait(self, flight: Future[Token], patience: float) -> Token:
        try:
            return flight.result(timeout=max(patience, 0.0))
        except FutureTimeout:
            raise TimeoutError("another thread is still fetching the token") from None
        except JobError as error:
            raise dataclasses.replace(error) from None  # each thread its own: tracebacks pile up in shared ones

    def _keep(self, key: str, token: Token) -> None:
        lifetime = UNTOLD if token.lifetime is None else token.lifetime
        until = self._clock() + lifetime - min(MARGIN, lifetime / 4)
        self._kept.pop(key, None)
        self._kept[key] = _Kept(token, until)
        if token.refresh_token:
            self._rotated[key] = token.refresh_token
        tables: tuple[dict[str, Any], ...] = (self._kept, self._rotated)
        for table in tables:
            while len(table) > MOST:
                del table[next(iter(table))]
