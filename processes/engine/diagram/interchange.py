"""BPMN Diagram Interchange, chapter 12: the boxes and lines that the modeller drew. Tolerant of missing
parts.

A shape without usable bounds, or of an element that does not exist, counts as not drawn; so does an edge with
fewer than two waypoints. What a diagram should show but does not is for the layout to add.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from lxml import etree

from processes.engine.diagram.shapes import Box, Drawing, Edge, Label, Paint, Point, Shape
from processes.engine.diagram.sketch import SUB_PROCESSES, Element, Sketch
from processes.engine.xml import BPMNDI, DC, DI, local

LIMIT = 1_000_000.0
"""No coordinate is farther out than this; a picture of more is nobody's."""

_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
_BIOC = "http://bpmn.io/schema/bpmn/biocolor/1.0"
_OMG_COLOUR = "http://www.omg.org/spec/BPMN/non-normative/color/1.0"


def diagrams(root: etree._Element) -> list[etree._Element]:
    """The planes of all diagrams of a document, in document order."""
    return [
        plane
        for diagram in root.iter(f"{{{BPMNDI}}}BPMNDiagram")
        if (plane := diagram.find(f"{{{BPMNDI}}}BPMNPlane")) is not None
    ]


def subject(plane: etree._Element, page: Sketch) -> str:
    """The key of the process, sub-process or collaboration that a plane shows; "" where it does not say."""
    element = _element(plane, page)
    return element.key if element is not None else ""


def drawn(planes: list[etree._Element], page: Sketch) -> set[str]:
    """The keys of all elements that have a shape or an edge in any of these planes."""
    keys = set()
    for plane in planes:
        for part in plane:
            element = _element(part, page)
            if element is not None:
                keys.add(element.key)
    return keys


def read(plane: etree._Element, page: Sketch) -> Drawing:
    """The shapes and edges of one plane. Never raises."""
    drawing = Drawing()
    shapes: list[tuple[etree._Element, Element, Box]] = []
    for part in plane.iter(f"{{{BPMNDI}}}BPMNShape"):
        element, box = _element(part, page), _bounds(part)
        if element is not None and box is not None:
            shapes.append((part, element, box))
    holders = {element.parent for _, element, _ in shapes}
    closed = {
        element.key
        for part, element, _ in shapes
        if element.tag in SUB_PROCESSES and not _flag(part, "isExpanded", element.key in holders)
    }
    hidden = {
        element.key
        for element in page.elements.values()
        if closed and any(key in closed for key in page.ancestors(element.key))
    }
    for part, element, box in shapes:
        if element.key in hidden:
            continue
        drawing.shapes.append(
            Shape(
                element=element,
                box=box,
                label=_label(part, box),
                expanded=element.key not in closed
                and (element.tag in SUB_PROCESSES or bool(element.process) or _flag(part, "isExpanded", False)),
                horizontal=_flag(part, "isHorizontal", box.width >= box.height or element.tag == "participant"),
                marker_visible=_flag(part, "isMarkerVisible", False),
                band=part.get("participantBandKind", ""),
                paint=_paint(part),
            )
        )
    for part in plane.iter(f"{{{BPMNDI}}}BPMNEdge"):
        element, points = _element(part, page), tuple(_waypoints(part))
        if element is None or element.key in hidden or len(points) < 2:
            continue
        drawing.edges.append(
            Edge(element, points, _label(part, None), part.get("messageVisibleKind", ""), _paint(part))
        )
    return drawing


def _element(part: etree._Element, page: Sketch) -> Element | None:
    reference = (part.get("bpmnElement") or "").strip()
    return page.elements.get(reference) or page.elements.get(reference.rpartition(":")[2])


def _flag(part: etree._Element, name: str, default: bool) -> bool:
    value = part.get(name)
    return default if value is None else value.strip() in ("true", "1")


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return max(-LIMIT, min(LIMIT, value)) if math.isfinite(value) else None


def _bounds(part: etree._Element) -> Box | None:
    bounds = part.find(f"{{{DC}}}Bounds")
    if bounds is None:
        return None
    x, y = _number(bounds.get("x")), _number(bounds.get("y"))
    width, height = _number(bounds.get("width")), _number(bounds.get("height"))
    if x is None or y is None or width is None or height is None or width <= 0 or height <= 0:
        return None
    return Box(x, y, width, height)


def _waypoints(part: etree._Element) -> Iterator[Point]:
    for waypoint in part.iter(f"{{{DI}}}waypoint"):
        x, y = _number(waypoint.get("x")), _number(waypoint.get("y"))
        if x is not None and y is not None:
            yield x, y


def _label(part: etree._Element, owner: Box | None) -> Label | None:
    """The place of a name. Bounds that are the shape itself say nothing and are left out."""
    label = next((child for child in part if local(child) == "BPMNLabel"), None)
    box = _bounds(label) if label is not None else None
    if box is None or (owner is not None and box == owner):
        return None
    return Label(box)


def _paint(part: etree._Element) -> Paint:
    def colour(*names: str) -> str:
        found = (part.get(name, "") for name in names)
        return next((value for value in found if _COLOUR.match(value)), "")

    return Paint(
        fill=colour(f"{{{_OMG_COLOUR}}}background-color", f"{{{_BIOC}}}fill"),
        stroke=colour(f"{{{_OMG_COLOUR}}}border-color", f"{{{_BIOC}}}stroke"),
    )
