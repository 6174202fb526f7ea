"""Brings the modeller's diagram and the automatic layout together: what one has not drawn, the other adds."""

from __future__ import annotations

from lxml import etree

from processes.engine.diagram import interchange
from processes.engine.diagram.joins import join
from processes.engine.diagram.layout import ARTEFACTS
from processes.engine.diagram.pools import append, arrange
from processes.engine.diagram.shapes import Drawing
from processes.engine.diagram.sketch import FLOW_NODES, LINKS, PROCESSES, SUB_PROCESSES, Sketch


def composed(root: etree._Element, page: Sketch, index: int) -> Drawing:
    """The diagram with this number, completed; everything laid out where there is no such diagram or nothing
    in it.
    """
    planes = interchange.diagrams(root)
    drawing = interchange.read(planes[index], page) if 0 <= index < len(planes) else Drawing()
    if not drawing.shapes:
        drawing = arrange(page)
        join(drawing, page)
        return drawing
    drawn = interchange.drawn(planes, page)
    scope = _scope(page, interchange.subject(planes[index], page), drawing, drawn)
    missing = {
        element.key
        for container in scope
        for element in page.of(container, FLOW_NODES | ARTEFACTS)
        if element.key not in drawn
    }
    append(drawing, page, missing, scope)
    elsewhere = drawn - {edge.element.key for edge in drawing.edges} - {s.element.key for s in drawing.shapes}
    join(drawing, page, {key for key, e in page.elements.items() if e.tag in LINKS and key not in elsewhere})
    return drawing


def _scope(page: Sketch, subject: str, drawing: Drawing, drawn: set[str]) -> list[str]:
    """The containers whose content the diagram should show, outer ones first.

    Not those that are closed on purpose: collapsed sub-processes, and pools of whose process nothing is
    drawn.
    """
    shown = {shape.element.key: shape for shape in drawing.shapes}
    top = page.elements.get(subject)
    if top is not None and top.tag in PROCESSES | SUB_PROCESSES:
        found = [subject]
    else:
        found = [
            process.key
            for process in page.elements.values()
            if process.tag in PROCESSES and any(e.key in drawn for e in page.of(process.key, FLOW_NODES))
        ]
    at = 0
    while at < len(found):
        for inner in page.of(found[at], SUB_PROCESSES):
            shape = shown.get(inner.key)
            if shape.expanded if shape is not None else inner.key not in drawn:
                found.append(inner.key)
        at += 1
    return found
