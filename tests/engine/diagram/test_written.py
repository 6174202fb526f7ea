"""A model without a diagram is given the one that it is drawn with."""

from __future__ import annotations

import re
from random import Random

import pytest

from processes.engine.diagram import draw, with_diagram
from processes.engine.errors import ModelInvalid
from processes.engine.parser import parse
from tests.drawing import Drawing
from tests.engine.random_models import Artist


def placed(svg: str) -> set[str]:
    """Every element with its bounds."""
    return set(re.findall(r'data-element-id="[^"]*"(?: data-bounds="[^"]*")?', svg))


@pytest.mark.parametrize("seed", range(12))
def test_it_is_drawn_as_before(seed: int) -> None:
    document = Artist(Random(seed), 8, calls=False).process().xml()
    written = with_diagram(document)
    assert {element.partition(" ")[0] for element in placed(draw(written))} == {
        element.partition(" ")[0] for element in placed(draw(document))
    }
    assert parse(written).processes[0].nodes.keys() == parse(document).processes[0].nodes.keys()


def test_bounds_are_those_of_the_layout() -> None:
    document = Drawing("order").start().service("charge", type="charge").end().xml()
    assert placed(draw(with_diagram(document))) == placed(draw(document))


def test_what_has_a_diagram_stays_byte_for_byte() -> None:
    written = with_diagram(Drawing("order").start().service("charge", type="charge").end().xml())
    assert with_diagram(written) is written


def test_a_diagram_with_nothing_in_it_is_replaced() -> None:
    document = Drawing("order").start().service("charge", type="charge").end().xml()
    empty = re.sub(rb"(<bpmndi:BPMN(Shape|Edge).*?</bpmndi:BPMN\2>)", b"", with_diagram(document), flags=re.DOTALL)
    assert b"BPMNPlane" in empty
    assert b"BPMNShape" not in empty
    assert placed(draw(with_diagram(empty))) == placed(draw(document))
    assert with_diagram(empty).count(b"<bpmndi:BPMNDiagram") == 1


def test_what_is_no_model() -> None:
    with pytest.raises(ModelInvalid):
        with_diagram(b"<html/>")
