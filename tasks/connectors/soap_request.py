"""Reads the inputs of a SOAP job into a `Request`: what can be wrong with them without a WSDL is found here.

There are two kinds of request. One names a WSDL and an operation, and its parameters are data. The other, in the
words of Camunda's SOAP connector (`serviceUrl`), brings its body as XML or as JSON that looks like XML; nothing is
known of its types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tasks.connectors import soap_xml
from tasks.connectors.base import Job
from tasks.connectors.declared import Given, read_job
from tasks.connectors.http_inputs import LIMITS
from tasks.connectors.inputs import context, invalid
from tasks.connectors.soap_inputs import INPUTS, TYPED, UNTYPED, address, only, text
from tasks.connectors.soap_security import Security, read_security
from tasks.connectors.soap_xml import ENVELOPES

OF_HEADERS = tuple(declared.name for declared in INPUTS if declared.header)
"""What may also stand in task headers; BPMN's own operations come that way."""
UNSUPPORTED = "attachments"
"""Files beside a message that no schema describes (SOAP with Attachments)."""

_TEMPLATE = re.compile(r"\{\{\{\s*([^{}]*?)\s*\}\}\}|\{\{\s*([^{}]*?)\s*\}\}")
_PATH = re.compile(r"&?\s*[A-Za-z_][\w-]*(\.[\w-]+)*|\.")
_PREFIX = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is common to both kinds, and what the one with a WSDL needs. Blank texts leave the choice open."""

    wsdl: str = ""
    service: str = ""
    port: str = ""
    operation: str = ""
    version: str = ""
    endpoint: str = ""
    action: str = ""
    parameters: Any = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    addressing: bool = True
    mtom: bool = False
    """Whether binary values are sent as parts of their own."""
    security: Security | None = None
    authentication: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """For the HTTP connector."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    envelope: str | None = None
    """Of a request without a WSDL: the whole document."""


def read_request(job: Job, aliases: Sequence[str] = ()) -> Request:
    """The request that a job asks for. Raises `JobError`, code ``INVALID_INPUT``, which names the input."""
    # A model of BPMN's own words maps no inputs: its variables are seen, whatever they are called.
    of_bpmn = bool(job.headers.get("operation"))
    if not of_bpmn and job.variables.get(UNSUPPORTED) not in (None, False, "", "false", (), [], {}):
        raise invalid(f"The input `{UNSUPPORTED}` is not supported: binary data are `parameters`, also with `mtom`")
    given = read_job(job, TYPED if of_bpmn else INPUTS, aliases)
    security, authentication = read_security(given, job)
    common: dict[str, Any] = {
        "security": security,
        "authentication": authentication,
        "limits": _limits(given, job),
    }
    version, action = _version(given["soapVersion"])
    if given["soapAction"] is not None:
        action = text(given, "soapAction")
    said = {name: (job.headers.get(name) or "").strip() or text(given, name) for name in OF_HEADERS}
    if of_bpmn:
        return _typed(job, given, said, version, action, common)
    if given["serviceUrl"] is not None:
        return _raw(given, said, version or "1.1", action, common)
    for declared in UNTYPED:
        if given[declared.name] not in (None, "", {}):
            raise invalid(
                f"The input `{declared.name}` belongs to requests with `serviceUrl`; use `parameters` and `headers`"
            )
    return _typed(job, given, said, version, action, common)


def _limits(given: Given, job: Job) -> dict[str, Any]:
    limits = {limit.name: given[limit.name] for limit in LIMITS if given[limit.name] is not None}
    if job.connection is not None and job.connection.timeout is not None:
        limits["deadlineInSeconds"] = min(given["deadlineInSeconds"] or job.connection.timeout, job.connection.timeout)
    return limits


def _typed(
    job: Job, given: Given, said: Mapping[str, str], version: str, action: str, common: Mapping[str, Any]
) -> Request:
    base = job.connection.url if job.connection is not None else ""
    wsdl = said["wsdl"] or base
    endpoint = text(given, "endpoint")
    if not wsdl:
        raise invalid("Expected the input `wsdl` (or `serviceUrl`, or a connection with an address), but found none")
    if not said["operation"]:
        raise invalid("Expected the input `operation`, but found none")
    return Request(
        wsdl=address(wsdl, "wsdl", base),
        service=said["service"],
        port=said["port"],
        operation=said["operation"],
        version=version,
        action=action,
        endpoint=address(endpoint, "endpoint", base) if endpoint else "",
        parameters=given["parameters"],
        headers=given.get("headers", {}),
        addressing=given["addressing"] is not False,
        mtom=bool(given["mtom"]),
        **common,
    )


def _raw(given: Given, said: Mapping[str, str], version: str, action: str, common: Mapping[str, Any]) -> Request:
    for name in (*OF_HEADERS, "endpoint", "parameters", "headers"):
        if given[name] not in (None, "", {}):
            raise invalid(f"Expected `serviceUrl` with a `body`, or a WSDL with an operation, but found `{name}`, too")
    if given["addressing"]:
        raise invalid("The input `addressing` needs a WSDL; write the elements into `header`")
    if given["mtom"]:
        raise invalid("The input `mtom` needs a WSDL, which says what is binary; without one, base64 is sent as it is")
    if action and version == "1.2":
        action = action.replace('"', "")
    declared = ""
    for prefix, uri in given.get("namespaces", {}).items():
        if not _PREFIX.fullmatch(prefix) or prefix == "soapenv" or prefix.lower().startswith("xml"):
            raise invalid(f"Expected `namespaces` to have prefixes of their own, but found {prefix!r:.60}")
        declared += f" xmlns:{prefix}={quoteattr(soap_xml.printable(uri, f'namespaces.{prefix}'))}"
    header = _content(given["header"], "header", none_allowed=True)
    body = _content(given["body"], "body", none_allowed=False)
    envelope = (
        f'<soapenv:Envelope xmlns:soapenv="{ENVELOPES[version]}"{declared}>'
        f"{f'<soapenv:Header>{header}</soapenv:Header>' if header else ''}"
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    url = address(text(given, "serviceUrl"), "serviceUrl")
    return Request(endpoint=url, version=version, action=action, addressing=False, envelope=envelope, **common)


def _version(value: Any) -> tuple[str, str]:
    """``1.1`` or ``1.2``, or Camunda's context of version and action."""
    if value is None or value == "":
        return "", ""
    if isinstance(value, Mapping):
        only(value, ("version", "soapAction"), "soapVersion")
        version, _ = _version(value.get("version"))
        return version, text(value, "soapAction")
    if str(value).strip() not in ENVELOPES:
        raise invalid(f"Expected `soapVersion` to be 1.1 or 1.2, but found {value!r:.60}")
    return str(value).strip(), ""


def _content(value: Any, name: str, *, none_allowed: bool) -> str:
    """A part of an envelope as XML, from a template with its context or from JSON."""
    part = {"type": "json", "json": value} if isinstance(value, Mapping) and not value.get("type") else value
    if isinstance(value, str) and value.strip():
        part = {"type": "template", "template": value}
    part = context(part, name)
    kind = part.get("type") or "none"
    if kind == "none" and none_allowed:
        return ""
    if kind == "json":
        only(part, ("type", "json"), name)
        return soap_xml.from_json(context(part.get("json"), f"{name}.json"), f"{name}.json")
    if kind == "template":
        only(part, ("type", "template", "context"), name)
        return _filled(text(part, "template"), context(part.get("context"), f"{name}.context"), name)
    kinds = "template, json or none" if none_allowed else "template or json"
    raise invalid(f"Expected `{name}.type` to be {kinds}, but found {kind!r:.60}")


def _filled(template: str, values: Mapping[str, Any], name: str) -> str:
    """A Mustache template without its sections: ``{{path}}`` is escaped, ``{{{path}}}`` and ``{{&path}}`` are not."""

    def replaced(match: re.Match[str]) -> str:
        path, raw = (match[1], True) if match[1] is not None else (match[2], match[2].startswith("&"))
        if not _PATH.fullmatch(path):
            raise invalid(f"Expected `{name}.template` to have names in {{{{ }}}}, but found {match[0]!r:.60}")
        found: Any = values
        for piece in path.lstrip("& ").split("."):
            if not isinstance(found, Mapping) or piece not in found:
                raise invalid(f"Expected `{name}.context` to have `{path:.60}`, but it has not")
            found = found[piece]
        text = "" if found is None else soap_xml.printable(found, f"{name}.context.{path}")
        return text if raw else escape(text, {'"': "&quot;", "'": "&#39;"})

    return _TEMPLATE.sub(replaced, template)
