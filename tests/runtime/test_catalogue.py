"""The drawings of `tests/drawings` are played on real rows: whatever is executed goes on from what is read back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest
from django.utils import timezone

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.simulation.world import Played
from processes.engine.state import Instance
from processes.engine.stepping import step
from processes.runtime import decisions, definitions
from tests.engine.catalogue import PLAYED, CheckedWorld, name, play, scenarios
from tests.engine.checked import picture
from tests.runtime.stored import Stored

pytestmark = pytest.mark.django_db


class Foretold(Stored):
    """It begins as the engine alone says, at the same moment."""

    def carry_out(self, command: c.Command, at: datetime) -> list[f.Fact]:
        if not isinstance(command, c.StartInstance):
            return super().carry_out(command, at)
        facts = step(self.process, Instance(), command, at)
        super().carry_out(command, at)
        self.replayed = Instance()
        for fact in facts:
            self._replay(fact)
        assert picture(self.instance)[:-1] == picture(self.replayed)[:-1], "the rows say what the facts say"
        return facts


class StoredWorld(CheckedWorld):
    """It has one clock, that of the scenario."""

    player = Foretold
    now: ClassVar[datetime]

    def step(self, played: Played, command: c.Command, at: datetime) -> list[f.Fact]:
        StoredWorld.now = at
        facts = super().step(played, command, at)
        # The caller is told at once here, from the facts; where processes really run, it is a delivery.
        played.instance.changes.escaped = self.players[played.number].replayed.changes.escaped
        return facts


@pytest.mark.parametrize("path", PLAYED, ids=name)
def test_on_rows_it_comes_as_the_scenarios_say(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StoredWorld.now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: StoredWorld.now)
    definitions.deploy(path.read_bytes(), resource=path.name, by="test")
    if path.with_suffix(".dmn").exists():
        decisions.deploy(path.with_suffix(".dmn").read_bytes(), resource=path.name, by="test")
    for scenario in scenarios(path):
        _, lines = play(scenario, StoredWorld)
        assert scenario.then is not None
        assert scenario.then.unmet(lines) == []
