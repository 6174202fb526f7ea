"""Writes what a task gives (JSON) as the XML that the schema of a service asks for.

The order is the schema's, not the task's. Whatever the schema does not know, or misses, is refused by its place
(``parameters.order.lines[2].sku``) before anything is sent.

Null is ``xsi:nil`` where the schema allows it, and nothing at all where the element is optional; an absent field is
never nil.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from zeep.xsd.types.any import AnyType
from zeep.xsd.types.builtins import Base64Binary, String, default_types
from zeep.xsd.types.simple import AnySimpleType

from tasks.connectors import soap_schema, soap_types, soap_xml
from tasks.connectors.exact_json import MAX_DEPTH
from tasks.connectors.inputs import invalid
from tasks.connectors.soap_schema import TYPE, VALUE, XSI_NIL, ComplexType, Element, Part, Wildcard

TEXT: Any = default_types[String._default_qname]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes values by the types of one schema. Raises `JobError` with ``INVALID_INPUT``."""

    schema: Any
    binaries: list[etree._Element] = field(default_factory=list)
    """Elements that were written as base64Binary, which MTOM sends as parts of their own."""

    def element(self, parent: etree._Element, element: Element, value: Any, place: str, depth: int = 0) -> None:
        """Append an element, or as many as `value` has items where it may be repeated."""
        if depth > MAX_DEPTH:
            raise invalid(f"Expected `{place[:80]}` to be nested at most {MAX_DEPTH} levels deep")
        if not element.accepts_multiple:
            self._one(parent, element, value, place, depth)
            return
        if value is None:
            value = []
        # One item without brackets is meant as a list of one: FEEL does the same.
        items = list(value) if isinstance(value, list | tuple) else [value]
        most = element.max_occurs
        if len(items) < element.min_occurs or (isinstance(most, int) and len(items) > most):
            raise invalid(f"Expected `{place}` to have {element.min_occurs} to {most} items, but found {len(items)}")
        for number, item in enumerate(items):
            self._one(parent, element, item, f"{place}[{number + 1}]", depth)

    def _one(self, parent: etree._Element, element: Element, value: Any, place: str, depth: int) -> None:
        if value is None:
            if element.nillable:
                etree.SubElement(parent, element.qname).set(XSI_NIL, "true")
            elif element.min_occurs != 0:
                raise invalid(f"Expected `{place}` to be {soap_types.named(element.type)}, but found null")
            return
        self.content(etree.SubElement(parent, element.qname), element.type, value, place, depth)

    def content(self, node: etree._Element, type: Any, value: Any, place: str, depth: int = 0) -> None:
        """Fill a node with a value of a type."""
        if isinstance(type, ComplexType):
            self._complex(node, type, value, place, depth)
        elif isinstance(type, AnySimpleType):
            self._text(node, type, value, place)
        else:
            self._anything(node, type, value, place, depth)

    def _text(self, node: etree._Element, type: AnySimpleType, value: Any, place: str) -> None:
        node.text = _simple(value, type, place)
        if isinstance(type, Base64Binary):
            self.binaries.append(node)

    def _complex(self, node: etree._Element, type: ComplexType, value: Any, place: str, depth: int) -> None:
        if soap_schema.is_encoded_array(type):
            raise invalid(f"Expected `{place}` to be literal, but it is an array of SOAP encoding, which is not spoken")
        if isinstance(value, Mapping) and TYPE in value:
            type = self._special(node, type, value[TYPE], place)
            value = {name: item for name, item in value.items() if name != TYPE}
        text = soap_schema.text_of(type)
        if text is not None and not isinstance(value, Mapping):
            value = {VALUE: value}
        if not isinstance(value, Mapping):
            raise invalid(f"Expected `{place}` to be a context, but found {_shown(value)}")
        known = soap_schema.fields_of(type)
        for name in value:
            if name not in known:
                raise invalid(f"Expected `{place}` to have {_listed(known)}, but found `{name:.60}`")
        for name, attribute in soap_schema.attributes_of(type):
            if value.get(name) is not None:
                node.set(attribute.qname, _simple(value[name], attribute.type, f"{place}.{name}"))
            elif attribute.required:
                raise invalid(f"Expected `{place}.{name}`, but found none")
        if text is not None:
            if value.get(VALUE) is None:
                raise invalid(f"Expected `{place}.{VALUE}` to be {soap_types.named(text)}, but found none")
            self._text(node, text, value[VALUE], f"{place}.{VALUE}")
        for part in soap_schema.parts_of(type):
            self._part(node, part, value, place, depth)

    def _part(self, node: etree._Element, part: Part, value: Mapping[str, Any], place: str, depth: int) -> None:
        here = f"{place}.{part.name}"
        if isinstance(part.what, Element):
            if part.name in value:
                self.element(node, part.what, value[part.name], here, depth + 1)
            elif not part.optional:
                raise invalid(f"Expected `{here}` to be {soap_types.named(part.what.type)}, but found none")
        elif isinstance(part.what, Wildcard):
            for number, item in enumerate(_listed_items(value.get(part.name))):
                node.append(_fragment(item, f"{here}[{number + 1}]"))
        elif not part.repeated:
            self._group(node, part, value, place, depth)
        else:
            items = _listed_items(value.get(part.name))
            if len(items) < part.what.min_occurs:
                raise invalid(f"Expected `{here}` to have {part.what.min_occurs} items or more, but found {len(items)}")
            for number, item in enumerate(items):
                there = f"{here}[{number + 1}]"
                known = [name for inner in part.parts for name in inner.names()]
                if not isinstance(item, Mapping) or not item or not set(item) <= set(known):
                    raise invalid(f"Expected `{there}` to be a context with {_listed(known)}, but found {_shown(item)}")
                self._group(node, part, item, there, depth + 1)

    def _group(self, node: etree._Element, part: Part, value: Mapping[str, Any], place: str, depth: int) -> None:
        """The parts of a group: all of them, or the one that was chosen."""
        given = [inner for inner in part.parts if any(name in value for name in inner.names())]
        if part.is_choice:
            if len(given) > 1:
                found = " and ".join(f"`{next(name for name in inner.names() if name in value)}`" for inner in given)
                raise invalid(f"Expected `{place}` to have one of {_listed(part.names())}, but found {found}")
            # Zeep calls every element of a choice optional, so whether one may be missing is not known: null says so.
            if not given and not part.optional:
                raise invalid(f"Expected `{place}` to have one of {_listed(part.names())}, but found none")
        elif given or not part.optional:
            given = list(part.parts)
        for inner in given:
            self._part(node, inner, value, place, depth)

    def _special(self, node: etree._Element, type: ComplexType, name: Any, place: str) -> ComplexType:
        found = soap_schema.find_type(self.schema, name) if isinstance(name, str) else None
        if not isinstance(found, ComplexType) or found.qname is None:
            raise invalid(f"Expected `{place}.{TYPE}` to name a type of the schema, but found {_shown(name)}")
        soap_xml.set_type(node, found.qname)
        return found

    def _anything(self, node: etree._Element, type: Any, value: Any, place: str, depth: int) -> None:
        """``xsd:anyType``: a context that names its type, or a single value as text."""
        if isinstance(value, Mapping) and TYPE in value:
            found = self._special(node, type, value[TYPE], place)
            self.content(node, found, {name: item for name, item in value.items() if name != TYPE}, place, depth + 1)
        elif isinstance(value, Mapping | list | tuple):
            raise invalid(f"Expected `{place}` to be a single value, or to name its type as `{TYPE}`")
        else:
            node.text = _simple(value, TEXT, place)


def _simple(value: Any, type: AnySimpleType, place: str) -> str:
    try:
        return soap_types.to_xml(value, type)
    except ValueError as problem:
        raise invalid(f"Expected `{place}` to be {soap_types.named(type)}, but found {problem}") from None


def _fragment(value: Any, place: str) -> etree._Element:
    if not isinstance(value, str):
        raise invalid(f"Expected `{place}` to be XML as text, but found {_shown(value)}")
    try:
        return soap_xml.read(value.encode())
    except ValueError as problem:
        raise invalid(f"Expected `{place}` to be XML as text, but {problem}") from None


def _listed_items(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in list(names)[:30]) or "no fields"


def _shown(value: Any) -> str:
    return f"{value!r:.60}"


# ``xsd:anyType`` is the base of all simple types in zeep, so whoever asks for it must have asked for those before.
assert issubclass(AnySimpleType, AnyType)
