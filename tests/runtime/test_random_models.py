"""Random models are played on real rows, with their calls delivered: what is read back after every step is what the
history says, read whole or piece by piece, and everything holds that holds without a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

import pytest

from processes import models
from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine import machine
from processes.engine.parser import parse
from processes.engine.parts import Call, Wait
from processes.runtime import calls, definitions, transaction
from tests.drawing import together
from tests.engine.checked import Player, picture
from tests.engine.random_models import DECISIONS, Artist
from tests.engine.random_play import World
from tests.runtime.stored import Stored

pytestmark = pytest.mark.django_db

SEEDS = range(30)


class Delivered(Stored):
    """What happened to it is read from its history: much of it was delivered from other instances."""

    def carry_out(self, command: c.Command, at: datetime) -> list[f.Fact]:
        if isinstance(command, c.StartInstance):
            self.pk = transaction.begin(definitions.find(self.process.id), command, by="test").pk
        else:
            transaction.carry_out(self.pk, command, by="test")
        return self.catch_up(at)

    def catch_up(self, at: datetime) -> list[f.Fact]:
        """What happened since, by the history; the rows have to say the same."""
        steps = models.Step.objects.filter(instance=self.pk, number__gt=self.steps).order_by("number")
        facts = [f.from_json(fact) for step in steps for fact in step.facts]
        if facts:
            self.steps = models.ProcessInstance.objects.get(pk=self.pk).steps
            for fact in facts:
                self._replay(fact)
            self._read()
            assert picture(self.instance)[:-1] == picture(self.replayed)[:-1], "the rows say what the facts say"
            self.check(at)
        return facts


class StoredWorld(World):
    """What one instance does to another is delivered from rows, sooner or later."""

    def happen(self, *, trouble: bool) -> bool:
        if self.random.random() < 0.5 and self.deliver():
            return True
        return super().happen(trouble=trouble) or self.deliver()

    def deliver(self) -> bool:
        """The oldest delivery; False where there is none."""
        done = calls.deliver_due(1) > 0
        assert not models.Delivery.objects.filter(tries__gt=0).exists(), "a delivery met trouble"
        known = {player.pk: player for player in self.players if isinstance(player, Delivered)}
        for row in models.ProcessInstance.objects.exclude(pk__in=known).order_by("pk"):
            assert row.parent_id is not None
            assert row.parent_call is not None
            parent = (known[row.parent_id], row.parent_call)
            known[row.pk] = player = Delivered(self.processes[row.process_id], parent, row.pk)
            self.players.append(player)
        for player in known.values():
            player.catch_up(self.now)
        return done

    def _answer(self, player: Player, caller: Player, call: int, escaped: f.ErrorEscaped | None) -> None:
        """Is delivered."""

    def _abandon(self) -> None:
        """Is delivered."""

    def _doing(self, player: Player, wait: Wait, trouble: bool) -> Callable[[], None] | None:
        return None if isinstance(wait, Call) else super()._doing(player, wait, trouble)


@pytest.mark.parametrize("whole", [200, 0])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_written_is_what_happened(seed: int, whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", whole)
    monkeypatch.setattr(machine, "MAX_VISITS", 100)
    monkeypatch.setattr(machine, "MAX_ROUNDS", 100)
    play(seed)


def play(seed: int) -> StoredWorld:
    random = Random(seed)
    artist = Artist(random, 1 + seed % 10)
    xml = together(artist.process(), *artist.called)
    definitions.deploy(DECISIONS, resource="random.dmn", by="test")
    definitions.deploy(xml, resource="random.bpmn", by="test")
    world = StoredWorld(random, {process.id: process for process in parse(xml).processes}, Delivered)
    world.play(20)
    while world.deliver():
        pass
    assert all(player.is_over for player in world.players)
    assert not models.Delivery.objects.exists()
    return world
