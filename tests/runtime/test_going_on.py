"""A worker that goes on with an instance without reading it again: what it saves, and how it finds out that somebody
else stepped meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.models import Job, ProcessInstance
from processes.runtime import by_hand, instances, jobs, loader, settlement, statements
from processes.runtime import transaction as runtime
from processes.runtime.claims import ClaimedJob, claim_one
from processes.runtime.settlement import Responded, Settled
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, started

pytestmark = pytest.mark.django_db(transaction=True)

THEN = jobs.Continuation(frozenset({"a", "b"}), "w", timedelta(minutes=1))
postgresql = pytest.mark.only_on("postgresql")
"""SQLite takes one statement at a time, and has no way to go."""


def claimed(drawing: Drawing, **arguments: Any) -> ClaimedJob:
    started(drawing, **arguments)
    return taken(Job.objects.get().pk)


def chain(*types: str) -> Drawing:
    drawing = Drawing().start()
    for number, type_ in enumerate(types, 1):
        drawing.service(f"task{number}", type=type_)
    return drawing.end()


def taken(pk: int) -> ClaimedJob:
    job = claim_one(pk, worker="w")
    assert job is not None
    return job


def settled(job: ClaimedJob, response: Any = None) -> Settled:
    return settlement.settle(job, Responded(response or {}), by="worker:w", then=THEN)


def following(job: ClaimedJob, response: Any = None) -> ClaimedJob:
    found = settled(job, response).next
    assert found is not None
    return found


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_a_service_task_costs_six_statements_and_one_commit(statements: Statements) -> None:
    job = claimed(chain(*["a"] * 10), variables={"x": {"y": [1, 2, 3]}})
    job = following(job)
    for number in range(6):
        before, single, commits = len(statements), statements.single(), statements.commits
        job = following(job, {"n": number})
        assert statements.single() - single <= 6, statements.texts[before:]
        assert statements.commits - commits == 1
        if connection.vendor == "postgresql":
            assert len(statements) - before == 1, "all of them in one round trip"


@postgresql
def test_a_claim_reads_the_instance_along(statements: Statements) -> None:
    started(chain("a"))
    pk = Job.objects.get().pk
    before = len(statements)
    job = claim_one(pk, worker="w")
    assert job is not None
    assert job.kept is not None
    settled(job)
    assert len(statements) - before == 2
    assert ProcessInstance.objects.get().state == "COMPLETED"


@postgresql
def test_one_of_many_parallel_jobs_costs_the_same_however_many_there_are(statements: Statements) -> None:
    """And however many visits have ended before: nothing is read that is not touched."""
    costs = []
    for number in (300, 3000):
        started(Drawing().start().service("work", type="a", inputs={"n": "=item"}).many("=items").end(),
                variables={"items": list(range(number))})  # fmt: skip
        pks = list(Job.objects.order_by("id").values_list("pk", flat=True))
        for pk in pks[:10]:
            settled(taken(pk))
        before, commits = len(statements), statements.commits
        settled(taken(pks[10]))
        costs.append((len(statements) - before, statements.single()))
        assert statements.commits - commits == 2, "the claim, which waits for no disk, and the end"
        instances.cancel(ProcessInstance.objects.get(state="ACTIVE").pk)
    assert [trips for trips, _ in costs] == [4, 4], "the claim; lock; what it touches; the end"


@postgresql
def test_who_has_siblings_is_told_what_surrounds_it_and_reads_no_more(statements: Statements) -> None:
    drawing = Drawing().start().parallel("fork")
    for name in "abc":
        drawing.at("fork").service(name, type="a", inputs={"own": f'="{name}"'} if name == "a" else {})
    started(drawing, variables={"x": 1})
    before = len(statements)
    jobs_ = [taken(pk) for pk in Job.objects.order_by("id").values_list("pk", flat=True)]
    assert len(statements) - before == 4, "the list of them, and each of the three"
    assert [dict(job.variables) for job in jobs_] == [{"own": "a"}, {"x": 1}, {"x": 1}]
    assert [job.kept for job in jobs_] == [None] * 3
    for job in jobs_:
        settled(job)
    assert ProcessInstance.objects.get().state == "COMPLETED"


def test_what_a_job_in_a_sub_process_with_siblings_sees() -> None:
    inner = Drawing().start("begun").parallel("fork")
    for name in "ab":
        inner.at("fork").service(name, type="a")
    started(Drawing().start().sub_process("sub", inner, inputs={"x": "=x + 1"}).end(), variables={"x": 1, "y": 2})
    for pk in Job.objects.values_list("pk", flat=True):
        assert taken(pk).variables == {"x": 2, "y": 2}


@postgresql
def test_large_variables_are_read_by_who_looks(statements: Statements, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = Drawing().start().service("one", type="a", inputs={"own": "=1"}).service("two", type="b").end()
    blob = [str(number * 7919) for number in range(5000)]
    started(drawing, variables={"blob": blob})
    pk, before = Job.objects.get().pk, len(statements)
    job = taken(pk)
    assert job.variables == {"own": 1}
    assert len(statements) - before == 1, "nobody looked"
    second = following(job, {"z": 1})
    assert second.variables == {"blob": blob, "z": 1}
    assert settled(second).decision == "completed"
    assert ProcessInstance.objects.get().variables == {"blob": blob, "z": 1}


def test_an_instance_that_was_large_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader._Large, "STEPS", 2)
    large = loader._Large()
    large.add(1)
    assert [large.has(1), large.has(1), large.has(1), large.has(2)] == [True, True, False, False]
    monkeypatch.setattr(loader._Large, "MOST", 3)
    for number in range(5):
        large.add(number)
    assert [number for number in range(5) if large.has(number)] == [2, 3, 4]


@postgresql
def test_starting_costs_two_round_trips_and_one_commit(statements: Statements) -> None:
    instance = started(chain("a"))
    before, commits = len(statements), statements.commits
    again = instances.start(instance.definition, variables={"x": 1}, business_key="k").instance
    assert len(statements) - before == 2
    assert statements.commits - commits == 2, "the number is drawn first"
    kept = ProcessInstance.objects.get(pk=again.pk)
    for field in ProcessInstance._meta.concrete_fields:
        assert getattr(again, field.attname) == getattr(kept, field.attname), field.name


@postgresql
@pytest.mark.parametrize("prepares", [True, False])
def test_statements_may_be_prepared(statements: Statements, settings: Any, prepares: bool) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "PREPARED_STATEMENTS": prepares}
    job = claimed(chain(*["a"] * 10))
    for _ in range(6):
        job = following(job)
    last = statements.texts[-1].split("; ")
    assert all(text.startswith("EXECUTE orchestrator_") for text in last) is prepares


@postgresql
def test_what_is_prepared_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MOST_PREPARED", 2)
    monkeypatch.setattr(statements, "WIDEST", 1)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    prepared = statements.Prepared()
    for number in range(10):
        for _ in range(statements.OFTEN):
            call = prepared.call(f"SELECT {number} + 200 + %s", 1)
        assert call.startswith("EXECUTE") is (number < 2)
        assert prepared.call(f"SELECT {number} + %s + %s", 2).startswith("SELECT")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    statements._prepared.clear()


# -- when it was overtaken ---------------------------------------------------------------------------------------------


def test_variables_that_changed_meanwhile_are_seen() -> None:
    drawing = Drawing().start().service("one", type="a", outputs={"sum": "=x + got"}).service("two", type="b").end()
    job = claimed(drawing, variables={"x": 1})
    instances.set_variables(job.instance_id, {"x": 40})
    second = following(job, {"got": 2})
    assert second.variables["sum"] == 42
    instances.set_variables(job.instance_id, {"y": "new"})
    assert settled(second, {"z": 1}).decision == "completed"
    instance = ProcessInstance.objects.get()
    assert instance.variables == {"x": 40, "sum": 42, "y": "new", "z": 1}
    assert [step.number for step in instance.history.order_by("number")] == [1, 2, 3, 4, 5]


def cancel(job: ClaimedJob) -> None:
    instances.cancel(job.instance_id)


def lapse(job: ClaimedJob) -> None:
    Job.objects.filter(pk=job.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert jobs.lapse() == 1


def take_over(job: ClaimedJob) -> None:
    lapse(job)
    Job.objects.filter(pk=job.id).update(due_at=timezone.now())
    again = claim_one(job.id, worker="other")
    assert again is not None
    assert again.attempt == job.attempt + 1


def complete(job: ClaimedJob) -> None:
    jobs.complete(job.id, job.attempt, {"by": "another"}, by="worker:other")


def skip(job: ClaimedJob) -> None:
    visit = ProcessInstance.objects.get().nodes.get(element_id=job.element_id, ended_at=None)
    by_hand.skip(job.instance_id, visit.key, reason="it takes too long", by="user:ada")


def fence_off(job: ClaimedJob) -> None:
    """By no step at all, as nothing of ours does."""
    Job.objects.filter(pk=job.id).update(attempt=job.attempt + 1)


@pytest.mark.parametrize("lose", [cancel, lapse, take_over, complete, skip, fence_off])
@pytest.mark.parametrize("born", [False, True])
def test_a_job_that_was_lost_meanwhile_is_refused(lose: Callable[[ClaimedJob], None], born: bool) -> None:
    job = claimed(chain("a", "b", "external"))
    if born:
        job = following(job)
    assert born is (job.kept is not None) or connection.vendor == "postgresql"
    lose(job)
    steps = ProcessInstance.objects.get().steps
    with pytest.raises(Rejected):
        settled(job, {"late": True})
    instance = ProcessInstance.objects.get()
    assert instance.steps == steps == instance.history.count()
    assert "late" not in instance.variables


def test_a_suspension_meanwhile_holds_what_follows() -> None:
    job = following(claimed(chain("a", "b", "a")))
    instances.suspend(job.instance_id)
    assert settled(job).next is None
    assert Job.objects.get().suspended


def test_what_a_connector_makes_of_its_inputs_does_not_happen_to_the_instance() -> None:
    job = claimed(chain("a", "b"), variables={"order": {"items": [1, 2]}})
    job.variables["order"]["items"].append(3)
    second = following(job)
    assert second.variables["order"] == {"items": [1, 2]}
    second.variables["order"].clear()
    settled(second, {"copy": "made"})
    assert ProcessInstance.objects.get().variables == {"order": {"items": [1, 2]}, "copy": "made"}


def test_several_at_work_on_one_instance_read_it_under_its_lock() -> None:
    drawing = Drawing().start().parallel("fork").service("one", type="a").parallel("join").end()
    drawing.at("fork").service("two", type="b").to("join")
    started(drawing)
    held = [claim_one(pk, worker="w") for pk in Job.objects.order_by("id").values_list("pk", flat=True)]
    assert [job and job.kept for job in held] == [None, None]
    for job in held:
        assert job is not None
        settled(job)
    assert ProcessInstance.objects.get().state == "COMPLETED"


def test_within_a_transaction_of_the_caller_it_is_read_under_its_lock() -> None:
    job = following(claimed(chain("a", "b", "a")))
    with transaction.atomic():
        assert settled(job).next is not None
        transaction.set_rollback(True)
    assert (Job.objects.get().state, ProcessInstance.objects.get().steps) == ("CLAIMED", 2)
    # What was not committed is not gone on with.
    assert settled(job).decision == "completed"
    assert ProcessInstance.objects.get().steps == 3


def test_a_database_that_was_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = following(claimed(chain("a", "b")))
    carry_on = runtime._Request.carry_on

    def away(request: Any, kept: Any) -> Any:
        carry_on(request, kept)
        raise OperationalError("the connection was lost before the answer came")

    monkeypatch.setattr(runtime._Request, "carry_on", away)
    with pytest.raises(Rejected, match="its visit has ended"):
        settled(job)
    instance = ProcessInstance.objects.get()
    assert (instance.state, instance.steps) == ("COMPLETED", 3)


@postgresql
def test_a_large_instance_is_described_without_being_kept() -> None:
    drawing = Drawing().start().service("each", type="a").many("=for i in 1..60 return i").end()
    started(drawing, variables={"x": 1})
    job = claim_one(Job.objects.order_by("id").values_list("pk", flat=True)[0], worker="w")
    assert job is not None
    assert job.kept is None
    assert job.variables["x"] == 1
