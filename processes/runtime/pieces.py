"""An instance that is too large to be read whole: the engine fetches what it touches, piece by piece, so a step among
10,000 parallel jobs costs what a step among ten costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from processes.engine.parts import Condition, FlowNodeInstance, Job, NodeState, Token, Wait
from processes.engine.state import PROCESS_SCOPE
from processes.runtime.live import ALONE, AROUND, PARTS, TOLD, WAITS, Part, decode, fill, parts_of, table
from processes.runtime.statements import ask

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

# A job of a large instance, and what its end looks at: its visit and those around it, what these hold and wait for,
# another visit beside it, and what is watched.
_BESIDE = f"""
WITH RECURSIVE inmost AS MATERIALIZED (
    SELECT instance_id, node FROM {table["Job"]} WHERE instance_id = %s AND id = %s
), {AROUND}
SELECT {TOLD[FlowNodeInstance]} FROM around
UNION ALL
SELECT * FROM (
    {PARTS[FlowNodeInstance]} AND scope = (SELECT scope FROM around ORDER BY "key" DESC LIMIT 1)
    AND "key" <> (SELECT node FROM inmost) ORDER BY "key" DESC LIMIT 1
) beside
UNION ALL
{PARTS[Token]} AND scope = (SELECT node FROM inmost)
UNION ALL
{PARTS[Condition]}
UNION ALL
{" UNION ALL ".join(f"{PARTS[kind]} AND node = (SELECT node FROM inmost)" for kind in WAITS if kind != Condition)}"""


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
            self._found = {} if row is None else decode(row[0])  # purged meanwhile
        return self._found


class Fetcher:
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
        return [part for part in self._around(WAITS, node, "node") if isinstance(part, Wait)]

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
        fill(self._loaded, rows)
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
        return next(iter(self._read([kind], 'AND "key" = %s', key, parts=ALONE)), None)

    def _read(
        self, kinds: Iterable[type[Part]], condition: str, *arguments: int, parts: Mapping[type, str] = PARTS
    ) -> list[Part]:
        selects = [f"{parts[kind]} {condition}" for kind in kinds]
        with connection.cursor() as cursor:
            ask(cursor, " UNION ALL ".join(selects), [self._loaded.id, *arguments] * len(selects))
            return list(parts_of(self._loaded, cursor.fetchall()))


class Archive:
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
            return [decode(text) for (text,) in cursor.fetchall()]


class _Group(NamedTuple):
    """Nodes that were read together: those so many levels below the nodes of a scope."""

    scope: int
    depth: int


_OF_INSTANCE = f"FROM {table['ProcessInstance']} WHERE id = %s"
_LIVE_KEYS = f'SELECT "key" FROM {table["FlowNodeInstance"]} WHERE instance_id = %s AND ended_at IS NULL'
_ENDED_IN = f"""
FROM {table["FlowNodeInstance"]} WHERE instance_id = %s AND "key" > %s AND scope = %s AND ended_at IS NOT NULL"""
_KEYS_IN = (
    f'{_LIVE_KEYS} AND scope = %s UNION ALL SELECT "key" FROM {table["Token"]} WHERE instance_id = %s AND scope = %s'
)
