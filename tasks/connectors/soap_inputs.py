"""The inputs of the SOAP connector, and what reads single ones beside `inputs`, which reads for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from tasks.connectors import http_authentication
from tasks.connectors.declared import Input
from tasks.connectors.http_inputs import LIMITS
from tasks.connectors.http_request import split_url
from tasks.connectors.inputs import invalid

BY_HTTP = tuple(kind for kind in http_authentication.TYPES if kind != "noAuth")
"""Types of authentication that the HTTP connector adds to a call."""
OF_TOKEN = ("type", "authentication", "username", "password", "digest", "encoded", "timestamp")
OF_SIGNATURE = (
    "type", "authentication", "certificate", "privateKey", "password", "timestamp", "encryptionParts",
    "signatureAlgorithm", "digestAlgorithm",
)  # fmt: skip
"""What `authentication` has of these types, Camunda's names included."""
_FIELDS = (*dict.fromkeys((*http_authentication.FIELDS, *OF_TOKEN, *OF_SIGNATURE)),)

COMMON = (
    Input("soapVersion", "any", help="1.1 or 1.2; or Camunda's context of version and soapAction."),
    Input("soapAction", help="Where the WSDL names another one, or there is none."),
    Input(
        "authentication",
        "context",
        fields=_FIELDS,
        help="A type (none, usernameToken, signature, basic, bearer, apiKey, oauth-...) and what it needs.",
    ),
    *LIMITS,
)
TYPED = (
    Input("wsdl", header=True, help="Address of the WSDL; relative to that of the connection, which is the default."),
    Input("service", header=True, help="Of the WSDL, where it has several."),
    Input("port", header=True, help="Of the service, or the name of a port type."),
    Input("operation", header=True, help="Required with a WSDL: its name."),
    Input("parameters", "any", help="A context, typed and checked by the schema."),
    Input("headers", "context", help="SOAP headers by the names that the WSDL declares."),
    Input("endpoint", help="Address of the service, where the WSDL names another one."),
    Input("addressing", "boolean", help="WS-Addressing headers; true with a WSDL unless it says otherwise."),
    Input("mtom", "boolean", help="Sends base64Binary values as parts of their own (MTOM, XOP)."),
    *COMMON,
)
"""Of a request that names a WSDL."""
UNTYPED = (
    Input("serviceUrl", help="Address of the service, where there is no WSDL; as are the three that follow."),
    Input("header", "any", help="SOAP header: type (template, json, none), template and context, or json."),
    Input("body", "any", help="SOAP body, likewise."),
    Input("namespaces", "context", help="Prefixes and their namespaces, for the envelope."),
)
"""Of a request in the words of Camunda's connector."""
INPUTS = (*TYPED, *UNTYPED)


def address(value: str, name: str, base: str = "") -> str:
    """An http or https address, maybe relative to another one. Raises `JobError` with ``INVALID_INPUT``."""
    try:
        found = urljoin(base.strip(), value.strip())
        split_url(found)
        urlsplit(found)
    except ValueError as problem:
        raise invalid(f"Expected `{name}` to be an http or https URL, but {problem}") from None
    return found


def text(given: Mapping[str, Any], name: str, place: str = "") -> str:
    """Text without outer blanks, "" where there is none. Raises `JobError` with ``INVALID_INPUT``."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"Expected `{place}{name}` to be text, but found {type(value).__name__}")
    return value.strip()


def only(given: Mapping[str, Any], known: tuple[str, ...], name: str) -> None:
    """Refuse what a context has beyond what is known of it."""
    for key, value in given.items():
        if key not in known and value not in (None, "", {}, []):
            raise invalid(f"The input `{name}.{key:.60}` is not known; {name} has {', '.join(known)}")
