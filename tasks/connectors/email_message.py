"""Reads the inputs of an e-mail job into a `Letter`: what to send, to whom, and where. Nothing is sent here."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.connectors.base import Connection, Job
from tasks.connectors.declared import Input, read
from tasks.connectors.documents import Documents, is_reference
from tasks.connectors.inputs import context, invalid, scalar

MOST_BYTES = 25_000_000
"""Of a message: what large mail services take."""
MOST_RECIPIENTS = 100
"""RFC 5321, 4.5.3.1.8: what every server must take."""
OURS = frozenset(
    {
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
        "content-transfer-encoding", "sender", "return-path", "received",
    }
)  # fmt: skip
"""Headers that inputs of their own, or the connector, set."""
_ADDRESS = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x1f\x7f]+@[^\s@<>(),;:\\\"\x00-\x1f\x7f]+")
_HEADER = re.compile(r"[!-9;-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message, ready to be sent."""

    host: str
    port: int
    tls: str
    username: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage = field(repr=False)
    size: int
    patience: float
    """Seconds."""


def read_letter(job: Job, inputs: Sequence[Input]) -> Letter:
    """The message that a job asks for. Raises `JobError`, code ``INVALID_INPUT``, which names the input."""
    given = read(job.variables, inputs)
    server = _server(given, job.connection)
    sender = _addresses(given["from"], "from")
    if len(sender) != 1:
        raise invalid(f"Expected one address in `from`, but found {len(sender)}")
    groups = {name: _addresses(given[name], name) for name in ("to", "cc", "bcc", "replyTo")}
    # Each once, in the order of the inputs.
    recipients = tuple(dict.fromkeys(each.addr_spec for name in ("to", "cc", "bcc") for each in groups[name]))
    if not recipients:
        raise invalid("Expected at least one recipient in `to`, `cc` or `bcc`, but found none")
    if len(recipients) > MOST_RECIPIENTS:
        raise invalid(f"Expected at most {MOST_RECIPIENTS} recipients, but found {len(recipients)}")
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = sender[0]
        for header, name in (("To", "to"), ("Cc", "cc"), ("Reply-To", "replyTo")):
            if groups[name]:
                message[header] = groups[name]
        if given["subject"]:
            message["Subject"] = _one_line(given["subject"], "subject")
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{job.idempotency_key}@{sender[0].domain}>"
        _further(message, context(given["headers"], "headers"))
        _body(message, given["text"], given["html"])
        for number, attachment in enumerate(given["attachments"] or ()):
            _attach(message, attachment, f"attachments[{number}]", job.documents)
        size = len(message.as_bytes())
    except (MessageError, HeaderParseError, ValueError, UnicodeError, LookupError) as problem:
        raise invalid(f"Expected inputs that make a message, but {problem}") from None
    if size > MOST_BYTES:
        raise invalid(f"Expected a message of at most {MOST_BYTES} bytes, but found {size}")
    return Letter(
        **server,
        sender=sender[0].addr_spec,
        recipients=recipients,
        message=message,
        size=size,
        patience=_patience(given["deadlineInSeconds"], job.connection),
    )


def _patience(seconds: float, connection: Connection | None) -> float:
    return seconds if connection is None or connection.timeout is None else min(seconds, connection.timeout)


# -- the server --------------------------------------------------------------------------------------------------------


def _server(given: Mapping[str, Any], connection: Connection | None) -> dict[str, Any]:
    """Host, port, tls, username and password: of the inputs, of their URL, else of the connection."""
    address, known = given["url"] or "", "url"
    if connection is not None and not address and not given["host"]:
        address, known = connection.url, "the URL of the connection"
    found: dict[str, Any] = (
        _from_url(address, known)
        if address
        else {"host": "", "port": None, "tls": None, "username": "", "password": ""}
    )
    secrets = connection.authentication if connection is not None and address == connection.url else {}
    host = given["host"] or found["host"]
    if not host:
        raise invalid("Expected the input `host` or `url`, but found neither")
    if re.search(r"[\s/@\x00-\x1f\x7f]", host):
        raise invalid("Expected `host` to be the name of a host, but it has characters that none has")
    tls = given["tls"] or found["tls"] or "starttls"
    port = given["port"] or found["port"] or (465 if tls == "implicit" else 587)
    if not 1 <= port <= 65535:
        raise invalid(f"Expected `port` to be between 1 and 65535, but found {port}")
    if connection is not None and connection.allowed_hosts and host not in connection.allowed_hosts:
        raise invalid(f"Expected `host` to be one that the connection {connection.name} allows, but found {host:.60}")
    username = given["username"] or found["username"] or str(secrets.get("username") or "")
    password = given["password"] or found["password"] or str(secrets.get("password") or "")
    if bool(username) != bool(password):
        raise invalid("Expected both `username` and `password`, or neither, but found one")
    return {"host": host, "port": port, "tls": tls, "username": username, "password": password}


def _from_url(address: str, name: str) -> dict[str, Any]:
    # The reasons never quote the URL: it has a password.
    try:
        parts = urlsplit(address.strip())
        port = parts.port
    except ValueError:
        raise invalid(f"Expected `{name}` to be an smtp or smtps URL, but it cannot be parsed") from None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise invalid(f"Expected `{name}` to be smtp://host or smtps://host, perhaps with a port, but it is not")
    return {
        "host": parts.hostname,
        "port": port,
        "tls": "implicit" if parts.scheme == "smtps" else None,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }


# -- the message -------------------------------------------------------------------------------------------------------


def _addresses(value: Any, name: str) -> list[Address]:
    if value in (None, "", []):
        return []
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise invalid(f"Expected `{name}` to be addresses, but found {type(text).__name__}")
        _one_line(text, name)
    found = []
    for shown, address in getaddresses(texts):
        if not _ADDRESS.fullmatch(address):
            raise invalid(f"Expected `{name}` to be addresses such as ada@example.org, but found {str(value)!r:.100}")
        local, _, domain = address.rpartition("@")
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            raise invalid(f"Expected `{name}` to be addresses, but found the domain {domain!r:.60}") from None
        found.append(Address(shown, local, domain))
    return found


def _one_line(text: str, name: str) -> str:
    if re.search(r"[\r\n\x00]", text):
        raise invalid(f"Expected `{name}` to be one line, but it has a line break")
    return text


def _further(message: EmailMessage, headers: Mapping[str, Any]) -> None:
    for name, value in headers.items():
        if value is None:
            continue
        if not _HEADER.fullmatch(name):
            raise invalid(f"Expected the name of a header, but found {name!r:.60}")
        if name.lower() in OURS:
            raise invalid(f"The header {name} cannot be set in `headers`")
        message[name] = _one_line(scalar(value, f"headers.{name}"), f"headers.{name}")


def _body(message: EmailMessage, text: str | None, html: str | None) -> None:
    if text is None and html is None:
        raise invalid("Expected the input `text` or `html`, but found neither")
    if text is not None:
        message.set_content(text, cte="quoted-printable")
        if html is not None:
            message.add_alternative(html, subtype="html", cte="quoted-printable")
    else:
        message.set_content(html, subtype="html", cte="quoted-printable")


def _attach(message: EmailMessage, attachment: Any, place: str, documents: Documents) -> None:
    if not isinstance(attachment, Mapping):
        raise invalid(f"Expected `{place}` to be a context, but found {type(attachment).__name__}")
    given = {"document": attachment} if is_reference(attachment) else attachment
    given = read(
        given,
        (Input("name"), Input("content", secret=True), Input("document", "context"), Input("contentType")),
    )
    if (given["content"] is None) == (given["document"] is None):
        raise invalid(f"Expected `{place}` to have one of content and document, but found both or neither")
    if given["document"] is not None:
        document = documents.fetch(given["document"])
        content, name, kind = document.content, given["name"] or document.file_name, document.content_type
        kind = given["contentType"] or kind.partition(";")[0].strip()
    else:
        content, name = _decoded(given["content"], f"{place}.content"), given["name"]
        if not name:
            raise invalid(f"Expected the input `{place}.name`, but found none")
        kind = given["contentType"] or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind):
        raise invalid(f"Expected `{place}.contentType` to be such as image/png, but found {kind!r:.60}")
    main, _, sub = kind.partition("/")
    if main in ("multipart", "message"):
        main, sub = "application", "octet-stream"
    message.add_attachment(content, main, sub, filename=_one_line(name, f"{place}.name"))


def _decoded(text: str, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"Expected `{place}` to be base64, but it is not") from None
