"""Connectors for worker processes, as a customer would write them. They talk to `fleet.Desk` of the test.

Loaded by workers through ORCHESTRATOR_CONNECTORS=tests.tasks.shop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any

from celery import signals

from tasks.connectors.base import BpmnError, Job, JobError, connector


def tell(what: str, **details: Any) -> dict[str, Any]:
    """Tell the desk of the test, and wait for its answer."""
    body = json.dumps({"what": what, "pid": os.getpid(), **details}).encode()
    request = urllib.request.Request(os.environ["DESK"], data=body)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@connector("echo")
def echo(job: Job) -> Mapping[str, Any]:
    return {"echo": job.element_id}


@connector("call")
def call(job: Job) -> Mapping[str, Any]:
    """A service that answers when it likes."""
    return tell("call", job=job.id, attempt=job.attempt, key=job.idempotency_key, element=job.element_id)


@connector("fail")
def fail(job: Job) -> Mapping[str, Any]:
    raise JobError(f"The world said no, for the {job.attempt}. time")


@connector("break")
def break_(job: Job) -> Mapping[str, Any]:
    raise ZeroDivisionError("nobody expected this")


@connector("refuse")
def refuse(job: Job) -> Mapping[str, Any]:
    raise BpmnError("NO-STOCK", "sold out")


@connector("unstorable")
def unstorable(job: Job) -> Mapping[str, Any]:
    return {"thing": object()}


@connector("poison")
def poison(job: Job) -> Mapping[str, Any]:
    tell("poison", job=job.id, attempt=job.attempt)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


@connector("leave")
def leave(job: Job) -> Mapping[str, Any]:
    sys.exit(3)


# What Celery itself believes, beside what the callbacks of the tasks say.


@signals.task_success.connect
def _success(sender: Any, result: Any, **_: Any) -> None:
    _told("SUCCESS", sender.name, result)


@signals.task_retry.connect
def _retry(sender: Any, reason: Any, **_: Any) -> None:
    _told("RETRY", sender.name, reason.exc.report)


@signals.task_failure.connect
def _failure(sender: Any, exception: Any, **_: Any) -> None:
    _told("FAILURE", sender.name, getattr(exception, "report", {}))


def _told(state: str, task: str, report: Any) -> None:
    if os.environ.get("TELL_STATES"):
        tell("state", state=state, task=task, report=report)
