"""The drawings of `tests/drawings`: where they are, what of BPMN each has, and how their scenarios are played.

    given    <what>.bpmn, a model with its diagram, and <what>.dmn where it asks for decisions
    when     <what>.yaml says what services answer, which messages come, how time passes
    then     the same file says what is to come of it

It is `manage.py simulate <what>.bpmn --services <what>.yaml`, with everything checked that must hold after every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine import xml
from processes.engine.dmn import parse as parse_decisions
from processes.engine.parser import parse
from processes.engine.parts import Job, JobState
from processes.engine.process import Model
from processes.engine.simulation import Scenario, Shelf, Simulation, read_scenarios
from processes.engine.simulation.telling import Line
from processes.engine.simulation.world import Played, World
from processes.engine.standard import COLUMNS
from processes.management import documents
from tests.engine.checked import Player

ROOT = Path(__file__).resolve().parents[1] / "drawings"
DEMONSTRATION = ROOT / "seven_ways.bpmn"
UNFIT = ("refused", "warned")
"""Folders of models that are not there to be played, but for what is said of them."""
PLAYED = sorted(path for path in ROOT.rglob("*.bpmn") if path != DEMONSTRATION and path.parent.name not in UNFIT)
TOLD = sorted(path for folder in UNFIT for path in (ROOT / folder).glob("*.bpmn"))

PLACES = {
    "startEvent": "start",
    "intermediateCatchEvent": "catch",
    "intermediateThrowEvent": "throw",
    "endEvent": "end",
}
NAMES = {"compensateEventDefinition": "Compensation"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix(""))


# -- what of BPMN a drawing has ----------------------------------------------------------------------------------------


def elements(path: Path) -> etree._Element:
    return etree.parse(str(path)).getroot()


def events(root: etree._Element) -> Iterator[tuple[str, str, list[str]]]:
    """Kind and place of every event, in the words of `standard`, and the tags of what it waits for or throws."""
    for element in root.iter(f"{{{xml.BPMN}}}*"):
        if xml.local(element) in (*PLACES, "boundaryEvent"):
            definitions = [xml.local(part) for part in element if xml.local(part).endswith("EventDefinition")]
            yield _kind(element, definitions), _place(element), definitions


def _kind(element: etree._Element, found: list[str]) -> str:
    if len(found) > 1:
        return "Parallel multiple" if element.get("parallelMultiple") == "true" else "Multiple"
    return NAMES.get(found[0], found[0].removesuffix("EventDefinition").capitalize()) if found else "None"


def _place(element: etree._Element) -> str:
    around = element.getparent()
    _, handler, beside, _, boundary, beside_host, _, _ = COLUMNS
    if xml.local(element) == "boundaryEvent":
        return beside_host if element.get("cancelActivity") == "false" else boundary
    if xml.local(element) == "startEvent" and around is not None and around.get("triggeredByEvent") == "true":
        return beside if element.get("isInterrupting") == "false" else handler
    return PLACES[xml.local(element)]


# -- given -------------------------------------------------------------------------------------------------------------


@cache
def model(path: Path) -> Model:
    found = parse(path.read_bytes())
    tables = path.with_suffix(".dmn")
    if not tables.exists():
        return found
    shelf = Shelf((parse_decisions(tables.read_bytes()),))
    return replace(found, processes=tuple(replace(process, decisions=shelf) for process in found.processes))


def beside(path: Path) -> Mapping[str, Any]:
    """What the YAML file beside a drawing says."""
    return documents.read(str(path.with_suffix(".yaml")))


def scenarios(path: Path) -> list[Scenario]:
    return read_scenarios(beside(path), model(path), place=name(path))


# -- when --------------------------------------------------------------------------------------------------------------


class CheckedWorld(World):
    """Every step goes from rows to rows, and the facts so far give the same instance on a blank one."""

    player: type[Player] = Player

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.players: dict[int, Player] = {}

    def step(self, played: Played, command: c.Command, at: datetime) -> list[f.Fact]:
        if played.number not in self.players:
            parent = (self.players[played.caller.number], played.call) if played.caller is not None else None
            self.players[played.number] = self.player(played.process, parent)
        player = self.players[played.number]
        if isinstance(command, c.CompleteJob | c.FailJob | c.ThrowError):
            # A claim is no step: the simulation has done it to its instance, and the others are to have it too.
            claimed = played.instance.waits[command.job]
            assert isinstance(claimed, Job)
            claimed.state, claimed.attempt = JobState.DUE, claimed.attempt - 1
            player.claim(command.job)
        facts = player.carry_out(command, at)
        played.instance = played.teller.instance = player.instance
        return facts


def play(
    scenario: Scenario, world: type[CheckedWorld] = CheckedWorld, *, seed: str | None = None
) -> tuple[Simulation, list[Line]]:
    simulation = Simulation(scenario, seed=seed)
    simulation.world = world(scenario)
    return simulation, list(simulation.lines())


def path_of(lines: list[Line]) -> list[str]:
    return [line["element"] for line in lines if line["event"] == "NodeEntered"]
