"""A credit bureau behind a queue of RabbitMQ: answers every question with a score, where the question says.

    python -m scripts.demonstration.bureau amqp://guest:guest@127.0.0.1:5672// QUEUE

A VAT number that ends in 0 belongs to somebody who does not pay.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from kombu import Connection, Consumer, Producer, Queue

GOOD, BAD = 82, 31


def score(question: dict[str, Any]) -> int:
    return BAD if question["vat"].endswith("0") else GOOD


def serve(url: str, queue: str) -> None:
    """Answer until the process is ended."""
    with Connection(url) as connection:
        channel = connection.channel()
        producer = Producer(channel, auto_declare=False)

        def answer(message: Any) -> None:
            asked = message.body if isinstance(message.body, str) else bytes(message.body).decode()
            producer.publish(
                json.dumps({"score": score(json.loads(asked)), "question": message.properties["message_id"]}),
                routing_key=message.properties["reply_to"],
                correlation_id=message.properties["correlation_id"],
                content_type="application/json",
                content_encoding="utf-8",
            )
            message.ack()
            print(f"asked {asked}", flush=True)

        with Consumer(channel, [Queue(queue, durable=True)], on_message=answer):
            print("ready.", flush=True)
            while True:
                connection.drain_events()


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("Expected the URL of a broker and the name of a queue")
    try:
        serve(sys.argv[1], sys.argv[2])
    except KeyboardInterrupt:
        os._exit(0)


if __name__ == "__main__":
    main()
