"""Every drawing is played as its scenarios say, all of it, and can be opened and seen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from processes.engine import xml
from processes.engine.diagram import draw
from processes.engine.elements import FLOW_NODES
from processes.engine.model import FlowNode
from processes.engine.simulation import Coverage, Scenario
from tests.engine.catalogue import PLAYED, TOLD, elements, model, name, path_of, play, scenarios
from tests.engine.diagram.models import box, groups

DRAWN = {*FLOW_NODES, "sequenceFlow", "participant", "lane", "messageFlow", "association", "textAnnotation"}
DRAWN |= {"dataObjectReference", "dataStoreReference", "dataInputAssociation", "dataOutputAssociation", "group"}
SEEN = DRAWN | {"dataInput", "dataOutput"}
"""What a line may lead to: what an activity takes and gives stands for the activity."""
RUNS = [(path, scenario) for path in PLAYED for scenario in scenarios(path)]
BROKEN = ("doctype", "duplicate-id", "no-process", "not-bpmn", "not-xml")
"""Documents in which there is nothing to see, or two things in one place."""

of_each = pytest.mark.parametrize("path", PLAYED, ids=name)


@cache
def runs(path: Path) -> list[tuple[list[str], Coverage]]:
    """Path and coverage of each run of a drawing."""
    found = []
    for scenario in scenarios(path):
        simulation, lines = play(scenario)
        whole = Coverage()
        for part in simulation.world.coverages.values():
            whole += part
        found.append((path_of(lines), whole))
    return found


def nodes(path: Path) -> dict[str, FlowNode]:
    return {id: node for process in model(path).processes for id, node in process.nodes.items()}


@pytest.mark.parametrize(("path", "scenario"), RUNS, ids=[f"{name(path)}: {scenario.name}" for path, scenario in RUNS])
def test_it_comes_as_the_scenario_says(path: Path, scenario: Scenario) -> None:
    _, lines = play(scenario)
    assert scenario.then is not None
    assert scenario.then.path is not None, "a scenario says which way is taken"
    assert scenario.then.unmet(lines) == []


@of_each
@pytest.mark.parametrize("seed", ["heads", "tails"])
def test_whatever_happens_first_what_must_hold_holds(path: Path, seed: str) -> None:
    """What is due at the same moment, in another order: every step is checked, and every instance is told of."""
    for scenario in scenarios(path):
        simulation, lines = play(scenario, seed=seed)
        assert [line["event"] for line in lines].count("Ended") == len(simulation.world.played)


@of_each
def test_the_scenarios_go_through_all_of_it(path: Path) -> None:
    seen = Coverage()
    for _, coverage in runs(path):
        seen += coverage
    # What undoes a host is reached from its compensation event, which nobody enters.
    missing = [id for id, node in nodes(path).items() if not seen.nodes[node.undoing or id]]
    missing += [flow for process in model(path).processes for flow in process.flows if not seen.flows[flow]]
    assert missing == []


@of_each
def test_what_may_happen_happens_in_one_scenario_and_not_in_another(path: Path) -> None:
    for id, node in nodes(path).items():
        if node.attached_to or node.handles:
            around = node.attached_to or node.scope
            open_for_it = [taken for taken, _ in runs(path) if taken and (not around or around in taken)]
            happened = {(node.undoing or id) in taken for taken in open_for_it}
            assert happened == {True, False}, id


@of_each
def test_it_says_what_it_shows(path: Path) -> None:
    """For whoever learns from it: a sentence about the process, and names on what is drawn."""
    root = elements(path)
    assert next(root.iter(f"{{{xml.BPMN}}}documentation"), None) is not None
    nameless = [
        element.get("id")
        for element in root.iter(f"{{{xml.BPMN}}}*")
        if xml.local(element) in FLOW_NODES and not xml.local(element).endswith("Gateway") and not element.get("name")
    ]
    assert nameless == []


def to_be_seen(root: etree._Element) -> Iterator[str]:
    """The ids of everything that has a place in a diagram; a line has none where one of its ends has none."""
    ids = {element.get("id", ""): xml.local(element) for element in root.iter(f"{{{xml.BPMN}}}*")}
    for element in root.iter(f"{{{xml.BPMN}}}*"):
        parts = [xml.text_of(part) for part in element if xml.local(part) in ("sourceRef", "targetRef")]
        ends = [end for end in (element.get("sourceRef"), element.get("targetRef"), *parts) if end]
        if element.get("id") and xml.local(element) in DRAWN and all(ids.get(end) in SEEN for end in ends):
            yield element.get("id", "")


@pytest.mark.parametrize("path", [*PLAYED, *(path for path in TOLD if path.stem not in BROKEN)], ids=name)
def test_it_can_be_opened_and_seen(path: Path) -> None:
    """Its diagram has a shape or a line for everything, and all of them are drawn where they are."""
    root = elements(path)
    placed = {part.get("bpmnElement"): part for part in root.iter(f"{{{xml.BPMNDI}}}BPMNShape")}
    lines = {part.get("bpmnElement") for part in root.iter(f"{{{xml.BPMNDI}}}BPMNEdge")}
    assert {*placed, *lines} >= set(to_be_seen(root))
    drawn = groups(draw(path.read_bytes()))
    assert drawn.keys() >= {*placed, *lines}
    for id, part in placed.items():
        bounds = part.find(f"{{{xml.DC}}}Bounds")
        assert bounds is not None
        found = box(drawn[id])
        asked = [float(bounds.get(key, "")) for key in ("x", "y", "width", "height")]
        assert [found.x, found.y, found.width, found.height] == pytest.approx(asked, abs=0.01)
