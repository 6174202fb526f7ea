"""Engines of SQLAlchemy: one for each destination and process, with a small pool, made after the fork.

Everything that differs between databases before the first statement of a job is here: addresses, connect arguments,
time limits that the database enforces itself, read-only transactions, and the axe for a connection whose time is over.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, exc, make_url
from sqlalchemy.pool import NullPool

from tasks.connectors import exact_json, outbound, sql_errors
from tasks.connectors.base import JobError
from tasks.connectors.inputs import invalid
from tasks.connectors.redaction import Redactor
from tasks.connectors.sql_guard import guard

POOL = 4
"""Kept connections of one engine, and as many beyond them for a while."""
MOST_ENGINES = 32
"""Kept in a process: the one that was not used for longest goes."""
CONNECT_SECONDS = 10.0
GRACE = 1.0
"""Seconds that a database has to end a statement by itself, before its connection is cut."""

DRIVERS = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2"}
DRIVERS |= {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


def told(problem: BaseException, redactor: Redactor, journal: Mapping[str, Any]) -> JobError:
    """`sql_errors.told` of what a driver raised, out of what SQLAlchemy made of it."""
    if isinstance(problem, exc.TimeoutError):
        return JobError("No connection to the database was free in time", code="53300", journal=journal)
    if isinstance(problem, exc.StatementError) and not isinstance(problem, exc.DBAPIError):
        problem = problem.orig or problem
    invalidated = isinstance(problem, exc.DBAPIError) and problem.connection_invalidated
    original = problem.orig if isinstance(problem, exc.DBAPIError) and problem.orig is not None else problem
    return sql_errors.told(original, redactor, journal, invalidated=invalidated)


class Engines:
    """By process, destination and where it may be: a connection that was let through for one job is not for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: OrderedDict[tuple[int, URL, outbound.Policy], Engine] = OrderedDict()

    def get(self, url: URL) -> Engine:
        """An engine whose connections obey the policy of this thread. Raises `JobError`: ``DRIVER_MISSING``,
        ``INVALID_INPUT``."""
        policy = outbound.current()
        key = (os.getpid(), url, policy)
        with self._lock:
            engine = self._engines.get(key)
            if engine is None:
                engine = self._engines[key] = _made(url)
                guard(engine, policy)
                if len(self._engines) > MOST_ENGINES:
                    self._engines.popitem(last=False)[1].dispose()
            self._engines.move_to_end(key)
            return engine

    def forget(self) -> None:
        """Leave what was inherited to the parent: its sockets are not ours to close."""
        self._lock = threading.Lock()
        for engine in self._engines.values():
            engine.dispose(close=False)
        self._engines.clear()

    def close(self) -> None:
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()


engines = Engines()
"""Of this process."""
os.register_at_fork(after_in_child=engines.forget)


def read_url(dsn: Any) -> URL:
    """The address of a database, with a driver. Raises `JobError`, which never shows the address."""
    if not isinstance(dsn, str) or not dsn.strip():
        raise invalid("Expected a connection, or `dsn` to be the address of a database, but found none")
    try:
        url = make_url(dsn.strip())
    except (exc.ArgumentError, ValueError):
        raise invalid(
            "Expected the address of a database (postgresql://user:password@host/database), but found something else"
        ) from None
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _made(url: URL) -> Engine:
    options: dict[str, Any] = {"hide_parameters": True}
    backend = url.get_backend_name()
    seconds = math.ceil(CONNECT_SECONDS)
    if backend == "sqlite":
        options |= {"poolclass": NullPool, "connect_args": {"timeout": 5.0}}
    else:
        options |= {
            "pool_pre_ping": True,
            "pool_size": POOL,
            "max_overflow": POOL,
            "pool_timeout": CONNECT_SECONDS,
            "pool_recycle": 1800,
        }
    if url.drivername == "postgresql+psycopg2":
        options["json_deserializer"] = exact_json.loads
        options["connect_args"] = {"connect_timeout": seconds, "keepalives_idle": 30, "tcp_user_timeout": 15_000}
    elif url.drivername.endswith("+pymysql"):
        options["connect_args"] = {
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "write_timeout": seconds,
            "local_infile": False,
        }
    try:
        return create_engine(url, **options)
    except (exc.NoSuchModuleError, ImportError) as problem:
        name = getattr(problem, "name", None) or url.drivername
        raise JobError(
            f"Expected a driver for {url.drivername} databases, but {name} is not installed",
            retryable=False,
            code="DRIVER_MISSING",
        ) from None
    except (exc.ArgumentError, TypeError, ValueError):
        raise invalid(
            f"Expected the address of a {backend} database, but found options that it does not know"
        ) from None


@contextlib.contextmanager
def transaction(
    engine: Engine, seconds: float, *, read_only: bool, writes: bool, isolation: str | None, most_rows: int | None
) -> Iterator[Connection]:
    """A connection in a transaction that commits at the end, and ends in so many seconds in any case.

    `writes`: it surely will, so that a lock which can be had only at the start is taken there (SQLite). `most_rows`:
    more of them need not come out of a SELECT, where the database can be told so.
    """
    ends = time.monotonic() + seconds
    with engine.connect() as connection:
        if isolation:
            connection.execution_options(isolation_level=isolation)
        with _axe(connection, ends + GRACE), connection.begin():
            _prepare(connection, ends, read_only=read_only, writes=writes, most_rows=most_rows)
            with _patient(connection, ends):
                yield connection


def _prepare(connection: Connection, ends: float, *, read_only: bool, writes: bool, most_rows: int | None) -> None:
    """Tell the database how long it may take, and whether it may write."""
    left = max(0.05, ends - time.monotonic())
    backend = connection.dialect.name
    if backend == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {math.ceil(left * 1000)}")
        if read_only:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    elif backend in ("mysql", "mariadb"):
        if getattr(connection.dialect, "is_mariadb", False):
            patience = f"max_statement_time = {left:.3f}"
        else:
            patience = f"max_execution_time = {math.ceil(left * 1000)}"
        connection.exec_driver_sql(
            f"SET SESSION {patience}, SESSION innodb_lock_wait_timeout = {max(1, math.ceil(left))}, "
            f"SESSION sql_select_limit = {most_rows or 'DEFAULT'}"
        )
        if read_only:
            # What begins a transaction is its first statement on a table; none was sent so far.
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("START TRANSACTION READ ONLY")
    elif backend == "sqlite":
        raw: Any = connection.connection.dbapi_connection
        raw.set_progress_handler(lambda: time.monotonic() > ends, 2000)
        # Other files are none of its business, and ATTACH, or VACUUM INTO, would open them.
        raw.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else 0)
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        if read_only:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        elif writes:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif read_only:
        raise invalid(f"Expected a database that can be told to only read, but found {backend}")


@contextlib.contextmanager
def _patient(connection: Connection, ends: float) -> Iterator[None]:
    """PyMySQL's sockets wait for the deadline, and else, when a pool asks whether a connection lives, for seconds."""
    if connection.dialect.driver != "pymysql":
        yield
        return
    raw: Any = connection.connection.dbapi_connection
    before, raw._read_timeout = raw._read_timeout, max(0.0, ends - time.monotonic()) + 2 * GRACE
    try:
        yield
    finally:
        raw._read_timeout = before


@contextlib.contextmanager
def _axe(connection: Connection, ends: float) -> Iterator[None]:
    """Cut the connection when the time is over, should the database or the network not have ended it."""
    raw: Any = connection.connection.dbapi_connection

    def cut() -> None:
        with contextlib.suppress(Exception):
            if hasattr(raw, "interrupt"):
                raw.interrupt()
                return
            number = raw.fileno() if hasattr(raw, "fileno") else raw._sock.fileno()
            # A socket of our own over a copy: closing it again must not close theirs.
            with socket.socket(fileno=os.dup(number)) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, ends - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
