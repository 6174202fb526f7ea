"""The peer's two tables, and the one transaction of each of its tasks: an UPDATE and an INSERT.

Connections are kept, one for each thread of each process, as `CELERY_DB_REUSE_MAX` does it for Django. Drivers are used
bare: no ORM costs the peer anything.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2

from benchmarks import observe
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLES = """
CREATE TABLE IF NOT EXISTS peer_instance (
    id {serial}, shape text NOT NULL, step integer NOT NULL, remaining integer NOT NULL,
    started_at {moment} NOT NULL, ended_at {moment}
);
CREATE TABLE IF NOT EXISTS peer_history (
    id {serial}, instance_id bigint NOT NULL REFERENCES peer_instance (id), step integer NOT NULL,
    at {moment} NOT NULL, outcome text NOT NULL
);
CREATE INDEX IF NOT EXISTS peer_history_of ON peer_history (instance_id);
CREATE INDEX IF NOT EXISTS peer_live ON peer_instance (id) WHERE ended_at IS NULL
"""


class Store:
    """The tables, at a URL as Django's: ``postgres://...`` or ``sqlite:///path``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sqlite = url.startswith("sqlite:///")
        self._here = threading.local()

    def create(self) -> None:
        """Make the tables."""
        if self._sqlite:
            words = {"serial": "integer PRIMARY KEY", "moment": "text"}
        else:
            words = {"serial": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "moment": "timestamptz"}
        with self._transaction() as execute:
            for sql in TABLES.format(**words).split(";"):
                execute(sql)

    def begin(self, shape: str, tasks: int) -> int:
        """A new instance; its number."""
        with self._transaction() as execute:
            sql = (
                "INSERT INTO peer_instance (shape, step, remaining, started_at) VALUES (%s, 0, %s, now()) RETURNING id"
            )
            return int(execute(sql, [shape, tasks])[0][0])

    def done(self, instance: int, step: int, outcome: str) -> int:
        """A task is done, in one transaction; how many remain. The last one ends the instance."""
        with self._transaction() as execute:
            sql = """UPDATE peer_instance
                SET step = %s, remaining = remaining - 1, ended_at = CASE WHEN remaining = 1 THEN now() END
                WHERE id = %s RETURNING remaining"""
            remaining = execute(sql, [step, instance])[0][0]
            sql = "INSERT INTO peer_history (instance_id, step, at, outcome) VALUES (%s, %s, now(), %s)"
            execute(sql, [instance, step, outcome])
        return int(remaining)

    def end(self, instance: int) -> None:
        """What a chord adds to its tasks."""
        with self._transaction() as execute:
            execute("UPDATE peer_instance SET remaining = remaining - 1, ended_at = now() WHERE id = %s", [instance])

    def has_ended(self, instance: int) -> bool:
        with self._transaction(writes=False) as execute:
            return bool(execute("SELECT 1 FROM peer_instance WHERE id = %s AND ended_at IS NOT NULL", [instance]))

    def unfinished(self) -> int:
        with self._transaction(writes=False) as execute:
            return int(execute("SELECT count(*) FROM peer_instance WHERE ended_at IS NULL")[0][0])

    def close(self) -> None:
        """Close the connection of this thread."""
        if (connection := getattr(self._here, "connection", None)) is not None:
            connection.close()
            self._here.connection = None

    @contextmanager
    def _transaction(self, *, writes: bool = True) -> Iterator[Any]:
        connection = self._connection()
        cursor = connection.cursor()

        def execute(sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
            if self._sqlite:
                sql = sql.replace("%s", "?").replace("now()", "CURRENT_TIMESTAMP")
            began = time.perf_counter()
            cursor.execute(sql, arguments)
            observe.statement(sql, atomic=True, seconds=time.perf_counter() - began)
            return list(cursor.fetchall()) if cursor.description else []

        if self._sqlite and writes:
            cursor.execute("BEGIN IMMEDIATE")
        try:
            yield execute
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
        observe.committed()

    def _connection(self) -> Any:
        if getattr(self._here, "pid", None) != os.getpid():
            self._here.pid, self._here.connection = os.getpid(), None
        if self._here.connection is None:
            self._here.connection = self._connect()
        return self._here.connection

    def _connect(self) -> Any:
        if not self._sqlite:
            return psycopg2.connect(self._url)
        connection = sqlite3.connect(self._url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
        # As the orchestrator's settings have it.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection


class Ends:
    """No state at all: numbers of instances, and a file with a byte for each that has ended, in whatever order.

    The cheapest way in which somebody could still learn that all is done; a task that is not the last touches nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._begun = 0
        self._lock = threading.Lock()

    def create(self) -> None:
        """There is nothing to make."""

    def begin(self, shape: str, tasks: int) -> int:
        with self._lock:
            self._begun += 1
            return self._begun

    def done(self, instance: int, step: int, outcome: str) -> int:
        remaining = WORKLOADS["W1"].tasks - step if outcome == "ok" else 0
        if not remaining:
            os.write(self._file, b".")
        return remaining

    def has_ended(self, instance: int) -> bool:
        """Asked only when it is alone."""
        return not self.unfinished()

    def unfinished(self) -> int:
        return self._begun - os.stat(self._path).st_size

    def close(self) -> None:
        os.close(self._file)
