"""RabbitMQ and Redis as they are, with names that nobody else uses and that are gone afterwards."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection
from redis import Redis

from tasks.connectors.base import Job, JobError, Response
from tasks.connectors.message import MessageConnector
from tests.tasks.connectors.conftest import as_json, make_job

AMQP = os.environ.get("AMQP_URL") or "amqp://guest:guest@127.0.0.1:5672//"
REDIS = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
CONNECTOR = MessageConnector()


def _missing(what: str, problem: Exception) -> None:
    reason = f"{what} cannot be reached ({type(problem).__name__}: {problem})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def amqp() -> None:
    """RabbitMQ is there."""
    try:
        with Connection(AMQP, connect_timeout=10) as connection:
            connection.ensure_connection(max_retries=3, interval_start=1)
    except Exception as problem:  # noqa: BLE001 - whatever it is
        _missing("RabbitMQ", problem)


@pytest.fixture(scope="session")
def redis() -> Iterator[Any]:
    client = Redis.from_url(REDIS, socket_timeout=30)
    try:
        client.ping()
    except Exception as problem:  # noqa: BLE001 - whatever it is
        _missing("Redis", problem)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers that are to stop look up from their queue soon."""
    monkeypatch.setattr("tasks.listeners.LOOK_SECONDS", 0.2)


@pytest.fixture
def prefix() -> str:
    """Of all names of a test."""
    return f"test-message-{uuid.uuid4().hex[:10]}"


class Rabbit:
    """Queues of one test."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # Of its own: another test may have had the broker restarted.
        self._connection = Connection(AMQP, connect_timeout=10)
        self._connection.ensure_connection(max_retries=10, interval_start=0.5, interval_step=0.5)
        self.channel: Any = self._connection.channel()
        self._made: list[str] = []
        self._exchanges: list[str] = []

    def queue(self, name: str = "queue", *, make: bool = True, **arguments: Any) -> str:
        name = f"{self._prefix}.{name}"
        if make:
            self.channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments or None)
        self._made += [name, f"{name}.dead"]
        return name

    def exchange(self, name: str = "exchange", kind: str = "topic") -> str:
        name = f"{self._prefix}.{name}"
        self.channel.exchange_declare(name, kind, durable=True, auto_delete=False)
        self._exchanges.append(name)
        return name

    def get(self, queue: str) -> Any:
        """The next message, or None."""
        return self.channel.basic_get(queue, no_ack=True)

    def put(self, queue: str, body: Any, headers: dict[str, Any] | None = None, **properties: Any) -> None:
        import amqp as library

        given = {"content_type": "application/json", "delivery_mode": 2, **properties}
        message = library.Message(body, application_headers=headers or {}, **given)
        self.channel.basic_publish(message, exchange="", routing_key=queue)

    def exists(self, queue: str) -> bool:
        try:
            with self._connection.channel() as channel:
                channel.queue_declare(queue, passive=True)
        except self._connection.channel_errors:
            return False
        return True

    def count(self, queue: str) -> int:
        return int(self.channel.queue_declare(queue, passive=True).message_count)

    def close(self) -> None:
        for name in self._made:
            self.channel.queue_delete(name)
        for name in self._exchanges:
            self.channel.exchange_delete(name)
        self._connection.release()


@pytest.fixture
def rabbit(amqp: None, prefix: str) -> Iterator[Rabbit]:
    rabbit = Rabbit(prefix)
    yield rabbit
    rabbit.close()


@pytest.fixture
def stream(redis: Any, prefix: str) -> Iterator[Callable[[str], str]]:
    made: list[str] = []

    def name(what: str = "stream") -> str:
        made.append(f"{prefix}.{what}")
        return made[-1]

    yield name
    for each in made:
        redis.delete(each, f"{each}.dead")


def job(**variables: Any) -> Job:
    return make_job(type="message", variables=variables)


def send(url: str = AMQP, **variables: Any) -> Response:
    """What a message that was sent and not waited for gives."""
    response = CONNECTOR.run(job(url=url, **variables))
    assert isinstance(response, Response)
    as_json(dict(response))
    as_json(response.journal)
    return response


def failure(url: Any = AMQP, **variables: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        CONNECTOR.run(job(url=url, **variables))
    as_json(caught.value.details)
    as_json(caught.value.journal)
    return caught.value


@pytest.fixture(scope="session", autouse=True)
def _hang_up() -> Iterator[None]:
    """The connections of the main thread are ours to close."""
    yield
    CONNECTOR._rabbitmq._mine.shelf.close()
