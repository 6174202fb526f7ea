"""Decisions from the command line: deployed beside processes, evaluated, used by a simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processes.models import DecisionDefinition, ProcessDefinition
from tests.decisions import decisions, literal, table
from tests.drawing import Drawing

Run = Callable[..., Any]
CALL = (
    '<bpmn:extensionElements><zeebe:calledDecision decisionId="dish" resultVariable="dinner" />'
    "</bpmn:extensionElements>"
)


@pytest.fixture
def dish(tmp_path: Path) -> Path:
    path = tmp_path / "dish.dmn"
    rules = [("<= 4", '"Stew"'), ("> 3", '"Roast"')]
    base = literal("guests", "adults + 0.50")
    path.write_bytes(decisions(base, table("dish", inputs=["guests"], outputs=["o"], rules=rules, requires=["guests"])))
    return path


@pytest.fixture
def dinner(tmp_path: Path) -> Path:
    path = tmp_path / "dinner.bpmn"
    path.write_bytes(Drawing("dinner").start().node("businessRuleTask", "choose", CALL).end().xml())
    return path


def test_processes_and_decisions_are_deployed_together_or_not_at_all(run: Run, dish: Path, dinner: Path) -> None:
    ran = run("deploy_process", dinner, dish)
    assert ran.out.splitlines() == [
        f"{dinner}: dinner v1 deployed", f"{dish}: guests v1 deployed", f"{dish}: dish v1 deployed",
    ]  # fmt: skip
    assert run("deploy_process", dish, "--json").json["deployed"][1] == {
        "file": str(dish), "decision_id": "dish", "version": 1,
        "id": DecisionDefinition.objects.get(decision_id="dish").pk, "created": False,
    }  # fmt: skip
    dish.write_bytes(decisions(literal("d", "1 +")))
    dinner.write_bytes(Drawing("other").start().end().xml())
    broken = run("deploy_process", dinner, dish)
    assert broken.code == 1
    assert f"{dish}:3: error: d: Expected the expression to be FEEL" in broken.err
    assert not ProcessDefinition.objects.filter(process_id="other").exists()


def test_evaluating_tells_how_it_came_about(run: Run, dish: Path) -> None:
    run("deploy_process", dish)
    ran = run("evaluate_decision", "dish", "--variables", '{"adults": 1}')
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == ["guests: -> 1.50", 'dish: guests = 1.50 (rules 1) -> "Stew"']
    told = run("evaluate_decision", "dish", "--variables", '{"adults": 1}', "--json").json
    assert (told["result"], told["version"], len(told["decisions"])) == ("Stew", 1, 2)


def test_what_has_no_answer_ends_with_1(run: Run, dish: Path) -> None:
    missing = run("evaluate_decision", "dish")
    assert (missing.code, "[decision-not-found]" in missing.err) == (1, True)
    run("deploy_process", dish)
    failed = run("evaluate_decision", "dish", "--variables", '{"adults": 3.5}', "--json")
    assert (failed.code, failed.json["error"]["code"]) == (1, "decision-failed")
    assert run("evaluate_decision", "dish", "--version", "2").code == 1


def test_a_simulation_takes_decisions_from_files(run: Run, dish: Path, dinner: Path) -> None:
    ran = run("simulate", dinner, "--decisions", dish, "--variables", '{"adults": 1}')
    assert ran.code == 0
    assert ran.json["variables"] == {"adults": 1, "dinner": "Stew"}
    (evaluated,) = (line for line in ran.lines if line["event"] == "DecisionEvaluated")
    assert (evaluated["element"], evaluated["decisions"][1]["rules"][0]["index"]) == ("choose", 1)
    without = run("simulate", dinner, "--variables", '{"adults": 1}')
    assert (without.code, without.json["incidents"][0]["kind"]) == (1, "DECISION")
    dish.write_bytes(b"<nonsense />")
    assert run("simulate", dinner, "--decisions", dish).code == 2
    assert not DecisionDefinition.objects.exists()
