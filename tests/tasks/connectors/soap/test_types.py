"""Values between JSON and XML by their types, and the shapes that schemas have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from lxml import etree
from zeep.settings import Settings
from zeep.xsd import Schema
from zeep.xsd.types import builtins

from tasks.connectors import soap_types
from tasks.connectors.base import JobError
from tasks.connectors.soap_parameters import Writer
from tasks.connectors.soap_reply import Reader, UnreadableError

TYPES = {cls.__name__: cls(is_global=True) for cls in builtins._types}
TYPES = {cls._default_qname.localname: found for cls, found in ((type(t), t) for t in TYPES.values())}


@pytest.mark.parametrize(
    ("type", "value", "written"),
    [
        ("string", Decimal("1E+3"), "1000"),
        ("string", True, "true"),
        ("boolean", "1", "1"),
        ("boolean", False, "false"),
        ("decimal", Decimal("0.10"), "0.10"),
        ("decimal", Decimal("1E-7"), "0.0000001"),
        ("integer", Decimal("5.00"), "5"),
        ("integer", "007", "007"),
        ("unsignedByte", 255, "255"),
        ("double", Decimal("2.5"), "2.5"),
        ("double", "-INF", "-INF"),
        ("float", 1, "1"),
        ("dateTime", "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("dateTime", "2026-01-02T03:04:05@Asia/Tokyo", "2026-01-02T03:04:05+09:00"),
        ("date", "2026-01-02+01:00", "2026-01-02+01:00"),
        ("time", "23:59:59.5", "23:59:59.5"),
        ("duration", "-P1Y2M3DT4H5M6.7S", "-P1Y2M3DT4H5M6.7S"),
        ("gYear", "2026", "2026"),
        ("gYear", 2026, "2026"),
        ("gMonthDay", "--02-29", "--02-29"),
        ("base64Binary", "AAEC", "AAEC"),
        ("hexBinary", "00fF", "00fF"),
        ("anyURI", "urn:x", "urn:x"),
    ],
)
def test_written(type: str, value: Any, written: str) -> None:
    assert soap_types.to_xml(value, TYPES[type]) == written


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("string", None),
        ("string", {"a": 1}),
        ("string", "\x00"),
        ("string", "\ud800"),
        ("boolean", "yes"),
        ("boolean", 1),
        ("decimal", True),
        ("decimal", "1e3"),
        ("decimal", "NaN"),
        ("integer", Decimal("5.5")),
        ("integer", True),
        ("int", 2**31),
        ("unsignedByte", 256),
        ("positiveInteger", 0),
        ("double", "many"),
        ("dateTime", "2026-01-02"),
        ("dateTime", "2026-13-02T00:00:00Z"),
        ("dateTime", "2026-01-02T00:00:00@Middle/Earth"),
        ("date", "2026-02-30"),
        ("date", "02.01.2026"),
        ("time", "25:00:00"),
        ("duration", "P"),
        ("duration", "P1DT"),
        ("gMonth", "2"),
        ("base64Binary", "*"),
        ("hexBinary", "0"),
    ],
)
def test_not_written(type: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        soap_types.to_xml(value, TYPES[type])


@pytest.mark.parametrize(
    ("type", "text", "read"),
    [
        ("decimal", " 1.10\n", Decimal("1.10")),
        ("integer", "+07", 7),
        ("double", "1e400", Decimal("1e400")),
        ("double", "NaN", "NaN"),
        ("boolean", "0", False),
        ("base64Binary", "AA\nEC", "AAEC"),
        ("string", " as it is ", " as it is "),
        ("dateTime", "-0044-03-15T12:00:00", "-0044-03-15T12:00:00"),
        ("date", "12026-01-01", "12026-01-01"),
    ],
)
def test_read(type: str, text: str, read: Any) -> None:
    found = soap_types.from_xml(text, TYPES[type])
    assert (found, found.__class__) == (read, read.__class__)


SHAPES = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t"
 elementFormDefault="qualified">
<xs:simpleType name="Sizes"><xs:list itemType="xs:int"/></xs:simpleType>
<xs:simpleType name="Some"><xs:union memberTypes="xs:int xs:boolean"/></xs:simpleType>
<xs:simpleType name="Color">
 <xs:restriction base="xs:token"><xs:enumeration value="red"/></xs:restriction></xs:simpleType>
<xs:group name="Both"><xs:sequence><xs:element name="left" type="xs:int"/><xs:element name="right" type="xs:int"/>
</xs:sequence></xs:group>
<xs:element name="Thing"><xs:complexType><xs:sequence>
 <xs:choice><xs:element name="count" type="xs:int"/><xs:element name="flag" type="xs:boolean"/></xs:choice>
 <xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="up" type="xs:int"/>
  <xs:element name="down" type="xs:string"/></xs:choice>
 <xs:sequence minOccurs="0"><xs:element name="first" type="xs:string"/><xs:element name="second" type="xs:string"/>
 </xs:sequence>
 <xs:group ref="Both" minOccurs="0"/>
 <xs:element name="sizes" type="Sizes" minOccurs="0"/><xs:element name="some" type="Some" minOccurs="0"/>
 <xs:element name="color" type="Color" minOccurs="0"/>
 <xs:element name="nils" type="xs:int" nillable="true" minOccurs="0" maxOccurs="3"/>
 <xs:element name="anything" type="xs:anyType" minOccurs="0"/>
 <xs:any namespace="##other" processContents="lax" minOccurs="0" maxOccurs="unbounded"/>
</xs:sequence><xs:attribute name="unit" type="xs:string"/><xs:attribute name="since" type="xs:date"/></xs:complexType>
</xs:element>
<xs:element name="Pairs"><xs:complexType><xs:sequence maxOccurs="unbounded"><xs:element name="k" type="xs:string"/>
 <xs:element name="v" type="xs:int" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""
SCHEMA = Schema(etree.fromstring(SHAPES), settings=Settings())
THING: dict[str, Any] = {
    "count": None, "flag": None, "_items": [], "first": None, "second": None, "left": None, "right": None,
    "sizes": None, "some": None, "color": None, "nils": [], "anything": None, "_any": [], "unit": None, "since": None,
}  # fmt: skip


def written(name: str, value: Any) -> etree._Element:
    parent = etree.Element("parent")
    Writer(SCHEMA).element(parent, SCHEMA.get_element(f"{{urn:t}}{name}"), value, "it")
    return parent[0]


def there_and_back(name: str, value: Any) -> Any:
    node = etree.fromstring(etree.tostring(written(name, value)))
    return Reader(SCHEMA).value(node, SCHEMA.get_element(f"{{urn:t}}{name}").type, "it")


@pytest.mark.parametrize(
    "value",
    [
        {"count": 0},
        {"flag": False},
        {"count": 1, "_items": [{"up": 0}, {"down": ""}, {"up": 2}]},
        {"count": 1, "first": "a", "second": "b"},
        {"count": 1, "left": 1, "right": 0},
        {"count": 1, "sizes": [1, 2, 3], "some": True, "color": "red", "unit": "kg", "since": "2026-01-01"},
        {"count": 1, "nils": [1, None, 3]},
        {"count": 1, "anything": "text", "_any": ['<o:x xmlns:o="urn:o"><o:y>1</o:y></o:x>']},
    ],
)
def test_shapes_there_and_back(value: dict[str, Any]) -> None:
    assert there_and_back("Thing", value) == {**THING, **value}


def test_repeated_groups() -> None:
    pairs = {"_items": [{"k": "a", "v": 1}, {"k": "b"}, {"k": "c", "v": 3}]}
    assert there_and_back("Pairs", pairs) == pairs
    assert [etree.QName(node).localname for node in written("Pairs", pairs)] == ["k", "v", "k", "k", "v"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Thing", {}, "Expected `it` to have one of `count`, `flag`, but found none"),
        ("Thing", {"count": 1, "flag": True}, "but found `count` and `flag`"),
        ("Thing", {"count": 1, "first": "a"}, "Expected `it.second` to be xsd:string, but found none"),
        ("Thing", {"count": 1, "nils": [1, 2, 3, 4]}, "Expected `it.nils` to have 0 to 3 items, but found 4"),
        ("Thing", {"count": 1, "some": "x"}, "Expected `it.some` to be xsd:int or xsd:boolean, but found 'x'"),
        ("Thing", {"count": 1, "sizes": "1 2"}, "Expected `it.sizes` to be a list of xsd:int, but found '1 2'"),
        ("Thing", {"count": 1, "_items": [{"side": 1}]}, "Expected `it._items[1]` to be a context with `up`, `down`"),
        ("Thing", {"count": 1, "_any": ["<x"]}, "Expected `it._any[1]` to be XML as text"),
        ("Thing", {"count": 1, "anything": {"a": 1}}, "to name its type as `_type`"),
        ("Thing", {"count": 1, "since": "today"}, "Expected `it.since` to be xsd:date, but found 'today'"),
        ("Pairs", {}, "Expected `it._items` to have 1 items or more, but found 0"),
    ],
)
def test_shapes_that_do_not_fit(name: str, value: Any, message: str) -> None:
    with pytest.raises(JobError) as refused:
        written(name, value)
    assert message in refused.value.message
    assert refused.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("<count>many</count>", "`it.count` as xsd:int, but it is 'many'"),
        ("<count><x/></count>", "`it.count` as xsd:int, but it has elements inside"),
    ],
)
def test_answers_that_do_not_fit(inside: str, message: str) -> None:
    node = etree.fromstring(f'<Thing xmlns="urn:t">{inside}</Thing>')
    with pytest.raises(UnreadableError) as refused:
        Reader(SCHEMA).value(node, SCHEMA.get_element("{urn:t}Thing").type, "it")
    assert str(refused.value) == message


def test_types_named_in_the_answer() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    node = etree.fromstring(
        f'<Thing xmlns="urn:t" {xsi}><count xsi:nil="true"/><anything xsi:type="xs:decimal">1.10</anything></Thing>'
    )
    found = Reader(SCHEMA).value(node, SCHEMA.get_element("{urn:t}Thing").type, "it")
    assert (found["count"], str(found["anything"])) == (None, "1.10")


def test_a_great_answer_is_read_in_time() -> None:
    items = "".join(f"<k>{number}</k><v>{number}</v>" for number in range(20_000))
    node = etree.fromstring(f'<Pairs xmlns="urn:t">{items}</Pairs>')
    found = Reader(SCHEMA).value(node, SCHEMA.get_element("{urn:t}Pairs").type, "it")
    assert len(found["_items"]) == 20_000
