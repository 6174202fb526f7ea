"""What comes in by queue or stream: replies to jobs, and messages of inbound bindings.

    with Consumers(["amqp://guest:guest@127.0.0.1:5672//#shop.replies"], inbound=True).listening(): ...

One thread for each queue, in `manage.py consume_replies` or beside the sweeper in the main process of a worker. Each
message is acknowledged when its effect is committed; `listeners` knows how.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

from django.db import connection

from processes.runtime import Rejected, inbound, replies, secrets
from processes.runtime.inbound import Source
from processes.runtime.pressure import Overloaded
from processes.runtime.settlement import Outcome, Raised, Responded
from tasks.briefing import secrets_of
from tasks.concealment import Concealment
from tasks.connectors.base import JobError
from tasks.connectors.message_address import parse_broker
from tasks.connectors.message_reply import Incoming, read_body, read_reply
from tasks.listeners import Address, Handle, Listener, NotNow, Unreadable, handling
from tasks.outcomes import concealed

logger = logging.getLogger(__name__)

BINDINGS_SECONDS = 5.0
"""How often it is looked whether inbound bindings have changed."""


def take_reply(channel: str) -> Handle:
    """Hands replies to the jobs that wait for them. Raises `Unreadable`."""

    def handle(incoming: Incoming) -> None:
        if not incoming.correlation_id:
            raise Unreadable("Expected a reply with a correlation id, but found none")
        said = read_reply(incoming)
        outcome: Outcome
        if isinstance(said, JobError):
            outcome = Raised(said.message, said.code, said.details, said.retryable, journal=said.journal)
        else:
            outcome = Responded(said.body, said.journal, said.silent)
        outcome = concealed(outcome, _secrets(incoming.correlation_id))
        try:
            told = replies.receive(incoming.correlation_id, outcome, channel=channel)
        except Rejected as rejected:
            raise Unreadable(str(rejected)) from None
        logger.info("Reply %s on %s: %s", incoming.correlation_id, channel, told)

    return handle


def _secrets(correlation_id: str) -> Concealment:
    """What a reply might repeat: what was sent with its job, or, where nobody waits for it yet, any secret there is."""
    if not secrets.are_there():
        return Concealment(())
    job = replies.asked(correlation_id)
    return Concealment((secrets.every() if job is None else secrets_of(job)).values())


def take_inbound(source: Source) -> Handle:
    """Publishes what arrives for a binding. Raises `Unreadable`, and `NotNow` for what has to wait."""

    def handle(incoming: Incoming) -> None:
        binding = inbound.by_id(source.binding_id)
        if binding is None:
            raise Unreadable(f"Expected the inbound binding {source.name} to be there, but it is gone")
        headers = {name.lower(): value for name, value in incoming.headers.items()}
        own = json.dumps(headers, sort_keys=True, default=str).encode()
        message_id = incoming.message_id or inbound.digest(incoming.body, own, incoming.correlation_id.encode())
        try:
            body = read_body(incoming.body, incoming.content_type)
            new = inbound.take(binding, body=body, headers=headers, message_id=message_id)
        except Overloaded as told:
            raise NotNow(str(told)) from None
        except (ValueError, Rejected) as problem:
            raise Unreadable(str(problem)) from None
        logger.info("Inbound %s: message %.80s %s", source.name, message_id, "taken" if new else "came again")

    return handle


class Consumers:
    """Listens to all reply queues given and, with `inbound`, to those of all bindings, as they come and go."""

    def __init__(self, addresses: Sequence[str], *, inbound: bool = False) -> None:
        self._replies = [Address.parse(text) for text in addresses]
        self._inbound = inbound
        self._listeners: dict[Address | Source, Listener] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        for address in self._replies:
            self._listen(address, Listener(address, take_reply(address.queue)))
        if self._inbound:
            self._thread = threading.Thread(target=self._watch, name="bindings", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End after the messages in hand."""
        until = time.monotonic() + timeout
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)
        for listener in list(self._listeners.values()):
            listener.stop()
        for listener in list(self._listeners.values()):
            listener.join(max(0.1, until - time.monotonic()))

    @contextmanager
    def listening(self) -> Iterator[Self]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    @property
    def listeners(self) -> list[Listener]:
        return list(self._listeners.values())

    def _listen(self, key: Address | Source, listener: Listener) -> None:
        self._listeners[key] = listener
        listener.start()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                with handling:
                    connection.close_if_unusable_or_obsolete()
                    sources = inbound.sources()
                    connection.close()
                self._follow(sources)
            except Exception as problem:  # noqa: BLE001 - the database may be away: we outlive it
                logger.warning("The inbound bindings cannot be read: %s: %s", type(problem).__name__, problem)
                with suppress(Exception):
                    connection.close()
            self._stopping.wait(BINDINGS_SECONDS)

    def _follow(self, sources: Sequence[Source]) -> None:
        for gone in [key for key in self._listeners if isinstance(key, Source) and key not in sources]:
            self._listeners.pop(gone).stop()
        for source in sources:
            if source in self._listeners:
                continue
            try:
                address = Address(parse_broker(source.url), source.queue)
            except ValueError as problem:
                logger.error("The inbound binding %s is not consumed: its URL is none: %s", source.name, problem)
                continue
            self._listen(source, Listener(address, take_inbound(source), ours=False))
