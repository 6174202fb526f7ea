"""The embedded server: web, broker, workers and sweeper in one process, from one command.

gunicorn forks one process; in it, requests are served by threads, and a Celery worker with a pool of threads consumes a
broker that lives in memory. Safe because rows are the truth: whatever the memory held when the process ended is found
by the sweep of the next. Threads start after the fork, never before it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from gunicorn.app.base import BaseApplication

from orchestrator.celery import app

logger = logging.getLogger(__name__)


def begin_no_more(*parts: Callable[[], None]) -> None:
    """Have this gunicorn worker, once it is told to stop, end its long polls at once, and whatever else `parts` end.

    gunicorn waits for the requests that are under way, and a long poll would keep it waiting for nothing. What is
    called stands in a signal handler: it may set flags, and no more.
    """
    from processes.api.waiting import lobby

    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        signal.signal(number, _first((lobby.close, *parts), signal.getsignal(number)))


def _first(parts: Sequence[Callable[[], None]], then: Any) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        for part in parts:
            part()
        if callable(then):
            then(number, frame)

    return handle


class EmbeddedWorker:
    """A Celery worker in a thread of this process."""

    def __init__(self, *, concurrency: int) -> None:
        self._concurrency = concurrency
        self._worker: Any = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        self._worker = app.Worker(
            hostname=f"embedded@{os.uname().nodename}",
            pool="threads",
            concurrency=self._concurrency,
            without_heartbeat=True,
            quiet=True,
            loglevel=logging.getLevelName(logging.getLogger().getEffectiveLevel()),
        )
        self._thread.start()

    def close(self) -> None:
        """Begin no further job."""
        self._worker.station.close()

    def stop(self) -> None:
        """Begin no further job, wait for the running ones."""
        self._stopping = True
        self.close()
        self._worker.stop()
        self._thread.join(settings.SHUTDOWN_SECONDS)

    def _run(self) -> None:
        try:
            self._worker.start()
        except BaseException:
            logger.critical("The embedded worker ended with an error", exc_info=True)
        if not self._stopping:
            # A server that accepts instances and works on none is worse than none: gunicorn starts it anew.
            logger.critical("The embedded worker is gone, the process ends")
            os.kill(os.getpid(), signal.SIGTERM)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with one process, and the embedded worker in it unless there is a broker for real ones."""

    def __init__(self, *, host: str, port: int, threads: int, jobs: int) -> None:
        self._bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._threads = threads
        self._jobs = jobs
        self._worker: EmbeddedWorker | None = None
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": self._bind,
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._threads,
            "keepalive": 75,  # as in a fleet, see `orchestrator.gunicorn`
            "graceful_timeout": max(1, int(settings.SHUTDOWN_SECONDS)),
            "control_socket_disable": True,  # one path for all servers of a user, and nothing to control
            "post_worker_init": self._begin,
            "worker_exit": self._end,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return get_wsgi_application()

    def _begin(self, worker: Any) -> None:
        if not settings.EMBEDDED:
            begin_no_more()
            return
        self._worker = EmbeddedWorker(concurrency=self._jobs)
        self._worker.start()
        begin_no_more(self._worker.close)

    def _end(self, server: Any, worker: Any) -> None:
        if self._worker is not None:
            self._worker.stop()
