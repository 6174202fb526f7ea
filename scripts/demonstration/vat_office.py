"""The VAT office: a web service in SOAP 1.1 with one operation, a description (WSDL) and a fault."""

from __future__ import annotations

from lxml import etree

NAMESPACE = "urn:example:vat"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PARSER = etree.XMLParser(resolve_entities=False, no_network=True)

WSDL = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:v="urn:example:vat" targetNamespace="urn:example:vat">
  <types>
    <xsd:schema targetNamespace="urn:example:vat" elementFormDefault="qualified">
      <xsd:element name="checkVat"><xsd:complexType><xsd:sequence>
        <xsd:element name="countryCode" type="xsd:string" />
        <xsd:element name="vatNumber" type="xsd:string" />
      </xsd:sequence></xsd:complexType></xsd:element>
      <xsd:element name="checkVatResponse"><xsd:complexType><xsd:sequence>
        <xsd:element name="valid" type="xsd:boolean" />
        <xsd:element name="name" type="xsd:string" />
      </xsd:sequence></xsd:complexType></xsd:element>
      <xsd:element name="UnknownVatNumber" type="xsd:string" />
    </xsd:schema>
  </types>
  <message name="ask"><part name="parameters" element="v:checkVat" /></message>
  <message name="answer"><part name="parameters" element="v:checkVatResponse" /></message>
  <message name="unknown"><part name="fault" element="v:UnknownVatNumber" /></message>
  <portType name="VatOffice"><operation name="checkVat">
    <input message="v:ask" /><output message="v:answer" /><fault name="unknown" message="v:unknown" />
  </operation></portType>
  <binding name="VatOffice" type="v:VatOffice">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http" />
    <operation name="checkVat">
      <soap:operation soapAction="checkVat" />
      <input><soap:body use="literal" /></input><output><soap:body use="literal" /></output>
      <fault name="unknown"><soap:fault name="unknown" use="literal" /></fault>
    </operation>
  </binding>
  <service name="VatOffice">
    <port name="VatOffice" binding="v:VatOffice"><soap:address location="%s" /></port>
  </service>
</definitions>
"""


def describe(address: str) -> bytes:
    """The WSDL of the service at an address."""
    return (WSDL % address).encode()


def answer(request: bytes, names: dict[str, str]) -> tuple[int, bytes, str]:
    """Status and envelope for an envelope, and the VAT number that was asked for. `names`: of whom there are."""
    try:
        asked = etree.fromstring(request, PARSER).find(f"{{{SOAP}}}Body/{{{NAMESPACE}}}checkVat")
        if asked is None:
            raise ValueError("there is no operation but checkVat")
        number = asked.findtext(f"{{{NAMESPACE}}}vatNumber") or ""
        country = asked.findtext(f"{{{NAMESPACE}}}countryCode") or ""
    except (etree.XMLSyntaxError, ValueError) as problem:
        return 500, _fault("Client", f"This cannot be understood: {problem}"), ""
    if number not in names or not number.startswith(country):
        detail = etree.Element(f"{{{NAMESPACE}}}UnknownVatNumber")
        detail.text = number
        return 500, _fault("Client.UnknownVatNumber", f"There is no number {number} in {country}", detail), number
    found = etree.Element(f"{{{NAMESPACE}}}checkVatResponse", nsmap={None: NAMESPACE})
    etree.SubElement(found, f"{{{NAMESPACE}}}valid").text = "true"
    etree.SubElement(found, f"{{{NAMESPACE}}}name").text = names[number]
    return 200, _envelope(found), number


def _fault(code: str, text: str, detail: etree._Element | None = None) -> bytes:
    fault = etree.Element(f"{{{SOAP}}}Fault", nsmap={"s": SOAP})
    etree.SubElement(fault, "faultcode").text = f"s:{code}"
    etree.SubElement(fault, "faultstring").text = text
    if detail is not None:
        etree.SubElement(fault, "detail").append(detail)
    return _envelope(fault)


def _envelope(content: etree._Element) -> bytes:
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"s": SOAP})
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(content)
    return etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
