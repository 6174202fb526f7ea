"""Reads what a SOAP service answered: the envelope, the typed body and headers, or the fault.

Read by the schema, but by the names in it: an answer whose elements stand in another order, or with more of them than
the schema knew when it was fetched, is still understood. What a type does not fit is an error, because the next
condition would be decided on garbage.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lxml import etree
from requests_toolbelt.multipart.decoder import ImproperBodyPartContentException, MultipartDecoder
from zeep.xsd.types.builtins import String
from zeep.xsd.types.simple import AnySimpleType

from tasks.connectors import soap_schema, soap_types, soap_xml
from tasks.connectors.soap_schema import TYPE, VALUE, XSI_TYPE, ComplexType, Element, Part, Wildcard
from tasks.connectors.soap_xml import SOAP_11, SOAP_12, local

_XOP = "{http://www.w3.org/2004/08/xop/include}Include"
_CHARSET = re.compile(r"charset\s*=\s*\"?'?([A-Za-z0-9_.:+-]+)", re.IGNORECASE)
_START = re.compile(r"start\s*=\s*\"?(<[^>\"]{1,200}>)", re.IGNORECASE)


class UnreadableError(Exception):
    """The answer is not what the service promised. The text says how: Expected ... "but" ..."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A ``soap:Fault`` of either version; names are local names.

    `subcode` is the most specific one of SOAP 1.2. `details` are the names of the elements in the detail, by which a
    WSDL declares its faults.
    """

    code: str
    subcode: str | None
    actor: str | None
    message: str
    detail: Any
    details: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What an `errorExpression` compares."""
        return self.subcode or self.code

    @property
    def retryable(self) -> bool:
        """Whether the server says that the fault is its own. In 1.1, codes are refined with dots: ``Server.Busy``."""
        return self.code.partition(".")[0] in ("Server", "Receiver")

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "subcode": self.subcode,
            "actor": self.actor,
            "message": self.message,
            "detail": self.detail,
        }


def open_envelope(content: bytes, content_type: str) -> etree._Element:
    """The envelope of an answer, whose binary parts (MTOM) are put where they belong, as base64.

    Raises `UnreadableError`.
    """
    parts: dict[str, bytes] = {}
    if content_type.partition(";")[0].strip().lower() == "multipart/related":
        content, parts, content_type = _root_part(content, content_type)
    charset = _CHARSET.search(content_type)
    try:
        root = soap_xml.read(content, charset[1] if charset else None)
    except ValueError as problem:
        raise UnreadableError(f"a SOAP envelope, but {problem}") from None
    if root.tag not in (f"{{{SOAP_11}}}Envelope", f"{{{SOAP_12}}}Envelope"):
        raise UnreadableError(f"a SOAP envelope, but its root is {root.tag!s:.100}")
    if part_of(root, "Body") is None:
        raise UnreadableError("a SOAP envelope with a Body, but it has none")
    for include in list(root.iter(_XOP)):
        place, href = include.getparent(), include.get("href", "")
        found = parts.get(unquote(href.removeprefix("cid:")))
        if place is None or found is None:
            raise UnreadableError(f"every binary part beside its envelope, but {href:.100} is missing")
        place.remove(include)
        place.text = base64.b64encode(found).decode()
    return root


def part_of(envelope: etree._Element, name: str) -> etree._Element | None:
    """Its ``Header`` or its ``Body``."""
    return envelope.find(f"{{{etree.QName(envelope).namespace}}}{name}")


def fault_of(envelope: etree._Element, schema: Any = None) -> Fault | None:
    """The fault in an envelope, None where it has none. Raises `UnreadableError`."""
    body = part_of(envelope, "Body")
    space = etree.QName(envelope).namespace
    found = body.find(f"{{{space}}}Fault") if body is not None else None
    if found is None:
        return None
    if space == SOAP_11:
        detail = _loose(found, "detail")
        named, about = _detail(detail, schema)
        return Fault(
            _code(_text(found, "faultcode")),
            None,
            _text(found, "faultactor") or None,
            _text(found, "faultstring"),
            about,
            named,
        )
    codes = [_code(node.text or "") for node in found.iterfind(f"{{{space}}}Code//{{{space}}}Value")]
    named, about = _detail(found.find(f"{{{space}}}Detail"), schema)
    return Fault(
        codes[0] if codes else "",
        codes[-1] if len(codes) > 1 else None,
        (found.findtext(f"{{{space}}}Role") or "").strip() or None,
        (found.findtext(f"{{{space}}}Reason/{{{space}}}Text") or "").strip(),
        about,
        named,
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads values by the types of one schema. Raises `UnreadableError`."""

    schema: Any
    _fields: dict[int, _Fields] = field(default_factory=dict)

    def body(self, envelope: etree._Element, message: Any) -> Any:
        """The content of the answer: of the element in the body, or of the body where it has several."""
        body = part_of(envelope, "Body")
        assert body is not None, "checked when the envelope was opened"
        if message is None or message.body is None:
            return {local(node): soap_xml.to_json(node, VALUE) for node in body} or None
        if message._is_body_wrapped:
            return self.value(body, message.body.type, "body")
        if len(body) == 0:
            return None
        return self.value(body[0], message.body.type, "body")

    def headers(self, envelope: etree._Element, message: Any) -> dict[str, Any]:
        """The SOAP headers by their local names."""
        header = part_of(envelope, "Header")
        declared: dict[str, Element] = {}
        if message is not None and message.header is not None:
            declared = {part.what.name: part.what for part in soap_schema.elements_of(message.header.type)}
        found: dict[str, Any] = {}
        for node in header if header is not None else ():
            element = declared.get(local(node)) or soap_schema.find_element(self.schema, str(node.tag))
            place = f"headers.{local(node)}"
            found[local(node)] = self.value(node, element.type, place) if element is not None else _untyped(node, place)
        return found

    def value(self, node: etree._Element, type: Any, place: str) -> Any:
        """A node as JSON."""
        if soap_xml.is_nil(node):
            return None
        special = self._special(node)
        if special is not None and special is not type:
            value = self._typed(node, special, place)
            if isinstance(value, dict) and isinstance(type, ComplexType):
                return {TYPE: special.qname.localname, **value}
            return value
        return self._typed(node, type, place)

    def _typed(self, node: etree._Element, type: Any, place: str) -> Any:
        if isinstance(type, ComplexType):
            return self._complex(node, type, place)
        if isinstance(type, AnySimpleType):
            if len(node):
                raise UnreadableError(f"`{place}` as {soap_types.named(type)}, but it has elements inside")
            return _simple(node.text, type, place)
        return _untyped(node, place)

    def _complex(self, node: etree._Element, type: ComplexType, place: str) -> Any:
        if soap_schema.is_encoded_array(type):
            raise UnreadableError(f"`{place}` as a literal, but it is an array of SOAP encoding, which is not spoken")
        fields = self._fields.get(id(type))
        if fields is None:
            fields = self._fields[id(type)] = _Fields(type)
        found = fields.blank()
        text = soap_schema.text_of(type)
        if text is not None:
            found = {VALUE: _simple(node.text, text, place), **found}
        for child in node:
            name = local(child)
            self._child(child, name, fields, found, f"{place}.{name}")
        for name, attribute in soap_schema.attributes_of(type):
            written = node.get(attribute.qname.text)
            found[name] = None if written is None else _simple(written, attribute.type, f"{place}.{name}")
        return found if found or len(node) else {}

    def _child(self, child: etree._Element, name: str, fields: _Fields, found: dict[str, Any], place: str) -> None:
        part = fields.single.get(name)
        if part is not None:
            if part.repeated:
                items = found[part.name]
                items.append(self.value(child, part.what.type, f"{place}[{len(items) + 1}]"))
            else:
                found[part.name] = self.value(child, part.what.type, place)
        elif name in fields.grouped:
            group, part = fields.grouped[name]
            items = found[group.name]
            # A group begins anew with what it has already.
            if not items or group.is_choice or (part.name in items[-1] and not part.repeated):
                items.append({})
            value = self.value(child, part.what.type, f"{place}[{len(items)}]")
            if part.repeated:
                items[-1].setdefault(part.name, []).append(value)
            else:
                items[-1][part.name] = value
        elif fields.wildcard is not None:
            # Exclusive: with the namespaces that it uses, and without those that only stand around it.
            written = etree.tostring(child, method="c14n", exclusive=True, with_tail=False).decode()
            if fields.wildcard.repeated:
                found[fields.wildcard.name].append(written)
            else:
                found[fields.wildcard.name] = written
        else:
            # Newer than our schema: given as it is rather than lost.
            found[name] = _untyped(child, place)

    def _special(self, node: etree._Element) -> Any:
        said = node.get(XSI_TYPE)
        if said is None:
            return None
        prefix, _, name = said.strip().rpartition(":")
        space = node.nsmap.get(prefix or None)
        return soap_schema.find_type(self.schema, f"{{{space}}}{name}") if space else None


@dataclass(slots=True)
class _Fields:
    """The parts of a type by the names that they have in an answer."""

    type: Any
    single: dict[str, Part] = field(default_factory=dict)
    grouped: dict[str, tuple[Part, Part]] = field(default_factory=dict)
    wildcard: Part | None = None
    _groups: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._gather(soap_schema.parts_of(self.type))

    def _gather(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            if isinstance(part.what, Element):
                self.single.setdefault(str(part.what.name), part)
            elif isinstance(part.what, Wildcard):
                self.wildcard = self.wildcard or part
            elif part.name:
                self._groups.append(part)
                for inner in soap_schema.leaves(part.parts):
                    self.grouped.setdefault(inner.what.name, (part, inner))
            else:
                self._gather(part.parts)

    def blank(self) -> dict[str, Any]:
        """What an answer without any of them is read as."""
        empty: dict[str, Any] = {part.name: [] if part.repeated else None for part in self.single.values()}
        empty |= {group.name: [] for group in self._groups}
        if self.wildcard is not None:
            empty[self.wildcard.name] = [] if self.wildcard.repeated else None
        return empty


def _simple(text: str | None, type: AnySimpleType, place: str) -> Any:
    if not (text or "").strip() and not isinstance(type, String):
        return None  # an empty element of a number or a date says as much as none
    try:
        return soap_types.from_xml(text or "", type)
    except ValueError as problem:
        raise UnreadableError(f"`{place}` as {soap_types.named(type)}, but it is {problem}") from None


def _untyped(node: etree._Element, place: str) -> Any:
    try:
        return soap_xml.to_json(node, VALUE)
    except ValueError as problem:
        raise UnreadableError(f"`{place}` in a sane shape, but it is {problem}") from None


def _root_part(content: bytes, content_type: str) -> tuple[bytes, dict[str, bytes], str]:
    try:
        decoded = MultipartDecoder(content, content_type, "utf-8").parts
    except (ImproperBodyPartContentException, ValueError) as problem:
        raise UnreadableError(f"a multipart answer, but {str(problem)[:200]}") from None
    parts: dict[str, tuple[bytes, Mapping[str, str]]] = {}
    for number, part in enumerate(decoded):
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in part.headers.items()}
        body = part.content
        if headers.get("content-transfer-encoding", "").strip().lower() == "base64":
            body = base64.b64decode(body)
        parts[headers.get("content-id", f"<{number}>").strip()] = (body, headers)
    if not parts:
        raise UnreadableError("a multipart answer, but it has no parts")
    start = _START.search(content_type)
    root = parts.get(start[1]) if start else None
    envelope, about = root or next(iter(parts.values()))
    return envelope, {name.strip("<>"): found for name, (found, _) in parts.items()}, about.get("content-type", "")


def _loose(node: etree._Element, name: str) -> etree._Element | None:
    """A child that has no namespace by the letter (SOAP 1.1), and one by the habit of some servers."""
    return next((child for child in node if local(child) == name), None)


def _text(node: etree._Element, name: str) -> str:
    child = _loose(node, name)
    return (child.text or "").strip() if child is not None else ""


def _code(text: str) -> str:
    return text.strip().rpartition(":")[2]


def _detail(node: etree._Element | None, schema: Any) -> tuple[tuple[str, ...], Any]:
    """The detail as JSON, by the schema as far as it knows the elements, and the names of those."""
    if node is None:
        return (), None
    if len(node) == 0:
        return (), (node.text or "").strip() or None
    found: dict[str, Any] = {}
    reader = Reader(schema)
    for child in node:
        element = soap_schema.find_element(schema, str(child.tag)) if schema is not None else None
        place = f"fault.detail.{local(child)}"
        try:
            value = reader.value(child, element.type, place) if element is not None else _untyped(child, place)
        except UnreadableError:
            value = etree.tostring(child, encoding="unicode", with_tail=False)  # a fault must be told in any case
        found[local(child)] = value
    return tuple(found), found
