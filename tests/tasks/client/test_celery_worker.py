"""A job type served by a foreign Celery app over RabbitMQ and REST."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from knox.models import AuthToken
from kombu import Connection

from processes.models import ProcessInstance
from processes.runtime import instances
from processes.runtime.definitions import deploy
from tasks.jobs import registry
from tasks.registry import RegistryError
from tests.drawing import Drawing
from tests.tasks.fleet import BROKER, PREFIX, Fleet, eventually, free_port

pytestmark = [pytest.mark.workers, pytest.mark.rabbitmq]

QUEUE = f"{PREFIX}foreign"


@pytest.fixture
def foreign(fleet: Fleet, settings: Any) -> Iterator[Fleet]:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "REMOTE_TYPES": {"charge": QUEUE}}
    fleet.environment |= {"ORCHESTRATOR_REMOTE_TYPES": f"charge={QUEUE}", "ORCHESTRATOR_HINT_SECONDS": "1"}
    yield fleet
    with Connection(BROKER, connect_timeout=30) as connection:
        connection.default_channel.queue_delete(QUEUE)
        connection.default_channel.exchange_delete(QUEUE)


def test_it_serves_jobs_from_its_own_queue(foreign: Fleet) -> None:
    port = free_port()
    token = AuthToken.objects.create(get_user_model().objects.create_superuser("foreign"))[1]
    foreign.process(["manage.py", "serve", "--port", str(port)]).wait_for("Booting worker")
    foreign.process(["manage.py", "sweep", "--every", "0.3"])
    drawing = Drawing("payment").start().service("pay", type="charge").end()
    definition = deploy(drawing.xml()).definitions[0].definition

    def start(how: str = "") -> ProcessInstance:
        return instances.start(definition, variables={"amount": Decimal("0.10"), "how": how}).instance

    lost = start()  # nobody has declared the queue yet: announced into the void
    worker = foreign.process(
        ["-m", "celery", "-A", "tests.tasks.client.foreign", "worker", "-P", "threads", "-c", "4", "-l", "info"],
        DJANGO_SETTINGS_MODULE="",
        DATABASE_URL="",
        FOREIGN_QUEUE=QUEUE,
        ORCHESTRATOR_URL=f"http://127.0.0.1:{port}",
        ORCHESTRATOR_TOKEN=token,
    )
    worker.wait_for("ready.")
    others = [start(), start("once more")]

    def done(instance: ProcessInstance) -> ProcessInstance | None:
        return ProcessInstance.objects.filter(pk=instance.pk, state="COMPLETED").first()

    for instance in (lost, *others):
        found = eventually(lambda instance=instance: done(instance), what="the foreign app to serve it")
        assert (str(found.variables["charged"]), found.variables["by"]) == ("0.10", "foreign")
    assert "AttemptFailed" in worker.output(), "Celery knows of the failed attempt"


def test_a_type_is_served_in_one_place(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "REMOTE_TYPES": {"http": "elsewhere"}}
    registry.cache_clear()
    try:
        with pytest.raises(RegistryError, match="'http' to be served here or elsewhere"):
            registry()
    finally:
        registry.cache_clear()
