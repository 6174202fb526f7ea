"""What comes out of a database, as JSON: nothing is rounded, and nothing is larger than asked for.

Decimals stay exact, doubles are taken by their shortest spelling, dates and times are ISO 8601 text (spans ISO
durations), UUIDs text, bytes base64, arrays lists, JSON data. NaN and infinities, which JSON lacks, are text.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tasks.connectors import exact_json
from tasks.connectors.base import JobError

MYSQL_JSON = 245
"""Type code of a JSON column in MySQL. MariaDB and SQLite do not tell theirs from text: name them in `jsonColumns`."""


def as_value(value: Any) -> Any:
    """One value of a column as JSON."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return value if value.is_finite() else str(value)
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return duration(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode("ascii")
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): as_value(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [as_value(item) for item in value]
    return str(value)


def duration(span: timedelta) -> str:
    """A span as ISO 8601 duration: ``P1DT2H3M4.5S``, ``-PT1S``."""
    sign, span = ("-", -span) if span < timedelta() else ("", span)
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f"{seconds}.{span.microseconds:06d}".rstrip("0") if span.microseconds else str(seconds)
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{fraction}S" * (fraction != "0")
    text = f"{span.days}D" * bool(span.days) + (f"T{clock}" if clock else "")
    return f"{sign}P{text or 'T0S'}"


class Room:
    """How many rows and bytes may still come back."""

    def __init__(self, rows: int, size: int) -> None:
        self.rows, self.size = rows, size
        self._rows, self._size = rows, size

    def take(self, row: Mapping[str, Any]) -> None:
        """Raises `JobError`: ``TOO_MANY_ROWS``, ``RESULT_TOO_LARGE``."""
        self._rows -= 1
        if self._rows < 0:
            raise JobError(
                f"Expected at most {self.rows} rows (`maxRows`), but the database has more",
                retryable=False,
                code="TOO_MANY_ROWS",
            )
        self._size -= len(exact_json.dumps(row).encode("utf-8", "replace"))
        if self._size < 0:
            raise JobError(
                f"Expected at most {self.size} bytes (`maxResponseBytes`), but the database has more",
                retryable=False,
                code="RESULT_TOO_LARGE",
            )


def rows(
    columns: Sequence[str],
    codes: Sequence[Any],
    found: Iterable[Sequence[Any]],
    room: Room,
    json_columns: frozenset[str],
) -> list[dict[str, Any]]:
    """Rows as contexts. Raises `JobError`: ``DUPLICATE_COLUMN``, ``INVALID_JSON``, and what `Room.take` raises."""
    if len(set(columns)) != len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise JobError(
            f"Expected every column to have a name of its own, but found {twice!r:.80} twice: name one with AS",
            retryable=False,
            code="DUPLICATE_COLUMN",
        )
    data = [name in json_columns or code == MYSQL_JSON for name, code in zip(columns, codes, strict=True)]
    kept: list[dict[str, Any]] = []
    for row in found:
        made = {
            name: _data(value, name) if is_data and isinstance(value, str) else as_value(value)
            for name, value, is_data in zip(columns, row, data, strict=True)
        }
        room.take(made)
        kept.append(made)
    return kept


def _data(text: str, name: str) -> Any:
    try:
        return exact_json.loads(text)
    except ValueError as problem:
        raise JobError(
            f"Expected column {name!r:.80} to hold JSON, but {problem}", retryable=False, code="INVALID_JSON"
        ) from None
