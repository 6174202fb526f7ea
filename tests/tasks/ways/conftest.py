"""Everybody outside, each as real as can be: servers, brokers and databases of other tests, and connections to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from processes.runtime import connections, secrets
from tasks.connectors.sql_engines import engines
from tests.tasks.connectors.email.conftest import Post
from tests.tasks.connectors.email.conftest import post as post
from tests.tasks.connectors.message.conftest import AMQP
from tests.tasks.connectors.message.conftest import _hang_up as _hang_up
from tests.tasks.connectors.message.conftest import amqp as amqp
from tests.tasks.connectors.message.conftest import prefix as prefix
from tests.tasks.connectors.message.conftest import rabbit as rabbit
from tests.tasks.connectors.server import Handler, Server, running
from tests.tasks.connectors.soap.conftest import Service
from tests.tasks.connectors.soap.conftest import _connector as _connector
from tests.tasks.connectors.soap.conftest import _service as _service
from tests.tasks.connectors.soap.conftest import service as service
from tests.tasks.connectors.sql.conftest import run
from tests.tasks.fleet import database_url

KEY = Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def _secrets_can_be_kept(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [KEY], "PRIVATE_ADDRESSES": "allow"}


class Web(Server):
    """An HTTP server that answers every path as it is told, and notes who asked what."""

    def __init__(self, answers: dict[str, tuple[int, bytes]]) -> None:
        super().__init__()
        self.RequestHandlerClass = type("Answering", (Handler,), {"path_echo": self._answer})
        self.answers = answers

    @staticmethod
    def _answer(handler: Handler) -> None:
        server: Any = handler.server
        status, body = server.answers.get(handler.path, (404, b"{}"))
        handler.answer(status, body, "application/json")


@pytest.fixture
def web() -> Iterator[Web]:
    with running(Web({})) as server:
        assert isinstance(server, Web)
        yield server


@pytest.fixture
def database(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """The address of somebody else's database, on the same kind of server as ours; its tables go with it."""
    dsn = database_url() if connection.vendor == "postgresql" else f"sqlite:///{tmp_path}/theirs.db"
    yield dsn
    if connection.vendor == "postgresql":
        run(dsn, operation="execute", sql="DROP TABLE IF EXISTS customer")
        engines.close()  # a kept connection would keep the database of the tests


def connect(name: str, url: str, **fields: Any) -> None:
    """Make a connection; a password in the URL becomes a secret, as it must."""
    parts = urlsplit(url)
    if parts.password:
        secrets.put(f"{name}-password", unquote(parts.password))
        login = {"username": unquote(parts.username or ""), "password": f"{{{{secrets.{name}-password}}}}"}
        fields["authentication"] = login
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    connections.put(name, {"url": url, **fields}, by="user:ada")


def connect_post(post: Post) -> None:
    """The SMTP server, which wants TLS and a password."""
    given = post.connection
    url = given.url.replace("://", f"://{given.authentication['username']}:correct%20horse@")
    connect("post", url, tls=dict(given.tls))


__all__ = ["AMQP", "KEY", "Post", "Service", "Web", "connect", "connect_post"]
