"""Runs commands as scripts do, in this process: what they print, and the exit code that they would end with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from processes.models import ProcessDefinition
from processes.runtime import definitions
from tests.drawing import Drawing


@pytest.fixture(autouse=True)
def _silent(settings: Any, db: None) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DISPATCHER": "tests.admin.silent.Silent"}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line, as a machine reads it."""
        return json.loads(self.out.splitlines()[-1])

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run() -> Callable[..., Ran]:
    def run(*arguments: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*map(str, arguments), stdout=out, stderr=err, no_color=True)
        except CommandError as error:
            return Ran(error.returncode, out.getvalue(), f"{err.getvalue()}{error}")
        return Ran(0, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def order(db: None) -> ProcessDefinition:
    """One service task, two tries."""
    return deploy(Drawing("order", name="Order").start().service("charge", type="charge-card", retries=2).end())


@pytest.fixture
def instant(db: None) -> ProcessDefinition:
    """Ends in its first step."""
    return deploy(Drawing("instant").start().script("double", "=2 * amount", "twice").end())


def deploy(drawing: Drawing) -> ProcessDefinition:
    return definitions.deploy(drawing.xml(), by="user:ada").definitions[0].definition
