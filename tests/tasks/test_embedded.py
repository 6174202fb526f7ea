"""One process that does everything: `manage.py serve` without a broker."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from knox.models import AuthToken

from processes.models import Job, Worker
from processes.runtime.definitions import deploy
from tests.drawing import Drawing
from tests.tasks.fleet import Desk, Fleet, eventually, free_port

pytestmark = pytest.mark.workers


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def alone(transactional_db: None, desk: Desk, tmp_path: Path) -> Iterator[Fleet]:
    # Announces again so late that what is done before the test gives up was found at once.
    fleet = Fleet(tmp_path, desk, AMQP_URL="", ORCHESTRATOR_SHUTDOWN_SECONDS="60", ORCHESTRATOR_HINT_SECONDS="600")
    yield fleet
    fleet.stop()
    print(fleet.output())


class Client:
    """Asks over HTTP, as an operator with a token."""

    def __init__(self, port: int) -> None:
        user = get_user_model().objects.create_superuser("operator")
        self._token = AuthToken.objects.create(user)[1]
        self._base = f"http://127.0.0.1:{port}/api/v1/"

    def ask(self, path: str, body: bytes | dict[str, Any] | None = None) -> Any:
        kind = "application/xml" if isinstance(body, bytes) else "application/json"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        headers = {"Authorization": f"Token {self._token}", "Content-Type": kind}
        request = urllib.request.Request(self._base + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def test_an_instance_is_finished_in_the_web_process(alone: Fleet, desk: Desk, port: int) -> None:
    server = alone.process(["manage.py", "serve", "--migrate", "--port", str(port)])
    server.wait_for("ready.")
    client = Client(port)
    drawing = Drawing("order").start().service("first", type="call").service("second", type="call").end()
    client.ask("process-definitions", drawing.xml())

    started = client.ask("process-instances", {"process_id": "order", "variables": {"amount": 3}})
    eventually(lambda: client.ask(f"process-instances/{started['id']}")["state"] == "COMPLETED")
    assert [call["element"] for call in desk.calls()] == ["first", "second"]
    assert "call" in eventually(Worker.objects.first, what="the worker to report").types

    # SIGTERM: what runs is finished, nothing else is begun.
    with desk.holding():
        last = client.ask("process-instances", {"process_id": "order"})
        eventually(lambda: len(desk.calls()) == 3)
        server.terminate()
        server.wait_for("Worker exiting")  # the child was told, and waits for what runs
    assert server.ended() == 0
    assert [(job.element_id, job.state) for job in Job.objects.filter(instance=last["id"])] == [("second", "DUE")]


def test_what_a_command_starts_is_worked_on_at_once(alone: Fleet, desk: Desk, port: int) -> None:
    server = alone.process(["manage.py", "serve", "--migrate", "--port", str(port)])
    server.wait_for("ready.")
    deploy(Drawing("order").start().service("first", type="call").end().xml())
    # The announcement in its own memory reaches nobody, but the sweep knows.
    started = alone.process(["manage.py", "start_process", "order", "--wait", "60"])
    assert started.ended(within=90) == 0, started.output()
    server.terminate()
    assert server.ended() == 0


def test_a_long_poll_does_not_hold_up_the_end(alone: Fleet, port: int) -> None:
    server = alone.process(["manage.py", "serve", "--migrate", "--port", str(port)])
    server.wait_for("ready.")
    client = Client(port)
    with ThreadPoolExecutor() as pool:
        poll = pool.submit(client.ask, "jobs/claim", {"type": "nothing", "worker": "w", "wait_seconds": 50})
        eventually(lambda: Worker.objects.filter(name="w").exists())
        began = time.monotonic()
        server.terminate()
        assert poll.result() == {"jobs": []}
    assert server.ended() == 0
    assert time.monotonic() - began < 30, "neither the poll nor the patience with what runs was over"


def test_with_a_broker_it_serves_the_web_only(alone: Fleet, port: int) -> None:
    server = alone.process(
        ["manage.py", "serve", "--port", str(port)], AMQP_URL="amqp://nobody@127.0.0.1:1//", DEBUG="1"
    )
    server.wait_for("Booting worker")

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    eventually(answers)
    assert "web only" in server.output()
    assert not Worker.objects.exists()
    server.terminate()
    assert server.ended() == 0
