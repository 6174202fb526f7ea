"""Publishes to Redis streams. An entry has the fields ``body``, ``content_type``, ``message_id``, ``headers`` (JSON)
and, where there are any, ``correlation_id`` and ``reply_to``; a reply has ``body`` and ``correlation_id`` at least.

Redis has an entry when XADD answers. Clients keep pools, which know threads and forks.
"""

from __future__ import annotations

import functools
import json
import os
from typing import Any

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as TimedOut
from redis.retry import Retry

from tasks.connectors.base import JobError
from tasks.connectors.message_address import Broker
from tasks.connectors.message_request import Request
from tasks.connectors.message_tls import redis_tls

PASSING = ("OOM", "LOADING", "READONLY", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF")
"""First words of errors that another time may not have."""


@functools.lru_cache(maxsize=64)
def _client(broker: Broker, seconds: int, pid: int) -> Client:
    return make_client(broker, seconds)


def make_client(broker: Broker, seconds: float) -> Client:
    """A client whose operations take that long at most. Nothing is connected yet."""
    return Client(
        host=broker.host,
        port=broker.port,
        db=int(broker.path or 0),
        username=broker.user or None,
        password=broker.password or None,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        **redis_tls(broker),
    )


class Redis:
    """Safe to share between threads and over a fork."""

    def send(self, request: Request, seconds: float) -> dict[str, Any]:
        """Stream and id of the entry. Raises `JobError`."""
        entry: dict[Any, Any] = {
            "body": request.body,
            "content_type": request.content_type,
            "message_id": request.message_id,
            "headers": json.dumps(dict(request.headers)),
        }
        entry |= {
            name: request.properties[name] for name in ("correlation_id", "reply_to") if name in request.properties
        }
        broker = request.broker
        for last in (False, True):
            try:
                client = _client(broker, max(1, round(seconds)), os.getpid())
                found: Any = client.xadd(request.stream, entry, maxlen=request.max_length, approximate=True)
            except (AuthenticationError, AuthorizationError, NoPermissionError) as problem:
                message = f"{broker.place} refused: {broker.redacted(str(problem))}"
                raise JobError(message, retryable=False, code="ACCESS_REFUSED") from None
            except TimedOut:
                message = f"{broker.place} did not confirm the message within {seconds:.1f} s"
                raise JobError(message, code="UNCONFIRMED") from None
            except ResponseError as problem:
                code = str(problem).split(" ", 1)[0]
                message = f"{broker.place} refused: {broker.redacted(str(problem))}"
                raise JobError(message, retryable=code in PASSING, code=code if code.isupper() else "REFUSED") from None
            except (Lost, RedisError, OSError) as problem:
                if not last:
                    continue  # a pooled connection may have died long ago
                said = broker.redacted(f"{type(problem).__name__}: {problem}")
                raise JobError(f"The connection to {broker.place} failed: {said}", code="CONNECTION_FAILED") from None
            return {"stream": request.stream, "entryId": found.decode()}
        raise AssertionError("unreachable")

    def check_reply_channel(self, request: Request, seconds: float) -> None:
        """Anybody may add to a stream, whether or not it is there."""
