"""Mass recovery: what is selected, canaries, when it stops itself, and what came of each, honestly told."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from processes.models import Batch, BatchItem, Incident, Job, ProcessInstance, Step
from processes.runtime import Rejected, batches, incidents, instances, jobs, recovery, retention, settlement
from processes.runtime.batches import Progress
from processes.runtime.incidents import Selection
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass ends with what there is to do, however slow the machine is."""
    monkeypatch.setattr(batches, "AT_ONCE", 600.0)


def order(name: str = "order", type: str = "charge") -> Drawing:
    return Drawing(name).start("s").service("a", type=type, retries=1).service("b", type="b").end("e")


def stuck(count: int, message: str = "order {} is unknown", **options: Any) -> list[int]:
    """Incidents of as many instances, oldest first."""
    definition = deployed(order(**options))
    for number in range(count):
        instances.start(definition, variables={"n": number})
    fail(message, options.get("type", "charge"))
    return list(Incident.objects.filter(process_id=definition.process_id).order_by("id").values_list("pk", flat=True))


def fail(message: str = "order {} is unknown", type: str = "charge", limit: int = 1000) -> None:
    for job in jobs.claim([type], worker="w", limit=limit):
        jobs.fail(job.id, job.attempt, message.format(job.id), retries=0, by="worker:w")


def complete(limit: int = 1000) -> None:
    for job in jobs.claim(["charge"], worker="w", limit=limit):
        jobs.complete(job.id, job.attempt, by="worker:w")


def sweep(batch: Batch) -> Progress:
    """As sweepers would for a while: due moments have come."""
    for _ in range(3):
        Batch.objects.filter(watch_at__isnull=False).update(watch_at=timezone.now())
        Batch.objects.update(due_at=timezone.now())
        while batches.carry_on():
            pass
    batch.refresh_from_db()
    far = batches.progress(batch)
    counted = Counter(batch.items.values_list("state", flat=True))
    told = {state: getattr(far, state.lower()) for state in ("PENDING", "DONE", "REJECTED", "RETRIED", "RECOVERED")}
    assert {state: counted[state] for state in told} == told
    assert (counted["FAILED_AGAIN"], sum(counted.values())) == (far.failed_again, batch.total)
    return far


def results(batch: Batch) -> dict[int | None, tuple[str, str]]:
    return {item.incident_id: (item.state, item.message) for item in batch.items.all()}


def test_what_came_of_each_is_told() -> None:
    first, second, third, fourth = stuck(4)
    incidents.resolve(fourth)
    other = stuck(1, name="other", type="other")
    batch = batches.retry([first, second, third, fourth], retries=7, reason="why", by="user:alice")
    assert (batch.total, batch.reason, batch.created_by) == (4, "why", "user:alice")
    assert sweep(batch) == Progress(retried=3, rejected=1)
    assert batch.state == "ACTIVE"
    assert set(Incident.objects.filter(pk__in=[first, second, third]).values_list("resolved_by", flat=True)) == {
        "user:alice"
    }
    assert set(Job.objects.filter(type="charge", retries=7).values_list("instance__incidents__pk", flat=True)) == {
        first, second, third
    }  # fmt: skip
    done, bad, gone = (ProcessInstance.objects.get(incidents=pk) for pk in (first, second, third))
    instances.cancel(gone.pk)
    for job in jobs.claim(["charge"], worker="w", limit=10):
        if job.instance_id == done.pk:
            jobs.complete(job.id, job.attempt, by="worker:w")
        if job.instance_id == bad.pk:
            jobs.fail(job.id, job.attempt, "still unknown", retries=0, by="worker:w")
    assert sweep(batch) == Progress(recovered=2, failed_again=1, rejected=1)
    again = Incident.objects.get(instance=bad, ended_at=None)
    assert results(batch) == {
        first: ("RECOVERED", "Its visit is completed."),
        second: ("FAILED_AGAIN", "still unknown"),
        third: ("RECOVERED", "Its visit is terminated."),
        fourth: ("REJECTED", f"Expected incident {fourth} to be open but it is over"),
    }
    assert batch.items.get(incident_id=second).result == again.pk
    assert (batch.state, batch.watch_at) == ("COMPLETED", None)
    assert Incident.objects.get(pk=other[0]).ended_at is None


def test_another_try_is_not_yet_an_outcome() -> None:
    (pk,) = stuck(1)
    batch = batches.retry([pk], retries=2)
    sweep(batch)
    (job,) = jobs.claim(["charge"], worker="w")
    jobs.fail(job.id, job.attempt, "not yet", by="worker:w", retry_in=timedelta(hours=1))
    assert sweep(batch) == Progress(retried=1)
    assert batch.state == "ACTIVE"


def test_what_fails_again_without_a_worker_is_known_at_once() -> None:
    definition = deployed(Drawing("mapped").start().service("a", type="=kind").end())
    for _ in range(3):
        instances.start(definition)
    batch = batches.retry(Selection(process_id="mapped"), canaries=1)
    assert sweep(batch) == Progress(failed_again=1, pending=2)
    assert (batch.state, batch.note) == ("PAUSED", "1 of 1 canaries failed again.")
    batches.cancel(batch.pk)
    again = batches.retry(Selection(process_id="mapped"), variables={"kind": "a"}, by="user:alice")
    assert sweep(again) == Progress(retried=3)
    assert set(Job.objects.filter(type="a").values_list("instance__variables__kind", flat=True)) == {"a"}
    assert Step.objects.filter(command="SetVariables", by="user:alice").count() == 3


def test_canaries_go_first_and_stop_the_batch() -> None:
    stuck(6)
    batch = batches.retry(Selection(), canaries=2)
    assert sweep(batch) == Progress(pending=4, retried=2)
    complete(limit=1)
    assert sweep(batch) == Progress(pending=4, retried=1, recovered=1)
    fail()
    assert sweep(batch) == Progress(pending=4, recovered=1, failed_again=1)
    assert (batch.state, batch.note) == ("PAUSED", "1 of 2 canaries failed again.")
    batches.resume(batch.pk)
    assert sweep(batch) == Progress(retried=4, recovered=1, failed_again=1)
    assert (batch.state, batch.note) == ("ACTIVE", "")
    fail()
    assert sweep(batch) == Progress(recovered=1, failed_again=5)
    assert batch.state == "COMPLETED"


def test_canaries_that_went_well_let_the_others_go() -> None:
    stuck(6)
    batch = batches.retry(Selection(), canaries=2, stop_at=50)
    sweep(batch)
    complete()
    assert sweep(batch) == Progress(retried=4, recovered=2)
    complete()
    assert sweep(batch) == Progress(recovered=6)
    assert batch.state == "COMPLETED"


def test_canaries_may_fail_within_the_share() -> None:
    stuck(5)
    batch = batches.retry(Selection(), canaries=3, stop_at=50)
    sweep(batch)
    complete(limit=2)
    fail()
    assert sweep(batch) == Progress(retried=2, recovered=2, failed_again=1)


def test_rejected_ones_are_no_canaries() -> None:
    ids = stuck(4)
    batch = batches.retry(ids, canaries=1)
    incidents.resolve(ids[0])
    assert sweep(batch) == Progress(pending=2, rejected=1, retried=1)


def test_too_many_failures_stop_the_batch_and_whoever_resumes_forgives_them() -> None:
    stuck(25)
    batch = batches.retry(Selection(), stop_at=10, rate=1)
    while batches.progress(batch).retried < 8:
        Batch.objects.update(due_at=timezone.now())
        batches.carry_on(limit=1)
    fail(limit=1)
    sweep_outcomes()
    assert Batch.objects.get().state == "ACTIVE"  # 1 of 20
    fail(limit=2)
    sweep_outcomes()
    batch.refresh_from_db()
    assert (batch.state, batch.note) == ("PAUSED", "3 of 3 known outcomes failed again: 10 % were allowed.")
    assert batches.carry_on() == 0
    batches.resume(batch.pk)
    fail(limit=1)
    sweep_outcomes()
    batch.refresh_from_db()
    assert (batch.state, batch.failed_again, batch.forgiven_failed) == ("ACTIVE", 4, 3)


def sweep_outcomes() -> None:
    Batch.objects.update(watch_at=timezone.now(), due_at=timezone.now() + timedelta(hours=1))
    batches.carry_on()


def test_outcomes_are_watched_for_whatever_the_batch_does_meanwhile() -> None:
    stuck(3)
    batch = batches.retry(Selection())
    assert batches.carry_on(limit=3) == 3  # one piece, two turns
    batches.cancel(batch.pk)
    complete()
    assert sweep(batch) == Progress(pending=1, recovered=2)
    assert batch.state == "CANCELLED"


def test_nobody_waits_for_ever() -> None:
    stuck(3)
    batch = batches.retry(Selection(), canaries=1)
    assert sweep(batch) == Progress(pending=2, retried=1)
    Batch.objects.update(tried_at=timezone.now() - recovery.PATIENCE - timedelta(seconds=1))
    assert sweep(batch) == Progress(pending=2, retried=1)
    assert (batch.state, batch.note) == ("PAUSED", "The outcome of 1 canaries was not known within a day.")
    batches.resume(batch.pk)
    assert sweep(batch) == Progress(retried=3)
    Batch.objects.update(tried_at=timezone.now() - recovery.PATIENCE - timedelta(seconds=1))
    sweep(batch)
    assert (batch.state, batch.retried) == ("COMPLETED", 3)


def test_a_selection_is_gathered_piece_by_piece_and_takes_nothing_that_came_later(monkeypatch: Any) -> None:
    monkeypatch.setattr(recovery, "PIECE", 3)
    ids = stuck(8)
    batch = batches.retry(Selection(process_id="order"), rate=1)
    incidents.resolve(ids[0])
    fail()  # it comes back, later
    assert batches.carry_on(limit=1) == 1
    batch.refresh_from_db()
    assert (batch.gathered, batch.total) == (False, 3)
    batches.pause(batch.pk)
    assert batches.carry_on() == 0
    batches.resume(batch.pk)
    batches.carry_on(limit=3)
    batch.refresh_from_db()
    assert (batch.gathered, batch.total) == (True, 7)
    assert list(batch.items.order_by("id").values_list("incident_id", flat=True)) == ids[1:]


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({}, [0, 1, 2, 3]),
        ({"process_id": "order"}, [0, 1, 2]),
        ({"element_id": "nobody"}, []),
        ({"kind": "JOB_NO_RETRIES", "job_type": "other"}, [3]),
        ({"version": 1}, [0, 1, 2, 3]),
        ({"version": 2}, []),
        ({"raised_before": timezone.now() - timedelta(hours=1)}, []),
        ({"raised_after": timezone.now() - timedelta(hours=1)}, [0, 1, 2, 3]),
    ],
)
def test_a_selection(given: dict[str, Any], places: list[int]) -> None:
    ids = [*stuck(3), *stuck(1, name="other", type="other")]
    selection = Selection(**given)
    assert list(incidents.chosen(selection).values_list("pk", flat=True)) == [ids[place] for place in places]
    assert Selection.from_json(selection.to_json()) == selection
    definition = ProcessInstance.objects.get(incidents=ids[3]).definition_id
    assert incidents.chosen(Selection(definition_id=definition)).get().pk == ids[3]


def test_like_with_like() -> None:
    ids = stuck(3)
    stuck(2, "HTTP 503", name="other", type="other")
    assert Incident.objects.filter(pk__in=ids).values("fingerprint").distinct().count() == 1
    like = Incident.objects.get(pk=ids[0]).fingerprint
    far = recovery.preview(Selection())
    assert [(group.count, group.process_id, group.message) for group in far.groups] == [
        (3, "order", Incident.objects.get(pk=ids[2]).message),
        (2, "other", "HTTP 503"),
    ]
    assert (far.found, far.oldest) == (5, Incident.objects.get(pk=ids[0]).raised_at)
    assert recovery.preview(Selection(fingerprint=like)).found == 3
    batch = batches.retry(Selection(fingerprint=like))
    assert sweep(batch) == Progress(retried=3)


def test_the_code_of_an_error_is_kept() -> None:
    definition = deployed(order())
    instances.start(definition)
    instances.start(definition)
    thrown, raised = jobs.claim(["charge"], worker="w", limit=2)
    jobs.throw_error(thrown.id, thrown.attempt, "NO-STOCK", "sold out", by="worker:w")
    settlement.settle(raised, settlement.Raised("503", code="503", retryable=False), by="worker:w")
    assert list(Incident.objects.order_by("id").values_list("kind", "error_code")) == [
        ("UNHANDLED_ERROR", "NO-STOCK"),
        ("JOB_NO_RETRIES", "503"),
    ]
    assert incidents.chosen(Selection(error_code="503")).get().instance_id == raised.instance_id


def test_a_preview_says_what_would_happen_and_changes_nothing() -> None:
    definition = deployed(Drawing("mapped").start().service("a", type="=kind").end())
    instances.start(definition)
    before = list(Step.objects.values_list("pk", flat=True))
    (foreseen,) = recovery.preview(Selection()).foreseen
    assert "kind" in foreseen.fails_at_once
    (foreseen,) = recovery.preview(Selection(), variables={"kind": "a"}).foreseen
    assert foreseen.fails_at_once == ""
    assert "JobCreated" in [fact["fact"] for fact in foreseen.facts]
    assert list(Step.objects.values_list("pk", flat=True)) == before
    assert not Job.objects.exists()
    assert recovery.preview([4711]) == recovery.Preview(0, 0, [], None, [])


@pytest.mark.parametrize(
    ("chosen", "options", "code"),
    [
        (Selection(process_id="nobody"), {}, "batch-empty"),
        ([], {}, "batch-empty"),
        (range(1, recovery.MOST_NAMED + 2), {}, "batch-too-large"),
        ([4711], {}, "incident-not-found"),
        (Selection(), {"retries": 0}, "value-invalid"),
        (Selection(), {"canaries": -1}, "value-invalid"),
        (Selection(), {"stop_at": 0}, "value-invalid"),
        (Selection(), {"stop_at": 101}, "value-invalid"),
        (Selection(), {"rate": 0}, "value-invalid"),
        (Selection(), {"variables": {"x": "\0"}}, "value-invalid"),
    ],
)
def test_what_is_refused_at_once(chosen: Any, options: dict[str, Any], code: str) -> None:
    stuck(1)
    with pytest.raises(Rejected) as told:
        batches.retry(chosen, **options)
    assert told.value.code == code
    assert not Batch.objects.exists()


def test_more_than_a_batch_takes_are_refused(monkeypatch: Any) -> None:
    stuck(3)
    monkeypatch.setattr(recovery, "MOST", 2)
    with pytest.raises(Rejected, match="Expected at most 2 incidents"):
        batches.retry(Selection())


def test_a_transaction_that_breaks_between_leaves_nothing_half_done(monkeypatch: Any) -> None:
    stuck(3)
    batch = batches.retry(Selection())
    save = BatchItem.save

    def away(self: BatchItem, **options: Any) -> None:
        raise OperationalError("the connection is gone")

    batches.carry_on(limit=1)
    monkeypatch.setattr(BatchItem, "save", away)
    with pytest.raises(OperationalError):
        batches.carry_on(limit=1)
    assert Incident.objects.filter(ended_at=None).count() == 3
    monkeypatch.setattr(BatchItem, "save", save)
    assert sweep(batch) == Progress(retried=3)
    assert Step.objects.filter(command="ResolveIncident").count() == 3


def test_several_sweepers_retry_nothing_twice() -> None:
    stuck(20)
    batch = batches.retry(Selection())

    def sweeping() -> None:
        while batches.progress(batch).pending or not Batch.objects.get().gathered:
            batches.carry_on(limit=3)

    assert together(sweeping, sweeping, sweeping) == [None] * 3
    assert Step.objects.filter(command="ResolveIncident").count() == 20
    complete()
    assert sweep(batch) == Progress(recovered=20)


def test_ended_batches_are_purged(monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "ITEMS", 2)
    stuck(5)
    old, recent, live = (batches.retry(Selection()) for _ in range(3))
    assert batches.carry_on(limit=9) == 9
    for batch in (old, recent):
        batches.cancel(batch.pk)
    Batch.objects.filter(pk=live.pk).update(created_at=timezone.now() - timedelta(days=80))
    Batch.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(days=40))
    assert sum(retention.purge_batches(timedelta(days=30))) == 1
    assert set(Batch.objects.values_list("pk", flat=True)) == {recent.pk, live.pk}
    assert not BatchItem.objects.filter(batch_id=old.pk).exists()
