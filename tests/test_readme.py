"""What README shows is true: its models deploy, its commands exist, and what it starts in production is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import get_commands

from processes.engine import outcome, standard
from processes.engine.commands import FailJob
from processes.engine.parser import parse
from processes.engine.retry import Policy
from processes.management.commands import elements
from tasks.jobs import registry
from tests.drawing import HEAD

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_first_model_deploys_as_it_is_printed() -> None:
    model = parse(_blocks("xml")[0].encode())
    assert model.processes[0].id == "payment"
    (warning,) = model.warnings
    assert f"payment.bpmn:{warning.line}: warning: {warning.element}: {warning.message} [{warning.rule}]" in README


def test_the_other_models_are_executed_too() -> None:
    for fragment in _blocks("xml")[1:]:
        (id,) = re.findall(r'<bpmn:serviceTask id="(\w+)"', fragment)
        around = (
            f'<bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="s"/>{fragment}'
            f'<bpmn:sequenceFlow id="f" sourceRef="s" targetRef="{id}"/></bpmn:process></bpmn:definitions>'
        )
        task = parse((HEAD + around).encode()).processes[0].nodes[id]
        assert Policy.read(task.headers)  # type: ignore[attr-defined]


def test_the_rule_for_retries_does_what_is_said_of_it() -> None:
    (rule,) = re.findall(r"`(=if [^`]*jobError[^`]*)`", README)

    def ruled(code: str, retries: int) -> object:
        tried = outcome.Try(1, 1, retries, {"errorExpression": rule})
        return outcome.decide(outcome.Raised("failed", code), tried, datetime.now(UTC))

    assert ruled("404", 3) == FailJob(1, 1, "not there yet", retries=2, retry_in=timedelta(seconds=10))
    assert ruled("404", 1) == FailJob(1, 1, "failed"), "the last try is the policy's"
    assert ruled("503", 3) == FailJob(1, 1, "closed", retries=0, retry_in=timedelta())
    assert ruled("500", 3) == FailJob(1, 1, "failed")


def test_the_simulation_gives_what_is_printed(tmp_path: Path) -> None:
    (tmp_path / "payment.bpmn").write_text(_blocks("xml")[0])
    (tmp_path / "payment.yaml").write_text(_blocks("yaml")[0])
    (printed,) = (block.splitlines() for block in _blocks("console") if "manage.py simulate" in block)
    command, argument = printed[0].removeprefix("$ python ").split(" | grep ")
    arguments = [sys.executable, str(ROOT / "manage.py"), *command.split()[1:]]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "orchestrator.settings", "AMQP_URL": ""}
    ran = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert [line for line in ran.stdout.splitlines() if argument in line] == printed[1:-1]
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (1, printed[-1])


def test_every_command_exists() -> None:
    named = set(re.findall(r"manage\.py (\w+)", README))
    assert named
    assert named <= get_commands().keys()


def test_every_command_of_ours_is_in_the_table() -> None:
    ours = {name for name, app in get_commands().items() if str(app).partition(".")[0] in ("processes", "orchestrator")}
    rows = [line for line in README.splitlines() if line.startswith("| `manage.py ")]
    assert {name for row in rows for name in re.findall(r"\w+", row.split("|")[1])} >= ours


def test_every_job_type_is_in_the_table_of_the_ways() -> None:
    table = README.partition("| Handling | Job type |")[2].partition("\n\n")[0]
    types = {
        registration.type for registration in registry().registrations.values() if "built-in" in registration.owner
    }
    assert types <= set(re.findall(r"`([^`]+)`", table))


def test_the_tables_of_elements_are_what_is_executed() -> None:
    """``manage.py elements --into README.md`` writes them."""
    tables = README.partition(elements.BEGIN)[2].partition(elements.END)[0]
    assert tables.strip() == standard.markdown()


def test_every_script_exists() -> None:
    assert all((ROOT / path).is_file() for path in re.findall(r"`(scripts/\w+)", README))


@pytest.mark.skipif((ROOT / "staticfiles").is_dir(), reason="static files were collected here")
def test_production_serves_its_style_without_another_command() -> None:
    code = (
        "import django; django.setup(); from django.test import Client; "
        "print(Client(HTTP_HOST='localhost').get('/static/admin/css/base.css').status_code)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "AMQP_URL": "amqp://127.0.0.1:1//",
        "DEBUG": "0",
        "SECRET_KEY": "of-a-test",
    }
    found = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert found.stdout.strip() == "200", found.stderr
