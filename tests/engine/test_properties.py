"""Whatever is drawn and whatever happens: the engine never breaks, and nothing is lost, doubled or stuck.

Random models (`random_models`) are played at random (`random_play`, which says what must hold after every step). CI
plays the same models every time; to look for trouble in others, for as long as there is patience:

    ORCHESTRATOR_RANDOM_MODELS=50000 pytest tests/engine/test_properties.py -k whatever_is_drawn

A failure names a size and a seed, which `play` turns into the same play again.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from processes.engine import machine
from processes.engine.parser import parse
from tests.drawing import together
from tests.engine.random_models import Artist
from tests.engine.random_play import World

ASKED = int(os.environ.get("ORCHESTRATOR_RANDOM_MODELS", "0"))
"""Models to play beyond those of CI, others every time."""
MODELS = ASKED or 2000
SIZE = 10
STEPS = 30


@pytest.fixture(autouse=True, scope="module")
def short_patience() -> object:
    """A model that runs in a circle is stopped early, or most of the time would go into those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "MAX_VISITS", 150)
        patch.setattr(machine, "MAX_ROUNDS", 150)
        yield


def play(size: int, seed: int) -> World:
    random = Random(seed)
    artist = Artist(random, size)
    model = parse(together(artist.process(), *artist.called))
    world = World(random, {process.id: process for process in model.processes})
    world.play(STEPS)
    return world


@pytest.mark.only_on("sqlite")  # It asks no database, and once is enough.
@pytest.mark.timeout(900)  # A minute on a quiet core.
@settings(
    max_examples=MODELS,
    derandomize=not ASKED,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
@given(size=st.integers(1, SIZE), seed=st.integers(0, 2**48))
def test_whatever_is_drawn_and_whatever_happens_nothing_is_lost_doubled_or_stuck(size: int, seed: int) -> None:
    world = play(size, seed)
    assert all(player.is_over for player in world.players)


def test_a_seed_gives_the_same_play_again() -> None:
    one, other = play(SIZE, 7), play(SIZE, 7)
    assert one.log == other.log
    assert len(one.log) > 1
