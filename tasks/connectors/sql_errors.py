"""What went wrong in a database, in one language: SQLSTATE, as PostgreSQL speaks it.

A model that routes on ``23505`` (a key that exists) works on every database: MariaDB's numbers and SQLite's names are
translated. It knows the drivers' own exceptions; what SQLAlchemy wraps around them is opened by `sql_engines.told`.
Appendix A of the PostgreSQL manual lists the codes, "Error Codes" of the MariaDB manual the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.connectors.base import JobError
from tasks.connectors.redaction import Redactor

CONNECT, BROKEN, TIMEOUT = "08001", "08006", "57014"
MOST_TOLD = 2000

MARIADB: Mapping[int, str] = {
    **dict.fromkeys((1022, 1062, 1169, 1586), "23505"),
    **dict.fromkeys((1216, 1217, 1451, 1452), "23503"),
    **dict.fromkeys((1048, 1263, 1364), "23502"),
    **dict.fromkeys((3819, 4025), "23514"),
    1205: "55P03",
    1213: "40001",
    **dict.fromkeys((1317, 1969, 3024), TIMEOUT),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370), "42501"),
    **dict.fromkeys((1045, 1698), "28000"),
    1049: "3D000",
    1054: "42703",
    1064: "42601",
    1146: "42P01",
    1305: "42883",
    1318: "42883",
    1264: "22003",
    1406: "22001",
    **dict.fromkeys((1292, 1366), "22007"),
    1365: "22012",
    **dict.fromkeys((1290, 1792, 1836), "25006"),
    1644: "45000",
    **dict.fromkeys((1040, 1203, 1226), "53300"),
    1021: "53100",
    **dict.fromkeys((1053, 1927), "57P01"),
    **dict.fromkeys((2002, 2003, 2005), CONNECT),
    **dict.fromkeys((0, 2006, 2013, 2055), BROKEN),
}
SQLITE: Mapping[str, str] = {
    "SQLITE_CONSTRAINT_UNIQUE": "23505",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "23505",
    "SQLITE_CONSTRAINT_ROWID": "23505",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "23503",
    "SQLITE_CONSTRAINT_NOTNULL": "23502",
    "SQLITE_CONSTRAINT_CHECK": "23514",
    "SQLITE_CONSTRAINT": "23000",
    "SQLITE_BUSY": "55P03",
    "SQLITE_LOCKED": "55P03",
    "SQLITE_READONLY": "25006",
    "SQLITE_INTERRUPT": TIMEOUT,
    "SQLITE_CANTOPEN": CONNECT,
    "SQLITE_IOERR": "58030",
    "SQLITE_FULL": "53100",
    "SQLITE_AUTH": "42501",
    "SQLITE_PERM": "42501",
    "SQLITE_NOTADB": "XX001",
    "SQLITE_CORRUPT": "XX001",
    "SQLITE_TOOBIG": "54000",
    "SQLITE_MISMATCH": "22000",
}
_SQLITE_SAYS = (
    ("no such table", "42P01"),
    ("no such column", "42703"),
    ("no such function", "42883"),
    ("syntax error", "42601"),
)
_CONNECTING = (
    ("password authentication failed", "28P01"),
    ("authentication failed", "28000"),
    ("role", "28000"),
    ("does not exist", "3D000"),
    ("too many", "53300"),
    ("starting up", "57P03"),
)
_KEY = re.compile(r"for key '([^']+)'|CONSTRAINT `([^`]+)`|constraint failed: ([\w.]+)")


def told(
    problem: BaseException, redactor: Redactor, journal: Mapping[str, Any], *, invalidated: bool = False
) -> JobError:
    """A `JobError` with the SQLSTATE as its code; `details` has `sqlstate`, and where known `constraint`, `table`,
    `column`, `errno`. Neither has the values of the statement, or the credentials of the destination.

    `problem` is what a driver raised, `invalidated` whether its connection broke of it.
    """
    code, message, details = _read(problem, invalidated)
    text = redactor.text(message.strip() or type(problem).__name__)[:MOST_TOLD]
    return JobError(
        f"The database refused ({code}): {text}",
        retryable=may_help(code),
        code=code,
        details={"sqlstate": code, "message": text, **redactor.literals(details)},
        journal=journal,
    )


def may_help(code: str) -> bool:
    """Whether another try may succeed: connections, resources, serialization, deadlocks, locks, time."""
    return code[:2] in ("08", "40", "53", "57", "58") or code == "55P03"


def _read(original: BaseException, invalidated: bool) -> tuple[str, str, dict[str, Any]]:
    diagnostics = getattr(original, "diag", None)
    if diagnostics is not None:
        return _postgresql(original, diagnostics, invalidated)
    name = getattr(original, "sqlite_errorname", None)
    if isinstance(name, str):
        return _sqlite(name, str(original))
    number = original.args[0] if original.args else None
    if type(original).__module__.startswith("pymysql"):
        errno = number if isinstance(number, int) else 0
        message = str(original.args[1]) if len(original.args) > 1 else str(original)
        return MARIADB.get(errno, "HY000"), message, {"errno": errno, **_constraint(message)}
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if isinstance(state, str) and len(state) == 5:
        return state, str(original), {}
    return (BROKEN if invalidated else "HY000"), str(original), {}


def _postgresql(original: Any, diagnostics: Any, invalidated: bool) -> tuple[str, str, dict[str, Any]]:
    message = diagnostics.message_primary or str(original).split("\n")[0]
    code = original.pgcode
    if not code:
        kind = type(original).__name__
        if "connection to server" in str(original) or "could not translate host" in str(original):
            told = str(original)
            code = next((state for words, state in _CONNECTING if f"FATAL:  {words}" in told or words in told), CONNECT)
        elif invalidated or kind in ("OperationalError", "InterfaceError"):
            code = BROKEN
        elif kind == "ProgrammingError":
            code = "42000"
        else:
            code = "HY000"
    named = {
        "constraint": diagnostics.constraint_name,
        "table": diagnostics.table_name,
        "column": diagnostics.column_name,
    }
    return code, message, {key: value for key, value in named.items() if value}


def _sqlite(name: str, message: str) -> tuple[str, str, dict[str, Any]]:
    code = SQLITE.get(name) or SQLITE.get("_".join(name.split("_")[:2]))
    if code is None:
        code = next((state for words, state in _SQLITE_SAYS if words in message), "42000")
    return code, message, {"name": name, **_constraint(message)}


def _constraint(message: str) -> dict[str, str]:
    found = _KEY.search(message)
    return {"constraint": next(filter(None, found.groups()))} if found else {}
