"""Instances go on in another definition, in rows."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import (
    Compensation,
    Condition,
    FlowNodeInstance,
    Incident,
    Job,
    MessageSubscription,
    ProcessInstance,
    SignalSubscription,
    Step,
    Timer,
    Token,
)
from processes.runtime import (
    Rejected,
    drawings,
    incidents,
    instances,
    jobs,
    loader,
    messages,
    migration,
    timers,
    transaction,
)
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, started

pytestmark = pytest.mark.django_db


def order(*, type: str = "charge", late: str = "PT1H", name: str = "order", a: str = "a", **options: Any) -> Drawing:
    drawing = Drawing(name).start("s").service(a, type=type, **options).service("b", type="b").end("e")
    return drawing.on_timer(a, "late", late).end("gave up")


def complete(type: str, **variables: Any) -> None:
    (job,) = jobs.claim([type], worker="w")
    jobs.complete(job.id, job.attempt, variables, by="worker:w")


def test_an_instance_goes_on_in_the_new_version() -> None:
    instance = started(order(), variables={"n": 1})
    target = deployed(order(type="charge2", headers={"connection": "bank", "retryDeadline": "PT1H"}, a="a"))
    assert target.version == 2
    effects = migration.migrate(instance.pk, target, reason="better", by="user:alice")
    assert effects["jobs_changed"] == 1
    instance.refresh_from_db()
    assert (instance.definition_id, instance.variables) == (target.pk, {"n": 1})
    job = Job.objects.get()
    assert (job.type, job.headers, job.connection, job.hinted_at) == (
        "charge2", {"connection": "bank", "retryDeadline": "PT1H"}, "bank", None
    )  # fmt: skip
    assert job.retry_until == job.due_at + timedelta(hours=1)
    step = Step.objects.get(command="MigrateInstance")
    assert (step.by, step.facts[0]["reason"], step.facts[0]["definition"]) == ("user:alice", "better", target.pk)
    complete("charge2")
    complete("b")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_who_works_on_a_job_completes_it_in_the_new_version() -> None:
    instance = started(order())
    (job,) = jobs.claim(["charge"], worker="w")
    between = Drawing("order").start("s").service("a", type="charge3").service("new", type="new").end("e")
    migration.migrate(instance.pk, deployed(between))
    row = Job.objects.get()
    assert (row.state, row.worker, row.attempt, row.type) == ("CLAIMED", "w", 1, "charge3")
    assert row.lease_until is not None
    jobs.complete(job.id, job.attempt, {"x": 1}, by="worker:w")
    assert Job.objects.get().element_id == "new"


def test_everything_alive_is_renamed_and_moves_to_the_other_process() -> None:
    fork = Drawing("old").start("s").parallel("fork").service("a", type="a").parallel("join").end("e")
    fork = fork.at("fork").service("b", type="b").to("join").at("fork").message("m", "paid", "=k").to("join")
    instance = started(fork.on_timer("b", "t", "PT1H").end("t-end"), variables={"k": "1"})
    complete("a")
    (job,) = jobs.claim(["b"], worker="w")
    jobs.fail(job.id, 1, "no", retries=0, by="w")
    new = Drawing("new").start("s").parallel("f2").service("a", type="a").parallel("j2").end("e")
    new = new.at("f2").service("b2", type="b2").to("j2").at("f2").message("m2", "paid", "=k").to("j2")
    target = deployed(new.on_timer("b2", "t2", "PT9H").end("t-end"))
    given = {"fork": "f2", "join": "j2", "b": "b2", "m": "m2", "t": "t2", "a-join": "a-j2"}
    plan = migration.plan(instance.definition, target, given)
    assert not plan.problems
    migration.migrate(instance.pk, target, mapping=plan.mapping)
    instance.refresh_from_db()
    assert (instance.process_id, instance.definition_id) == ("new", target.pk)
    assert Token.objects.get().flow_id == "a-j2"
    live = FlowNodeInstance.objects.filter(ended_at__isnull=True).order_by("key")
    assert sorted(live.values_list("element_id", flat=True)) == ["b2", "m2"]
    assert Timer.objects.get().element_id == "t2"
    subscription = MessageSubscription.objects.get()
    assert (subscription.element_id, subscription.process_id) == ("m2", "new")
    incident = Incident.objects.get()
    assert (incident.element_id, incident.process_id, incident.ended_at) == ("b2", "new", None)
    assert (Job.objects.get().element_id, Job.objects.get().process_id) == ("b2", "new")
    assert "b2" in drawings.drawing(target, instance)
    incidents.resolve(incident.pk)
    messages.publish(name="paid", correlation_key="1")
    messages.match()
    complete("b2")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_timers_are_kept_or_updated() -> None:
    instance = started(order())
    due = Timer.objects.get().due_at
    migration.migrate(instance.pk, deployed(order(late="PT9H")))
    assert Timer.objects.get().due_at == due
    effects = migration.migrate(instance.pk, deployed(order(late="PT5H")), update_waits=True)
    assert (effects["waits_withdrawn"], effects["timers_armed"]) == (1, 1)
    assert timedelta(hours=4) < Timer.objects.get().due_at - timezone.now() < timedelta(hours=6)
    Timer.objects.update(due_at=timezone.now())
    assert timers.fire_due() == 1
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_what_cannot_migrate_is_left_as_it_is() -> None:
    instance = started(order())
    before = list(FlowNodeInstance.objects.order_by("key").values())
    target = deployed(order(a="other"))
    with pytest.raises(Rejected) as told:
        migration.migrate(instance.pk, target)
    assert str(told.value) == "Expected 'a' to be mapped, for the instance stands there, but it is not"
    instance.refresh_from_db()
    assert (instance.definition_id == target.pk, Step.objects.count()) == (False, 1)
    assert list(FlowNodeInstance.objects.order_by("key").values()) == before
    instances.cancel(instance.pk)
    with pytest.raises(Rejected, match="to be running"):
        migration.migrate(instance.pk, target)
    with pytest.raises(Rejected) as told:
        migration.migrate(777, target)
    assert told.value.code == "instance-not-found"


def test_a_start_key_of_the_other_process_stays_its_own() -> None:
    instance = started(order(), start_key="k")
    other = started(order(name="other"), start_key="k")
    with pytest.raises(Rejected) as told:
        migration.migrate(instance.pk, other.definition)
    assert told.value.code == "start-key-taken"
    instance.refresh_from_db()
    assert instance.process_id == "order"


def test_a_preview_changes_nothing() -> None:
    instance = started(order())
    target = deployed(order(type="charge2", late="PT9H"))
    effects = migration.preview(instance.pk, target, update_waits=True)
    assert {name: count for name, count in effects.items() if count} == {
        "jobs_changed": 1, "waits_withdrawn": 1, "timers_armed": 1
    }  # fmt: skip
    instance.refresh_from_db()
    assert (instance.definition_id == target.pk, Step.objects.count(), Job.objects.get().type) == (False, 1, "charge")


def test_a_large_instance_migrates_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", 5)

    def many(type: str) -> Drawing:
        drawing = Drawing("many").start("s").service("each", type=type).many("=for i in 1..30 return i")
        return drawing.service("z", type="z").end("e")

    instance = started(many("a"))
    assert migration.migrate(instance.pk, deployed(many("b")))["jobs_changed"] == 30
    for job in jobs.claim(["b"], worker="w", limit=30):
        jobs.complete(job.id, job.attempt, {}, by="w")
    assert Job.objects.get().type == "z"


def test_many_at_a_pace_each_for_itself() -> None:
    first, second, third = (started(order()) for _ in range(3))
    complete("charge")
    target = deployed(Drawing("order").start("s").service("a", type="newer").end("e"))
    gone = third.pk + 1000
    ids = [first.pk, second.pk, third.pk, gone]
    seen = migration.migrate_many(ids, target, dry_run=True)
    assert (seen.migrated, sorted(seen.rejected)) == ([second.pk, third.pk], [first.pk, gone])
    assert Job.objects.filter(type="newer").count() == 0
    begun = time.monotonic()
    done = migration.migrate_many(ids, target, rate=20, by="user:alice")
    assert time.monotonic() - begun >= 3 / 20
    assert (done.migrated, done.rejected) == (seen.migrated, seen.rejected)
    assert done.rejected[first.pk] == "Expected 'b' to be mapped, for the instance stands there, but it is not"
    assert done.effects == seen.effects
    assert done.effects["jobs_changed"] == 2
    assert ProcessInstance.objects.filter(definition=target).count() == 2


def test_the_history_tells_the_same_story_after_a_reload() -> None:
    """The rows after a migration are those from which the next step goes on."""
    instance = started(order())
    migration.migrate(instance.pk, deployed(order(a="first")), mapping={"a": "first", "late": "late"})
    with transaction.transaction.atomic():
        loaded = loader.load(instance.pk)
        assert loaded is not None
        assert [node.element for node in loaded.instance.nodes.values()] == ["first"]
        assert loaded.digest == ProcessInstance.objects.get().definition.digest


def test_what_belongs_to_scopes_is_renamed_too() -> None:
    def trip(hotel: str, guard: str, name: str) -> Drawing:
        stop = Drawing("stop").start_on(f"{guard}-s", ("signal", "stop"), interrupting=False).end(f"{guard}-e")
        drawing = Drawing(name).start("s").service(hotel, type="t").undo_with(hotel, f"no-{hotel}", type="undo")
        drawing = drawing.service("pay", type="pay").on("pay", f"{guard}-c", ("conditional", "=n > 5"))
        drawing = drawing.end("gave up").at("pay").throw("undo", ("compensate",)).end("e")
        return drawing.event_sub_process(guard, stop)

    instance = started(trip("hotel", "guard", "old"), variables={"n": 1})
    complete("t")
    target = deployed(trip("inn", "watch", "new"))
    given = {
        "hotel": "inn",
        "undo-of-hotel": "undo-of-inn",
        "guard": "watch",
        "guard-s": "watch-s",
        "guard-c": "watch-c",
    }
    plan = migration.plan(instance.definition, target, given)
    assert not plan.problems
    migration.migrate(instance.pk, target, mapping=plan.mapping)
    signal = SignalSubscription.objects.get()
    assert (signal.element_id, signal.process_id) == ("watch-s", "new")
    assert Condition.objects.get().element_id == "watch-c"
    assert Compensation.objects.get().element_id == "inn"
    complete("pay")
    assert Job.objects.get().element_id == "no-inn"
    complete("undo")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
