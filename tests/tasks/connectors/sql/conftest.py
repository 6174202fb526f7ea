"""The three databases, each with a database, schema or file of its own that is gone in the end."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest

from tasks.connectors.base import JobError, Response
from tasks.connectors.sql import SqlConnector
from tasks.connectors.sql_engines import engines
from tests.tasks.connectors.conftest import as_json, make_job

SQL = SqlConnector(sqlite_files=True)
HOST = "127.0.0.1"
NAME = f"sqlconnector_{uuid.uuid4().hex[:10]}"

POSTGRESQL = """
CREATE TABLE account (id serial PRIMARY KEY, owner text NOT NULL CONSTRAINT one_owner UNIQUE, balance numeric(12,2)
  CHECK (balance >= 0), data jsonb);
CREATE PROCEDURE pay(IN who text, IN amount numeric, INOUT left_over numeric, OUT note text) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE account SET balance = balance - amount WHERE owner = who RETURNING balance + left_over INTO left_over;
  note := 'paid by ' || who;
END $$;
CREATE FUNCTION stats(OUT total numeric, OUT number bigint) LANGUAGE sql AS
  'SELECT sum(balance), count(*) FROM account';
CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n * 2';
"""
MARIADB = [
    "CREATE TABLE account (id integer AUTO_INCREMENT PRIMARY KEY, owner varchar(50) NOT NULL, balance decimal(12,2), "
    "data json, CONSTRAINT one_owner UNIQUE (owner), CONSTRAINT not_negative CHECK (balance >= 0)) ENGINE=InnoDB",
    """CREATE PROCEDURE pay(IN who varchar(50), IN amount decimal(12,2), INOUT left_over decimal(12,2), OUT note text)
    BEGIN
      UPDATE account SET balance = balance - amount WHERE owner = who;
      SELECT balance + left_over INTO left_over FROM account WHERE owner = who;
      SET note = concat('paid by ', who);
      SELECT owner, balance FROM account ORDER BY id;
    END""",
    "CREATE FUNCTION twice(n integer) RETURNS integer DETERMINISTIC RETURN n * 2",
]
SQLITE = (
    "CREATE TABLE account (id integer PRIMARY KEY, owner text NOT NULL UNIQUE, balance numeric CHECK (balance >= 0), "
    "data text)"
)


def _absent(name: str, problem: Exception) -> None:
    reason = f"{name} cannot be reached ({type(problem).__name__})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    try:
        admin = psycopg2.connect(host=HOST, user="postgres", dbname="postgres", connect_timeout=30)
    except psycopg2.Error as problem:
        _absent("PostgreSQL", problem)
    admin.autocommit = True
    name = f"{NAME}_{uuid.uuid4().hex[:6]}"  # other modules borrow this fixture
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    dsn = f"postgresql://postgres:s3cr3t-pass@{HOST}/{name}"
    try:
        own = psycopg2.connect(dsn)
        with own, own.cursor() as cursor:
            cursor.execute(POSTGRESQL)
        own.close()
        yield dsn
    finally:
        engines.close()
        with admin.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.close()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    try:
        admin = pymysql.connect(host=HOST, user="root", connect_timeout=30, autocommit=True)
    except pymysql.Error as problem:
        _absent("MariaDB", problem)
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {NAME}")
        try:
            for statement in MARIADB:
                cursor.execute(statement)
            yield f"mariadb://root@{HOST}/{NAME}?charset=utf8mb4"
        finally:
            engines.close()
            cursor.execute(f"DROP DATABASE {NAME}")
    admin.close()


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def dsn(request: Any, tmp_path: Path) -> str:
    """Each database in turn, with an empty table `account`."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path}/own.db"
        run(address, operation="execute", sql=SQLITE)
        return address
    address = request.getfixturevalue(request.param)
    run(address, operation="execute", sql="DELETE FROM account")
    return str(address)


def run(dsn: str | None = None, *, lease: float = 30.0, type: str = "sql", **inputs: Any) -> Response:
    given = inputs if dsn is None else {"dsn": dsn, **inputs}
    made = SQL.run(make_job(lease=lease, type=type, variables=given))
    as_json(made.body)
    assert "s3cr3t-pass" not in as_json(made.journal)
    return made


def failure(dsn: str | None = None, **inputs: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        run(dsn, **inputs)
    told = as_json(caught.value.details) + as_json(caught.value.journal) + caught.value.message
    assert "s3cr3t-pass" not in told
    return caught.value


@pytest.fixture
def fill(dsn: str) -> Callable[..., None]:
    def fill(**balances: Any) -> None:
        run(
            dsn,
            operation="execute",
            sql="INSERT INTO account (owner, balance) VALUES (:owner, :balance)",
            parameters=[{"owner": owner, "balance": balance} for owner, balance in balances.items()],
        )

    return fill
