"""The small pictures: event symbols, gateway markers, task types, activity markers. BPMN 2.0.2 chapters 7, 10
and 13.

Each is drawn around (0, 0) in its own natural size, about 18 pixels, and put in its place with `at`. A symbol
is a function of two colours: the ink and what fills it. A throwing event is the same symbol with the colours
of its filling and its inner lines exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

from processes.engine.diagram.ink import line, number, tag

Symbol = Callable[[str, str, bool], str]
"""(ink, paper, filled) -> SVG."""


def at(x: float, y: float, content: str, scale: float = 1.0, class_: str = "marker") -> str:
    """A symbol moved and scaled to its place."""
    place = f"translate({number(x)} {number(y)})" + (f" scale({number(scale)})" if scale != 1 else "")
    return tag("g", content, class_=class_, transform=place)


def _path(data: str, ink: str, fill: str = "none", width: float = 1.4, **more: str | float | None) -> str:
    return tag(
        "path", d=data, fill=fill, stroke=ink, stroke_width=width, stroke_linejoin="round",
        stroke_linecap="round", **more,
    )  # fmt: skip


def _circle(radius: float, ink: str, fill: str = "none", width: float = 1.4) -> str:
    return tag("circle", r=radius, fill=fill, stroke=ink, stroke_width=width)


def envelope(ink: str, paper: str, filled: bool) -> str:
    body = "M-9,-6H9V6H-9Z"
    if not filled:
        return _path(body, ink, paper) + _path("M-9,-6L0,1L9,-6", ink)
    return _path(body, ink, ink) + _path("M-9,-6L0,1.2L9,-6", paper, ink)


def clock(ink: str, paper: str, filled: bool) -> str:
    ticks = "".join(
        f"M{number(8.2 * sin(k * pi / 6))},{number(-8.2 * cos(k * pi / 6))}"
        f"L{number(10.2 * sin(k * pi / 6))},{number(-10.2 * cos(k * pi / 6))}"
        for k in range(12)
    )
    return _circle(11, ink, paper) + _path(ticks, ink, width=1) + _path("M1.8,-7.6L0,0.4L5.6,1", ink)


def bolt(ink: str, paper: str, filled: bool) -> str:
    points = [(-9.0, 9.5), (-4.2, -8.0), (2.6, 1.4), (9.0, -9.5), (4.6, 8.4), (-2.4, -0.6)]
    return _path(line(points, close=True), ink, ink if filled else paper)


def dart(ink: str, paper: str, filled: bool) -> str:
    points = [(0.0, -10.0), (7.6, 9.0), (0.0, 1.8), (-7.6, 9.0)]
    return _path(line(points, close=True), ink, ink if filled else paper)


def triangle(ink: str, paper: str, filled: bool) -> str:
    return _path("M0,-10.2L9.6,6.6H-9.6Z", ink, ink if filled else paper)


def sheet(ink: str, paper: str, filled: bool) -> str:
    return _path("M-7,-9.5H7V9.5H-7Z", ink, paper) + _path("M-4.6,-6H4.6M-4.6,-2H4.6M-4.6,2H4.6M-4.6,6H4.6", ink)


def arrow(ink: str, paper: str, filled: bool) -> str:
    return _path("M-10,-4.4H1.6V-9L10.4,0L1.6,9V4.4H-10Z", ink, ink if filled else paper)


def rewind(ink: str, paper: str, filled: bool) -> str:
    return _path("M-0.8,-7V7L-10,0Z", ink, ink if filled else paper) + _path(
        "M8.6,-7V7L-0.6,0Z", ink, ink if filled else paper
    )


def saltire(ink: str, paper: str, filled: bool) -> str:
    points = []
    for quarter in range(4):
        turn = quarter * pi / 2 + pi / 4
        for x, y in ((-2.3, -2.3), (-2.3, -11.0), (2.3, -11.0)):
            points.append((x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)))
    return _path(line(points, close=True), ink, ink if filled else paper)


def disc(ink: str, paper: str, filled: bool) -> str:
    return _circle(10.6, ink, ink)


def pentagon(ink: str, paper: str, filled: bool) -> str:
    points = [(10.2 * sin(k * 2 * pi / 5), -10.2 * cos(k * 2 * pi / 5)) for k in range(5)]
    return _path(line(points, close=True), ink, ink if filled else paper)


def cross(ink: str, paper: str, filled: bool) -> str:
    data = "M-2.8,-10H2.8V-2.8H10V2.8H2.8V10H-2.8V2.8H-10V-2.8H-2.8Z"
    return _path(data, ink, ink if filled else paper)


EVENTS: dict[str, Symbol] = {
    "message": envelope,
    "timer": clock,
    "error": bolt,
    "escalation": dart,
    "signal": triangle,
    "conditional": sheet,
    "link": arrow,
    "compensate": rewind,
    "cancel": saltire,
    "terminate": disc,
    "multiple": pentagon,
    "parallel-multiple": cross,
}


def gateway(tag_name: str, traits: frozenset[str], marked: bool, ink: str, paper: str) -> str:
    """What stands in the diamond, BPMN 2.0.2 section 10.6; an exclusive gateway is empty unless it is
    `marked`.
    """
    if tag_name == "exclusiveGateway":
        return _path("M-6.6,-8.6L6.6,8.6M6.6,-8.6L-6.6,8.6", ink, width=3.6) if marked else ""
    if tag_name == "parallelGateway":
        return _path("M-11,0H11M0,-11V11", ink, width=3.6)
    if tag_name == "inclusiveGateway":
        return _circle(11.4, ink, width=3)
    if tag_name == "complexGateway":
        return _path("M-11,0H11M0,-11V11M-7.6,-7.6L7.6,7.6M7.6,-7.6L-7.6,7.6", ink, width=3.2)
    inner = cross if "parallel" in traits else pentagon
    rings = _circle(14.4, ink, width=1)
    if "instantiate" not in traits:
        rings += _circle(11.8, ink, width=1)
    return rings + at(0, 0.4, inner(ink, paper, False), 0.78, "symbol")


def _toothed(radius: float, teeth: int, depth: float) -> str:
    """Path data of a gear around (0, 0)."""
    points = []
    for tooth in range(teeth):
        for part, reach in ((-0.3, radius - depth), (-0.17, radius), (0.17, radius), (0.3, radius - depth)):
            turn = (tooth + part) * 2 * pi / teeth
            points.append((reach * sin(turn), -reach * cos(turn)))
    return line(points, close=True)


def gears(ink: str, paper: str, filled: bool) -> str:
    def gear(x: float, y: float, radius: float) -> str:
        place = f"translate({number(x)} {number(y)})"
        wheel = _path(_toothed(radius, 8, radius * 0.27), ink, paper, 1.1, class_="gear", transform=place)
        return wheel + tag("circle", cx=x, cy=y, r=radius * 0.36, fill=paper, stroke=ink, stroke_width=1.1)

    return gear(-2.6, -2.4, 6.6) + gear(3.2, 3, 6.6)


def person(ink: str, paper: str, filled: bool) -> str:
    body = _path("M-8,8.6V4.6C-8,0.6 -4.6,-1 -2.6,-1.4L0,1.2L2.6,-1.4C4.6,-1 8,0.6 8,4.6V8.6Z", ink, paper, 1.2)
    head = tag("circle", cy=-4.6, r=4, fill=paper, stroke=ink, stroke_width=1.2)
    hair = _path(
        "M-3.9,-5.2C-3.6,-9.6 3.6,-9.6 3.9,-5.2C1.6,-5 0.4,-6 -0.4,-6.6C-1.4,-5.6 -2.6,-5.2 -3.9,-5.2Z",
        ink,
        ink,
        0.8,
    )
    return body + head + hair + _path("M-4.6,8.4V5M4.6,8.4V5", ink, width=1.1)


def hand(ink: str, paper: str, filled: bool) -> str:
    outline = (
        "M-9,-1L-4.2,-6.6C-3,-7.8 -1,-6.4 -2,-4.8L-3.4,-2.8H6.8A1.35,1.35 0 0 1 6.8,-0.1H1.6H8"
        "A1.35,1.35 0 0 1 8,2.6H1.6H7A1.3,1.3 0 0 1 7,5.2H1.6H5.2A1.2,1.2 0 0 1 5.2,7.6H-5.4"
        "C-7.6,7.6 -9,6.4 -9,4.4Z"
    )
    return _path(outline, ink, paper, 1.1)


def scroll(ink: str, paper: str, filled: bool) -> str:
    right = "M-4.4,-8.4H7.4C3.2,-5.4 3.4,-3 5.4,0C7.6,3.2 7.6,5.6 4.4,8.4"
    outline = right + "H-7.4C-3.6,5.4 -3.6,3 -5.6,0C-7.8,-3.2 -7.6,-5.6 -4.4,-8.4Z"
    rules = "M-4.4,-5H1.6M-4.4,-1.8H2.2M-2.8,1.6H4M-1.8,5H4.2"
    return _path(outline, ink, paper, 1.2) + _path(rules, ink, width=1)


def table(ink: str, paper: str, filled: bool) -> str:
    head = tag("path", d="M-8.5,-6.5H8.5V-2.4H-8.5Z", fill=ink, fill_opacity=0.3, stroke="none")
    return (
        _path("M-8.5,-6.5H8.5V6.5H-8.5Z", ink, paper, 1.2)
        + head
        + _path("M-8.5,-2.4H8.5M-8.5,2H8.5M-3,-2.4V6.5", ink, width=1.1)
    )


TASKS: dict[str, tuple[Symbol, bool]] = {
    "serviceTask": (gears, False),
    "userTask": (person, False),
    "manualTask": (hand, False),
    "scriptTask": (scroll, False),
    "sendTask": (envelope, True),
    "receiveTask": (envelope, False),
    "businessRuleTask": (table, False),
}


def loop(ink: str, paper: str) -> str:
    return _path("M-2.6,5.4A5.6,5.6 0 1 1 2.6,5.4", ink, width=1.5) + _path(
        "M-6.4,6.2L-2.2,5.6L-2.8,1.6", ink, width=1.5
    )


def bars(ink: str, paper: str) -> str:
    return _path("M-4.2,-5.6V5.6M0,-5.6V5.6M4.2,-5.6V5.6", ink, width=2.2)


def rows(ink: str, paper: str) -> str:
    return _path("M-5.6,-4.2H5.6M-5.6,0H5.6M-5.6,4.2H5.6", ink, width=2.2)


def back(ink: str, paper: str) -> str:
    return _path("M-0.6,-4.6V4.6L-6.6,0Z", ink, paper, 1.2) + _path("M5.8,-4.6V4.6L-0.2,0Z", ink, paper, 1.2)


def tilde(ink: str, paper: str) -> str:
    upper = "M-6.4,2.4C-5.6,-3.4 -1.8,-3.4 0,-0.6C1.8,2 5,2.2 6.4,-2.2"
    return _path(upper + "C5.8,3.8 1.8,3.8 0,0.8C-1.8,-1.8 -5,-1.8 -6.4,2.4Z", ink, ink, 0.8)


def plus(ink: str, paper: str) -> str:
    return _path("M-7,-7H7V7H-7Z", ink, paper, 1.2, class_="collapsed") + _path("M-4.4,0H4.4M0,-4.4V4.4", ink)


ACTIVITY_MARKERS: dict[str, Callable[[str, str], str]] = {
    "loop": loop,
    "multi-instance": bars,
    "sequential": rows,
    "compensation": back,
    "collapsed": plus,
    "ad-hoc": tilde,
}
"""In the order in which they stand, BPMN 2.0.2 section 10.3."""
