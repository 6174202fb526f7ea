"""Models for the drawing tests: short ways to write XML, and the MIWG files."""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from lxml import etree

from processes.engine.diagram.shapes import Box

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).resolve().parents[3]


def miwg() -> list[Path]:
    """The reference models; empty where the material is not there."""
    home = Path(os.environ.get("BPMN_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
    return sorted((home / "miwg").glob("*.bpmn"))


def need(found: list[Path]) -> None:
    """Skips without the material, but fails in CI, where it must be."""
    if not found:
        if os.environ.get("CI"):
            pytest.fail("the MIWG models are missing; set BPMN_CONFORMANCE")
        pytest.skip("the MIWG models are not here; set BPMN_CONFORMANCE")


def model(*processes: str, diagram: str = "") -> bytes:
    """A document around processes and the like, with an optional plane."""
    plane = f"<di:BPMNDiagram><di:BPMNPlane>{diagram}</di:BPMNPlane></di:BPMNDiagram>" if diagram else ""
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"'
        ' xmlns:di="http://www.omg.org/spec/BPMN/20100524/DI"'
        ' xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"'
        ' xmlns:wp="http://www.omg.org/spec/DD/20100524/DI" targetNamespace="t">'
        f"{''.join(processes)}{plane}</definitions>"
    ).encode()


def process(*parts: str, id: str = "P") -> str:
    return f"<process id={quoteattr(id)}>{''.join(parts)}</process>"


def node(tag: str, id: str, *inside: str, name: str = "", **attributes: str) -> str:
    more = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{tag} id={quoteattr(id)} name={quoteattr(name)}{more}>{''.join(inside)}</{tag}>"


def flow(source: str, target: str, *inside: str, id: str = "", name: str = "") -> str:
    return node("sequenceFlow", id or f"{source}-{target}", *inside, name=name, sourceRef=source, targetRef=target)


def shape(element: str, x: float, y: float, width: float, height: float, **attributes: str) -> str:
    more = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    bounds = f'<dc:Bounds x="{x}" y="{y}" width="{width}" height="{height}"/>'
    return f"<di:BPMNShape bpmnElement={quoteattr(element)}{more}>{bounds}</di:BPMNShape>"


def groups(svg: str) -> dict[str, etree._Element]:
    """The drawn elements by id."""
    root = etree.fromstring(svg.encode())
    return {g.get("data-element-id", ""): g for g in root.iter(f"{SVG}g") if g.get("data-element-id")}


def box(group: etree._Element) -> Box:
    return Box(*(float(value) for value in group.get("data-bounds", "").split()))
