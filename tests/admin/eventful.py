"""An instance to which everything happens that a story can tell: retries, an incident, a timer, a message, parallel
branches, a sub-process, rounds, a called process, suspension. A clock says how long each took."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Incident, Job, ProcessInstance
from processes.runtime import calls, incidents, instances, jobs, messages, timers
from tests.admin.conftest import deploy
from tests.drawing import Drawing


class Clock:
    """Stands in for the clock of the machine, and goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, ago: timedelta = timedelta(hours=1)) -> None:
        self.now = (timezone.now() - ago).replace(microsecond=0)
        monkeypatch.setattr("django.utils.timezone.now", lambda: self.now)

    def pass_by(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def drawing() -> Drawing:
    pack = Drawing().start("unpacked").service("pick", type="pick", name="Pick item").many("=items")
    pack.service("label", type="label", name="Print label").end("packed")
    order = Drawing("order", name="Order fulfilment").start("ordered")
    order.service("charge", type="charge", name="Charge the card", retries=3, headers={"retryBackoff": "PT20S"})
    order.parallel("fork").sub_process("pack", pack).parallel("join")
    order.at("fork").timer("cool", "PT90S").call("notify", "notice").to("join")
    order.at("fork").message("paid", "payment", "=order").to("join")
    order.at("join").service("ship", type="ship", name="Hand to carrier", retries=1).end("shipped")
    order.on_timer("ship", "late", "PT1H", interrupting=False).end("too_late")
    return order


def work(
    instance: ProcessInstance, clock: Clock, type: str, seconds: float, *, error: str = "", **variables: Any
) -> None:
    """Whoever does that job first: it takes so long, and fails where there is an error."""
    job = Job.objects.filter(instance=instance, type=type).order_by("key").first()
    assert job is not None, f"Expected a job of type {type}"
    clock.now = max(clock.now, job.due_at)
    clock.pass_by(1.5)
    claimed = jobs.claim_one(job.pk, worker="worker-1")
    assert claimed is not None
    clock.pass_by(seconds)
    journal = {"seconds": seconds, "request": {"url": f"https://{type}.example"}}
    if error:
        jobs.fail(claimed.id, claimed.attempt, error, by="worker:worker-1", journal=journal)
    else:
        jobs.complete(claimed.id, claimed.attempt, variables, by="worker:worker-1", journal=journal)


def play(clock: Clock, *, until: str = "") -> ProcessInstance:
    """The whole story, or until the words of a chapter."""
    deploy(Drawing("notice", name="Notice").start().service("mail", type="mail").end())
    definition = deploy(drawing())
    items = {"order": "A-7", "items": ["book", "lamp", "rug"]}
    instance = instances.start(definition, by="user:ada", business_key="A-7", variables=items).instance
    work(instance, clock, "charge", 4, error="503 Service Unavailable")
    work(instance, clock, "charge", 6, error="timed out after 6 s")
    if until == "retries":
        return instance
    work(instance, clock, "charge", 3, receipt="R-1")
    for _ in range(3):
        work(instance, clock, "pick", 8)
    work(instance, clock, "label", 2, parcel="P-1")
    clock.pass_by(20)
    instances.suspend(instance.pk, reason="stock-taking", by="user:ada")
    clock.pass_by(25)
    instances.resume(instance.pk, by="user:ada")
    messages.publish("payment", correlation_key="A-7", variables={"paid": True}, by="user:bank")
    messages.match()
    clock.pass_by(30)
    timers.fire_due()
    calls.deliver_due()
    child = ProcessInstance.objects.get(parent=instance)
    work(child, clock, "mail", 5)
    calls.deliver_due()
    if until == "joined":
        return instance
    work(instance, clock, "ship", 7, error="no truck today")
    clock.pass_by(60)
    if until == "incident":
        return instance
    incidents.resolve(Incident.objects.get(instance=instance, ended_at=None).pk, by="user:ada")
    work(instance, clock, "ship", 9, tracking="T-99")
    return instance
