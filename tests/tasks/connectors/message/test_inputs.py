"""What cannot be understood is refused by name, and nothing is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors.base import JobError, Response
from tasks.connectors.message_address import parse_broker
from tasks.connectors.message_reply import Incoming, read_body, read_reply
from tasks.connectors.message_request import read_request
from tests.tasks.connectors.message.conftest import job

R, S = "amqp://127.0.0.1", "redis://127.0.0.1"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "`url`"),
        ({"url": 7}, "no scheme"),
        ({"url": "http://x"}, "scheme"),
        ({"url": "amqp://"}, "no host"),
        ({"url": "amqp://h:port"}, "parsed"),
        ({"url": f"{S}/orders", "stream": "x"}, "database"),
        ({"url": R}, "`queue`"),
        ({"url": R, "queue": "q", "exchange": "e"}, "both"),
        ({"url": R, "queue": "q", "stream": "s"}, "`stream`"),
        ({"url": R, "queue": "q" * 256}, "255 bytes"),
        ({"url": R, "queue": "q", "properties": {"prio": 1}}, "`properties.prio`"),
        ({"url": R, "queue": "q", "properties": {"priority": 256}}, "priority"),
        ({"url": R, "queue": "q", "properties": {"deliveryMode": "3"}}, "deliveryMode"),
        ({"url": R, "queue": "q", "properties": {"expiration": "soon"}}, "expiration"),
        ({"url": R, "queue": "q", "headers": {"a": None}}, "headers.a"),
        ({"url": R, "queue": "q", "headers": [1]}, "`headers`"),
        ({"url": R, "queue": "q", "headers": {"a": {"b": 1}}}, "headers.a"),
        ({"url": R, "queue": "q", "message": {"text": 1}}, "`message.text`"),
        ({"url": R, "queue": "q", "routing": {"key": 1}}, "`routing.key`"),
        ({"url": R, "queue": "q", "mode": "maybe"}, "`mode`"),
        ({"url": R, "queue": "q", "mode": "reply"}, "`replyTo`"),
        ({"url": R, "queue": "q", "mode": "reply", "replyTo": "r", "replyTimeoutInSeconds": 0}, "replyTimeout"),
        ({"url": R, "queue": "q", "replyTimeoutInSeconds": 5}, "replyTimeout"),
        ({"url": R, "queue": "q", "mode": "reply", "replyTo": "amq.rabbitmq.reply-to"}, "replyTo"),
        ({"url": R, "queue": "q", "persistent": "perhaps"}, "persistent"),
        ({"url": R, "queue": "q", "timeoutInSeconds": "soon"}, "timeoutInSeconds"),
        ({"url": R, "queue": "q", "body": "\ud800"}, "surrogate"),
        ({"url": R, "queue": "q", "body": "x" * 16_000_001}, "16,000,000"),
        ({"url": S}, "`stream`"),
        ({"url": S, "stream": "s", "queue": "q"}, "`queue`"),
        ({"url": S, "stream": "s", "maxLength": 0}, "maxLength"),
        ({"url": S, "stream": "s", "properties": {"priority": 1}}, "priority"),
        ({"url": R, "queue": "q", "authentication": {"userName": "u"}}, "both"),
    ],
)
def test_refused(variables: dict[str, Any], says: str) -> None:
    with pytest.raises(JobError) as caught:
        read_request(job(**variables))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)
    assert says in caught.value.message


def test_virtual_hosts_and_credentials() -> None:
    broker = parse_broker("amqps://me:p%40ss@mq.example/%2Forders")
    assert (broker.user, broker.password, broker.host, broker.port, broker.path) == (
        "me", "p@ss", "mq.example", 5671, "/orders",
    )  # fmt: skip
    assert parse_broker("amqp://h").path == parse_broker("amqp://h//").path == "/"
    assert "p@ss" not in broker.place + repr(broker)


def test_the_correlation_id_is_of_the_attempt() -> None:
    request = read_request(job(url=R, queue="q", mode="reply", replyTo="r"))
    assert request.reply is not None
    assert request.reply.correlation_id == "job-7-key.1"
    assert request.properties["reply_to"] == "r"


def test_what_bodies_become() -> None:
    assert read_body(b'{"a": 1.10}', "application/json; charset=utf-8") == {"a": Decimal("1.10")}
    assert read_body(b"7", "text/plain") == "7"
    assert read_body(b"hello", "") == "hello"
    assert read_body(b"", "application/json") is None
    for body, kind in ((b"{", "application/json"), (b"\xff", ""), (b" " * 4_000_001, "")):
        with pytest.raises(ValueError, match="body"):
            read_body(body, kind)


def test_replies_that_tell_of_failure() -> None:
    error = read_reply(Incoming(b'{"limit": 5}', "", {"X-Error-Code": "LIMIT", "x-error-message": "too much"}))
    assert isinstance(error, JobError)
    assert (error.code, error.message, error.retryable) == ("LIMIT", "too much", False)
    assert error.details["response"]["body"] == {"limit": 5}
    again = read_reply(Incoming(b"", "", {"x-error-code": 503, "x-error-retryable": True}))
    assert isinstance(again, JobError)
    assert (again.code, again.retryable) == ("503", True)
    bad = read_reply(Incoming(b"{", "application/json"))
    assert isinstance(bad, JobError)
    assert (bad.code, bad.retryable) == ("INVALID_RESPONSE", False)


def test_the_journal_tells_no_secrets() -> None:
    request = read_request(
        job(
            url="amqp://me:hunter2hunter2@127.0.0.1",
            queue="q",
            body={"password": "swordfish", "said": "hunter2hunter2", "x": 1},
            headers={"Authorization": "Bearer abcdef", "number": 1, "X-Api-Key": 7},
        )
    )
    told = request.told
    assert not any(secret in str(told) for secret in ("swordfish", "hunter2", "abcdef"))
    assert told["headers"] == {"Authorization": "Bearer ***", "number": 1, "X-Api-Key": "***"}
    assert '"x":1' in told["body"]
    reply = read_reply(Incoming(b'{"token": "abcdef", "y": 2}', "", {"X-Token": "abcdef"}))
    assert isinstance(reply, Response)
    assert "abcdef" not in str(reply.journal)
    assert reply["body"] == {"token": "abcdef", "y": 2}
