"""Areas: how each kind of element looks inside its box, BPMN 2.0.2 chapters 7 to 12. One function per family.

Everything is drawn with the upper left corner of the box at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

from processes.engine.diagram import symbols
from processes.engine.diagram.ink import FAINT, FONT, INK, LANE, PAPER, line, number, tag, text
from processes.engine.diagram.shapes import Shape
from processes.engine.diagram.sketch import ACTIVITIES, CALLS, CONVERSATIONS, EVENTS, GATEWAYS, SUB_PROCESSES
from processes.engine.diagram.text import LABEL_FONT, LINE, TASK_FONT, wrapped


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of one shape, and what the event symbol of a collapsed event sub-process is."""

    ink: str = INK
    paper: str = PAPER
    inner: str = ""
    called: str = ""


def figure(shape: Shape, look: Look) -> str:
    """The SVG of a shape, its name included where it stands inside."""
    name = shape.element.tag
    if shape.band:
        return _band(shape, look)
    if name in ACTIVITIES:
        return _activity(shape, look)
    if name in EVENTS:
        return _event(shape, look)
    if name in GATEWAYS:
        return _gateway(shape, look)
    if name in CONVERSATIONS:
        return _conversation(shape, look)
    family = {
        "participant": _pool,
        "lane": _lane,
        "dataObjectReference": _page,
        "dataObject": _page,
        "dataInput": _page,
        "dataOutput": _page,
        "dataStoreReference": _store,
        "dataStore": _store,
        "textAnnotation": _annotation,
        "group": _group,
        "message": _message,
    }
    return family.get(name, _unknown)(shape, look)


def lines_of_text(
    lines: list[str],
    x: float,
    top: float,
    *,
    size: float = TASK_FONT,
    anchor: str = "middle",
    colour: str = INK,
    halo: bool = False,
    transform: str | None = None,
) -> str:
    """A block of text whose first line begins at `top`."""
    if not lines:
        return ""
    step = size * LINE
    spans = "".join(tag("tspan", text(row), x=x, y=top + size * 0.95 + index * step) for index, row in enumerate(lines))
    return tag(
        "text", spans, class_="label", text_anchor=anchor, font_family=FONT, font_size=size, fill=colour,
        stroke=PAPER if halo else None, stroke_width=3 if halo else None, transform=transform,
        paint_order="stroke" if halo else None, stroke_linejoin="round" if halo else None,
    )  # fmt: skip


def _rect(shape: Shape, look: Look, radius: float = 0, width: float = 1.6, inset: float = 0, **more: str | None) -> str:
    return tag(
        "rect", class_=more.pop("class_", "outline"), x=inset or None, y=inset or None,
        width=shape.box.width - 2 * inset, height=shape.box.height - 2 * inset, rx=radius or None,
        fill=more.pop("fill", look.paper), stroke=look.ink, stroke_width=width, **more,
    )  # fmt: skip


def _middle(shape: Shape, size: float = TASK_FONT, top: float = 0, bottom: float = 0) -> str:
    """The name in the middle of the box, below `top` and above `bottom` where it is long."""
    width, height, name = shape.box.width, shape.box.height, shape.element.name
    while True:
        step = size * LINE
        room = max(1, int((height - top - bottom - 2) / step))
        rows = wrapped(name, max(width - 10, size), size, room)
        if size <= 9 or wrapped(name, max(width - 10, size), size, room + 1) == rows:
            break
        # A small task with a long name: rather smaller letters than half a name.
        size -= 1
        top = min(top, 20.0)
    start = (height - len(rows) * step) / 2
    start = min(max(start, top + 2), max(2.0, height - bottom - len(rows) * step))
    return lines_of_text(rows, width / 2, start, size=size)


def _activity(shape: Shape, look: Look) -> str:
    name, traits, box = shape.element.tag, shape.element.traits, shape.box
    closed = name in SUB_PROCESSES | CALLS and not shape.expanded
    border = 4.0 if name in CALLS else 1.6
    dotted = "event-sub-process" in traits
    drawn = _rect(
        shape, look, 10, border, stroke_dasharray="0.1 5" if dotted else None,
        stroke_linecap="round" if dotted else None,
    )  # fmt: skip
    if name == "transaction":
        drawn += _rect(shape, look, 7, 1.4, 4, class_="inner", fill="none")
    marks = [word for word in symbols.ACTIVITY_MARKERS if word in traits]
    task = name if name in symbols.TASKS else look.called
    if closed and not look.called:
        marks = [word for word in symbols.ACTIVITY_MARKERS if word in marks or word == "collapsed"]
    left, low = box.width / 2 - 10 * (len(marks) - 1), box.height - (14 if name == "transaction" else 11)
    for index, word in enumerate(marks):
        symbol = symbols.ACTIVITY_MARKERS[word](look.ink, look.paper)
        drawn += symbols.at(left + 20 * index, low, symbol, class_=f"marker marker-{word}")
    top = 0.0
    if task in symbols.TASKS:
        symbol_of, filled = symbols.TASKS[task]
        picture = symbol_of(look.ink, look.paper, filled)
        if "instantiate" in traits:
            picture = tag("circle", r=11, fill="none", stroke=look.ink, stroke_width=1) + symbols.at(0, 0, picture, 0.7)
        scale = min(1.0, box.width / 100, box.height / 60)
        drawn += symbols.at(16 * scale, 14 * scale, picture, scale, f"marker marker-{task}")
        top = 24.0 * scale
    elif closed and dotted and look.inner:
        drawn += tag("circle", cx=16, cy=15, r=10, fill="none", stroke=look.ink, stroke_dasharray="3 2")
        drawn += symbols.at(16, 15, symbols.EVENTS[look.inner](look.ink, look.paper, False), 0.6)
    if name in SUB_PROCESSES | CALLS and shape.expanded:
        rows = wrapped(shape.element.name, max(box.width - 20, 20), TASK_FONT, 2)
        return drawn + lines_of_text(rows, box.width / 2, 7)
    return drawn + _middle(shape, top=top if len(shape.element.name) > 12 else 0, bottom=18 if marks else 0)


def _event(shape: Shape, look: Look) -> str:
    element, box = shape.element, shape.box
    rx, ry = box.width / 2, box.height / 2
    catching = element.tag in ("intermediateCatchEvent", "boundaryEvent")
    throwing = element.tag in ("endEvent", "intermediateThrowEvent", "implicitThrowEvent")
    dashes = "5 3.5" if "non-interrupting" in element.traits and not throwing else None
    border = 3.6 if element.tag == "endEvent" else 1.5

    def ring(inset: float, width: float, class_: str, fill: str) -> str:
        return tag(
            "ellipse", class_=class_, cx=rx, cy=ry, rx=max(rx - inset, 1), ry=max(ry - inset, 1), fill=fill,
            stroke=look.ink, stroke_width=width, stroke_dasharray=dashes,
        )  # fmt: skip

    drawn = ring(0, border, "outline", look.paper)
    if catching or element.tag in ("intermediateThrowEvent", "implicitThrowEvent"):
        drawn += ring(min(rx, ry) * 0.18, border, "inner", "none")
    word = ""
    if len(element.symbols) > 1:
        word = "parallel-multiple" if "parallel-multiple" in element.traits else "multiple"
    elif element.symbols:
        word = element.symbols[0]
    if word in symbols.EVENTS:
        scale = min(rx, ry) / 18 * (0.86 if border < 2 or word == "terminate" else 0.9)
        symbol = symbols.EVENTS[word](look.ink, look.paper, throwing)
        drawn += symbols.at(rx, ry, symbol, scale, f"marker marker-{word}")
    return drawn


def _gateway(shape: Shape, look: Look) -> str:
    width, height = shape.box.width, shape.box.height
    points = [(width / 2, 0.0), (width, height / 2), (width / 2, height), (0.0, height / 2)]
    drawn = tag(
        "path", class_="outline", d=line(points, close=True), fill=look.paper, stroke=look.ink,
        stroke_width=1.6, stroke_linejoin="round",
    )  # fmt: skip
    symbol = symbols.gateway(shape.element.tag, shape.element.traits, shape.marker_visible, look.ink, look.paper)
    return drawn + (symbols.at(width / 2, height / 2, symbol, min(width, height) / 50) if symbol else "")


def _strip(shape: Shape, top: float, size: float) -> str:
    """The name in the strip at the beginning of a pool or lane, turned where the strip stands upright."""
    box = shape.box
    if shape.horizontal:
        rows = wrapped(shape.element.name, max(box.height - 10, 20), size, 2)
        turn = f"rotate(-90) translate({number(-box.height / 2)} 0)"
        return lines_of_text(rows, 0, top - len(rows) * size * LINE / 2, size=size, transform=turn)
    rows = wrapped(shape.element.name, max(box.width - 10, 20), size, 2)
    return lines_of_text(rows, box.width / 2, top - len(rows) * size * LINE / 2, size=size)


def _pool(shape: Shape, look: Look) -> str:
    box = shape.box
    drawn = _rect(shape, look)
    if shape.expanded:
        end = (30.0, box.height) if shape.horizontal else (box.width, 30.0)
        start = (30.0, 0.0) if shape.horizontal else (0.0, 30.0)
        drawn += tag("path", d=line([start, end]), stroke=look.ink, stroke_width=1.6, class_="inner")
        drawn += _strip(shape, 15, TASK_FONT)
    else:
        drawn += _middle(shape)
    if "multi-instance" in shape.element.traits:
        drawn += symbols.at(box.width / 2, box.height - 10, symbols.bars(look.ink, look.paper))
    return drawn


def _lane(shape: Shape, look: Look) -> str:
    return _rect(shape, Look(LANE if look.ink == INK else look.ink), 0, 1.2, fill="none") + _strip(shape, 15, TASK_FONT)


def _band(shape: Shape, look: Look) -> str:
    """A participant of a choreography task, BPMN 2.0.2 section 12.2.3.3; the one who answers is shaded."""
    answers = "non_initiating" in shape.band
    drawn = tag(
        "rect", class_="outline", width=shape.box.width, height=shape.box.height,
        rx=0 if shape.band.startswith("middle") else 6, fill="#d9dbe0" if answers else look.paper,
        stroke=look.ink, stroke_width=1.4,
    )  # fmt: skip
    return drawn + _middle(shape, LABEL_FONT)


def _conversation(shape: Shape, look: Look) -> str:
    width, height = shape.box.width, shape.box.height
    points = [(width * 0.25, 0.0), (width * 0.75, 0.0), (width, height / 2), (width * 0.75, height)]
    points += [(width * 0.25, height), (0.0, height / 2)]
    border = 4.0 if shape.element.tag == "callConversation" else 1.6
    drawn = tag(
        "path",
        class_="outline",
        d=line(points, close=True),
        fill=look.paper,
        stroke=look.ink,
        stroke_width=border,
    )
    if shape.element.tag == "subConversation":
        drawn += symbols.at(width / 2, height - 11, symbols.plus(look.ink, look.paper))
    return drawn


def _page(shape: Shape, look: Look) -> str:
    width, height, fold = shape.box.width, shape.box.height, min(shape.box.width, shape.box.height) * 0.3
    sheet = [(0.0, 0.0), (width - fold, 0.0), (width, fold), (width, height), (0.0, height)]
    drawn = tag(
        "path", class_="outline", d=line(sheet, close=True), fill=look.paper, stroke=look.ink,
        stroke_width=1.5, stroke_linejoin="round",
    )  # fmt: skip
    corner = line([(width - fold, 0), (width - fold, fold), (width, fold)])
    drawn += tag("path", d=corner, fill="none", stroke=look.ink, stroke_width=1.3, class_="inner")
    if shape.element.tag in ("dataInput", "dataOutput"):
        filled = shape.element.tag == "dataOutput"
        drawn += symbols.at(width * 0.3, height * 0.2, symbols.arrow(look.ink, look.paper, filled), width / 72)
    if "collection" in shape.element.traits:
        drawn += symbols.at(width / 2, height - 8, symbols.bars(look.ink, look.paper), 0.9)
    return drawn


def _store(shape: Shape, look: Look) -> str:
    width, height = shape.box.width, shape.box.height
    lid = height * 0.13
    arc = f"{number(width / 2)},{number(lid)} 0 0"
    low = number(height - lid)
    body = f"M0,{number(lid)}A{arc} 1 {number(width)},{number(lid)}V{low}A{arc} 1 0,{low}Z"
    rings = "".join(
        f"M0,{number(lid + down)}A{arc} 0 {number(width)},{number(lid + down)}"
        for down in (0, height * 0.09, height * 0.18)
    )
    return tag("path", class_="outline", d=body, fill=look.paper, stroke=look.ink, stroke_width=1.5) + tag(
        "path", class_="inner", d=rings, fill="none", stroke=look.ink, stroke_width=1.3
    )


def _annotation(shape: Shape, look: Look) -> str:
    box = shape.box
    hit = tag("rect", class_="backdrop", width=box.width, height=box.height, fill="none")
    bracket = line([(10, 0), (0, 0), (0, box.height), (10, box.height)])
    rows = wrapped(shape.element.name, max(box.width - 12, 20), TASK_FONT)
    return (
        hit
        + tag("path", class_="outline", d=bracket, fill="none", stroke=look.ink, stroke_width=1.5)
        + lines_of_text(rows, 8, 5, anchor="start")
    )


def _group(shape: Shape, look: Look) -> str:
    ink = FAINT if look.ink == INK else look.ink
    return _rect(shape, Look(ink), 10, 1.6, fill="none", stroke_dasharray="10 5 1 5", stroke_linecap="round")


def _message(shape: Shape, look: Look) -> str:
    width, height = shape.box.width, shape.box.height
    flap = line([(0, 0), (width / 2, height * 0.55), (width, 0)])
    return _rect(shape, look, 0, 1.4) + tag("path", d=flap, fill="none", stroke=look.ink, stroke_width=1.4)


def _unknown(shape: Shape, look: Look) -> str:
    return _rect(shape, look, 0, 1.2, stroke_dasharray="3 3") + _middle(shape, LABEL_FONT)
