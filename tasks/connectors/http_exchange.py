"""One attempt at an HTTP call: sending, following redirects, reading, and telling what went wrong.

The tables of `http` say what the outcomes are. Whatever happens here ends in a `Response` or a `JobError`,
and both carry the journal of the attempt.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import requests
from urllib3.exceptions import DecodeError, NewConnectionError
from urllib3.exceptions import TimeoutError as PoolTimeout
from urllib3.util import parse_url

from tasks.connectors import deadline, http_response
from tasks.connectors.base import JobError, Response
from tasks.connectors.documents import Documents
from tasks.connectors.http_request import Call, split_url
from tasks.connectors.outbound import AddressRefused
from tasks.connectors.redaction import Redactor, is_secret_name

MOST_REDIRECTS = 10
MESSAGE_EXCERPT = 300
"""Characters of the body that a message quotes."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Exchange:
    """One attempt, from the first byte sent to the last byte read, and the journal of it."""

    call: Call
    patience: float
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    redactor: Redactor = field(default_factory=Redactor)
    redirects: list[dict[str, Any]] = field(default_factory=list)
    response: requests.Response | None = None
    sent: Mapping[str, str] | None = None
    received: bytearray = field(default_factory=bytearray)
    started: float = field(default_factory=time.monotonic)
    answered: float | None = None

    def __post_init__(self) -> None:
        self.method, self.url, self.headers = self.call.method, self.call.url, self.call.headers
        self.body = self.call.body
        self.redactor = Redactor(self.call.secrets, self.call.secret_headers)

    @property
    def place(self) -> str:
        return f"{self.method} {self.redactor.text(self.url)}"

    def run(self, session: requests.Session) -> Response:
        try:
            response = self._follow(session)
            try:
                return self._conclude(response)
            finally:
                # A connection whose body was read goes back to the pool first; any other is cut.
                response.close()
        except requests.exceptions.InvalidURL as problem:
            # The first address was checked before; this is one that a server named.
            raise self._refused(f"{self.place} was named by a redirect, and is not valid") from problem
        except (requests.RequestException, *http_response.BROKEN) as problem:
            raise self._broken(problem) from problem

    def _follow(self, session: requests.Session) -> requests.Response:
        while True:
            self.response = None
            response = self._send(session)
            self.response = response
            self.answered = time.monotonic()
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location or self.call.follow_redirects is False:
                return response
            if self.call.follow_redirects is None and self.method not in ("GET", "HEAD"):
                if response.status_code == 303:
                    return response
                response.close()
                target = self.redactor.excerpt(_readable(location), 500)
                raise self.error(
                    str(response.status_code),
                    f"{self.place} was redirected to {target}; {self.method} is followed only where"
                    " `followRedirects` says so",
                    retryable=False,
                )
            response.close()
            self._redirect(response.status_code, _readable(location))

    def _send(self, session: requests.Session) -> requests.Response:
        request = requests.Request(self.method, self.url, headers=self.headers, data=self.body)
        # The deadline stands behind both timeouts, so None is no infinity here.
        timeouts: Any = (self.call.connect_timeout, self.call.read_timeout)
        prepared = session.prepare_request(request)
        if self.call.verbatim and not self.redirects:
            prepared.url = self.url
        self.sent = {name: _as_text(value) for name, value in prepared.headers.items()}
        # Not by `session.send`, which reads the whole body of a redirect, however long, for a next call.
        adapter = session.get_adapter(self.url)
        return adapter.send(prepared, stream=True, timeout=timeouts, verify=True, proxies={})

    def _redirect(self, status: int, location: str) -> None:
        """Turn to the next address (RFC 9110 15.4), or refuse."""
        try:
            target, _ = split_url(urljoin(self.url, location))
        except ValueError as problem:
            raise self._refused(f"{self.place} was redirected to an invalid address: {problem}") from None
        came_from, goes_to = origin(self.url), origin(target)
        if came_from[0] == "https" and goes_to[0] == "http":
            to = self.redactor.text(target)
            raise self._refused(f"{self.place} was redirected from https to http ({to})")
        self.redirects.append(
            {"status": status, "from": self.redactor.text(self.url), "to": self.redactor.text(target)}
        )
        if len(self.redirects) > MOST_REDIRECTS:
            raise self.error(
                "TOO_MANY_REDIRECTS",
                f"Expected at most {MOST_REDIRECTS} redirects, but the last of them led to {self.place}",
                retryable=False,
            )
        if (status == 303 and self.method != "HEAD") or (status in (301, 302) and self.method == "POST"):
            self.method, self.body = "GET", None
            self.headers = {
                name: value for name, value in self.headers.items() if not name.lower().startswith("content-")
            }
        if came_from != goes_to:
            self.headers = without_credentials(self.headers, self.call.secret_headers)
        self.url = target

    def _conclude(self, response: requests.Response) -> Response:
        status = response.status_code
        problem: Exception | None = None
        try:
            http_response.read_body(response, self.received, self.call.max_response_bytes)
        except (http_response.TooLargeError, *http_response.BROKEN) as broken:
            problem = broken
        if status >= 400:
            # A body that cannot be read does not hide the status.
            raise self._failed(response, whole=problem is None)
        if isinstance(problem, http_response.TooLargeError):
            most = self.call.max_response_bytes
            raise self.error(
                "RESPONSE_TOO_LARGE",
                f"Expected {self.place} to answer with at most `maxResponseBytes`, {most}, but there is more",
                retryable=False,
            )
        if problem is not None:
            raise problem
        facts = {
            "status": status,
            "reason": http_response.reason_of(response),
            "headers": http_response.headers_of(response),
        }
        if self.call.documents is not None:
            document = self._stored(self.call.documents, response) if self.received else None
            return Response({**facts, "body": None, "document": document}, self.journal(), silent=True)
        try:
            body = http_response.interpret(bytes(self.received), self._content_type, self.call.text_in)
        except http_response.UnreadableError as unreadable:
            raise self.error(
                "INVALID_RESPONSE",
                self.redactor.text(f"Expected {self.place} to answer with {unreadable}"),
                retryable=False,
            ) from None
        return Response({**facts, **body}, self.journal(), silent=True)

    def _stored(self, documents: Documents, response: requests.Response) -> Mapping[str, Any]:
        try:
            return documents.store(bytes(self.received), self._content_type, http_response.file_name(response))
        except JobError as error:
            message = f"The answer of {self.place} could not be kept: {error.message}"
            raise self.error(error.code, message, retryable=error.retryable) from error

    def _failed(self, response: requests.Response, *, whole: bool) -> JobError:
        status, content = response.status_code, bytes(self.received)
        text = http_response.as_text(content, self._content_type)
        try:
            body = http_response.interpret(content, self._content_type, self.call.text_in) if whole else {"body": text}
        except http_response.UnreadableError:
            body = {"body": text}
        retryable = http_response.is_retryable(status)
        wait = http_response.retry_after(response.headers, datetime.now(UTC)) if retryable else None
        headline = f"{status} {self.redactor.text(http_response.reason_of(response))}".strip()
        excerpt = " ".join(self.redactor.excerpt(text, MESSAGE_EXCERPT).split())
        facts = {"status": status, "headers": http_response.headers_of(response), **body}
        return self.error(
            str(status),
            f"{headline}: {excerpt}" if excerpt else headline,
            retryable=retryable,
            retry_in=wait,
            details={"response": self.redactor.literals(facts)},
        )

    def _refused(self, message: str) -> JobError:
        return self.error("INVALID_REDIRECT", message, retryable=False)

    def _broken(self, problem: Exception) -> JobError:
        """The error of a call that found no complete answer."""
        causes = _causes(problem)
        if refused := next((cause for cause in causes if isinstance(cause, AddressRefused)), None):
            return self.error("ADDRESS_REFUSED", f"{self.place} was not called: {refused}", retryable=False)
        read = len(self.received)
        progress = f"{read} bytes of the body had arrived" if self.response is not None else "no answer had begun"
        if any(_is_timeout(cause) for cause in causes):
            if deadline.passed(slack=0.02):
                message = f"Expected {self.place} to be answered within {self.patience:.3g} s, but {progress}"
            elif isinstance(problem, requests.ConnectTimeout):
                limit = self.call.connect_timeout
                message = f"Expected {self.place} to be connected within {limit} s, but it was not"
            else:
                message = f"Expected an answer to {self.place}, but it was silent too long; {progress}"
            return self.error("408", message)
        reason = self.redactor.text(str(causes[-1]) or type(causes[-1]).__name__)[:500]
        if isinstance(problem, requests.exceptions.SSLError):
            return self.error("SSL_HANDSHAKE_FAILED", f"{self.place} found no trusted server: {reason}")
        if any(isinstance(cause, DecodeError) for cause in causes):
            message = f"Expected {self.place} to answer with a body coded as it says, but {reason}"
            return self.error("INVALID_RESPONSE", message, retryable=False)
        return self.error("CONNECTION_FAILED", f"{self.place} failed: {reason}; {progress}")

    def error(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = True,
        retry_in: timedelta | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> JobError:
        return JobError(message, retry_in, retryable, code, details or {}, self.journal())

    @property
    def _content_type(self) -> str:
        return self.response.headers.get("Content-Type", "") if self.response is not None else ""

    def journal(self) -> dict[str, Any]:
        """What an operator may see of the attempt; bodies are excerpts, times are seconds."""
        now, redact = time.monotonic(), self.redactor
        sent, received = self.body or b"", bytes(self.received)
        request = {
            "method": self.method,
            "url": redact.text(self.url),
            "headers": redact.headers(self.headers if self.sent is None else self.sent),
            "body": "(a document)" if self.call.document_body else redact.excerpt(sent.decode("utf-8", "replace")),
            "bytes": len(sent),
        }
        response = None
        if self.response is not None:
            response = {
                "status": self.response.status_code,
                "reason": redact.text(http_response.reason_of(self.response)),
                "headers": redact.headers(http_response.headers_of(self.response)),
                "body": redact.excerpt(http_response.as_text(received, self._content_type)),
                "bytes": len(received),
            }
        answered = self.answered if self.response is not None else None
        timings = {
            "headers": None if answered is None else round(answered - self.started, 4),
            "body": None if answered is None else round(now - answered, 4),
            "total": round(now - self.started, 4),
        }
        return {"request": request, "response": response, "redirects": self.redirects, "timings": timings}


def without_credentials(headers: Mapping[str, str], secret: frozenset[str]) -> dict[str, str]:
    """Headers that may travel to another origin."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in secret and name.lower() != "host" and not is_secret_name(name)
    }


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454)."""
    parsed = parse_url(url)
    scheme = parsed.scheme or ""
    return scheme, (parsed.host or "").lower(), parsed.port or (443 if scheme == "https" else 80)


def _is_timeout(cause: BaseException) -> bool:
    # urllib3 derives every failure to connect from its timeouts.
    return isinstance(cause, TimeoutError | PoolTimeout | requests.Timeout) and not isinstance(
        cause, NewConnectionError
    )


def _as_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _readable(location: str) -> str:
    """A `Location` as text: headers arrive as Latin-1, and servers write UTF-8 into them."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location


def _causes(problem: BaseException) -> list[BaseException]:
    """An exception and what it wraps, outermost first: `requests` keeps reasons in attributes and args."""
    causes: list[BaseException] = []
    todo: BaseException | None = problem
    while todo is not None and todo not in causes and len(causes) < 20:
        causes.append(todo)
        inner = [getattr(todo, "reason", None), todo.__cause__, *todo.args, todo.__context__]
        todo = next((item for item in inner if isinstance(item, BaseException)), None)
    return causes
