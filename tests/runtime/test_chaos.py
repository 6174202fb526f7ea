"""Everything at once, by many: whatever happens, the rows stay consistent, and all of it can be brought to an end."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Incident, Job, MessageSubscription, ProcessInstance, Timer
from processes.runtime import Rejected, incidents, instances, jobs, messages, retention, sweep
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, together

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 4.0
KEYS = 6
TYPES = ["a", "b", "c", "n"]


def drawing() -> Drawing:
    now = {"retryBackoff": "PT0S"}
    drawn = Drawing().start().parallel("fork").service("a", type="a", headers=now)
    drawn.parallel("join").service("c", type="c").end()
    drawn.at("fork").service("b", type="b", retries=2, headers=now).exclusive("merge").to("join")
    drawn.at("fork").timer("pause", "PT0.2S").to("join")
    drawn.at("fork").message("hear", "news", "=id").throw_message("say", "other", "=id").to("join")
    drawn.on_message("a", "aside", "other", "=id", interrupting=False).service("n", type="n").end("noted")
    return drawn.on_timer("b", "late", "PT0.5S").to("merge")


class Somebody:
    """Does one thing after the other, each perhaps at the worst moment."""

    def __init__(self, seed: int, definition: Any, until: float) -> None:
        self.name = f"w{seed}"
        self.dice = random.Random(seed)
        self.definition = definition
        self.until = until
        self.done: Counter[str] = Counter()

    def __call__(self) -> Counter[str]:
        things: list[Callable[[], Any]] = [self.work] * 6 + [sweep.sweep_once, self.publish, self.start] * 2
        things += [self.suspend, self.resume, self.cancel, self.purge, self.resolve]
        while time.monotonic() < self.until:
            try:
                self.dice.choice(things)()
            except Rejected as rejected:
                self.done[rejected.code] += 1
        return self.done

    def work(self) -> None:
        lease = timedelta(seconds=self.dice.choice([0.05, 5]))
        for claimed in jobs.claim(TYPES, worker=self.name, limit=3, lease=lease):
            job: jobs.ClaimedJob | None = claimed
            while job is not None:
                job = self.outcome(job)

    def outcome(self, job: jobs.ClaimedJob) -> jobs.ClaimedJob | None:
        how = self.dice.random()
        if how < 0.15:
            jobs.fail(job.id, job.attempt, "no", by=self.name)
        elif how < 0.2:
            jobs.throw_error(job.id, job.attempt, "OH", by=self.name)
        elif how < 0.9:
            then = jobs.Continuation(frozenset(TYPES), self.name, timedelta(seconds=5))
            self.done["completed"] += 1
            return jobs.complete(job.id, job.attempt, {self.name: 1}, by=self.name, then=then)
        return None  # the worker dies

    def start(self) -> None:
        key, variables = str(self.dice.randint(0, 100)), {"id": str(self.dice.randint(1, KEYS))}
        instances.start(self.definition, variables=variables, start_key=key)

    def publish(self) -> None:
        name, key = self.dice.choice(["news", "other"]), str(self.dice.randint(1, KEYS))
        ttl = timedelta(seconds=self.dice.choice([0, 60]))
        messages.publish(name, correlation_key=key, message_id=str(self.dice.randint(1, 20)), ttl=ttl)

    def suspend(self) -> None:
        instances.suspend(self._any())

    def resume(self) -> None:
        for pk in ProcessInstance.objects.filter(state="SUSPENDED").values_list("pk", flat=True):
            instances.resume(pk)

    def cancel(self) -> None:
        if self.dice.random() < 0.3:
            instances.cancel(self._any())

    def purge(self) -> None:
        sum(retention.purge(timedelta(seconds=1), batch=5))

    def resolve(self) -> None:
        incidents.resolve_many(Incident.objects.filter(ended_at=None), by=self.name)

    def _any(self) -> int:
        return self.dice.choice([0, *ProcessInstance.objects.filter(ended_at=None).values_list("pk", flat=True)])


def test_whatever_happens() -> None:
    definition = deployed(drawing())
    for number in range(10):
        instances.start(definition, variables={"id": str(number % KEYS + 1)})
    until = time.monotonic() + SECONDS
    results = together(*(Somebody(seed, definition, until) for seed in range(4)))

    assert [result for result in results if not isinstance(result, Counter)] == []
    assert not Incident.objects.filter(kind="INTERNAL").exists()
    for instance in ProcessInstance.objects.all():
        assert_consistent(instance)
    assert_everything_can_end()


def assert_consistent(instance: ProcessInstance) -> None:
    numbers = list(instance.history.values_list("number", flat=True))
    assert numbers == list(range(1, instance.steps + 1))
    live = set(instance.nodes.filter(ended_at=None).values_list("key", flat=True))
    for waits in (instance.jobs, instance.timers, instance.subscriptions, instance.incidents.filter(ended_at=None)):
        assert set(waits.values_list("node", flat=True)) <= live
    assert instance.nodes.filter(element_id="join").count() <= 1
    if instance.ended_at:
        assert not live
        assert not instance.tokens.exists()
    else:
        assert live


def assert_everything_can_end() -> None:
    for pk in ProcessInstance.objects.filter(state="SUSPENDED").values_list("pk", flat=True):
        instances.resume(pk)
    for _ in range(20):
        if not ProcessInstance.objects.filter(ended_at=None).exists():
            break
        past = timezone.now() - timedelta(seconds=1)
        Timer.objects.update(due_at=past)
        Job.objects.filter(state="CLAIMED").update(lease_until=past)
        incidents.resolve_many(Incident.objects.filter(ended_at=None), by="user:operator")
        sweep.sweep_once()
        Job.objects.filter(state="DUE").update(due_at=past)
        for job in jobs.claim(TYPES, worker="last", limit=500):
            jobs.complete(job.id, job.attempt, {}, by="worker:last")
        for publish in [partial(messages.publish, name) for name in ("news", "other")]:
            for key in range(1, KEYS + 1):
                publish(correlation_key=str(key))
    assert not ProcessInstance.objects.filter(ended_at=None).exists()
    for model in (Job, Timer, MessageSubscription):
        assert not model.objects.exists()
