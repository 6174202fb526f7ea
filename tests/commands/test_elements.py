"""`elements` tells what is executed, and keeps a page up to date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes.management.commands.elements import BEGIN, END

Run = Callable[..., Any]


def test_a_line_for_everything_of_the_standard(run: Run) -> None:
    lines = run("elements").out.splitlines()
    assert "executed  Tasks: Service task" in lines
    assert "executed  None event: start" in lines
    told = run("elements", "--json").lines
    assert {"group": "Gateways", "name": "Parallel", "executed": True} in told
    assert len(told) == len(lines)


def test_the_tables_of_a_page(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert run("elements", "--check", page).code == 1
    assert run("elements", "--into", page).code == 0
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| BPMN element |")
    assert text.endswith(f"\n{END}\nafter\n")
    assert run("elements", "--markdown").out.strip() in text
    assert "old" not in text
    assert run("elements", "--check", page).code == 0


def test_a_page_without_marks_is_left_alone(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    assert run("elements", "--into", page).code == 2
    assert page.read_text() == "nothing"
    assert run("elements", "--into", tmp_path / "none.md").code == 2
