"""`publish_message`, `broadcast_signal`, `resolve_incidents`, `sweep`, `purge_instances`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Batch, Incident, Job, Message, ProcessDefinition, ProcessInstance, Step
from processes.runtime import batches as verbs
from processes.runtime import instances, jobs
from tests.commands.conftest import Ran, deploy
from tests.drawing import Drawing

Run = Callable[..., Ran]


# -- publish_message ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_publish_reaches_who_waits(run: Run) -> None:
    definition = deploy(Drawing("waiting").start().message("picked", "picked", "=orderId").end())
    instance = instances.start(definition, variables={"orderId": "O-1"}).instance
    arguments = ["picked", "--correlation-key", "O-1", "--variables", '{"by": "DHL"}', "--id", "m-1"]
    ran = run("publish_message", *arguments, "--json")
    assert (ran.code, ran.json["created"], ran.json["correlated"]) == (0, True, [instance.pk])
    instance.refresh_from_db()
    assert (instance.state, instance.variables["by"]) == ("COMPLETED", "DHL")
    assert Message.objects.get().published_by.startswith("command")
    assert "was published before" in run("publish_message", *arguments).out


def test_publish_for_a_while(run: Run) -> None:
    assert "reached nobody so far" in run("publish_message", "later", "--ttl", "90").out
    message = Message.objects.get()
    assert message.expires_at - message.published_at == timedelta(seconds=90)
    assert run("publish_message", "", "--json").json["error"]["code"] == "value-invalid"


# -- broadcast_signal --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_broadcast_reaches_who_waits(run: Run) -> None:
    definition = deploy(Drawing("waiting").start().catch("hear", ("signal", "stop")).end())
    instance = instances.start(definition).instance
    ran = run("broadcast_signal", "stop", "--variables", '{"by": "Bob"}', "--json")
    assert (ran.code, ran.json) == (0, {"name": "stop", "awaited_by": 1})
    instance.refresh_from_db()
    assert (instance.state, instance.variables["by"]) == ("COMPLETED", "Bob")
    assert "0 waits get it" in run("broadcast_signal", "stop").out
    assert run("broadcast_signal", "", "--json").json["error"]["code"] == "value-invalid"


# -- evaluate_conditions -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_true_condition_begins_an_instance(run: Run) -> None:
    deploy(Drawing("hall").start_on("hot", ("conditional", "=heat > 30")).service("cool", type="c").end())
    deploy(Drawing("odd").start_on("warm", ("conditional", "=10 ** heat > 1")).end())
    ran = run("evaluate_conditions", "--variables", '{"heat": 9999}', "--business-key", "hall 3", "--json")
    instance = ProcessInstance.objects.get()
    assert (ran.code, ran.json["started"]) == (0, [{"id": instance.pk, "process_id": "hall", "start_element": "hot"}])
    assert [(one["process_id"], one["element"]) for one in ran.json["unknown"]] == [("odd", "warm")]
    assert (instance.business_key, instance.variables) == ("hall 3", {"heat": 9999})
    assert "of hall began at hot" in run("evaluate_conditions", "--variables", '{"heat": 31}', "--process", "hall").out
    assert "nothing began" in run("evaluate_conditions").out
    assert run("evaluate_conditions", "--process", "none", "--json").json["error"]["code"] == "definition-not-found"


# -- resolve_incidents -------------------------------------------------------------------------------------------------


@pytest.fixture
def incidents(order: ProcessDefinition) -> list[Incident]:
    """Two of one job type, one of another."""
    other = deploy(Drawing("invoice").start().service("post", type="sap-post").end())
    for definition in (order, order, other):
        instance = instances.start(definition).instance
        job = jobs.claim_one(Job.objects.get(instance=instance).pk, worker="worker-1")
        assert job is not None
        jobs.fail(job.id, job.attempt, "503\nthe service is down", retries=0, by="worker:worker-1")
    return list(Incident.objects.order_by("id"))


def opened() -> list[int]:
    return list(Incident.objects.filter(ended_at__isnull=True).order_by("id").values_list("id", flat=True))


def test_resolve_all(run: Run, incidents: list[Incident]) -> None:
    ran = run("resolve_incidents")
    assert (ran.code, ran.out) == (0, "3 of 3 incidents were resolved.\n")
    assert opened() == []
    incidents[0].refresh_from_db()
    assert incidents[0].resolved_by.startswith("command")
    assert Step.objects.filter(command="ResolveIncident").count() == 3
    assert run("resolve_incidents").out == "0 of 0 incidents were resolved.\n"


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--process", "order"], [2]),
        (["--job-type", "sap-post"], [0, 1]),
        (["--element", "post"], [0, 1]),
        (["--kind", "JOB_NO_RETRIES", "--limit", "2"], [2]),
        (["--kind", "CONDITION"], [0, 1, 2]),
        (["--ids", 0, 2], [1]),
        (["--instance", 1], [0, 2]),
    ],
)
def test_resolve_a_choice(run: Run, incidents: list[Incident], arguments: list[Any], left: list[int]) -> None:
    if arguments[0] == "--ids":
        arguments = ["--ids", *(incidents[number].pk for number in arguments[1:])]
    if arguments[0] == "--instance":
        arguments = ["--instance", incidents[arguments[1]].instance_id]
    assert run("resolve_incidents", *arguments).code == 0
    assert opened() == [incidents[number].pk for number in left]


def test_resolve_with_tries_of_ones_own(run: Run, incidents: list[Incident]) -> None:
    run("resolve_incidents", "--retries", 9)
    assert set(Job.objects.values_list("retries", flat=True)) == {9}
    assert opened() == []


def test_a_dry_run_lists_and_changes_nothing(run: Run, incidents: list[Incident]) -> None:
    ran = run("resolve_incidents", "--dry-run", "--process", "order")
    assert f"incident {incidents[0].pk} JOB_NO_RETRIES at charge of order {incidents[0].instance_id}: 503\n" in ran.out
    assert ran.out.endswith("2 incidents would be resolved.\n")
    assert len(run("resolve_incidents", "--dry-run", "--json").json["incidents"]) == 3
    assert len(opened()) == 3


@pytest.mark.parametrize("tries", [[], ["--retries", "2"]])
def test_what_was_rejected_is_told_and_the_rest_is_done(
    run: Run, incidents: list[Incident], monkeypatch: Any, tries: list[str]
) -> None:
    from processes.runtime import incidents as module

    resolve = module.resolve

    def picky(incident_id: int, **given: Any) -> None:
        if incident_id == incidents[1].pk:
            raise module.Rejected("instance-suspended", "Expected the instance to be active")
        resolve(incident_id, **given)

    monkeypatch.setattr(module, "resolve", picky)
    ran = run("resolve_incidents", "--json", *tries)
    assert ran.code == 1
    assert ran.json["resolved"] == [incidents[0].pk, incidents[2].pk]
    assert ran.json["rejected"] == {str(incidents[1].pk): "Expected the instance to be active"}
    assert opened() == [incidents[1].pk]


def test_a_batch_with_care(run: Run, incidents: list[Incident]) -> None:
    care = ["--rate", "20", "--canaries", "1", "--stop-at", "50%", "--reason", "the bank is back"]
    ran = run("resolve_incidents", "--process", "order", "--retries", "1", *care, "--variables", '{"x": 1.10}')
    batch = Batch.objects.get()
    assert ran.out == f"Batch {batch.pk} was created; what it is about is gathered now.\n"
    assert (batch.rate, batch.canaries, batch.stop_at, batch.reason) == (20, 1, 50, "the bank is back")
    assert batch.instructions["variables"] == {"x": Decimal("1.10")}
    assert batch.selection == {"process_id": "order"}
    assert len(opened()) == 3
    verbs.carry_on()
    Batch.objects.update(due_at=timezone.now())
    verbs.carry_on()
    assert run("batches", "show").out == (
        f"batch {batch.pk} retry active: 1 retried, 0 recovered, 0 failed again, 0 rejected, 1 pending\n"
    )
    ran = run("resolve_incidents", "--batch", "--ids", incidents[2].pk)
    assert ran.out == f"Batch {batch.pk + 1} was created, for 1 incidents.\n"


def test_a_preview_says_what_and_changes_nothing(run: Run, incidents: list[Incident]) -> None:
    ran = run("resolve_incidents", "--preview")
    like = incidents[0].fingerprint
    assert ran.out.startswith("3 incidents would be tried again, the oldest of ")
    assert f"2 x JOB_NO_RETRIES at charge of order [{like}]: 503\n" in ran.out
    assert f"incident {incidents[0].pk} would go on: IncidentResolved, NodeActivated, JobResumed\n" in ran.out
    told = run("resolve_incidents", "--preview", "--fingerprint", like, "--json").json
    assert (told["found"], [group["count"] for group in told["groups"]]) == (2, [2])
    assert len(opened()) == 3
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--batch", "--limit", 1], "a batch takes all that fit"),
        (["--ids", 1, "--process", "order"], "either --ids or filters"),
    ],
)
def test_what_cannot_be_meant(run: Run, arguments: list[Any], told: str) -> None:
    ran = run("resolve_incidents", *arguments)
    assert ran.code == 2
    assert told in ran.err


# -- sweep -------------------------------------------------------------------------------------------------------------


def test_one_pass(run: Run) -> None:
    definition = deploy(Drawing("timed").start().timer("wait", "PT0S").end())
    instance = instances.start(definition).instance
    ran = run("sweep", "--json")
    assert ran.code == 0
    assert ran.json["fired"] == 1
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert "0 fired" in run("sweep", "--once").out


# -- purge_instances ---------------------------------------------------------------------------------------------------


def test_purge_deletes_what_ended_long_ago(run: Run, order: ProcessDefinition, instant: ProcessDefinition) -> None:
    old = [instances.start(instant, variables={"amount": 1}).instance.pk for _ in range(5)]
    recent = instances.start(instant, variables={"amount": 1}).instance
    live = instances.start(order).instance
    ProcessInstance.objects.filter(pk__in=old).update(ended_at=timezone.now() - timedelta(days=40))
    assert run("purge_instances", "--older-than", "30d", "--dry-run").out == "5 instances would be deleted.\n"
    assert run("purge_instances", "--older-than", "30d", "--process", "order", "--json").json["deleted"] == 0
    ran = run("purge_instances", "--older-than", "30d", "--batch", 2, "--json")
    assert ran.json == {"found": 5, "deleted": 5, "batches": 0, "dry_run": False}
    assert {row.pk for row in ProcessInstance.objects.all()} == {recent.pk, live.pk}
    batch = verbs.restart([recent.pk])
    verbs.cancel(batch.pk)
    assert run("purge_instances", "--older-than", "0", "--process", "order").out == "0 instances were deleted.\n"
    assert run("purge_instances", "--older-than", "0").out == ("1 instances were deleted.\n1 batches were deleted.\n")
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("json", b"["), ("csv", b"step,"), ("otlp", b"{")]
)
def test_an_instance_is_exported(run, order, tmp_path, ending, start):
    instance = instances.start(order).instance
    file = tmp_path / f"order.{ending}"
    assert run("export_instance", instance.pk, file, "--json").json == {"file": str(file), "bytes": file.stat().st_size}
    assert file.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("number", "name", "code", "said"),
    [
        (None, "order.gif", 2, "Expected a file ending in .svg, .png, .json, .csv, .otlp but found order.gif"),
        (99, "order.svg", 1, "Expected an instance 99 but there is none [instance-not-found]"),
        (None, "there.svg", 1, "File exists"),
        (None, "no/folder.svg", 1, "No such file or directory"),
    ],
)
def test_an_export_that_cannot_be(run, order, tmp_path, number, name, code, said):
    (tmp_path / "there.svg").write_text("mine")
    ran = run("export_instance", number or instances.start(order).instance.pk, tmp_path / name)
    assert ran.code == code
    assert said in ran.err
    assert (tmp_path / "there.svg").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.svg"]
