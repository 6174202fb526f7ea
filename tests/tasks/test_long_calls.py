"""Pages and polls through the runtime: what a killed worker had is not lost, and waiting holds nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import Retry
from django.utils import timezone

from processes.models import Incident, Job, ProcessInstance, Step
from processes.runtime import definitions, incidents, instances, jobs
from tasks import worker
from tasks.connectors.base import FunctionConnector, Postponed
from tasks.connectors.base import Job as Work
from tasks.jobs import _told as celery_says
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.tasks.connectors.http.service import ITEMS, Service
from tests.tasks.connectors.server import running

pytestmark = pytest.mark.django_db(transaction=True)

REGISTRY = Registry.load()


@pytest.fixture
def service() -> Iterator[Service]:
    with running(Service()) as service:
        assert isinstance(service, Service)
        yield service


def begun(**inputs: str) -> Job:
    drawing = Drawing("order").start()
    drawing.service("call", type="http", inputs=inputs, headers={"resultVariable": "answer"})
    definition = definitions.deploy(drawing.end().xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(definition).instance)


def performed(job: Job, **options: Any) -> list[worker.Done]:
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    return list(worker.perform(job.pk, registry=REGISTRY, worker="tester", **options))


def feel(value: Any) -> str:
    return "=" + json.dumps(value)


class Killed(BaseException):
    """As by SIGKILL: nothing that the worker would still have done happens."""


def test_a_killed_worker_s_successor_goes_on_with_the_next_page(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = begun(url=feel(f"{service.url}/linked"), pagination=feel({"type": "link"}))
    checkpoint, kept = jobs.checkpoint, []

    def killing(*arguments: Any) -> Any:
        kept.append(checkpoint(*arguments))
        if len(kept) == 3:
            raise Killed
        return kept[-1]

    monkeypatch.setattr(jobs, "checkpoint", killing)
    with pytest.raises(Killed):
        performed(job)
    assert Job.objects.get().state == "CLAIMED"
    assert performed(job) == []  # as long as the lease lasts, nobody else has it
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert jobs.lapse() == 1
    (done,) = performed(job)
    assert (done.decision, done.job.attempt, done.job.retries) == ("completed", 2, 2)
    assert service.count("/linked") == 5
    assert len(set(service.paths("/linked"))) == 5
    answer = ProcessInstance.objects.get().variables["answer"]
    assert [item["id"] for item in answer["items"]] == [item["id"] for item in ITEMS]
    journal = Step.objects.filter(journal__isnull=False).latest("number").journal
    assert (journal["pages"], journal["resumedAfterPage"]) == (5, 3)


def test_pages_go_on_after_an_incident(service: Service) -> None:
    service.broken_pages["/linked?start=10"] = 3
    job = begun(url=feel(f"{service.url}/linked"), pagination=feel({"type": "link"}))
    assert [performed(job)[0].decision for _ in range(3)] == ["retry", "retry", "failed"]
    incidents.resolve(Incident.objects.get().pk, by="user:ops")
    assert performed(job)[0].decision == "completed"
    assert service.count("/linked") == 2 + 3 + 3


def test_a_worker_that_lost_its_job_stops_reading(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begun(url=feel(f"{service.url}/linked"), pagination=feel({"type": "link"}))
    checkpoint = jobs.checkpoint

    def late(*arguments: Any) -> Any:
        instances.cancel(job.instance_id)
        return checkpoint(*arguments)

    monkeypatch.setattr(jobs, "checkpoint", late)
    (done,) = performed(job)
    assert done.decision == "refused"
    assert service.count("/linked") == 1


def test_polling_holds_no_worker_and_costs_no_try(service: Service) -> None:
    service.looks_needed = 5
    until = '=response.body.status = "done"'
    job = begun(
        url=feel(f"{service.url}/work"), method="POST", body="={a: 1}", poll=feel({"until": until, "interval": "PT1M"})
    )
    for number in range(1, 6):
        began = timezone.now()
        (done,) = performed(job)
        assert done.decision == "postponed"
        row = Job.objects.get()
        assert (row.state, row.retries, row.attempt, row.worker) == ("DUE", 3, number, "")
        assert began < row.due_at - timedelta(minutes=1) <= timezone.now()
        # Nobody but the row knows of it: whoever looks next may be another process on another machine.
        assert list(worker.perform(job.pk, registry=Registry.load(), worker="other")) == []
    steps = Step.objects.count()
    (done,) = performed(job)
    assert done.decision == "completed"
    assert Step.objects.count() == steps + 1
    assert service.count("/works/1") == 5
    assert [seen["method"] for seen in service.seen].count("POST") == 1
    answer = ProcessInstance.objects.get().variables["answer"]
    assert (answer["body"]["result"], answer["polls"]) == (42, 5)


def test_celery_is_told_that_there_will_be_another_attempt(service: Service) -> None:
    job = begun(url=feel(f"{service.url}/work"), method="POST", poll=feel({"until": "=false"}))
    (done,) = performed(job)
    with pytest.raises(Retry) as told:
        celery_says(done)
    assert told.value.exc.report["decision"] == "postponed"  # type: ignore[attr-defined]


def _served(does: Any) -> Registry:
    return Registry({"http": Registration("http", FunctionConnector("http", does), "test")})


@pytest.mark.parametrize(
    ("delay", "progress"), [(timedelta(), {"a": object()}), (timedelta(days=400), {}), (timedelta.max, {})]
)
def test_postponements_that_cannot_be_kept(delay: timedelta, progress: Any) -> None:
    def postpone(work: Work) -> Mapping[str, Any]:
        raise Postponed(delay, progress)

    job = begun(url="=1")
    (done,) = worker.perform(job.pk, registry=_served(postpone), worker="tester")
    assert done.decision == "failed"
    assert "could not be recorded" in Incident.objects.get().message


def test_progress_that_cannot_be_kept() -> None:
    def keep(work: Work) -> Mapping[str, Any]:
        work.checkpoint({"a": object()})
        return {}

    job = begun(url="=1")
    (done,) = worker.perform(job.pk, registry=_served(keep), worker="tester")
    assert done.decision == "failed"
    assert "progress" in Incident.objects.get().message


def test_a_checkpoint_tells_how_long_the_job_is_ours() -> None:
    told: list[Any] = []

    def keep(work: Work) -> Mapping[str, Any]:
        told.append(work.checkpoint({"n": work.attempt}))
        told.append(work.deadline)
        return {"seen": dict(work.progress)}

    job = begun(url="=1")
    assert [done.decision for done in worker.perform(job.pk, registry=_served(keep), worker="tester")] == ["completed"]
    assert told[0] > told[1]
    assert ProcessInstance.objects.get().variables["answer"] == {"seen": {}}
