"""Every command that changes something on behalf of an operator takes ``--reason``, and it is kept."""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import load_command_class
from django.utils import timezone

import processes.management.commands
from processes.models import Action, ProcessDefinition, ProcessInstance
from processes.runtime import batches, instances
from processes.runtime.modifications import Cancel
from tests.commands.conftest import Ran
from tests.drawing import Drawing

WHY = "The auditor asked"
WITHOUT = {
    # What programs do all day.
    "broadcast_signal", "evaluate_conditions", "publish_message", "start_process", "sweep",
    # What changes nothing of the installation.
    "elements", "evaluate_decision", "export_instance", "simulate",
    "connections list", "connections show", "inbound_bindings list", "inbound_bindings show",
    "process_definitions list",
    # For demonstrations.
    "seed_instances",
}  # fmt: skip


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Of every command, and of every verb where a command has several."""
    for module in pkgutil.iter_modules(processes.management.commands.__path__):
        parser = load_command_class("processes", module.name).create_parser("manage.py", module.name)
        verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not verbs:
            yield module.name, parser
        for verb, inner in (verbs[0].choices if verbs else {}).items():
            yield f"{module.name} {verb}", inner


def test_every_command_that_changes_something_takes_a_reason() -> None:
    found = dict(parsers())
    assert {name for name, parser in found.items() if "--reason" not in parser._option_string_actions} == WITHOUT


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}


def told() -> list[tuple[str, str]]:
    return list(Action.objects.filter(reason=WHY).order_by("id").values_list("kind", "verb"))


@pytest.mark.parametrize(
    ("command", "kind", "fields"),
    [
        ("connections", "connection", '{"url": "https://shop.example"}'),
        (
            "inbound_bindings",
            "inbound binding",
            '{"kind": "webhook", "path": "paid", "secret_name": "PAID", "message_name": "paid"}',
        ),
    ],
)
def test_what_is_kept_by_name(run: Callable[..., Ran], command: str, kind: str, fields: str) -> None:
    for given in (["set", "it", fields], ["set", "it", "{}"], ["pause", "it"], ["resume", "it"], ["delete", "it"]):
        ran = run(command, *given, "--reason", WHY)
        assert ran.code == 0, ran.err
    assert told() == [(kind, verb) for verb in ("create", "change", "pause", "resume", "drop")]


def test_secrets(run: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2-hunter2")
    for given in (["set_secret", "TOKEN", "--file", file], ["rotate_secrets"], ["set_secret", "TOKEN", "--delete"]):
        ran = run(*given, "--reason", WHY)
        assert ran.code == 0, ran.err
    assert told() == [("secret", "create"), ("secret", "rotate"), ("secret", "drop")]


def test_batches(run: Callable[..., Ran], order: ProcessDefinition) -> None:
    pk = batches.modify([instances.start(order).instance.pk], cancel=[Cancel(element="charge")]).pk
    for verb in ("pause", "resume", "cancel"):
        ran = run("batches", verb, pk, "--reason", WHY)
        assert ran.code == 0, ran.err
    assert told() == [("batch", "pause"), ("batch", "resume"), ("batch", "cancel")]


def test_definitions_and_purges(run: Callable[..., Ran], order: ProcessDefinition, tmp_path: Path) -> None:
    file = tmp_path / "a.bpmn"
    file.write_bytes(Drawing("other").start().end().xml())
    pk = instances.start(order).instance.pk
    instances.cancel(pk)
    ProcessInstance.objects.filter(pk=pk).update(ended_at=timezone.now() - timedelta(days=2))
    for given in (
        ["deploy_process", file],
        ["process_definitions", "delete", "other"],
        ["purge_instances", "--older-than", "1d"],
    ):
        ran = run(*given, "--reason", WHY)
        assert ran.code == 0, ran.err
    assert told() == [
        ("process definition", "deploy"),
        ("process definition", "delete"),
        ("process instance", "purge"),
    ]
