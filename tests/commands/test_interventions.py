"""`modify_process`, `restart_process`, `migrate_processes`, `intervene`."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from processes.models import Batch, Incident, Job, ProcessInstance, Step
from processes.runtime import batches, instances
from tests.commands.conftest import Ran, deploy
from tests.drawing import Drawing

Run = Callable[..., Ran]


def order(*, first: str = "charge", type: str = "charge") -> Drawing:
    return Drawing("order").start("s").service(first, type=type).service("ship", type="ship").end("e")


@pytest.fixture
def three(db: None) -> list[int]:
    definition = deploy(order())
    return [instances.start(definition, variables={"n": n}, business_key=f"o-{n}").instance.pk for n in (1, 2, 3)]


def types() -> list[str]:
    return list(Job.objects.order_by("instance_id").values_list("type", flat=True))


def test_modify_by_id(run: Run, three: list[int]) -> None:
    asked = ["modify_process", three[0], "--cancel", "charge", "--start", "ship"]
    assert run(*asked, "--dry-run").out == "1 of 1 instances could be modified.\n"
    assert types() == ["charge", "charge", "charge"]
    ran = run(*asked, "--variables", '{"paid": true}', "--reason", "by hand")
    assert (ran.code, ran.out) == (0, "1 of 1 instances were modified.\n")
    assert types() == ["ship", "charge", "charge"]
    step = Step.objects.get(command="ModifyInstance")
    assert step.by.startswith("command")
    assert step.facts[0]["reason"] == "by hand"
    assert ProcessInstance.objects.get(pk=three[0]).variables == {"n": 1, "paid": True}


def test_modify_many_and_again(run: Run, three: list[int]) -> None:
    asked = ["modify_process", "--process", "order", "--standing-at", "charge", "--cancel", "charge"]
    asked += ["--start", "ship", "--json"]
    begun = time.monotonic()
    assert run(*asked, "--limit", "2", "--rate", "10").json["modified"] == three[:2]
    assert time.monotonic() - begun >= 0.1
    assert run(*asked).json == {"found": 1, "modified": three[2:], "rejected": {}, "dry_run": False}
    assert run(*asked).json["found"] == 0


def test_modify_what_cannot_be(run: Run, three: list[int]) -> None:
    ran = run("modify_process", three[0], 777, "--start", "nowhere")
    assert ran.code == 1
    assert f"instance {three[0]}: Expected an element 'nowhere'" in ran.err
    assert "instance 777: Expected instance 777 to exist" in ran.err
    for wrong in (
        [],
        [three[0], "--process", "order"],
        [three[0], "--start", "ship@x"],
        [three[0], "--cancel", "#x"],
        [three[0], "--cancel", "charge", "--variables", "{}", "--rate", "0"],
        [three[0], "--cancel", "charge", "--variables", '{"a": 1}'],
    ):
        assert run("modify_process", *wrong).code in (1, 2)
    assert types() == ["charge", "charge", "charge"]


def test_modify_a_visit_by_its_key(run: Run, three: list[int]) -> None:
    key = Job.objects.get(instance_id=three[0]).node
    assert run("modify_process", three[0], "--cancel", f"#{key}").code == 0
    assert ProcessInstance.objects.get(pk=three[0]).state == "TERMINATED"


def test_restart(run: Run, three: list[int]) -> None:
    instances.cancel(three[0])
    assert "terminated" in run("restart_process", three[0], "--dry-run").out
    deploy(order(type="charge-2"))
    ran = run("restart_process", three[0], three[1], "--before", "ship", "--json")
    assert (ran.code, list(ran.json["rejected"])) == (1, [str(three[1])])
    new = ProcessInstance.objects.get(pk=ran.json["restarted"][str(three[0])])
    assert (new.restarted_from_id, new.business_key, new.variables) == (three[0], "o-1", {"n": 1})
    ran = run("restart_process", three[0], "--latest", "--business-key", "other", "--initial-variables")
    last = ProcessInstance.objects.order_by("-id")[0]
    assert ran.out == f"Instance {three[0]} was restarted as {last.pk}.\n"
    assert (last.definition.version, last.business_key, Job.objects.get(instance=last).type) == (2, "other", "charge-2")


def test_migrate(run: Run, three: list[int]) -> None:
    deploy(order(first="bill", type="bill"))
    asked = ["migrate_processes", "order", "--from", "1"]
    ran = run(*asked, "--dry-run")
    assert ran.code == 1
    assert "Not mapped: charge\n" in ran.out
    assert f"instance {three[0]}: Expected 'charge' to be mapped, for the instance stands there" in ran.err
    asked += ["--map", "charge=bill"]
    assert "3 of 3 instances would be migrated to order v2.\n" in run(*asked, "--dry-run").out
    assert types() == ["charge", "charge", "charge"]
    ran = run(*asked, "--ids", three[1], "--json", "--reason", "newer")
    assert (ran.json["migrated"], ran.json["effects"]["jobs_changed"]) == ([three[1]], 1)
    assert types() == ["charge", "bill", "charge"]
    assert "2 of 2 instances were migrated to order v2." in run(*asked, "--rate", "50").out
    assert run(*asked, "--json").json["found"] == 0
    assert types() == ["bill", "bill", "bill"]
    assert Step.objects.filter(command="MigrateInstance")[0].by.startswith("command")


def test_migrate_by_a_plan_that_is_wrong(run: Run, three: list[int]) -> None:
    deploy(order(first="bill"))
    ran = run("migrate_processes", "order", "--from", "1", "--map", "charge=s", "--json")
    assert ran.code == 1
    assert "of the same kind as 'charge'" in ran.json["problems"]["charge"]
    assert run("migrate_processes", "order", "--from", "1", "--map", "charge").code in (1, 2)
    assert run("migrate_processes", "order", "--from", "9", "--json").json["error"]["code"] == "definition-not-found"
    assert types() == ["charge", "charge", "charge"]


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_left_to_the_sweepers(run: Run, three: list[int]) -> None:
    asked = ["--cancel", "charge", "--start", "ship", "--batch"]
    ran = run("modify_process", *three, 777, *asked, "--rate", "1000", "--json")
    batch = ran.json["batch"]
    assert ran.json["pending"] == 4
    assert types() == ["charge", "charge", "charge"]
    assert run("batches", "pause", batch).out == f"batch {batch} modify paused: 0 done, 0 rejected, 4 pending\n"
    assert run("sweep", "--once").code == 0
    assert types() == ["charge", "charge", "charge"]
    assert run("batches", "resume", batch).code == 0
    while batches.running(process_id="order", element_id="charge"):
        batches.carry_on()
    while batches.carry_on() or run("batches", "show", "--json").json["batches"]:
        pass
    ran = run("batches", "show", batch, "--json")
    assert ran.json["batches"] == [
        {
            "id": batch, "kind": "MODIFY", "state": "COMPLETED", "note": "", "reason": "", "pending": 0, "done": 3,
            "rejected": 1, "retried": 0, "recovered": 0, "failed_again": 0,
            "messages": {"777": "Expected instance 777 to exist but it does not"},
        }
    ]  # fmt: skip
    assert types() == ["ship", "ship", "ship"]
    ran = run("batches", "cancel", batch, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "batch-ended")
    assert run("batches", "show", 777, "--json").json["error"]["code"] == "batch-not-found"
    assert run("batches", "pause").code == 2


def test_migrations_left_to_the_sweepers(run: Run, three: list[int]) -> None:
    deploy(order(type="newer"))
    ran = run("migrate_processes", "order", "--from", "1", "--batch", "--limit", "2")
    assert ran.out.endswith("was created, for 2 instances.\n")
    while Batch.objects.filter(state="ACTIVE").exists():  # a pass on a slow machine may stop before its end
        batches.carry_on()
    assert types() == ["newer", "newer", "charge"]


# -- intervene ---------------------------------------------------------------------------------------------------------


def last_step(pk: int) -> tuple[str, str]:
    step = Step.objects.filter(instance=pk).latest("number")
    assert step.by.startswith("command")
    return step.command, step.reason


def test_act_in_the_place_of_workers_and_clocks(run: Run) -> None:
    drawing = Drawing("waits").start().service("charge", type="charge").service("ship", type="ship").timer("nap", "P1D")
    drawing = drawing.message("paid", "paid", "=1").catch("off", ("signal", "off")).end()
    instance = instances.start(deploy(drawing)).instance
    pk = instance.pk
    job = Job.objects.get().key
    asked = ["intervene", "complete-job", pk, job, "--variables", '{"n": 1.50}', "--reason", "by phone", "--json"]
    assert run(*asked).json == {"verb": "complete-job", "instance": pk, "part": job, "done": True}
    assert last_step(pk) == ("CompleteJob", "by phone")
    assert (run(*asked).code, run(*asked).json["error"]["code"]) == (1, "job-not-found")
    assert "error-not-caught" in run("intervene", "throw-error", pk, Job.objects.get().key, "NO").err
    assert run("intervene", "set-variables", pk, "--variables", '{"m": 2}').code == 0
    assert run("intervene", "skip", pk, Job.objects.get().node).out.endswith("done.\n")
    assert run("intervene", "suspend", pk, "--reason", "wait").code == 0
    assert "instance-suspended" in run("intervene", "fire-timer", pk, instance.timers.get().key).err
    assert run("intervene", "resume", pk).code == 0
    assert run("intervene", "fire-timer", pk, instance.timers.get().key).code == 0
    assert run("intervene", "send-message", pk, instance.subscriptions.get().key, "--variables", '{"k": 3}').code == 0
    assert run("intervene", "send-signal", pk, instance.signal_subscriptions.get().key, "--reason", "over").code == 0
    instance.refresh_from_db()
    assert (instance.state, instance.variables) == ("COMPLETED", {"n": Decimal("1.50"), "m": 2, "k": 3})
    assert last_step(pk) == ("ReceiveSignal", "over")
    assert "instance-ended" in run("intervene", "cancel", pk).err


def test_retry_with_other_variables(run: Run) -> None:
    instance = instances.start(deploy(Drawing("odd").start().service("a", type="=kind").end())).instance
    incident = Incident.objects.get().pk
    ran = run("intervene", "retry", incident, "--variables", '{"kind": "t"}', "--reason", "forgotten")
    assert (ran.code, ran.out) == (0, f"retry {incident}: done.\n")
    assert last_step(instance.pk) == ("ResolveIncident", "forgotten")
    assert types() == ["t"]


@pytest.mark.parametrize("wrong", [[], ["intervene"], ["skip", 1], ["throw-error", 1, 2], ["skip", 1, "x"], ["cancel"]])
def test_what_cannot_be_understood(run: Run, wrong: list[object]) -> None:
    assert run("intervene", *wrong).code in (1, 2)
