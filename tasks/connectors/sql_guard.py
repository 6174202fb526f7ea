"""Where databases may be: the hosts of their addresses, as `outbound` says, at the moment a connection is made.

Drivers connect by themselves, and options of an address can lead them elsewhere. So what a driver is about to be told
is looked at, not the address: its host is resolved, every address that it has is looked at, and the driver is given one
that was. What says no host (a socket of this machine, a file with options) is refused where there is a policy. SQLite
has files instead of hosts; `sql_request` sees to them.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, event

from tasks.connectors import outbound
from tasks.connectors.base import JobError
from tasks.connectors.sql_errors import CONNECT

ELSEWHERE = ("dsn", "service", "hostaddr", "unix_socket", "read_default_file", "read_default_group", "odbc_connect")
"""Options that lead a driver to another place than its host."""


def guard(engine: Engine, policy: outbound.Policy) -> None:
    """Have every new connection of the engine obey the policy."""
    if engine.dialect.name == "sqlite" or (policy.allow_private and not policy.allowed_hosts):
        return

    @event.listens_for(engine, "do_connect")
    def look(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        addresses = [_looked_at(host, policy) for host in _hosts(dialect, arguments, options)]
        if policy.allow_private:
            return None
        if dialect.driver == "psycopg2":
            options["hostaddr"] = ",".join(addresses)
        elif dialect.driver == "pymysql":
            return _pymysql(dialect, options, addresses[0])
        return None


def _hosts(dialect: Any, arguments: list[Any], options: Mapping[str, Any]) -> list[str]:
    """Raises `outbound.AddressRefused` where there is none."""
    stray = next((name for name in ELSEWHERE if options.get(name)), None)
    if stray is not None:
        raise outbound.AddressRefused(f"Expected the address of the database to have a host, but found `{stray}`")
    host = str(options.get("host") or "")
    hosts = [one.strip() for one in host.split(",")] if dialect.driver == "psycopg2" else [host]
    if any(arguments) or not all(hosts) or any(one.startswith(("/", "@")) for one in hosts):
        raise outbound.AddressRefused("Expected the address of the database to have a host, but found none")
    return hosts


def _looked_at(host: str, policy: outbound.Policy) -> str:
    """An address of the host. Raises `outbound.AddressRefused`, and `JobError` where it has none."""
    outbound.check_host(host, policy)
    if policy.allow_private:
        return host
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise JobError(f"Expected {host:.255} to have an address, but: {problem}", code=CONNECT) from None
    addresses = [str(address[4][0]) for address in found]
    outbound.check(host, addresses, policy)
    return addresses[0]


def _pymysql(dialect: Any, options: Mapping[str, Any], address: str) -> Any:
    """It takes no address beside the host, but a socket that is connected."""
    made = dialect.loaded_dbapi.connect(**{**options, "defer_connect": True})
    port = int(options.get("port") or 3306)
    try:
        connected = socket.create_connection((address, port), options.get("connect_timeout"))
    except OSError as problem:
        told = f"Can't connect to MySQL server on {options['host']!r} ({problem})"
        raise dialect.loaded_dbapi.OperationalError(2003, told) from None
    connected.settimeout(None)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.connect(connected)
    return made
