"""The stack: web server, workers and a bank, on the database of the test. Embedded on SQLite, a fleet on PostgreSQL."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.db import connection

from processes.runtime import connections
from tests.admin.console.bank import Bank
from tests.tasks.conftest import desk, rabbitmq
from tests.tasks.fleet import Desk, Fleet, eventually

__all__ = ["desk", "rabbitmq"]


SOON = 90
"""Seconds that browsers, servers and workers are given for what takes them one or two: they share a machine."""


@dataclass(frozen=True, slots=True)
class Stack:
    url: str
    bank: Bank


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.close()


@pytest.fixture
def stack(
    transactional_db: None, settings: Any, desk: Desk, bank: Bank, chromium: str, tmp_path: Path, request: Any
) -> Iterator[Stack]:
    """Who wants it has Chromium, too: without, nothing is started."""
    key = Fernet.generate_key().decode()
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [key], "PRIVATE_ADDRESSES": "allow"}
    get_user_model().objects.create_superuser("operator", "operator@example.org", "a-long-password")
    connections.put("bank", {"url": bank.url, "breaker_failures": 0, "concurrency": 8}, by="user:ada")
    embedded = connection.vendor == "sqlite"
    broker = "" if embedded else request.getfixturevalue("rabbitmq")
    fleet = Fleet(tmp_path, desk, AMQP_URL=broker, DEBUG="0", ORCHESTRATOR_FIELD_KEYS=key)
    with socket.socket() as place:
        # Bound until the end, so that the port is nobody else's; who says so, too, may listen on it beside that.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        port = str(place.getsockname()[1])
        try:
            if embedded:
                fleet.process(["manage.py", "serve", "--port", port]).wait_for("ready.", within=SOON)
            else:
                web = ["-m", "gunicorn", "--config", "python:orchestrator.gunicorn", "orchestrator.wsgi:application"]
                fleet.process([*web, "--bind", f"127.0.0.1:{port}", "--workers", "2", "--no-control-socket"])
                fleet.begin(concurrency=4).wait_for("ready.", within=SOON)
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: _answers(url), within=SOON, what="the web server to answer")
            yield Stack(url, bank)
        finally:
            fleet.stop()
            print(fleet.output())


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    time.sleep(0.2)
    return False
