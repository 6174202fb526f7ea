"""Where messages and instances meet, asked and written by hand: who waits is asked with every message and with every
instance that begins to wait, and the ORM would need longer than the database (PostgreSQL, but for `are_due`).

Nothing is decided here, and nothing is locked: `messages` says what follows.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.utils import timezone

from processes.engine.errors import IncidentKind
from processes.engine.event_definition import StartKind
from processes.engine.state import InstanceState
from processes.models import Message, MessageCorrelation
from processes.models.fields import DecimalEncoder
from processes.runtime.live import table
from processes.runtime.loader import Glance, glance
from processes.runtime.statements import Batch, Table, ask

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded
    from processes.runtime.transaction import Meeting

_encode = DecimalEncoder().encode


def first_for(message: Message) -> Glance:
    """For a message that is not written yet: its number, and the first instance that waits for it, unless one that is
    older has to come first."""
    where = [message.name, message.correlation_key]
    found = glance(_FIRST_FOR_NEW, [*where, *where, _moment(message.published_at)])
    assert found is not None
    return found


def first(meeting: Meeting, own: int) -> Glance | None:
    """The first instance that waits, the key of its subscription, and the number and variables of the oldest message
    that its process has not met and that is alive, or is `own`; None where there are not both."""
    return glance(_FIRST, [*meeting, *meeting, _moment(timezone.now()), own])


def are_due(meeting: Meeting, published: int | None) -> bool:
    """Whether somebody waits, or begins, whom a message has not reached: the published one, or else any that is alive.
    One statement, because most looks find nothing."""
    who = [*meeting, meeting[0]]
    with connection.cursor() as cursor:
        if published is not None:
            ask(cursor, _PUBLISHED_IS_DUE, [*who, published])
        else:
            alive = [*meeting, _moment(timezone.now())]
            ask(cursor, _ANY_IS_DUE, [*alive, *who, *alive])
        return bool(cursor.fetchone()[0])


def write(message: Message, loaded: Loaded, batch: Batch, at: datetime) -> None:
    """Write a message, which has its number, and that this instance has met it. Requires that it is new."""
    when = (_moment(message.published_at), message.published_by, _moment(message.expires_at))
    what = (message.pk, message.name, message.correlation_key, _encode(message.variables), message.message_id)
    batch.require(_INSERT, [*what, *when])
    _CORRELATIONS.insert(batch, [(message.pk, loaded.process_id, loaded.id, _moment(at), False)])


def note(message: int, loaded: Loaded, batch: Batch, at: datetime) -> None:
    """Write that this instance has met a message. Requires that it is there, and new to the process."""
    batch.require(_CORRELATE, [loaded.process_id, loaded.id, _moment(at), message])


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


_CORRELATIONS = Table(MessageCorrelation, "message_id process_id instance_id correlated_at started")
# One that has an id may have been published meanwhile, and then it is not inserted.
_INSERT = f"""
INSERT INTO {table["Message"]}
    (id, name, correlation_key, variables, message_id, published_at, published_by, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
# As `messages` says with the ORM.
_OPEN = f"""
FROM {table["MessageSubscription"]} s JOIN {table["ProcessInstance"]} i ON i.id = s.instance_id
WHERE s.name = %s AND s.correlation_key = %s AND i.state = '{InstanceState.ACTIVE.value}' AND NOT EXISTS (
    SELECT 1 FROM {table["Incident"]} p WHERE p.instance_id = s.instance_id AND p.node = s.node
    AND p.kind = '{IncidentKind.INTERNAL.value}' AND p.ended_at IS NULL)"""
# Processes that wait for a message, or begin with it.
_HEARING = f"""
(SELECT s.process_id {_OPEN} UNION
 SELECT b.process_id FROM {table["StartSubscription"]} b JOIN {table["ProcessDefinition"]} d ON d.id = b.definition_id
 WHERE b.kind = '{StartKind.MESSAGE.value}' AND b.name = %s AND NOT d.suspended)"""
_MET = f"""
SELECT 1 FROM {table["MessageCorrelation"]} c WHERE c.message_id = {{message}} AND c.process_id = {{process}}"""
_ALIVE = f"""
FROM {table["Message"]} m WHERE m.name = %s AND m.correlation_key = %s AND m.expires_at > %s"""
_UNMET = f"AND NOT EXISTS ({_MET.format(message='m.id', process='{process}')})"
# The oldest of each process. Processes are few, while many may wait, and many messages that these have met be alive.
_FOREMOST = f"""
(SELECT DISTINCT ON (s.process_id) s.process_id, s.instance_id, s."key" {_OPEN} ORDER BY s.process_id, s.id)"""
# Not while another message is alive that the process has not met: it is older.
_FIRST_FOR_NEW = f"""
SELECT nextval(pg_get_serial_sequence('{table["Message"]}', 'id')) AS number, f.instance_id, f."key", '' AS "text"
FROM (SELECT 1) one LEFT JOIN (
    SELECT w.instance_id, w."key" FROM {_FOREMOST} w
    WHERE NOT EXISTS (SELECT 1 {_ALIVE} {_UNMET.format(process="w.process_id")})
    ORDER BY w.process_id LIMIT 1) f ON TRUE"""
_FIRST = f"""
SELECT f.id AS number, w.instance_id, w."key", CAST(f.variables AS text) AS "text"
FROM {_FOREMOST} w JOIN LATERAL (
    SELECT m.id, m.variables FROM {table["Message"]} m WHERE m.name = %s AND m.correlation_key = %s
    AND (m.expires_at > %s OR m.id = %s) {_UNMET.format(process="w.process_id")} ORDER BY m.id LIMIT 1) f ON TRUE
ORDER BY w.process_id LIMIT 1"""
# Held, so that it neither expires nor is taken before this commits.
_CORRELATE = f"""
INSERT INTO {table["MessageCorrelation"]} (message_id, process_id, instance_id, correlated_at, started)
SELECT m.id, %s, %s, %s, FALSE FROM {table["Message"]} m WHERE m.id = %s FOR NO KEY UPDATE
ON CONFLICT DO NOTHING"""
_PUBLISHED_IS_DUE = f"""
SELECT EXISTS (SELECT 1 FROM {_HEARING} h WHERE NOT EXISTS ({_MET.format(message="%s", process="h.process_id")}))"""
# Most that begin to wait find no message at all.
_ANY_IS_DUE = f"""
SELECT EXISTS (SELECT 1 {_ALIVE})
   AND EXISTS (SELECT 1 FROM {_HEARING} h WHERE EXISTS (
       SELECT 1 {_ALIVE} {_UNMET.format(process="h.process_id")}))"""
