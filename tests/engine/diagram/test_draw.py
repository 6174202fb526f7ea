"""What a drawing promises: every element there, the frame around it, nobody breaking out, the same text
again.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from processes.engine.diagram import Marks, draw
from processes.engine.errors import ModelInvalid
from tests.drawing import Drawing
from tests.engine.diagram.models import SVG, box, flow, groups, miwg, model, need, node, process, shape

SMALLEST = model(
    process(
        node("startEvent", "Start"),
        node("serviceTask", "ServiceTask_1", name="Process Payment"),
        node("endEvent", "End"),
        flow("Start", "ServiceTask_1"),
        flow("ServiceTask_1", "End"),
    )
)


def test_the_reference_models_are_here() -> None:
    need(miwg())
    assert len(miwg()) == 8


@pytest.mark.parametrize("path", miwg(), ids=lambda path: path.name)
def test_a_reference_model_is_drawn_where_its_modeller_put_it(path: Path) -> None:
    document = path.read_bytes()
    drawn = groups(draw(document))
    root = etree.fromstring(document)
    shapes = list(root.iter("{*}BPMNShape"))
    edges = list(root.iter("{*}BPMNEdge"))
    assert shapes
    assert edges
    for part in shapes:
        found = box(drawn[part.get("bpmnElement", "").rpartition(":")[2]])
        bounds = part.find("{*}Bounds")
        assert bounds is not None
        asked = [float(bounds.get(key, "")) for key in ("x", "y", "width", "height")]
        assert [found.x, found.y, found.width, found.height] == pytest.approx(asked, abs=0.01)
    for part in edges:
        line = drawn[part.get("bpmnElement", "").rpartition(":")[2]]
        waypoint = part.find("{*}waypoint")
        assert waypoint is not None
        x, y = _first_point(line)
        assert (x, y) == pytest.approx((float(waypoint.get("x", "")), float(waypoint.get("y", ""))), abs=0.01)


@pytest.mark.parametrize("path", miwg(), ids=lambda path: path.name)
def test_a_reference_model_without_its_diagram_is_laid_out(path: Path) -> None:
    root = etree.fromstring(path.read_bytes())
    for diagram in root.findall("{*}BPMNDiagram"):
        root.remove(diagram)
    drawn = groups(draw(etree.tostring(root)))
    wanted = ("{*}task", "{*}serviceTask", "{*}startEvent", "{*}boundaryEvent", "{*}sequenceFlow", "{*}lane")
    for element in root.iter(*wanted):
        assert element.get("id") in drawn


def _first_point(line: etree._Element) -> tuple[float, float]:
    path = next(p for p in line.iter(f"{SVG}path") if p.get("class") == "line")
    found = re.match(r"M(-?[\d.]+),(-?[\d.]+)", path.get("d", ""))
    assert found is not None
    return float(found[1]), float(found[2])


def test_the_smallest_model_is_a_rounded_rectangle_with_a_gear_in_its_upper_left_corner() -> None:
    drawn = groups(draw(SMALLEST))
    task = drawn["ServiceTask_1"]
    place = box(task)
    assert (place.width, place.height) == (100, 80)
    outline = task.find(f"{SVG}rect")
    assert outline is not None
    assert (outline.get("width"), outline.get("height")) == ("100", "80")
    assert float(outline.get("rx", "0")) > 0
    marker = next(g for g in task.iter(f"{SVG}g") if g.get("class") == "marker marker-serviceTask")
    x, y = _translation(marker)
    teeth = [gear for gear in marker.iter(f"{SVG}path") if gear.get("class") == "gear"]
    assert teeth
    for gear in teeth:
        gx, gy = _translation(gear)
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", gear.get("d", ""))]
        across, down = numbers[0::2], numbers[1::2]
        assert x + gx + min(across) > 0
        assert y + gy + min(down) > 0
        assert x + gx + max(across) < place.width / 2
        assert y + gy + max(down) < place.height / 2
    assert [row.text for row in task.iter(f"{SVG}tspan")] in (["Process Payment"], ["Process", "Payment"])
    start, end = box(drawn["Start"]), box(drawn["End"])
    assert start.right < place.x
    assert place.right < end.x
    assert start.cy == place.cy == end.cy


def _translation(element: etree._Element) -> tuple[float, float]:
    found = re.match(r"translate\((-?[\d.]+) (-?[\d.]+)\)", element.get("transform", ""))
    assert found is not None
    return float(found[1]), float(found[2])


HOSTILE = [
    '"><script>alert(1)</script>',
    "' onload='alert(1)",
    "</text></svg><img src=x onerror=alert(1)>",
    "]]><!-- <![CDATA[",
    "&lt;script&gt;&amp;&#0;",
    "javascript:alert(1) {{ 7*7 }} ${x}",
    "\u202e\u0085\u2028 reversed",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_a_stranger_stays_a_name(name: str) -> None:
    document = model(
        process(
            node("startEvent", f"s{name}", name=name),
            node("serviceTask", f"t{name}", name=name),
            node("subProcess", f"p{name}", node("task", f"i{name}", name=name), name=name),
            node("dataObjectReference", f"d{name}", name=name),
            f"<textAnnotation id='a'><text>{_escaped(name)}</text></textAnnotation>",
            flow(f"s{name}", f"t{name}", id=f"f{name}", name=name),
        )
    )
    svg = draw(document, title=name, marks=Marks(taken={f"f{name}"}, active={f"t{name}": 1}))
    root = etree.fromstring(svg.encode())
    for element in root.iter():
        assert etree.QName(element).localname in {
            "svg", "g", "title", "desc", "text", "tspan", "rect", "path", "circle", "ellipse",
        }  # fmt: skip
        assert not [key for key in element.attrib if key.startswith("on") or key in ("href", "style")]
    assert _normalised(f"t{name}") in {_normalised(key) for key in groups(svg)}
    assert not list(root.iter(etree.Comment))


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _normalised(value: str) -> str:
    return " ".join(value.split())


def test_nothing_in_the_picture_needs_an_inline_style() -> None:
    svg = draw(SMALLEST)
    assert "<style" not in svg
    assert "style=" not in svg
    assert "url(" not in svg


def test_the_same_arguments_give_the_same_text() -> None:
    marks = Marks(taken={"Start-ServiceTask_1"}, visited={"Start": 1}, active={"ServiceTask_1": 2})
    assert draw(SMALLEST, marks=marks, title="t") == draw(SMALLEST, marks=marks, title="t")


def test_two_drawings_in_one_page_share_no_ids() -> None:
    other = SMALLEST.replace(b"Process Payment", b"Refund")
    one, two = (set(re.findall(r' id="([^"]+)"', draw(document))) for document in (SMALLEST, other))
    assert one
    assert not one & two


def test_marks_become_classes_badges_and_words() -> None:
    marks = Marks(
        taken=["Start-ServiceTask_1"],
        visited={"Start": 1, "End": 0, "ServiceTask_1": 4},
        active={"ServiceTask_1": 3},
        failed={"ServiceTask_1": 2, "nobody": 1},
    )
    svg = draw(SMALLEST, marks=marks)
    drawn = groups(svg)
    assert {"is-active", "is-failed"} <= set(drawn["ServiceTask_1"].get("class", "").split())
    assert "is-visited" in drawn["Start"].get("class", "").split()
    assert "is-visited" not in drawn["End"].get("class", "").split()
    assert "is-taken" in drawn["Start-ServiceTask_1"].get("class", "").split()
    assert "is-taken" not in drawn["ServiceTask_1-End"].get("class", "").split()
    badges = {
        g.get("class"): "".join(g.itertext())
        for g in etree.fromstring(svg.encode()).iter(f"{SVG}g")
        if "badge" in g.get("class", "").split()
    }
    times = "\N{MULTIPLICATION SIGN}"
    assert badges == {"badge badge-active": "3", "badge badge-failed": "2", "badge badge-visited": f"4{times}"}
    assert "3 active tokens, 2 open incidents" in svg


def test_an_incident_inside_a_collapsed_sub_process_shows_on_it() -> None:
    document = model(
        process(node("subProcess", "Sub", node("task", "Inner"))),
        diagram=shape("Sub", 10, 10, 100, 80, isExpanded="false"),
    )
    drawn = groups(draw(document, marks=Marks(failed={"Inner": 1})))
    assert set(drawn) == {"Sub"}
    assert "is-failed" in drawn["Sub"].get("class", "")


def test_the_frame_holds_everything_with_a_margin() -> None:
    root = etree.fromstring(draw(SMALLEST).encode())
    x, y, width, height = (float(value) for value in root.get("viewBox", "").split())
    for group in groups(draw(SMALLEST)).values():
        if group.get("data-bounds"):
            place = box(group)
            assert x + 10 <= place.x
            assert y + 10 <= place.y
            assert place.right <= x + width - 10
            assert place.bottom <= y + height - 10
    assert (root.get("role"), root.get("width")) == ("img", root.get("viewBox", "").split()[2])


def test_every_element_and_the_picture_have_a_title() -> None:
    svg = draw(SMALLEST, title="Payment, version 2")
    root = etree.fromstring(svg.encode())
    assert root.findtext(f"{SVG}title") == "Payment, version 2"
    assert root.find(f"{SVG}desc") is not None
    for group in groups(svg).values():
        assert group.findtext(f"{SVG}title")
    assert groups(svg)["ServiceTask_1"].findtext(f"{SVG}title") == "Service task: Process Payment"


@pytest.mark.parametrize("document", [b"", b"no xml", b"<a/>", b"<!DOCTYPE a><a/>", b"\xff\xfe"])
def test_bytes_that_are_not_bpmn_are_refused(document: bytes) -> None:
    with pytest.raises(ModelInvalid):
        draw(document)


@pytest.mark.parametrize(
    "document",
    [
        model(),
        model("<process/>"),
        model(process()),
        model("<collaboration id='c'><participant id='p' processRef='nothing'/></collaboration>"),
        model(process(flow("nobody", "nowhere"), node("task", "t"), flow("t", "t"), flow("t", "nowhere"))),
        model(process(node("boundaryEvent", "b", attachedToRef="b"), flow("b", "b"))),
        model(process(node("boundaryEvent", "b", attachedToRef="nothing"), node("task", "t"), flow("t", "b"))),
        model(process(node("task", "twice"), node("task", "twice"), "<task/><task/>")),
        model(process(node("lane", "l"), "<laneSet><lane id='m'><flowNodeRef>no</flowNodeRef></lane></laneSet>")),
        model("<process id='x'><subProcess id='x'><subProcess id='x'/></subProcess></process>"),
        model(process(node("group", "g", categoryValueRef="g")), "<message id='m'/><strange id='s'/>"),
        model(process(node("association", "a", sourceRef="a", targetRef="a"))),
        model(process(node("task", "t")), diagram=shape("t", float("nan"), 0, 1, 1)),
        model(process(node("task", "t")), diagram=shape("t", 1e300, -1e300, 1e300, 1)),
        model(process(node("task", "t")), diagram=shape("t", 0, 0, -5, 0)),
        model(process(node("task", "t")), diagram=shape("gone", 0, 0, 10, 10)),
        model(process(node("task", "t")), diagram="<di:BPMNEdge bpmnElement='t'/><di:BPMNShape/>"),
    ],
)
def test_whatever_is_bpmn_is_drawn(document: bytes) -> None:
    for number in (0, 1, -1):
        etree.fromstring(draw(document, diagram=number).encode())


def test_sub_processes_may_be_nested_as_deeply_as_the_reader_allows() -> None:
    deep = "".join(f"<subProcess id='s{n}'>" for n in range(240)) + "<task id='t'/>" + "</subProcess>" * 240
    assert "t" in groups(draw(model(process(deep))))


def test_an_open_call_activity_lies_below_what_is_drawn_in_it() -> None:
    document = model(
        process(node("task", "inner"), id="Q"),
        process(node("callActivity", "call", calledElement="Q")),
        diagram=shape("inner", 100, 100, 100, 80) + shape("call", 10, 10, 300, 300, isExpanded="true"),
    )
    svg = draw(document)
    assert svg.index('data-element-id="call"') < svg.index('data-element-id="inner"')


def test_markers_say_how_an_activity_is_repeated() -> None:
    drawing = Drawing().start().service("all").many("=items").service("turn").many("=items", sequential=True)
    drawing.service("again").again(maximum=3).ad_hoc("any", Drawing("inside").apart().node("task", "inner")).end()
    drawn = groups(draw(drawing.xml()))
    for element, marker in (("all", "multi-instance"), ("turn", "sequential"), ("again", "loop"), ("any", "ad-hoc")):
        found = [part.get("class") for part in drawn[element].iter(f"{SVG}g")]
        assert f"marker marker-{marker}" in found, element
    assert box(drawn["any"]).contains(box(drawn["inner"]))
