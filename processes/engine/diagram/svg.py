"""The finished picture: order of drawing, names outside of shapes, marks, titles and the frame around
everything.

For stylesheets and live overlays: every element is a ``<g>`` with ``data-element-id`` (where it has an id),
with ``data-bounds="x y width height"`` if it is an area, and with the classes ``bpmn-shape`` or
``bpmn-edge``, ``bpmn-<tag>`` and ``is-visited``, ``is-active``, ``is-failed``, ``is-taken``. Inside are
``outline``, ``inner``, ``marker``, ``label``, ``line``, ``head``, ``tail`` and ``badge``. Colours are
presentation attributes, which any rule of a stylesheet overrides.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace

from processes.engine.diagram.figures import Look, figure, lines_of_text
from processes.engine.diagram.ink import (
    ACTIVE,
    ACTIVE_PAPER,
    FAILED,
    FAILED_PAPER,
    INK,
    PAPER,
    TAKEN,
    VISITED_PAPER,
    number,
    tag,
    text,
)
from processes.engine.diagram.marks import Marks, badges, note_badge
from processes.engine.diagram.shapes import Box, Drawing, Edge, Label, Point, Shape, around
from processes.engine.diagram.sketch import (
    CALLS,
    CONVERSATIONS,
    DATA,
    EVENTS,
    FLOW_NODES,
    GATEWAYS,
    SUB_PROCESSES,
    Sketch,
)
from processes.engine.diagram.symbols import EVENTS as EVENT_SYMBOLS
from processes.engine.diagram.text import LABEL_FONT, LINE, width, wrapped
from processes.engine.diagram.wires import label_of, wire

MARGIN = 20.0
_OUTSIDE = EVENTS | GATEWAYS | DATA | CONVERSATIONS | {"group", "message"}


@dataclass(slots=True)
class _Pen:
    page: Sketch
    marks: Marks
    seen: list[Box] = field(default_factory=list)
    """Boxes of everything drawn, for the frame."""


def render(drawing: Drawing, page: Sketch, marks: Marks, title: str, prefix: str) -> str:
    """The SVG text. `prefix` begins every id in it."""
    marks = _lifted(drawing, page, marks)
    pen = _Pen(page, marks)
    layers: dict[tuple[int, float], list[str]] = {}
    for shape in drawing.shapes:
        layers.setdefault(_layer(shape), []).append(_shape(shape, pen))
    for edge in drawing.edges:
        # The round tail of a message flow would be half hidden below its node; walked flows lie on others.
        layer = 4 if edge.element.tag == "messageFlow" else 2
        layers.setdefault((layer, edge.element.key in marks.taken), []).append(_edge(edge, pen))
    for shape in drawing.shapes:
        key = shape.element.key
        if shape.element.tag in FLOW_NODES:
            counts = (marks.active.get(key, 0), marks.failed.get(key, 0), marks.visited.get(key, 0))
            drawn = badges(shape.box, *counts)
            if drawn:
                layers.setdefault((5, 0), []).append(drawn)
                pen.seen.append(Box(shape.box.x - 12, shape.box.y - 10, shape.box.width + 24, shape.box.height + 20))
        if (note := marks.notes.get(key)) is not None and note.badge:
            layers.setdefault((5, 1), []).append(note_badge(note, shape.box.cx, shape.box.y))
            pen.seen.append(Box(shape.box.cx - 30, shape.box.y - 10, 60, 10))
    for edge in drawing.edges:
        if (note := marks.notes.get(edge.element.key)) is not None and note.badge:
            layers.setdefault((5, 1), []).append(note_badge(note, *_middle(edge)))
    frame = (around(pen.seen) or drawing.bounds()).grown(MARGIN)
    content = "\n".join(part for layer in sorted(layers) for part in layers[layer])
    heading = tag("title", text(title or "BPMN diagram"), id=f"{prefix}-title")
    summary = tag("desc", text(_summary(drawing, marks)), id=f"{prefix}-desc")
    return tag(
        "svg",
        f"\n{heading}\n{summary}\n{content}\n",
        xmlns="http://www.w3.org/2000/svg",
        class_="bpmn-diagram",
        role="img",
        aria_labelledby=f"{prefix}-title",
        aria_describedby=f"{prefix}-desc",
        viewBox=" ".join(number(value) for value in (frame.x, frame.y, frame.width, frame.height)),
        width=frame.width,
        height=frame.height,
    )


def _lifted(drawing: Drawing, page: Sketch, marks: Marks) -> Marks:
    """Incidents inside a collapsed sub-process show on the nearest node that is drawn; tokens need not, it
    has one.
    """
    shown = {shape.element.key for shape in drawing.shapes}
    hidden = [key for key in marks.failed if key in page.elements and key not in shown]
    if not hidden:
        return marks
    failed = {key: count for key, count in marks.failed.items() if key in shown}
    for key in hidden:
        holder = next((k for k in page.ancestors(key) if k in shown and page.elements[k].tag in FLOW_NODES), None)
        if holder is not None:
            failed[holder] = failed.get(holder, 0) + marks.failed[key]
    return replace(marks, failed=failed)


def _middle(edge: Edge) -> Point:
    """The middle of the longest part of a line."""
    parts = list(zip(edge.points, edge.points[1:], strict=False))
    (ax, ay), (bx, by) = max(parts, key=lambda part: math.dist(*part))
    return (ax + bx) / 2, (ay + by) / 2


def _layer(shape: Shape) -> tuple[int, float]:
    """What is drawn first lies below: pools, lanes, containers, lines, nodes, boundary events.

    Of containers the larger lie below: an expanded call activity may hold nodes of another process.
    """
    name = shape.element.tag
    if name == "participant" and not shape.band:
        return 0, 0
    if name == "lane":
        return 0, 1
    if name in SUB_PROCESSES | CALLS and shape.expanded:
        return 1, -shape.box.width * shape.box.height
    if name == "group":
        return 1, 1
    return (4 if name == "boundaryEvent" or shape.band else 3), 0


def _colours(key: str, marks: Marks) -> tuple[str, str]:
    if marks.failed.get(key, 0) > 0:
        return FAILED, FAILED_PAPER
    if marks.active.get(key, 0) > 0:
        return ACTIVE, ACTIVE_PAPER
    if marks.visited.get(key, 0) > 0:
        return TAKEN, VISITED_PAPER
    return "", ""


def _shape(shape: Shape, pen: _Pen) -> str:
    element, box, marks = shape.element, shape.box, pen.marks
    ink, paper = _colours(element.key, marks)
    if element.tag in SUB_PROCESSES and shape.expanded and paper:
        paper = PAPER
    inner = ""
    if "event-sub-process" in element.traits and not shape.expanded:
        starts = (start.symbols[:1] for start in pen.page.of(element.key, frozenset({"startEvent"})))
        inner = next((kinds[0] for kinds in starts if kinds and kinds[0] in EVENT_SYMBOLS), "")
    look = Look(
        ink=ink or shape.paint.stroke or INK,
        paper=paper or shape.paint.fill or PAPER,
        inner=inner,
        called=_called(shape, pen.page),
    )
    drawn = tag("title", text(_title(shape, marks))) + figure(shape, look)
    pen.seen.append(box)
    outside = _outside_label(shape)
    if outside is not None:
        drawn += _text(element.name, outside, pen, dx=-box.x, dy=-box.y)
    classes = ["bpmn-shape", f"bpmn-{element.tag}", *marks.classes(element.key)]
    return tag(
        "g",
        drawn,
        class_=" ".join(classes),
        data_element_id=element.id or None,
        data_bounds=" ".join(number(value) for value in (box.x, box.y, box.width, box.height)),
        transform=f"translate({number(box.x)} {number(box.y)})",
    )


def _called(shape: Shape, page: Sketch) -> str:
    """The task type of the global task that a call activity calls, ``globalUserTask`` being ``userTask``."""
    called = page.elements.get(shape.element.target) if shape.element.tag == "callActivity" else None
    if called is None or not called.tag.startswith("global"):
        return ""
    return called.tag[6:7].lower() + called.tag[7:]


def _outside_label(shape: Shape) -> Label | None:
    if shape.element.tag not in _OUTSIDE or not shape.element.name.strip():
        return None
    box = shape.box
    if shape.label is not None:
        # The modeller measured with its own font: the middle and the top stay, the width may grow a little.
        # Labels of our own layout have no height.
        if not shape.label.box.height:
            return shape.label
        wide = max(shape.label.box.width * 1.12, 60.0)
        return Label(Box(shape.label.box.cx - wide / 2, shape.label.box.y, wide, 0))
    if shape.element.tag == "group":
        return Label(Box(box.x, box.y - LABEL_FONT * LINE - 3, box.width, 0))
    return Label(Box(box.cx - 50, box.bottom + 5, 100, 0))


def _edge(edge: Edge, pen: _Pen) -> str:
    element = edge.element
    taken = element.tag == "sequenceFlow" and element.key in pen.marks.taken
    ink = TAKEN if taken else edge.paint.stroke or INK
    sentence = pen.marks.sentence(element.key)
    said = f" ({sentence})" if sentence else ""
    named = tag("title", text(_words(element.tag) + (f": {element.name}" if element.name else "") + said))
    drawn = named + wire(edge, ink, 2.4 if taken else 1.5)
    pen.seen.append(around([], edge.points) or Box(0, 0, 0, 0))
    if element.name.strip():
        label = edge.label
        if label is not None and label.box.height:
            wide = max(label.box.width * 1.06, 40.0)
            label = Label(Box(label.box.cx - wide / 2, label.box.y, wide, 0))
        label = label or label_of(edge)
        if label is not None:
            drawn += _text(element.name, label, pen)
    classes = ["bpmn-edge", f"bpmn-{element.tag}"] + (["is-taken"] if taken else [])
    classes += pen.marks.classes(element.key)
    return tag("g", drawn, class_=" ".join(classes), data_element_id=element.id or None)


def _text(name: str, label: Label, pen: _Pen, dx: float = 0, dy: float = 0) -> str:
    """A name outside of its shape; `dx` and `dy` lead from the page to the group that it is in."""
    # Rather wider than asked than a word broken.
    word = max((width(word, LABEL_FONT) for word in name.split()), default=0.0)
    rows = wrapped(name, max(label.box.width, min(word, 140.0)), LABEL_FONT, 8)
    widest = max((width(row, LABEL_FONT) for row in rows), default=0.0)
    x = {"start": label.box.x, "end": label.box.right}.get(label.anchor, label.box.cx)
    left = {"start": x, "end": x - widest}.get(label.anchor, x - widest / 2)
    height = len(rows) * LABEL_FONT * LINE
    top = label.box.y - height if label.above else label.box.y
    pen.seen.append(Box(left, top, widest, height))
    return lines_of_text(rows, x + dx, top + dy, size=LABEL_FONT, anchor=label.anchor, halo=True)


def _words(name: str) -> str:
    """``intermediateCatchEvent`` for people: ``Intermediate catch event``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _title(shape: Shape, marks: Marks) -> str:
    element = shape.element
    kinds = ", ".join(_words(kind).lower() for kind in element.symbols)
    title = _words(element.tag) + (f" ({kinds})" if kinds else "")
    if element.name:
        title += f": {' '.join(element.name.split())}"
    sentence = marks.sentence(element.key)
    return f"{title} ({sentence})" if sentence else title


def _summary(drawing: Drawing, marks: Marks) -> str:
    nodes = [shape.element for shape in drawing.shapes if shape.element.tag in FLOW_NODES]
    flows = sum(1 for edge in drawing.edges if edge.element.tag == "sequenceFlow")
    parts = [f"{len(nodes)} flow nodes, {flows} sequence flows"]
    for words, counts in (("Active", marks.active), ("With open incidents", marks.failed)):
        names = [node.name or node.id for node in nodes if counts.get(node.key, 0) > 0]
        if names:
            parts.append(f"{words}: {', '.join(names[:20])}")
    return ". ".join(parts) + "."
