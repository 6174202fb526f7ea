"""Statements in the transaction that completes the job: both happen, or neither."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection

from processes.models import Incident, Job, ProcessInstance, Step
from processes.runtime import definitions, instances, jobs, transaction
from tasks import worker
from tasks.connectors.base import Job as Work
from tasks.connectors.sql import SqlConnector
from tasks.registry import Registration, Registry
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

INSERT = "=\"INSERT INTO ledger_entry (reference, amount, note) VALUES (:idempotency_key, :amount, '100%')\""


@pytest.fixture(autouse=True)
def ledger(settings: Any) -> Iterator[None]:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "COMPLETING_SQL": True}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS ledger_entry")
        cursor.execute(
            "CREATE TABLE ledger_entry (reference varchar(200) UNIQUE, amount numeric(12,2) CHECK (amount > 0), "
            "note varchar(20))"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE ledger_entry")


def entries() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT amount, note FROM ledger_entry")
        return [(Decimal(str(amount)), note) for amount, note in cursor.fetchall()]


def begun(amount: str = "=1.10", *, sql: str = INSERT, headers: dict[str, str] | None = None) -> Job:
    inputs = {"operation": "execute", "transaction": "completing", "sql": sql, "parameters.amount": amount}
    drawing = Drawing("booking").start().service("book", type="sql", inputs=inputs, headers=headers, retries=3)
    deployed = definitions.deploy(drawing.end().on_error("book", "taken", code="TAKEN").end("again").xml())
    return Job.objects.get(instance=instances.start(deployed.definitions[0].definition).instance)


class _Spied(SqlConnector):
    """The connector, and something that happens right after its work."""

    def __init__(self, then: Any = None) -> None:
        super().__init__()
        self._then = then

    def run(self, job: Work) -> Any:
        response = super().run(job)
        if self._then is not None:
            self._then(job)
        return response


def performed(job: Job, then: Any = None) -> list[worker.Done]:
    served = Registry({"sql": Registration("sql", _Spied(then), "test")})
    return list(worker.perform(job.pk, registry=served, worker="tester"))


def test_both_happen() -> None:
    (done,) = performed(begun())
    assert done.decision == "completed"
    assert ProcessInstance.objects.get().state == "COMPLETED"
    assert entries() == [(Decimal("1.10"), "100%")]
    assert Step.objects.get(command="CompleteJob").journal["database"] == "the completing transaction"


def test_nothing_happens_before_the_completion() -> None:
    seen: list[Any] = []
    performed(begun(), lambda job: seen.append(entries()))
    assert seen == [[]]


def test_an_outcome_that_comes_too_late_writes_nothing() -> None:
    (done,) = performed(begun(), lambda job: instances.cancel(job.instance_id))
    assert done.decision == "refused"
    assert entries() == []


def test_an_attempt_that_was_overtaken_writes_nothing() -> None:
    def overtake(job: Work) -> None:
        Job.objects.update(attempt=job.attempt + 1)

    (done,) = performed(begun(), overtake)
    assert done.decision == "refused"
    assert entries() == []


def test_a_crash_before_the_commit_takes_both(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    job = begun()
    record = transaction.recorder.record

    def die(*args: Any, **options: Any) -> Any:
        record(*args, **options)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM ledger_entry")
            assert cursor.fetchone() == (1,), "the statement was carried out"
        raise Killed

    monkeypatch.setattr(transaction.recorder, "record", die)
    with pytest.raises(Killed):
        performed(job)
    monkeypatch.undo()
    assert entries() == []
    assert Job.objects.get().state == "CLAIMED"
    # The lease lapses, and the next attempt does it once.
    Job.objects.update(lease_until="2020-01-01T00:00:00Z")
    assert jobs.lapse() == 1
    Job.objects.update(due_at="2020-01-01T00:00:00Z")
    (done,) = performed(job)
    assert done.decision == "completed"
    assert entries() == [(Decimal("1.10"), "100%")]


def test_a_transaction_that_is_tried_again_writes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    record = transaction.recorder.record
    turns: list[int] = []

    def lose(*args: Any, **options: Any) -> Any:
        turns.append(1)
        if len(turns) == 1:
            raise OperationalError("the connection broke")
        return record(*args, **options)

    job = begun()
    monkeypatch.setattr(transaction.recorder, "record", lose)
    (done,) = performed(job)
    assert (done.decision, len(turns)) == ("completed", 2)
    assert len(entries()) == 1


def test_a_statement_that_fails_leaves_the_job_open() -> None:
    (done,) = performed(begun("=0"))
    assert (done.decision, "23514" in done.message) == ("failed", True), done
    assert entries() == []
    assert Incident.objects.count() == 1
    assert ProcessInstance.objects.get().state == "ACTIVE"
    assert "INSERT" in Step.objects.get(command="FailJob").journal["statements"][0]


def test_a_key_that_exists_is_a_bpmn_error() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO ledger_entry (reference, amount, note) VALUES ('taken', 5, 'first')")
    sql = "=\"INSERT INTO ledger_entry (reference, amount) VALUES ('taken', :amount)\""
    headers = {"errorExpression": '=if error.code = "23505" then bpmnError("TAKEN", error.message) else null'}
    (done,) = performed(begun(sql=sql, headers=headers))
    assert done.decision == "error"
    assert ProcessInstance.objects.get().state == "COMPLETED"
    assert entries() == [(Decimal(5), "first")]


def test_off_unless_it_is_allowed(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "COMPLETING_SQL": False}
    (done,) = performed(begun())
    assert (done.decision, "ORCHESTRATOR_COMPLETING_SQL" in done.message) == ("failed", True)
    assert entries() == []
