"""A service behind a queue, in a process of its own: answers every order with its body, or as a header tells it to.

python responder.py amqp://... queue
python responder.py redis://... stream
"""

from __future__ import annotations

import json
import sys
from typing import Any


def answer(body: bytes, headers: dict[str, Any]) -> tuple[str, dict[str, Any], int]:
    """Body, headers, and how often."""
    if headers.get("ask") == "fail":
        return json.dumps({"limit": 5}), {"x-error-code": "LIMIT", "x-error-message": "too much"}, 1
    return json.dumps({"echo": json.loads(body)}), {"served-by": "responder"}, 2 if headers.get("ask") == "twice" else 1


def over_rabbitmq(url: str, queue: str) -> None:
    from kombu import Connection, Consumer, Producer, Queue

    with Connection(url) as connection:
        channel = connection.channel()
        producer = Producer(channel)

        def on_message(message: Any) -> None:
            body = message.body if isinstance(message.body, bytes) else message.body.encode()
            text, headers, times = answer(body, message.headers)
            for _ in range(times):
                producer.publish(
                    text.encode(),
                    routing_key=message.properties["reply_to"],
                    correlation_id=message.properties["correlation_id"],
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers=headers,
                )
            message.ack()

        with Consumer(channel, [Queue(queue, no_declare=True)], on_message=on_message):
            print("ready.", flush=True)
            while True:
                connection.drain_events()


def over_redis(url: str, stream: str) -> None:
    from redis import Redis

    client: Any = Redis.from_url(url, decode_responses=True)
    last = "0"
    print("ready.", flush=True)
    while True:
        found = client.xread({stream: last}, block=1000)
        for _, entries in found.items() if isinstance(found, dict) else found or []:
            for number, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
                last = number
                text, headers, times = answer(fields["body"].encode(), json.loads(fields["headers"]))
                said = {"body": text, "correlation_id": fields["correlation_id"], "headers": json.dumps(headers)}
                for _ in range(times):
                    client.xadd(fields["reply_to"], said)


if __name__ == "__main__":
    (over_redis if sys.argv[1].startswith("redis") else over_rabbitmq)(sys.argv[1], sys.argv[2])
