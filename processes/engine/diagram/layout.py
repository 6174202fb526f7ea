"""Automatic layout of whole models: containers from the inside out, pools and lanes as rows, artefacts above.

A container is a process or an expanded sub-process. Its flow nodes fall into connected parts, each a `chart`,
which are put side by side and below each other; in a process with lanes they stay one chart, whose bands are
the lanes. Sizes are those of the usual modellers: task 100 by 80, event 36, gateway 50.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from processes.engine.diagram import lanes as lane_rows
from processes.engine.diagram.chart import Chart, chart
from processes.engine.diagram.rows import Node, Wire
from processes.engine.diagram.shapes import Box, Drawing, Edge, Label, Point, Shape, around
from processes.engine.diagram.sketch import (
    ACTIVITIES,
    DATA,
    EVENTS,
    FLOW_NODES,
    GATEWAYS,
    SUB_PROCESSES,
    Element,
    Sketch,
)
from processes.engine.diagram.text import LABEL_FONT, LINE, TASK_FONT, width, wrapped

PAD = 30.0
HEAD = 32.0
"""Above the content of a sub-process, for its name."""
SPACE = 60.0
ARTEFACTS = (DATA - {"dataObject", "dataStore"}) | {"textAnnotation"}


@dataclass(slots=True)
class Content:
    """What is in a container, from (0, 0) on: boxes and lines of its own elements, not of those deeper
    inside.
    """

    boxes: dict[str, Box] = field(default_factory=dict)
    lines: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    bands: list[tuple[float, float]] = field(default_factory=list)
    """Top and bottom of the rows of lanes."""
    width: float = 0.0
    height: float = 0.0

    def take(self, other: Chart | Content, dx: float, dy: float) -> None:
        for key, box in other.boxes.items():
            self.boxes[key] = box.moved(dx, dy)
        for key, points in other.lines.items():
            self.lines[key] = tuple((x + dx, y + dy) for x, y in points)
        for key, label in other.labels.items():
            self.labels[key] = Label(label.box.moved(dx, dy), label.anchor, label.above)


class Layout:
    """Lays out containers of one sketch. Elements in `skip` are drawn elsewhere and left out."""

    def __init__(self, page: Sketch, skip: Collection[str] = ()) -> None:
        self.page = page
        self.skip = skip
        self.content: dict[str, Content] = {}
        self.home = self._homes()
        self.wires_in: dict[str, list[Element]] = {}
        self.ties: dict[str, list[str]] = {}
        """The other ends of the associations of an element."""
        for element in page.elements.values():
            if element.tag in ("sequenceFlow", "association"):
                home = self.home.get(element.source)
                if home is not None and home == self.home.get(element.target):
                    self.wires_in.setdefault(home, []).append(element)
            if element.tag in ("association", "dataInputAssociation", "dataOutputAssociation"):
                self.ties.setdefault(element.source, []).append(element.target)
                self.ties.setdefault(element.target, []).append(element.source)

    def _homes(self) -> dict[str, str]:
        """The container of every flow node that is to be laid out."""
        return {
            element.key: element.parent
            for element in self.page.elements.values()
            if element.tag in FLOW_NODES and element.key not in self.skip
        }

    def containers(self, top: str) -> list[str]:
        """A container and all sub-processes inside it, outer ones first."""
        found, at = [top], 0
        while at < len(found):
            found.extend(e.key for e in self.page.of(found[at], SUB_PROCESSES))
            at += 1
        return found

    def prepare(self, top: str, *, lanes: bool = True) -> Content:
        """The content of a process or sub-process, with everything inside it laid out first."""
        for key in reversed(self.containers(top)):
            self.content[key] = self._contain(key, lanes=lanes and key == top)
        return self.content[top]

    def _contain(self, key: str, *, lanes: bool) -> Content:
        nodes = self._nodes(key)
        wires = [
            Wire(e.key, e.source, e.target, width(e.name, LABEL_FONT) if e.name else 0.0)
            for e in self.wires_in.get(key, ())
        ]
        content = Content()
        rows = lane_rows.leaves(self.page, key) if lanes else []
        if rows:
            drawn = lane_rows.chart_of(self.page, key, rows, nodes, wires)
            content.take(drawn, 0, 0)
            content.bands = drawn.bands
        else:
            _shelve(content, _parts(nodes, wires))
        self._add_artefacts(content, key)
        _normalise(content)
        return content

    def _nodes(self, key: str) -> list[Node]:
        members = [e for e in self.page.of(key, FLOW_NODES) if e.key not in self.skip]
        hosts = {e.key for e in members if e.tag in ACTIVITIES}
        events: dict[str, list[str]] = {}
        for element in members:
            if element.tag == "boundaryEvent" and element.host in hosts:
                events.setdefault(element.host, []).append(element.key)
        hosted = {event for group in events.values() for event in group}
        members = [e for e in members if e.key not in hosted]
        members.sort(key=lambda e: "event-sub-process" in e.traits)
        nodes = []
        for element in members:
            wide, high = self.size(element)
            exits = tuple(events.get(element.key, ()))
            pitch = 70.0 if any(self.page.elements[event].name for event in exits) else 46.0
            below = wrapped(self.page.elements[exits[-1]].name, 100, LABEL_FONT, 8) if exits else []
            outside = element.tag in EVENTS | GATEWAYS and element.name
            nodes.append(
                Node(
                    key=element.key,
                    width=max(wide, pitch * (len(exits) - 1) + 56),
                    height=high,
                    room=min(width(element.name, LABEL_FONT), 90.0) if outside else 0.0,
                    exits=exits,
                    pitch=pitch,
                    drop=len(below) * LABEL_FONT * LINE,
                    corners=element.tag in GATEWAYS,
                    first=element.tag == "startEvent",
                )
            )
        return nodes

    def expanded(self, element: Element) -> bool:
        """Whether a sub-process is drawn open: only if there is something in it."""
        content = self.content.get(element.key)
        return element.tag in SUB_PROCESSES and content is not None and bool(content.boxes)

    def size(self, element: Element) -> tuple[float, float]:
        if self.expanded(element):
            content = self.content[element.key]
            title = min(width(element.name, TASK_FONT) + 40, 400.0)
            return max(content.width + 2 * PAD, title, 140.0), content.height + HEAD + PAD
        return natural_size(element)

    def _add_artefacts(self, content: Content, key: str) -> None:
        """Data and annotations in a row above or below everything, each near to what it belongs to."""
        artefacts = [e for e in self.page.of(key, ARTEFACTS) if e.key not in self.skip]
        if not artefacts:
            return
        frame = _frame(content) or Box(0, 0, 0, 0)
        above: list[tuple[float, Element]] = []
        below: list[tuple[float, Element]] = []
        for element in artefacts:
            ties = [content.boxes[k] for k in self.ties.get(element.key, ()) if k in content.boxes]
            x = sum(box.cx for box in ties) / len(ties) if ties else frame.x
            low = bool(ties) and min(box.y for box in ties) - frame.y > frame.bottom - max(b.bottom for b in ties)
            (below if low else above).append((x, element))
        for row, line in ((above, frame.y - 40), (below, frame.bottom + 40)):
            right = -1e9
            for x, element in sorted(row, key=lambda item: item[0]):
                wide, high = natural_size(element)
                left = max(x - wide / 2, right + 40)
                top = line if row is below else line - high - (18 if element.name and element.tag in DATA else 0)
                content.boxes[element.key] = Box(left, top, wide, high)
                right = left + max(wide, 70.0)

    def place(self, drawing: Drawing, top: str, x: float, y: float) -> None:
        """Puts the prepared content of a container on the page, with everything inside, at (x, y)."""
        origin = {top: (x, y)}
        for key in self.containers(top):
            if key not in origin:
                continue
            content, (dx, dy) = self.content[key], origin[key]
            for name, box in content.boxes.items():
                element = self.page.elements[name]
                label = content.labels.get(name)
                drawing.shapes.append(
                    Shape(
                        element=element,
                        box=box.moved(dx, dy),
                        label=Label(label.box.moved(dx, dy), label.anchor, label.above) if label else None,
                        expanded=self.expanded(element),
                        marker_visible=element.tag == "exclusiveGateway",
                    )
                )
                if self.expanded(element):
                    inner = self.content[name]
                    spare = (box.width - inner.width) / 2
                    origin[name] = (dx + box.x + spare, dy + box.y + HEAD)
            for name, points in content.lines.items():
                moved = tuple((px + dx, py + dy) for px, py in points)
                drawing.edges.append(Edge(self.page.elements[name], moved))


def natural_size(element: Element) -> tuple[float, float]:
    """Width and height of an element that nobody has sized."""
    if element.tag in EVENTS:
        return 36.0, 36.0
    if element.tag in GATEWAYS:
        return 50.0, 50.0
    if element.tag in ("dataStoreReference", "dataStore"):
        return 50.0, 50.0
    if element.tag in DATA:
        return 36.0, 50.0
    if element.tag == "textAnnotation":
        rows = wrapped(element.name, 150.0, TASK_FONT)
        return 165.0, max(30.0, len(rows) * TASK_FONT * 1.25 + 12)
    return 100.0, 80.0


def _parts(nodes: list[Node], wires: list[Wire]) -> list[Chart]:
    """The connected parts, each laid out, in the order of their first nodes."""
    leader = {node.key: node.key for node in nodes}
    host = {event: node.key for node in nodes for event in node.exits}

    def find(key: str) -> str:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    ends = [(host.get(wire.source, wire.source), host.get(wire.target, wire.target)) for wire in wires]
    for source, target in ends:
        if source in leader and target in leader:
            leader[find(target)] = find(source)
    groups: dict[str, tuple[list[Node], list[Wire]]] = {}
    for node in nodes:
        groups.setdefault(find(node.key), ([], []))[0].append(node)
    for wire, (source, target) in zip(wires, ends, strict=True):
        if source in leader and target in leader:
            groups[find(source)][1].append(wire)
    return [chart(members, links) for members, links in groups.values()]


def _shelve(content: Content, parts: Iterable[Chart]) -> None:
    """Parts side by side as long as they are no wider than the widest, or than a square of all; then a new
    shelf.
    """
    framed = []
    for part in parts:
        frame = around(part.boxes.values(), (p for line in part.lines.values() for p in line))
        if frame is not None:
            # A name below an event needs the rest of its row.
            framed.append((part, Box(frame.x, frame.y - 12, frame.width, max(frame.height, 80) + 24)))
    area = sum((frame.width + SPACE) * (frame.height + SPACE) for _, frame in framed)
    limit = max([(1.6 * area) ** 0.5, *(frame.width for _, frame in framed)], default=0.0)
    x = y = shelf = 0.0
    for part, frame in framed:
        if x and x + frame.width > limit + 0.01:
            x, y, shelf = 0.0, y + shelf + 20, 0.0
        content.take(part, x - frame.x, y - frame.y)
        x += frame.width + SPACE
        shelf = max(shelf, frame.height)


def _frame(content: Content) -> Box | None:
    """Around boxes, lines and rows, and around names below events as far as they can be foreseen."""
    points = [p for line in content.lines.values() for p in line]
    names = [box.grown(20) for box in content.boxes.values() if box.height <= 50]
    left = min((box.x for box in content.boxes.values()), default=0.0)
    rows = [Box(left, top, 0, bottom - top) for top, bottom in content.bands]
    return around([*content.boxes.values(), *(Box(n.cx, n.cy, 0, n.height / 2) for n in names), *rows], points)


def _normalise(content: Content) -> None:
    """Moves everything so that the content begins at (0, 0), and measures it."""
    frame = _frame(content)
    if frame is None:
        return
    whole = Content()
    whole.take(content, -frame.x, -frame.y)
    content.boxes, content.lines, content.labels = whole.boxes, whole.lines, whole.labels
    content.bands = [(top - frame.y, bottom - frame.y) for top, bottom in content.bands]
    content.width, content.height = frame.width, frame.height
