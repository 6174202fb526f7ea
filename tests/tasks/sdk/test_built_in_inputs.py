"""What a built-in connector declares is what it reads: nothing less, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tasks.connectors import http_request, kit, soap_request
from tasks.connectors.base import Connector, Job, JobError
from tasks.connectors.declared import Given, Input, read, read_job
from tasks.connectors.django_call import DjangoConnector
from tasks.connectors.shell import ShellConnector
from tasks.connectors.sql_request import JDBC
from tasks.jobs import registry
from tests.tasks.connectors.sftp.conftest import depot  # noqa: F401

NOBODY = "127.0.0.1:9"
"""Where nobody listens: what is read is read before anything is sent."""
SHOP = "tests.tasks.sdk.shop"
ALLOWED: dict[str, Connector] = {
    "shell": ShellConnector({"echo": ["/bin/echo"]}),
    "django": DjangoConnector([f"{SHOP}.price"]),
}
"""Those that do nothing until an operator allows it."""

JOBS: dict[str, list[dict[str, Any]]] = {
    "http": [{"url": f"http://{NOBODY}/", "method": "POST", "body": {"a": None}}],
    "http-connector": [{"url": f"http://{NOBODY}/", "method": "POST", "payload": "{}"}],
    "soap-http-connector": [{"url": f"http://{NOBODY}/", "payload": "<a/>"}],
    "soap": [
        {"wsdl": f"http://{NOBODY}/", "operation": "x"},
        {"serviceUrl": f"http://{NOBODY}/", "body": "<a/>"},
    ],
    "message": [
        {"url": f"amqp://{NOBODY}", "queue": "q", "mode": "reply", "replyTo": "r"},
        {"url": f"redis://{NOBODY}", "stream": "s"},
    ],
    "sql": [
        {"dsn": "sqlite://", "sql": "SELECT 1"},
        {"dsn": "sqlite://", "operation": "call", "function": "f"},
        {"database": "POSTGRESQL", "connection": {"authType": "uri", "uri": f"jdbc:postgresql://{NOBODY}/x"}},
    ],
    "script": [{"script": "1"}, {"script": "1", "language": "python"}],
    "email": [
        {"host": "127.0.0.1", "port": 9, "from": "a@example.org", "to": "b@example.org", "text": "x", "tls": "none"},
        {"url": f"smtp://{NOBODY}", "from": "a@example.org", "to": "b@example.org", "text": "x"},
    ],
    "sftp": [{"operation": operation, "path": "/in/a"} for operation in ("put", "get", "rename")],
    "shell": [{"command": "echo"}],
    "django": [{"callable": f"{SHOP}.price", "arguments": {"sku": "apple"}}],
}
REFUSED = {"http": {*http_request.UNSUPPORTED}, "soap": {soap_request.UNSUPPORTED}}
"""Looked at only to say that they cannot be had."""


class Variables(dict[str, Any]):
    """Notes which are asked for by name."""

    def __init__(self, given: dict[str, Any], asked: set[str]) -> None:
        super().__init__(given)
        self.asked = asked

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], str]]:
    """The names that are looked at, each with those that were declared beside it."""
    names: list[tuple[set[str], str]] = []

    def noted(given: Given, name: str) -> Any:
        names.append((set(given.keys()), name))
        return dict.__getitem__(given, name)

    monkeypatch.setattr(Given, "__getitem__", noted, raising=False)
    return names


def _job(connector: Connector, given: Any) -> Job:
    more = {"type": JDBC} if "database" in given else {}
    return kit.job(connector, given, lease=30.0, **more)


@pytest.mark.parametrize("name", JOBS)
def test_everything_declared_is_read_and_nothing_else(
    name: str, taken: list[tuple[set[str], str]], request: pytest.FixtureRequest
) -> None:
    connector = ALLOWED.get(name) or registry().get(name)
    assert connector is not None
    declared = {each.name for each in connector.inputs}  # type: ignore[attr-defined]
    asked: set[str] = set()
    for given in JOBS[name]:
        if name == "sftp":
            given = request.getfixturevalue("depot").access(**given)
        with suppress(JobError):
            connector.run(_job(connector, Variables(given, asked)))
    # One that calls by HTTP has the HTTP connector's inputs read as well, which are no inputs of its own.
    assert {found for beside, found in taken if beside <= declared} == declared
    assert asked - REFUSED.get(name, set()) <= declared


def test_every_built_in_declares() -> None:
    built_in = {
        known.connector.type: known.connector
        for known in registry().registrations.values()
        if known.owner.startswith("built-in")
    }
    assert built_in.keys() - {"s3"} == JOBS.keys()
    for connector in built_in.values():
        declared: tuple[Input, ...] = connector.inputs  # type: ignore[attr-defined]
        assert all(each.help for each in declared)


@pytest.mark.parametrize("ask", [lambda given: given["b"], lambda given: given.get("b")])
def test_what_is_not_declared_cannot_be_read(ask: Callable[[Given], Any]) -> None:
    given = read({"a": "x", "b": "y"}, (Input("a"),), closed=False)
    assert (given["a"], given.get("a")) == ("x", "x")
    with pytest.raises(KeyError):
        ask(given)


def test_unknown_names_are_refused_where_the_task_says_what_it_means() -> None:
    connector = registry().get("http")
    assert connector is not None
    inputs, strange = (Input("a"),), {"a": "x", "b": "y"}
    with pytest.raises(JobError, match="Expected the inputs a, but found the unknown input `b`"):
        read_job(kit.job(connector, strange), inputs)
    # Every variable that there is; and a template of somebody else's.
    assert read_job(kit.job(connector, strange, inputs_only=False), inputs) == {"a": "x"}
    assert read_job(kit.job(connector, strange, type="their:type"), inputs, ("their:type",)) == {"a": "x"}


def test_fields_and_choices() -> None:
    inputs = (Input("place", "context", fields=("host", "port")), Input("mode", choices=("One", "two")))
    assert read({"place": {"host": "h", "x": ""}, "mode": " ONE "}, inputs) == {
        "place": {"host": "h", "x": ""},
        "mode": "One",
    }
    assert read({"place": False}, inputs)["place"] is None
    with pytest.raises(JobError, match=r"Expected `place` to have host, port, but found `place\.user`"):
        read({"place": {"user": "u"}}, inputs)
