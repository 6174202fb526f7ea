"""Versions are suspended, resumed and deleted: what begins of them, what does not, and what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Action, Incident, ProcessDefinition, ProcessInstance, SignalDelivery, StartSubscription
from processes.runtime import Rejected, definitions, instances, lifecycle, messages, modifications, signals, sweep
from tests.drawing import Drawing
from tests.drawing import together as in_one_file
from tests.runtime.conftest import deployed, together

pytestmark = pytest.mark.django_db(transaction=True)


def one_task(id: str = "work") -> Drawing:
    return Drawing("order").start().service(id, type="a").end()


def hearing(end: str = "end") -> Drawing:
    return Drawing("order").start_message("hear", "placed").service("work", type="a").end(end)


def nightly(value: str = "R/PT24H", kind: str = "timeCycle", end: str = "end") -> Drawing:
    return Drawing("report").start_timer("night", value, kind=kind).end(end)


def overdue(process_id: str) -> None:
    StartSubscription.objects.filter(process_id=process_id).update(due_at=timezone.now() - timedelta(seconds=1))


# -- suspension --------------------------------------------------------------------------------------------------------


def test_who_suspended_it_when_and_why_stands_on_the_row() -> None:
    definition = deployed(one_task())
    before = timezone.now()
    lifecycle.suspend(definition, reason="wrong prices", by="user:ada")
    row = ProcessDefinition.objects.get()
    assert (row.suspended, row.suspension_reason, row.suspension_by) == (True, "wrong prices", "user:ada")
    assert row.suspension_at is not None
    assert row.suspension_at >= before
    with pytest.raises(Rejected, match="active but found it suspended") as told:
        lifecycle.suspend(definition)
    assert told.value.code == "definition-suspended"
    lifecycle.resume(row, reason="prices are right", by="user:bob")
    row = ProcessDefinition.objects.get()
    assert (row.suspended, row.suspension_reason, row.suspension_by) == (False, "prices are right", "user:bob")
    with pytest.raises(Rejected) as told:
        lifecycle.resume(row)
    assert told.value.code == "definition-not-suspended"


def test_nobody_starts_or_restarts_an_instance_of_a_suspended_version() -> None:
    definition = deployed(one_task())
    running = instances.start(definition).instance
    over = instances.start(definition).instance
    instances.cancel(over.pk)
    lifecycle.suspend(definition, reason="wrong prices")
    definition = ProcessDefinition.objects.get()
    with pytest.raises(Rejected, match=r"'order' version 1 to be active but it is suspended: wrong prices") as told:
        instances.start(definition)
    assert told.value.code == "definition-suspended"
    with pytest.raises(Rejected):
        modifications.restart(over.pk)
    assert ProcessInstance.objects.count() == 2
    instances.set_variables(running.pk, {"a": 1})
    assert ProcessInstance.objects.get(pk=running.pk).state == "ACTIVE", "what runs goes on"
    lifecycle.resume(definition)
    assert instances.start(ProcessDefinition.objects.get()).created


@pytest.mark.parametrize(("all_versions", "expected"), [(True, {1, 2}), (False, {1})])
def test_a_version_or_all_of_them(all_versions: bool, expected: set[int]) -> None:
    first = deployed(one_task())
    deployed(one_task("other"))
    turned = lifecycle.suspend(first, all_versions=all_versions)
    assert {row.version for row in turned.definitions} == expected
    assert set(ProcessDefinition.objects.filter(suspended=True).values_list("version", flat=True)) == expected
    assert deployed(one_task("third")).suspended is False


def test_a_call_of_a_suspended_process_is_an_incident_that_says_so() -> None:
    lifecycle.suspend(deployed(one_task()), reason="wrong prices")
    caller = instances.start(deployed(Drawing("caller").start().call("place", "order").end())).instance
    incident = Incident.objects.get()
    assert (incident.instance_id, incident.element_id) == (caller.pk, "place")
    assert "'order' version 1 to be active but it is suspended: wrong prices" in incident.message


def test_messages_wait_until_it_is_resumed() -> None:
    definition = deployed(hearing())
    lifecycle.suspend(definition)
    published = messages.publish("placed", ttl=timedelta(hours=1))
    sweep.sweep_once()
    assert published.started == []
    assert not ProcessInstance.objects.exists()
    lifecycle.resume(definition)
    assert ProcessInstance.objects.get().started_by == "message:placed"


def test_a_timer_that_became_due_fires_once_when_it_is_resumed() -> None:
    definition = deployed(nightly())
    lifecycle.suspend(definition)
    overdue("report")
    sweep.sweep_once()
    assert not ProcessInstance.objects.exists()
    lifecycle.resume(definition)
    sweep.sweep_once()
    sweep.sweep_once()
    assert ProcessInstance.objects.count() == 1


def test_a_signal_passes_a_suspended_process_by() -> None:
    definition = deployed(Drawing("order").start_on("hear", ("signal", "go")).service("work", type="a").end())
    lifecycle.suspend(definition)
    assert signals.broadcast("go").awaited_by == 0
    lifecycle.resume(definition)
    assert not SignalDelivery.objects.exists()
    assert not ProcessInstance.objects.exists()
    assert signals.broadcast("go").awaited_by == 1


def test_running_instances_are_suspended_with_it_a_number_at_a_time() -> None:
    definition = deployed(one_task())
    for _ in range(3):
        instances.start(definition)
    first = lifecycle.suspend(definition, with_instances=True, limit=2, by="user:ada")
    assert (len(first.instances), first.more) == (2, True)
    second = lifecycle.suspend(definition, with_instances=True, limit=2)
    assert (len(second.instances), second.more, second.definitions) == (1, False, ())
    assert set(ProcessInstance.objects.values_list("state", flat=True)) == {"SUSPENDED"}
    assert len(lifecycle.resume(definition, with_instances=True).instances) == 3
    assert set(ProcessInstance.objects.values_list("state", flat=True)) == {"ACTIVE"}


# -- deletion ----------------------------------------------------------------------------------------------------------


def test_a_version_with_instances_is_not_deleted_and_the_numbers_are_told() -> None:
    definition = deployed(one_task())
    for _ in range(3):
        instances.start(definition)
    instances.cancel(ProcessInstance.objects.order_by("id")[0].pk)
    with pytest.raises(Rejected, match="but found 2 running and 1 ended") as told:
        lifecycle.remove(definition)
    assert told.value.code == "definition-in-use"
    assert ProcessDefinition.objects.count() == 1


@pytest.mark.parametrize(("binding", "kept"), [("deployment", True), ("latest", False)])
def test_what_a_running_process_of_the_same_file_is_bound_to_is_kept(binding: str, kept: bool) -> None:
    caller = Drawing("caller").start().service("first", type="a").call("place", "order", bindingType=binding).end()
    document = in_one_file(caller, Drawing("order").start("s").service("work", type="a").end("e"))
    outer, inner = (one.definition for one in definitions.deploy(document).definitions)
    instances.start(outer)
    if not kept:
        lifecycle.remove(inner)
        return
    with pytest.raises(Rejected, match="but found 'place' of 'caller' version 1") as told:
        lifecycle.remove(inner)
    assert told.value.code == "definition-in-use"
    instances.cancel(ProcessInstance.objects.get().pk)
    lifecycle.remove(inner)


def test_who_suspended_resumed_and_deleted_it_is_recorded() -> None:
    definition = deployed(one_task())
    lifecycle.suspend(definition, reason="wrong prices", by="user:ada")
    lifecycle.resume(definition, by="user:bob")
    lifecycle.remove(definition, reason="never used", by="user:ada")
    recorded = Action.objects.filter(kind="process definition").order_by("id").values_list("verb", "by", "reason")
    assert list(recorded)[1:] == [
        ("suspend", "user:ada", "wrong prices"),
        ("resume", "user:bob", ""),
        ("delete", "user:ada", "never used"),
    ]


def test_the_version_before_is_the_latest_again_with_what_begins_it() -> None:
    first = deployed(hearing())
    second = deployed(one_task())
    assert not StartSubscription.objects.exists()
    messages.publish("placed", ttl=timedelta(hours=1))
    assert lifecycle.remove(second, by="user:ada") == first
    assert list(StartSubscription.objects.values_list("definition_id", "name")) == [(first.pk, "placed")]
    assert ProcessInstance.objects.get().definition_id == first.pk, "what is buffered begins it at once"


def test_another_version_than_the_latest_changes_nothing_else() -> None:
    first = deployed(hearing())
    second = deployed(hearing("other"))
    assert lifecycle.remove(first) is None
    assert StartSubscription.objects.get().definition_id == second.pk
    assert lifecycle.remove(second) is None
    assert not StartSubscription.objects.exists()
    with pytest.raises(Rejected) as told:
        lifecycle.remove(second)
    assert told.value.code == "definition-not-found"
    with pytest.raises(Rejected) as told:
        instances.start(second)
    assert told.value.code == "definition-not-found"


def test_who_deletes_and_who_starts_do_not_both_succeed() -> None:
    definition = deployed(one_task())
    outcomes = together(lambda: lifecycle.remove(definition), lambda: instances.start(definition))
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    assert len(rejected) == 1, outcomes
    assert rejected[0].code in ("definition-in-use", "definition-not-found")
    assert ProcessInstance.objects.count() == ProcessDefinition.objects.count()


# -- timers in the past ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "first"),
    [("2020-01-01T00:00:00Z", "timeDate", 1), ("R3/2020-01-01T00:00:00Z/PT1H", "timeCycle", 3)],
)
def test_what_lies_in_the_past_is_made_up_for_by_the_first_version_only(value: str, kind: str, first: int) -> None:
    deployed(nightly(value, kind))
    for _ in range(5):
        sweep.sweep_once()
    assert ProcessInstance.objects.count() == first
    second = deployed(nightly(value, kind, end="other"))
    third = deployed(nightly(value, kind, end="third"))
    for _ in range(5):
        sweep.sweep_once()
    assert ProcessInstance.objects.count() == first
    lifecycle.remove(third)
    assert StartSubscription.objects.get().definition_id == second.pk
    sweep.sweep_once()
    assert ProcessInstance.objects.count() == first


def test_a_firing_that_the_version_before_owes_is_not_lost() -> None:
    moment = timezone.now().replace(microsecond=0) - timedelta(seconds=5)
    deployed(nightly(moment.isoformat(), "timeDate"))
    assert StartSubscription.objects.get().due_at == moment
    second = deployed(nightly(moment.isoformat(), "timeDate", end="other"))
    sweep.sweep_once()
    sweep.sweep_once()
    assert ProcessInstance.objects.get().definition_id == second.pk


def test_a_date_in_the_future_fires_whatever_its_version() -> None:
    moment = datetime(2900, 1, 1, tzinfo=UTC)
    for end in ("a", "b"):
        deployed(nightly(moment.isoformat(), "timeDate", end=end))
    subscription: Any = StartSubscription.objects.get()
    assert (subscription.definition.version, subscription.due_at) == (2, moment)
