"""A broker that is there or else the test is skipped, and workers that end with their test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from processes.runtime import dispatch
from tasks import dispatch as announcing
from tasks import worker
from tasks.jobs import registry
from tasks.registry import Registry
from tests.tasks import fleet as ships

SHOP = "tests.tasks.shop"


def _reach() -> str:
    """Why the broker cannot be reached, or nothing."""
    try:
        with Connection(ships.BROKER, connect_timeout=30) as connection:
            connection.ensure_connection(max_retries=0)
    except (OSError, OperationalError) as problem:
        return f"{type(problem).__name__}: {problem}"
    return ""


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """The address of a running RabbitMQ. Queues of this run are removed in the end."""
    if trouble := _reach():
        reason = f"RabbitMQ cannot be reached ({trouble})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    yield ships.BROKER
    with Connection(ships.BROKER, connect_timeout=30) as connection:
        channel = connection.channel()
        for name in [*Registry.load([SHOP]).types, "django", "shell", "shop", "dead"]:
            channel.queue_delete(f"{ships.PREFIX}{name}")
        for name in ("direct", "dead"):
            channel.exchange_delete(f"{ships.PREFIX}{name}")


@pytest.fixture
def on_the_broker(rabbitmq: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process announces jobs over the broker, as a web process would, and has patience with a busy one."""
    monkeypatch.setattr(announcing, "ANSWER_SECONDS", 30.0)
    settings.CELERY_BROKER_URL = rabbitmq
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    settings.ORCHESTRATOR = {
        **settings.ORCHESTRATOR,
        "QUEUE_PREFIX": ships.PREFIX,
        "CONNECTORS": [SHOP],
        "DISPATCHER": "tests.tasks.fleet.FleetDispatcher",
    }
    registry.cache_clear()
    yield
    registry.cache_clear()
    while ships.FleetDispatcher.made:
        ships.FleetDispatcher.made.pop().close()


@pytest.fixture
def desk() -> Iterator[ships.Desk]:
    desk = ships.Desk()
    yield desk
    desk.close()


@pytest.fixture
def fleet(
    on_the_broker: None, transactional_db: None, desk: ships.Desk, tmp_path: Path, request: Any
) -> Iterator[ships.Fleet]:
    """Workers on the database of this test. Those that still run in the end are killed."""
    fleet = ships.Fleet(tmp_path, desk)
    yield fleet
    fleet.stop()
    print(fleet.output())


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine is no reason for a worker of this process to leave the next job of an instance to others."""
    monkeypatch.setattr(worker, "SLICE_SECONDS", 600.0)


@pytest.fixture(autouse=True)
def fresh_dispatcher() -> None:
    """Nobody inherits the connection, or the bad experiences, of another test's dispatcher."""
    dispatch._dispatcher.cache_clear()
