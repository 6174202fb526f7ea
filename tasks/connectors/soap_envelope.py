"""Makes the envelope of a request: the typed body and headers, addresses (WS-Addressing), credentials (WS-Security)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree
from zeep import ns

from tasks.connectors import soap_mtom, soap_schema, soap_xml
from tasks.connectors.base import Job
from tasks.connectors.inputs import invalid
from tasks.connectors.soap_parameters import Writer
from tasks.connectors.soap_request import Request
from tasks.connectors.soap_schema import Element
from tasks.connectors.soap_security import Security
from tasks.connectors.soap_wsdl import Endpoint
from tasks.connectors.soap_xml import ENVELOPES

_IDS = uuid.UUID("7c1bb5a8-9d5c-5c7e-8f0c-4f3d0a6d2b11")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A finished envelope; `binaries` are the elements of it that may leave it as parts of their own."""

    root: etree._Element
    binaries: Sequence[etree._Element] = ()


def compose(request: Request, endpoint: Endpoint, schema: Any, job: Job, address: str) -> Envelope:
    """The envelope of a request by a WSDL. Raises `JobError` with ``INVALID_INPUT``."""
    space = ENVELOPES[endpoint.version]
    envelope = etree.Element(f"{{{space}}}Envelope", nsmap={"soapenv": space})
    header = etree.SubElement(envelope, f"{{{space}}}Header")
    body = etree.SubElement(envelope, f"{{{space}}}Body")
    message = endpoint.operation.input
    writer = Writer(schema)
    if message is not None and message.body is not None:
        content = message.body
        node = body if message._is_body_wrapped else etree.SubElement(body, content.qname)
        writer.content(node, content.type, _parameters(request, job, content.type), "parameters")
    elif request.parameters not in (None, {}):
        raise invalid(f"Expected no `parameters` for '{request.operation}', which takes none, but found some")
    _add_headers(header, request.headers, message, writer)
    if request.addressing:
        _address(header, address, request.action or endpoint.action, job)
    binaries = writer.binaries if request.mtom else []
    soap_mtom.canonize(binaries)  # before it is signed: what is signed is what a receiver puts together again
    _finish(envelope, header, request.security)
    return Envelope(envelope, binaries)


def wrap(request: Request) -> Envelope:
    """The envelope of a request without a WSDL. Raises `JobError` with ``INVALID_INPUT``."""
    try:
        envelope = soap_xml.read((request.envelope or "").encode())
    except ValueError as problem:
        raise invalid(f"Expected `body` and `header` to make an envelope, but {problem}") from None
    header = envelope.find(f"{{{ENVELOPES[request.version]}}}Header")
    if header is None:
        header = etree.Element(f"{{{ENVELOPES[request.version]}}}Header")
        envelope.insert(0, header)
    _finish(envelope, header, request.security)
    return Envelope(envelope)


def message_id(job: Job) -> str:
    """The same for all attempts of a job."""
    try:
        return uuid.UUID(job.idempotency_key).urn
    except ValueError:
        return uuid.uuid5(_IDS, job.idempotency_key).urn


def _parameters(request: Request, job: Job, type: Any) -> Any:
    if request.parameters is None and job.headers.get("operation"):
        # BPMN's own operations map nothing: variables that are named as parameters are those.
        return {name: job.variables[name] for name in soap_schema.fields_of(type) if name in job.variables}
    return {} if request.parameters is None and soap_schema.is_context(type) else request.parameters


def _add_headers(header: etree._Element, given: Mapping[str, Any], message: Any, writer: Writer) -> None:
    declared: dict[str, Element] = {}
    if message is not None and message.header is not None:
        for part in soap_schema.elements_of(message.header.type):
            declared[part.name] = declared[part.what.name] = part.what
    for name, value in given.items():
        element = declared.get(name) or soap_schema.find_element(writer.schema, name)
        if element is None:
            known = ", ".join(f"`{other}`" for other in declared) or "none"
            raise invalid(f"Expected `headers` to have what the WSDL declares ({known}), but found `{name:.60}`")
        writer.element(header, element, value, f"headers.{name}")


def _address(header: etree._Element, to: str, action: str, job: Job) -> None:
    for name, text in (("Action", action), ("MessageID", message_id(job)), ("To", to)):
        if header.find(f"{{{ns.WSA}}}{name}") is None:
            etree.SubElement(header, f"{{{ns.WSA}}}{name}", nsmap={"wsa": ns.WSA}).text = text


def _finish(envelope: etree._Element, header: etree._Element, security: Security | None) -> None:
    if security is not None:
        security.apply(envelope)
    if len(header) == 0:
        envelope.remove(header)
