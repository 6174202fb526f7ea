"""From rows to the engine's `Instance`: lock the row, then read the live parts. One of two doors with SQL by hand.

A small instance is read whole, in one statement: a UNION ALL over everything that is alive, in twelve columns that
mean something else for every kind of part (see `_PARTS`). The same text runs on both databases: moments and JSON
travel as text. If more than `WHOLE` parts are alive, nothing is kept of that and the engine fetches what it touches
through `_Fetcher`, so a step among 10,000 parallel jobs costs what a step among ten costs.

Only `transaction` may call `load`, for without the lock what is read here is hearsay. With two exceptions: who claims a
job reads its instance with it, and who brings a message that of who waits for it; both go on from there if nobody
stepped meanwhile. The number of steps, which the recorder asks for, proves that, so hearsay is found out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from processes import models
from processes.engine.errors import IncidentKind
from processes.engine.parts import (
    Call,
    Compensation,
    Condition,
    FlowNodeInstance,
    Incident,
    Job,
    JobState,
    MessageSubscription,
    NodeState,
    SignalSubscription,
    Timer,
    Token,
    Wait,
)
from processes.engine.state import PROCESS_SCOPE, Changes, Instance, InstanceState
from processes.models.fields import DecimalDecoder
from processes.runtime.statements import ask, send

WHOLE = 200
"""An instance with more live parts than this is read piece by piece."""

LARGE_VARIABLES = 4000
"""Bytes, as they are stored: variables of an instance that take more are read when somebody looks at them."""

TAKEN_WITH = 50
"""Who claims a job reads its instance along with it, if it has no more live parts than this."""

_decode = DecimalDecoder().decode
_table = {name: getattr(models, name)._meta.db_table for name in models.__all__}


class JobRow(NamedTuple):
    """What the row of a job knows and the engine need not."""

    id: int
    worker: str
    lease_until: datetime | None


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
        if isinstance(reader, _Fetcher):
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
        ask(cursor, _LIVE if whole else _SMALL, [instance_id] * len(_PARTS))
        rows = cursor.fetchall()
    if len(rows) > WHOLE and not whole:
        _large.add(instance_id)
        return _piece_by_piece(loaded)
    _fill(loaded, rows)
    return loaded


def _piece_by_piece(loaded: Loaded) -> Loaded:
    loaded.whole = False
    loaded.instance.reader = _Fetcher(loaded)
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
        _fill(loaded, self.parts)
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
                ask(cursor, _SMALL, [each.id] * len(_PARTS))
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


def take(claim: str, arguments: Sequence[Any], *, before: str = "") -> tuple[Taken, Loaded | None] | None:
    """Have a job claimed by an UPDATE of its row, and read its instance in the same statement (PostgreSQL only); None
    where no row was changed. Of an instance that is large, no more is told.

    What is read is the instance as `Loaded.whole`, if the job is its only one: whoever has it is likely to go on with
    it. Else it is no more than the job, its visit and those around it, which is what the worker is told of.

    Nothing is locked, so what was read has to prove itself. `before` is sent ahead.
    """
    with connection.cursor() as cursor:
        send(cursor, [(_TAKE.format(claim=claim), arguments)], first=before)
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
    _fill(loaded, rows[2:])
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
    _fill(loaded, rows[2:])
    return Glance(number, key, text, loaded)


def _taken_from(row: Sequence[Any]) -> Loaded:
    """Of a row that begins with 'instance'."""
    _, pk, last_key, definition, process, state, steps, _, started, digest, variables, business_key, rest = row
    first = (pk, definition, digest, process, business_key, state, variables, last_key, steps, started)
    return _loaded([*first, *_decode(rest)])


def _loaded(row: Sequence[Any]) -> Loaded:
    pk, definition, digest, process, business_key, state, variables, last_key, steps, started_at, *rest = row
    caller, call, correlation_key = rest
    instance = Instance(id=str(pk))
    instance.state = InstanceState(state)
    instance.variables = Deferred(pk) if variables is None else _decode(variables)
    instance.last_key = last_key
    instance.archive = _Archive(pk)
    instance.called = caller is not None
    parent = None if caller is None else Parent(caller, call)
    begun = _required(started_at)
    return Loaded(pk, definition, digest, process, business_key, begun, steps, instance, parent, correlation_key)


def _fill(loaded: Loaded, rows: Iterable[tuple[Any, ...]]) -> None:
    instance = loaded.instance
    for part in _parts(loaded, rows):
        if isinstance(part, FlowNodeInstance):
            instance.nodes[part.key] = part
        elif isinstance(part, Token):
            instance.tokens[part.key] = part
        else:
            instance.waits[part.key] = part


# How long a text is SQLite finds out by reading it, so there nothing is gained.
_VARIABLES = f"CASE WHEN pg_column_size(i.variables) <= {LARGE_VARIABLES} THEN CAST(i.variables AS text) END"
_COLUMNS = """i.id, i.definition_id, d.digest, i.process_id, i.business_key, i.state, {variables},
       i.last_key, i.steps, CAST(i.started_at AS text), i.parent_id, i.parent_call, i.correlation_key"""
_INSTANCE = f"""
SELECT {_COLUMNS} FROM {_table["ProcessInstance"]} i JOIN {_table["ProcessDefinition"]} d ON d.id = i.definition_id"""


def _lock(*, wait: bool) -> str:
    if not connection.features.has_select_for_update:
        return ""
    # No key is ever updated, and rows that refer to the instance may be checked meanwhile.
    return "FOR NO KEY UPDATE OF i" if wait else "FOR NO KEY UPDATE OF i SKIP LOCKED"


# kind, id, key, scope or node, name, state, two numbers, two moments, two texts, another moment
_TOLD = {
    FlowNodeInstance: """'node', id, "key", scope, element_id, state, 0, 0, CAST(NULL AS text), CAST(NULL AS text),
        CAST(variables AS text), CAST(result AS text), CAST(NULL AS text)""",
    Token: """'token', id, "key", scope, flow_id, '', 0, 0, NULL, NULL, NULL, NULL, NULL""",
    Job: """'job', id, "key", node, type, state, retries, attempt, CAST(due_at AS text), CAST(lease_until AS text),
        CAST(headers AS text), worker, CAST(retry_until AS text)""",
    Timer: """'timer', id, "key", node, element_id, '', repetitions, 0, CAST(due_at AS text), NULL, NULL, NULL, NULL""",
    MessageSubscription: """'subscription', id, "key", node, element_id, '', 0, 0, NULL, NULL, name, correlation_key,
        NULL""",
    Call: """'call', id, "key", node, called_process_id, '', 0, 0, NULL, NULL, NULL, NULL, NULL""",
    SignalSubscription: """'signal', id, "key", node, element_id, '', 0, 0, NULL, NULL, name, NULL, NULL""",
    Condition: """'condition', id, "key", node, element_id, '', CASE WHEN satisfied THEN 1 ELSE 0 END, 0, NULL, NULL,
        expression, NULL, NULL""",
    Compensation: """'compensation', id, "key", node, element_id, '', thrower, handler, NULL, NULL,
        CAST(variables AS text), NULL, NULL""",
    Incident: """'incident', id, "key", node, element_id, kind, 0, 0, NULL, NULL, message, NULL, NULL""",
}
_ENDS = {FlowNodeInstance, Incident}
"""Kinds of which those that have ended are kept."""
_PARTS = {
    kind: f"SELECT {told} FROM {_table[kind.__name__]} WHERE instance_id = %s"
    + (" AND ended_at IS NULL" if kind in _ENDS else "")
    for kind, told in _TOLD.items()
}
# One part by its key. PostgreSQL must not see that the index of live visits would serve too: it knows nothing yet of
# those that were born a moment ago, and would read them all.
_ALONE = {kind: sql.replace("ended_at IS NULL", "(ended_at IS NULL) IS TRUE") for kind, sql in _PARTS.items()}
_LIVE = " UNION ALL ".join(_PARTS.values())


def _some(most: int, instance: str = "%s") -> str:
    """So many live parts of an instance, in the order of an index: PostgreSQL would else read a table through where it
    believes that the first rows that it meets belong to the instance, and meet those that have ended."""
    order = dict.fromkeys(_PARTS, 'ORDER BY "key"') | {FlowNodeInstance: 'ORDER BY scope, "key"'}
    few = (f"SELECT * FROM ({sql} {order[kind]} LIMIT {most}) part" for kind, sql in _PARTS.items())
    return f"{' UNION ALL '.join(few)} LIMIT {most}".replace("%s", instance)


_SMALL = _some(WHOLE + 1)
_WAITS = (Job, Timer, MessageSubscription, SignalSubscription, Condition, Call, Compensation, Incident)

# A visit and those around it, outwards. Looked up one by one, whatever PostgreSQL believes of their number.
_AROUND = f"""
around AS (
    SELECT visit.* FROM inmost CROSS JOIN LATERAL (
        SELECT * FROM {_table["FlowNodeInstance"]}
        WHERE instance_id = inmost.instance_id AND "key" = inmost.node OFFSET 0
    ) visit
    UNION ALL
    SELECT visit.* FROM around CROSS JOIN LATERAL (
        SELECT * FROM {_table["FlowNodeInstance"]}
        WHERE instance_id = around.instance_id AND "key" = around.scope OFFSET 0
    ) visit
)"""

# The same columns again, for the job that was claimed and for the instance. Parts are as they were before the claim.
_TAKEN_INSTANCE = f"""
SELECT 'instance', i.id, i.last_key, i.definition_id, i.process_id, i.state, i.steps, 0, CAST(i.started_at AS text),
       d.digest, {_VARIABLES}, i.business_key,
       CAST(json_build_array(i.parent_id, i.parent_call, i.correlation_key) AS text)
FROM taken JOIN {_table["ProcessInstance"]} i ON i.id = taken.instance_id
     JOIN {_table["ProcessDefinition"]} d ON d.id = i.definition_id"""
# The last condition keeps PostgreSQL from reading a table through for the parts of no instance.
_TAKE = f"""
WITH RECURSIVE taken AS MATERIALIZED (
    {{claim}} RETURNING id, instance_id, "key", node, type, element_id, attempt, retries, due_at, headers, progress
), alone AS MATERIALIZED (
    SELECT instance_id FROM taken WHERE NOT EXISTS (
        SELECT 1 FROM (
            SELECT id FROM {_table["Job"]} WHERE instance_id = taken.instance_id ORDER BY "key" DESC LIMIT 2
        ) last WHERE last.id <> taken.id
    )
), inmost AS MATERIALIZED (
    SELECT instance_id, node FROM taken WHERE NOT EXISTS (SELECT 1 FROM alone)
), {_AROUND}
{_TAKEN_INSTANCE}
UNION ALL
SELECT 'taken', id, "key", node, type, element_id, attempt, retries, CAST(due_at AS text), NULL,
       CAST(headers AS text), CAST(progress AS text), CAST(EXISTS (SELECT 1 FROM alone) AS text) FROM taken
UNION ALL
SELECT {_TOLD[FlowNodeInstance]} FROM around
UNION ALL
SELECT {_TOLD[Job]} FROM {_table["Job"]} WHERE id = (SELECT id FROM taken WHERE NOT EXISTS (SELECT 1 FROM alone))
UNION ALL
SELECT * FROM ({_some(TAKEN_WITH + 1, "(SELECT instance_id FROM alone)")}) live
WHERE EXISTS (SELECT 1 FROM alone)"""

_GLANCE = f"""
WITH taken AS MATERIALIZED ({{choice}})
SELECT 'chosen', number, COALESCE("key", 0), 0, '', '', 0, 0, CAST(NULL AS text), CAST(NULL AS text),
       "text", CAST(NULL AS text), CAST(NULL AS text) FROM taken
UNION ALL
{_TAKEN_INSTANCE}
UNION ALL
SELECT * FROM ({_some(TAKEN_WITH + 1, "(SELECT instance_id FROM taken)")}) live
WHERE EXISTS (SELECT 1 FROM taken WHERE instance_id IS NOT NULL)"""

# A job of a large instance, and what its end looks at: its visit and those around it, what these hold and wait for,
# another visit beside it, and what is watched.
_BESIDE = f"""
WITH RECURSIVE inmost AS MATERIALIZED (
    SELECT instance_id, node FROM {_table["Job"]} WHERE instance_id = %s AND id = %s
), {_AROUND}
SELECT {_TOLD[FlowNodeInstance]} FROM around
UNION ALL
SELECT * FROM (
    {_PARTS[FlowNodeInstance]} AND scope = (SELECT scope FROM around ORDER BY "key" DESC LIMIT 1)
    AND "key" <> (SELECT node FROM inmost) ORDER BY "key" DESC LIMIT 1
) beside
UNION ALL
{_PARTS[Token]} AND scope = (SELECT node FROM inmost)
UNION ALL
{_PARTS[Condition]}
UNION ALL
{" UNION ALL ".join(f"{_PARTS[kind]} AND node = (SELECT node FROM inmost)" for kind in _WAITS if kind != Condition)}"""

_FIND = f"""
SELECT due."key", {_COLUMNS}
FROM ({{due}}) due JOIN {_table["ProcessInstance"]} i ON i.id = due.instance_id
     JOIN {_table["ProcessDefinition"]} d ON d.id = i.definition_id
ORDER BY due.due_at"""
_SMALL_ALL = f"""
SELECT found.id, part.* FROM unnest(%s::bigint[]) AS found(id)
CROSS JOIN LATERAL ({_some(WHOLE + 1, "found.id")}) AS part"""

Part = FlowNodeInstance | Token | Wait


def _parts(loaded: Loaded, rows: Iterable[tuple[Any, ...]]) -> Iterable[Part]:
    for kind, pk, key, around, name, state, first, second, moment, until, text, more, last in rows:
        if kind == "node":
            variables = _decode(text)
            loaded.variables[key] = variables
            result = None if more is None else _decode(more)
            yield FlowNodeInstance(key, name, around, NodeState(state), variables, result)
        elif kind == "token":
            yield Token(key, name, around)
        elif kind == "job":
            loaded.jobs[key] = JobRow(pk, more, _moment(until))
            due_at = _required(moment)
            yield Job(key, around, name, _decode(text), first, due_at, JobState(state), second, _moment(last))
        elif kind == "timer":
            yield Timer(key, around, name, _required(moment), first)
        elif kind == "subscription":
            yield MessageSubscription(key, around, name, text, more)
        elif kind == "call":
            yield Call(key, around, name)
        elif kind == "signal":
            yield SignalSubscription(key, around, name, text)
        elif kind == "compensation":
            yield Compensation(key, around, name, _decode(text), first, second)
        elif kind == "condition":
            yield Condition(key, around, name, text, bool(first))
        else:
            yield Incident(key, around, IncidentKind(state), text)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    # SQLite keeps UTC without saying so.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _required(text: str) -> datetime:
    moment = _moment(text)
    assert moment is not None
    return moment


class Deferred(Mapping[str, Any]):
    """The variables of an instance, read when somebody looks at them: most steps of a large one do not."""

    __slots__ = ("_found", "_instance")

    def __init__(self, instance: int) -> None:
        self._instance = instance
        self._found: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Any]:
        if self._found is None:
            with connection.cursor() as cursor:
                ask(cursor, f"SELECT CAST(variables AS text) {_OF_INSTANCE}", [self._instance])
                row = cursor.fetchone()
            self._found = {} if row is None else _decode(row[0])  # purged meanwhile
        return self._found


class _Fetcher:
    """The engine's `Reader` over the rows of one large, locked instance.

    Who has asked for all nodes of a scope and then asks for what belongs to one of them is about to end them all (a
    scope that terminates). So nodes that were read together are a group, and what belongs to one of a group is read
    for the whole group at once: inner nodes (the next group), inner tokens, waits.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._newborn = loaded.instance.last_key
        self._group_of: dict[int, _Group] = {}
        self._read_for: dict[tuple[str, _Group], dict[int, list[Part]]] = {}

    def node(self, key: int) -> FlowNodeInstance | None:
        found = self._only(FlowNodeInstance, key)
        return found if isinstance(found, FlowNodeInstance) else None

    def nodes_in(self, scope: int) -> list[FlowNodeInstance]:
        nodes = [part for part in self._around([FlowNodeInstance], scope) if isinstance(part, FlowNodeInstance)]
        group = self._group_of.get(scope)
        inner = _Group(scope, 0) if group is None else _Group(group.scope, group.depth + 1)
        self._group_of.update((node.key, inner) for node in nodes)
        return nodes

    def tokens_in(self, scope: int) -> list[Token]:
        return [part for part in self._around([Token], scope) if isinstance(part, Token)]

    def waits_of(self, node: int) -> list[Wait]:
        return [part for part in self._around(_WAITS, node, "node") if isinstance(part, Wait)]

    def wait(self, kind: type[Wait], key: int) -> Wait | None:
        found = self._only(kind, key)
        return found if isinstance(found, Wait) else None

    def conditions(self) -> list[Wait]:
        return [part for part in self._read([Condition], "") if isinstance(part, Wait)]

    def occupied(self, scope: int, *, but: Iterable[int]) -> bool:
        # Keys are unique within the instance, so one more than are excepted must show another, if there is one.
        excepted = set(but)
        with connection.cursor() as cursor:
            cursor.execute(f"{_KEYS_IN} LIMIT {len(excepted) + 1}", [self._loaded.id, scope] * 2)
            return any(key not in excepted for (key,) in cursor.fetchall())

    def job(self, pk: int) -> Job | None:
        """A job by its primary key; what its end will ask for is read along where that saves round trips."""
        if connection.vendor != "postgresql":
            return next((part for part in self._read([Job], "AND id = %s", pk) if isinstance(part, Job)), None)
        with connection.cursor() as cursor:
            ours = [self._loaded.id] * (_BESIDE.count("%s") - 1)
            ask(cursor, _BESIDE, [ours[0], pk, *ours[1:]])
            rows = cursor.fetchall()
        _fill(self._loaded, rows)
        for key, row in self._loaded.jobs.items():
            if row.id == pk:
                instance = self._loaded.instance
                job = instance.waits[key]
                assert isinstance(job, Job)
                instance.knows("waits", job.node)
                instance.knows("tokens", job.node)
                instance.knows("conditions", PROCESS_SCOPE)
                return job
        return None

    def _around(self, kinds: Sequence[type[Part]], key: int, column: str = "scope") -> list[Part]:
        """The parts whose scope or node is that one."""
        if self._is_new(key):
            return []
        group = self._group_of.get(key)
        if group is None:
            return self._read(kinds, f"AND {column} = %s", key)
        what = (kinds[0].__name__, group)
        if what not in self._read_for:
            found = self._read_for[what] = defaultdict(list)
            # Members of the group are named by how they were found, not one by one.
            condition, arguments = "scope = %s", [group.scope]
            for _ in range(group.depth):
                condition, arguments = (
                    f"(scope IN ({_LIVE_KEYS} AND {condition})) IS TRUE",
                    [self._loaded.id, *arguments],
                )
            # IS TRUE makes PostgreSQL look the members up in a hash table. It would join otherwise, and of a group that
            # was born a moment ago it believes that it has one member: ten thousand would be compared with each other.
            members = f"AND ({column} IN ({_LIVE_KEYS} AND {condition})) IS TRUE"
            for part in self._read(kinds, members, self._loaded.id, *arguments):
                found[part.scope if isinstance(part, FlowNodeInstance | Token) else part.node].append(part)
        return self._read_for[what].get(key, [])

    def _is_new(self, key: int) -> bool:
        """Whether a part was born in this step, so that no row can know of it."""
        return key > self._newborn

    def _only(self, kind: type[Part], key: int) -> Part | None:
        if self._is_new(key):
            return None
        return next(iter(self._read([kind], 'AND "key" = %s', key, parts=_ALONE)), None)

    def _read(
        self, kinds: Iterable[type[Part]], condition: str, *arguments: int, parts: Mapping[type, str] = _PARTS
    ) -> list[Part]:
        selects = [f"{parts[kind]} {condition}" for kind in kinds]
        with connection.cursor() as cursor:
            ask(cursor, " UNION ALL ".join(selects), [self._loaded.id, *arguments] * len(selects))
            return list(_parts(self._loaded, cursor.fetchall()))


class _Archive:
    """The engine's `Archive`: the visits of an instance that had ended when it was loaded, which only an element asks
    for that repeats something. Keys of what is inside are higher than those of what is around."""

    def __init__(self, instance: int) -> None:
        self._instance = instance

    def ended_in(self, scope: int) -> dict[NodeState, int]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT state, count(*) {_ENDED_IN} GROUP BY state", [self._instance, scope, scope])
            return {NodeState(state): count for state, count in cursor.fetchall()}

    def outputs_in(self, scope: int) -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            sql = f"SELECT CAST(result AS text) {_ENDED_IN} AND result IS NOT NULL"
            cursor.execute(sql, [self._instance, scope, scope])
            return [_decode(text) for (text,) in cursor.fetchall()]


class _Group(NamedTuple):
    """Nodes that were read together: those so many levels below the nodes of a scope."""

    scope: int
    depth: int


_OF_INSTANCE = f"FROM {_table['ProcessInstance']} WHERE id = %s"
_LIVE_KEYS = f'SELECT "key" FROM {_table["FlowNodeInstance"]} WHERE instance_id = %s AND ended_at IS NULL'
_ENDED_IN = f"""
FROM {_table["FlowNodeInstance"]} WHERE instance_id = %s AND "key" > %s AND scope = %s AND ended_at IS NOT NULL"""
_KEYS_IN = (
    f'{_LIVE_KEYS} AND scope = %s UNION ALL SELECT "key" FROM {_table["Token"]} WHERE instance_id = %s AND scope = %s'
)
