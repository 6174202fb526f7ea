"""Instances that call instances: each of its own, none started twice, none forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from processes.engine.commands import Cancel
from processes.engine.errors import IncidentKind
from processes.models import Call, Delivery, Incident, Job, ProcessDefinition, ProcessInstance, Timer
from processes.runtime import (
    Rejected,
    calls,
    definitions,
    incidents,
    instances,
    jobs,
    messages,
    migration,
    modifications,
    retention,
    timers,
)
from tests.drawing import Drawing
from tests.drawing import together as in_one_file
from tests.runtime.conftest import Statements, deployed, started, together
from tests.tasks.fleet import database_url

pytestmark = pytest.mark.django_db(transaction=True)


def child(process_id: str = "child") -> Drawing:
    return Drawing(process_id).start().service("work", type="a").end()


def caller(process_id: str = "parent", **options: Any) -> Drawing:
    return Drawing(process_id).start().call("call", "child", **options).end()


def state(instance: ProcessInstance) -> str:
    instance.refresh_from_db()
    return instance.state


def do(type: str = "a", variables: dict[str, Any] | None = None) -> None:
    (claimed,) = jobs.claim([type], worker="w", limit=1, lease=timedelta(minutes=1))
    jobs.complete(claimed.id, claimed.attempt, variables, by="w")


def incident(instance: ProcessInstance) -> Incident:
    return instance.incidents.get(ended_at__isnull=True)


def only_child(parent: ProcessInstance) -> ProcessInstance:
    return parent.children.get()


# -- moved and migrated ------------------------------------------------------------------------------------------------


def test_who_is_called_ends_with_the_call_that_an_operator_cancels() -> None:
    deployed(child())
    parent = started(caller())
    called = only_child(parent)
    modifications.modify(parent.pk, cancel=[Cancel(element="call")], reason="not needed")
    assert (state(parent), state(called)) == ("TERMINATED", "TERMINATED")


def test_a_caller_that_migrates_meanwhile_is_answered() -> None:
    deployed(child())
    parent = started(caller())
    newer = Drawing("parent").start().call("renamed", "child").service("after", type="z").end()
    target = deployed(newer)
    plan = migration.plan(parent.definition, target, {"call": "renamed"})
    migration.migrate(parent.pk, target, mapping=plan.mapping)
    assert Call.objects.get().element_id == "renamed"
    do("a", {"answer": 42})
    parent.refresh_from_db()
    assert parent.variables["answer"] == 42
    do("z")
    assert state(parent) == "COMPLETED"


def test_a_called_instance_that_was_cancelled_to_its_last_visit_is_an_incident_of_its_caller() -> None:
    deployed(child())
    parent = started(caller())
    modifications.modify(only_child(parent).pk, cancel=[Cancel(element="work")], reason="a mistake")
    assert "a mistake" in incident(parent).message


# -- suspended and resumed ---------------------------------------------------------------------------------------------


def family() -> tuple[ProcessInstance, ProcessInstance, ProcessInstance]:
    """A caller, whom it called, and whom that called."""
    deployed(child("grandchild"))
    deployed(Drawing("child").start().call("inner", "grandchild").end())
    parent = started(caller())
    called = only_child(parent)
    return parent, called, only_child(called)


def states(*some: ProcessInstance) -> list[str]:
    return [state(one) for one in some]


def test_who_is_called_is_suspended_and_resumed_with_its_caller() -> None:
    parent, called, inner = family()
    instances.suspend(parent.pk, reason="a look", by="operator")
    assert states(parent, called, inner) == ["SUSPENDED"] * 3
    assert jobs.claim(["a"], worker="w") == []
    assert (called.suspended_with_caller, parent.suspended_with_caller) == (True, False)
    step = called.history.latest("number")
    assert (step.command, step.by) == ("SuspendInstance", f"instance:{parent.pk}")
    instances.resume(parent.pk, by="operator")
    assert states(parent, called, inner) == ["ACTIVE"] * 3
    assert not called.suspended_with_caller
    do("a")
    assert states(parent, called, inner) == ["COMPLETED"] * 3


def test_resuming_undoes_only_the_suspension_that_came_with_it() -> None:
    parent, called, inner = family()
    instances.suspend(called.pk, reason="of its own")
    instances.suspend(parent.pk)
    instances.resume(parent.pk)
    assert states(parent, called, inner) == ["ACTIVE", "SUSPENDED", "SUSPENDED"]
    instances.resume(called.pk)
    assert states(parent, called, inner) == ["ACTIVE"] * 3


def test_who_was_resumed_by_hand_works_on_under_a_suspended_caller() -> None:
    parent, called, inner = family()
    instances.suspend(parent.pk)
    instances.resume(inner.pk, by="operator")
    assert states(parent, called, inner) == ["SUSPENDED", "SUSPENDED", "ACTIVE"]
    instances.suspend(inner.pk, by="operator")
    instances.resume(parent.pk)
    assert states(parent, called, inner) == ["ACTIVE", "ACTIVE", "SUSPENDED"]


def test_who_is_called_while_its_caller_is_suspended_begins_suspended() -> None:
    deployed(child())
    parent = started(Drawing("parent").start().service("first", type="z").call("call", "child").end())
    (claimed,) = jobs.claim(["z"], worker="w")
    instances.suspend(parent.pk)
    jobs.complete(claimed.id, claimed.attempt, {}, by="w")
    called = only_child(parent)
    assert called.state == "SUSPENDED"
    assert jobs.claim(["a"], worker="w") == []
    instances.resume(parent.pk)
    do("a")
    assert states(parent, called) == ["COMPLETED"] * 2


def test_many_are_suspended_at_the_pace_of_the_sweep() -> None:
    deployed(child())
    parent = started(Drawing("parent").start().call("call", "child").many(cardinality="=120").end())
    while calls.deliver_due():
        pass
    assert parent.children.count() == 120
    instances.suspend(parent.pk)
    while calls.deliver_due():
        pass
    assert set(parent.children.values_list("state", flat=True)) == {"SUSPENDED"}


@pytest.mark.parametrize("held", [False, True])
def test_whatever_delivery_comes_late_the_caller_is_followed_as_it_is_now(
    held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(child())
    parent = started(caller())
    with monkeypatch.context() as patch:
        patch.setattr(calls, "_perform", lambda pk: False)  # as if the process stopped after each commit
        instances.suspend(parent.pk)
        instances.resume(parent.pk)
        if held:
            instances.suspend(parent.pk)
        assert Delivery.objects.filter(kind="FOLLOW").count() == (3 if held else 2)
    calls.deliver_due()
    assert state(only_child(parent)) == ("SUSPENDED" if held else "ACTIVE")
    assert not Delivery.objects.exists()


def test_suspending_and_resuming_at_once_leaves_the_called_as_its_caller() -> None:
    deployed(child())
    parent = started(caller())

    def meddle(turn: int) -> None:
        for _ in range(5):
            try:
                instances.suspend(parent.pk) if turn else instances.resume(parent.pk)
            except Rejected:
                continue

    together(*(partial(meddle, turn % 2) for turn in range(4)))
    calls.deliver_due()
    assert state(only_child(parent)) == state(parent)


# -- there and back ----------------------------------------------------------------------------------------------------


def test_a_called_process_runs_as_an_instance_of_its_own() -> None:
    deployed(child())
    parent = started(caller(), variables={"a": 1}, business_key="order-7")
    called = only_child(parent)
    assert (called.process_id, called.state, called.variables) == ("child", "ACTIVE", {"a": 1})
    assert (called.business_key, called.started_by) == ("order-7", f"instance:{parent.pk}")
    assert (called.root, called.depth, called.parent_element) == (parent, 1, "call")
    assert Call.objects.get().called_process_id == "child"
    do(variables={"b": 2})
    assert (state(called), state(parent)) == ("COMPLETED", "COMPLETED")
    assert parent.variables == {"a": 1, "b": 2}
    assert not Delivery.objects.exists()
    assert not Call.objects.exists()
    assert parent.history.last().by == "call"


def test_a_called_process_that_is_over_at_once() -> None:
    deployed(Drawing("child").start().script("set", "=1", "b").end())
    parent = started(caller())
    assert state(parent) == "COMPLETED"
    assert parent.variables == {"b": 1}


def test_nothing_is_called_by_a_transaction_that_is_rolled_back() -> None:
    deployed(child())
    definition = deployed(caller())
    with transaction.atomic():
        instances.start(definition)
        transaction.set_rollback(True)
    assert not ProcessInstance.objects.exists()
    assert not Delivery.objects.exists()


def test_callers_of_callers() -> None:
    deployed(child())
    deployed(Drawing("middle").start().call("inner", "child").end())
    outer = started(Drawing("outer").start().call("call", "middle").end())
    middle = only_child(outer)
    inner = only_child(middle)
    assert (inner.root, inner.depth) == (outer, 2)
    assert set(outer.descendants.all()) == {middle, inner}
    do(variables={"b": 2})
    assert [state(each) for each in (outer, middle, inner)] == ["COMPLETED"] * 3
    assert outer.variables == {"b": 2}


def test_many_calls_at_once_come_back_to_one_caller() -> None:
    deployed(child())
    drawing = Drawing("parent").start().parallel("fork")
    for number in range(5):
        drawing = (
            drawing.at("fork").call(f"call{number}", "child").to("join")
            if number
            else (drawing.call("call0", "child").parallel("join"))
        )
    parent = started(drawing.at("join").end())
    claimed = jobs.claim(["a"], worker="w", limit=5, lease=timedelta(minutes=1))
    assert len(claimed) == 5
    results = together(*(partial(jobs.complete, one.id, one.attempt, by="w") for one in claimed))
    assert results == [None] * 5
    calls.deliver_due()
    assert state(parent) == "COMPLETED"


# -- versions ----------------------------------------------------------------------------------------------------------


def test_latest_version_tag_version_and_deployment() -> None:
    tag = b'<bpmn:process id="child" isExecutable="true">'
    tagged = tag + b'<bpmn:extensionElements><zeebe:versionTag value="v1"/></bpmn:extensionElements>'
    definitions.deploy(child().xml().replace(tag, tagged))
    deployed(Drawing("child").start().service("newer", type="b").end())
    assert only_child(started(caller())).definition.version == 2
    by_tag = caller("tagged", bindingType="versionTag", versionTag="v1")
    assert only_child(started(by_tag)).definition.version == 1
    beside = Drawing("child").start("begin").service("t", type="c").end("over")
    deployment = definitions.deploy(in_one_file(caller("together", bindingType="deployment"), beside))
    deployed(child())  # a newer one
    parent = instances.start(deployment.definitions[0].definition).instance
    assert only_child(parent).definition.version == 3
    assert ProcessDefinition.objects.get(process_id="child", version=3).digest == parent.definition.digest


def test_a_deployment_warns_of_processes_that_are_not_there() -> None:
    (warning,) = definitions.deploy(caller().xml()).warnings
    assert (warning.rule, warning.element) == ("unknown-process", "call")
    deployed(child())
    assert not definitions.deploy(caller("again").xml()).warnings
    bound = caller("bound", bindingType="deployment")
    (warning,) = definitions.deploy(bound.xml()).warnings
    assert "in this file" in warning.message
    beside = Drawing("child").start("begin").end("over")
    assert not definitions.deploy(in_one_file(bound, beside)).warnings


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_a_process_that_is_not_there_is_an_incident_until_it_is() -> None:
    parent = started(caller())
    found = incident(parent)
    assert (found.kind, found.element_id) == (IncidentKind.CALLED_ELEMENT.value, "call")
    assert "process 'child' to be deployed" in found.message
    assert not Call.objects.exists()
    deployed(child())
    incidents.resolve(found.pk)
    do()
    assert state(parent) == "COMPLETED"


def test_a_process_that_only_messages_begin_cannot_be_called() -> None:
    deployed(Drawing("child").start_message("hear", "m").end())
    assert "none start event" in incident(started(caller())).message


def test_an_error_goes_on_to_the_caller_that_catches_it() -> None:
    deployed(Drawing("child").start().error_end("fail", "E1"))
    parent = started(caller().on_error("call", "sorry", "E1").service("repair", type="r").end("repaired"))
    called = only_child(parent)
    assert state(called) == "TERMINATED"
    assert "E1" in called.ended_because
    assert Job.objects.get().type == "r"
    assert not Incident.objects.exists()


def test_an_error_goes_on_through_callers_that_do_not_catch_it() -> None:
    deployed(Drawing("child").start().error_end("fail", "E1"))
    deployed(Drawing("middle").start().call("inner", "child").end())
    drawing = Drawing("outer").start().call("call", "middle").end().on_error("call", "sorry").end("caught")
    outer = started(drawing)
    assert state(outer) == "COMPLETED"
    assert state(only_child(outer)) == "TERMINATED"


def test_an_error_that_nobody_catches_is_an_incident_where_it_was_called() -> None:
    deployed(Drawing("child").start().error_end("fail", "E1"))
    parent = started(caller())
    assert incident(parent).kind == IncidentKind.UNHANDLED_ERROR.value
    deployed(child())
    incidents.resolve(incident(parent).pk)
    assert parent.children.count() == 2  # called again
    do()
    assert state(parent) == "COMPLETED"


def test_a_process_that_calls_itself_for_ever_ends_in_an_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "DEEPEST", 5)
    root = started(Drawing("child").start().call("call", "child").end())
    assert root.descendants.count() == 5
    (found,) = Incident.objects.all()
    assert found.instance.depth == 5
    assert "at most 5 callers" in found.message


def test_a_long_chain_goes_on_at_the_pace_of_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "AT_ONCE", 3)
    root = started(Drawing("child").start().exclusive("deep").when("=n > 8").end().at("deep").otherwise()
                   .call("call", "child", inputs={"n": "=n + 1"}).to("end"), variables={"n": 0})  # fmt: skip
    assert 1 < root.descendants.count() < 9
    for _ in range(10):
        calls.deliver_due()
    assert root.descendants.count() == 9
    assert state(root) == "COMPLETED"


# -- the end of a caller -----------------------------------------------------------------------------------------------


def test_cancelling_the_caller_cancels_the_called() -> None:
    deployed(child())
    deployed(Drawing("middle").start().call("inner", "child").end())
    outer = started(Drawing("outer").start().call("call", "middle").end())
    instances.cancel(outer.pk, reason="enough")
    assert [state(each) for each in ProcessInstance.objects.all()] == ["TERMINATED"] * 3
    assert not Job.objects.exists()
    assert not Delivery.objects.exists()


def test_a_boundary_timer_cancels_the_called() -> None:
    deployed(child())
    parent = started(caller().on_timer("call", "late", "PT1H").end("gave-up"))
    Timer.objects.update(due_at=timezone.now())
    assert timers.fire_due() == 1
    assert (state(parent), state(only_child(parent))) == ("COMPLETED", "TERMINATED")


def test_a_boundary_message_cancels_the_called() -> None:
    deployed(child())
    parent = started(caller().on_message("call", "stop", "stop").end("stopped"))
    messages.publish("stop")
    assert (state(parent), state(only_child(parent))) == ("COMPLETED", "TERMINATED")


def test_a_called_instance_that_is_cancelled_by_hand_is_an_incident_of_its_caller() -> None:
    deployed(child())
    parent = started(caller())
    instances.cancel(only_child(parent).pk, reason="by mistake")
    assert "by mistake" in incident(parent).message
    incidents.resolve(incident(parent).pk)
    do()
    assert state(parent) == "COMPLETED"


def test_a_suspended_caller_takes_what_comes_back() -> None:
    deployed(child())
    parent = started(caller())
    instances.suspend(parent.pk)
    instances.resume(only_child(parent).pk)
    do(variables={"b": 2})
    assert state(parent) == "COMPLETED"


# -- crashes between two transactions ----------------------------------------------------------------------------------


@pytest.fixture
def undelivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if whoever commits died at once."""
    monkeypatch.setattr("processes.runtime.transaction._carriers", [])


@pytest.mark.usefixtures("undelivered")
def test_a_call_that_was_ended_before_it_began_begins_nothing() -> None:
    deployed(child())
    parent = started(caller())
    instances.cancel(parent.pk)
    assert [each.kind for each in Delivery.objects.all()] == ["START", "CANCEL"]
    cancel = Delivery.objects.get(kind="CANCEL")
    assert calls._perform(cancel.pk)  # whichever comes first
    assert not Delivery.objects.exists()
    assert not parent.children.exists()


@pytest.mark.usefixtures("undelivered")
def test_a_call_is_started_once_by_however_many() -> None:
    deployed(child())
    parent = started(caller())
    together(*[calls.deliver_due] * 4)
    assert parent.children.count() == 1
    do()
    together(*[calls.deliver_due] * 4)
    assert state(parent) == "COMPLETED"
    assert parent.history.filter(command="CompleteCall").count() == 1


@pytest.mark.usefixtures("undelivered")
def test_a_call_that_is_started_and_cancelled_at_once_leaves_nothing_alive() -> None:
    deployed(child())
    definition = deployed(caller())
    for _ in range(5):
        parent = instances.start(definition).instance
        instances.cancel(parent.pk)
        start, cancel = Delivery.objects.order_by("id")
        assert not [error for error in together(partial(calls._perform, start.pk), partial(calls._perform, cancel.pk))
                    if isinstance(error, BaseException)]  # fmt: skip
        calls.deliver_due()
        assert not Delivery.objects.exists()
        assert not ProcessInstance.objects.filter(ended_at__isnull=True).exists()


def test_a_caller_that_is_cancelled_while_the_called_completes_ends_either_way() -> None:
    deployed(child())
    definition = deployed(caller())
    for _ in range(5):
        parent = instances.start(definition).instance
        (claimed,) = jobs.claim(["a"], worker="w")
        done, cancelled = together(
            partial(jobs.complete, claimed.id, claimed.attempt, by="w"), partial(instances.cancel, parent.pk)
        )
        assert all(outcome is None or isinstance(outcome, Rejected) for outcome in (done, cancelled))
        calls.deliver_due()
        assert state(parent) in ("COMPLETED", "TERMINATED")
        assert not ProcessInstance.objects.filter(ended_at__isnull=True).exists()
        assert not Delivery.objects.exists()


@pytest.mark.usefixtures("undelivered")
def test_retention_keeps_who_is_owed_something() -> None:
    deployed(child())
    parent = started(caller())
    calls.deliver_due()
    instances.cancel(parent.pk)
    ProcessInstance.objects.filter(pk=parent.pk).update(ended_at=timezone.now() - timedelta(days=9))
    assert not retention.ended(timedelta(days=1)).exists()
    calls.deliver_due()  # the called one is cancelled, and says so
    calls.deliver_due()
    assert retention.ended(timedelta(days=1)).get() == parent
    assert list(retention.purge(timedelta(days=1))) == [1]
    called = ProcessInstance.objects.get()
    assert (called.parent, called.root) == (None, None)


DIES = """
import os, signal
from datetime import timedelta
import django
django.setup()
from processes.runtime import Rejected, calls, definitions, instances, jobs, transaction
transaction._carriers[:] = [lambda deliveries: os.kill(os.getpid(), signal.SIGKILL)]
"""


def killed_at_its_commit(work: str) -> None:
    """Another process does this, and is killed between its commit and what would follow."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DIES + work],
        cwd=Path(__file__).resolve().parents[2],
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "SECRET_KEY": "for-tests-only-" + "0" * 40,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr[-3000:]


def test_what_a_killed_process_leaves_is_delivered_by_another() -> None:
    deployed(child())
    definition = deployed(caller())
    killed_at_its_commit("instances.start(definitions.find('parent'), variables={'a': 1})")
    parent = ProcessInstance.objects.get(definition=definition)
    assert not parent.children.exists()  # between the two transactions
    assert calls.deliver_due() == 1
    called = only_child(parent)
    job = Job.objects.get(instance=called)
    claim = "jobs.claim(['a'], worker='w', lease=timedelta(minutes=1))"
    killed_at_its_commit(f"{claim}; jobs.complete({job.pk}, 1, {{'b': 2}}, by='w')")
    assert (state(called), state(parent)) == ("COMPLETED", "ACTIVE")
    assert calls.deliver_due() == 1
    assert state(parent) == "COMPLETED"
    assert parent.variables == {"a": 1, "b": 2}


# -- cost --------------------------------------------------------------------------------------------------------------


def test_what_a_call_costs(statements: Statements) -> None:
    deployed(Drawing("child").start().script("set", "=1", "b").end())
    definition = deployed(caller())
    instances.start(definition)  # everything is parsed now
    before, commits = len(statements), statements.commits
    parent = instances.start(definition).instance
    # Three transactions: the caller calls, the called runs, the caller goes on. See their statements if this grows.
    assert statements.commits - commits == 3
    assert len(statements) - before <= 24, "\n".join(statements.texts[before:])
    assert state(parent) == "COMPLETED"
