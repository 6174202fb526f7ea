"""From rows to the engine's `Instance`: lock the row, then read the live parts. One of two doors with SQL by hand.

A small instance is read whole, in one statement: a UNION ALL over everything that is alive (see `live`). If more than
`WHOLE` parts are alive, nothing is kept of that and the engine fetches what it touches (see `pieces`).

Only `transaction` may call `load`, for without the lock what is read here is hearsay. With two exceptions: who claims a
job reads its instance with it, and who brings a message that of who waits for it; both go on from there if nobody
stepped meanwhile. The number of steps, which the recorder asks for, proves that, so hearsay is found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from processes import models
from processes.engine.parts import FlowNodeInstance, Job
from processes.engine.state import Changes, Instance, InstanceState
from processes.runtime.live import AROUND, LIVE, PARTS, TOLD, JobRow, decode, fill, required, some, table
from processes.runtime.pieces import Archive, Deferred, Fetcher
from processes.runtime.statements import ask, send

WHOLE = 200
"""An instance with more live parts than this is read piece by piece."""

LARGE_VARIABLES = 4000
"""Bytes, as they are stored: variables of an instance that take more are read when somebody looks at them."""

TAKEN_WITH = 50
"""Who claims a job reads its instance along with it, if it has no more live parts than this."""


class Parent(NamedTuple):
    """Who called an instance: primary key, and the key of the call in it."""

    id: int
    call: int


@dataclass(slots=True)
class Loaded:
    """A locked instance: what its row says, and the engine's view of it."""

    id: int
    definition_id: int
    digest: str
    process_id: str
    business_key: str
    started_at: datetime
    steps: int
    instance: Instance
    parent: Parent | None = None
    correlation_key: str = ""
    variables: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The variables of nodes as they were read; the engine replaces dicts, so another object means a change."""
    jobs: dict[int, JobRow] = field(default_factory=dict)
    """By key."""
    fresh: models.ProcessInstance | None = None
    """The row of an instance that begins with this step, and is not written yet."""
    whole: bool = True
    """Whether it holds every live part; of one that is locked, the reader fetches the others."""
    held: tuple[int, int] | None = None
    """Of one that is not locked: primary key and attempt of the job for whose end it was kept."""

    def renew(self, jobs: dict[int, JobRow]) -> None:
        """As it would be loaded now, after a step that was recorded. Not for one that is read piece by piece."""
        assert self.instance.reader is None
        self.held = None
        self.fresh = None
        self.steps += 1
        self.jobs = jobs
        self.variables = {key: node.variables for key, node in self.instance.nodes.items()}
        self.instance.changes = Changes()

    def job(self, pk: int) -> Job | None:
        """A live job by its primary key, None where it is gone."""
        for key, row in self.jobs.items():
            if row.id == pk:
                return self.instance.wait(Job, key)
        reader = self.instance.reader
        if isinstance(reader, Fetcher):
            job = reader.job(pk)
            if job is not None:
                self.instance.waits[job.key] = job
            return job
        return None


def load(instance_id: int, *, whole: bool = False, wait: bool = True) -> Loaded | None:
    """Lock an instance until the transaction ends and read it; None where there is none.

    `whole` reads every part, however many. Without `wait`, an instance that somebody else holds is None as well
    (on SQLite the transaction already holds the one write lock, and nobody else can).
    """
    with connection.cursor() as cursor:
        variables = _VARIABLES if connection.vendor == "postgresql" else "CAST(i.variables AS text)"
        ask(cursor, f"{_INSTANCE.format(variables=variables)} WHERE i.id = %s {_lock(wait=wait)}", [instance_id])
        row = cursor.fetchone()
        if row is None:
            return None
        loaded = _loaded(row)
        if loaded.instance.state.is_final:
            return loaded
        if not whole and _large.has(instance_id):
            return _piece_by_piece(loaded)
        ask(cursor, LIVE if whole else _SMALL, [instance_id] * len(PARTS))
        rows = cursor.fetchall()
    if len(rows) > WHOLE and not whole:
        _large.add(instance_id)
        return _piece_by_piece(loaded)
    fill(loaded, rows)
    return loaded


def _piece_by_piece(loaded: Loaded) -> Loaded:
    loaded.whole = False
    loaded.instance.reader = Fetcher(loaded)
    return loaded


class _Large:
    """Instances that were found to be large lately, so that not every step of them reads `WHOLE` parts to find it out
    again. No more than a hint: any instance may be read piece by piece. After so many steps it is looked at anew, for
    it may have become small."""

    MOST = 1000
    STEPS = 100

    def __init__(self) -> None:
        self._left: dict[int, int] = {}

    def add(self, instance: int) -> None:
        while len(self._left) >= self.MOST:
            self._left.pop(next(iter(self._left)), None)
        self._left[instance] = self.STEPS

    def has(self, instance: int) -> bool:
        left = self._left.pop(instance, 0)
        if left:
            self._left[instance] = left - 1
        return left > 0


_large = _Large()


class Found(NamedTuple):
    """A locked instance as rows, and the key of the part for which it was looked for."""

    id: int
    key: int
    row: Sequence[Any]
    parts: list[tuple[Any, ...]]

    def loaded(self) -> Loaded:
        loaded = _loaded(self.row)
        fill(loaded, self.parts)
        return loaded


def find(due: str, arguments: Sequence[Any], limit: int) -> tuple[list[Found], list[tuple[int, int]]]:
    """Lock the instances of up to `limit` parts that are due, but for those that somebody holds, and read them: in two
    statements for all of them, for what is read after the lock is no hearsay. `due` selects ``instance_id``,
    ``key`` and ``due_at`` of the parts. The oldest come first, one for each instance. Further ones, and those of large
    instances, are told by their instance and key.
    """
    with connection.cursor() as cursor:
        variables = _VARIABLES if connection.vendor == "postgresql" else "CAST(i.variables AS text)"
        sql = _FIND.format(due=due, variables=variables)
        ask(cursor, f"{sql} LIMIT {limit} {_lock(wait=False)}", arguments)
        found: dict[int, Found] = {}
        further: list[tuple[int, int]] = []
        for key, *row in cursor.fetchall():
            if (pk := row[0]) in found or _large.has(pk):
                further.append((pk, key))
            else:
                found[pk] = Found(pk, key, row, [])
        if connection.vendor != "postgresql":
            for each in found.values():
                ask(cursor, _SMALL, [each.id] * len(PARTS))
                each.parts.extend(cursor.fetchall())
        elif found:
            ask(cursor, _SMALL_ALL, [list(found)])
            for pk, *part in cursor.fetchall():
                found[pk].parts.append(tuple(part))
    for each in [each for each in found.values() if len(each.parts) > WHOLE]:
        _large.add(each.id)
        further.append((each.id, each.key))
        del found[each.id]
    return list(found.values()), further


Taken = tuple[int, int, int, int, str, str, str, str, int, int, str, str | None]
"""A job that was claimed, as its row says: primary key, that of its instance, key, node, type, element, process,
headers, attempt, retries, due time, progress. JSON and moments as text."""


def take(claim: str, arguments: Sequence[Any]) -> tuple[Taken, Loaded | None] | None:
    """Have a job claimed by an UPDATE of its row, and read its instance in the same statement (PostgreSQL only); None
    where no row was changed. Of an instance that is large, no more is told.

    What is read is the instance as `Loaded.whole`, if the job is its only one: whoever has it is likely to go on with
    it. Else it is no more than the job, its visit and those around it, which is what the worker is told of.

    Nothing is locked, so what was read has to prove itself. Its commit does not wait for the disk.
    """
    with connection.cursor() as cursor:
        send(cursor, [(_TAKE.format(claim=claim), arguments)])
        rows = cursor.fetchall()
    if not rows:
        return None
    # Branches answer in their order.
    loaded = _taken_from(rows[0])
    (_, job, key, node, type_, element, attempt, retries, due, _, headers, progress, alone) = rows[1]
    taken = (job, loaded.id, key, node, type_, element, loaded.process_id, headers, attempt, retries, due, progress)
    if len(rows) - 2 > TAKEN_WITH:
        return taken, None
    loaded.whole = alone == "true"
    fill(loaded, rows[2:])
    return taken, loaded


class Glance(NamedTuple):
    """What was chosen, and the instance; None where none was chosen, or it is large."""

    number: int
    key: int
    text: str
    loaded: Loaded | None


def glance(choice: str, arguments: Sequence[Any]) -> Glance | None:
    """Evaluate a SELECT of `number`, `key`, `text` and `instance_id` from one row at most, and read that instance in
    the same statement (PostgreSQL only); None where there is no row.

    As with `take`, nothing is locked.
    """
    with connection.cursor() as cursor:
        send(cursor, [(_GLANCE.format(choice=choice), arguments)])
        rows = cursor.fetchall()
    if not rows:
        return None
    (_, number, key, *_, text, _, _) = rows[0]
    if not 1 < len(rows) <= TAKEN_WITH + 2:
        return Glance(number, key, text, None)
    loaded = _taken_from(rows[1])
    fill(loaded, rows[2:])
    return Glance(number, key, text, loaded)


def _taken_from(row: Sequence[Any]) -> Loaded:
    """Of a row that begins with 'instance'."""
    _, pk, last_key, definition, process, state, steps, _, started, digest, variables, business_key, rest = row
    first = (pk, definition, digest, process, business_key, state, variables, last_key, steps, started)
    return _loaded([*first, *decode(rest)])


def _loaded(row: Sequence[Any]) -> Loaded:
    pk, definition, digest, process, business_key, state, variables, last_key, steps, started_at, *rest = row
    caller, call, correlation_key = rest
    instance = Instance(id=str(pk))
    instance.state = InstanceState(state)
    instance.variables = Deferred(pk) if variables is None else decode(variables)
    instance.last_key = last_key
    instance.archive = Archive(pk)
    instance.called = caller is not None
    parent = None if caller is None else Parent(caller, call)
    begun = required(started_at)
    return Loaded(pk, definition, digest, process, business_key, begun, steps, instance, parent, correlation_key)


# How long a text is SQLite finds out by reading it, so there nothing is gained.
_VARIABLES = f"CASE WHEN pg_column_size(i.variables) <= {LARGE_VARIABLES} THEN CAST(i.variables AS text) END"
_COLUMNS = """i.id, i.definition_id, d.digest, i.process_id, i.business_key, i.state, {variables},
       i.last_key, i.steps, CAST(i.started_at AS text), i.parent_id, i.parent_call, i.correlation_key"""
_INSTANCE = f"""
SELECT {_COLUMNS} FROM {table["ProcessInstance"]} i JOIN {table["ProcessDefinition"]} d ON d.id = i.definition_id"""


def _lock(*, wait: bool) -> str:
    if not connection.features.has_select_for_update:
        return ""
    # No key is ever updated, and rows that refer to the instance may be checked meanwhile.
    return "FOR NO KEY UPDATE OF i" if wait else "FOR NO KEY UPDATE OF i SKIP LOCKED"


_SMALL = some(WHOLE + 1)
# The same columns again, for the job that was claimed and for the instance. Parts are as they were before the claim.
_TAKEN_INSTANCE = f"""
SELECT 'instance', i.id, i.last_key, i.definition_id, i.process_id, i.state, i.steps, 0, CAST(i.started_at AS text),
       d.digest, {_VARIABLES}, i.business_key,
       CAST(json_build_array(i.parent_id, i.parent_call, i.correlation_key) AS text)
FROM taken JOIN {table["ProcessInstance"]} i ON i.id = taken.instance_id
     JOIN {table["ProcessDefinition"]} d ON d.id = i.definition_id"""
# The last condition keeps PostgreSQL from reading a table through for the parts of no instance.
_TAKE = f"""
WITH RECURSIVE hurry AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', TRUE)
), taken AS MATERIALIZED (
    {{claim}} RETURNING id, instance_id, "key", node, type, element_id, attempt, retries, due_at, headers, progress
), alone AS MATERIALIZED (
    SELECT instance_id FROM taken WHERE NOT EXISTS (
        SELECT 1 FROM (
            SELECT id FROM {table["Job"]} WHERE instance_id = taken.instance_id ORDER BY "key" DESC LIMIT 2
        ) last WHERE last.id <> taken.id
    )
), inmost AS MATERIALIZED (
    SELECT instance_id, node FROM taken WHERE NOT EXISTS (SELECT 1 FROM alone)
), {AROUND}
{_TAKEN_INSTANCE}
UNION ALL
SELECT 'taken', id, "key", node, type, element_id, attempt, retries, CAST(due_at AS text), NULL,
       CAST(headers AS text), CAST(progress AS text), CAST(EXISTS (SELECT 1 FROM alone) AS text)
FROM taken CROSS JOIN hurry
UNION ALL
SELECT {TOLD[FlowNodeInstance]} FROM around
UNION ALL
SELECT {TOLD[Job]} FROM {table["Job"]} WHERE id = (SELECT id FROM taken WHERE NOT EXISTS (SELECT 1 FROM alone))
UNION ALL
SELECT * FROM ({some(TAKEN_WITH + 1, "(SELECT instance_id FROM alone)")}) live
WHERE EXISTS (SELECT 1 FROM alone)"""

_GLANCE = f"""
WITH taken AS MATERIALIZED ({{choice}})
SELECT 'chosen', number, COALESCE("key", 0), 0, '', '', 0, 0, CAST(NULL AS text), CAST(NULL AS text),
       "text", CAST(NULL AS text), CAST(NULL AS text) FROM taken
UNION ALL
{_TAKEN_INSTANCE}
UNION ALL
SELECT * FROM ({some(TAKEN_WITH + 1, "(SELECT instance_id FROM taken)")}) live
WHERE EXISTS (SELECT 1 FROM taken WHERE instance_id IS NOT NULL)"""

_FIND = f"""
SELECT due."key", {_COLUMNS}
FROM ({{due}}) due JOIN {table["ProcessInstance"]} i ON i.id = due.instance_id
     JOIN {table["ProcessDefinition"]} d ON d.id = i.definition_id
ORDER BY due.due_at"""
_SMALL_ALL = f"""
SELECT found.id, part.* FROM unnest(%s::bigint[]) AS found(id)
CROSS JOIN LATERAL ({some(WHOLE + 1, "found.id")}) AS part"""
