"""The other way round: where the layout put things, written into the document as BPMN DI (chapter 12), for modellers
that cannot open a model without. Names stay where each of them writes them by itself."""

from __future__ import annotations

from lxml import etree

from processes.engine.diagram import interchange
from processes.engine.diagram.compose import composed
from processes.engine.diagram.shapes import Drawing
from processes.engine.diagram.sketch import COLLABORATIONS, PROCESSES, SUB_PROCESSES, sketched
from processes.engine.xml import BPMNDI, DC, DI, local, read

_NAMES = {"bpmndi": BPMNDI, "dc": DC, "di": DI}
_BACK_TO_FRONT = {"participant": 0, "lane": 1}


def with_diagram(document: bytes) -> bytes:
    """The document with a diagram of all that has an id, if it has none; else as it is.

    Raises `ModelInvalid` for bytes that are not BPMN.
    """
    root = read(document)
    page = sketched(root)
    planes = interchange.diagrams(root)
    if any(interchange.read(plane, page).shapes for plane in planes):
        return document
    for diagram in root.findall(f"{{{BPMNDI}}}BPMNDiagram"):
        root.remove(diagram)
    _write(root, composed(root, page, 0), _subject(root))
    etree.cleanup_namespaces(root, top_nsmap=_NAMES, keep_ns_prefixes=[name for name in root.nsmap if name])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _subject(root: etree._Element) -> str:
    """What the diagram is of: the collaboration if there is one, else the first process."""
    for kind in (COLLABORATIONS, PROCESSES):
        for child in root:
            if local(child) in kind and child.get("id"):
                return child.get("id", "")
    return ""


def _write(root: etree._Element, drawing: Drawing, subject: str) -> None:
    plane = etree.SubElement(etree.SubElement(root, f"{{{BPMNDI}}}BPMNDiagram"), f"{{{BPMNDI}}}BPMNPlane")
    plane.set("bpmnElement", subject)
    for shape in sorted(drawing.shapes, key=lambda shape: _BACK_TO_FRONT.get(shape.element.tag, 2)):
        element, box = shape.element, shape.box
        if not element.id:
            continue
        written = etree.SubElement(plane, f"{{{BPMNDI}}}BPMNShape", bpmnElement=element.id)
        if element.tag in SUB_PROCESSES:
            written.set("isExpanded", str(shape.expanded).lower())
        if element.tag in _BACK_TO_FRONT:
            written.set("isHorizontal", str(shape.horizontal).lower())
        lengths = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
        etree.SubElement(written, f"{{{DC}}}Bounds", {name: f"{round(length)}" for name, length in lengths.items()})
    for edge in drawing.edges:
        if not edge.element.id:
            continue
        written = etree.SubElement(plane, f"{{{BPMNDI}}}BPMNEdge", bpmnElement=edge.element.id)
        for x, y in edge.points:
            etree.SubElement(written, f"{{{DI}}}waypoint", x=f"{round(x)}", y=f"{round(y)}")
