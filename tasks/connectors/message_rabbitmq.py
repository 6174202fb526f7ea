"""Publishes to RabbitMQ, and believes it only when the broker has confirmed it.

Every thread keeps its own connections, for AMQP's channels are not to be shared, and every process its own threads. A
kept connection may have died of old age without telling us: what fails on one before anything was confirmed is tried
once more on a new one, so a message may reach the broker twice under one message id.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from contextlib import suppress
from threading import local
from typing import Any, ClassVar

from amqp.exceptions import (
    AccessRefused,
    AMQPError,
    ChannelError,
    MessageNacked,
    NotFound,
    PreconditionFailed,
)
from kombu import Connection, Producer
from kombu.exceptions import OperationalError

from tasks.connectors.base import JobError
from tasks.connectors.message_address import Broker
from tasks.connectors.message_request import Request
from tasks.connectors.message_tls import amqp_tls

MOST_CONNECTIONS = 8
"""Of one thread; the one that was not used for longest goes first."""
IDLE_SECONDS = 60.0
"""A connection that was not used for so long is replaced: without heartbeats nobody knows what became of it."""

NO_ROUTE = 312
TROUBLE = (AMQPError, OperationalError, OSError)
"""What can happen on the way to a broker and back."""


def connect(broker: Broker, *, patience: float, heartbeat: float = 0, confirm: bool = True) -> Connection:
    """An open connection. Raises what is in `TROUBLE`, within so many seconds."""
    connection = Connection(
        hostname=broker.host,
        port=broker.port,
        userid=broker.user or "guest",
        password=broker.password or ("" if broker.user else "guest"),
        virtual_host=broker.path or "/",
        transport="amqp",
        ssl=amqp_tls(broker),
        connect_timeout=patience,
        heartbeat=heartbeat,
        # How long the socket may stay silent during a handshake that the broker has begun.
        transport_options={"confirm_publish": confirm, "read_timeout": patience, "write_timeout": patience},
    )
    try:
        connection.ensure_connection(max_retries=0)
    except OperationalError as problem:
        discard(connection)
        raise problem.__cause__ or problem from None  # what py-amqp said, which tells more
    except BaseException:
        discard(connection)
        raise
    return connection


def discard(connection: Connection) -> None:
    """Close without a good-bye, for which a broker in trouble would let us wait."""
    with suppress(Exception):  # it is gone either way
        connection.collect()


class _Kept:
    """A connection of this thread, with its producer."""

    def __init__(self, broker: Broker, patience: float) -> None:
        self.connection = connect(broker, patience=patience)
        self.returned: list[Any] = []
        self.channel = self.connection.channel()
        self.producer = Producer(self.channel, auto_declare=False, on_return=self._on_return)
        self.queues: set[str] = set()
        """Reply queues that were there."""
        self.used = time.monotonic()

    def _on_return(self, exception: Any, exchange: Any, routing_key: str, message: Any) -> None:
        self.returned.append(exception)


class _Shelf:
    """The connections of one thread of one process.

    Shelves are held here for as long as their thread lives, and in a forked child for ever: there they are our
    parent's, and closing or even collecting a socket of py-amqp would shut it down for the parent, too.
    """

    held: ClassVar[set[_Shelf]] = set()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.kept: OrderedDict[Broker, _Kept] = OrderedDict()
        self.held.add(self)

    def close(self) -> None:
        if self.pid == os.getpid():
            for kept in self.kept.values():
                discard(kept.connection)
            self.held.discard(self)


class _OfThread(local):
    """Finds the shelf of a thread, and clears it when the thread has ended."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.shelf = _Shelf()
        self.end = _End(self.shelf)


class _End:
    """Goes when its thread goes."""

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf

    def __del__(self) -> None:
        # Spelt out: at the end of the process this module's names may be gone, and `suppress` among them.
        try:  # noqa: SIM105
            self._shelf.close()
        except Exception:  # noqa: BLE001
            pass


class RabbitMQ:
    """Safe to share between threads and over a fork."""

    def __init__(self) -> None:
        self._mine = _OfThread()

    def send(self, request: Request, seconds: float) -> dict[str, Any]:
        """Where the message was confirmed to be. Raises `JobError`."""

        def publish(kept: _Kept, left: float) -> dict[str, Any]:
            kept.returned.clear()
            kept.producer.publish(
                request.body,
                exchange=request.exchange,
                routing_key=request.routing_key,
                content_type=request.content_type,
                headers=dict(request.headers),
                mandatory=request.mandatory,
                message_id=request.message_id,
                timeout=left,
                confirm_timeout=left,
                **{"content_encoding": "utf-8", **request.properties},
            )
            if kept.returned:
                raise self._returned(request, kept.returned[0])
            return {"exchange": request.exchange, "routingKey": request.routing_key}

        return self._on_connection(request, seconds, publish)

    def check_reply_channel(self, request: Request, seconds: float) -> None:
        """A reply can only come to a queue that exists. Raises `JobError`, ``NOT_FOUND``."""
        assert request.reply is not None
        queue = request.reply.to

        def look(kept: _Kept, left: float) -> dict[str, Any]:
            if queue not in kept.queues:
                channel: Any
                with kept.connection.channel() as channel:  # one that is not there closes its channel
                    channel.queue_declare(queue, passive=True)
                kept.queues.add(queue)
            return {}

        self._on_connection(request, seconds, look)

    def _on_connection(self, request: Request, seconds: float, work: Any) -> dict[str, Any]:
        until = time.monotonic() + seconds
        broker = request.broker
        while True:
            kept = self._take(broker)
            was_kept = kept is not None
            began = False
            try:
                if kept is None:
                    kept = _Kept(broker, max(0.1, until - time.monotonic()))
                began = True
                done: dict[str, Any] = work(kept, max(0.1, until - time.monotonic()))
            except JobError:
                self._keep(broker, kept)
                raise
            except (NotFound, AccessRefused, PreconditionFailed) as problem:
                self._drop(kept)
                raise self._refused(request, problem) from None
            except MessageNacked:
                self._drop(kept)
                message = f"{broker.place} refused to take the message (nack)"
                raise JobError(message, code="NACKED") from None
            except TROUBLE as problem:
                self._drop(kept)
                timed_out = isinstance(problem, TimeoutError)
                if was_kept and not timed_out and time.monotonic() < until:
                    continue
                raise self._failed(request, problem, began=began, timed_out=timed_out, seconds=seconds) from None
            self._keep(broker, kept)
            return done

    def _returned(self, request: Request, reason: Any) -> JobError:
        place = f"exchange {request.exchange!r} with routing key {request.routing_key!r}"
        code = "UNROUTABLE" if getattr(reason, "reply_code", NO_ROUTE) == NO_ROUTE else "RETURNED"
        return JobError(
            f"Expected a queue behind {place} at {request.broker.place}, but no queue takes the message", code=code
        )

    def _refused(self, request: Request, problem: ChannelError) -> JobError:
        codes: dict[type, str] = {NotFound: "NOT_FOUND", AccessRefused: "ACCESS_REFUSED"}
        code = codes.get(type(problem), "PRECONDITION_FAILED")
        said = request.broker.redacted(str(getattr(problem, "reply_text", "") or problem))
        return JobError(f"{request.broker.place} refused: {said}", retryable=code == "NOT_FOUND", code=code)

    def _failed(
        self, request: Request, problem: Exception, *, began: bool, timed_out: bool, seconds: float
    ) -> JobError:
        place = request.broker.place
        if began and timed_out:
            return JobError(f"{place} did not confirm the message within {seconds:.1f} s", code="UNCONFIRMED")
        said = request.broker.redacted(f"{type(problem).__name__}: {problem}")
        return JobError(f"The connection to {place} failed: {said}", code="CONNECTION_FAILED")

    # -- keeping -------------------------------------------------------------------------------------------------------

    def _take(self, broker: Broker) -> _Kept | None:
        if self._mine.shelf.pid != os.getpid():
            self._mine.renew()
        shelf = self._mine.shelf
        kept = shelf.kept.pop(broker, None)
        if kept is not None and time.monotonic() - kept.used > IDLE_SECONDS:
            self._drop(kept)
            return None
        return kept

    def _keep(self, broker: Broker, kept: _Kept | None) -> None:
        if kept is None:
            return
        kept.used = time.monotonic()
        shelf = self._mine.shelf.kept
        shelf[broker] = kept
        while len(shelf) > MOST_CONNECTIONS:
            self._drop(shelf.popitem(last=False)[1])

    @staticmethod
    def _drop(kept: _Kept | None) -> None:
        if kept is not None:
            discard(kept.connection)
