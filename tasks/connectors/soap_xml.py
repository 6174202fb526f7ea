"""XML as a stranger sends it, and JSON for what no schema describes.

Nothing that a parser could follow out of a document is followed: no DTD, so no entities, no network, no huge trees.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from tasks.connectors import soap_types
from tasks.connectors.exact_json import MAX_DEPTH
from tasks.connectors.inputs import invalid, scalar
from tasks.connectors.soap_schema import XSI_NIL, XSI_TYPE

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
ENVELOPES: Mapping[str, str] = {"1.1": SOAP_11, "1.2": SOAP_12}
MEDIA_TYPES: Mapping[str, str] = {"1.1": "text/xml", "1.2": "application/soap+xml"}

_DECLARED = re.compile(rb"(\xef\xbb\xbf)?<\?xml[^>]{0,200}encoding|\xff\xfe|\xfe\xff")
_NAME = re.compile(r"[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?")


def read(content: bytes, charset: str | None = None) -> etree._Element:
    """The root of a document. `charset` is what the sender says of it elsewhere, which a declaration in the document
    overrules. Raises ValueError with what is wrong with it."""
    if charset is not None:
        try:
            charset = None if _DECLARED.match(content) else codecs.lookup(charset).name
        except LookupError:
            raise ValueError(f"its charset is {charset:.40}") from None
    parser = etree.XMLParser(
        encoding=charset,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, LookupError, ValueError) as problem:
        raise ValueError(f"it is not well-formed: {str(problem)[:200]}") from None
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise ValueError("it has a DOCTYPE, which SOAP forbids")
    return root


def is_nil(node: etree._Element) -> bool:
    return node.get(XSI_NIL, "").strip() in ("true", "1")


def local(node: etree._Element) -> str:
    return etree.QName(node).localname


def set_type(node: etree._Element, name: etree.QName) -> None:
    """Say ``xsi:type``. The value is a name with a prefix, so the prefix must be declared where it stands."""
    prefix = next((known for known, uri in node.nsmap.items() if uri == name.namespace and known), None)
    if prefix is not None or not name.namespace:
        node.set(XSI_TYPE, f"{prefix}:{name.localname}" if prefix else name.localname)
        return
    # lxml declares namespaces only for names that it writes itself: an attribute of that namespace makes it do so.
    node.set(f"{{{name.namespace}}}known", "")
    prefix = next(known for known, uri in node.nsmap.items() if uri == name.namespace and known)
    del node.attrib[f"{{{name.namespace}}}known"]
    node.set(XSI_TYPE, f"{prefix}:{name.localname}")


def to_json(node: etree._Element, text: str = "$content", depth: int = 0) -> Any:
    """What no schema describes, as Camunda's SOAP connector has it: names without namespaces, children and attributes
    as fields, repeated children as a list, text as text, and beside attributes or children under the name `text`.
    Raises ValueError for what is nested too deep."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if is_nil(node):
        return None
    attributes = {
        etree.QName(name).localname: value
        for name, value in node.attrib.items()
        if not str(name).startswith("{http://www.w3.org/2001/XMLSchema-instance}")
    }
    found: dict[str, Any] = {}
    often = Counter(local(child) for child in node)
    for child in node:
        name, value = local(child), to_json(child, text, depth + 1)
        if often[name] == 1:
            found[name] = value
        else:
            found.setdefault(name, []).append(value)
    own = "".join([node.text or "", *(child.tail or "" for child in node)])
    if not found and not attributes:
        return own if own or node.text is not None else {}
    if own.strip():
        found[text] = own
    return {**found, **{name: value for name, value in attributes.items() if name not in found}}


def from_json(value: Mapping[str, Any], place: str) -> str:
    """The other direction, names with their prefixes: ``@name`` is an attribute, ``$content`` the text."""
    return "".join(_element(name, item, f"{place}.{name}", 0) for name, item in value.items())


def _element(name: str, value: Any, place: str, depth: int) -> str:
    if not _NAME.fullmatch(name):
        raise invalid(f"Expected `{place[:80]}` to be the name of an element, but found {name!r:.60}")
    if depth > MAX_DEPTH:
        raise invalid(f"Expected `{place[:80]}` to be nested at most {MAX_DEPTH} levels deep")
    if isinstance(value, list | tuple):
        return "".join(_element(name, item, f"{place}[{at + 1}]", depth + 1) for at, item in enumerate(value))
    if value is None:
        return f"<{name}/>"
    if not isinstance(value, Mapping):
        return f"<{name}>{escape(printable(value, place))}</{name}>"
    attributes, content = "", ""
    for key, item in value.items():
        if key.startswith("@"):
            if not _NAME.fullmatch(key[1:]):
                raise invalid(f"Expected `{place[:80]}` to have attributes with names, but found {key!r:.60}")
            attributes += f" {key[1:]}={quoteattr(printable(item, f'{place}.{key}'))}"
        elif key == "$content":
            content += escape(printable(item, f"{place}.{key}"))
        else:
            content += _element(key, item, f"{place}.{key}", depth + 1)
    return f"<{name}{attributes}>{content}</{name}>"


def printable(value: Any, place: str) -> str:
    """A single value as text that XML can carry."""
    text = scalar(value, place)
    if found := soap_types.UNPRINTABLE.search(text):
        raise invalid(f"Expected `{place[:80]}` to be text that XML can carry, but it has {found[0]!r}")
    return text
