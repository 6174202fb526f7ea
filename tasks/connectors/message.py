"""The message connector: publishes one message to RabbitMQ or a Redis stream, and may wait for the reply to it.

Inputs (of `job.variables`; blank is as good as absent, numbers and booleans may be text):

| Input | |
|---|---|
| `url` | amqp, amqps, redis or rediss; absent where the task names a connection |
| `exchange`, `routingKey` | RabbitMQ: where to; the default exchange routes to the queue named by the key |
| `queue` | RabbitMQ: short for the default exchange and this routing key |
| `stream`, `maxLength` | Redis: where to, and about how many entries it keeps |
| `body` | text as it is, anything else as JSON |
| `contentType` | application/json, or text/plain for text |
| `headers` | context of text, numbers and booleans |
| `properties` | RabbitMQ: `contentType`, `contentEncoding`, `headers`, `deliveryMode`, `priority`, `correlationId`, |
| | `replyTo`, `expiration` (milliseconds), `messageId`, `timestamp`, `type`, `userId`, `appId` |
| `persistent`, `mandatory` | RabbitMQ: default true; without `mandatory`, what no queue takes is lost |
| `messageId` | default: the idempotency key of the job, the same over all attempts |
| `mode` | `acknowledge` (default, or `fireAndForget`): done when the broker has it; `reply` (or `waitForReply`): |
| | done when the reply comes |
| `replyTo` | of `reply`: queue or stream that `manage.py consume_replies` or a worker consumes |
| `correlationId` | of `reply`; default: an id of this attempt alone |
| `replyTimeoutInSeconds` | of `reply`: 300, at most 30 days |
| `timeoutInSeconds` | 20, for connecting, sending and the broker's confirmation together; at most the lease |

Those of Camunda's RabbitMQ connector are read as well: `authentication` (`authType`, `uri`, `userName`, `password`),
`routing` (`exchange`, `routingKey`, `virtualHost`, `hostName`, `port`) and `message` (`properties`, `body`).

Response: ``{"messageId": "...", "exchange": "", "routingKey": "...", "statusResult": "success"}``, of Redis `stream`
and `entryId`. With a reply ``{"body": ..., "headers": {...}, "messageId": "...", "correlationId": "..."}``; the reply's
header ``x-error-code`` makes it a failure (`message_reply`).

Errors (`JobError.code`):

| Code | When | Tried again |
|---|---|---|
| "UNROUTABLE" | no queue took it, though it was mandatory | yes |
| "NOT_FOUND" | no such exchange, virtual host, or reply queue | yes |
| "NACKED", "UNCONFIRMED" | the broker refused it, or did not confirm it in time; it may have it | yes |
| "CONNECTION_FAILED" | no connection, or it broke | yes |
| "ACCESS_REFUSED", "PRECONDITION_FAILED" | the broker will not have it from us, or not so | no |
| "REPLY_TIMEOUT" | no reply came in time | yes |
| "ADDRESS_REFUSED" | the broker is where calls may not go (`outbound`) | no |
| "INVALID_INPUT" | nothing was sent | no |

A message is sent at least once: who must not act twice looks at the message id. With a `correlationId` of your own, a
reply to an earlier attempt answers a later one; with the default it comes too late, and is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.connectors.base import Awaiting, Job, JobError, Response
from tasks.connectors.message_inputs import INPUTS
from tasks.connectors.message_rabbitmq import RabbitMQ
from tasks.connectors.message_redis import Redis
from tasks.connectors.message_request import Request, read_request


class MessageConnector:
    """Job types ``message`` and ``io.camunda:connector-rabbitmq:1``."""

    type = "message"
    aliases = ("io.camunda:connector-rabbitmq:1",)
    inputs = INPUTS

    def __init__(self) -> None:
        self._rabbitmq, self._redis = RabbitMQ(), Redis()

    def run(self, job: Job) -> Response | Awaiting:
        """Publish, and say whether that is all. Raises `JobError` as the table of the module says."""
        request = read_request(job, self.aliases)
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        if lease <= 0:
            raise JobError("The lease of the job ended before its message was sent", code="UNCONFIRMED")
        seconds = min(request.timeout, lease)
        broker = self._redis if request.broker.is_redis else self._rabbitmq
        asked = {"request": request.told}
        if request.reply is None:
            return self._sent(broker, request, asked, seconds)
        reply = request.reply
        awaiting = Awaiting(
            correlation_id=reply.correlation_id,
            channel=reply.to,
            until=datetime.now(UTC) + timedelta(seconds=reply.timeout),
            journal=asked,
        )
        began = time.monotonic()
        broker.check_reply_channel(request, seconds)
        job.expect(awaiting)
        left = seconds - (time.monotonic() - began)
        return replace(awaiting, journal=self._sent(broker, request, asked, max(left, 1.0)).journal)

    @staticmethod
    def _sent(broker: RabbitMQ | Redis, request: Request, asked: Mapping[str, Any], seconds: float) -> Response:
        began = time.monotonic()
        try:
            place = broker.send(request, seconds)
        except JobError as error:
            error.journal = {**asked, "failed": error.message, "sent_in": round(time.monotonic() - began, 3)}
            error.__post_init__()
            raise
        confirmed = {"confirmed": place, "sent_in": round(time.monotonic() - began, 3)}
        body = {"messageId": request.message_id, **place, "statusResult": "success"}
        return Response(body, {**asked, **confirmed}, silent=True)
