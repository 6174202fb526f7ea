"""The door to the network: one `requests.Session` for each thread of each process, and for each kind of trust.

Sessions keep connections open between calls and nothing else: no cookies (two jobs are two strangers), no
proxies or ``.netrc`` from the environment, no retries (retry belongs to the engine, which counts and shows
them). A connection that was opened under one policy, or with one client certificate, is no other job's: what differs
in these has a session of its own.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
from collections import OrderedDict
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter

from tasks.connectors import outbound, tls
from tasks.connectors.base import Job
from tasks.connectors.deadline import HTTPPool, HTTPSPool, tls_context
from tasks.connectors.http_tls import Tls, context_of
from tasks.connectors.inputs import invalid

USER_AGENT = "service-task-orchestrator"
MOST_SESSIONS = 16
"""Of one thread; the one that was not used for the longest time goes."""


class Sessions:
    """Hands each thread its own session, made when it is first asked for.

    `ca_bundle` is a file or folder of trusted certificates; without it, Mozilla's list (certifi). A thread keeps one
    session for each TLS profile that it met lately, because a connection belongs to who opened it.
    """

    def __init__(self, ca_bundle: str | None = None) -> None:
        self._ca_bundle = ca_bundle or certifi.where()
        self._here = threading.local()
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def of(self, job: Job) -> requests.Session:
        """The session of this thread for a job that has no TLS profile of its own. Raises `JobError`."""
        return self.get(job)

    def get(
        self,
        job: Job | None = None,
        own: Tls | None = None,
        *,
        anonymous: bool = False,
        policy: outbound.Policy | None = None,
    ) -> requests.Session:
        """The session of this thread for jobs of this kind. A child of fork makes its own: none can be shared.

        `own` is the TLS profile of the job, which takes the place of that of its connection; `anonymous` leaves out the
        client certificate of the connection. Raises `JobError`, code ``INVALID_INPUT``, where the certificates cannot
        be used.
        """
        if getattr(self._here, "pid", None) != os.getpid():
            self._here.sessions = OrderedDict()
            self._here.pid = os.getpid()
        sessions: OrderedDict[Any, requests.Session] = self._here.sessions
        given = tls_of_connection(job, anonymous=anonymous)
        if policy is None:
            policy = outbound.OPEN if job is None else outbound.policy_of(job)
        profile = profile_of(own, given)
        session = sessions.pop((policy, profile), None) or self._make(own, given, profile)
        sessions[policy, profile] = session
        if len(sessions) > MOST_SESSIONS:
            sessions.popitem(last=False)[1].close()
        return session

    def _make(self, own: Tls | None, given: Mapping[str, Any], profile: str) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers.clear()
        session.headers.update({"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"})
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(self._context(own, given, profile))
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def _context(self, own: Tls | None, given: Mapping[str, Any], profile: str) -> ssl.SSLContext:
        """The context of a profile, which all threads share: reading the certificates takes longer than most calls."""
        if self._pid != os.getpid():
            self._lock = threading.Lock()  # one that was held while the process forked stays held
            self._pid = os.getpid()
        with self._lock:
            context = self._contexts.pop(profile, None) or self._new_context(own, given)
            self._contexts[profile] = context
            if len(self._contexts) > MOST_SESSIONS:
                self._contexts.popitem(last=False)
        return context

    def _new_context(self, own: Tls | None, given: Mapping[str, Any]) -> ssl.SSLContext:
        if own is not None:
            return context_of(own, self._ca_bundle)
        try:
            context = tls_context(self._ca_bundle, tls.authorities(given))
        except OSError:
            raise invalid(
                "Expected `ca` in `tls` of the connection to be PEM certificates, but they cannot be read"
            ) from None
        return tls.configure(context, given)


def tls_of_connection(job: Job | None, *, anonymous: bool = False) -> Mapping[str, Any]:
    """What the connection of a job says of TLS; `anonymous`: but not who we are."""
    given: Mapping[str, Any] = {} if job is None or job.connection is None else job.connection.tls
    return {name: given[name] for name in ("verify", "ca") if name in given} if anonymous else given


def profile_of(own: Tls | None, of_connection: Mapping[str, Any]) -> str:
    """Names what a connection is opened with, and tells nothing of it; empty: nothing in particular."""
    if own is not None:
        return own.digest
    told = sorted((name, repr(value)) for name, value in of_connection.items() if value not in (None, ""))
    return hashlib.sha256(repr(told).encode()).hexdigest() if told else ""


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=16, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # The context verifies. The method of the parent would read the certificates again for each
        # connection.
        conn.cert_reqs = self._context.verify_mode
