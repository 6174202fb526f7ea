"""The e-mail connector: hands one message to an SMTP server (RFC 5321), on time and over TLS.

| Input | |
|---|---|
| `url` | ``smtp://user:password@host:587`` or ``smtps://...:465``; or the parts below; or a connection |
| `host`, `port` | 587, or 465 with `tls` implicit |
| `tls` | `starttls` (default; a server that does not offer it is an error), `implicit`, `none` |
| `username`, `password` | for authentication; never sent without TLS unless `tls` is `none` |
| `from` | required; one address, ``Ada <ada@example.org>`` |
| `to`, `cc`, `bcc`, `replyTo` | text with commas or lists; at least one recipient |
| `subject`, `text`, `html` | at least one of text and html; both become alternatives |
| `attachments` | a list of ``{name, content (base64), contentType}``, of ``{document}`` with or without name and |
| | type of their own, or of references to documents |
| `headers` | a context of further headers |
| `deadlineInSeconds` | 60; of the whole conversation; at most the lease |

Response: ``{"messageId": "<...>", "accepted": ["a@..."], "refused": {"b@...": {"status": 550, "message": "no"}}}``.
Where a server takes the message for some recipients only, it is sent, and the others are told in `refused`.

The `Message-ID` is made of the job's idempotency key, the same in every attempt: doubles are dropped by it.

| Code | When | Tried again |
|---|---|---|
| the reply, "550" | the server said no; `details.response` has `status` and `message` | 4xx |
| "TIMEOUT" | the deadline | yes |
| "CONNECTION_FAILED" | no name, no connection, or it broke | yes |
| "TLS_FAILED" | no STARTTLS, or the server could not prove who it is | yes |
| "ADDRESS_REFUSED" | the server is where connections may not lead | no |
| "NOT_SUPPORTED" | the server lacks authentication, or UTF-8 addresses | no |
| "INVALID_INPUT" | nothing was sent | no |
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import certifi

from tasks.connectors import deadline, outbound
from tasks.connectors.base import Connection, Job, JobError, Response
from tasks.connectors.declared import Input
from tasks.connectors.email_message import Letter, read_letter
from tasks.connectors.inputs import invalid

MESSAGE = 500
"""Characters of a server's reply that are kept."""


class EmailConnector:
    """Job type ``email``."""

    type = "email"
    inputs = (
        Input("url", secret=True, help="smtp:// or smtps:// with user, password, host and port; or the parts."),
        Input("host", help="Name of the SMTP server."),
        Input("port", "integer", help="587; 465 with implicit TLS."),
        Input("tls", choices=("starttls", "implicit", "none"), help="How the connection is secured; starttls."),
        Input("username", help="For authentication."),
        Input("password", secret=True, help="For authentication."),
        Input("from", required=True, help="Address of the sender."),
        Input("to", "any", help="Addresses: text with commas, or a list."),
        Input("cc", "any", help="Addresses of those who get a copy."),
        Input("bcc", "any", help="Addresses of those who get a copy that nobody sees."),
        Input("replyTo", "any", help="Addresses that answers go to."),
        Input("subject", default="", help="Subject."),
        Input("text", help="The message as plain text."),
        Input("html", help="The message as HTML."),
        Input("attachments", "list", help="Contexts of name, content (base64) and contentType; or documents."),
        Input("headers", "context", help="Further headers."),
        Input("deadlineInSeconds", "seconds", default=60.0, help="For the whole conversation."),
    )

    def run(self, job: Job) -> Response:
        """Send the message. Raises `JobError` as the table of the module says."""
        letter = read_letter(job, self.inputs)
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        patience = min(letter.patience, lease)
        conversation = _Conversation(letter, job.connection)
        if patience <= 0:
            raise conversation.error("TIMEOUT", "the lease of the job had ended")
        with deadline.within(patience):
            return conversation.hold()


class _SMTP(smtplib.SMTP):
    """Over sockets that know the deadline, and to hosts that may be called."""

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        return deadline.open_socket(host, port, None)


class _Conversation:
    def __init__(self, letter: Letter, connection: Connection | None) -> None:
        self._letter, self._connection = letter, connection
        self._began = time.monotonic()
        self._refused: dict[str, Any] = {}
        self._place = f"{letter.host}:{letter.port}"

    def hold(self) -> Response:
        """From greeting to good-bye."""
        letter = self._letter
        server = _SMTP(local_hostname="localhost")
        try:
            self._connect(server)
            if letter.username:
                self._log_in(server)
            refused = server.send_message(letter.message, letter.sender, letter.recipients)
        except smtplib.SMTPRecipientsRefused as problem:
            self._note(problem.recipients)
            raise self._nobody() from None
        except smtplib.SMTPResponseException as problem:
            raise self._said_no(problem.smtp_code, problem.smtp_error) from None
        except smtplib.SMTPNotSupportedError as problem:
            raise self.error("NOT_SUPPORTED", str(problem), retryable=False) from None
        except ssl.SSLError as problem:
            raise self.error("TLS_FAILED", problem.reason or str(problem)) from None
        except outbound.AddressRefused as problem:
            raise self.error("ADDRESS_REFUSED", str(problem), retryable=False) from None
        except (smtplib.SMTPException, OSError) as problem:
            if isinstance(problem, TimeoutError) or deadline.passed(0.01):
                raise self.error("TIMEOUT", "it did not answer in time") from None
            raise self.error("CONNECTION_FAILED", str(problem) or type(problem).__name__) from None
        finally:
            # It has the message or has refused it; how the good-bye goes is of no matter, and must take no time.
            with contextlib.suppress(OSError):
                server.close()
        self._note(refused)
        accepted = [address for address in letter.recipients if address not in self._refused]
        found = {"messageId": letter.message["Message-ID"], "accepted": accepted, "refused": dict(self._refused)}
        return Response(found, self.journal({"status": 250}))

    def _connect(self, server: smtplib.SMTP) -> None:
        letter = self._letter
        context = self._context()
        server._host = letter.host  # type: ignore[attr-defined] # what STARTTLS checks; set by the constructor only
        if letter.tls == "implicit":
            raw = deadline.open_socket(letter.host, letter.port, None)
            server.sock = context.wrap_socket(raw, server_hostname=letter.host)
            code, text = server.getreply()
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
        else:
            code, text = server.connect(letter.host, letter.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
            server.ehlo_or_helo_if_needed()
            if letter.tls == "starttls":
                if not server.has_extn("starttls"):
                    raise self.error("TLS_FAILED", "it does not offer STARTTLS")
                server.starttls(context=context)
        server.ehlo_or_helo_if_needed()

    def _log_in(self, server: smtplib.SMTP) -> None:
        try:
            server.login(self._letter.username, self._letter.password, initial_response_ok=True)
        except UnicodeError:
            raise invalid("Expected `username` and `password` to be ASCII text, but found other characters") from None

    def _context(self) -> ssl.SSLContext:
        tls = self._connection.tls if self._connection else {}
        context = deadline.tls_context(certifi.where())
        if authority := tls.get("ca"):
            context.load_verify_locations(cadata=str(authority))
        if tls.get("verify") is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    # -- telling ---------------------------------------------------------------------------------------------------

    def _note(self, refused: Mapping[str, tuple[int, bytes]]) -> None:
        for address, (code, text) in refused.items():
            self._refused[address] = {"status": code, "message": self._clean(text)}

    def _nobody(self) -> JobError:
        # Some may be greylisted: as long as one reply may be another next time, it is worth another try.
        replies = sorted(self._refused.values(), key=lambda reply: int(reply["status"]))
        first = replies[0]
        return self._said_no(first["status"], first["message"])

    def _said_no(self, code: int, text: bytes | str) -> JobError:
        response = {"status": code, "message": self._clean(text)}
        details: dict[str, Any] = {"response": response}
        if self._refused:
            details["refused"] = dict(self._refused)
        told = f"{self._place} answered {code} {response['message']}"
        # 421 and the like: come back later. 5xx: it stays a no (RFC 5321 4.2.1).
        return JobError(told, None, not 500 <= code < 600, str(code), details, self.journal(response))

    def error(self, code: str, why: str, *, retryable: bool = True) -> JobError:
        told = f"{self._place} could not be told the message: {self._clean(why)}"
        return JobError(told, None, retryable, code, {}, self.journal(None))

    def _clean(self, text: bytes | str) -> str:
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        password = self._letter.password
        if password:
            said = said.replace(password, "***")
        return " ".join(said.replace("\0", "").split())[:MESSAGE]

    def journal(self, response: Mapping[str, Any] | None) -> dict[str, Any]:
        """Who was written to, how much, and what was answered; not what the message says."""
        letter = self._letter
        request = {
            "server": self._place,
            "tls": letter.tls,
            "from": letter.sender,
            "recipients": len(letter.recipients),
            "messageId": letter.message["Message-ID"],
            "bytes": letter.size,
        }
        timings = {"total": round(time.monotonic() - self._began, 4)}
        answered = None if response is None else {**response, "refused": dict(self._refused)}
        return {"request": request, "response": answered, "timings": timings}
