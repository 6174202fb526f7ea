"""Which broker a message goes to, and whether it may: URL, credentials, TLS, and what a connection allows."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.connectors import outbound
from tasks.connectors.base import Connection, JobError
from tasks.connectors.inputs import encodable, invalid, number, scalar

PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and how it is told who we are. Two that are equal may share a connection."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    path: str = ""
    """Virtual host of RabbitMQ, number of the database of Redis."""
    tls: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    """`verify`, `ca`, `certificate`, `key`, `password` of a connection."""

    @property
    def is_redis(self) -> bool:
        return self.scheme in ("redis", "rediss")

    @property
    def is_encrypted(self) -> bool:
        return self.scheme in ("amqps", "rediss")

    @property
    def place(self) -> str:
        """Without credentials, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.path.lstrip('/')}"

    def redacted(self, text: str) -> str:
        """What a library said, without the password should it have said that."""
        return text.replace(self.password, "***") if self.password else text


def parse_broker(url: str) -> Broker:
    """A URL in parts. Raises ValueError with the reason, which never quotes the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("it cannot be parsed") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS:
        raise ValueError(f"its scheme is {scheme[:20]!r}" if scheme else "it has no scheme")
    if not parts.hostname:
        raise ValueError("it has no host")
    if parts.query or parts.fragment:
        raise ValueError("it has a query or fragment")
    path = unquote(parts.path[1:])
    if scheme in ("redis", "rediss"):
        if path and not path.isdecimal():
            raise ValueError("its path is not the number of a database")
    else:
        path = path or "/"
    return Broker(
        scheme,
        parts.hostname,
        port or PORTS[scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        path,
    )


def read_broker(connection: Connection | None, url: Any, own: Mapping[str, Any], routing: Mapping[str, Any]) -> Broker:
    """The broker of a job: of its connection, or else of its inputs. Raises `JobError`, ``INVALID_INPUT``."""
    if connection is not None:
        for name, value in (("url", url), ("authentication", own), *((f"routing.{n}", routing.get(n)) for n in _HOST)):
            if value not in (None, "", {}):
                raise invalid(f"Expected no `{name}` beside the connection {connection.name!r}, which says where to")
        return _of_connection(connection)
    if url in (None, ""):
        url = own.get("uri")
    elif own:
        raise invalid("Expected credentials in `url`, or `authentication` and `routing`, but found both")
    if url in (None, ""):
        return _of_routing(own, routing)
    if not isinstance(url, str):
        raise invalid(f"Expected `url` to be text, but found {type(url).__name__}")
    try:
        return parse_broker(encodable(url, "url").strip())
    except ValueError as problem:
        raise invalid(f"Expected `url` to be the URL of a broker ({', '.join(PORTS)}), but {problem}") from None


_HOST = ("hostName", "port", "virtualHost")


def _of_connection(connection: Connection) -> Broker:
    try:
        found = parse_broker(connection.url)
    except ValueError as problem:
        raise invalid(
            f"Expected the URL of connection {connection.name!r} to be that of a broker, but {problem}"
        ) from None
    user = connection.authentication.get("username") or found.user
    password = connection.authentication.get("password") or found.password
    tls = tuple(sorted((name, value) for name, value in connection.tls.items() if value not in (None, "")))
    return Broker(found.scheme, found.host, found.port, str(user), str(password), found.path, tls)


def guard(broker: Broker, policy: outbound.Policy) -> None:
    """Whether this broker may be called. Raises `outbound.AddressRefused`."""
    outbound.check_host(broker.host, policy)
    if policy.allow_private:
        return
    try:
        found = socket.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise JobError(f"Expected {broker.host} to have an address, but: {problem}", code="CONNECTION_FAILED") from None
    outbound.check(broker.host, [str(address[4][0]) for address in found], policy)


def _of_routing(own: Mapping[str, Any], routing: Mapping[str, Any]) -> Broker:
    """As Camunda's template has it with ``authType`` credentials."""
    host = routing.get("hostName")
    if not isinstance(host, str) or not host.strip():
        raise invalid("Expected `url`, a connection, or `routing.hostName`, but found none of them")
    port = routing.get("port")
    exact = number(5672 if port in (None, "") else port, "routing.port")
    if exact != exact.to_integral_value() or not 1 <= exact <= 65535:
        raise invalid(f"Expected `routing.port` to be a port, but found {port!r:.60}")

    def text(given: Mapping[str, Any], name: str) -> str:
        return encodable(scalar(given.get(name) or "", name), name)

    return Broker(
        "amqp",
        host.strip(),
        int(exact),
        text(own, "userName"),
        text(own, "password"),
        text(routing, "virtualHost") or "/",
    )
