"""`process_definitions` and `deploy_process --check`: what operators and pipelines ask of versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import instances
from tests.commands.conftest import Ran, deploy
from tests.drawing import Drawing

Run = Callable[..., Ran]


def test_suspended_and_resumed_with_what_runs(run: Run, order: ProcessDefinition) -> None:
    deploy(Drawing("order").start().service("bill").end())
    running = instances.start(order).instance
    ran = run("process_definitions", "suspend", "order", "--all-versions", "--with-instances", "--reason", "audit")
    assert (ran.code, ran.out) == (0, "order v1 suspended\norder v2 suspended\n1 instances suspended\n")
    assert ProcessInstance.objects.get().state == "SUSPENDED"
    assert "order v2 suspended by command" in run("process_definitions", "list").out
    refused = run("start_process", "order")
    assert (refused.code, "definition-suspended" in refused.err) == (1, True)
    assert run("process_definitions", "suspend", "order", "--version", "1", "--json").json["error"]["code"] == (
        "definition-suspended"
    )
    assert run("process_definitions", "resume", "order", "--version", "1", "--with-instances", "--json").json[
        "instances"
    ] == [running.pk]
    assert run("process_definitions", "list", "order").out.splitlines()[1] == "order v1 active"


def test_deleted_where_nothing_ran(run: Run, order: ProcessDefinition) -> None:
    deploy(Drawing("order").start().service("bill").end())
    ran = run("process_definitions", "delete", "order")
    assert ran.out == "order v2 deleted\norder v1 is the latest again\n"
    instances.start(order)
    refused = run("process_definitions", "delete", "order")
    assert refused.code == 1
    assert "1 running and 0 ended" in refused.err
    assert run("process_definitions", "delete", "order", "--version", "7").code == 1


def test_a_check_of_files_changes_nothing(run: Run, order: ProcessDefinition, tmp_path: Path) -> None:
    good, broken = tmp_path / "good.bpmn", tmp_path / "broken.bpmn"
    good.write_bytes(Drawing("order").start().service("bill").end().xml())
    broken.write_bytes(Drawing("broken").start().timer("wait", "in an hour").end().xml())
    assert run("deploy_process", "--check", good).out == f"{good}: order v2 would be deployed\n"
    refused = run("deploy_process", "--check", good, broken)
    assert refused.code == 1
    assert f"{broken}:" in refused.err
    assert "[bad-timer]" in refused.err
    told = run("deploy_process", "--check", "--json", good).json
    assert told["expected"] == [{"file": str(good), "process_id": "order", "version": 2, "created": True}]
    assert ProcessDefinition.objects.count() == 1
