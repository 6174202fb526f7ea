"""What a type of an XML Schema is made of, in the words of this house: elements, groups, wildcards, attributes.

Zeep reads the schemas; this is the one place that knows how it keeps them. A type is walked through its `Part`s, in
the order in which they are written:

| Part | in JSON |
|---|---|
| element | a field of its name; a list where it may be repeated |
| group that occurs once (sequence, choice, all) | nothing of its own: its parts are fields of the type |
| group that may be repeated | `_items` (`_items2` ...), a list of contexts with its parts as fields |
| wildcard (``xsd:any``) | `_any`: XML as text |
| text beside attributes (simple content) | `_value` |
| attribute | a field of its name (`attr__name` where an element has that name) |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree
from zeep import ns
from zeep.exceptions import Error as ZeepError
from zeep.xsd.elements.any import Any as Wildcard
from zeep.xsd.elements.attribute import Attribute
from zeep.xsd.elements.element import Element
from zeep.xsd.elements.indicators import Choice, Group
from zeep.xsd.types.complex import ComplexType
from zeep.xsd.types.simple import AnySimpleType

__all__ = ["ANY", "VALUE", "Attribute", "ComplexType", "Element", "Part", "Wildcard"]

VALUE = "_value"
ANY = "_any"
TYPE = "_type"
"""Names the type of a value where the schema allows more specific ones (``xsi:type``)."""
XSI_TYPE = f"{{{ns.XSI}}}type"
XSI_NIL = f"{{{ns.XSI}}}nil"
ENCODED_ARRAY = "{http://schemas.xmlsoap.org/soap/encoding/}arrayType"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that stands in a type. `name` is "" for a group whose parts are fields of the type."""

    name: str
    what: Any
    """An `Element`, a `Wildcard`, or a group of zeep (``Indicator``)."""

    @property
    def repeated(self) -> bool:
        return bool(self.what.accepts_multiple)

    @property
    def optional(self) -> bool:
        return bool(self.what.min_occurs == 0)

    @property
    def is_choice(self) -> bool:
        return isinstance(self.what, Choice) or (isinstance(self.what, Group) and isinstance(self.what.child, Choice))

    @property
    def parts(self) -> tuple[Part, ...]:
        """What stands in a group."""
        return tuple(_parts(self.what))

    def names(self) -> Iterator[str]:
        """The fields that it gives or takes."""
        if self.name:
            yield self.name
        else:
            for part in self.parts:
                yield from part.names()


def parts_of(type: ComplexType) -> tuple[Part, ...]:
    """What stands in a type, text aside."""
    return () if text_of(type) is not None else tuple(_parts(type))


def text_of(type: ComplexType) -> AnySimpleType | None:
    """The type of its text, where a type has text instead of elements (simple content)."""
    content = type._element
    return content.type if isinstance(content, Element) and isinstance(content.type, AnySimpleType) else None


def attributes_of(type: ComplexType) -> tuple[tuple[str, Attribute], ...]:
    """Attributes by the names of their fields. Wildcards among them take and give nothing."""
    return tuple((name, found) for name, found in type.attributes if isinstance(found, Attribute) and found.name)


def fields_of(type: Any) -> tuple[str, ...]:
    """The names of all fields of a type; none for a simple one."""
    if not isinstance(type, ComplexType):
        return ()
    names = [name for part in parts_of(type) for name in part.names()]
    text = [VALUE] if text_of(type) is not None else []
    return (*text, *names, *(name for name, _ in attributes_of(type)))


def is_encoded_array(type: ComplexType) -> bool:
    """Whether it is an array of SOAP's own encoding (rpc/encoded), which WS-I forbids and this house does not speak."""
    return any(found.qname is not None and found.qname.text == ENCODED_ARRAY for found in type._attributes)


def find_type(schema: Any, name: str) -> Any:
    """A type by ``{namespace}name``, or by its name alone where only one has it; None where there is none."""
    if name.startswith("{"):
        try:
            return schema.get_type(etree.QName(name), fail_silently=True)
        except (ZeepError, ValueError):
            return None
    found = [type for type in schema.types if type.qname is not None and type.qname.localname == name]
    return found[0] if len(found) == 1 else None


def find_element(schema: Any, name: str) -> Element | None:
    """A global element, as `find_type` finds types."""
    if name.startswith("{"):
        try:
            element: Element = schema.get_element(etree.QName(name))
            return element
        except (ZeepError, ValueError):
            return None
    found = [element for element in schema.elements if element.qname.localname == name]
    return found[0] if len(found) == 1 else None


def is_context(type: Any) -> bool:
    """Whether its values are contexts."""
    return isinstance(type, ComplexType)


def elements_of(type: ComplexType) -> list[Part]:
    """The elements that stand in a type, those in its groups too."""
    return leaves(parts_of(type))


def leaves(parts: tuple[Part, ...]) -> list[Part]:
    """The elements among parts, those in groups too."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part.what, Element):
            found.append(part)
        elif not isinstance(part.what, Wildcard):
            found.extend(leaves(part.parts))
    return found


def unknown_fields(type: Any, value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a value that its type lacks: where they are, and what the type has there."""
    if not isinstance(type, ComplexType) or not isinstance(value, Mapping) or TYPE in value:
        return
    known = fields_of(type)
    below = {part.name: part.what.type for part in elements_of(type)}
    for name, item in value.items():
        if name not in known:
            yield f"{place}{name}", ", ".join(known)
        for one in item if isinstance(item, list | tuple) else [item]:
            yield from unknown_fields(below.get(name), one, f"{place}{name}.")


def _parts(container: Any) -> Iterator[Part]:
    if isinstance(container, Group):
        container = container.child
    groups = wildcards = 0
    for _, found in container.elements_nested:
        if isinstance(found, Element):
            yield Part(found.attr_name, found)
        elif isinstance(found, Wildcard):
            wildcards += 1
            yield Part(ANY if wildcards == 1 else f"{ANY}{wildcards}", found)
        elif found.accepts_multiple:
            groups += 1
            yield Part("_items" if groups == 1 else f"_items{groups}", found)
        else:
            yield Part("", found)
