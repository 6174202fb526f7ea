"""`deploy_process`: all files or none, and every problem with its place."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from processes.models import ProcessDefinition
from tests.commands.conftest import Ran
from tests.drawing import Drawing

Run = Callable[..., Ran]

BROKEN = b"""<?xml version="1.0"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="D" targetNamespace="x">
  <bpmn:process id="broken" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="gone" sourceRef="start" targetRef="nowhere" />
    <bpmn:exclusiveGateway id="gate" default="missing" />
  </bpmn:process>
</bpmn:definitions>
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "order.bpmn"
    file.write_bytes(Drawing("order").start().service("charge").end().xml())
    return file


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "broken.bpmn"
    file.write_bytes(BROKEN)
    return file


def test_deploy_tells_the_version_and_the_warnings(run: Run, good: Path) -> None:
    ran = run("deploy_process", good)
    assert ran.code == 0
    assert ran.out == f"{good}: order v1 deployed\n"
    assert f"{good}:" in ran.err
    assert "warning: charge: " in ran.err
    definition = ProcessDefinition.objects.get()
    assert definition.resource == "order.bpmn"
    assert definition.deployed_by.startswith("command")
    assert run("deploy_process", good).out == f"{good}: order v1 unchanged\n"
    assert ProcessDefinition.objects.count() == 1


def test_every_problem_is_told_with_file_line_and_element(run: Run, broken: Path) -> None:
    ran = run("deploy_process", broken)
    assert ran.code == 1
    assert f"{broken}:5: error: gone: " in ran.err
    assert f"{broken}:6: error: gate: " in ran.err
    assert "Nothing was deployed: 1 of 1 files cannot be executed." in ran.err
    assert ran.out == ""


def test_one_broken_file_stops_all(run: Run, good: Path, broken: Path) -> None:
    ran = run("deploy_process", good, broken, "--json")
    assert ran.code == 1
    assert ran.json["deployed"] == []
    assert [(finding["line"], finding["element"]) for finding in ran.json["problems"]][:2] == [(5, "gone"), (6, "gate")]
    assert not ProcessDefinition.objects.exists()


def test_json_of_a_deployment(run: Run, good: Path) -> None:
    document = run("deploy_process", good, "--json").json
    assert document["deployed"] == [
        {
            "file": str(good),
            "process_id": "order",
            "version": 1,
            "id": ProcessDefinition.objects.get().pk,
            "created": True,
        }
    ]
    assert {finding["severity"] for finding in document["problems"]} == {"warning"}


def test_the_standard_input(run: Run, good: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(good.read_bytes())))
    assert run("deploy_process", "-").code == 0
    assert ProcessDefinition.objects.get().resource == "stdin.bpmn"


def test_a_file_that_is_not_there_and_none_at_all(run: Run, tmp_path: Path) -> None:
    ran = run("deploy_process", tmp_path / "gone.bpmn")
    assert ran.code == 1
    assert "No such file" in ran.err
    assert run("deploy_process").code != 0
