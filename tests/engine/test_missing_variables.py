"""An incident of an expression that fails for want of a variable names the variable."""

from __future__ import annotations

import pytest

from processes.engine import facts as f
from tests.drawing import Drawing
from tests.engine.play import Play

DRAWINGS: dict[str, Drawing] = {
    "condition": Drawing().start().exclusive("choose").when("=amount > 100").end("many").at("choose").otherwise().end(),
    "part of a variable": (
        Drawing().start().exclusive("choose").when("=amount.net > 100").end("many").at("choose").otherwise().end()
    ),
    "timer": Drawing().start().timer("wait", "=amount").end(),
    "correlation key": Drawing().start().message("wait", "paid", "=amount").end(),
    "job type": Drawing().start().service("work", type="=amount").end(),
    "retries": Drawing().start().service("work", type="t", retries="=amount").end(),
    "rounds": Drawing().start().service("work", type="t").many("=amount").end(),
    "called process": Drawing().start().call("other", "=amount").end(),
}


@pytest.mark.parametrize("what", DRAWINGS)
def test_the_variable_is_named(what: str) -> None:
    raised = [fact for fact in Play(DRAWINGS[what], {"total": 3}).facts if isinstance(fact, f.IncidentRaised)]
    assert len(raised) == 1
    assert "variable 'amount' does not exist" in raised[0].message
