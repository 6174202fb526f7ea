"""Copies rows of instances within the database, moved in time: by hand, for both databases, some 10,000 at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, models

from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Step, Timer

PARTS: tuple[type[models.Model], ...] = (FlowNodeInstance, Step, Incident, Job, Timer)
AHEAD = {"hinted_at", "lease_until"}
"""Moments that are not moved: a lease that lapsed long ago would only be taken for a crash."""
SERIES = "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < {last}) "


def copy(kept: Sequence[int], count: int, *, done: int, wanted: int, span: timedelta) -> None:
    """`count` copies of the instances `kept`, in turn, as numbers `done` and following of `wanted`: the first is moved
    back by the whole span, the last not at all. On behalf of `seed`, within its transaction."""
    first = _reserve(count)
    pause = span.total_seconds() / max(1, wanted)
    for pattern, places in _places(kept, count).items():
        # Copy n of this pattern is every len(kept)th instance, from each of its places.
        for place, times in places:
            number = f"({first} + {place} + n * {len(kept)})"
            back = f"(({wanted - done - 1 - place} - n * {len(kept)}) * {pause!r})"
            key = f"'seed-' || {number}"
            _insert(ProcessInstance, pattern, times, back, {"id": number, "business_key": key})
            for part in PARTS:
                _insert(part, pattern, times, back, {"instance_id": number})


def _places(kept: Sequence[int], count: int) -> dict[int, list[tuple[int, int]]]:
    """For every pattern, where in a round it stands, and how many rounds reach there."""
    places: dict[int, list[tuple[int, int]]] = {}
    for place, pattern in enumerate(kept):
        times = len(range(place, count, len(kept)))
        if times:
            places.setdefault(pattern, []).append((place, times))
    return places


def _reserve(count: int) -> int:
    """So many numbers of instances that nobody else gets; the first. SQLite is ours alone in this transaction."""
    table = ProcessInstance._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            cursor.execute(f"SELECT setval({sequence}, nextval({sequence}) + %s)", [count])
        else:
            cursor.execute("SELECT coalesce(max(seq), 0) + %s FROM sqlite_sequence WHERE name = %s", [count, table])
        return int(cursor.fetchone()[0]) - count + (0 if connection.vendor == "postgresql" else 1)


def _insert(model: type[models.Model], pattern: int, times: int, back: str, given: dict[str, str]) -> None:
    names, values = [], []
    for field in model._meta.local_concrete_fields:
        if field.primary_key and field.column not in given:
            continue
        names.append(f'"{field.column}"')
        values.append(given.get(str(field.column)) or _moved(field, back))
    owner = "id" if model is ProcessInstance else "instance_id"
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) {SERIES.format(last=times - 1)}"
            f"SELECT {', '.join(values)} FROM {table}, series WHERE {table}.{owner} = %s",
            [pattern],
        )


def _moved(field: models.Field[Any, Any], back: str) -> str:
    column = f'"{field.model._meta.db_table}"."{field.column}"'
    if not isinstance(field, models.DateTimeField) or field.column in AHEAD:
        return column
    if connection.vendor == "postgresql":
        return f"{column} - make_interval(secs => {back})"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', {column}, '-' || {back} || ' seconds')"
