"""Work for people: user tasks are assigned, and completed by whoever has them.

A user task is a job of Camunda's type for them. It has no lease, for people take their time: an assignee says whose it
is, and completing it claims and completes the job in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from processes.engine import commands as c
from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Job, UserTask
from processes.runtime import audit, claims, transaction, values

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

TYPE = "io.camunda.zeebe:userTask"


def open_tasks() -> QuerySet[UserTask]:
    """The user tasks that wait for somebody."""
    return UserTask.objects.filter(type=TYPE, state=JobState.DUE.value)


def variables(job_id: int) -> Mapping[str, Any]:
    """What whoever works on it is told: its inputs, or all that it can see where the model maps none."""
    return claims.seen(job_id)


def claim(job_id: int, assignee: str) -> None:
    """Take a task that nobody else has.

    Raises `Rejected`: ``user-task-not-found``, ``user-task-assigned``, ``value-invalid``.
    """
    name = values.text(assignee, what="an assignee")
    if not name:
        raise Rejected("value-invalid", "Expected an assignee but found none")
    if not open_tasks().filter(Q(assignee="") | Q(assignee=name), pk=job_id).update(assignee=name):
        found = _found(job_id)
        what = f"Expected user task {job_id} to be nobody's but found it with '{found.assignee}'"
        raise Rejected("user-task-assigned", what)


def assign(job_id: int, assignee: str, *, by: str = "", reason: str = "") -> None:
    """Give a task to somebody, whoever has it; "" takes it away. Raises `Rejected`: ``user-task-not-found``,
    ``value-invalid``."""
    name = values.text(assignee, what="an assignee")
    with atomic():
        if not open_tasks().filter(pk=job_id).update(assignee=name):
            raise _not_found(job_id)
        audit.record("assign", "user task", job_id, by=by, reason=reason, details={"assignee": name})


def complete(
    job_id: int, variables: Mapping[str, Any] | None = None, *, user: str = "", by: str, reason: str = ""
) -> None:
    """The work is done, with these variables as its result. `user`: refused where somebody else has the task.

    Raises `Rejected`: ``user-task-not-found``, ``user-task-assigned``, ``instance-suspended``, ``variables-invalid``.
    """
    result = values.checked(variables)
    instance_id = _found(job_id).instance_id

    def decide(loaded: Loaded, at: datetime) -> c.Command:
        job = loaded.job(job_id)
        row = Job.objects.filter(pk=job_id).only("assignee", "suspended").first()
        if job is None or row is None or job.state is not JobState.DUE:
            raise _not_found(job_id)
        if row.suspended:
            raise Rejected("instance-suspended", "Expected an active instance but found it suspended")
        if user and row.assignee not in ("", user):
            what = f"Expected user task {job_id} to be with '{user}' but found it with '{row.assignee}'"
            raise Rejected("user-task-assigned", what)
        # Claimed and completed in one step: nobody sees it in between.
        job.state, job.attempt = JobState.CLAIMED, job.attempt + 1
        return c.CompleteJob(job.key, job.attempt, result)

    transaction.carry_out(instance_id, decide, by=by, reason=reason)


def _found(job_id: int) -> UserTask:
    job = open_tasks().filter(pk=job_id).first()
    if job is None:
        raise _not_found(job_id)
    return job


def _not_found(job_id: int) -> Rejected:
    return Rejected("user-task-not-found", f"Expected user task {job_id} to wait for somebody but it does not")
