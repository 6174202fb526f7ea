"""What can be undone is in rows, and is undone from them, read whole or piece by piece."""

from __future__ import annotations

from typing import Any

import pytest

from processes.models import Compensation, Job, ProcessInstance
from processes.runtime import instances, jobs
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, deployed, started

pytestmark = pytest.mark.django_db(transaction=True)

UNDO = ("compensate",)


def work(type: str) -> None:
    (job,) = jobs.claim([type], worker="w")
    jobs.complete(job.id, job.attempt, {}, by="w")


def state(instance: ProcessInstance) -> str:
    instance.refresh_from_db()
    return instance.state


@pytest.mark.parametrize("whole", [200, 1])
def test_a_sub_process_is_undone_from_rows(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", whole)
    inner = Drawing("inner").start("s").service("hotel", type="hotel")
    inner.undo_with("hotel", "no-hotel", type="no-hotel", inputs={"r": "=room"})
    inner.service("flight", type="flight").undo_with("flight", "no-flight", type="no-flight").end("e")
    drawing = Drawing().start().sub_process("trip", inner, inputs={"room": "=wish"}).service("pay", type="pay")
    instance = started(drawing.throw("undo", UNDO).end(), variables={"wish": 0.5})
    for type in ("hotel", "flight"):
        work(type)
    trip, hotel, flight = Compensation.objects.order_by("-node", "key")[2], *Compensation.objects.exclude(node=0)
    assert [row.element_id for row in (trip, hotel, flight)] == ["trip", "hotel", "flight"]
    assert {hotel.node, flight.node} == {trip.key}
    assert str(trip.variables["room"]) == "0.5"
    for type in ("pay", "no-flight"):
        work(type)
    (job,) = Job.objects.all()
    assert str(instance.nodes.get(key=job.node).variables["r"]) == "0.5"
    work("no-hotel")
    assert state(instance) == "COMPLETED"
    assert not Compensation.objects.exists()


@pytest.mark.parametrize("whole", [200, 1])
def test_a_transaction_is_cancelled_from_rows(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", whole)
    inner = Drawing("inner").start("s").service("hotel", type="hotel").undo_with("hotel", "no-hotel", type="no-hotel")
    inner.service("ask", type="ask").end_on("cancelled", ("cancel",))
    drawing = (
        Drawing().start().transaction("trip", inner).end().on("trip", "out", ("cancel",)).service("tell", type="tell")
    )
    instance = started(drawing.end("e"))
    for type in ("hotel", "ask", "no-hotel"):
        work(type)
    assert not Compensation.objects.exists()
    work("tell")
    assert state(instance) == "COMPLETED"


def rooms(**options: Any) -> Drawing:
    """A sub-process for each room, with a booking that can be undone."""
    inner = Drawing("inner").start("s").service("hotel", type="hotel")
    inner.undo_with("hotel", "no-hotel", type="no-hotel", inputs={"r": "=room"}).end("e")
    drawing = Drawing().start().sub_process("trip", inner).many("=rooms", "room", **options)
    return drawing.service("pay", type="pay").throw("undo", UNDO).end()


@pytest.mark.parametrize("whole", [200, 1])
@pytest.mark.parametrize("sequential", [True, False])
def test_every_round_is_undone_from_rows_with_its_variables(
    whole: int, sequential: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", whole)
    instance = started(rooms(sequential=sequential), variables={"rooms": ["a", "b", "c"]})
    for _ in range(3):
        work("hotel")
    work("pay")
    undone = []
    while Job.objects.exists():
        (job,) = Job.objects.all()
        undone.append(instance.nodes.get(key=job.node).variables["r"])
        work("no-hotel")
    assert undone == ["c", "b", "a"]
    assert state(instance) == "COMPLETED"
    assert not Compensation.objects.exists()


def test_a_round_that_can_be_undone_costs_the_same_however_many_there_are(
    statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", 1)
    started(rooms(), variables={"rooms": list(range(12))})
    costs = []
    for _ in range(11):
        before = len(statements)
        work("hotel")
        costs.append(len(statements) - before)
    assert Compensation.objects.count() == 22
    assert costs[-1] <= costs[1]


def test_a_cancelled_instance_forgets_what_could_be_undone() -> None:
    drawing = Drawing().start().service("hotel", type="hotel").undo_with("hotel", "no-hotel").service("pay", type="pay")
    instance = started(drawing.end())
    work("hotel")
    assert Compensation.objects.count() == 1
    instances.cancel(instance.pk)
    assert not Compensation.objects.exists()


def test_remembering_costs_the_same_however_much_is_remembered(statements: Statements) -> None:
    drawing = Drawing().start().exclusive("again").service("hotel", type="hotel").undo_with("hotel", "no-hotel")
    instances.start(deployed(drawing.to("again")))
    costs = []
    for _ in range(12):
        before = len(statements)
        work("hotel")
        costs.append(len(statements) - before)
    assert Compensation.objects.count() == 12
    assert costs[-1] <= costs[1]
