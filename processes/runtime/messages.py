"""Messages meet subscriptions.

A message is buffered until it expires and may reach one instance of every process that waits for it. Both sides look
for each other *after* their commit: whichever commits second sees the first, so no race can lose a meeting. The
constraint on `MessageCorrelation` is what makes it once; losers stop. `match` is the fallback after a crash between
commit and look.

Most messages are for one instance. So on PostgreSQL who brings one asks who waits and reads that instance along,
without a lock; then the meeting and the step that follows are committed together, and with them a message that was not
even written before. Where anything has changed meanwhile nothing is written, and they meet under the lock. Whoever was
published at once looks after the commit all the same: for those who began to wait meanwhile, for other processes, and
for what the message begins.

Oldest message first, and for each process its oldest subscription first.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import Error, IntegrityError, connection
from django.db import transaction as database
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from processes.engine.commands import Command, CorrelateMessage
from processes.engine.errors import Rejected
from processes.engine.event_definition import StartKind
from processes.engine.state import InstanceState
from processes.models import (
    Message,
    MessageCorrelation,
    MessageSubscription,
    ProcessInstance,
    StartOccurrence,
    StartSubscription,
)
from processes.models.fields import DecimalDecoder
from processes.runtime import definitions, meetings, pressure, starts, transaction, values
from processes.runtime.transaction import Beside, Meeting

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

logger = logging.getLogger(__name__)
_decode = DecimalDecoder().decode

TURNS = 10
"""How often a publication gives way to another one with the same id that comes or goes meanwhile."""
GRACE = timedelta(seconds=10)
"""An expired message stays for so long: its publisher may be about to look who waits for it."""
AT_ONCE = 100
"""Meetings that one commit may lead to; processes that answer each other for ever go on at the pace of the sweep."""


@dataclass(frozen=True, slots=True)
class Published:
    message: Message
    created: bool
    """False where the message id was used before: `message` is the one that was published then."""
    correlated: list[int] = field(default_factory=list)
    """Instances that it reached so far; filled when the surrounding transaction commits."""
    started: list[int] = field(default_factory=list)
    """Those of them that it started."""


def publish(
    name: str,
    *,
    correlation_key: str = "",
    variables: Mapping[str, Any] | None = None,
    message_id: str | None = None,
    ttl: timedelta | None = None,
    by: str = "",
) -> Published:
    """Publish a message: it correlates at once with who waits for it, and stays buffered for `ttl` for who will.

    With a `ttl` of zero it is for those who wait now, and nobody else. Messages with the same name, correlation key
    and `message_id` are one message, for as long as it is buffered.

    Raises `Rejected`: ``variables-invalid``, ``value-invalid``; and `Overloaded` where it is new and would do nothing
    but begin an instance.
    """
    if not name:
        raise Rejected("value-invalid", "Expected a message name but found none")
    now = timezone.now()
    ttl = settings.ORCHESTRATOR["MESSAGE_TTL"] if ttl is None else ttl
    if ttl < timedelta():
        raise Rejected("value-invalid", f"Expected a time to live of zero or more but found {ttl}")
    try:
        expires_at = now + ttl
    except OverflowError:
        raise Rejected(
            "value-invalid", f"Expected a time to live that ends within the calendar but found {ttl}"
        ) from None
    message = Message(
        name=values.text(name, what="a message name"),
        correlation_key=values.text(correlation_key, what="a correlation key"),
        variables=values.checked(variables),
        message_id=values.text(message_id, what="a message id") if message_id else None,
        published_at=now,
        published_by=values.told(by, 255),
        expires_at=expires_at,
    )
    if pressure.is_high() and _only_begins(message):
        raise pressure.refused()
    published = Published(message, True)
    look = partial(_look, [(message.name, message.correlation_key)], published)
    if connection.vendor == "postgresql" and not connection.in_atomic_block and _met_at_once(published):
        look()
        return published
    for _ in range(TURNS):
        try:
            # Where it is the only statement, it needs no transaction around it.
            with database.atomic() if connection.in_atomic_block else nullcontext():
                message.save(force_insert=True)
                database.on_commit(look)
                return published
        except IntegrityError:
            if message.message_id is None:
                raise
            same = _same(message)
            first = same.first()
            if first is not None and first.expires_at > now:
                return Published(first, False)
            # It is over, and only waits to be deleted.
            same.filter(expires_at__lte=now).delete()
    raise RuntimeError(f"Expected message {message.message_id} to be new or known within {TURNS} turns")


def _met_at_once(published: Published) -> bool:
    """Whether a message that is not written yet was, together with its meeting with the first instance that waits for
    it. Where it was not, it has its primary key, but nothing is written."""
    message = published.message
    found = meetings.first_for(message)
    message.pk, loaded = found.number, found.loaded
    if loaded is None:
        return False
    with _looking.later():
        command = CorrelateMessage(found.key, message.variables)
        if not _carried_on(loaded, command, partial(meetings.write, message, loaded)):
            return False
    message._state.adding, message._state.db = False, connection.alias
    published.correlated.append(loaded.id)
    return True


def _carried_on(loaded: Loaded, command: CorrelateMessage, noted: Beside) -> bool:
    """Whether an instance that was read without a lock has taken a message; else nothing was written."""
    try:
        transaction.carry_on(loaded, command, by="message", beside=noted)
    except Exception:  # the other way tells what it was, and parks what met a bug
        logger.debug("Expected instance %s to take a message at once", loaded.id, exc_info=True)
        return False
    return True


def _same(message: Message) -> Any:
    """Those with the same id under the same name and key: one at most."""
    return Message.objects.filter(
        name=message.name, correlation_key=message.correlation_key, message_id=message.message_id
    )


def _only_begins(message: Message) -> bool:
    """Whether a message would begin an instance, is not one that is buffered already, and no instance waits for it."""
    if not _starts(message.name).exists():
        return False
    if message.message_id is not None and _same(message).filter(expires_at__gt=message.published_at).exists():
        return False
    waiting = MessageSubscription.objects.filter(name=message.name, correlation_key=message.correlation_key)
    return not waiting.exists()


def match(limit: int = 100) -> int:
    """Bring together buffered messages and open subscriptions that have not met yet; how many met."""
    unmet = (
        Message.objects.filter(name=OuterRef("name"), correlation_key=OuterRef("correlation_key"))
        .filter(expires_at__gt=timezone.now())
        .exclude(Exists(_met(OuterRef("pk"), OuterRef(OuterRef("process_id")))))
    )
    waiting = _open_subscriptions().filter(Exists(unmet)).order_by().values_list("name", "correlation_key").distinct()
    starting = _alive(_idle_starts()).order_by().values_list("name", "correlation_key").distinct()
    meetings = {*waiting[:limit], *starting[:limit]}
    _looking.queue.extend((meeting, None) for meeting in sorted(meetings))
    return _bring_together(limit)


def _alive(starts: Any) -> Any:
    """Messages with time to live for one of these start subscriptions."""
    return Message.objects.filter(expires_at__gt=timezone.now()).filter(Exists(starts))


def _idle_starts() -> Any:
    """Of a message: start subscriptions that it could begin an instance for now."""
    key = OuterRef(OuterRef("correlation_key"))
    alive = ProcessInstance.objects.filter(process_id=OuterRef("process_id"), ended_at__isnull=True)
    alive = alive.exclude(correlation_key="").filter(correlation_key=key)
    named = StartSubscription.objects.filter(
        kind=StartKind.MESSAGE.value, name=OuterRef("name"), definition__suspended=False
    )
    kept = StartOccurrence.objects.filter(definition=OuterRef("definition"), element_id=OuterRef("element_id"))
    kept = kept.filter(name=OuterRef("name"), correlation_key=key)
    met = _met(OuterRef(OuterRef("pk")), OuterRef("process_id"))
    return named.exclude(Exists(alive)).exclude(Exists(kept)).exclude(Exists(met))


def _begun_to_wait(names: Sequence[str]) -> None:
    """After a deployment: buffered messages begin what now waits for them. Never raises, for the commit is done."""
    buffered = Message.objects.filter(name__in=names, expires_at__gt=timezone.now())
    try:
        _look(list(buffered.order_by().values_list("name", "correlation_key").distinct()[:AT_ONCE]))
    except Error:
        logger.exception("Expected to look for messages named %s; the sweep does", names)


definitions.on_start_messages(_begun_to_wait)


def expire(limit: int = 1000) -> int:
    """Delete messages whose time to live is over; how many."""
    over = Message.objects.filter(expires_at__lte=timezone.now() - GRACE).order_by("expires_at")
    with database.atomic():
        ids = list(over.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        Message.objects.filter(pk__in=ids).only("pk").order_by().delete()
    return len(ids)


# -- looking -----------------------------------------------------------------------------------------------------------


class _Looking(threading.local):
    """What this thread is to look at. A meeting may lead to the next one; that is a queue and not a recursion."""

    def __init__(self) -> None:
        self.queue: deque[tuple[Meeting, Published | None]] = deque()
        self.busy = False

    @contextmanager
    def later(self) -> Iterator[None]:
        """What is to be looked at is only taken note of."""
        busy, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = busy


_looking = _Looking()


def _look(meetings: Sequence[Meeting], published: Published | None = None) -> None:
    """After a commit: look for the other side. Never raises, for the commit is done."""
    _looking.queue.extend((meeting, published) for meeting in meetings)
    _bring_together(AT_ONCE if published is None else AT_ONCE - len(published.correlated))


def _bring_together(limit: int) -> int:
    """Work off what this thread is to look at; how many met. What is over the limit is left to the sweep."""
    if _looking.busy:
        return 0  # somewhere up the stack somebody does
    _looking.busy = True
    met = 0
    try:
        while _looking.queue and met < limit:
            meeting, published = _looking.queue.popleft()
            try:
                met += len(_meet(meeting, limit - met, published))
            except Exception:
                logger.exception("Expected messages and subscriptions under %s to meet; the sweep tries again", meeting)
    finally:
        _looking.queue.clear()
        _looking.busy = False
    return met


transaction.on_meeting(_look)


def _meet(meeting: Meeting, limit: int, published: Published | None = None) -> list[int]:
    """Correlate under one name and key as long as there are both; the instances that were reached, in order.

    A message that is being published counts as alive even if its time to live is zero.
    """
    reached: list[int] = []
    while len(reached) < limit and meetings.are_due(meeting, None if published is None else published.message.pk):
        instance_id = _meet_at_once(meeting, published) if connection.vendor == "postgresql" else None
        if instance_id is None:
            return reached + _meet_one_by_one(meeting, limit - len(reached), published)
        reached.append(instance_id)
    return reached


def _meet_at_once(meeting: Meeting, published: Published | None) -> int | None:
    """Have the first instance that waits take the oldest message that its process has not met, without a lock; the
    instance, or None where nobody waits, something changed meanwhile, or it is refused."""
    own = 0 if published is None else published.message.pk
    found = meetings.first(meeting, own)
    if found is None or found.loaded is None:
        return None
    number, loaded = found.number, found.loaded
    command = CorrelateMessage(found.key, _decode(found.text))
    if not _carried_on(loaded, command, partial(meetings.note, number, loaded)):
        return None
    if published is not None and number == own:
        published.correlated.append(loaded.id)
    return loaded.id


def _meet_one_by_one(meeting: Meeting, limit: int, published: Published | None) -> list[int]:
    """As `_meet`, each instance under its lock; also whatever messages begin."""
    name, key = meeting
    now = timezone.now()
    alive = Q(expires_at__gt=now)
    if published is not None:
        alive |= Q(pk=published.message.pk)
    reached: list[int] = []
    processes = _open_subscriptions().filter(name=name, correlation_key=key).order_by()
    for process_id in sorted(processes.values_list("process_id", flat=True).distinct()):
        messages = Message.objects.filter(alive, name=name, correlation_key=key)
        messages = messages.exclude(Exists(_met(OuterRef("pk"), process_id))).order_by("id")
        subscriptions = _open_subscriptions().filter(name=name, correlation_key=key, process_id=process_id)
        passed: list[int] = []
        lost: list[int] = []
        while len(reached) < limit:
            subscription = subscriptions.exclude(pk__in=passed).order_by("id").first()
            message = messages.exclude(pk__in=lost).first() if subscription else None
            if subscription is None or message is None:
                break
            try:
                transaction.carry_out(
                    subscription.instance_id, partial(_correlation, message, subscription), by="message"
                )
            except _Taken:
                lost.append(message.pk)
            except Rejected as told:
                logger.debug("Subscription %s does not take message %s: %s", subscription.pk, message.pk, told)
                passed.append(subscription.pk)
            except Exception:
                logger.exception("Expected message %s to reach subscription %s", message.pk, subscription.pk)
                passed.append(subscription.pk)
            else:
                reached.append(subscription.instance_id)
                if published is not None and message.pk == published.message.pk:
                    published.correlated.append(subscription.instance_id)
    # Those that wait come first; only then does a message begin an instance, and again one for each process.
    for start in _starts(name):
        messages = Message.objects.filter(alive, name=name, correlation_key=key)
        messages = messages.exclude(Exists(_met(OuterRef("pk"), start.process_id))).order_by("id")
        _begin(start, messages, limit, reached, published)
    return reached


def _starts(name: str) -> Any:
    named = StartSubscription.objects.filter(kind=StartKind.MESSAGE.value, name=name, definition__suspended=False)
    return named.select_related("definition").defer("definition__xml").order_by("process_id", "id")


def _begin(
    start: StartSubscription, messages: Any, limit: int, reached: list[int], published: Published | None
) -> None:
    """Begin instances of one process with these messages, as long as there are some and none with their key lives."""
    lost: list[int] = []
    while len(reached) < limit and (message := messages.exclude(pk__in=lost).first()) is not None:
        try:
            instance_id = starts.by_message(start, message)
        except starts.Met:
            lost.append(message.pk)
        except starts.Occupied:
            return  # its end calls for the next message
        except Rejected as told:
            logger.debug("Message %s does not begin an instance of %s: %s", message.pk, start.process_id, told)
            return
        except Exception:
            logger.exception("Expected message %s to begin an instance of %s", message.pk, start.process_id)
            return
        else:
            if instance_id is None:
                continue  # others have to come first
            reached.append(instance_id)
            if published is not None and message.pk == published.message.pk:
                published.correlated.append(instance_id)
                published.started.append(instance_id)


class _Taken(Rejected):
    """Somebody else brought this message to this process."""


def _correlation(message: Message, subscription: MessageSubscription, loaded: Loaded, at: datetime) -> Command:
    """Under the lock of the instance: note that they met, which only one can, and say what follows."""
    if loaded.instance.state is not InstanceState.ACTIVE:
        raise Rejected("instance-suspended", f"Expected instance {loaded.id} to be active")
    # Held, so that it neither expires nor is taken before this commits.
    held = Message.objects.select_for_update(no_key=True).filter(pk=message.pk).values_list("pk").first()
    if held is None or _met(message.pk, subscription.process_id).exists():
        raise _Taken("message-taken", f"Expected message {message.pk} to be free but it is taken or gone")
    MessageCorrelation.objects.create(
        message_id=message.pk, process_id=subscription.process_id, instance_id=loaded.id, correlated_at=at
    )
    return CorrelateMessage(subscription.key, message.variables)


def _met(message: Any, process_id: Any) -> Any:
    return MessageCorrelation.objects.filter(message_id=message, process_id=process_id)


def _open_subscriptions() -> Any:
    """Subscriptions that may take a message now."""
    active = MessageSubscription.objects.filter(instance__state=InstanceState.ACTIVE.value)
    return active.exclude(transaction.parked_by_a_bug())
