"""The database connector: statements with bound parameters, in a transaction of their own, on time.

Inputs (of `job.variables`; others are refused by name):

| Input | |
|---|---|
| `dsn` | address of the database, where the task names no connection; SQLite needs one, unless |
| | ``ORCHESTRATOR_SQLITE_FILES`` is set |
| `operation` | query (default), execute, statements, call |
| `sql`, `parameters` | one statement with `:names`, and a context of their values; a list stands for IN. With |
| | execute also a list of contexts: executed for each. `:idempotency_key` is there by itself |
| `returnType` | of a query: all (default), first, scalar, count |
| `statements` | a list of statements or of contexts (`sql`, `parameters`), in one transaction |
| `procedure`, `function` | what to call, with `arguments`: values, or contexts of `value`, `mode` (IN, OUT, |
| | INOUT), `name`, `type` |
| `deadlineInSeconds` | 30, at most the lease; the database is told, and cut off if it does not obey |
| `maxRows`, `maxResponseBytes` | 1,000 and 1,500,000 |
| `readOnly` | the database refuses to write; also an option of the connection |
| `isolation` | READ COMMITTED, REPEATABLE READ, SERIALIZABLE |
| `jsonColumns` | columns of JSON text, where the database does not tell (MariaDB, SQLite) |
| `transaction` | own (default); completing: see below |

Job type ``io.camunda:connector-jdbc:1`` takes `database`, `connection.authType` (uri, detailed), `connection.uri` or
`host`, `port`, `username`, `password`, `databaseName`, and `data.query`, `data.variables` (a context, or a list for
``?``), `data.returnResults`; it responds ``{"resultSet": [...]}`` or ``{"modifiedRows": 1}``.

Responses: query ``{"rows": [...], "count": 2}``, ``{"row": {...}}`` (or null), ``{"value": ...}`` or ``{"count": 2}``;
execute ``{"affected": 1, "key": 7, "rows": [...]}`` (the generated key, and the rows of RETURNING);
statements ``{"affected": 3, "results": [...]}``; call ``{"out": {...}, "rows": [...]}``.

Errors have the SQLSTATE as `code` (23505: a key that exists) and `constraint`, `table`, `column` in `details`, the same
on every database (`sql_errors`). Lost connections, resources, deadlocks, serialization failures, locks and timeouts
are tried again; all else is not. Besides: ``INVALID_INPUT``, ``TOO_MANY_ROWS``, ``RESULT_TOO_LARGE``,
``DUPLICATE_COLUMN``, ``INVALID_JSON``, ``DRIVER_MISSING``, ``NOT_SUPPORTED``.

Hosts are looked at as those of HTTP calls are: private addresses only where the connection or
``ORCHESTRATOR_PRIVATE_ADDRESSES`` allows them (``ADDRESS_REFUSED``). SQLite attaches no other files.

With `transaction` completing, `execute` and `statements` are not carried out here: they are handed to the worker, and
run in the very transaction that completes the job, in the database of the processes. Both happen or neither does. The
response knows how many statements there are, and nothing of what they did.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult

from tasks.connectors import sql_call, sql_errors, sql_text
from tasks.connectors.base import Job, JobError, Response
from tasks.connectors.outbound import AddressRefused
from tasks.connectors.redaction import Redactor
from tasks.connectors.sql_engines import engines, told, transaction
from tasks.connectors.sql_inputs import INPUTS
from tasks.connectors.sql_request import JDBC, Request, read
from tasks.connectors.sql_text import Statement
from tasks.connectors.sql_values import Room, rows

STATEMENT_CHARACTERS = 2000
"""Of each statement, in the journal of an attempt. Values are not kept there."""
STATEMENTS_TOLD = 20


@dataclass(frozen=True, slots=True)
class SqlEffect:
    """A statement in the completing transaction. `parameters` are bound to ``%(name)s``; a percent sign is written
    twice. A model writes into the database of the processes this way, so an operator must allow it."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    permission: str = "COMPLETING_SQL"

    @property
    def journal(self) -> Mapping[str, Any]:
        return {"statements": [self.sql[:STATEMENT_CHARACTERS]], "transaction": "completing"}

    def carry_out(self, cursor: Any) -> None:
        # psycopg2 leaves doubled percent signs alone where there is nothing to bind.
        if self.parameters:
            cursor.execute(self.sql, self.parameters)
        else:
            cursor.execute(self.sql.replace("%%", "%"))

    def failed(self, problem: BaseException) -> JobError:
        return sql_errors.told(problem.__cause__ or problem, Redactor(), self.journal)


class SqlConnector:
    """Job types ``sql`` and ``io.camunda:connector-jdbc:1``. With `sqlite_files`, models may name any SQLite file
    that this process may open, without a connection."""

    type = "sql"
    aliases = (JDBC,)
    inputs = INPUTS

    def __init__(self, *, sqlite_files: bool = False) -> None:
        self._sqlite_files = sqlite_files

    def run(self, job: Job) -> Response:
        """Raises `JobError` as the text of the module says."""
        request = read(job, sqlite_files=self._sqlite_files)
        if request.completing:
            return _handed_on(request)
        assert request.url is not None
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        if lease <= 0:
            raise JobError("The lease of the job ended before the database was asked", code=sql_errors.TIMEOUT)
        redactor = Redactor(request.secrets)
        engine = engines.get(request.url)
        journal = _journal(request)
        writes = request.operation in ("execute", "statements") and not request.read_only
        begun = time.monotonic()
        try:
            with transaction(
                engine,
                min(request.seconds, lease),
                read_only=request.read_only,
                writes=writes,
                isolation=request.isolation,
                most_rows=None if request.operation == "call" else request.rows + 1,
            ) as connection:
                body = _carry_out(connection, request)
        except JobError as error:
            raise _with(error, journal) from None
        except AddressRefused:
            raise
        except Exception as problem:  # noqa: BLE001 - drivers refuse values in their own ways; a chain would show them
            raise told(problem, redactor, journal) from None
        answer: dict[str, Any] = {key: body[key] for key in ("affected", "count", "modifiedRows") if key in body}
        return Response(body, {**journal, **answer, "seconds": round(time.monotonic() - begun, 3)})


def _carry_out(connection: Connection, request: Request) -> dict[str, Any]:
    room = Room(request.rows, request.size)
    if request.operation == "call":
        return sql_call.call(connection, request, room)
    if request.operation == "query":
        statement, (values,) = request.statements[0]
        return _query(connection, request, statement, values, room)
    results = [_execute(connection, request, one, values, room) for one, values in request.statements]
    if request.operation == "statements":
        return {"affected": sum(result["affected"] for result in results), "results": results}
    return {"modifiedRows": results[0]["affected"]} if request.jdbc else results[0]


def _query(
    connection: Connection, request: Request, statement: Statement, values: Mapping[str, Any], room: Room
) -> dict[str, Any]:
    if request.return_type == "count":
        counted = _send(connection, statement.counted(), values)
        return {"count": counted.scalar_one()}
    # Rows are fetched from the server as they are taken, so that a table too large is not held here either.
    # A cursor of PyMySQL that is not read to its end costs the connection: there, one row is not streamed.
    stream = statement.only_reads and (request.return_type == "all" or connection.dialect.driver != "pymysql")
    result = _send(connection, statement, values, stream=stream)
    if not result.returns_rows:
        result.close()
        raise JobError("Expected a query to return rows, but it returned none", retryable=False, code="INVALID_INPUT")
    if request.return_type == "all":
        found = _rows(result, request, room)
        return {"resultSet": found} if request.jdbc else {"rows": found, "count": len(found)}
    first = result.fetchone()
    columns = list(result.keys())
    result.close()
    if request.return_type == "scalar" and len(columns) != 1:
        raise JobError(
            f"Expected one column for `returnType` scalar, but found {len(columns)}",
            retryable=False,
            code="INVALID_INPUT",
        )
    codes = [None] * len(columns)
    made = rows(columns, codes, [first] if first is not None else [], room, request.json_columns)
    row = made[0] if made else None
    return {"row": row} if request.return_type == "first" else {"value": row[columns[0]] if row else None}


def _execute(
    connection: Connection,
    request: Request,
    statement: Statement,
    sets: Sequence[Mapping[str, Any]],
    room: Room,
) -> dict[str, Any]:
    affected, key, returned, has_rows = 0, None, list[dict[str, Any]](), False
    for values in sets:
        result = _send(connection, statement, values)
        if result.returns_rows:
            has_rows = True
            found = _rows(result, request, room)
            returned += found
            affected += len(found) if result.rowcount < 0 else result.rowcount
        else:
            affected += max(0, result.rowcount)
            key = _key(result) or key
    made: dict[str, Any] = {"affected": affected}
    if has_rows:
        made["rows"] = returned
    elif key is not None:
        made["key"] = key
    return made


def _key(result: CursorResult[Any]) -> int | None:
    """The generated key, where the driver tells it: SQLite and MariaDB. PostgreSQL has RETURNING, its driver an
    object number that means nothing."""
    if result.dialect.name == "postgresql" or result.rowcount < 1:
        return None
    key = result.lastrowid
    return key if isinstance(key, int) and key > 0 else None


def _send(
    connection: Connection, statement: Statement, values: Mapping[str, Any], *, stream: bool = False
) -> CursorResult[Any]:
    text, bound = sql_text.render(statement, values, connection.dialect.paramstyle)
    return connection.exec_driver_sql(text, bound, execution_options={"stream_results": stream})


def _rows(result: CursorResult[Any], request: Request, room: Room) -> list[dict[str, Any]]:
    columns = list(result.keys())
    described = result.cursor.description if result.cursor is not None else None
    codes = [column[1] for column in described] if described else [None] * len(columns)
    try:
        return rows(columns, codes, result, room, request.json_columns)
    except JobError:
        _leave(result.connection, result)
        raise


def _leave(connection: Connection, result: CursorResult[Any]) -> None:
    """Leave the rest of the rows where it is; an error follows."""
    cursor: Any = result.cursor
    if connection.dialect.driver == "pymysql" and hasattr(cursor, "_result") and cursor._result.unbuffered_active:
        # Closing it would read all of it, so the connection is cut instead.
        raw: Any = connection.connection.dbapi_connection
        cursor._result.unbuffered_active = False
        cursor._result.connection = None
        raw._force_close()
        connection.invalidate()
        return
    result.close()


def _handed_on(request: Request) -> Response:
    effects = []
    for statement, sets in request.statements:
        for values in sets:
            text, bound = sql_text.render(statement, values, "pyformat")
            effects.append(SqlEffect(text, bound))
    return Response({"statements": len(effects)}, _journal(request), effects=tuple(effects))


def _journal(request: Request) -> dict[str, Any]:
    """What was asked, without values, and where, without credentials."""
    place = "the completing transaction"
    if request.url is not None:
        place = request.url.set(username=None, password=None, query={}).render_as_string(hide_password=True)
    said = [statement.text.strip()[:STATEMENT_CHARACTERS] for statement, _ in request.statements[:STATEMENTS_TOLD]]
    told: dict[str, Any] = {"database": place, "operation": request.operation, "statements": said}
    if request.callee:
        told["called"] = request.callee
    if request.read_only:
        told["readOnly"] = True
    return told


def _with(error: JobError, journal: Mapping[str, Any]) -> JobError:
    return JobError(error.message, error.retry_in, error.retryable, error.code, error.details, journal)
