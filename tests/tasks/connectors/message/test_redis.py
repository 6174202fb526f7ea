"""Publishing to Redis streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.tasks.connectors.message.conftest import REDIS, failure, send


def test_an_entry_arrives(redis: Any, stream: Callable[[str], str]) -> None:
    name = stream("orders")
    response = send(REDIS, stream=name, body={"x": 1}, headers={"a": 1}, correlationId="c-1", replyTo="answers")
    ((number, fields),) = redis.xrange(name)
    assert response["entryId"] == number.decode()
    assert {key.decode(): value.decode() for key, value in fields.items()} == {
        "body": '{"x":1}',
        "content_type": "application/json",
        "message_id": "job-7-key",
        "headers": json.dumps({"a": 1}),
        "correlation_id": "c-1",
        "reply_to": "answers",
    }


def test_a_stream_is_cut_to_its_length(redis: Any, stream: Callable[[str], str]) -> None:
    name = stream("short")
    for _ in range(300):
        send(REDIS, stream=name, body="x", maxLength=10)
    assert redis.xlen(name) < 200  # about, as Redis does it


def test_what_redis_refuses(redis: Any, stream: Callable[[str], str]) -> None:
    name = stream("text")
    redis.set(name, "no stream")
    error = failure(REDIS, stream=name)
    assert (error.code, error.retryable) == ("WRONGTYPE", False)
    assert failure("redis://127.0.0.1:1/0", stream=name).code == "CONNECTION_FAILED"
    error = failure("redis://:hunter2hunter2@127.0.0.1:6379/0", stream=name)
    assert "hunter2" not in str(error) + str(error.journal)
