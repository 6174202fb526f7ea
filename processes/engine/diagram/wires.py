"""Lines: sequence flows, message flows and associations with their ends, BPMN 2.0.2 sections 7.5 and 8.4.

The ends are paths of their own and no ``marker`` elements, so that they take the colour of their line from
any stylesheet and no id can clash with another drawing on the page.
"""

from __future__ import annotations

import itertools
from math import atan2, cos, hypot, sin

from processes.engine.diagram import symbols
from processes.engine.diagram.ink import INK, PAPER, rounded, tag
from processes.engine.diagram.ink import line as straight
from processes.engine.diagram.shapes import Box, Edge, Label, Point
from processes.engine.diagram.text import LABEL_FONT, LINE, width, wrapped


def wire(edge: Edge, ink: str, weight: float) -> str:
    """The SVG of an edge without its name."""
    points, traits, name = list(edge.points), edge.element.traits, edge.element.tag
    if name == "sequenceFlow":
        drawn = _stroke(_shortened(points, 8), ink, weight)
        drawn += _head(points, ink, ink, 11, 4.6)
        if "conditional" in traits:
            drawn += _diamond(points, ink)
        if "default" in traits:
            drawn += _slash(points, ink)
        return drawn
    if name == "messageFlow":
        drawn = _stroke(_shortened(points, 9), ink, weight, dashes="8 5")
        drawn += tag(
            "circle",
            cx=points[0][0],
            cy=points[0][1],
            r=4,
            fill=PAPER,
            stroke=ink,
            stroke_width=1.4,
            class_="tail",
        )
        return drawn + _head(points, ink, PAPER, 10, 5) + _letter(edge, ink)
    if name == "conversationLink":
        return _stroke(points, ink, 5) + _stroke(points, PAPER, 2.4)
    drawn = _stroke(points, ink, 1.5, dashes="0.1 5", corner=0)
    if name.startswith("data") or "one" in traits or "both" in traits:
        drawn += _barb(points, ink)
    if "both" in traits:
        drawn += _barb(points[::-1], ink)
    return drawn


def label_of(edge: Edge) -> Label | None:
    """Where the name goes if nobody said: above the first level stretch that has room, else beside the
    line.
    """
    if not edge.element.name.strip():
        return None
    wide = min(width(edge.element.name, LABEL_FONT), 100.0)
    level = [
        (a, b)
        for a, b in zip(edge.points, edge.points[1:], strict=False)
        if abs(a[1] - b[1]) < 1 and abs(a[0] - b[0]) >= min(wide, 40)
    ]
    if level:
        a, b = next((pair for pair in level if abs(pair[0][0] - pair[1][0]) >= wide + 10), level[0])
        room = max(min(abs(a[0] - b[0]) - 12, 120), 40)
        rows = wrapped(edge.element.name, room, LABEL_FONT, 3)
        forward = 1 if b[0] >= a[0] else -1
        middle = a[0] + forward * (min(abs(a[0] - b[0]) / 2, room / 2 + 6))
        top = a[1] - 4 - len(rows) * LABEL_FONT * LINE
        return Label(Box(middle - room / 2, top, room, 0))
    at = _halfway(edge.points)
    return Label(Box(at[0] + 6, at[1] - LABEL_FONT, 90, 0), "start")


def _halfway(points: tuple[Point, ...]) -> Point:
    """The middle of the longest stretch."""
    a, b = max(
        itertools.pairwise(points),
        key=lambda pair: hypot(pair[0][0] - pair[1][0], pair[0][1] - pair[1][1]),
    )
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _stroke(points: list[Point], ink: str, weight: float, dashes: str | None = None, corner: float = 5) -> str:
    data = rounded(points, corner) if corner else straight(points)
    return tag(
        "path", class_="line", d=data, fill="none", stroke=ink, stroke_width=weight, stroke_dasharray=dashes,
        stroke_linejoin="round", stroke_linecap="round" if dashes == "0.1 5" else None,
    )  # fmt: skip


def _direction(points: list[Point]) -> float:
    """The angle of the last stretch that has a length."""
    tip = points[-1]
    before = next((p for p in reversed(points[:-1]) if hypot(tip[0] - p[0], tip[1] - p[1]) > 0.01), tip)
    return atan2(tip[1] - before[1], tip[0] - before[0])


def _moved(origin: Point, angle: float, along: float, aside: float = 0) -> Point:
    return (
        origin[0] + along * cos(angle) - aside * sin(angle),
        origin[1] + along * sin(angle) + aside * cos(angle),
    )


def _shortened(points: list[Point], by: float) -> list[Point]:
    """The line ends inside its arrowhead, so that a thick line does not poke out at the tip."""
    last = hypot(points[-1][0] - points[-2][0], points[-1][1] - points[-2][1])
    return [*points[:-1], _moved(points[-1], _direction(points), -min(by, last * 0.9))]


def _head(points: list[Point], ink: str, fill: str, length: float, half: float) -> str:
    tip, angle = points[-1], _direction(points)
    corners = [tip, _moved(tip, angle, -length, half), _moved(tip, angle, -length, -half)]
    return tag(
        "path", class_="head", d=straight(corners, close=True), fill=fill, stroke=ink, stroke_width=1.2,
        stroke_linejoin="round",
    )  # fmt: skip


def _barb(points: list[Point], ink: str) -> str:
    tip, angle = points[-1], _direction(points)
    corners = [_moved(tip, angle, -9, 5), tip, _moved(tip, angle, -9, -5)]
    return tag("path", class_="barb", d=straight(corners), fill="none", stroke=ink, stroke_width=1.4)


def _diamond(points: list[Point], ink: str) -> str:
    start, angle = points[0], _direction([points[1], points[0]])
    middle = _moved(start, angle, -8)
    corners = [start, _moved(middle, angle, 0, 5), _moved(start, angle, -16), _moved(middle, angle, 0, -5)]
    return tag("path", class_="tail", d=straight(corners, close=True), fill=PAPER, stroke=ink, stroke_width=1.4)


def _slash(points: list[Point], ink: str) -> str:
    middle, angle = points[0], _direction([points[1], points[0]])
    ends = [_moved(middle, angle, -7, 5.5), _moved(middle, angle, -13, -5.5)]
    return tag("path", class_="tail", d=straight(ends), fill="none", stroke=ink, stroke_width=1.5)


def _letter(edge: Edge, ink: str) -> str:
    """The envelope on a message flow; white where it begins the conversation."""
    if not edge.message:
        return ""
    x, y = _halfway(edge.points)
    return symbols.at(x, y, symbols.envelope(INK, PAPER if edge.message == "initiating" else "#d9dbe0", False))
