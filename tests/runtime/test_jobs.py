"""Claims, fences, leases, retries, and what a service task costs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Step
from processes.runtime import Rejected, incidents, instances, jobs, settlement
from tests.drawing import Drawing
from tests.runtime.conftest import Recording, Statements, deployed, started, together

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def one_task(**service: Any) -> Drawing:
    return Drawing("one").start().service("task", **{"type": "a", **service}).end()


def lapsed(job_id: int) -> None:
    """Time passes: the lease of a job is over."""
    Job.objects.filter(pk=job_id).update(lease_until=timezone.now() - timedelta(seconds=1))


def due() -> None:
    """Time passes: a backoff is over."""
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))


# -- claiming ----------------------------------------------------------------------------------------------------------


def test_what_a_worker_is_told() -> None:
    instance = started(one_task(headers={"url": "http://x"}), variables={"x": 1}, business_key="o7")
    before = timezone.now()
    (job,) = jobs.claim(["b", "a"], worker="w", lease=MINUTE)
    assert (job.instance_id, job.type, job.element_id, job.process_id) == (instance.pk, "a", "task", "one")
    assert (job.business_key, job.headers, job.variables) == ("o7", {"url": "http://x"}, {"x": 1})
    assert (job.attempt, job.retries, job.worker) == (1, 3, "w")
    assert before + MINUTE <= job.lease_until <= timezone.now() + MINUTE
    row = Job.objects.get()
    assert (row.state, row.attempt, row.worker, row.lease_until) == ("CLAIMED", 1, "w", job.lease_until)
    assert row.claimed_at is not None
    assert jobs.claim(["a"], worker="v") == []
    assert jobs.claim([], worker="v") == []


def test_mapped_inputs_are_all_that_a_job_sees() -> None:
    started(one_task(inputs={"amount": "=x + 1"}), variables={"x": 1, "secret": "s"})
    (job,) = jobs.claim(["a"], worker="w")
    assert job.variables == {"amount": 2}


def test_inner_scopes_shadow_outer_ones() -> None:
    innermost = Drawing().start("s3").service("task", type="a").end("e3")
    inner = Drawing().start("s2").sub_process("in", innermost, inputs={"y": "=20", "z": "=30"}).end("e2")
    started(
        Drawing().start().sub_process("out", inner, inputs={"x": "=1", "y": "=2"}).end(), variables={"x": 0, "w": 0}
    )
    (job,) = jobs.claim(["a"], worker="w")
    assert job.variables == {"w": 0, "x": 1, "y": 20, "z": 30}


def test_the_longest_due_is_claimed_first() -> None:
    definition = deployed(one_task())
    first, second, third = (instances.start(definition).instance.pk for _ in range(3))
    now = timezone.now()
    Job.objects.filter(instance_id=second).update(due_at=now - MINUTE)
    Job.objects.filter(instance_id=third).update(due_at=now + MINUTE)
    assert [job.instance_id for job in jobs.claim(["a"], worker="w", limit=10)] == [second, first]


def test_claiming_one() -> None:
    started(one_task())
    row = Job.objects.get()
    job = jobs.claim_one(row.pk, worker="w")
    assert job is not None
    assert job.attempt == 1
    assert jobs.claim_one(row.pk, worker="v") is None
    assert jobs.claim_one(4711, worker="v") is None


@pytest.mark.parametrize(
    "arguments",
    [{"limit": 0}, {"limit": 10**6}, {"lease": timedelta()}, {"lease": timedelta(days=2)}, {"worker": "x" * 256}],
)
def test_unreasonable_claims_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        jobs.claim(["a"], **{"worker": "w", **arguments})
    assert refused.value.code == "value-invalid"


@pytest.mark.django_db(transaction=True)
def test_concurrent_claims_are_disjoint() -> None:
    definition = deployed(one_task())
    for _ in range(60):
        instances.start(definition)

    def work(worker: str) -> list[int]:
        mine: list[int] = []
        while claimed := jobs.claim(["a"], worker=worker, limit=3):
            mine += [job.id for job in claimed]
        return mine

    results = together(*(partial(work, f"w{number}") for number in range(4)))
    taken = [job for mine in results for job in mine]
    assert len(taken) == len(set(taken)) == 60
    assert set(Job.objects.values_list("attempt", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_one_of_many_claims_one() -> None:
    definition = deployed(one_task())
    for _ in range(10):
        instances.start(definition)
        pk = Job.objects.latest("id").pk
        results = together(*(partial(jobs.claim_one, pk, worker=f"w{number}") for number in range(4)))
        assert sum(result is not None for result in results) == 1


def test_claims_are_described_in_few_statements(statements: Statements) -> None:
    definition = deployed(one_task())
    for _ in range(20):
        instances.start(definition, variables={"x": 1})
    before = len(statements)
    assert len(jobs.claim(["a"], worker="w", limit=20)) == 20
    assert len(statements) - before <= 3, statements.texts[before:]


# -- fences ------------------------------------------------------------------------------------------------------------


def outcomes(job: jobs.ClaimedJob, attempt: int) -> list[Any]:
    return [
        partial(jobs.complete, job.id, attempt, {}, by="w"),
        partial(jobs.complete, job.id, attempt, {}, by="w", instance_id=job.instance_id),
        partial(jobs.fail, job.id, attempt, "no", by="w"),
        partial(jobs.throw_error, job.id, attempt, "CODE", by="w"),
        partial(jobs.extend, job.id, attempt, MINUTE, by="w"),
    ]


def test_a_late_outcome_is_refused_after_another_worker_took_over() -> None:
    started(one_task())
    (first,) = jobs.claim(["a"], worker="first")
    lapsed(first.id)
    assert jobs.lapse() == 1
    row = Job.objects.get()
    assert (row.state, row.attempt, row.retries, row.worker, row.lease_until) == ("DUE", 1, 2, "", None)
    assert "worker first was silent" in row.error_message
    due()
    (second,) = jobs.claim(["a"], worker="second")
    assert (second.attempt, second.retries) == (2, 2)

    for outcome in outcomes(first, first.attempt):
        with pytest.raises(Rejected) as refused:
            outcome()
        assert refused.value.code == "job-not-claimed"
        assert str(refused.value) == (
            f"Expected job {first.id} to be claimed with attempt 1 but attempt 2 by worker second holds it"
        )
    jobs.complete(second.id, second.attempt, {}, by="worker:second")
    assert ProcessInstance.objects.get().state == "COMPLETED"


def test_outcomes_of_what_is_not_claimed_are_refused() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    jobs.fail(job.id, 1, "no", by="w")
    for outcome in outcomes(job, 1):
        with pytest.raises(Rejected, match=f"Expected job {job.id} to be claimed with attempt 1 but it is due") as no:
            outcome()
        assert no.value.code == "job-not-claimed"


def test_outcomes_of_what_is_gone_are_refused() -> None:
    instance = started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    instances.cancel(instance.pk)
    for outcome in outcomes(job, 1):
        with pytest.raises(Rejected) as refused:
            outcome()
        assert refused.value.code == "job-not-found"


def test_a_lease_can_be_extended() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    until = jobs.extend(job.id, job.attempt, timedelta(hours=1), by="w")
    assert Job.objects.get().lease_until == until
    assert until > job.lease_until + timedelta(minutes=50)


def test_a_lease_that_was_extended_meanwhile_does_not_lapse(monkeypatch: pytest.MonkeyPatch) -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    lapsed(job.id)
    real = jobs.transaction.carry_out

    def extended_first(*arguments: Any, **more: Any) -> Any:
        jobs.extend(job.id, job.attempt, MINUTE)
        return real(*arguments, **more)

    monkeypatch.setattr(jobs.transaction, "carry_out", extended_first)
    assert jobs.lapse() == 0
    assert Job.objects.get().state == "CLAIMED"


def test_a_job_that_kills_its_workers_ends_in_an_incident() -> None:
    started(one_task(retries=2))
    for attempt in (1, 2):
        due()
        (job,) = jobs.claim(["a"], worker="w")
        assert job.attempt == attempt
        lapsed(job.id)
        assert jobs.lapse() == 1
    assert Job.objects.get().state == "FAILED"
    incident = Incident.objects.get()
    assert (incident.kind, incident.job_type, incident.element_id) == ("JOB_NO_RETRIES", "a", "task")
    assert jobs.lapse() == 0


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_three_failures_then_an_operator() -> None:
    instance = started(one_task(retries=3, headers={"retryBackoff": "PT10S"}, inputs={"n": "=x"}), variables={"x": 1})
    keys = set()
    for attempt in (1, 2, 3):
        due()
        (job,) = jobs.claim(["a"], worker="w")
        keys.add(job.idempotency_key)
        before = timezone.now()
        jobs.fail(job.id, attempt, f"no {attempt}\0", by="worker:w", journal={"status": 500 + attempt})
        row = Job.objects.get()
        assert row.error_message == f"no {attempt}\N{REPLACEMENT CHARACTER}"
        if attempt < 3:
            assert row.due_at - before > timedelta(seconds=9)
    assert (row.state, row.retries) == ("FAILED", 0)
    steps = Step.objects.filter(command="FailJob")
    assert [step.journal for step in steps] == [{"status": 501}, {"status": 502}, {"status": 503}]
    assert {step.node for step in steps} == {row.node}

    incident = Incident.objects.get()
    instances.set_variables(instance.pk, {"x": 5}, by="user:alice")
    incidents.resolve(incident.pk, by="user:alice")
    incident.refresh_from_db()
    assert (incident.resolved_by, incident.ended_at is None) == ("user:alice", False)
    (job,) = jobs.claim(["a"], worker="w")
    keys.add(job.idempotency_key)
    assert (job.attempt, job.retries, job.variables) == (4, 3, {"n": 5})
    assert len(keys) == 1
    jobs.complete(job.id, 4, {"done": True}, by="worker:w")
    instance.refresh_from_db()
    assert (instance.state, instance.variables) == ("COMPLETED", {"x": 5, "done": True})
    with pytest.raises(Rejected) as refused:
        incidents.resolve(incident.pk)
    assert refused.value.code == "incident-not-found"


def test_idempotency_keys_are_of_one_job_only() -> None:
    definition = deployed(Drawing().start().parallel("fork").service("a", type="a").at("fork").service("b", type="a"))
    for _ in range(3):
        instances.start(definition)
    claimed = jobs.claim(["a"], worker="w", limit=10)
    assert len({job.idempotency_key for job in claimed}) == 6


def test_the_worker_may_say_how_often_and_when() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    before = timezone.now()
    jobs.fail(job.id, 1, "later", retries=7, retry_in=timedelta(hours=1), by="w")
    row = Job.objects.get()
    assert row.retries == 7
    assert row.due_at >= before + timedelta(hours=1)
    for bad in ({"retries": -1}, {"retry_in": timedelta(seconds=-1)}):
        with pytest.raises(Rejected):
            jobs.fail(job.id, 1, "later", by="w", **bad)  # type: ignore[arg-type]


def test_an_error_is_caught_by_its_code() -> None:
    instance = started(one_task().on_error("task", "caught", "NO_STOCK").service("reorder").end("e"))
    (job,) = jobs.claim(["a"], worker="w")
    jobs.throw_error(job.id, 1, "NO_STOCK", "nothing left", {"left": 0}, by="worker:w")
    instance.refresh_from_db()
    assert instance.variables == {"left": 0}
    assert FlowNodeInstance.objects.get(element_id="task").state == "TERMINATED"
    assert Job.objects.get().type == "reorder"


def test_an_error_that_nobody_catches_is_an_incident() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    jobs.throw_error(job.id, 1, "NO_STOCK", by="worker:w")
    assert Incident.objects.get().kind == "UNHANDLED_ERROR"
    row = Job.objects.get()
    assert (row.state, row.error_message, row.lease_until) == ("FAILED", "NO_STOCK", None)


def test_results_are_checked() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    with pytest.raises(Rejected, match=r"at \$\.a\.b found nan"):
        jobs.complete(job.id, 1, {"a": {"b": float("nan")}}, by="w")
    assert Job.objects.get().state == "CLAIMED"


# -- connectors --------------------------------------------------------------------------------------------------------


def test_settling_a_response() -> None:
    headers = {"resultVariable": "answer", "resultExpression": "={total: body.sum + 1}"}
    instance = started(one_task(headers=headers))
    (job,) = jobs.claim(["a"], worker="w")
    settled = settlement.settle(job, settlement.Responded({"body": {"sum": 0.5}}, journal={"ms": 12}), by="worker:w")
    assert settled == settlement.Settled("completed")
    instance.refresh_from_db()
    assert str(instance.variables["total"]) == "1.5"
    assert instance.variables["answer"]["body"]["sum"] == instance.variables["total"] - 1
    assert instance.history.last().journal == {"ms": 12}


def test_settling_trouble() -> None:
    headers = {"errorExpression": '=if error.code = "404" then bpmnError("GONE", "not there") else null'}
    started(one_task(headers=headers, retries=2).on_error("task", "caught", "GONE").end("e"))
    (job,) = jobs.claim(["a"], worker="w")
    assert settlement.settle(job, settlement.Raised("busy", "503"), by="w").decision == "retry"
    due()
    (job,) = jobs.claim(["a"], worker="w")
    assert settlement.settle(job, settlement.Raised("missing", "404"), by="w").decision == "error"
    assert ProcessInstance.objects.get().state == "COMPLETED"


def test_settling_what_cannot_be_kept_fails_for_good() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    settled = settlement.settle(job, settlement.Responded({"when": object()}), by="w")
    assert settled.decision == "failed"
    assert "$.when" in settled.message
    assert Incident.objects.get().kind == "JOB_NO_RETRIES"


def test_settling_too_late() -> None:
    started(one_task())
    (job,) = jobs.claim(["a"], worker="w")
    lapsed(job.id)
    jobs.lapse()
    with pytest.raises(Rejected) as refused:
        settlement.settle(job, settlement.Thrown("X"), by="w")
    assert refused.value.code == "job-not-claimed"


def test_evaluating() -> None:
    assert jobs.evaluate("=a + 1", {"a": 1}) == 2
    assert jobs.evaluate("a.b", {"a": {"b": [1]}}) == [1]
    for bad in ("1 +", "=if"):
        with pytest.raises(ValueError, match=r"\S"):
            jobs.evaluate(bad, {})


# -- born claimed, and the price ---------------------------------------------------------------------------------------


def test_the_next_job_is_born_claimed(announced: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    drawing = Drawing().start().service("one", type="a").service("two", type="b", inputs={"n": "=x * 2"})
    started(drawing.service("three", type="c").end())
    (job,) = jobs.claim(["a"], worker="w")
    then = jobs.Continuation(frozenset({"a", "b"}), "w", MINUTE)
    with django_capture_on_commit_callbacks(execute=True):
        following = jobs.complete(job.id, 1, {"x": 21}, by="worker:w", then=then)
    assert following is not None
    assert (following.type, following.attempt, following.variables) == ("b", 1, {"n": 42})
    assert announced == []
    row = Job.objects.get()
    assert (row.pk, row.state, row.attempt, row.worker) == (following.id, "CLAIMED", 1, "w")
    assert row.lease_until == following.lease_until
    reread = jobs.in_hand(jobs.transaction.load(row.instance_id), row.pk, 1)  # type: ignore[arg-type]
    assert reread.key == following.key

    with django_capture_on_commit_callbacks(execute=True):
        assert jobs.complete(following.id, 1, {}, by="worker:w", then=then) is None
    assert [(job.id, job.type) for job in announced] == [(Job.objects.get().pk, "c")]


def test_born_claimed_and_claimed_are_told_the_same() -> None:
    started(Drawing().start().service("one", type="a").service("two", type="b").end(), variables={"x": 1})
    (job,) = jobs.claim(["a"], worker="w")
    then = jobs.Continuation(frozenset({"b"}), "w", MINUTE)
    born = jobs.complete(job.id, 1, {"y": 0.5}, by="worker:w", then=then)
    assert born is not None
    lapsed(born.id)
    jobs.lapse()
    due()
    (again,) = jobs.claim(["b"], worker="w")
    for name in ("id", "instance_id", "key", "type", "element_id", "process_id", "definition_id", "business_key"):
        assert getattr(again, name) == getattr(born, name)
    assert (again.variables, again.headers) == (born.variables, born.headers)
    assert again.idempotency_key == born.idempotency_key


@pytest.mark.django_db(transaction=True)
def test_a_service_task_costs_eight_statements_and_one_commit(statements: Statements) -> None:
    drawing = Drawing().start()
    for number in range(10):
        drawing.service(f"task{number}", type="a", headers={"n": str(number)})
    started(drawing.end(), variables={"x": {"y": [1, 2, 3]}})
    job: jobs.ClaimedJob | None = jobs.claim(["a"], worker="w")[0]
    then = jobs.Continuation(frozenset({"a"}), "w", MINUTE)
    for number in range(9):
        assert job is not None
        before, commits = len(statements), statements.commits
        job = jobs.complete(job.id, 1, {"n": number}, by="w", instance_id=job.instance_id, then=then)
        assert len(statements) - before <= 8, statements.texts[before:]
        assert statements.commits - commits == 1
    assert job is not None


@pytest.mark.django_db(transaction=True)
def test_a_claim_costs_four_statements(statements: Statements) -> None:
    started(one_task())
    pk = Job.objects.get().pk
    before = len(statements)
    assert jobs.claim_one(pk, worker="w") is not None
    assert len(statements) - before <= 4, statements.texts[before:]


# -- announcing --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_due_jobs_are_announced_once_they_are_committed(announced: list[Any]) -> None:
    started(one_task())
    assert [job.type for job in announced] == ["a"]
    assert jobs.hint() == 0  # told just now
    Job.objects.update(hinted_at=timezone.now() - timedelta(hours=1))
    assert jobs.hint() == 1
    assert jobs.hint() == 0
    assert len(announced) == 2


@pytest.mark.django_db(transaction=True)
def test_a_broken_broker_loses_nothing(announced: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    Recording.broken = True
    started(one_task())
    assert "Expected to announce 1 due jobs" in caplog.text
    Recording.broken = False
    assert jobs.hint() == 1, "the row knows that nobody was told, so the next sweep does it without delay"
    assert len(announced) == 1


@pytest.mark.django_db(transaction=True)
def test_only_what_can_be_announced_is_tried(announced: list[Any]) -> None:
    Recording.unreachable = ("a",)
    started(one_task())
    assert Job.objects.get().hinted_at is None
    Recording.unreachable, Recording.only = (), ()
    assert jobs.hint() == 0, "the broker is away"
    Recording.only = ("other",)
    assert jobs.hint() == 0, "nobody is told of jobs that external workers come for"
    Recording.only = ("a", "other")
    assert jobs.hint() == 1
    assert [job.type for job in announced] == ["a"]


@pytest.mark.django_db(transaction=True)
def test_a_retry_is_announced_when_it_is_due(announced: list[Any]) -> None:
    started(one_task(headers={"retryBackoff": "PT1H"}))
    (job,) = jobs.claim(["a"], worker="w")
    jobs.fail(job.id, 1, "no", by="w")
    assert jobs.hint() == 0
    due()
    assert jobs.hint() == 1
    assert len(announced) == 2
