"""Where the work is done: a database of the benchmark's own, and queues that begin with a prefix of its own.

PostgreSQL: `BENCH_DATABASE_URL`, else `TEST_DATABASE_URL`, else ``postgres://postgres@127.0.0.1:5432/postgres``; beside
the database that it names, ``bench_orchestrator`` is made and dropped. RabbitMQ: `AMQP_URL`, by default the guest's on
loopback.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import kombu
import psycopg2
import redis
from kombu.exceptions import OperationalError

DATABASE = "bench_orchestrator"
RESULTS = "redis://127.0.0.1:6379/9"
"""Where chords keep results, unless `BENCH_REDIS_URL` says otherwise; what they leave there expires."""


class Unreachable(Exception):
    """A server that the profile needs is not there."""


class Postgres:
    """The database of one run. Made new; an old one is dropped unless somebody is using it."""

    def __init__(self, suffix: str = "") -> None:
        self.name = DATABASE + suffix
        default = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
        self._server = os.environ.get("BENCH_DATABASE_URL", default)
        self.url = urlunsplit(urlsplit(self._server)._replace(path=f"/{self.name}"))

    def create(self, template: str = "") -> None:
        """Empty, or a copy of another that nobody is connected to."""
        used = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        if self._ask(used, [self.name])[0][0]:
            raise Unreachable(f"Expected the database {self.name} to be free but somebody is connected to it")
        self._ask(f"DROP DATABASE IF EXISTS {self.name}")
        self._ask(f"CREATE DATABASE {self.name}" + (f" TEMPLATE {template}" if template else ""))

    def drop(self) -> None:
        self._ask(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def require(self, connections: int) -> None:
        """Raises `Unreachable` where the server would refuse some of so many connections."""
        row = self._ask(
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        )[0]
        if row[0] < connections:
            raise Unreachable(
                f"Expected PostgreSQL to take {connections} connections but max_connections leaves {row[0]}; "
                "raise it, or ask for fewer processes or threads"
            )

    def commits(self) -> int:
        """Transactions committed so far, of every kind and by everybody, as the server counts them.

        A connection reports at the latest when it closes, so all should be closed.
        """
        return int(self._ask("SELECT xact_commit FROM pg_stat_database WHERE datname = %s", [self.name])[0][0])

    def facts(self) -> dict[str, str]:
        """Settings that decide what a commit costs."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method")
        return {name: self._ask(f"SHOW {name}")[0][0] for name in (*names, "shared_buffers", "commit_delay")}

    def _ask(self, sql: str, arguments: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            connection = psycopg2.connect(self._server, connect_timeout=15)
        except psycopg2.OperationalError as problem:
            where = urlsplit(self._server).hostname
            raise Unreachable(f"Expected PostgreSQL at {where} but it is not reachable: {problem}") from None
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql, list(arguments))
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()


class Redis:
    """The result backend of chords."""

    def __init__(self) -> None:
        self.url = os.environ.get("BENCH_REDIS_URL", RESULTS)

    def facts(self) -> dict[str, str]:
        """Raises `Unreachable`."""
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=15) as client:
                found = client.info()
        except redis.RedisError as problem:
            raise Unreachable(f"Expected Redis for chords but it is not reachable: {problem}") from None
        return {"server_version": str(found["redis_version"]), "aof_enabled": str(found["aof_enabled"])}


class RabbitMQ:
    """The queues of one run."""

    def __init__(self, prefix: str) -> None:
        self.url = os.environ.get("AMQP_URL") or "amqp://guest:guest@127.0.0.1:5672//"
        self._prefix = prefix

    def facts(self) -> dict[str, str]:
        with self._connect() as connection:
            found = connection.connection.server_properties
            return {"product": str(found.get("product")), "server_version": str(found.get("version"))}

    def clean(self, queues: Iterable[str]) -> None:
        """Delete these queues, and the exchanges of our workers and of the peers."""
        with self._connect() as connection:
            channel = connection.channel()
            for name in queues:
                channel.queue_delete(name)
            for name in ("direct", "dead", *(f"{kind}-peer" for kind in ("fast", "safe", "bare", "chord"))):
                channel.exchange_delete(self._prefix + name)

    def _connect(self) -> kombu.Connection:
        connection = kombu.Connection(self.url, connect_timeout=15)
        try:
            connection.ensure_connection(max_retries=0, timeout=15)
        except (OperationalError, OSError) as problem:
            raise Unreachable(f"Expected RabbitMQ but it is not reachable: {problem}") from None
        return connection


def sqlite_facts() -> dict[str, str]:
    return {"sqlite_version": sqlite3.sqlite_version, "journal_mode": "WAL", "synchronous": "FULL"}
