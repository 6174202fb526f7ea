"""A door asks and shows; it never writes. Read from the code itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest
from rest_framework import serializers

import processes.api

MODULES = [
    importlib.import_module(f"processes.api.{module.name}") for module in pkgutil.iter_modules(processes.api.__path__)
]
WRITES = {"save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
TOKENS = {("tokens.py", "create"), ("tokens.py", "delete")}
"""The tokens of knox are no rows of ours."""


def serializer_classes():
    seen = set()
    for module in MODULES:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, serializers.BaseSerializer):
                seen.add(value)
    ours = {kind for kind in seen if kind.__module__.startswith("processes.api") and kind.__name__ != "Shown"}
    return sorted(ours, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", serializer_classes(), ids=lambda kind: kind.__name__)
def test_no_serializer_saves(kind):
    if issubclass(kind, serializers.ModelSerializer):
        assert set(kind.Meta.read_only_fields) == set(kind.Meta.fields)
        with pytest.raises(TypeError, match="never saves"):
            kind().save()
        with pytest.raises(TypeError, match="never saves"):
            kind().create({})
        with pytest.raises(TypeError, match="never saves"):
            kind().update(None, {})
    else:
        # The base class has none of its own: both raise.
        assert kind.create is serializers.BaseSerializer.create
        assert kind.update is serializers.BaseSerializer.update


def test_no_view_writes():
    wrong = []
    for path in sorted(Path(processes.api.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
                owner = ast.unparse(node.func.value)
                if (path.name, node.func.attr) not in TOKENS and owner not in ("self",):
                    wrong.append(f"{path.name}:{node.lineno}: {owner}.{node.func.attr}")
    assert wrong == []


def test_only_the_runtime_and_the_models_are_asked():
    for path in Path(processes.api.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("processes."):
                assert node.module.split(".")[1] in ("api", "models", "runtime"), (path.name, node.module)
