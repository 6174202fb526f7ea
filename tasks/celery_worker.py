"""Jobs for somebody else's Celery app: a function of theirs serves a job type from a queue of their own.

In their code base, which needs this file, `worker_client` beside it, and no access to our database:

    app = Celery("payments", broker="amqp://...")            # the same broker as the orchestrator's
    app.conf.orchestrator_url = "https://orchestrator.example"   # or the variable ORCHESTRATOR_URL
    app.conf.orchestrator_token = "..."                          # or ORCHESTRATOR_TOKEN

    @job_task(app, "charge-card", lease=120)
    def charge(job: Job) -> dict | None:
        return {"receipt": bank.charge(job.variables["card"], key=job.idempotency_key)}

    $ celery -A payments worker -Q payments

On our side, ``ORCHESTRATOR_REMOTE_TYPES=charge-card=payments`` says that jobs of the type are announced on that queue.

A message means "a job of this type is due", no more: the task claims the one that is due longest over REST, works, and
says over REST what came of it, under the fence of the attempt. So a message may be lost (the sweeper announces the job
again), come twice (the second finds nothing and is ignored) or too late (it expires), and their workers may die at any
time. Their queue is declared by their workers, and by nobody else; until it is there, announcements go nowhere.

Celery is told the truth: a failed attempt is a FAILURE of the task, though the job may be tried again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery
from celery.exceptions import Ignore

try:
    from tasks.worker_client import Job, WorkerClient
except ImportError:  # copied, and lying beside this file
    from worker_client import Job, WorkerClient  # type: ignore[import-not-found, no-redef]

__all__ = ["AttemptFailed", "job_task"]


class AttemptFailed(Exception):
    """An attempt of a job ended badly; the orchestrator knows, and decides about the next one."""


def job_task(
    app: Celery,
    type: str,
    *,
    lease: float = 60.0,
    fields: Sequence[str] | None = None,
    url: str = "",
    token: str = "",
    **options: Any,
) -> Callable[[Callable[[Job], Any]], Callable[[Job], Any]]:
    """Have a function serve a job type as a task of `app`. Leaves the function as it is.

    `lease` and `fields` are those of `WorkerClient.worker`, `options` those of Celery's ``app.task``.
    """

    def decorate(function: Callable[[Job], Any]) -> Callable[[Job], Any]:
        clients: list[WorkerClient] = []

        def client(name: str) -> WorkerClient:
            # Made by the first task, so after a fork, and with the settings as they are then.
            if not clients:
                at = url or app.conf.get("orchestrator_url") or os.environ.get("ORCHESTRATOR_URL", "")
                known = token or app.conf.get("orchestrator_token") or os.environ.get("ORCHESTRATOR_TOKEN", "")
                if not at or not known:
                    raise ValueError("Expected orchestrator_url and orchestrator_token to be set, but one is not")
                clients.append(WorkerClient(at, known, f"{name}-{os.getpid()}"))
                clients[0].worker(type, lease=lease, fields=fields)(function)
            return clients[0]

        def serve(task: Any, job_id: int | None = None) -> None:
            told = client(task.request.hostname or "celery").once(type)
            if told is None:
                raise Ignore  # somebody else has it
            if told != "complete" and told != "error":
                raise AttemptFailed(f"{type}: see the history of the instance")

        serve.__name__ = getattr(function, "__name__", "serve")
        serve.__doc__ = function.__doc__
        register: Any = app.task(name=type, bind=True, ignore_result=True, throws=(AttemptFailed,), **options)
        register(serve)
        return function

    return decorate
