"""Consumes a queue of RabbitMQ or a stream of Redis: one thread, one connection, from `start` to `stop`.

A message is acknowledged when its effect is committed. A broker that goes away is tried again and again; a database
that goes away is waited for with the message in hand, and so is a better moment where new work is refused. What nobody
can read is parked: in the queue or stream of the same name with ``.dead`` behind it, with the reason, and never met
again.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from django.db import InterfaceError, OperationalError, connection
from kombu import Consumer, Message, Producer, Queue
from redis.exceptions import RedisError, ResponseError

from tasks.connectors.base import JobError
from tasks.connectors.message_address import Broker, parse_broker
from tasks.connectors.message_rabbitmq import TROUBLE, connect, discard
from tasks.connectors.message_redis import make_client
from tasks.connectors.message_reply import Incoming, headers_of_entry, plain

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Messages that a consumer takes ahead."""
HEARTBEAT_SECONDS = 10
LOOK_SECONDS = 1.0
"""How often a consumer looks up from its queue: whether it is to stop, and whether the broker still answers."""
PATIENCE_SECONDS = 10.0
LONGEST_PAUSE = 15.0
"""The longest pause between two tries to reach a broker."""
DELIVERIES = 20
"""After how many deliveries without an end a message is dead: it kills whoever takes it."""
CLAIM_IDLE_SECONDS = 30.0
"""Redis: after how long a message that another consumer holds is taken over from it."""
GROUP = "orchestrator"
DEAD = ".dead"

handling = threading.Lock()
# A worker's pool may replace a lost process, by a fork, while we are half-way through a transaction. So nobody forks
# meanwhile.
os.register_at_fork(before=handling.acquire, after_in_parent=handling.release, after_in_child=handling.release)


class Unreadable(Exception):
    """Nobody can do anything with this message, now or later. The text says why."""


class NotNow(Exception):
    """This message can be taken over later as it is. The text says why not now."""


Handle = Callable[[Incoming], None]


@dataclass(frozen=True, slots=True)
class Address:
    """A queue or stream at a broker."""

    broker: Broker
    queue: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """``url#queue``. Raises ValueError, which quotes no password."""
        url, _, queue = text.strip().rpartition("#")
        if not url or not queue:
            raise ValueError("Expected the address of a reply queue, `url#queue`, but found something without a queue")
        try:
            return cls(parse_broker(url), queue)
        except ValueError as problem:
            raise ValueError(
                f"Expected the address of reply queue {queue} to be that of a broker, but {problem}"
            ) from None

    def __str__(self) -> str:
        return f"{self.queue} at {self.broker.place}"


@dataclass
class Listener:
    """Consumes one queue, in a thread of its own, from `start` to `stop`."""

    address: Address
    handle: Handle
    ours: bool = True
    """Whether nobody else reads this stream, so that what is done may be deleted."""
    stopping: threading.Event = field(default_factory=threading.Event)
    ready: threading.Event = field(default_factory=threading.Event)
    """It is connected, and consumes."""
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"listener {self.address.queue}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self.stopping.is_set():
            try:
                for _ in self._from_redis() if self.address.broker.is_redis else self._from_rabbitmq():
                    failures = 0
            except Exception as problem:
                self.ready.clear()
                failures += 1
                expected = isinstance(problem, (*TROUBLE, RedisError, JobError))
                logger.log(
                    logging.WARNING if expected else logging.ERROR,
                    "Listening to %s failed (%d in a row), and goes on: %s: %s",
                    self.address,
                    failures,
                    type(problem).__name__,
                    self.address.broker.redacted(str(problem)),
                    exc_info=not expected,
                )
                self.stopping.wait(min(0.25 * 2 ** min(failures, 10), LONGEST_PAUSE) * random.uniform(0.8, 1.2))
        with suppress(Exception):
            connection.close()

    def _handled(self, incoming: Incoming, meanwhile: Callable[[], Any]) -> str:
        """Why a message is to be parked; empty once its effect is committed. Waits for a database that is away, or for
        a better moment, and keeps the broker company `meanwhile`, which raises when that is lost too."""
        pause, bugs = 0.2, 0
        while True:
            try:
                with handling:
                    connection.close_if_unusable_or_obsolete()
                    try:
                        self.handle(incoming)
                    finally:
                        if connection.vendor == "sqlite":
                            connection.close()  # a file must not stay open over a fork
                return ""
            except Unreadable as unreadable:
                return str(unreadable)
            except NotNow as told:
                # The broker keeps the others meanwhile: it is where they can wait.
                logger.debug("A message on %s has to wait: %s", self.address, told)
            except (OperationalError, InterfaceError) as problem:
                logger.warning("A message on %s cannot be taken over yet: %s", self.address, problem)
                connection.close()
            except Exception as problem:
                bugs += 1
                logger.exception("Expected to take over a message on %s but hit a bug", self.address)
                connection.close()
                if bugs == 3:
                    return f"{type(problem).__name__}: {problem}"
            if self.stopping.wait(pause):
                raise InterruptedError("stopped with a message in hand, which is delivered again")
            meanwhile()
            pause = min(pause * 2, LOOK_SECONDS)

    # -- RabbitMQ ------------------------------------------------------------------------------------------------------

    def _from_rabbitmq(self) -> Iterator[None]:
        name = self.address.queue
        link: Any = connect(self.address.broker, patience=PATIENCE_SECONDS, heartbeat=HEARTBEAT_SECONDS)
        beat = Beat(link)
        try:
            self._declare(link, name)
            channel = link.channel()
            producer = Producer(link.channel(), auto_declare=False)

            def on_message(message: Message) -> None:
                incoming = Incoming(
                    body=_bytes(message.body),
                    content_type=str(message.content_type or ""),
                    headers={str(key): plain(value) for key, value in (message.headers or {}).items()},
                    message_id=str(message.properties.get("message_id") or ""),
                    correlation_id=str(message.properties.get("correlation_id") or ""),
                )
                reason = self._handled(incoming, beat)
                try:
                    if reason:
                        self._park(producer, name, incoming, reason)
                        logger.error("Parked a message on %s: %s", self.address, reason)
                    message.ack()
                except TimeoutError as problem:
                    # Not one of those below, which say that nothing has come.
                    raise ConnectionError("the broker did not confirm in time") from problem

            queue = Queue(name, channel=channel, no_declare=True)
            consumer = Consumer(channel, [queue], on_message=on_message, prefetch_count=AT_ONCE, auto_declare=False)
            with consumer:
                self.ready.set()
                logger.info("Listening to %s", self.address)
                while not self.stopping.is_set():
                    yield
                    with suppress(socket.timeout, TimeoutError):
                        link.drain_events(timeout=LOOK_SECONDS)
                    beat()
        except InterruptedError:
            return
        finally:
            self.ready.clear()
            discard(link)  # what is not acknowledged is delivered again

    def _declare(self, link: Any, name: str) -> None:
        """The queue as it is; where there is none, a durable one with a limit, behind which the dead letters lie."""
        with link.channel() as channel:
            channel.queue_declare(name + DEAD, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        try:
            with link.channel() as channel:
                channel.queue_declare(name, passive=True)
                return
        except link.channel_errors:
            pass
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERIES,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": name + DEAD,
        }
        with link.channel() as channel:
            channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)

    def _park(self, producer: Producer, name: str, incoming: Incoming, reason: str) -> None:
        """Confirmed before the original is acknowledged."""
        ids: dict[str, Any] = {"message_id": incoming.message_id, "correlation_id": incoming.correlation_id}
        ids = {key: value for key, value in ids.items() if value and len(value.encode()) < 256}
        producer.publish(
            incoming.body,
            exchange="",
            routing_key=name + DEAD,
            content_type=incoming.content_type or "application/octet-stream",
            content_encoding="utf-8",
            headers={**_flat(incoming.headers), "x-parked-because": reason[:1000]},
            delivery_mode=2,
            mandatory=True,
            timeout=PATIENCE_SECONDS,
            confirm_timeout=PATIENCE_SECONDS,
            **ids,
        )

    # -- Redis ---------------------------------------------------------------------------------------------------------

    def _from_redis(self) -> Iterator[None]:
        stream, me = self.address.queue, f"{socket.gethostname()}-{os.getpid()}-{threading.get_native_id()}"
        client: Any = make_client(self.address.broker, PATIENCE_SECONDS)
        try:
            try:
                client.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except ResponseError as there:
                if "BUSYGROUP" not in str(there):
                    raise
            self.ready.set()
            logger.info("Listening to %s", self.address)
            looked = 0.0
            while not self.stopping.is_set():
                yield
                entries: list[Any] = []
                if time.monotonic() - looked > CLAIM_IDLE_SECONDS / 6:
                    looked = time.monotonic()
                    entries = self._taken_over(client, stream, me)
                if not entries:
                    block = int(LOOK_SECONDS * 1000)
                    found = client.xreadgroup(GROUP, me, {stream: ">"}, count=AT_ONCE, block=block)
                    # RESP2 answers with pairs, RESP3 with a map of lists of lists.
                    pairs = found.items() if isinstance(found, dict) else (found or [])
                    for _, some in pairs:
                        entries += some[0] if some and isinstance(some[0], list) else some
                for number, fields in entries:
                    self._entry(client, stream, number, fields or {})
        except InterruptedError:
            return
        except ResponseError as problem:
            if "NOGROUP" not in str(problem):
                raise
            logger.warning("The stream of %s was deleted; it is made again", self.address)
        finally:
            self.ready.clear()
            client.close()

    def _taken_over(self, client: Any, stream: str, me: str) -> list[Any]:
        """What a consumer took that was not heard of since. What kills its consumers is parked."""
        idle = int(CLAIM_IDLE_SECONDS * 1000)
        entries = client.xautoclaim(stream, GROUP, me, min_idle_time=idle, count=AT_ONCE)[1]
        if not entries:
            return []
        pending = client.xpending_range(
            stream, GROUP, min=entries[0][0], max=entries[-1][0], count=AT_ONCE, consumername=me
        )
        often = {each["message_id"] for each in pending if each["times_delivered"] > DELIVERIES}
        for number, fields in entries:
            if number in often:
                self._park_entry(client, stream, number, fields or {}, f"Delivered more than {DELIVERIES} times")
        return [(number, fields) for number, fields in entries if number not in often]

    def _entry(self, client: Any, stream: str, number: bytes, fields: dict[bytes, bytes]) -> None:
        texts = {_utf8(name): _utf8(value) for name, value in fields.items()}
        incoming = Incoming(
            body=fields.get(b"body", b""),
            content_type=texts.get("content_type", ""),
            headers=headers_of_entry(texts),
            message_id=texts.get("message_id", "") or ("" if self.ours else f"{stream}/{_utf8(number)}"),
            correlation_id=texts.get("correlation_id", ""),
        )
        reason = self._handled(incoming, lambda: None)
        if reason:
            logger.error("Parked a message on %s: %s", self.address, reason)
            self._park_entry(client, stream, number, fields, reason)
        else:
            self._done(client, stream, number)

    def _park_entry(self, client: Any, stream: str, number: bytes, fields: dict[Any, Any], reason: str) -> None:
        client.xadd(stream + DEAD, {**fields, "parked_because": reason[:1000], "entry_id": number})
        self._done(client, stream, number)

    def _done(self, client: Any, stream: str, number: bytes) -> None:
        with client.pipeline(transaction=True) as both:
            both.xack(stream, GROUP, number)
            if self.ours:
                both.xdel(stream, number)
            both.execute()


class Beat:
    """Keeps a connection to RabbitMQ alive, and notices when it is not."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self._at = 0.0

    def __call__(self) -> None:
        if time.monotonic() - self._at >= LOOK_SECONDS:
            self._at = time.monotonic()
            self._link.heartbeat_check(rate=2)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _utf8(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _flat(headers: Any) -> dict[str, Any]:
    """Headers that can be sent again, without RabbitMQ's account of earlier deaths."""
    return {name: value for name, value in headers.items() if isinstance(value, str | int | bool) and name != "x-death"}
