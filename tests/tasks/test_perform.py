"""What a worker does with one hint, in this process and without a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from processes.models import Incident, Job, ProcessInstance, Step
from processes.runtime import definitions, instances, jobs
from tasks import worker
from tasks.connectors.base import BpmnError, FunctionConnector, JobError, Response
from tasks.connectors.base import Job as Work
from tasks.leases import Leases
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.tasks.fleet import eventually

pytestmark = pytest.mark.django_db(transaction=True)

Function = Callable[[Work], Mapping[str, Any] | None]


def registry(**functions: Function) -> Registry:
    return Registry(
        {name: Registration(name, FunctionConnector(name, does), "test") for name, does in functions.items()}
    )


def begun(*types: str, **options: Any) -> Job:
    """The first job of an instance with a task of each type."""
    drawing = Drawing("order").start()
    for number, type in enumerate(types):
        drawing.service(f"task{number}", type=type, **options)
    definition = definitions.deploy(drawing.end().xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(definition).instance)


def performed(job: Job, served: Registry, **options: Any) -> list[worker.Done]:
    return list(worker.perform(job.pk, registry=served, worker="tester", **options))


def test_jobs_of_the_same_instance_follow_each_other() -> None:
    job = begun("a", "b", "a")
    done = performed(job, registry(a=lambda work: {}, b=lambda work: {}))
    assert [(each.job.element_id, each.decision) for each in done] == [
        ("task0", "completed"),
        ("task1", "completed"),
        ("task2", "completed"),
    ]
    assert ProcessInstance.objects.get().state == "COMPLETED"
    assert {step.by for step in Step.objects.exclude(number=1)} == {"worker:tester"}


@pytest.mark.parametrize(
    "options", [{"closing": lambda: True}, {"types": ["b"]}, {"types": []}], ids=["closing", "other types", "no types"]
)
def test_the_next_job_is_left_to_others(options: Any) -> None:
    job = begun("a", "a")
    assert len(performed(job, registry(a=lambda work: {}, b=lambda work: {}), **options)) == 1
    left = Job.objects.get()
    assert (left.element_id, left.state, left.attempt) == ("task1", "DUE", 0)


def test_one_instance_does_not_keep_a_worker_for_ever() -> None:
    job = begun(*["a"] * (worker.SLICE_JOBS + 1))
    assert len(performed(job, registry(a=lambda work: {}))) == worker.SLICE_JOBS
    assert Job.objects.get().state == "DUE"


def test_nor_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SLICE_SECONDS", 0.0)
    assert len(performed(begun("a", "a"), registry(a=lambda work: {}))) == 1
    assert Job.objects.get().state == "DUE"


def test_a_job_that_is_taken_is_left_alone() -> None:
    job = begun("a")
    jobs.claim_one(job.pk, worker="other")
    assert performed(job, registry(a=lambda work: {})) == []
    assert performed(Job(pk=job.pk + 1000), registry(a=lambda work: {})) == []


def test_no_transaction_is_open_while_a_connector_works() -> None:
    def look(work: Work) -> Mapping[str, Any]:
        return {"inside": connection.in_atomic_block or not connection.get_autocommit()}

    performed(begun("a"), registry(a=look))
    assert ProcessInstance.objects.get().variables == {"inside": False}


def test_an_outcome_for_a_cancelled_instance_is_refused() -> None:
    def cancel(work: Work) -> Mapping[str, Any]:
        instances.cancel(work.instance_id)
        return {}

    (done,) = performed(begun("a"), registry(a=cancel))
    assert done.decision == "refused"
    assert "gone" in done.message


def _raise(error: BaseException) -> Function:
    def does(work: Work) -> Mapping[str, Any]:
        raise error

    return does


@pytest.mark.parametrize(
    ("does", "decision", "says"),
    [
        (_raise(JobError("no luck")), "retry", "no luck"),
        (_raise(JobError("never", retryable=False)), "failed", "never"),
        (_raise(BpmnError("SOLD-OUT")), "error", "SOLD-OUT"),
        (_raise(KeyError("amount")), "retry", "KeyError: 'amount'"),
        (_raise(SystemExit(3)), "retry", "SystemExit: 3"),
        (lambda work: [1], "failed", "mapping"),
        (lambda work: {"moment": object()}, "failed", "object"),
        (lambda work: {"text": "a\0b"}, "failed", "NUL"),
    ],
)
def test_what_a_connector_says_decides(does: Function, decision: str, says: str) -> None:
    (done,) = performed(begun("a"), registry(a=does))
    assert (done.decision, says in done.message) == (decision, True), done
    assert Incident.objects.count() == (0 if decision == "retry" else 1)


def test_journals_are_kept_with_the_attempt() -> None:
    performed(begun("a"), registry(a=lambda work: Response({"x": 1}, {"asked": "nicely"})))
    assert Step.objects.get(command="CompleteJob").journal["asked"] == "nicely"


def test_a_database_connection_that_dies_meanwhile_costs_nothing() -> None:
    """The service was called: its answer must be recorded, not asked for again."""

    def cut(work: Work) -> Mapping[str, Any]:
        if connection.vendor == "postgresql":
            victim = connection.connection
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (pid,) = cursor.fetchone()
            connection.connection = None
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            connection.close()
            connection.connection = victim
        return {}

    (done,) = performed(begun("a"), registry(a=cut))
    assert done.decision == "completed"


def test_leases_of_long_jobs_are_extended(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "LEASE": timedelta(seconds=2)}
    monkeypatch.setattr(worker, "leases", Leases())  # the one of the process goes by the lease that it began with
    job = begun("a")
    seen: list[Any] = []

    def work_long(work: Work) -> Mapping[str, Any]:
        ends = Job.objects.filter(pk=work.id).values_list("lease_until", flat=True)
        seen.append(ends.get())
        for _ in range(3):
            # Nobody lets leases lapse here, so on a busy machine an extension may come too late, but it comes.
            seen.append(eventually(lambda: ends.filter(lease_until__gt=seen[-1]).first(), what="a later end"))
        return {}

    (done,) = performed(job, registry(a=work_long))
    assert done.decision == "completed"
    assert seen == sorted(set(seen)), "every look finds a later end"


def test_a_job_that_never_ends_is_given_up(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leases, "_begin", lambda self: None)  # nobody but the test looks round
    settings.ORCHESTRATOR = {
        **settings.ORCHESTRATOR,
        "LEASE": timedelta(seconds=10),
        "JOB_LIMIT": timedelta(seconds=60),
    }
    claimed = jobs.claim_one(begun("a").pk, worker="tester")
    assert claimed is not None
    leases = Leases()
    now = claimed.lease_until - timedelta(seconds=10)
    with leases.holding(claimed, by="worker:tester"):
        assert leases.extend_due(now) == 0, "there is time enough"
        assert leases.extend_due(now + timedelta(seconds=5)) == 1
        assert leases.until(claimed) > claimed.lease_until
        assert leases.extend_due(datetime.now(UTC) + timedelta(seconds=61)) == 0
    assert leases.extend_due(now + timedelta(seconds=5)) == 0
