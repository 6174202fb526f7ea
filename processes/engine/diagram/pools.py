"""The whole page of an automatic layout: pools and processes below each other, and the lines between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from processes.engine.diagram import lanes as lane_rows
from processes.engine.diagram.layout import Content, Layout
from processes.engine.diagram.shapes import Box, Drawing, Shape, around
from processes.engine.diagram.sketch import CONVERSATIONS, PROCESSES, SUB_PROCESSES, Element, Sketch

GAP = 50.0
PAD = 30.0
STRIP = 30.0
EMPTY = 60.0
"""The height of a pool that shows nothing of its process."""


def arrange(page: Sketch) -> Drawing:
    """Everything in a model, laid out as if nobody had ever drawn it."""
    layout = Layout(page)
    pools = [e for e in page.elements.values() if e.tag == "participant" and _in_collaboration(e, page)]
    members = {pool.process for pool in pools}
    loose = [e for e in page.elements.values() if e.tag in PROCESSES and e.key not in members]
    contents: dict[str, Content] = {}
    inner: dict[str, float] = {}
    for process in dict.fromkeys([e.process for e in pools if e.process] + [e.key for e in loose]):
        contents[process] = layout.prepare(process)
        strips = _strips(page, process)
        inner[process] = contents[process].width + STRIP * strips + 2 * PAD
    wide = max([600.0, *(inner[pool.process] + STRIP for pool in pools if pool.process)])
    drawing, y, shown = Drawing(), 0.0, set()
    for pool in pools:
        content = contents.get(pool.process) if pool.process else None
        if content is None or not (content.boxes or content.bands) or pool.process in shown:
            drawing.shapes.append(Shape(pool, Box(0, y, wide, EMPTY), expanded=False))
            y += EMPTY + GAP
            continue
        shown.add(pool.process)
        high = content.height + 2 * PAD
        drawing.shapes.append(Shape(pool, Box(0, y, wide, high)))
        _fill(drawing, layout, pool.process, Box(STRIP, y, wide - STRIP, high))
        y += high + GAP
    for alone in loose:
        content = contents[alone.key]
        if not content.boxes and not content.bands:
            continue
        _fill(drawing, layout, alone.key, Box(0, y, inner[alone.key], content.height + 2 * PAD))
        y += content.height + 2 * PAD + GAP
    for number, talk in enumerate(e for e in page.elements.values() if e.tag in CONVERSATIONS):
        drawing.shapes.append(Shape(talk, Box(number * 130.0, y, 50, 44), expanded=False))
    _add_groups(drawing, page, page.members)
    return drawing


def append(drawing: Drawing, page: Sketch, missing: Collection[str], scope: Iterable[str]) -> None:
    """Adds flow nodes and artefacts that a diagram has forgotten, in rows below it, those of a container
    together.

    Boundary events go onto their hosts where these are drawn.
    """
    shown = {shape.element.key: shape.box for shape in drawing.shapes}
    skip = {key for key in page.elements if key not in missing}
    hosted: dict[str, list[Element]] = {}
    for key in missing:
        element = page.elements[key]
        if element.tag == "boundaryEvent" and element.host in shown:
            hosted.setdefault(element.host, []).append(element)
            skip.add(key)
    for host, events in hosted.items():
        box = shown[host]
        pitch = min(max(40.0, box.width / (len(events) + 1)), box.width / len(events))
        for number, event in enumerate(events):
            x = box.cx + (number - (len(events) - 1) / 2) * pitch
            drawing.shapes.append(Shape(event, Box(x - 18, box.bottom - 18, 36, 36)))
    layout = Layout(page, skip)
    for container in scope:
        # A sub-process that is missing itself is laid out with its content, where it belongs.
        if container in missing and page.elements[container].tag in SUB_PROCESSES:
            continue
        content = layout.prepare(container, lanes=False)
        if content.boxes:
            frame = drawing.bounds()
            empty = not drawing.shapes
            layout.place(drawing, container, frame.x, 0 if empty else frame.bottom + GAP)


def _in_collaboration(element: Element, page: Sketch) -> bool:
    """Participants of choreography tasks are bands and participants of conversations are the same as the
    pools.
    """
    parent = page.elements.get(element.parent)
    return parent is None or parent.tag in ("collaboration", "globalConversation")


def _strips(page: Sketch, process: str) -> int:
    """How many strips with names of lanes are side by side."""
    deepest = 0
    for leaf in lane_rows.leaves(page, process):
        deepest = max(deepest, lane_rows.depth(page, leaf) + 1)
    return deepest


def _fill(drawing: Drawing, layout: Layout, process: str, frame: Box) -> None:
    """Lanes and content of a process inside a frame."""
    page, content = layout.page, layout.content[process]
    x = frame.x + STRIP * _strips(page, process) + PAD
    y = frame.y + PAD
    rows = lane_rows.leaves(page, process)
    if rows and content.bands:
        bands = [(top + y, bottom + y) for top, bottom in content.bands]
        for key, box in lane_rows.boxes(page, process, rows, bands, frame).items():
            drawing.shapes.append(Shape(page.elements[key], box))
    layout.place(drawing, process, x, y)


def _add_groups(drawing: Drawing, page: Sketch, members: dict[str, list[str]]) -> None:
    """A group without a shape goes around its members; one without members is not to be seen."""
    boxes = {shape.element.key: shape.box for shape in drawing.shapes}
    for key, inside in members.items():
        frame = around(boxes[name] for name in inside if name in boxes)
        if frame is not None:
            drawing.shapes.append(Shape(replace(page.elements[key]), frame.grown(18), expanded=False))
