"""XML from bytes to a tree, safely, BPMN above all: the only place that calls the XML parser.

A model comes from a stranger. Whatever could make the parser read files, call hosts or run for minutes is refused
before the tree is walked: any DOCTYPE (so no entities at all), more than `MAX_BYTES`, nesting deeper than libxml2's
256, too many elements, and too many attributes on one element (lxml's ``attrib.items()`` is quadratic in them, so
they are counted with ``len`` before anybody iterates).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from processes.engine.errors import ModelInvalid, Problem

MAX_BYTES = 5 * 1024 * 1024
MAX_ELEMENTS = 50_000
MAX_ATTRIBUTES = 256

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
BPMNDI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DI = "http://www.omg.org/spec/DD/20100524/DI"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
ZENBPM = "http://zenbpm.pbinitiative.org/1.0"
WSDL = "http://schemas.xmlsoap.org/wsdl"
"""What the type of an import of WSDL 1.1 begins with."""
REACHABLE = ("http://", "https://")
"""What an address of such an import begins with, if a worker is to read it."""
CAMUNDA = "http://camunda.org/schema/1.0/bpmn"
SAME_AS_CAMUNDA = frozenset({"http://operaton.org/schema/1.0/bpmn", "http://www.camunda.com/fox"})
"""The same words in the namespace of a successor and of a predecessor of Camunda 7."""


def read(document: bytes) -> etree._Element:
    """The root element, ``bpmn:definitions``, of a BPMN document.

    Raises `ModelInvalid` where `tree` does, and where the document is not BPMN 2.0.
    """
    root = tree(document)
    if root.tag != f"{{{BPMN}}}definitions":
        raise _invalid(
            "not-bpmn", f"Expected the root element {{{BPMN}}}definitions but found {root.tag}", line_of(root)
        )
    if any(uri.encode() in document for uri in SAME_AS_CAMUNDA):
        _unite(root)
    return root


def _unite(root: etree._Element) -> None:
    """Read what says the same as Camunda 7 in another namespace as Camunda 7's."""
    for element in root.iter():
        if namespace(element) in SAME_AS_CAMUNDA:
            element.tag = f"{{{CAMUNDA}}}{local(element)}"
        for name in list(map(str, element.attrib)):
            uri, _, word = name[1:].rpartition("}")
            if uri in SAME_AS_CAMUNDA:
                element.set(f"{{{CAMUNDA}}}{word}", element.attrib.pop(name))


def tree(document: bytes) -> etree._Element:
    """The root element of any document.

    Raises `ModelInvalid` where it is too large, is not well-formed XML, has a DOCTYPE or exceeds a limit.
    """
    if len(document) > MAX_BYTES:
        raise _invalid("too-large", f"Expected at most {MAX_BYTES} bytes but found {len(document)}")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_pis=True,
        remove_comments=True,
        recover=False,
    )
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError as error:
        line = error.lineno or 0
        if "entit" in (error.msg or "").lower() and b"<!DOCTYPE" in document:
            raise _invalid("doctype", "Expected no DOCTYPE but found one; a model needs none", line) from None
        raise _invalid("not-xml", f"Expected well-formed XML but found: {error.msg}", line) from None
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise _invalid("doctype", "Expected no DOCTYPE but found one; a model needs none", 1)
    for count, element in enumerate(root.iter(), start=1):
        if count > MAX_ELEMENTS:
            raise _invalid("too-many-elements", f"Expected at most {MAX_ELEMENTS} elements", line_of(element))
        if len(element.attrib) > MAX_ATTRIBUTES:
            raise _invalid(
                "too-many-attributes",
                f"Expected at most {MAX_ATTRIBUTES} attributes on an element but found {len(element.attrib)}",
                line_of(element),
            )
    return root


def local(element: etree._Element) -> str:
    """The tag without its namespace: ``serviceTask``."""
    return etree.QName(element).localname


def namespace(element: etree._Element) -> str:
    return etree.QName(element).namespace or ""


def line_of(element: etree._Element) -> int:
    """The line on which the element starts, from 1."""
    line = element.sourceline
    return line if isinstance(line, int) else 0


def children(element: etree._Element, *names: str) -> Iterator[etree._Element]:
    """The BPMN children with one of these local names, all BPMN children without names, in document order."""
    for child in element:
        if namespace(child) == BPMN and (not names or local(child) in names):
            yield child


def child(element: etree._Element, *names: str) -> etree._Element | None:
    """The first BPMN child with one of these local names."""
    return next(children(element, *names), None)


def text_of(element: etree._Element | None) -> str:
    """All text inside, without the white space around it; "" for None."""
    return "".join(str(part) for part in element.itertext()).strip() if element is not None else ""


def _invalid(rule: str, message: str, line: int = 0) -> ModelInvalid:
    return ModelInvalid([Problem(rule, message, line)])
