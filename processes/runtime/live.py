"""What is alive of an instance, as rows: how each kind of part is selected, and what is made of it.

All kinds are selected in the same columns, which mean something else for every kind of part (see `TOLD`), so that one
UNION ALL reads them together. The same text runs on both databases: moments and JSON travel as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

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
from processes.models.fields import DecimalDecoder

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

decode = DecimalDecoder().decode
table = {name: getattr(models, name)._meta.db_table for name in models.__all__}


class JobRow(NamedTuple):
    """What the row of a job knows and the engine need not."""

    id: int
    worker: str
    lease_until: datetime | None


# kind, id, key, scope or node, name, state, two numbers, two moments, two texts, another moment
TOLD = {
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
PARTS = {
    kind: f"SELECT {told} FROM {table[kind.__name__]} WHERE instance_id = %s"
    + (" AND ended_at IS NULL" if kind in _ENDS else "")
    for kind, told in TOLD.items()
}
# One part by its key. PostgreSQL must not see that the index of live visits would serve too: it knows nothing yet of
# those that were born a moment ago, and would read them all.
ALONE = {kind: sql.replace("ended_at IS NULL", "(ended_at IS NULL) IS TRUE") for kind, sql in PARTS.items()}
LIVE = " UNION ALL ".join(PARTS.values())


def some(most: int, instance: str = "%s") -> str:
    """So many live parts of an instance, in the order of an index: PostgreSQL would else read a table through where it
    believes that the first rows that it meets belong to the instance, and meet those that have ended."""
    order = dict.fromkeys(PARTS, 'ORDER BY "key"') | {FlowNodeInstance: 'ORDER BY scope, "key"'}
    few = (f"SELECT * FROM ({sql} {order[kind]} LIMIT {most}) part" for kind, sql in PARTS.items())
    return f"{' UNION ALL '.join(few)} LIMIT {most}".replace("%s", instance)


WAITS = (Job, Timer, MessageSubscription, SignalSubscription, Condition, Call, Compensation, Incident)

# A visit and those around it, outwards. Looked up one by one, whatever PostgreSQL believes of their number.
AROUND = f"""
around AS (
    SELECT visit.* FROM inmost CROSS JOIN LATERAL (
        SELECT * FROM {table["FlowNodeInstance"]}
        WHERE instance_id = inmost.instance_id AND "key" = inmost.node OFFSET 0
    ) visit
    UNION ALL
    SELECT visit.* FROM around CROSS JOIN LATERAL (
        SELECT * FROM {table["FlowNodeInstance"]}
        WHERE instance_id = around.instance_id AND "key" = around.scope OFFSET 0
    ) visit
)"""

Part = FlowNodeInstance | Token | Wait


def parts_of(loaded: Loaded, rows: Iterable[tuple[Any, ...]]) -> Iterable[Part]:
    for kind, pk, key, around, name, state, first, second, moment, until, text, more, last in rows:
        if kind == "node":
            variables = decode(text)
            loaded.variables[key] = variables
            result = None if more is None else decode(more)
            yield FlowNodeInstance(key, name, around, NodeState(state), variables, result)
        elif kind == "token":
            yield Token(key, name, around)
        elif kind == "job":
            loaded.jobs[key] = JobRow(pk, more, _moment(until))
            due_at = required(moment)
            yield Job(key, around, name, decode(text), first, due_at, JobState(state), second, _moment(last))
        elif kind == "timer":
            yield Timer(key, around, name, required(moment), first)
        elif kind == "subscription":
            yield MessageSubscription(key, around, name, text, more)
        elif kind == "call":
            yield Call(key, around, name)
        elif kind == "signal":
            yield SignalSubscription(key, around, name, text)
        elif kind == "compensation":
            yield Compensation(key, around, name, decode(text), first, second)
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


def required(text: str) -> datetime:
    moment = _moment(text)
    assert moment is not None
    return moment


def fill(loaded: Loaded, rows: Iterable[tuple[Any, ...]]) -> None:
    instance = loaded.instance
    for part in parts_of(loaded, rows):
        if isinstance(part, FlowNodeInstance):
            instance.nodes[part.key] = part
        elif isinstance(part, Token):
            instance.tokens[part.key] = part
        else:
            instance.waits[part.key] = part
