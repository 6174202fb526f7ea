"""The conformance kit, on every connector that is built in, against the servers that their tests have."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tasks.connectors import kit
from tasks.connectors.django_call import DjangoConnector
from tasks.connectors.email import EmailConnector
from tasks.connectors.http import HttpConnector
from tasks.connectors.http_camunda7 import Camunda7HttpConnector, Camunda7SoapConnector
from tasks.connectors.message import MessageConnector
from tasks.connectors.script import ScriptConnector
from tasks.connectors.sftp import SftpConnector
from tasks.connectors.shell import ShellConnector
from tasks.connectors.soap import SoapConnector
from tasks.connectors.sql import SqlConnector
from tasks.jobs import registry
from tests.tasks.connectors.email.conftest import Post, post  # noqa: F401
from tests.tasks.connectors.message.conftest import AMQP, Rabbit, amqp, prefix, rabbit  # noqa: F401
from tests.tasks.connectors.server import Server
from tests.tasks.connectors.sftp.conftest import Depot, depot  # noqa: F401
from tests.tasks.connectors.soap.conftest import Service, _connector, _service, service  # noqa: F401
from tests.tasks.connectors.sql.conftest import postgresql  # noqa: F401

SECRET = "s3cret-word"
SHOP = "tests.tasks.sdk.shop"

Case = dict[str, Any]
Ask = Callable[[str], Any]
"""Gets a fixture by its name."""


def http(ask: Ask) -> Case:
    server: Server = ask("server")
    base = {"url": f"{server.url}/echo", "method": "POST", "body": {"a": 1}}
    good = {**base, "authentication": {"type": "bearer", "token": SECRET}}
    return {
        "connector": HttpConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "url": "ftp://a/"},
            {**good, "url": f"http://ann:{SECRET}@127.0.0.1:9/"},
            {**good, "form": {"a": 1}},
            {**good, "headers": {"a b": "c"}},
            {**good, "authentication": {"type": "magic", "token": SECRET}},
            {**good, "authentication": {"type": "apiKey", "name": "x", "value": SECRET}},
            {**good, "maxResponseBytes": 0},
        ],
        "slow_inputs": {**good, "url": f"{server.url}/silent"},
        "large_inputs": {**good, "url": f"{server.url}/large?size=2000000"},
        "failing_inputs": {**good, "url": f"{server.url}/declined"},
        "secrets": [SECRET],
        "keys": lambda: [seen["headers"].get("idempotency-key") for seen in server.seen],
        "calls": lambda: len(server.seen),
    }


def http_connector(ask: Ask) -> Case:
    server: Server = ask("server")
    good = {
        "url": f"{server.url}/echo",
        "method": "POST",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "payload": '{"a": 1}',
    }
    return {
        "connector": Camunda7HttpConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "url": "ftp://a/"},
            {**good, "method": "TAKE"},
            {**good, "headers": {"a b": "c"}},
            {**good, "config": {"socket-timeout": "soon"}},
            {**good, "config": {"proxy": "http://p"}},
        ],
        "slow_inputs": {**good, "url": f"{server.url}/silent"},
        "large_inputs": {**good, "url": f"{server.url}/large?size=2000000"},
        "failing_inputs": {**good, "url": f"{server.url}/declined", "config": {"throw-http-error": "true"}},
        "secrets": [SECRET],
        "keys": lambda: [seen["headers"].get("idempotency-key") for seen in server.seen],
        "calls": lambda: len(server.seen),
        "refuses_unknown": False,  # what the activity maps for itself is there too
    }


def soap_http_connector(ask: Ask) -> Case:
    case = http_connector(ask)
    without = [{**given, "method": None} for given in case["bad_inputs"] if given["method"] == "POST"]
    return {**case, "connector": Camunda7SoapConnector(), "bad_inputs": without}


def soap(ask: Ask) -> Case:
    known: Service = ask("service")
    seen: list[dict[str, Any]] = []

    def posts() -> list[dict[str, Any]]:
        seen.extend(asked for asked in known.told() if asked["method"] == "POST")
        return seen

    login = {"type": "usernameToken", "username": "ann", "password": SECRET}
    good = known.inputs("add", parameters={"a": 1, "b": 2}, authentication=login)
    return {
        "connector": SoapConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "wsdl": "ftp://a/"},
            {**good, "operation": ""},
            {**good, "operation": "subtract"},
            {**good, "parameters": {"c": 1}},
            {**good, "parameters": {"a": "many"}},
            {**good, "headers": {"Unknown": 1}},
            {**good, "authentication": {"type": "magic", "password": SECRET}},
            {**good, "authentication": {"type": "signature", "certificate": "x", "privateKey": SECRET}},
            {**good, "soapVersion": "1.3"},
            {**good, "attachments": ["a"]},
        ],
        "slow_inputs": {**good, "endpoint": f"{known.url}/slow"},
        "large_inputs": {**good, "endpoint": f"{known.url}/huge"},
        "failing_inputs": {**good, "operation": "fail", "parameters": {"how": "Server"}},
        "secrets": [SECRET],
        "keys": lambda: [re.findall(r"urn:uuid:([0-9a-f-]{36})", each["body"])[0] for each in posts()],
        "calls": lambda: len(posts()),
    }


def message(ask: Ask) -> Case:
    broker: Rabbit = ask("rabbit")
    queue = broker.queue("kit")
    mute = ask("mute")
    seen: list[str] = []

    def taken() -> list[str]:
        while (found := broker.get(queue)) is not None:
            seen.append(found.properties["message_id"])
        return seen

    good = {"url": AMQP, "queue": queue, "body": {"a": 1, "password": SECRET}, "headers": {"x-token": SECRET}}
    return {
        "connector": MessageConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "url": ""},
            {**good, "url": f"http://ann:{SECRET}@127.0.0.1/"},
            {**good, "queue": ""},
            {**good, "exchange": "e"},
            {**good, "stream": "s"},
            {**good, "mode": "reply"},
            {**good, "body": "x" * 16_000_001},
            {**good, "properties": {"priority": 256}},
        ],
        "slow_inputs": {**good, "url": f"amqp://ann:{SECRET}@127.0.0.1:{mute}"},
        "failing_inputs": {**good, "queue": f"{queue}.none"},
        "secrets": [SECRET],
        "keys": taken,
        "calls": lambda: len(taken()),
    }


def sql(ask: Ask) -> Case:
    dsn: str = ask("postgresql")

    def keys() -> list[str]:
        with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS kit (key text)")
            cursor.execute("SELECT key FROM kit")
            found = [key for (key,) in cursor.fetchall()]
        connection.close()
        return found

    keys()
    good = {"dsn": dsn, "operation": "execute", "sql": "INSERT INTO kit (key) VALUES (:idempotency_key)"}
    query = {"dsn": dsn, "operation": "query"}
    return {
        "connector": SqlConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "dsn": ""},
            {**good, "dsn": f"no address, {SECRET}"},
            {**good, "sql": ""},
            {**good, "sql": "SELECT 1; SELECT 2"},
            {**good, "parameters": {"b": 1}},
            {**good, "statements": ["SELECT 1"]},
            {**good, "maxRows": 0},
            {**good, "deadlineInSeconds": -1},
            {**good, "database": "POSTGRESQL"},
        ],
        "slow_inputs": {**query, "sql": "SELECT pg_sleep(30)"},
        "large_inputs": {**query, "sql": "SELECT * FROM generate_series(1, 2000)"},
        "failing_inputs": {**query, "sql": "SELECT 1 / 0"},
        "secrets": ["s3cr3t-pass", SECRET],
        "keys": keys,
        "calls": lambda: len(keys()),
    }


def script(ask: Ask) -> Case:
    pytest.importorskip("pydantic_monty", reason="pydantic-monty, an extra, is not installed")
    good = {"script": "a + 1", "language": "python", "a": 1}
    return {
        "connector": ScriptConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "maxMemoryMegabytes": 8},
            {**good, "deadlineInSeconds": 61},
            {**good, "language": "sh"},
        ],
        "slow_inputs": {**good, "script": "while True: pass"},
        "large_inputs": {**good, "script": "'x' * 2_000_000"},
        "failing_inputs": {**good, "script": "a / 0"},
        "refuses_unknown": False,
    }


def email(ask: Ask) -> Case:
    office: Post = ask("post")
    good = {
        "host": "127.0.0.1", "port": office.ports["plain"], "tls": "none", "from": "shop@example.org",
        "to": "bob@example.org", "subject": "Hello", "text": "Hello Bob",
    }  # fmt: skip
    return {
        "connector": EmailConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "to": ""},
            {**good, "from": ""},
            {**good, "from": "a@example.org, b@example.org"},
            {**good, "to": "nobody"},
            {**good, "to": [7]},
            {**good, "to": "bob@example.org\r\nBcc: eve@example.org"},
            {**good, "subject": "a\nBcc: eve@example.org"},
            {**good, "text": ""},
            {**good, "headers": {"X-A": "a\r\nb"}},
            {**good, "headers": {"Bcc": "eve@example.org"}},
            {**good, "headers": {"X A": "b"}},
            {**good, "attachments": [{"name": "a", "content": "no base64!"}]},
            {**good, "attachments": [{"name": "a"}]},
            {**good, "attachments": ["a"]},
            {**good, "tls": "maybe"},
            {**good, "host": ""},
            {**good, "host": "a b"},
            {**good, "port": 70_000},
            {**good, "url": "http://example.org"},
            {**good, "host": "", "port": "", "url": f"ftp://ann:{SECRET}@example.org"},
            {**good, "username": "ada"},
            {**good, "to": [f"u{number}@example.org" for number in range(101)]},
        ],
        "slow_inputs": {**good, "to": "slow@example.org"},
        "failing_inputs": {**good, "to": "no@example.org"},
        "secrets": [SECRET],
        "keys": lambda: _email_keys(office),
        "calls": lambda: len(office.taken()),
    }


def _email_keys(office: Post) -> list[str]:
    found = re.findall(
        r"^Message-ID: <([0-9a-f-]{36})", "\n".join(note["body"] for note in office.taken()), re.MULTILINE
    )
    return [str(key) for key in found]


def email_of_a_connection(ask: Ask) -> Case:
    """With credentials and TLS, which a connection has."""
    office: Post = ask("post")
    good = {"from": "shop@example.org", "to": "bob@example.org", "subject": "Hello", "text": "Hello Bob"}
    return {
        "connector": EmailConnector(),
        "connection": office.connection,
        "inputs": good,
        "slow_inputs": {**good, "to": "slow@example.org"},
        "failing_inputs": {**good, "to": "no@example.org"},
        "secrets": ["correct horse"],
    }


def sftp(ask: Ask) -> Case:
    pytest.importorskip("paramiko", reason="paramiko, an extra, is not installed")
    house: Depot = ask("depot")
    good = house.access(operation="put", path="/in/kit.txt", content="x")
    (house.folder / "slow").write_text("x")
    (house.folder / "large").write_text("x" * 100)
    return {
        "connector": SftpConnector(),
        "inputs": good,
        "bad_inputs": [
            {**good, "operation": "burn"},
            {**good, "path": ""},
            {**good, "hostKey": ""},
            {**good, "host": ""},
            {**good, "username": ""},
            {**good, "password": ""},
            {**good, "privateKey": "both"},
            {**good, "password": "", "privateKey": "not a key"},
            {**good, "encoding": "base64", "content": "?"},
            {**good, "operation": "get"},
            {**good, "operation": "rename", "content": ""},
            {**good, "port": 0.5},
            {**good, "maxBytes": 0},
            {**good, "overwrite": "perhaps"},
        ],
        "slow_inputs": house.access(operation="get", path="/slow"),
        "large_inputs": house.access(operation="get", path="/large", maxBytes=10),
        "failing_inputs": house.access(operation="get", path="/nothing"),
        "secrets": ["correct horse"],
    }


def shell(ask: Ask) -> Case:
    seen: Path = ask("tmp_path") / "seen"
    seen.touch()
    python = ShellConnector({"python": [sys.executable, "-I", "-c"]})
    code = "import os, sys; f = open(sys.argv[1], 'a'); f.write(os.environ['JOB_KEY'] + chr(10)); f.close()"
    good = {"command": "python", "arguments": [code, str(seen), 1, True, SECRET], "stdin": SECRET}
    return {
        "connector": python,
        "inputs": good,
        "bad_inputs": [
            {},
            {**good, "command": "rm"},
            {**good, "command": "/bin/echo"},
            {**good, "arguments": "a b"},
            {**good, "arguments": [{"a": 1}]},
            {**good, "arguments": ["a\0b"]},
            {**good, "format": "xml"},
            {**good, "exitCodes": ["one"]},
            {**good, "maxOutputBytes": 0},
            {**good, "timeoutInSeconds": -1},
        ],
        "slow_inputs": {**good, "arguments": ["import time; time.sleep(30)"]},
        "large_inputs": {**good, "arguments": ["print('x' * 2_000_000)"]},
        "failing_inputs": {**good, "arguments": ["raise SystemExit(3)", SECRET]},
        "secrets": [SECRET],
        "keys": lambda: seen.read_text().splitlines(),
        "calls": lambda: len(seen.read_text().splitlines()),
    }


def django(ask: Ask) -> Case:
    good = {"callable": f"{SHOP}.price", "arguments": {"sku": "apple", "quantity": 3}, "transaction": "own"}
    return {
        "connector": DjangoConnector([f"{SHOP}.price", "django.contrib.auth.models.User.get_full_name"]),
        "inputs": good,
        "bad_inputs": [
            {},
            {"callable": "os.system", "arguments": {"command": "id"}},
            {"callable": f"{SHOP}.prices"},
            {"callable": f"{SHOP}.price"},
            {"callable": f"{SHOP}.price", "arguments": {"sku": "apple", "colour": "red"}},
            {"callable": f"{SHOP}.price", "arguments": ["apple"]},
            {"callable": f"{SHOP}.price", "arguments": {"sku": "apple"}, "pk": 1},
            {"callable": "django.contrib.auth.models.User.get_full_name"},
        ],
        "failing_inputs": {**good, "arguments": {"sku": "pear"}},
    }


CASES: list[Callable[[Ask], Case]] = [
    http, http_connector, soap_http_connector, soap, message, sql, script, email, email_of_a_connection, sftp, shell,
    django,
]  # fmt: skip


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()
    for each in taken:
        each.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_is_a_good_connector(case: Callable[[Ask], Case], request: pytest.FixtureRequest) -> None:
    # What is slow here takes half a minute and more.
    kit.check(**case(request.getfixturevalue), slack=20.0)


def test_every_one_that_is_built_in_is_checked() -> None:
    built_in = {
        known.connector.type for known in registry().registrations.values() if known.owner.startswith("built-in")
    }
    # That of S3 stands beside its store, in `s3/test_s3`.
    assert built_in - {"s3"} == {case.__name__.replace("_", "-") for case in CASES} - {"email-of-a-connection"}
