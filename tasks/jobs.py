"""The Celery tasks: one for each job type that a connector serves, named after the type.

A message means "job N is due", no more. The truth about the job is its row, so no task ever publishes a retry, an ETA
or a countdown: when a job is to run again, its row says when, and the sweeper announces it. What Celery is told is
nevertheless true: an attempt that will be repeated ends as RETRY, one that ended in an incident as FAILURE, and
`on_success`, `on_retry` and `on_failure` are called for every attempt, so Celery's own means of watching, routing and
limiting job types work.
"""

from __future__ import annotations

import functools
import logging
import mmap
from collections.abc import Iterator, Sequence
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Retry
from django.conf import settings

from tasks.connectors.django_call import DjangoConnector
from tasks.connectors.shell import ShellConnector
from tasks.registry import Registry, RegistryError
from tasks.worker import Done, perform

logger = logging.getLogger(__name__)


@functools.cache
def registry() -> Registry:
    """The connectors of this process, loaded once. Needs Django to be set up."""
    given = settings.ORCHESTRATOR
    configured = (
        ShellConnector.from_lines(given["SHELL_COMMANDS"]),
        DjangoConnector(given["DJANGO_CALLABLES"]),
    )
    loaded = Registry.load(given["CONNECTORS"], configured, {"sql": {"sqlite_files": given["SQLITE_FILES"]}})
    if both := sorted(set(loaded.types) & set(given["REMOTE_TYPES"])):
        raise RegistryError(
            f"Expected job type {both[0]!r} to be served here or elsewhere, but found a connector, "
            f"{loaded.registrations[both[0]].owner}, and the queue {given['REMOTE_TYPES'][both[0]]!r} of REMOTE_TYPES"
        )
    return loaded


class Station:
    """What a worker process is: its name, the types that it serves, and whether it is closing.

    Made before the pool forks. Celery's children are not told of a warm shutdown, so the flag lies in memory that they
    share with the process that is.
    """

    def __init__(self, name: str, types: Sequence[str]) -> None:
        self.name = name
        self.types = tuple(types)
        self._closing = mmap.mmap(-1, 1)

    def close(self) -> None:
        """Begin no further job."""
        self._closing[0] = 1

    def closing(self) -> bool:
        return self._closing[0] != 0


class JobFailed(Exception):
    """An attempt of a job ended badly. `report` says which job, and which attempt."""

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        super().__init__(message, report)  # both, so that it survives being pickled
        self.message = message
        self.report = report

    def __str__(self) -> str:
        return self.message


class ServiceTask(Task[..., Any]):
    """Performs jobs of one type."""

    ignore_result = True
    acks_late = False
    """Taken off the queue at once: brokers lose patience with work that takes long, rows do not."""
    throws = (JobFailed,)
    """Expected, told by `on_failure`: no traceback in the log."""
    station: Station | None = None
    """Of the worker process; set by `register`."""

    def run(self, job_id: int) -> dict[str, Any]:
        """Do the job, and say how it went in Celery's terms: by returning, raising `Retry` or raising `JobFailed`."""
        station = self.station or Station(self.request.hostname or "unknown", registry().types)
        if station.closing():
            raise Ignore  # the row stays due, and is announced to others
        rest = perform(job_id, registry=registry(), worker=station.name, types=station.types, closing=station.closing)
        done = next(rest, None)
        if done is None:
            raise Ignore  # done, taken, cancelled or suspended in the meantime
        vars(self.request)["rest"] = rest
        return _told(done)

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Go on with the jobs that the instance hands on to this worker.

        Only now, so that Celery's account of the job that the message was about is closed first.
        """
        rest: Iterator[Done] = self.request.get("rest") or iter(())
        for done in rest:
            task = self.app.tasks.get(done.job.type, self)
            arguments: tuple[Any, Any] = (done.job.id,), {}
            try:
                task.on_success(_told(done), task_id, *arguments)
            except Ignore:
                pass
            except Retry as retry:
                task.on_retry(retry.exc, task_id, *arguments, None)  # type: ignore[arg-type] # no traceback to tell
            except JobFailed as failed:
                task.on_failure(failed, task_id, *arguments, None)  # type: ignore[arg-type]

    def on_success(self, retval: dict[str, Any], task_id: str, args: Any, kwargs: Any) -> None:
        """The job is done, or ended in a business error that the model caught."""
        if logger.isEnabledFor(logging.INFO):
            logger.info("Job done: %s", _line(retval))

    def on_retry(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """The attempt failed, and there will be another; or it found nothing to be done yet."""
        report = getattr(exc, "report", {})
        level = logging.INFO if report.get("decision") == "postponed" else logging.WARNING
        logger.log(level, "Job to be retried: %s: %s", _line(report), exc)

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """The job ended in an incident, or could not be carried out at all."""
        if isinstance(exc, JobFailed):
            logger.error("Job failed: %s: %s", _line(exc.report), exc)
        else:
            # The row stays as it is: due, or claimed until the lease lapses. Celery logs the traceback.
            logger.error("Job %s (%s) could not be carried out: %s: %s", args[0], self.name, type(exc).__name__, exc)


def register(app: Celery, station: Station | None = None) -> None:
    """Have one task for each type of the registry; those of a worker know their `station`."""
    for type_ in registry().types:
        task: Any = app.tasks.get(type_) if type_ in app.tasks else None
        if task is None:
            task = app.register_task(type("ServiceTask", (ServiceTask,), {"name": type_, "__module__": __name__})())
        task.station = station


def _told(done: Done) -> dict[str, Any]:
    """An attempt in Celery's terms. Raises `Ignore` where its outcome was refused: it is no outcome."""
    match done.decision:
        case "completed" | "error" | "awaiting":
            return done.report
        case "retry" | "postponed":
            # Raised, not published: Celery's state, events and callbacks are right, and the row has the due time.
            raise Retry(exc=JobFailed(done.message, done.report))
        case "refused":
            logger.warning("Late outcome refused: %s: %s", _line(done.report), done.message)
            raise Ignore
        case _:
            raise JobFailed(done.message, done.report)


def _line(report: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in report.items())
