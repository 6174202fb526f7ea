"""The port through which due jobs are announced. Who listens is named in the settings.

An announcement is a hint and nothing more: it may be lost, doubled or late. The row is the truth, and the sweep
announces again what nobody took. So a dispatcher that fails is logged and never fails the transaction that committed,
and the rows of what could not be announced say so, for the next sweep to do it without delay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

from django.conf import settings
from django.db import Error, transaction
from django.utils.module_loading import import_string

from processes.models import Job

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that may be claimed now: its primary key and its type."""

    id: int
    type: str


class Dispatcher(Protocol):
    """Tells workers that jobs are due. Called after the commit, in the thread that committed; must be quick."""

    def jobs_due(self, jobs: Sequence[DueJob]) -> Sequence[DueJob]:
        """Announce jobs; those that could not be announced."""

    def announces(self) -> Sequence[str] | None:
        """Job types that there is any use in announcing now, None: all."""

    def serves(self) -> Sequence[str] | None:
        """Job types whose workers hear announcements, whether or not they can be made now, None: all."""


Listener = Callable[[Sequence[DueJob]], None]

_listeners: list[Listener] = []


def on_due(listen: Listener) -> None:
    """Register who of this process is told, after every commit here, of jobs that became due. Must be quick."""
    if listen not in _listeners:
        _listeners.append(listen)


def wake(jobs: Sequence[DueJob]) -> None:
    """Announce jobs once the running transaction has committed; never, if it rolls back."""
    if jobs:
        transaction.on_commit(partial(_announce, tuple(jobs)))


def announces() -> Sequence[str] | None:
    """Job types that there is any use in announcing now, None: all."""
    return _dispatcher(settings.ORCHESTRATOR["DISPATCHER"]).announces()


def serves() -> tuple[str, ...] | None:
    """Job types whose workers hear announcements, None: all. Others wait for external workers, or for people."""
    found = _dispatcher(settings.ORCHESTRATOR["DISPATCHER"]).serves()
    return None if found is None else tuple(found)


def _announce(jobs: Sequence[DueJob]) -> None:
    for listen in _listeners:
        listen(jobs)
    try:
        left = _dispatcher(settings.ORCHESTRATOR["DISPATCHER"]).jobs_due(jobs)
    except Exception:
        logger.exception("Expected to announce %d due jobs but could not; the sweep announces them again", len(jobs))
        left = jobs
    if left:
        try:
            Job.objects.filter(pk__in=[job.id for job in left]).update(hinted_at=None)
        except Error:
            logger.warning("%d due jobs look as if they were announced", len(left), exc_info=True)


@lru_cache(maxsize=8)
def _dispatcher(path: str) -> Dispatcher:
    """One dispatcher per dotted path and process."""
    dispatcher: Dispatcher = import_string(path)()
    return dispatcher
