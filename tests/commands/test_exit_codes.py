"""Each command once as a real process: what a shell script sees. They work on the database of the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import load_command_class
from django.db import connection

from processes.models import Message, ProcessDefinition
from tests.commands.conftest import deploy
from tests.drawing import Drawing

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(transactional_db: None) -> dict[str, str]:
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{given['NAME']}"
    else:
        url = f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT'] or 5432}/{given['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "ORCHESTRATOR_DISPATCHER": "tests.admin.silent.Silent",
        "AMQP_URL": "",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def shell(environment: dict[str, str]) -> Shell:
    def shell(*arguments: object, **given: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *map(str, arguments)]
        return subprocess.run(
            command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, **given
        )

    return shell


def test_deploy(shell: Shell, tmp_path: Path) -> None:
    order = tmp_path / "order.bpmn"
    order.write_bytes(Drawing("order").start().service("charge", type="charge").end().xml())
    deployed = shell("deploy_process", order)
    assert (deployed.returncode, deployed.stderr) == (0, "")
    assert deployed.stdout == f"{order}: order v1 deployed\n"
    assert ProcessDefinition.objects.get().process_id == "order"


def test_deploy_what_is_no_model(shell: Shell) -> None:
    broken = shell("deploy_process", "-", input="<nonsense/>")
    assert (broken.returncode, broken.stdout) == (1, "")
    assert broken.stderr.startswith("stdin.bpmn:")
    assert "Traceback" not in broken.stderr


def test_start_and_run_out_of_time(shell: Shell) -> None:
    deploy(Drawing("order").start().service("charge", type="charge").end())
    waited = shell("start_process", "order", "--version", "1", "--wait", "0.1", "--json")
    assert waited.returncode == 3
    assert json.loads(waited.stdout)["outcome"] == "running"


def test_publish(shell: Shell) -> None:
    published = shell("publish_message", "hello", "--json")
    assert (published.returncode, published.stderr) == (0, "")
    assert json.loads(published.stdout)["id"] == Message.objects.get().pk


def test_resolve(shell: Shell) -> None:
    resolved = shell("resolve_incidents")
    assert (resolved.returncode, resolved.stderr) == (0, "")
    assert resolved.stdout == "0 of 0 incidents were resolved.\n"


def test_purge(shell: Shell) -> None:
    purged = shell("purge_instances", "--older-than", "1h")
    assert (purged.returncode, purged.stderr) == (0, "")
    assert purged.stdout == "0 instances were deleted.\n"


def test_sweep_goes_on_until_it_is_told_to_stop(environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "sweep", "--every", "0.05", "--json"]
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        passes = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(timeout=60) == 0
    assert all(counts["fired"] == 0 for counts in passes)


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy_process"],
        ["start_process", "order", "--variables", "{"],
        ["start_process", "order", "--count", "0"],
        ["publish_message"],
        ["publish_message", "hello", "--ttl", "-1"],
        ["resolve_incidents", "--kind", "NONSENSE"],
        ["purge_instances"],
        ["purge_instances", "--older-than", "soon"],
        ["sweep", "--once", "--every", "1"],
    ],
)
def test_usage_errors_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load_command_class("processes", arguments[0]).run_from_argv(["manage.py", *arguments])
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_database_without_tables_is_told_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/empty.sqlite3"
    command = [sys.executable, "manage.py", "start_process", "order"]
    found = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert found.returncode == 1
    expected = "Expected a database that is there and migrated (manage.py migrate) but found: no such table"
    assert expected in found.stderr
    assert "Traceback" not in found.stderr
