"""Due jobs are announced where somebody listens, and never at the cost of whoever made them."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection

from orchestrator.broker import dead_letter_queue, queue_name
from processes.runtime.dispatch import DueJob
from tasks import dispatch
from tests.tasks.fleet import BROKER, FleetDispatcher, eventually, make_app


@pytest.fixture
def silence() -> Iterator[int]:
    """A port on which somebody accepts connections, and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else is given meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@pytest.mark.parametrize("port", ["silence", "closed"])
def test_a_broker_that_is_away_holds_nobody_up(
    port: str, request: Any, settings: Any, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "AWAY_SECONDS", 600.0)
    settings.CELERY_BROKER_URL = f"amqp://guest:guest@127.0.0.1:{request.getfixturevalue(port)}//"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    dispatcher = dispatch.CeleryDispatcher(make_app())
    caplog.set_level(logging.WARNING, logger="tasks.dispatch")

    began = time.monotonic()
    for number in range(100):
        dispatcher.jobs_due([DueJob(number, "http")])

    # One waits for an answer, and the others do not: however slow the machine, a hundred waits would take longer.
    assert time.monotonic() - began < 100 * dispatch.ANSWER_SECONDS / 2
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["The broker cannot be reached"]


def depth(type: str) -> int:
    with Connection(BROKER) as connection:
        return connection.channel().queue_declare(queue_name(type), passive=True).message_count


@pytest.mark.rabbitmq
def test_a_queue_that_holds_enough_is_not_filled(on_the_broker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "ENOUGH", 5)
    monkeypatch.setattr(dispatch, "LOOK_SECONDS", 600.0)  # the broker may be late with what it counts
    dispatcher = FleetDispatcher()
    dispatcher.jobs_due([DueJob(1, "echo")])
    with Connection(BROKER) as connection:
        connection.channel().queue_purge(queue_name("echo"))

    dispatcher.jobs_due([DueJob(number, "echo") for number in range(20)])

    eventually(lambda: 1 <= depth("echo") <= 5)
    time.sleep(0.3)
    assert depth("echo") <= 5
    with Connection(BROKER) as connection:
        connection.channel().queue_purge(queue_name("echo"))


@pytest.mark.rabbitmq
def test_a_type_without_a_connector_waits_for_an_external_worker(on_the_broker: None) -> None:
    FleetDispatcher().jobs_due([DueJob(1, "nobody-knows-this-type")])
    with Connection(BROKER) as connection, pytest.raises(connection.channel_errors):
        connection.channel().queue_declare(queue_name("nobody-knows-this-type"), passive=True)


@pytest.mark.rabbitmq
def test_a_connection_that_died_is_replaced(on_the_broker: None) -> None:
    dispatcher = FleetDispatcher()
    dispatcher.jobs_due([DueJob(1, "echo")])
    before = depth("echo")
    assert dispatcher._producer is not None
    dispatcher._producer.connection.transport.client.connection.transport.sock.shutdown(socket.SHUT_RDWR)
    dispatcher.jobs_due([DueJob(2, "echo")])
    eventually(lambda: depth("echo") > before)


def test_queues_are_quorum_queues_on_rabbitmq_only(settings: Any) -> None:
    from orchestrator.broker import job_queue

    settings.CELERY_BROKER_URL = "redis://localhost/0"
    assert job_queue("jobs.http").queue_arguments == {}
    settings.CELERY_BROKER_URL = "amqps://rabbit/shop"
    assert job_queue("jobs.http").queue_arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 5,
        "x-dead-letter-exchange": dead_letter_queue().exchange.name,
    }
