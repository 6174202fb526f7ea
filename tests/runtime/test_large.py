"""A step in a large instance costs what it touches."""

from __future__ import annotations

import pytest

from processes.models import FlowNodeInstance, Job, ProcessInstance, Timer
from processes.runtime import instances, jobs, loader
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, started

pytestmark = pytest.mark.django_db


def fan(width: int, *, inside: bool = False) -> Drawing:
    """So many service tasks at once, and a join behind them."""
    drawing = Drawing("fan").start("s").parallel("fork")
    for number in range(width):
        drawing.at("fork").service(f"task{number}", type="a")
        if number == 0:
            drawing.exclusive("merge").end("e")
        else:
            drawing.to("merge")
    if not inside:
        return drawing
    outer = Drawing("outer").start().sub_process("around", drawing, inputs={"x": "=1"}).service("after", type="z")
    return outer.end().on_timer("around", "late", "PT1H").end("given up")


def cost(statements: Statements, width: int, *, inside: bool = False) -> int:
    started(fan(width, inside=inside), variables={"v": 1})
    (job,) = jobs.claim(["a"], worker="w")
    before = len(statements)
    jobs.complete(job.id, 1, {"n": 1}, by="w", instance_id=job.instance_id)
    spent = len(statements) - before
    ProcessInstance.objects.all().delete()
    return spent


@pytest.mark.parametrize("inside", [False, True])
def test_the_cost_of_a_step_does_not_grow_with_its_siblings(
    statements: Statements, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    small = cost(statements, 10, inside=inside)
    monkeypatch.setattr(loader, "WHOLE", 20)
    middle, large = cost(statements, 40, inside=inside), cost(statements, 400, inside=inside)
    assert middle == large
    assert large <= small + 10


def test_a_large_instance_runs_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", 5)
    instance = started(fan(30, inside=True))
    done = 0
    while claimed := jobs.claim(["a"], worker="w", limit=7):
        for job in claimed:
            assert job.variables["x"] == 1
            jobs.complete(job.id, 1, {f"n{done}": done}, by="w")
            done += 1
    assert done == 30
    assert not Timer.objects.exists()
    (job,) = jobs.claim(["z"], worker="w")
    jobs.complete(job.id, 1, {}, by="w")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert instance.steps == 32
    assert instance.variables == {f"n{number}": number for number in range(30)}
    assert not FlowNodeInstance.objects.filter(ended_at=None).exists()


def test_a_large_instance_fails_and_is_repaired_like_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from processes.models import Incident
    from processes.runtime import incidents

    monkeypatch.setattr(loader, "WHOLE", 5)
    started(fan(30))
    (job,) = jobs.claim(["a"], worker="w")
    jobs.fail(job.id, 1, "no", retries=0, by="w")
    incident = Incident.objects.get()
    assert incident.job_type == "a"
    incidents.resolve(incident.pk, by="user:alice")
    assert jobs.claim_one(job.id, worker="w") is not None


@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_ending_a_large_scope_costs_few_statements(
    statements: Statements, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(loader, "WHOLE", 20)
    instance = started(fan(300, inside=True))
    assert Job.objects.count() == 300
    before = len(statements)
    if how == "cancel":
        instances.cancel(instance.pk)
    else:
        from django.utils import timezone

        from processes.runtime import timers

        Timer.objects.update(due_at=timezone.now())
        assert timers.fire_due() == 1
    assert len(statements) - before <= 25
    assert not Job.objects.exists()
    assert not FlowNodeInstance.objects.filter(ended_at=None).exists()
