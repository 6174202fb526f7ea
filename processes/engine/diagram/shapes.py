"""Geometry lives here: boxes, shapes, edges, and the drawing that they make. No XML, no SVG, no BPMN rules.

Lengths are pixels of BPMN DI (chapter 12), x to the right, y downwards; a task is 100 by 80, an event 36, a
gateway 50.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from processes.engine.diagram.sketch import Element

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle: upper left corner, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def cx(self) -> float:
        return self.x + self.width / 2

    @property
    def cy(self) -> float:
        return self.y + self.height / 2

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x + dx, self.y + dy, self.width, self.height)

    def grown(self, by: float) -> Box:
        return Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def contains(self, other: Box, slack: float = 0.01) -> bool:
        return (
            self.x <= other.x + slack
            and self.y <= other.y + slack
            and self.right >= other.right - slack
            and self.bottom >= other.bottom - slack
        )

    def overlaps(self, other: Box) -> bool:
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


def around(boxes: Iterable[Box], points: Iterable[Point] = ()) -> Box | None:
    """The smallest box around all boxes and points; None around nothing."""
    corners = list(points)
    for box in boxes:
        corners += [(box.x, box.y), (box.right, box.bottom)]
    if not corners:
        return None
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    return Box(left, top, max(x for x, _ in corners) - left, max(y for _, y in corners) - top)


@dataclass(frozen=True, slots=True)
class Label:
    """Where a name goes: the text is broken to the width of the box and starts at its top.

    `anchor` is ``start``, ``middle`` or ``end`` as in SVG: the border of the box to which the lines are set.
    With `above` the text ends at the top of the box instead of starting there.
    """

    box: Box
    anchor: str = "middle"
    above: bool = False


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours that a modeller chose for one shape, as ``#rrggbb``; "" is the default."""

    fill: str = ""
    stroke: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One element drawn as an area, BPMN 2.0.2 section 12.2.3.3."""

    element: Element
    box: Box
    label: Label | None = None
    expanded: bool = True
    horizontal: bool = True
    marker_visible: bool = False
    band: str = ""
    paint: Paint = Paint()


@dataclass(frozen=True, slots=True)
class Edge:
    """One element drawn as a line through at least two points, BPMN 2.0.2 section 12.2.3.4."""

    element: Element
    points: tuple[Point, ...]
    label: Label | None = None
    message: str = ""
    paint: Paint = Paint()


@dataclass(slots=True)
class Drawing:
    """All shapes and edges of one diagram."""

    shapes: list[Shape] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def bounds(self) -> Box:
        boxes = [shape.box for shape in self.shapes]
        found = around(boxes, (point for edge in self.edges for point in edge.points))
        return found or Box(0, 0, 100, 80)


def straightened(points: Sequence[Point]) -> tuple[Point, ...]:
    """The same line without repeated points and without corners that are none."""
    line: list[Point] = []
    for point in points:
        if line and abs(line[-1][0] - point[0]) < 0.01 and abs(line[-1][1] - point[1]) < 0.01:
            continue
        if len(line) >= 2:
            (ax, ay), (bx, by) = line[-2], line[-1]
            vertical = abs(ax - bx) < 0.01 and abs(bx - point[0]) < 0.01
            level = abs(ay - by) < 0.01 and abs(by - point[1]) < 0.01
            forward = (bx - ax) * (point[0] - bx) + (by - ay) * (point[1] - by) >= 0
            if (vertical or level) and forward:
                line.pop()
        line.append(point)
    if len(line) == 1:
        line.append(line[0])
    return tuple(line)
