"""Where databases may be, and which files: what a model or a variable names is not to be trusted."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors import outbound
from tasks.connectors.base import Connection, JobError
from tasks.connectors.sql import SqlConnector
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.sql.conftest import failure, run

PUBLIC = outbound.Policy(allow_private=False)


@pytest.fixture
def outside() -> Iterator[None]:
    """Only public addresses may be called."""
    with outbound.guarding(PUBLIC):
        yield


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://postgres@127.0.0.1/postgres",
        "postgresql://postgres@localhost/postgres",
        "postgresql://postgres@[::1]/postgres",
        "postgresql://postgres@2130706433/postgres",
        "postgresql://postgres@/postgres",
        "postgresql://postgres@/postgres?host=/var/run/postgresql",
        "postgresql://postgres@/postgres?host=127.0.0.1",
        "postgresql://postgres@/postgres?host=8.8.8.8&host=127.0.0.1",
        "postgresql://postgres@8.8.8.8/postgres?hostaddr=127.0.0.1",
        "postgresql://postgres@8.8.8.8/postgres?service=inner",
        "postgresql://postgres@8.8.8.8/postgres?dsn=hostaddr%3D127.0.0.1",
        "mariadb://root@127.0.0.1/mysql",
        "mariadb://root@169.254.169.254/mysql",
        "mariadb://root@/mysql",
        "mariadb://root@8.8.8.8/mysql?host=127.0.0.1",
        "mariadb://root@8.8.8.8/mysql?unix_socket=/run/mysqld/mysqld.sock",
        "mariadb://root@8.8.8.8/mysql?read_default_file=/etc/mysql/my.cnf",
    ],
)
def test_only_public_addresses(dsn: str, outside: None) -> None:
    with pytest.raises(outbound.AddressRefused) as caught:
        run(dsn, sql="SELECT 1")
    assert "127.0.0.1" not in str(caught.value) or "127.0.0.1" in dsn


def test_what_was_let_through_for_one_is_not_for_all(postgresql: str, mariadb: str) -> None:
    for dsn in (postgresql, mariadb):
        assert run(dsn, sql="SELECT 1 AS one", returnType="scalar")["value"] == 1
        with outbound.guarding(PUBLIC), pytest.raises(outbound.AddressRefused):
            run(dsn, sql="SELECT 1 AS one")
        assert run(dsn, sql="SELECT 1 AS one", returnType="scalar")["value"] == 1


def test_a_connection_is_made_to_the_address_that_was_looked_at(
    postgresql: str, mariadb: str, outside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose address changes meanwhile leads nowhere else: it is asked for once."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def once(host: Any, *more: Any, **named: Any) -> Any:
        if host != "database.example.com":
            return resolve(host, *more, **named)
        asked.append(host)
        assert len(asked) == 1, "Expected the name to be resolved once"
        return resolve("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    monkeypatch.setattr(outbound, "reason_to_refuse", lambda address: "")  # this machine plays the public one
    for dsn in (postgresql, mariadb):
        asked.clear()
        there = dsn.replace("127.0.0.1", "database.example.com")
        assert run(there, sql="SELECT 1 AS one", returnType="scalar")["value"] == 1


def test_a_host_without_an_address_is_a_connection_that_fails(outside: None) -> None:
    error = failure("postgresql://postgres@nowhere.invalid/postgres", sql="SELECT 1")
    assert (error.code, error.retryable) == ("08001", True)


def test_allowed_hosts() -> None:
    policy = outbound.Policy(allowed_hosts=("db.example.com",))
    with outbound.guarding(policy), pytest.raises(outbound.AddressRefused, match="allowed hosts"):
        run("postgresql://postgres@127.0.0.1/postgres", sql="SELECT 1")


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dsn", ["sqlite:///{}", "sqlite:///file:{}?mode=ro&uri=true", "sqlite+pysqlite:///{}", "sqlite://"]
)
def test_a_model_names_no_sqlite_file(dsn: str, tmp_path: Path) -> None:
    own = tmp_path / "own.db"
    sqlite3.connect(own).executescript("CREATE TABLE t (a); INSERT INTO t VALUES (7)")
    given = {"dsn": dsn.format(own), "sql": "SELECT a FROM t", "returnType": "scalar"}
    with pytest.raises(JobError, match="ORCHESTRATOR_SQLITE_FILES") as caught:
        SqlConnector().run(make_job(variables=given))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)
    jdbc = {"connection": {"authType": "uri", "uri": f"jdbc:sqlite:///{own}"}, "data": {"query": "SELECT 1"}}
    with pytest.raises(JobError, match="ORCHESTRATOR_SQLITE_FILES"):
        SqlConnector().run(make_job(type="io.camunda:connector-jdbc:1", variables=jdbc))
    connection = Connection(name="own", url=f"sqlite:///{own}")
    del given["dsn"]
    assert SqlConnector().run(make_job(variables=given, connection=connection))["value"] == 7


@pytest.mark.parametrize("sql", ["ATTACH DATABASE '{}' AS other", "VACUUM INTO '{}'"])
def test_sqlite_opens_no_other_file(sql: str, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    error = failure(f"sqlite:///{tmp_path}/own.db", operation="execute", sql=sql.format(other))
    assert not error.retryable
    assert not other.exists()
