"""RabbitMQ, if there is one: at AMQP_URL, else where it stands by default. The demonstration does without as well."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from kombu import Connection
from kombu.exceptions import OperationalError

DEFAULT = "amqp://guest:guest@127.0.0.1:5672//"
CONNECT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Broker:
    """`lacking` is why there is none, or nothing. The names of its queues are this run's own."""

    url: str
    lacking: str
    questions: str
    answers: str

    @property
    def place(self) -> str:
        """Without credentials."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def login(self) -> tuple[str, str]:
        parts = urlsplit(self.url)
        return unquote(parts.username or "guest"), unquote(parts.password or "guest")

    @property
    def environment(self) -> dict[str, str]:
        """For the server whose worker listens for replies."""
        return {} if self.lacking else {"ORCHESTRATOR_REPLIES": f"{self.url}#{self.answers}"}


@contextmanager
def looked_for() -> Iterator[Broker]:
    """The broker. What queues there were for this run are gone afterwards."""
    url, run = os.environ.get("AMQP_URL") or DEFAULT, f"demo-{secrets.token_hex(4)}"
    broker = Broker(url, _lacking(url), f"{run}.questions", f"{run}.answers")
    try:
        yield broker
    finally:
        if not broker.lacking:
            # One that has gone meanwhile took the queues along, or they are its keeper's to remove.
            with suppress(OSError, OperationalError), Connection(url, connect_timeout=CONNECT_SECONDS) as connection:
                channel = connection.channel()
                for queue in (broker.questions, broker.answers, f"{broker.answers}.dead"):
                    channel.queue_delete(queue)


def _lacking(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("amqp", "amqps"):
        return f"AMQP_URL leads to no RabbitMQ (its scheme is {parts.scheme!r})"
    try:
        with Connection(url, connect_timeout=CONNECT_SECONDS) as connection:
            connection.connect()
    except (OSError, OperationalError, *Connection(url).connection_errors) as problem:
        return f"RabbitMQ cannot be reached at {parts.hostname}:{parts.port or 5672} ({type(problem).__name__})"
    return ""
