"""Repeated activities in rows: their rounds cost what one costs, however many there are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from django.utils import timezone

from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Timer
from processes.runtime import drawings, incidents, instances, jobs, loader, timers
from tests.drawing import Drawing
from tests.runtime.conftest import Statements, started

pytestmark = pytest.mark.django_db

RESULTS = ("results", "=result")


def many(**options: Any) -> Drawing:
    options = {"output": RESULTS, **options}
    drawing = Drawing("many").start("s").service("each", type="a").many("=for i in 1..n return i", **options)
    return drawing.service("after", type="z").end("e").on_timer("each", "late", "PT1H").end("gave up")


def complete(job: jobs.ClaimedJob, **variables: Any) -> None:
    jobs.complete(job.id, job.attempt, variables, by="w", instance_id=job.instance_id)


@pytest.mark.parametrize("whole", [5, 200])
@pytest.mark.parametrize("sequential", [False, True])
def test_results_are_collected_from_the_rows(whole: int, sequential: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", whole)
    instance = started(many(sequential=sequential), variables={"n": 12})
    while claimed := jobs.claim(["a"], worker="w", limit=5):
        for job in reversed(claimed):
            complete(job, result={"squared": job.variables["item"] ** 2}, note=job.variables["loopCounter"])
    instance.refresh_from_db()
    assert instance.variables["results"] == [{"squared": number**2} for number in range(1, 13)]
    assert not Timer.objects.exists()
    rounds = FlowNodeInstance.objects.filter(instance=instance, element_id="each", result__isnull=False)
    assert rounds.count() == 12
    (job,) = jobs.claim(["z"], worker="w")
    complete(job)
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


@pytest.mark.parametrize("whole", [5, 200])
def test_counts_are_counted_in_the_rows(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", whole)
    instance = started(
        many(until="=numberOfCompletedInstances = 7 and numberOfActiveInstances = 3"), variables={"n": 10}
    )
    for position, job in enumerate(jobs.claim(["a"], worker="w", limit=10), 1):
        assert Job.objects.filter(type="z").exists() is (position > 7)
        if position <= 7:
            complete(job, result=position)
    instance.refresh_from_db()
    assert instance.variables["results"] == [1, 2, 3, 4, 5, 6, 7, None, None, None]
    assert FlowNodeInstance.objects.filter(element_id="each", state="TERMINATED").count() == 3
    assert list(Job.objects.values_list("type", flat=True)) == ["z"]


def test_a_round_that_fails_is_repaired_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", 5)
    instance = started(many(), variables={"n": 10})
    first, *others = jobs.claim(["a"], worker="w", limit=10)
    jobs.fail(first.id, 1, "no", retries=0, by="w")
    for job in others:
        complete(job, result=job.variables["item"])
    incidents.resolve(Incident.objects.get().pk, by="user:alice")
    (again,) = jobs.claim(["a"], worker="w")
    assert again.variables["item"] == 1
    complete(again, result="at last")
    instance.refresh_from_db()
    assert instance.variables["results"] == ["at last", *range(2, 11)]


@pytest.mark.parametrize("whole", [5, 200])
def test_an_error_inside_one_round_is_caught_on_the_border(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", whole)
    instance = started(rounds_of_a_sub_process(), variables={"n": 7})
    first, second, *_ = jobs.claim(["a"], worker="w", limit=7)
    complete(first, result=1)
    jobs.throw_error(second.id, 1, "X", by="w")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert not Job.objects.exists()
    assert not FlowNodeInstance.objects.filter(ended_at=None).exists()
    assert FlowNodeInstance.objects.filter(element_id="caught").exists()


@pytest.mark.parametrize("whole", [3, 200])
def test_what_is_picked_in_turn_is_remembered_in_the_rows(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", whole)
    inside = Drawing("inside").apart().service("call", type="a").apart().service("write", type="b")
    drawing = Drawing("support").start().ad_hoc("any", inside, active='=["call", "write"]', ordering="Sequential")
    instance = started(drawing.end())
    (visit,) = FlowNodeInstance.objects.filter(element_id="any")
    assert visit.result == {"queue": ["write"], "over": False}
    instances.activate_ad_hoc(instance.pk, visit.key, ["call"], by="user:alice")
    for type in ("a", "b", "a"):
        (job,) = jobs.claim(["a", "b"], worker="w", limit=9)
        assert job.type == type
        complete(job)
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_all_rounds_end_at_once(how: str, statements: Statements, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", 20)
    instance = started(many(), variables={"n": 300})
    before = len(statements)
    if how == "cancel":
        instances.cancel(instance.pk)
    else:
        Timer.objects.update(due_at=timezone.now())
        assert timers.fire_due() == 1
    assert len(statements) - before <= 25
    assert not Job.objects.exists()
    assert not FlowNodeInstance.objects.filter(ended_at=None).exists()


def test_the_drawing_counts_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = started(many(), variables={"n": 5})
    for job in jobs.claim(["a"], worker="w", limit=2):
        complete(job)
    marks = drawings.marks(instance)
    assert (marks.visited["each"], marks.active["each"]) == (2, 3)
    assert marks.visited["s"] == 1


def rounds_of_a_sub_process() -> Drawing:
    inside = Drawing("inside").start("is").parallel("fork").service("one", type="a").exclusive("joined").end("ie")
    inside.at("fork").service("two", type="b").to("joined")
    drawing = Drawing("many").start("s").sub_process("each", inside).many("=for i in 1..n return i", output=RESULTS)
    return drawing.service("after", type="z").end("e").on_error("each", "caught", "X").end("no")


def cost(statements: Statements, width: int, drawing: Drawing) -> int:
    started(drawing, variables={"n": width})
    (job,) = jobs.claim(["a"], worker="w")
    before = len(statements)
    complete(job, result=1)
    spent = len(statements) - before
    ProcessInstance.objects.all().delete()
    return spent


@pytest.mark.parametrize("drawing", [many(until="=result = 0"), rounds_of_a_sub_process()], ids=["task", "sub-process"])
def test_the_cost_of_a_round_does_not_grow_with_the_others(
    statements: Statements, monkeypatch: pytest.MonkeyPatch, drawing: Drawing
) -> None:
    small = cost(statements, 10, drawing)
    monkeypatch.setattr(loader, "WHOLE", 20)
    middle, large = cost(statements, 40, drawing), cost(statements, 400, drawing)
    assert middle == large
    assert large <= small + 10


def test_ten_thousand_rounds() -> None:
    """Bounds are generous, for machines that are busy; what grows with the number of rounds breaks them anyway."""

    def seconds(work: Any) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    def begun(width: int) -> list[jobs.ClaimedJob]:
        started(many(until="=result = 20"), variables={"n": width})
        return jobs.claim(["a"], worker="w", limit=20)

    def median(spent: Sequence[float]) -> float:
        return sorted(spent)[len(spent) // 2]

    among_few = begun(20)
    begin = time.perf_counter()
    among_many = begun(10_000)
    created = time.perf_counter() - begin
    assert created < 60
    # In turn, so that a machine that becomes busy meanwhile is as slow with the ones as with the others.
    spent = [
        [seconds(lambda job=job, n=n: complete(job, result=n)) for job in pair]
        for n, pair in enumerate(zip(among_few[:19], among_many[:19], strict=True), 1)
    ]
    few, one = (median(some) for some in zip(*spent, strict=True))
    assert one < 5 * few + 0.05, f"{one:.3f} s among ten thousand, {few:.3f} s among twenty"
    instance = ProcessInstance.objects.latest("pk")
    last = Job.objects.get(instance=instance, state="CLAIMED")
    ended = seconds(lambda: jobs.complete(last.pk, 1, {"result": 20}, by="w"))
    assert ended < 60
    instance.refresh_from_db()
    assert sorted(result for result in instance.variables["results"] if result) == list(range(1, 21))
    assert len(instance.variables["results"]) == 10_000
    assert not Job.objects.filter(instance=instance, type="a").exists()
    print(f"created {created:.2f} one {one * 1000:.1f} ms few {few * 1000:.1f} ms ended {ended:.2f}")
