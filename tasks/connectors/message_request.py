"""Reads the inputs of a message job into a `Request`: all that can be wrong with them is found before a byte is sent.

A task without input mappings shows its connector every process variable, so an unknown name at the top is no error
there; within a context (`properties`, `routing`, `authentication`, `message`) every name has a meaning, and one without
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.connectors import exact_json, outbound
from tasks.connectors.base import Job
from tasks.connectors.declared import Given, read_job
from tasks.connectors.inputs import context, encodable, invalid, number, scalar
from tasks.connectors.message_address import Broker, guard, read_broker
from tasks.connectors.message_inputs import DEFAULT_TIMEOUT, INPUTS, MODES, PROPERTIES
from tasks.connectors.message_reply import told_headers
from tasks.connectors.redaction import EXCERPT, Redactor

DEFAULT_REPLY_TIMEOUT = 300.0
LONGEST_REPLY = 30 * 24 * 3600.0
MOST_BYTES = 16_000_000

NUMBERS = {"deliveryMode": (1, 2), "priority": (0, 255), "timestamp": (0, 2**53)}


@dataclass(frozen=True, slots=True)
class Reply:
    """What is waited for."""

    to: str
    correlation_id: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One message, ready to send. Times in seconds."""

    broker: Broker
    exchange: str = ""
    routing_key: str = ""
    stream: str = ""
    max_length: int | None = None
    body: bytes = field(repr=False)
    content_type: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    """Under AMQP's names, without headers and content type."""
    mandatory: bool
    message_id: str
    reply: Reply | None
    timeout: float

    @property
    def told(self) -> dict[str, Any]:
        """For the journal."""
        redact = Redactor((self.broker.password,))
        place = {"stream": self.stream} if self.stream else {"exchange": self.exchange, "routingKey": self.routing_key}
        return {
            "broker": self.broker.place,
            **place,
            "messageId": self.message_id,
            "contentType": self.content_type,
            "headers": told_headers(self.headers, redact),
            "properties": dict(self.properties),
            "bytes": len(self.body),
            "body": redact.excerpt(self.body[: EXCERPT * 2].decode("utf-8", "replace")),
        }


def read_request(job: Job, aliases: Sequence[str] = ()) -> Request:
    """The message that a job asks for. Raises `JobError`, code ``INVALID_INPUT``, which names the input."""
    given = read_job(job, INPUTS, aliases)
    routing, message, own = (given.get(name, {}) for name in ("routing", "message", "authentication"))
    broker = read_broker(job.connection, given["url"], own, routing)
    guard(broker, outbound.policy_of(job))
    properties = _properties({**_properties_of(message, "message."), **_properties_of(given)})
    headers = {
        **_headers(_properties_of(message, "message.").get("headers")),
        **_headers(_properties_of(given).get("headers")),
        **_headers(given.get("headers")),
    }
    body, content_type = _body(message.get("body") if given["body"] is None else given["body"])
    content_type = _text(given, "contentType") or properties.pop("content_type", "") or content_type
    message_id = _text(given, "messageId") or properties.pop("message_id", "") or job.idempotency_key
    properties.pop("message_id", None)
    if given["persistent"] is not None:
        properties["delivery_mode"] = 2 if given["persistent"] else 1
    reply = _reply(job, given, properties)
    if reply is None:
        own_ids = {"correlation_id": _text(given, "correlationId"), "reply_to": _text(given, "replyTo")}
        properties |= {name: _short(value, name) for name, value in own_ids.items() if value}
    else:
        properties |= {"correlation_id": reply.correlation_id, "reply_to": reply.to}
    place = _to_stream(given, properties) if broker.is_redis else _to_exchange(given, routing)
    return Request(
        broker=broker,
        body=body,
        content_type=_short(content_type, "contentType"),
        headers=headers,
        properties={"delivery_mode": 2, **properties},
        mandatory=given["mandatory"] is not False,
        message_id=_short(message_id, "messageId"),
        reply=reply,
        timeout=given["timeoutInSeconds"] or DEFAULT_TIMEOUT,
        **place,
    )


def _properties_of(given: Mapping[str, Any], place: str = "") -> Mapping[str, Any]:
    found = context(given.get("properties"), f"{place}properties")
    if stray := sorted(found.keys() - {*PROPERTIES, "headers"}):
        raise invalid(f"The property `{stray[0]:.60}` of `{place}properties` is not one of AMQP's that can be set here")
    return found


def _properties(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == "" or name == "headers":
            continue
        place = f"properties.{name}"
        if name in NUMBERS or name == "expiration":
            low, high = NUMBERS.get(name, (0, 2**31))
            exact = number(value, place)
            if exact != exact.to_integral_value() or not low <= exact <= high:
                raise invalid(f"Expected `{place}` to be a whole number from {low} to {high}, but found {value!r:.60}")
            # kombu takes seconds and makes milliseconds of them again.
            found[PROPERTIES[name]] = int(exact) / 1000 if name == "expiration" else int(exact)
        else:
            found[PROPERTIES[name]] = _short(scalar(value, place), place)
    return found


def _headers(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in context(value, "headers").items():
        place = f"headers.{name:.60}"
        if not name or len(name.encode("utf-8", "replace")) > 255:
            raise invalid(f"Expected names of `headers` of 1 to 255 bytes, but found {name!r:.60}")
        if item is None:
            raise invalid(f"Expected `{place}` to be text, a number or a boolean, but found null")
        whole = isinstance(item, int) and not isinstance(item, bool) and -(2**63) <= item < 2**63
        found[encodable(name, "headers")] = (
            item if whole or isinstance(item, bool) else encodable(scalar(item, place), place)
        )
    return found


def _body(value: Any) -> tuple[bytes, str]:
    if value is None:
        return b"", "text/plain"
    if isinstance(value, str):
        body, kind = encodable(value, "body").encode(), "text/plain"
    else:
        try:
            body, kind = encodable(exact_json.dumps(value), "body").encode(), "application/json"
        except ValueError as problem:
            raise invalid(f"Expected `body` to be JSON, but {problem}") from None
    if len(body) > MOST_BYTES:
        raise invalid(f"Expected `body` to have at most {MOST_BYTES:,} bytes, but found {len(body):,}")
    return body, kind


def _reply(job: Job, given: Given, properties: Mapping[str, Any]) -> Reply | None:
    if not MODES[given["mode"]]:
        if given["replyTimeoutInSeconds"] is not None:
            raise invalid("Expected no `replyTimeoutInSeconds` where no reply is waited for; set `mode` to reply")
        return None
    to = _text(given, "replyTo") or properties.get("reply_to", "")
    if not to and job.connection is not None:
        to = _text(job.connection.options, "replyTo")
    if to.startswith("amq."):
        raise invalid(f"Expected `replyTo` to be a queue that is consumed by others, but found {to!r:.60}")
    if not to:
        raise invalid("Expected `replyTo`, the queue or stream on which the reply comes, but found none")
    span = given.get("replyTimeoutInSeconds", DEFAULT_REPLY_TIMEOUT)
    if not 0 < span <= LONGEST_REPLY:
        raise invalid(f"Expected `replyTimeoutInSeconds` up to {LONGEST_REPLY:.0f}, but found {span}")
    own = _text(given, "correlationId") or properties.get("correlation_id", "")
    # Of this attempt alone, so that what answers an earlier one is told from what answers this one.
    return Reply(_short(to, "replyTo", 200), own or f"{job.idempotency_key}.{job.attempt}", float(span))


def _to_exchange(given: Given, routing: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("stream", "maxLength"):
        if given[name] is not None:
            raise invalid(f"The input `{name}` is for Redis streams, but the broker is RabbitMQ")
    exchange = _text(given, "exchange") or _text(routing, "exchange")
    key = _text(given, "routingKey") or _text(routing, "routingKey")
    queue = _text(given, "queue")
    if queue and (exchange or key):
        raise invalid("Expected `queue`, or `exchange` and `routingKey`, but found both")
    if not queue and not exchange and not key:
        raise invalid("Expected `queue`, or `exchange` and `routingKey`, but found none of them")
    return {"exchange": _short(exchange, "exchange"), "routing_key": _short(queue or key, "routingKey")}


def _to_stream(given: Given, properties: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("exchange", "routingKey", "queue", "persistent", "mandatory"):
        if given[name] is not None:
            raise invalid(f"The input `{name}` is for RabbitMQ, but the broker is Redis")
    if stray := sorted(properties.keys() - {"correlation_id", "reply_to"}):
        raise invalid(f"The property {stray[0]} is AMQP's, but the broker is Redis")
    stream = _text(given, "stream")
    if not stream:
        raise invalid("Expected `stream`, the name of a Redis stream, but found none")
    length: int | None = given["maxLength"]
    if length is not None and not 1 <= length <= 2**53:
        raise invalid(f"Expected `maxLength` to be a whole number from 1, but found {length}")
    return {"stream": stream, "max_length": length}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return "" if value is None else encodable(scalar(value, name), name)


def _short(text: str, name: str, most: int = 255) -> str:
    """AMQP's short strings have at most 255 bytes."""
    if len(encodable(text, name).encode()) > most:
        raise invalid(f"Expected `{name}` to have at most {most} bytes, but found {len(text.encode())}")
    return text
