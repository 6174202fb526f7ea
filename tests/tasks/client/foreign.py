"""Somebody else's Celery app: no Django, no database of ours, a queue of its own."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from celery import Celery

from tasks.celery_worker import job_task
from tasks.worker_client import Job, JobError

app = Celery("foreign", broker=os.environ["AMQP_URL"])
app.conf.task_default_queue = os.environ["FOREIGN_QUEUE"]
app.conf.worker_enable_remote_control = False


@job_task(app, "charge", lease=1.5)
def charge(job: Job) -> dict[str, Any]:
    """Takes longer than its lease."""
    assert not {"orchestrator.settings", "processes", "django.db"} & set(sys.modules)
    if job.attempt == 1 and job.variables.get("how") == "once more":
        raise JobError("not yet", retry_in=0)
    time.sleep(2)
    return {"charged": job.variables["amount"], "by": "foreign"}
