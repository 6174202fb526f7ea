"""A model played through in the pure engine: services that answer as told, a clock that jumps, no database.

    file --scenario, services--> what the world does --player--> facts --telling--> lines --comparison--> differences
                                                            \\---coverage---> what no run has been through

Same model, same scenario, same seed: the same lines, byte for byte. Nobody here reads a file or a clock, and nobody
knows an element by name: whatever the engine can wait for is played.
"""

from __future__ import annotations

from processes.engine.simulation.comparison import differences
from processes.engine.simulation.coverage import Coverage
from processes.engine.simulation.player import MAX_STEPS, Simulation
from processes.engine.simulation.reading import ScenarioInvalid
from processes.engine.simulation.scenario import Scenario, read_scenarios
from processes.engine.simulation.shelf import Shelf

__all__ = [
    "MAX_STEPS",
    "Coverage",
    "Scenario",
    "ScenarioInvalid",
    "Shelf",
    "Simulation",
    "differences",
    "read_scenarios",
]
