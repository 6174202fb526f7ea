"""Announces due jobs through the broker. The other half of "rows are the truth, messages are hints".

A message may be lost, so nothing here waits, retries or raises: when the broker is away, the announcement is dropped
after a short while, further ones are not even tried for some seconds, and the sweepers announce the rows again later.
A request that starts an instance must not hang on a broker that does not answer.

Sweepers announce again what waits for long, also where the message still lies in its queue. So a queue that holds
enough is not filled any further, or a backlog of rows would pile up messages faster than workers can drop them.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery, current_app
from django.conf import settings
from kombu import Connection, Exchange, Producer, Queue

from processes.runtime.dispatch import DueJob
from tasks.jobs import registry

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.5
"""How long the broker may take to answer."""
AWAY_SECONDS = 5.0
"""For how long a broker that did not answer is not tried again."""
ENOUGH = 20_000
"""How many messages may lie in one queue. Workers are busy with these for longer than until the next announcement."""
LOOK_SECONDS = 1.0
"""How often it is looked how many they are."""


_worker_here = threading.Event()


def worker_here() -> None:
    """A worker runs in this process; from then on it makes sense to announce something over a broker in memory."""
    _worker_here.set()


class CeleryDispatcher:
    """One message for each due job of a type that has a connector, to the queue of its type.

    One connection for the process, opened with the first announcement. Safe to share between threads.
    """

    def __init__(self, app: Celery | None = None) -> None:
        self._app: Celery = app or current_app._get_current_object()  # type: ignore[attr-defined]
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._pid = 0
        self._inherited: list[Producer] = []
        self._away_until = 0.0
        self._waiting: dict[str, tuple[float, int]] = {}

    def jobs_due(self, jobs: Sequence[DueJob]) -> Sequence[DueJob]:
        """Announce jobs. Never raises for the broker's sake, and never takes long for it."""
        served, remote = registry(), self._remote()
        # Types without a connector wait for external workers, who ask for themselves.
        due = [job for job in jobs if job.type in served or job.type in remote]
        if not due or not self._reachable() or not self._lock.acquire(timeout=ANSWER_SECONDS):
            return due
        try:
            return self._announce(due) if self._reachable() else due
        finally:
            self._lock.release()

    def announces(self) -> Sequence[str]:
        """The types that have a connector; none while the broker cannot be reached."""
        return self.serves() if self._reachable() else ()

    def serves(self) -> Sequence[str]:
        """The types that have a connector, here or in Celery apps elsewhere."""
        return (*registry().types, *self._remote())

    def _remote(self) -> dict[str, str]:
        """Job types that Celery apps elsewhere serve, and their queues. Nobody else reads a broker in memory."""
        in_memory = str(self._app.conf.broker_url).startswith("memory:")
        return {} if in_memory else dict(settings.ORCHESTRATOR["REMOTE_TYPES"])

    def _reachable(self) -> bool:
        if time.monotonic() < self._away_until:
            return False
        # What a command of its own puts into its memory reaches nobody.
        return _worker_here.is_set() or not str(self._app.conf.broker_url).startswith("memory:")

    def close(self) -> None:
        """Give up the connection; the next announcement opens another."""
        producer, self._producer = self._producer, None
        if producer is None or producer.connection is None:
            return
        try:
            producer.connection.collect()  # without a good-bye, which would wait for an answer
        except Exception:  # it is gone either way
            logger.debug("The connection to the broker did not close cleanly", exc_info=True)

    def _announce(self, due: Sequence[DueJob]) -> Sequence[DueJob]:
        remaining = list(due)
        for last in (False, True):
            kept = self._kept()
            was_kept = kept is not None
            try:
                producer = kept or self._open()
                while remaining:
                    self._send(producer, remaining[0])
                    del remaining[0]
                return ()
            except Exception as problem:  # noqa: BLE001 - whatever it is, the row is there and the sweep finds it
                self.close()
                # A kept connection may have died long ago, with the broker back since: worth one more try.
                if last or not was_kept:
                    self._away_until = time.monotonic() + AWAY_SECONDS
                    logger.warning(
                        "The broker cannot be reached, %d announcements were dropped and none are made for %.0f s: %s",
                        len(remaining),
                        AWAY_SECONDS,
                        problem,
                    )
                    break
        return remaining

    def _send(self, producer: Producer, job: DueJob) -> None:
        if (name := self._remote().get(job.type)) is not None:
            self._send_away(producer, job, name)
            return
        queue = self._app.amqp.router.route({}, job.type)["queue"]
        if self._has_room(producer.channel, queue):
            self._app.send_task(
                job.type, args=(job.id,), queue=queue, producer=producer, retry=False, ignore_result=True
            )

    def _send_away(self, producer: Producer, job: DueJob, queue: str) -> None:
        """To a queue that others declare, so not declared and not looked into; what nobody takes there expires."""
        seconds = 2 * settings.ORCHESTRATOR["HINT_AGAIN"].total_seconds()
        self._app.send_task(
            job.type,
            args=(job.id,),
            queue=Queue(queue, Exchange(""), queue, no_declare=True),  # type: ignore[arg-type] # Celery takes both
            producer=producer,
            retry=False,
            ignore_result=True,
            expires=seconds,
            expiration=seconds,
        )

    def _has_room(self, channel: Any, queue: Queue) -> bool:
        looked, waiting = self._waiting.get(queue.name, (-math.inf, 0))
        now = time.monotonic()
        if now - looked > LOOK_SECONDS:
            queue(channel).declare()
            looked, waiting = now, channel.queue_declare(queue.name, passive=True).message_count
        self._waiting[queue.name] = (looked, waiting + 1)
        return bool(waiting < ENOUGH)

    def _kept(self) -> Producer | None:
        """The open producer of this process."""
        if self._producer is not None and self._pid != os.getpid():
            # Inherited over a fork: the socket is our parent's. Closing or even collecting it would shut it there.
            self._inherited.append(self._producer)
            self._producer = None
        return self._producer

    def _open(self) -> Producer:
        connection: Connection = self._app.connection_for_write(connect_timeout=ANSWER_SECONDS)
        connection.transport_options = {**(connection.transport_options or {}), **_impatience(connection)}
        connection.ensure_connection(max_retries=0)
        self._producer = self._app.amqp.Producer(connection, auto_declare=False)
        self._pid = os.getpid()
        return self._producer


def _impatience(connection: Connection) -> dict[str, Any]:
    """Transport options that keep a silent broker from holding us up."""
    options: dict[str, Any] = {"max_retries": 0}
    if connection.transport.driver_type == "amqp":
        options |= {"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS}
    elif connection.transport.driver_type == "redis":
        options |= {"socket_connect_timeout": ANSWER_SECONDS, "socket_timeout": ANSWER_SECONDS}
    return options
