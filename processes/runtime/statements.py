"""Statements by hand, for the two doors whose cost is the cost of a task: several in one round trip, many rows in one
statement. Says nothing about what is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import DataError, connection, models

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

CHUNK = 500
"""Rows or keys per statement: far below the limit of parameters of either database."""
DIVISION_BY_ZERO = "22012"


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
        self._statements: list[str] = []
        self._arguments: list[Any] = []

    def add(self, sql: str, arguments: Sequence[Any]) -> None:
        if not self._together:
            self.cursor.execute(sql, arguments)
            return
        self._statements.append(sql)
        self._arguments += arguments

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
            statements, arguments = "; ".join(self._statements), self._arguments
            self._statements, self._arguments = [], []
            try:
                self.cursor.execute(statements, arguments)
            except DataError as error:
                if getattr(error.__cause__, "pgcode", "") == DIVISION_BY_ZERO:
                    raise Unchanged from error
                raise


class Table:
    """Statements of one table, by hand: the ORM would cost more than the database."""

    def __init__(self, model: type[models.Model], columns: str) -> None:
        self.name = model._meta.db_table
        self.columns = columns.split()
        self._row = f"({', '.join(['%s'] * len(self.columns))})"
        named = ", ".join(f'"{column}"' for column in self.columns)
        self._insert = f"INSERT INTO {self.name} ({named}) VALUES "

    def insert(self, batch: Batch, rows: Sequence[Sequence[Any]]) -> None:
        for few in _chunks(rows):
            batch.add(self._insert + ", ".join([self._row] * len(few)), [value for row in few for value in row])

    def insert_returning(self, batch: Batch, rows: Sequence[Sequence[Any]]) -> dict[int, int]:
        """Primary keys by key. Sends what is in the batch along."""
        ids: dict[int, int] = {}
        for few in _chunks(rows):
            sql = self._insert + ", ".join([self._row] * len(few)) + ' RETURNING "key", id'
            batch.add(sql, [value for row in few for value in row])
            batch.flush()
            ids.update(batch.cursor.fetchall())
        return ids

    def delete(self, batch: Batch, instance: int, keys: Sequence[int]) -> None:
        for few in _chunks(keys):
            batch.add(f"DELETE FROM {self.name} WHERE {_ours(few)}", [instance, *few])

    def update(self, batch: Batch, instance: int, keys: Sequence[int], **columns: Any) -> None:
        changes = ", ".join(f'"{column}" = %s' for column in columns)
        for few in _chunks(keys):
            sql = f"UPDATE {self.name} SET {changes} WHERE {_ours(few)}"
            batch.add(sql, [*columns.values(), instance, *few])

    def rename(self, batch: Batch, instance: int, nodes: Sequence[int], element: str) -> None:
        """Of the rows of these visits."""
        for few in _chunks(nodes):
            batch.add(f"UPDATE {self.name} SET element_id = %s WHERE {_ours(few, 'node')}", [element, instance, *few])


def _ours(keys: Sequence[int], by: str = "key") -> str:
    return f'instance_id = %s AND "{by}" IN ({", ".join(["%s"] * len(keys))})'


def _chunks(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
