"""Retention, workers, drawings: what looks at rows, drops them, or says who is there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from processes.models import FlowNodeInstance, Job, Message, MessageCorrelation, ProcessInstance, Step, Worker
from processes.runtime import drawings, instances, jobs, messages, retention, workers
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, started

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_purging_deletes_what_ended_long_ago_and_nothing_else() -> None:
    ended = deployed(Drawing("ended").start().end())
    live = started(Drawing("live").start().service("task", type="a").end())
    other = started(Drawing("other").start().end())
    for _ in range(5):
        instances.start(ended)
    young = instances.start(ended).instance
    ProcessInstance.objects.exclude(pk__in=[live.pk, young.pk]).update(ended_at=timezone.now() - 2 * DAY)
    ProcessInstance.objects.filter(pk=live.pk).update(started_at=timezone.now() - 2 * DAY)

    assert list(retention.purge(DAY, process_id="ended", batch=2)) == [2, 2, 1]
    assert set(ProcessInstance.objects.values_list("pk", flat=True)) == {live.pk, young.pk, other.pk}
    assert list(retention.purge(DAY)) == [1]
    assert set(ProcessInstance.objects.values_list("pk", flat=True)) == {live.pk, young.pk}
    left = {live.pk, young.pk}
    for model in (Step, FlowNodeInstance):
        assert set(model.objects.values_list("instance_id", flat=True)) == left
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_purging_forgets_to_whom_messages_went_once_they_are_over() -> None:
    first = started(Drawing().start().message("hear", "news").end())
    messages.publish("news", ttl=3 * DAY)
    assert MessageCorrelation.objects.count() == 1
    ProcessInstance.objects.update(ended_at=timezone.now() - 2 * DAY)
    assert sum(retention.purge(DAY)) == 0
    second = instances.start(first.definition).instance
    assert ProcessInstance.objects.get(pk=second.pk).state == "ACTIVE", "the message has gone to the first"
    Message.objects.update(expires_at=timezone.now())
    assert sum(retention.purge(DAY)) == 1
    assert not MessageCorrelation.objects.exists()


def test_workers_say_that_they_are_there() -> None:
    workers.beat("w1", ["b", "a"])
    workers.beat("w2", [])
    begun = Worker.objects.get(name="w1").started_at
    workers.beat("w1", ["c"])
    worker = Worker.objects.get(name="w1")
    assert (worker.types, worker.started_at) == (["c"], begun)
    assert worker.seen_at >= begun
    Worker.objects.filter(name="w2").update(seen_at=timezone.now() - timedelta(minutes=2))
    assert [worker.name for worker in workers.alive()] == ["w1"]
    Worker.objects.filter(name="w2").update(seen_at=timezone.now() - 2 * DAY)
    assert workers.forget() == 1


def test_a_drawing_shows_where_the_instance_is_and_was() -> None:
    drawing = Drawing("p").start().service("one", type="a").service("two", type="b", retries=1).end()
    instance = started(drawing)
    (job,) = jobs.claim(["a"], worker="w")
    jobs.complete(job.id, 1, {}, by="w")
    (job,) = jobs.claim(["b"], worker="w")
    jobs.fail(job.id, 1, "no", by="w")
    marks = drawings.marks(instance)
    assert set(marks.taken) == {"start-one", "one-two"}
    assert marks.visited == {"start": 1, "one": 1}
    assert marks.active == {"two": 1}
    assert marks.failed == {"two": 1}
    assert drawings.drawing(instance.definition).startswith("<svg")
    assert "is-failed" in drawings.drawing(instance.definition, instance)
