"""What an instance spent its time with: many visits are one line, windows bound what is read, cuts are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processes.models import ProcessInstance
from processes.runtime import Rejected, instances, jobs, timelines, waterfall
from processes.runtime.waterfall import Visit
from tests.drawing import Drawing
from tests.runtime.conftest import started

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def visit(key: int, element: str = "a", scope: int = 0, began: float = 0, took: float | None = 1) -> Visit:
    entered = NOON + timedelta(seconds=began)
    ended = None if took is None else entered + timedelta(seconds=took)
    return Visit(key, element, "task", scope, "ACTIVE" if took is None else "COMPLETED", entered, ended)


def test_few_visits_stand_for_themselves_and_many_are_one_line_with_what_is_inside() -> None:
    few = [visit(1, "few"), visit(2, "few", began=5)]
    many = [visit(10 + n, "sub", began=n, took=n or None) for n in range(101)]
    inside = [visit(200 + n, "task", scope=10 + n, began=n) for n in range(101)]
    found, of, complete = waterfall.lines([*few, *many, *inside])
    assert complete
    assert [(line.element, line.depth, line.count, line.live) for line in found] == [
        ("few", 0, 1, 0), ("few", 0, 1, 0), ("sub", 0, 101, 1), ("task", 1, 101, 0)
    ]  # fmt: skip
    sub = of[50]
    assert (sub.key, sub.state, sub.ended) == (10, "ACTIVE", None)
    assert (sub.median, sub.slow) == (timedelta(seconds=50), timedelta(seconds=95))


@pytest.mark.parametrize(("durations", "median", "slow"), [([7.0], 7, 7), ([1.0, 9.0], 1, 9), ([3.0, 1.0, 2.0], 2, 3)])
def test_percentiles_of_few_are_among_them(
    durations: list[float], median: float, slow: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waterfall, "SINGLE", 1)
    live = visit(99, took=None)
    (line,), _, _ = waterfall.lines([*(visit(n, took=took) for n, took in enumerate(durations, 1)), live])
    assert (line.median, line.slow) == (timedelta(seconds=median), timedelta(seconds=slow))


def test_lines_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waterfall, "MOST_LINES", 3)
    found, _, complete = waterfall.lines([visit(n, f"e{n}") for n in range(1, 5)])
    assert len(found) == 3
    assert not complete


def two_tasks() -> ProcessInstance:
    instance = started(Drawing().start().service("a", type="a").service("b", type="b").end())
    (job,) = jobs.claim(["a"], worker="w")
    jobs.complete(job.id, 1, {}, by="w")
    instance.refresh_from_db()
    return instance


@pytest.mark.django_db
def test_a_window_has_what_it_touches() -> None:
    instance = two_tasks()
    elements = [line.element for line in timelines.timeline(instance).lines]
    assert elements == ["start", "a", "b"]
    after = instance.nodes.get(element_id="b").entered_at + timedelta(microseconds=1)
    late = timelines.timeline(instance, since=after)
    assert [line.element for line in late.lines] == ["b"]
    assert late.since == after
    for since, until in ((after, after), (None, instance.started_at), (NOON.replace(year=9999), None)):
        with pytest.raises(Rejected, match="within the life of the instance"):
            timelines.timeline(instance, since=since, until=until)
    wide = timelines.timeline(instance, since=NOON.replace(year=1), until=NOON.replace(year=9999))
    # A process that is younger than the shortest window is looked at a little ahead of its life.
    assert wide.since == instance.started_at
    assert wide.until == max(wide.now, instance.started_at + timelines.SHORTEST)


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "word"), [("MOST_VISITS", "visits"), ("MOST_STEPS", "steps")])
def test_what_is_cut_is_said(limit: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = two_tasks()
    assert timelines.timeline(instance).cut == ()
    monkeypatch.setattr(timelines, limit, 1)
    (sentence,) = timelines.timeline(instance).cut
    assert word in sentence


@pytest.mark.django_db
def test_a_claimed_job_is_told_by_its_row_and_a_due_one_by_its_fact() -> None:
    instance = two_tasks()
    assert spans(instance, "b") == [("queued", "waits for a worker", True)]
    jobs.claim(["b"], worker="w7")
    assert spans(instance, "b") == [("queued", "waited", False), ("work", "attempt 1 is with w7", True)]
    instances.cancel(instance.pk)
    instance.refresh_from_db()
    assert [kind for kind, _, lasts in spans(instance, "b") if not lasts] == ["queued"]


def spans(instance: ProcessInstance, element: str) -> list[Any]:
    (line,) = (line for line in timelines.timeline(instance).lines if line.element == element)
    return [(span.kind.value, span.words, span.ended is None) for span in line.spans]


@pytest.mark.django_db
def test_ten_thousand_rounds_are_one_line() -> None:
    many = Drawing("many").start().service("each", type="t", name="Each").many("=for i in 1..10000 return i").end()
    found = timelines.timeline(started(many))
    assert [(line.element, line.depth, line.count, line.live) for line in found.lines] == [
        ("start", 0, 1, 0), ("each", 0, 1, 1), ("each", 1, 10_000, 10_000)
    ]  # fmt: skip
    assert found.cut == ()
