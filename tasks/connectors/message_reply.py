"""What a message that came in says: its body as data, and, of a reply, whether it tells of success.

A reply is a failure where it has the header ``x-error-code``. Its text is in ``x-error-message``; the body, if any, is
in ``error.variables.response.body``; and it is worth another try where ``x-error-retryable`` is true.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from tasks.connectors import exact_json
from tasks.connectors.base import JobError, Response
from tasks.connectors.redaction import EXCERPT, MASK, Redactor, is_secret_name

MOST_BYTES = 4_000_000
"""Of a body; larger ones are no variables."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from a broker, of whatever kind."""

    body: bytes = field(repr=False)
    content_type: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    """JSON values; names as they were sent."""
    message_id: str = ""
    correlation_id: str = ""


def read_body(body: bytes, content_type: str) -> Any:
    """JSON as data, text as text, and without a content type whichever of them it is. Raises ValueError."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"the body has {len(body):,} bytes, more than {MOST_BYTES:,}")
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"the body is not UTF-8, and its content type is {kind[:60] or 'unknown'}") from None
    if kind.startswith("text/"):
        return text
    try:
        return exact_json.loads(text)
    except ValueError as problem:
        if kind == "application/json" or kind.endswith("+json"):
            raise ValueError(f"the body is not JSON: {problem}") from None
        return text


def read_reply(reply: Incoming) -> Response | JobError:
    """What a reply says. Never raises: one that cannot be read is a failure that will not get better."""
    headers = {name.lower(): value for name, value in reply.headers.items()}
    facts = {
        "headers": dict(reply.headers),
        "messageId": reply.message_id or None,
        "correlationId": reply.correlation_id,
    }
    redact = Redactor()
    said = {"headers": told_headers(reply.headers, redact), "bytes": len(reply.body), "body": _excerpt(reply, redact)}
    journal = {"reply": {**facts, **said}}
    try:
        response = {"body": read_body(reply.body, reply.content_type), **facts}
    except ValueError as problem:
        message = f"Expected a reply that can be read, but {problem}"
        return JobError(message, retryable=False, code="INVALID_RESPONSE", journal=journal)
    code = headers.get("x-error-code")
    if code in (None, ""):
        return Response(response, journal, silent=True)
    text = headers.get("x-error-message")
    return JobError(
        str(text) if text else f"The reply says error {code}",
        retryable=str(headers.get("x-error-retryable")).lower() in ("true", "1"),
        code=str(code),
        details={"response": response},
        journal=journal,
    )


def plain(value: Any) -> Any:
    """A header of AMQP as JSON: moments and bytes become text."""
    match value:
        case None | bool() | int() | str() | Decimal():
            return value
        case float():
            return Decimal(repr(value))
        case bytes():
            return value.decode("utf-8", "replace")
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return str(value)


def headers_of_entry(fields: Mapping[str, str]) -> dict[str, Any]:
    """The headers of a stream entry: the JSON in ``headers``, or else every field that is none of ours."""
    text = fields.get("headers")
    if text is not None:
        try:
            found = json.loads(text, parse_float=Decimal)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
    known = {"body", "content_type", "message_id", "correlation_id", "reply_to", "headers"}
    return {name: value for name, value in fields.items() if name not in known}


def told_headers(headers: Mapping[str, Any], redact: Redactor) -> dict[str, Any]:
    """For the journal."""
    texts = redact.headers({name: value for name, value in headers.items() if isinstance(value, str)})
    return {name: texts.get(name, MASK if is_secret_name(name) else value) for name, value in headers.items()}


def _excerpt(reply: Incoming, redact: Redactor) -> str:
    return redact.excerpt(reply.body[: EXCERPT * 2].decode("utf-8", "replace"))
