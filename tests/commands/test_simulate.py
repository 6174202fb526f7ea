"""`simulate`: a model is played without a database, and exit codes say how it went."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from processes.engine.diagram import draw
from tests.drawing import Drawing

Run = Callable[..., Any]

SCENARIO = """
variables: {amount: 1.10}
services:
  charge-card:
    - fail: down
      after: PT2S
    - answer: {total: "=amount * 2"}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "order.bpmn"
    drawing = Drawing("order").start().service("charge", type="charge-card", headers={"retryBackoff": "PT1S"}).end()
    path.write_bytes(drawing.on_error("charge", "declined", "DECLINED").end("refused").xml())
    return path


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_run_is_told_line_by_line(run: Run, model: Path, scenario: Path) -> None:
    ran = run("simulate", model, "--services", scenario)
    assert ran.code == 0
    assert [line["event"] for line in ran.lines[:2]] == ["InstanceStarted", "NodeEntered"]
    assert ran.json["state"] == "COMPLETED"
    assert '"total": 2.20' in ran.out.splitlines()[-1], "exact decimals"


@pytest.mark.parametrize(
    ("then", "code", "told"),
    [
        ("{path: [start, charge, end], variables: {amount: 1.10, total: 2.2}}", 0, ""),
        (
            "{path: [start, charge, declined, refused]}",
            1,
            "Expected the path ['start', 'charge', 'declined', 'refused']",
        ),
        ("{state: ACTIVE}", 1, "Expected the state ACTIVE but found COMPLETED"),
        ("{path: [strat]}", 2, "then.path[0]: Expected one of charge, declined, end, refused, start"),
    ],
)
def test_a_scenario_says_what_is_to_come(
    run: Run, model: Path, scenario: Path, then: str, code: int, told: str
) -> None:
    scenario.write_text(f"{SCENARIO}then: {then}\n")
    ran = run("simulate", model, "--services", scenario)
    assert ran.code == code
    assert told in ran.err


def test_a_run_that_is_to_be_left_unfinished_is_as_it_should_be(run: Run, model: Path, scenario: Path) -> None:
    scenario.write_text("then: {state: ACTIVE, waiting: [{element: charge, for: Job}]}")
    assert run("simulate", model, "--services", scenario).code == 0


def test_what_does_not_complete_ends_with_1(run: Run, model: Path, scenario: Path) -> None:
    scenario.write_text("services: {charge: {fail: {message: no, retryable: false}}}")
    ran = run("simulate", model, "--services", scenario)
    assert (ran.code, ran.json["incidents"][0]["message"]) == (1, "no")
    waiting = run("simulate", model)
    assert (waiting.code, waiting.json["waiting"][0]["for"]) == (1, "Job")


def test_a_recorded_run_is_repeated_or_the_difference_is_shown(run: Run, model: Path, scenario: Path) -> None:
    recording = scenario.with_name("recording.jsonl")
    recording.write_text(run("simulate", model, "--services", scenario).out)
    same = run("simulate", model, "--services", scenario, "--expect", recording)
    assert (same.code, same.err) == (0, "")
    other = run("simulate", model, "--services", scenario, "--expect", recording, "--variables", '{"amount": 2}')
    assert other.code == 1
    assert '+{"at": "2030-01-01T12:00:03+00:00", "event": "VariablesSet", "variables": {"total": 4}}' in other.err
    assert "Expected the run recorded in" in other.err


def test_a_recorded_incident_is_no_failure(run: Run, model: Path, tmp_path: Path) -> None:
    recording = tmp_path / "waiting.jsonl"
    recording.write_text(run("simulate", model).out)
    assert run("simulate", model, "--expect", recording).code == 0


def test_coverage_of_several_runs_is_counted_and_drawn(run: Run, model: Path, scenario: Path, tmp_path: Path) -> None:
    runs = "\nruns:\n  - name: paid\n"
    scenario.write_text(SCENARIO + runs)
    drawn = tmp_path / "coverage.svg"
    part = run("simulate", model, "--services", scenario, "--coverage", "--coverage-svg", drawn)
    assert part.json["nodes"] == {"all": 5, "covered": 3, "missing": ["declined", "refused"]}
    assert drawn.read_text().count("is-visited") == 3
    assert draw(model.read_bytes()).count("is-visited") == 0
    scenario.write_text(SCENARIO + runs + "  - {name: refused, services: {charge: {error: DECLINED}}}\n")
    whole = run("simulate", model, "--services", scenario, "--coverage", "--coverage-svg", drawn)
    assert whole.code == 0
    assert whole.json["nodes"]["missing"] == whole.json["flows"]["missing"] == []
    assert drawn.read_text().count("is-taken") == 3
    assert {line["run"] for line in whole.lines[:-1]} == {"paid", "refused"}


def test_messages_may_be_in_a_file_of_their_own(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "wait.bpmn"
    model.write_bytes(Drawing("wait").start().message("paid", "paid", '="1"').end().xml())
    messages = tmp_path / "messages.json"
    messages.write_text('{"messages": [{"name": "paid", "key": "1", "at": "PT1M", "variables": {"a": 0.10}}]}')
    ran = run("simulate", model, "--messages", messages)
    assert ran.code == 0
    assert '"a": 0.10' in ran.out.splitlines()[-1]


def test_called_processes_may_be_in_further_files(run: Run, model: Path, scenario: Path, tmp_path: Path) -> None:
    caller = tmp_path / "shop.bpmn"
    caller.write_bytes(Drawing("shop").start().call("pay", "order").end("done").xml())
    ran = run("simulate", caller, model, "--services", scenario, "--coverage")
    assert ran.code == 0
    assert [line["process"] for line in ran.lines if line["event"] == "Ended"] == ["order", "shop"]
    assert [line["process"] for line in ran.lines if line["event"] == "Coverage"] == ["shop", "order"]
    assert run("simulate", caller).json["incidents"][0]["kind"] == "CALLED_ELEMENT"
    twice = run("simulate", model, model)
    assert (twice.code, "Expected every process in one model but found 'order' in two" in twice.err) == (2, True)


def test_json_says_nothing_twice(run: Run, model: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text('{"variables": {"a": 1, "a": 2}}')
    ran = run("simulate", model, "--services", scenario)
    assert (ran.code, "to be JSON but: 'a' is there twice" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [", "to be YAML but"),
        ("services: {charge: {answer: {}}, charge: {answer: {}}}", "'charge' is there twice"),
        ("1: 1", "expected a text before the colon but found 1"),
        ("variables: {a: .nan}", ".nan is not a JSON number"),
        ("variables: &a {b: *a}", "nesting deeper than"),
        ("variables: !!python/object:os.system {}", "could not determine a constructor"),
        ("services: {chrage: {answer: {}}}", "found 'chrage'"),
        ("", "Expected"),
    ],
)
def test_bad_input_ends_with_2(run: Run, model: Path, scenario: Path, text: str, message: str) -> None:
    scenario.write_text(text or "[]")
    ran = run("simulate", model, "--services", scenario)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_model_that_cannot_be_executed_ends_with_2(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "bad.bpmn"
    model.write_bytes(Drawing("bad").start().node("choreographyTask", "x").end().xml())
    ran = run("simulate", model)
    assert (ran.code, ran.out) == (2, "")
    assert f"{model}:" in ran.err
    assert "choreographyTask" in ran.err
    assert run("simulate", tmp_path / "nothing.bpmn").code == 2


def test_no_database_is_touched(model: Path, scenario: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "AMQP_URL": ""}
    command = [sys.executable, "manage.py", "simulate", str(model), "--services", str(scenario), "--seed", "1"]
    ran = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout.splitlines()[-1])["state"] == "COMPLETED"
