"""Reads the inputs of a database job: its own names, and those of Camunda's JDBC connector."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL

from tasks.connectors import declared, sql_inputs
from tasks.connectors.base import Connection, Job
from tasks.connectors.declared import Given
from tasks.connectors.inputs import context, flag, invalid, number
from tasks.connectors.sql_engines import read_url
from tasks.connectors.sql_inputs import BYTES, JDBC_DRIVERS, ROWS
from tasks.connectors.sql_text import Statement, bindable, check_names, parse

JDBC = "io.camunda:connector-jdbc:1"
SECONDS = 30.0
MOST_STATEMENTS = 500

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*){0,2}")
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]{0,60}(\(\d{1,4}(\s*,\s*\d{1,4})?\))?[A-Za-z ]{0,30}(\[\])?")


@dataclass(frozen=True, slots=True)
class Argument:
    """Of a procedure. `mode`: IN, OUT, INOUT; `type` is needed where the database cannot know it."""

    value: Any = None
    mode: str = "IN"
    name: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    url: URL | None
    """None: the database of the processes themselves."""
    operation: str
    statements: tuple[tuple[Statement, tuple[Mapping[str, Any], ...]], ...] = ()
    """Each with its sets of values; more than one set: executed for each."""
    many: bool = False
    return_type: str = "all"
    callee: str = ""
    is_function: bool = False
    arguments: tuple[Argument, ...] = ()
    seconds: float = SECONDS
    rows: int = ROWS
    size: int = BYTES
    read_only: bool = False
    isolation: str | None = None
    json_columns: frozenset[str] = frozenset()
    completing: bool = False
    jdbc: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


def read(job: Job, *, sqlite_files: bool = False) -> Request:
    """`sqlite_files`: SQLite may be asked without a connection. Raises `JobError` (``INVALID_INPUT``)."""
    if job.type == JDBC:
        request = _read_jdbc(job, declared.read(job.variables, sql_inputs.JDBC))
    else:
        request = _read(job, declared.read(job.variables, sql_inputs.OWN))
    if job.connection is None and not sqlite_files and request.url and request.url.get_backend_name() == "sqlite":
        raise invalid(
            "Expected a connection that names the SQLite file: ORCHESTRATOR_SQLITE_FILES does not allow models to"
        )
    return request


def _read(job: Job, given: Given, url: URL | None = None, *, jdbc: bool = False) -> Request:
    completing = given["transaction"] == "completing"
    connection = job.connection
    if completing:
        if given.get("dsn") or connection is not None:
            raise invalid("Expected no connection beside `transaction` completing: it is the database of the processes")
    elif url is None:
        url = address(connection, given.get("dsn"))
    operation = given["operation"]
    if completing and operation not in ("execute", "statements"):
        raise invalid(
            f"Expected `operation` to be execute or statements in the completing transaction, but found {operation}"
        )
    options = connection.options if connection is not None else {}
    read_only = bool(given["readOnly"]) or bool(flag(options, "readOnly"))
    if completing and (read_only or given.get("isolation")):
        raise invalid("Expected neither `readOnly` nor `isolation` in the completing transaction")
    backend = url.get_backend_name() if url is not None else ""
    reader = _Statements(job, backend, read_only=read_only, jdbc=jdbc)
    common: dict[str, Any] = {
        "url": url,
        "operation": operation,
        "read_only": read_only,
        "completing": completing,
        "jdbc": jdbc,
        "seconds": _patience(given, connection),
        "rows": _at_most(given, "maxRows", sql_inputs.MOST_ROWS),
        "size": _at_most(given, "maxResponseBytes", sql_inputs.MOST_BYTES),
        "isolation": given["isolation"],
        "json_columns": _names(given.get("jsonColumns")),
        "secrets": tuple(filter(None, [url.password if url is not None else None])),
        "return_type": given["returnType"],
    }
    if operation == "call":
        return Request(**common, **_call(given))
    _without(given, ("procedure", "function", "arguments"), operation)
    if operation == "statements":
        _without(given, ("sql", "parameters"), operation)
        listed = given.get("statements", [])
        if not 1 <= len(listed) <= MOST_STATEMENTS:
            raise invalid(f"Expected `statements` to be a list of 1 to {MOST_STATEMENTS} statements")
        return Request(**common, statements=tuple(reader.listed(item, n) for n, item in enumerate(listed)))
    _without(given, ("statements",), operation)
    values = given.get("parameters")
    many = isinstance(values, list | tuple) and operation == "execute" and not jdbc
    one = reader.one(given.get("sql"), values, "sql", "parameters", many=many)
    return Request(**common, statements=(one,), many=many)


def address(connection: Connection | None, dsn: Any = None) -> URL:
    """Where a connection leads, its credentials included. Raises `JobError` (``INVALID_INPUT``)."""
    if connection is None:
        return read_url(dsn)
    if dsn:
        raise invalid("Expected a connection or `dsn`, but found both")
    url = read_url(connection.url)
    login = connection.authentication
    if connection.tls:
        raise invalid("Expected TLS of a database in the options of its address (sslmode, ssl_ca), but found it apart")
    if login.get("username"):
        url = url.set(username=str(login["username"]))
    if login.get("password"):
        url = url.set(password=str(login["password"]))
    if connection.allowed_hosts and url.host not in connection.allowed_hosts:
        raise invalid(f"Expected connection {connection.name!r:.60} to lead to one of its allowed hosts")
    return url


@dataclass(frozen=True, slots=True)
class _Statements:
    """Reads statements and the values of their parameters."""

    job: Job
    backend: str
    read_only: bool
    jdbc: bool

    def __init__(self, job: Job, backend: str, *, read_only: bool, jdbc: bool) -> None:
        object.__setattr__(self, "job", job)
        object.__setattr__(self, "backend", backend)
        object.__setattr__(self, "read_only", read_only)
        object.__setattr__(self, "jdbc", jdbc)

    def listed(self, item: Any, number: int) -> tuple[Statement, tuple[Mapping[str, Any], ...]]:
        place = f"statements[{number}]"
        if isinstance(item, str):
            return self.one(item, None, place, f"{place}.parameters")
        found = context(item, place)
        if unknown := sorted(found.keys() - {"sql", "parameters"}):
            raise invalid(f"Expected `{place}` to have sql and parameters, but found `{unknown[0]:.60}`")
        return self.one(found.get("sql"), found.get("parameters"), f"{place}.sql", f"{place}.parameters")

    def one(
        self, sql: Any, values: Any, place: str, values_place: str, *, many: bool = False
    ) -> tuple[Statement, tuple[Mapping[str, Any], ...]]:
        statement = parse(
            sql,
            place,
            backslash=self.backend in ("mysql", "mariadb"),
            read_only=self.read_only,
            question_marks=self.jdbc and isinstance(values, list | tuple),
        )
        if many:
            if not values:
                raise invalid(f"Expected `{values_place}` to be a context, or a list of at least one, but it is empty")
            return statement, tuple(self._values(statement, item, values_place) for item in values)
        if self.jdbc and isinstance(values, list | tuple):
            values = {f"p{number}": value for number, value in enumerate(values, 1)}
        return statement, (self._values(statement, values, values_place),)

    def _values(self, statement: Statement, values: Any, place: str) -> Mapping[str, Any]:
        given = dict(context(values, place))
        if "idempotency_key" in statement.names:
            given.setdefault("idempotency_key", self.job.idempotency_key)
        check_names(statement, given, place)
        plain = self.backend == "sqlite"
        return {name: bindable(value, f"{place}.{name}", plain_decimals=plain) for name, value in given.items()}


def _call(given: Given) -> dict[str, Any]:
    _without(given, ("sql", "parameters", "statements"), "call")
    procedure, function = given["procedure"], given["function"]
    if bool(procedure) == bool(function):
        raise invalid("Expected the name of a `procedure` or a `function`")
    callee = procedure or function
    if not _IDENTIFIER.fullmatch(callee):
        raise invalid(f"Expected the name of a procedure or function, but found {callee!r:.60}")
    arguments = tuple(_argument(item, number) for number, item in enumerate(given.get("arguments", ())))
    named = [argument.name for argument in arguments if argument.mode != "IN"]
    if len(set(named)) != len(named):
        raise invalid("Expected every OUT argument to have a name of its own")
    if function and named:
        raise invalid("Expected the arguments of a function to be IN: its OUT parameters are columns of its result")
    return {"callee": callee, "is_function": bool(function), "arguments": arguments}


def _argument(item: Any, position: int) -> Argument:
    place = f"arguments[{position}]"
    if not (isinstance(item, Mapping) and item and item.keys() <= {"value", "mode", "name", "type"}):
        return Argument(bindable(item, place))
    mode = str(item.get("mode") or "IN").upper()
    if mode not in ("IN", "OUT", "INOUT"):
        raise invalid(f"Expected `{place}.mode` to be IN, OUT or INOUT, but found {mode:.20}")
    kind, name = item.get("type") or "", item.get("name") or f"out{position + 1}"
    if not isinstance(kind, str) or (kind and not _TYPE.fullmatch(kind)):
        raise invalid(f"Expected `{place}.type` to be a type of the database, but found {kind!r:.60}")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w{0,62}", name):
        raise invalid(f"Expected `{place}.name` to be a name, but found {name!r:.60}")
    return Argument(bindable(item.get("value"), place), mode, name, kind)


def _read_jdbc(job: Job, given: Given) -> Request:
    """Camunda's inputs: `database`, `connection`, `data`."""
    data, place = given.get("data", {}), given.get("connection", {})
    driver = JDBC_DRIVERS.get(given.get("database", ""))
    url = address(job.connection) if job.connection is not None else _jdbc_url(place, driver)
    wanted = flag(data, "returnResults")
    inner = {
        "operation": "query" if wanted else "execute",
        "sql": data.get("query"),
        "parameters": data.get("variables"),
    }
    return _read(job, declared.read(inner, sql_inputs.OWN), url, jdbc=True)


def _jdbc_url(place: Mapping[str, Any], driver: str | None) -> URL:
    kind = place.get("authType")
    allowed = {
        "uri": {"authType", "uri", "uriProperties"},
        "detailed": {"authType", "host", "port", "username", "password", "databaseName", "properties"},
    }
    if kind not in allowed:
        raise invalid(f"Expected `connection.authType` to be uri or detailed, but found {kind!r:.40}")
    if unknown := sorted(place.keys() - allowed[kind]):
        raise invalid(f"Expected an input of `connection` for {kind}, but found `{unknown[0]:.60}`")
    if place.get("uriProperties") or place.get("properties"):
        raise invalid("Expected options of a database in its address: properties of a JDBC driver mean nothing here")
    if kind == "uri":
        uri = place.get("uri")
        return read_url(uri.strip().removeprefix("jdbc:") if isinstance(uri, str) else uri)
    if driver is None:
        raise invalid("Expected `database` to say which database it is, but found none")
    port = place.get("port")
    return read_url(f"{driver}://").set(
        host=str(place.get("host") or "") or None,
        port=int(number(port, "connection.port")) if port not in (None, "") else None,
        username=str(place.get("username") or "") or None,
        password=str(place.get("password") or "") or None,
        database=str(place.get("databaseName") or "") or None,
    )


def _patience(given: Given, connection: Connection | None) -> float:
    wanted: float | None = given["deadlineInSeconds"]
    most = connection.timeout if connection is not None else None
    patience = wanted or most or SECONDS
    return min(patience, most) if most else patience


def _at_most(given: Given, name: str, most: int) -> int:
    found: int = given[name]
    if not 1 <= found <= most:
        raise invalid(f"Expected `{name}` to be a whole number from 1 to {most}, but found {found}")
    return found


def _names(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list | tuple) else [value] if value not in (None, "") else []
    if not all(isinstance(name, str) for name in listed):
        raise invalid("Expected `jsonColumns` to be a list of names")
    return frozenset(listed)


def _without(given: Given, names: tuple[str, ...], operation: str) -> None:
    for name in names:
        if given.get(name) not in (None, ""):
            raise invalid(f"Expected inputs of the operation {operation}, but found `{name}`")
