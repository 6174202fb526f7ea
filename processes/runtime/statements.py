"""Statements by hand, for the two doors whose cost is the cost of a task: several in one round trip, many rows in one
statement, and each planned once for a connection. Says nothing about what is written."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DataError, connection, models

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

CHUNK = 500
"""Rows or keys per statement: far below the limit of parameters of either database."""
DIVISION_BY_ZERO = "22012"

OFTEN = 3
"""A connection that is asked the same for this many times is likely to be asked again."""
WIDEST = 250
"""Parameters of a statement that is worth being remembered: those of many rows come in as many widths."""
MOST_PREPARED = 200
"""Statements that one connection remembers. Each costs its server some ten kilobytes."""
PLANNED_ANEW = 1.0
"""Seconds after which what was prepared is planned anew, then after twice as many, and so on up to `PLANNED_LAST`."""
PLANNED_LAST = 600.0


class Unchanged(RuntimeError):
    """A statement that had to change a row found none to change."""


class Batch:
    """Statements that are sent together where the database takes several at once: a round trip costs more than most.
    Outside a transaction those that are sent together are one: all of them happen, or none.

    `flush` leaves the answer of the last one on the cursor.
    """

    def __init__(self, cursor: CursorWrapper) -> None:
        self.cursor = cursor
        self._together = connection.vendor == "postgresql"
        self._statements: list[tuple[str, Sequence[Any]]] = []

    def add(self, sql: str, arguments: Sequence[Any]) -> None:
        if self._together:
            self._statements.append((sql, arguments))
        else:
            self.cursor.execute(sql, arguments)

    def require(self, sql: str, arguments: Sequence[Any]) -> None:
        """A statement that has to change one row; where it changes none, `Unchanged` is raised, now or by `flush`, and
        what is sent with it does not happen."""
        if self._together:
            # The only means by which one of several statements can call off those that follow it.
            self.add(f"WITH changed AS ({sql} RETURNING 1) SELECT 1 / count(*) FROM changed", arguments)
            return
        self.cursor.execute(sql, arguments)
        if self.cursor.rowcount != 1:
            raise Unchanged

    def flush(self) -> None:
        if self._statements:
            statements, self._statements = self._statements, []
            try:
                send(self.cursor, statements)
            except DataError as error:
                if getattr(error.__cause__, "pgcode", "") == DIVISION_BY_ZERO:
                    raise Unchanged from error
                raise


def send(cursor: CursorWrapper, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Send statements to PostgreSQL at one go. Those that this connection sends often are called
    by the name under which it has prepared them: to plan them anew costs about what carrying them out does."""
    known = _known() if settings.ORCHESTRATOR["PREPARED_STATEMENTS"] else None
    if known is not None:
        known.think_again()
    texts = [sql if known is None else known.call(sql, len(arguments)) for sql, arguments in statements]
    cursor.execute("; ".join(texts), [value for _, arguments in statements for value in arguments])


class Bundle(Batch):
    """Statements about many instances (PostgreSQL only): those that do the same to rows of one table become one, over
    arrays, whose text is the same for any number of rows. They are sent in the order in which the first of each came;
    what is done to one row must not depend on what is done to another."""

    def __init__(self, cursor: CursorWrapper) -> None:
        super().__init__(cursor)
        self._rows: dict[str, list[Sequence[Any]]] = {}

    def gather(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """A statement that takes one array for each column of these rows, and perhaps their number as well."""
        if rows:
            self._rows.setdefault(sql, []).extend(rows)

    def flush(self) -> None:
        gathered, self._rows = self._rows, {}
        for sql, rows in gathered.items():
            arrays: list[Any] = [list(column) for column in zip(*rows, strict=True)]
            self.add(sql, arrays if sql.count("%s") == len(arrays) else [*arrays, len(rows)])
        super().flush()


def ask(cursor: CursorWrapper, sql: str, arguments: Sequence[Any]) -> None:
    """Have one statement carried out, prepared where the database is PostgreSQL."""
    if connection.vendor == "postgresql":
        send(cursor, [(sql, arguments)])
    else:
        cursor.execute(sql, arguments)


class Prepared:
    """What one connection to PostgreSQL has prepared, by the text of the statement.

    How a statement is carried out is decided for tables as they are then, and those of a new installation are empty: to
    read one through is right, and wrong a moment later. PostgreSQL notices when the table is analyzed, which may take
    minutes; so for some time it is asked to think again.
    """

    def __init__(self) -> None:
        self._calls: dict[str, str] = {}
        self._seen: Counter[str] = Counter()
        self._pause = PLANNED_ANEW
        self._again = time.monotonic() + self._pause

    def think_again(self) -> None:
        """Have everything planned anew, if it is time."""
        if self._again < (now := time.monotonic()):
            _by_itself("DISCARD PLANS")
            self._pause *= 2
            self._again = now + self._pause if self._pause <= PLANNED_LAST else math.inf

    def call(self, sql: str, arguments: int) -> str:
        """How to ask for that: by its name, if it has one; it is prepared when it has been asked for often."""
        if (call := self._calls.get(sql)) is not None:
            return call
        if arguments > WIDEST or len(self._calls) >= MOST_PREPARED:
            return sql
        self._seen[sql] += 1
        if self._seen[sql] < OFTEN:
            if len(self._seen) > 10 * MOST_PREPARED:
                self._seen.clear()
            return sql
        del self._seen[sql]
        # What it does, for who watches; one whose commit does not wait for the disk says so.
        word = f"{'lazy_' if 'synchronous_commit' in sql else ''}{sql.split(maxsplit=1)[0].lower()}"
        name = f"orchestrator_{word}_{len(self._calls)}"
        numbers = count(1)
        text = "".join(part if part != "%s" else f"${next(numbers)}" for part in _PLACEHOLDER.split(sql))
        _by_itself(f"PREPARE {name} AS {text}")
        called = self._calls[sql] = f"EXECUTE {name} ({', '.join(['%s'] * arguments)})"
        return called


def _by_itself(sql: str) -> None:
    """What stood among other statements would be forgotten where one before it fails."""
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(sql)


_PLACEHOLDER = re.compile("(%s)")
_prepared: WeakKeyDictionary[Any, Prepared] = WeakKeyDictionary()


def _known() -> Prepared:
    connection.ensure_connection()
    raw = connection.connection
    if raw not in _prepared:
        _prepared[raw] = Prepared()
    return _prepared[raw]


class Table:
    """Statements of one table, by hand: the ORM would cost more than the database."""

    def __init__(self, model: type[models.Model], columns: str) -> None:
        self.name = model._meta.db_table
        self.columns = columns.split()
        self._row = f"({', '.join(['%s'] * len(self.columns))})"
        named = ", ".join(f'"{column}"' for column in self.columns)
        self._insert = f"INSERT INTO {self.name} ({named}) VALUES "
        self._model = model
        self._updates: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}

    def insert(self, batch: Batch, rows: Sequence[Sequence[Any]]) -> None:
        if isinstance(batch, Bundle):
            batch.gather(self._insert_all, rows)
            return
        for few in _chunks(rows):
            batch.add(self._insert + ", ".join([self._row] * len(few)), [value for row in few for value in row])

    def insert_returning(self, batch: Batch, rows: Sequence[Sequence[Any]]) -> dict[tuple[int, int], int]:
        """Primary keys by instance and key. Sends what is in the batch along."""
        ids: dict[tuple[int, int], int] = {}
        for few in _chunks(rows):
            if isinstance(batch, Bundle):
                batch.gather(f"{self._insert_all} {_IDS}", few)
            else:
                sql = f"{self._insert}{', '.join([self._row] * len(few))} {_IDS}"
                batch.add(sql, [value for row in few for value in row])
            batch.flush()
            ids.update(((instance, key), pk) for instance, key, pk in batch.cursor.fetchall())
        return ids

    def delete(self, batch: Batch, instance: int, keys: Sequence[int]) -> None:
        if isinstance(batch, Bundle):
            batch.gather(self._delete_all, [(instance, key) for key in keys])
            return
        for few in _chunks(keys):
            batch.add(f"DELETE FROM {self.name} WHERE {_ours(few)}", [instance, *few])

    def update(self, batch: Batch, instance: int, keys: Sequence[int], **columns: Any) -> None:
        if isinstance(batch, Bundle):
            sql = self._update_all(("instance_id", "key"), tuple(columns))
            batch.gather(sql, [(instance, key, *columns.values()) for key in keys])
            return
        changes = ", ".join(f'"{column}" = %s' for column in columns)
        for few in _chunks(keys):
            sql = f"UPDATE {self.name} SET {changes} WHERE {_ours(few)}"
            batch.add(sql, [*columns.values(), instance, *few])

    def require(self, batch: Batch, known: Mapping[str, Any], **columns: Any) -> None:
        """Change the one row that is still as it was `known`, as `Batch.require`."""
        if isinstance(batch, Bundle):
            changed = f"WITH changed AS ({self._update_all(tuple(known), tuple(columns))} RETURNING 1)"
            sql = f"{changed} SELECT 1 / CASE WHEN count(*) = %s THEN 1 ELSE 0 END FROM changed"
            batch.gather(sql, [(*known.values(), *columns.values())])
            return
        changes = ", ".join(f'"{column}" = %s' for column in columns)
        where = " AND ".join(f'"{column}" = %s' for column in known)
        batch.require(f"UPDATE {self.name} SET {changes} WHERE {where}", [*columns.values(), *known.values()])

    def rename(self, batch: Batch, instance: int, nodes: Sequence[int], element: str) -> None:
        """Of the rows of these visits."""
        for few in _chunks(nodes):
            batch.add(f"UPDATE {self.name} SET element_id = %s WHERE {_ours(few, 'node')}", [element, instance, *few])

    # -- over arrays: the columns of as many rows as there are

    @cached_property
    def _insert_all(self) -> str:
        arrays, values = self._arrays(self.columns)
        named = ", ".join(f'"{column}"' for column in self.columns)
        return f"INSERT INTO {self.name} ({named}) SELECT {', '.join(values)} FROM {arrays}"

    @cached_property
    def _delete_all(self) -> str:
        arrays, _ = self._arrays(["instance_id", "key"])
        return f'DELETE FROM {self.name} t USING {arrays} WHERE t.instance_id = a0 AND t."key" = a1'

    def _update_all(self, known: tuple[str, ...], changed: tuple[str, ...]) -> str:
        if (sql := self._updates.get((known, changed))) is None:
            arrays, values = self._arrays([*known, *changed])
            pairs = list(zip([*known, *changed], values, strict=True))
            changes = ", ".join(f'"{column}" = {value}' for column, value in pairs[len(known) :])
            where = " AND ".join(f't."{column}" = {value}' for column, value in pairs[: len(known)])
            sql = f"UPDATE {self.name} t SET {changes} FROM {arrays} WHERE {where}"
            self._updates[known, changed] = sql
        return sql

    def _arrays(self, columns: Sequence[str]) -> tuple[str, list[str]]:
        """Arrays of the values of columns as something to select from, and how a value is called there. JSON travels
        as text, one by one made what it is: an array of texts is no array of JSON to PostgreSQL."""
        types = [_array_type(self._model, column) for column in columns]
        names = [f"a{number}" for number in range(len(columns))]
        values = [f"{name}::jsonb" if type_ == "jsonb" else name for name, type_ in zip(names, types, strict=True)]
        arrays = ", ".join(f"%s::{'text' if type_ == 'jsonb' else type_}[]" for type_ in types)
        return f"unnest({arrays}) AS a({', '.join(names)})", values


def insert_row(batch: Batch, row: models.Model) -> int:
    """Write a new row with what others refer to by its primary key, which is returned. It is written with them: where
    statements are sent together, its number is drawn before."""
    if connection.vendor != "postgresql":
        row.save(force_insert=True)
        return int(row.pk)
    meta = type(row)._meta
    send(batch.cursor, [("SELECT nextval(pg_get_serial_sequence(%s, %s))", (meta.db_table, meta.pk.column))])
    row.pk = batch.cursor.fetchone()[0]
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in meta.concrete_fields]
    _whole(type(row)).insert(batch, [values])
    row._state.adding, row._state.db = False, connection.alias
    return int(row.pk)


@cache
def _whole(model: type[models.Model]) -> Table:
    return Table(model, " ".join(str(field.column) for field in model._meta.concrete_fields))


_IDS = 'RETURNING instance_id, "key", id'


def _array_type(model: type[models.Model], column: str) -> str:
    type_ = next(field.db_type(connection) for field in model._meta.concrete_fields if field.column == column)
    assert type_ is not None
    return "text" if type_.startswith("varchar") else type_


def _ours(keys: Sequence[int], by: str = "key") -> str:
    return f'instance_id = %s AND "{by}" IN ({", ".join(["%s"] * len(keys))})'


def _chunks(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
