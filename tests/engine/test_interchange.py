"""The reference models of the OMG's interchange group: refused with every reason and its place, as none is executable.

The material is not ours and not in the repository; `BPMN_CONFORMANCE` names its folder, else it is looked for beside
the repository. Where CI is set it must be there.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processes.engine.errors import ModelInvalid
from processes.engine.parser import parse

FOLDER = (
    Path(os.environ.get("BPMN_CONFORMANCE", Path(__file__).resolve().parents[3] / "shared" / "conformance")) / "miwg"
)
MODELS = sorted(FOLDER.glob("*.bpmn"))
EXECUTABLE = {"A.1.0", "A.4.0", "A.4.1"}
"""Those that deploy once their processes are marked as executable: the others have gateways whose flows say nothing
about when they are taken, or elements that are not executed."""


def test_the_material_is_there() -> None:
    if not MODELS and not os.environ.get("CI"):
        pytest.skip(f"no reference models in {FOLDER}; BPMN_CONFORMANCE names their folder")
    assert len(MODELS) == 8


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_reason_has_a_place(path: Path) -> None:
    document = path.read_bytes()
    with pytest.raises(ModelInvalid) as refusal:
        parse(document)
    problems = refusal.value.problems
    assert "not-executable-process" in {problem.rule for problem in problems}
    lines = document.splitlines()
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert problem.element
        assert problem.message.startswith(("Expected", "No task definition")) or "not executed" in problem.message


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_marked_as_executable_what_can_run_deploys(path: Path) -> None:
    document = path.read_bytes().replace(b'isExecutable="false"', b'isExecutable="true"')
    if path.stem in EXECUTABLE:
        assert parse(document).processes
    else:
        with pytest.raises(ModelInvalid):
            parse(document)
