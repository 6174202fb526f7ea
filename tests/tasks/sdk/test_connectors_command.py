"""`manage.py connectors`: what is installed, from where, and what it wants."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tasks.jobs import registry


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    registry.cache_clear()
    yield
    registry.cache_clear()


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("connectors", *arguments, stdout=out)
    return out.getvalue()


def test_for_machines(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "CONNECTORS": ["tests.tasks.shop"]}
    found = {each["type"]: each for each in json.loads(run("--json"))["connectors"]}
    assert {"http", "script", "email", "s3", "sftp", "shell", "django", "call"} <= set(found)
    assert found["http"]["aliases"] == ["io.camunda:http-json:1"]
    assert found["call"]["inputs"] is None
    assert found["call"]["owner"].endswith("of module tests.tasks.shop")
    command = next(each for each in found["shell"]["inputs"] if each["name"] == "command")
    assert command == {"name": "command", "kind": "text", "required": True, "help": command["help"]}
    assert next(each for each in found["email"]["inputs"] if each["name"] == "password")["secret"] is True
    assert next(each for each in found["script"]["inputs"] if each["name"] == "language")["header"] is True


def test_for_people() -> None:
    text = run()
    assert "from built-in tasks.connectors.email.EmailConnector" in text
    assert "operation            What to do. (text, required, get | put | list | delete | rename)" in text


def test_what_cannot_be_put_together(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "SHELL_COMMANDS": {"rm": "rm"}}
    with pytest.raises(CommandError, match="absolute path"):
        run()
