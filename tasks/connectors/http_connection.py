"""A job that names a connection, as a job that names everything itself: address, authentication, time.

What the task says comes first, except where that would carry the connection's credentials elsewhere: an absolute `url`
must lie at the origin of the connection, or at one of its allowed hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tasks.connectors.base import Connection, Job
from tasks.connectors.inputs import context, invalid, seconds
from tasks.connectors.outbound import AddressRefused, Policy, check_host

DEFAULT_PORTS = {"http": 80, "https": 443}


def through_connection(job: Job) -> Job:
    """The job with the inputs that its connection adds. Raises `JobError`, code ``INVALID_INPUT``."""
    connection = job.connection
    if connection is None:
        return job
    variables: dict[str, Any] = dict(job.variables)
    given = variables.get("url")
    if given is None or isinstance(given, str):
        variables["url"] = _joined(connection, (given or "").strip())
    own = (variables.get("authentication"), variables.get("authenticationConfiguration"))
    if connection.authentication and not any(map(_authenticates, own)):
        variables["authentication"] = dict(connection.authentication)
    if connection.timeout is not None:
        asked = seconds(variables, "deadlineInSeconds")
        variables["deadlineInSeconds"] = min(asked or connection.timeout, connection.timeout)
    headers = connection.options.get("headers")
    if isinstance(headers, Mapping):
        own_headers = context(variables.get("headers"), "headers")
        mine = {name.lower() for name in own_headers}
        added = {name: value for name, value in headers.items() if name.lower() not in mine}
        variables["headers"] = {**added, **own_headers}
    return replace(job, variables=variables)


def _authenticates(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return value not in (None, "", False, "false")
    return value.get("type") not in (None, "", "noAuth")


def _joined(connection: Connection, given: str) -> str:
    """The address of the call. What cannot be parsed is left to whoever reads the inputs."""
    base = connection.url.strip()
    if not base:
        return given
    try:
        root, asked = urlsplit(base), urlsplit(given)
        if asked.scheme and "://" in given:
            _same_place(connection, root, asked)
            return given
    except ValueError:
        raise invalid(
            f"Expected `url` to be relative to connection {connection.name}, but it cannot be parsed"
        ) from None
    if not given:
        return base
    path, _, query = given.partition("#")[0].partition("?")
    joined = root.path.rstrip("/") + "/" + path.lstrip("/") if path else root.path
    return urlunsplit((root.scheme, root.netloc, joined, "&".join(filter(None, (root.query, query))), ""))


def _same_place(connection: Connection, root: Any, asked: Any) -> None:
    if _origin(root) == _origin(asked):
        return
    if connection.allowed_hosts and asked.scheme.lower() == root.scheme.lower():
        try:
            check_host(asked.hostname or "", Policy(allowed_hosts=connection.allowed_hosts))
        except AddressRefused:
            pass
        else:
            return
    raise invalid(
        f"Expected `url` to be relative to connection {connection.name}, or at its origin or an allowed host,"
        f" but found {asked.scheme}://{asked.hostname}"[:300]
    )


def _origin(url: Any) -> tuple[str, str, int | None]:
    scheme = url.scheme.lower()
    return scheme, (url.hostname or "").lower(), url.port or DEFAULT_PORTS.get(scheme)
