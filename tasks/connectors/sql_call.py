"""Stored procedures and functions, with what comes back by their OUT parameters.

PostgreSQL: ``CALL`` answers with a row of its OUT and INOUT parameters; a function is selected from, so that its OUT
parameters are columns. MariaDB and MySQL: OUT arguments are variables of the session, read after the call; a procedure
may answer with rows as well. Names are checked identifiers; values are bound.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tasks.connectors.base import JobError
from tasks.connectors.sql_request import Argument, Request
from tasks.connectors.sql_values import Room, as_value, rows


def call(connection: Connection, request: Request, room: Room) -> dict[str, Any]:
    """``{"out": {...}, "rows": [...]}``. Raises `JobError` (``NOT_SUPPORTED``) and what the driver raises."""
    backend = connection.dialect.name
    if backend == "postgresql":
        return _function(connection, request, room) if request.is_function else _postgresql(connection, request, room)
    if backend in ("mysql", "mariadb"):
        return _function(connection, request, room) if request.is_function else _mariadb(connection, request, room)
    raise JobError(
        f"Expected a database with stored procedures that are known here, but found {backend}",
        retryable=False,
        code="NOT_SUPPORTED",
    )


def _placed(argument: Argument, values: dict[str, Any]) -> str:
    key = f"v{len(values)}"
    values[key] = argument.value
    return f"CAST(%({key})s AS {argument.type})" if argument.type else f"%({key})s"


def _function(connection: Connection, request: Request, room: Room) -> dict[str, Any]:
    values: dict[str, Any] = {}
    placed = ", ".join(_placed(argument, values) for argument in request.arguments)
    if connection.dialect.name == "postgresql":
        text = f"SELECT * FROM {request.callee}({placed})"
    else:
        text = f"SELECT {request.callee}({placed}) AS {request.callee.rpartition('.')[2]}"
    result = connection.exec_driver_sql(text, values)
    columns = list(result.keys())
    found = rows(columns, [None] * len(columns), result, room, request.json_columns)
    return {"out": found[0] if len(found) == 1 else {}, "rows": found}


def _postgresql(connection: Connection, request: Request, room: Room) -> dict[str, Any]:
    values: dict[str, Any] = {}
    placed = [
        (f"CAST(NULL AS {argument.type})" if argument.type else "NULL")
        if argument.mode == "OUT"
        else _placed(argument, values)
        for argument in request.arguments
    ]
    result = connection.exec_driver_sql(f"CALL {request.callee}({', '.join(placed)})", values)
    if not result.returns_rows:
        return {"out": {}, "rows": []}
    columns = list(result.keys())
    found = rows(columns, [None] * len(columns), result, room, request.json_columns)
    out = found[0] if found else {}
    named = [argument.name for argument in request.arguments if argument.mode != "IN"]
    if len(named) == len(out):  # by position: the model's names, not the procedure's
        out = dict(zip(named, out.values(), strict=True))
    return {"out": out, "rows": []}


def _mariadb(connection: Connection, request: Request, room: Room) -> dict[str, Any]:
    values: dict[str, Any] = {}
    placed: list[str] = []
    outs: list[tuple[str, str]] = []
    cursor: Any = connection.connection.cursor()
    try:
        for number, argument in enumerate(request.arguments):
            if argument.mode == "IN":
                placed.append(_placed(argument, values))
                continue
            variable = f"@_out{number}"
            given: dict[str, Any] = {}
            start = _placed(argument, given) if argument.mode == "INOUT" else "NULL"
            cursor.execute(f"SET {variable} = {start}", given)
            placed.append(variable)
            outs.append((argument.name, variable))
        cursor.execute(f"CALL {request.callee}({', '.join(placed)})", values)
        found: list[dict[str, Any]] = []
        more = True
        while more:
            if cursor.description:
                columns = [column[0] for column in cursor.description]
                codes = [column[1] for column in cursor.description]
                found += rows(columns, codes, cursor.fetchall(), room, request.json_columns)
            more = cursor.nextset()
        out: dict[str, Any] = {}
        if outs:
            cursor.execute("SELECT " + ", ".join(variable for _, variable in outs))
            out = {name: as_value(value) for (name, _), value in zip(outs, cursor.fetchone(), strict=True)}
            room.take(out)
        return {"out": out, "rows": found}
    finally:
        cursor.close()
