"""What every automatic layout keeps, for any graph: no overlaps, ends on borders, children inside, and in
time.
"""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.engine.diagram import draw
from processes.engine.diagram.compose import composed
from processes.engine.diagram.shapes import Box, Drawing, Edge
from processes.engine.diagram.sketch import sketched
from processes.engine.xml import read
from tests.engine.diagram.models import flow, groups, model, node, process, shape

TAGS = ["task", "serviceTask", "exclusiveGateway", "parallelGateway", "startEvent", "endEvent", "subProcess"]


def laid_out(document: bytes) -> Drawing:
    root = read(document)
    return composed(root, sketched(root), 0)


@st.composite
def containers(draw: st.DrawFn, prefix: str = "n", depth: int = 0) -> str:
    """The content of a process: nodes of all kinds, boundary events, and any flows between them."""
    tags = draw(st.lists(st.sampled_from(TAGS if depth < 2 else TAGS[:-1]), max_size=9 if depth == 0 else 4))
    parts, names = [], []
    for number, tag in enumerate(tags):
        name = f"{prefix}{number}"
        inside = draw(containers(f"{name}_", depth + 1)) if tag == "subProcess" else ""
        parts.append(node(tag, name, inside, name=draw(st.sampled_from(["", "A name", "A much longer name of it"]))))
        names.append(name)
        if tag in ("task", "subProcess"):
            for event in range(draw(st.integers(0, 3))):
                names.append(f"{name}b{event}")
                parts.append(node("boundaryEvent", names[-1], name="Too late", attachedToRef=name))
    if names:
        pairs = st.tuples(st.sampled_from(names), st.sampled_from(names))
        for number, (source, target) in enumerate(draw(st.lists(pairs, max_size=16))):
            parts.append(flow(source, target, id=f"{prefix}f{number}", name=draw(st.sampled_from(["", "if so"]))))
    return "".join(parts)


@st.composite
def models(draw: st.DrawFn) -> bytes:
    """A process, perhaps in a pool, perhaps with lanes that hold some of its nodes."""
    content = draw(containers())
    lanes = draw(st.integers(0, 3))
    rows = "".join(
        f"<lane id='lane{lane}'>"
        + "".join(
            f"<flowNodeRef>n{number}</flowNodeRef>" for number in range(9) if (number * 7 + 3) % (lanes + 1) == lane
        )
        + "</lane>"
        for lane in range(lanes)
    )
    parts = [process(f"<laneSet>{rows}</laneSet>" if rows else "", content)]
    if draw(st.booleans()):
        pools = node("participant", "pool", processRef="P") + node("participant", "other", name="Other")
        talk = node("messageFlow", "m", sourceRef="other", targetRef="n0")
        parts.append(f"<collaboration id='c'>{pools}{talk}</collaboration>")
    return model(*parts)


def on_border(point: tuple[float, float], box: Box) -> bool:
    x, y = point
    upright = (abs(x - box.x) < 0.1 or abs(x - box.right) < 0.1) and box.y - 0.1 <= y <= box.bottom + 0.1
    level = (abs(y - box.y) < 0.1 or abs(y - box.bottom) < 0.1) and box.x - 0.1 <= x <= box.right + 0.1
    return upright or level


def crosses(edge: Edge, box: Box) -> bool:
    """Whether a line runs through the inside of a box."""
    inner = box.grown(-2)
    for (ax, ay), (bx, by) in itertools.pairwise(edge.points):
        reach = Box(min(ax, bx), min(ay, by), abs(ax - bx) or 0.01, abs(ay - by) or 0.01)
        if inner.overlaps(reach):
            return True
    return False


def keeps_the_rules(drawing: Drawing) -> None:
    boxes = {shape.element.key: shape for shape in drawing.shapes}
    by_parent: dict[str, list[str]] = {}
    for key, drawn in boxes.items():
        tag = drawn.element.tag
        if tag in ("participant", "lane"):
            continue
        if tag == "boundaryEvent" and drawn.element.host in boxes:
            host = boxes[drawn.element.host].box
            assert drawn.box.cy == pytest.approx(host.bottom)
            assert host.x <= drawn.box.x
            assert drawn.box.right <= host.right
        else:
            by_parent.setdefault(drawn.element.parent, []).append(key)
        parent = boxes.get(drawn.element.parent)
        if parent is not None:
            assert parent.box.contains(drawn.box)
    for keys in by_parent.values():
        for one, two in itertools.combinations(keys, 2):
            assert not boxes[one].box.overlaps(boxes[two].box), (one, two)
    for edge in drawing.edges:
        source, target = boxes[edge.element.source], boxes[edge.element.target]
        assert on_border(edge.points[0], source.box), edge
        # A flow into a boundary event is wrong, and ends at its host.
        host = boxes.get(target.element.host, target)
        assert on_border(edge.points[-1], target.box) or on_border(edge.points[-1], host.box), edge
        for (ax, ay), (bx, by) in itertools.pairwise(edge.points):
            assert abs(ax - bx) < 0.1 or abs(ay - by) < 0.1, edge


@settings(max_examples=80, deadline=None)
@given(models())
def test_any_graph_is_laid_out_by_the_rules(document: bytes) -> None:
    drawing = laid_out(document)
    keeps_the_rules(drawing)
    assert laid_out(document) == drawing


@settings(max_examples=80, deadline=None)
@given(models())
def test_no_sequence_flow_runs_through_a_node(document: bytes) -> None:
    drawing = laid_out(document)
    nodes = [s for s in drawing.shapes if s.element.tag not in ("participant", "lane", "boundaryEvent")]
    for edge in drawing.edges:
        if edge.element.tag == "sequenceFlow":
            ends = (edge.element.source, edge.element.target)
            for drawn in nodes:
                inside = drawn.element.tag == "subProcess" and drawn.expanded and edge.element.parent != "P"
                if drawn.element.key not in ends and not inside:
                    assert not crosses(edge, drawn.box), (edge, drawn)


@settings(max_examples=40, deadline=None)
@given(models(), st.sets(st.integers(0, 8), min_size=1))
def test_what_a_diagram_forgets_is_laid_out_beside_it(document: bytes, kept: set[int]) -> None:
    plane = "".join(shape(f"n{number}", 150 * number, 40, 100, 80) for number in sorted(kept))
    plane = f"<di:BPMNDiagram><di:BPMNPlane bpmnElement='P'>{plane}</di:BPMNPlane></di:BPMNDiagram>"
    whole = document.replace(b"</definitions>", plane.encode() + b"</definitions>")
    drawn = groups(draw(whole))
    for number in range(9):
        if f'id="n{number}"'.encode() in document:
            assert f"n{number}" in drawn


def graph(count: int, pairs: list[tuple[int, int]]) -> bytes:
    tags = ("task", "exclusiveGateway", "serviceTask", "intermediateThrowEvent")
    nodes = [node(tags[number % 4], f"n{number}", name=f"Node {number}") for number in range(count)]
    flows = [flow(f"n{a}", f"n{b}", id=f"f{number}") for number, (a, b) in enumerate(pairs)]
    return model(process(*nodes, *flows))


def shapes_of(count: int) -> dict[str, list[tuple[int, int]]]:
    chance = random.Random(7)
    chain = [(n, n + 1) for n in range(count - 1)]
    return {
        "chain": chain,
        "random": [(chance.randrange(count), chance.randrange(count)) for _ in range(count * 3 // 2)],
        "star": [(0, n) for n in range(1, count)],
        "long-ways": chain + [(n, n + count // 2) for n in range(count // 2)],
        "loops": chain + [(n + count // 3, n) for n in range(count // 2)],
        "one-ring": [*chain, (count - 1, 0)],
        "alone": [],
    }


@pytest.mark.parametrize("kind", shapes_of(8))
def test_two_thousand_nodes_take_seconds(kind: str) -> None:
    document = graph(2000, shapes_of(2000)[kind])
    begin = time.process_time()
    draw(document)
    assert time.process_time() - begin < 8


@pytest.mark.parametrize("kind", shapes_of(8))
def test_forty_nodes_of_every_shape_keep_the_rules(kind: str) -> None:
    keeps_the_rules(laid_out(graph(40, shapes_of(40)[kind])))


def test_the_main_line_is_straight_and_the_detour_below() -> None:
    document = model(
        process(
            node("startEvent", "s"),
            node("exclusiveGateway", "g"),
            node("task", "detour"),
            node("task", "a"),
            node("task", "b"),
            node("endEvent", "e"),
            *(flow(a, b) for a, b in [("s", "g"), ("g", "detour"), ("g", "a"), ("a", "b"), ("b", "e")]),
        )
    )
    boxes = {drawn.element.key: drawn.box for drawn in laid_out(document).shapes}
    assert len({boxes[key].cy for key in "sgabe"}) == 1
    assert boxes["detour"].y > boxes["a"].bottom


def test_the_path_of_a_boundary_event_begins_below_its_host() -> None:
    document = model(
        process(
            node("task", "t"),
            node("boundaryEvent", "b", attachedToRef="t"),
            node("task", "next"),
            node("task", "repair"),
            flow("t", "next"),
            flow("b", "repair"),
        )
    )
    drawing = laid_out(document)
    boxes = {drawn.element.key: drawn.box for drawn in drawing.shapes}
    path = next(edge for edge in drawing.edges if edge.element.source == "b")
    assert path.points[0] == pytest.approx((boxes["b"].cx, boxes["b"].bottom))
    assert boxes["repair"].y > boxes["t"].bottom
    assert boxes["next"].cy == boxes["t"].cy


def test_lanes_are_rows_in_their_pool() -> None:
    document = model(
        "<collaboration><participant id='pool' processRef='P'/></collaboration>",
        process(
            "<laneSet><lane id='l1'><flowNodeRef>a</flowNodeRef></lane><lane id='l2'><childLaneSet>"
            "<lane id='l3'><flowNodeRef>b</flowNodeRef></lane>"
            "<lane id='l4'><flowNodeRef>c</flowNodeRef></lane></childLaneSet></lane></laneSet>",
            *(node("task", key) for key in "abc"),
            flow("a", "b"),
            flow("b", "c"),
            flow("c", "a"),
        ),
    )
    boxes = {drawn.element.key: drawn.box for drawn in laid_out(document).shapes}
    for lane, key in (("l1", "a"), ("l3", "b"), ("l4", "c"), ("l2", "b"), ("l2", "c"), ("pool", "a")):
        assert boxes[lane].contains(boxes[key])
    for lane in ("l1", "l2"):
        assert boxes["pool"].contains(boxes[lane])
    assert boxes["l2"].contains(boxes["l3"])
    assert not boxes["l1"].overlaps(boxes["l2"])
    assert not boxes["l3"].overlaps(boxes["l4"])
