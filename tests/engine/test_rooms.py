"""One BPMN element is one file: the rest of the engine knows no element by name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from processes import engine
from processes.engine.elements import EVENT_DEFINITIONS, FLOW_NODES

KINDS = {**FLOW_NODES, **EVENT_DEFINITIONS}
ROOT = Path(engine.__file__).parent
NAMESAKES = {
    ("unread.py", "userTask"),
    ("unread.py", "errorEventDefinition"),
    ("camunda7.py", "errorEventDefinition"),
}
"""Extension elements that are called like an element."""


@pytest.mark.parametrize("tag", KINDS)
def test_an_element_lives_in_the_file_of_its_name(tag: str) -> None:
    file = re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", tag)
    assert KINDS[tag].__module__ == f"processes.engine.elements.{file}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda path: path.name)
def test_nobody_else_knows_an_element_by_name(path: Path) -> None:
    texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    assert not {(path.name, tag) for tag in KINDS if tag in texts} - NAMESAKES
