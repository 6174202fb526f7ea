"""The list of the standard is whole, and says what the parser does."""

from __future__ import annotations

import pytest
from lxml import etree

from processes.engine import standard
from processes.engine.elements import EVENT_DEFINITIONS, FLOW_NODES
from processes.engine.xml import BPMN

MODELS = [
    model
    for probe in (
        *(probe for _, probe in standard.probes()),
        *(standard.event(kind, place) for kind, places in standard.EVENTS.items() for place in places),
    )
    for model in probe.models
]


def test_every_element_that_is_registered_is_in_the_list() -> None:
    tags = {
        etree.QName(element).localname
        for model in MODELS
        for element in etree.fromstring(f"{standard.HEAD}{model}{standard.FOOT}").iter(f"{{{BPMN}}}*")
    }
    assert tags >= {*FLOW_NODES, *EVENT_DEFINITIONS}


def test_the_standard_has_so_many_events() -> None:
    """BPMN 2.0.2, table 10.93."""
    assert {kind: len(places) for kind, places in standard.EVENTS.items()} == {
        "None": 3, "Message": 8, "Timer": 6, "Conditional": 6, "Signal": 8, "Error": 3, "Escalation": 6,
        "Compensation": 4, "Cancel": 2, "Link": 2, "Terminate": 1, "Multiple": 8, "Parallel multiple": 6,
    }  # fmt: skip
    assert all(set(places) <= set(standard.COLUMNS) for places in standard.EVENTS.values())


@pytest.mark.parametrize(
    ("kind", "place"), [("None", "start"), ("Message", "catch"), ("Error", "boundary"), ("Terminate", "end")]
)
def test_what_is_executed_is_found_to_be(kind: str, place: str) -> None:
    assert standard.event(kind, place).is_executed
    assert f"| {kind} |" in standard.markdown()


def test_what_the_standard_does_not_have_is_no_model_that_is_taken() -> None:
    assert not standard.Probe("nonsense", (standard.between('<nonsense id="x"/>'),)).is_executed
    assert not standard.event("Terminate", "throw").is_executed
    assert not standard.event("Error", "catch").is_executed


def test_what_is_only_drawn_is_said_to_be() -> None:
    verdicts = {probe.name: probe.verdict for _, probe in standard.probes()}
    assert (verdicts["Data object"], verdicts["Data store"]) == ("executed", "drawn only")
