"""The SOAP connector: one call to a web service, SOAP 1.1 or 1.2, typed by its WSDL.

Inputs (of `job.variables`; those marked * may also be task headers; blank is as good as absent):

| Input | |
|---|---|
| `wsdl` * | address of the WSDL, relative to that of the task's connection, which is the default |
| `operation` * | its name; `service` * and `port` * (of a port or port type) choose where several have it |
| `parameters` | a context, typed and checked by the schema; see `soap_schema` for how types look in JSON |
| `headers` | SOAP headers, a context by the names that the WSDL declares |
| `endpoint` | address of the service, where the WSDL names another one |
| `soapVersion` | 1.1 or 1.2 where there are ports for both; or Camunda's `version` and `soapAction` |
| `soapAction` | where the WSDL names another one |
| `addressing` | default true: WS-Addressing `Action`, `To`, and the job's idempotency key as `MessageID` |
| `mtom` | true sends what the schema calls base64Binary as parts of their own; see `soap_mtom` |
| `authentication` | type usernameToken, signature, basic, bearer, apiKey, oauth-client-credentials-flow, |
| | oauth-refresh-token; see `soap_security` |
| `connectionTimeoutInSeconds`, `readTimeoutInSeconds`, `deadlineInSeconds`, `followRedirects`, |
| `maxResponseBytes` | as HTTP; the deadline is that of the call and its WSDL together |

A job that BPMN's own operation asks for (header `operation`) takes its parameters from the variables of their names,
unless it maps `parameters`.

Response: ``{"body": ..., "headers": {...}}``. `body` is the content of the answer's element, a context with every
field of its type: repeated ones are lists, absent ones null. Decimals are exact, dates and moments are their text.
Binary values are base64 here and there, however they travel: answers with binary parts (MTOM, XOP) are put together.

The inputs of Camunda's connector are understood as well: `serviceUrl`, `soapVersion`, `header` and `body` (type
template or json), `namespaces`, `authentication`. The answer then is ``{"Envelope": {"Header": ..., "Body": ...}}``,
its values all text, for no schema says what they are.

Errors (`JobError.code`):

| Code | When | Tried again |
|---|---|---|
| the fault's, "Client", "OutOfStock" | a ``soap:Fault``: local name, of the innermost subcode in | Server, |
| | SOAP 1.2; `details.fault` has code, subcode, actor, message, detail | Receiver |
| "SOAP_FAULT_RECEIVED" | the same where `serviceUrl` was used, as in Camunda; `details.response`, too | as above |
| as HTTP | no answer, or an error status without a fault in it | as HTTP |
| "INVALID_RESPONSE" | no envelope, or a value that is not of its type | no |
| "OAUTH_FAILED" | no token, as HTTP | as HTTP |
| "WSDL_UNAVAILABLE", "INVALID_WSDL" | it could not be fetched, or read | as HTTP, no |
| "INVALID_INPUT" | nothing was sent | no |

A task header `faultErrors` lists names, with commas: a fault with one of them as its code, its subcode or an element
of its detail is thrown as the BPMN error of that name, its variables ``{"fault": ...}``. BPMN's own operations say so
by `errorRef`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from tasks.connectors import deadline, http_response, outbound, soap_envelope, soap_mtom, soap_xml
from tasks.connectors.base import BpmnError, Job, JobError, Response
from tasks.connectors.http_bearer import with_token
from tasks.connectors.http_exchange import Exchange
from tasks.connectors.http_request import Call, read_call, read_inputs, split_url
from tasks.connectors.http_session import Sessions
from tasks.connectors.inputs import invalid
from tasks.connectors.oauth import Tokens
from tasks.connectors.soap_envelope import Envelope
from tasks.connectors.soap_inputs import INPUTS
from tasks.connectors.soap_reply import Fault, Reader, UnreadableError, fault_of, open_envelope
from tasks.connectors.soap_request import Request, read_request
from tasks.connectors.soap_wsdl import Description, Descriptions, Endpoint, UnknownOperationError
from tasks.connectors.soap_xml import MEDIA_TYPES

WSDL_BYTES = 8_000_000


class SoapConnector:
    """Job types ``soap`` and ``io.camunda:soap:1``."""

    type = "soap"
    aliases = ("io.camunda:soap:1",)
    inputs = INPUTS

    def __init__(self, sessions: Sessions | None = None, descriptions: Descriptions | None = None) -> None:
        self._sessions = sessions or Sessions()
        self._descriptions = descriptions or Descriptions()
        self._tokens = Tokens()

    def run(self, job: Job) -> Response:
        """Make the call. Raises `JobError` as the table of the module says, `BpmnError` for a fault that is one."""
        request = read_request(job, self.aliases)
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        limits = _call(job, request, request.endpoint or request.wsdl, {"method": "GET"})
        patience = lease if limits.deadline is None else min(limits.deadline, lease)
        if lease <= 0:
            raise JobError("The lease of the job ended before its service was called", code="408")
        with deadline.within(patience), outbound.guarding(outbound.policy_of(job)):
            if request.envelope is not None:
                return self._call_untyped(job, request, patience)
            return self._call_typed(job, request, patience)

    def describe(self, job: Job, request: Request, patience: float) -> tuple[Description, Endpoint]:
        """The description of a service, and the operation that is asked for. Raises `JobError`."""

        def fetch(url: str) -> bytes:
            return self._fetch(job, request, url, patience)

        owner = _owner(job, request)
        choice = {"service": request.service, "port": request.port, "version": request.version}
        description = self._descriptions.get(request.wsdl, fetch, owner=owner)
        try:
            return description, description.find(request.operation, **choice)
        except UnknownOperationError:
            # Perhaps the service learned it since.
            description = self._descriptions.get(request.wsdl, fetch, owner=owner, renew=True)
        try:
            return description, description.find(request.operation, **choice)
        except UnknownOperationError as unknown:
            raise invalid(str(unknown)) from None

    def _fetch(self, job: Job, request: Request, url: str, patience: float) -> bytes:
        """A document of a description. Credentials go to the host of the WSDL only."""
        same = split_url(url)[0].split("/")[:3] == split_url(request.wsdl)[0].split("/")[:3]
        authentication = request.authentication if same else {}
        fields = {"method": "GET", "maxResponseBytes": WSDL_BYTES, "followRedirects": True}
        call = _call(job, replace(request, authentication=authentication), url, fields)
        try:
            exchange, problem = self._sent(job, call, patience)
            if problem is not None:
                raise problem
        except JobError as problem:
            raise JobError(
                f"Expected the WSDL to be read from {Exchange(call, patience).place}, but: {problem.message}",
                problem.retry_in,
                problem.retryable,
                problem.code if problem.code in ("ADDRESS_REFUSED", "OAUTH_FAILED") else "WSDL_UNAVAILABLE",
                problem.details,
                problem.journal,
            ) from problem
        return bytes(exchange.received)

    def _sent(self, job: Job, call: Call, patience: float) -> tuple[Exchange, JobError | None]:
        """What was answered, and the error that its status is. Raises what left no answer."""
        made: list[Exchange] = []

        def attempt(bearing: Call) -> None:
            made.append(Exchange(bearing, patience))
            made[-1].run(self._sessions.of(job))

        try:
            with_token(job, call, (self._sessions, self._tokens), patience, attempt)
        except JobError as error:
            answer = made[-1].response if made else None
            if answer is None or error.code != str(answer.status_code):
                raise
            return made[-1], error
        return made[-1], None

    def _call_typed(self, job: Job, request: Request, patience: float) -> Response:
        description, endpoint = self.describe(job, request, patience)
        to = request.endpoint or endpoint.address
        _check_address(to, request)
        envelope = soap_envelope.compose(request, endpoint, description.schema, job, to)
        action = request.action or endpoint.action
        call = self._message(job, replace(request, version=endpoint.version, action=action), to, envelope)
        exchange, answer = self._answered(job, call, patience, description.schema)
        body: Any = None
        headers: dict[str, Any] = {}
        expected = endpoint.operation.output is not None and endpoint.operation.output.body is not None
        if answer is None and expected and exchange.response is not None and exchange.response.status_code == 200:
            raise _unreadable(exchange, UnreadableError("a SOAP envelope, but there is nothing"))
        if answer is not None:
            reader = Reader(description.schema)
            try:
                body = reader.body(answer, endpoint.operation.output)
                headers = reader.headers(answer, endpoint.operation.output)
            except UnreadableError as problem:
                raise _unreadable(exchange, problem) from None
            except RecursionError:
                raise _unreadable(exchange, UnreadableError("a sane shape, but it is nested too deep")) from None
        return Response({"body": body, "headers": headers}, exchange.journal(), silent=True)

    def _call_untyped(self, job: Job, request: Request, patience: float) -> Response:
        envelope = soap_envelope.wrap(request)
        call = self._message(job, request, request.endpoint, envelope)
        exchange, answer = self._answered(job, call, patience, None)
        try:
            content = {} if answer is None else {"Envelope": soap_xml.to_json(answer)}
        except ValueError as problem:
            raise _unreadable(exchange, UnreadableError(f"a SOAP envelope, but it is {problem}")) from None
        return Response(content, exchange.journal(), silent=True)

    def _message(self, job: Job, request: Request, url: str, envelope: Envelope) -> Call:
        media = f"{MEDIA_TYPES[request.version]}; charset=utf-8"
        action = request.action.strip('"').replace('"', "%22")
        headers = {"Accept": f"{MEDIA_TYPES[request.version]}, multipart/related"}
        if request.version == "1.1":
            headers["SOAPAction"] = f'"{action}"'
        elif action:
            media += f'; action="{action}"'
        if request.mtom:
            media, body = soap_mtom.package(envelope.root, envelope.binaries, request.version, action)
            headers["MIME-Version"] = "1.0"
        else:
            body = etree.tostring(envelope.root, xml_declaration=True, encoding="utf-8")
        call = _call(job, request, url, {"method": "POST", "headers": {"Content-Type": media, **headers}})
        call = replace(call, body=body)
        if request.security is not None and request.security.password:
            secret = request.security.password
            call = replace(call, secrets=(*call.secrets, secret, escape(secret)))
        return call

    def _answered(self, job: Job, call: Call, patience: float, schema: Any) -> tuple[Exchange, etree._Element | None]:
        """The envelope that came back, None where nothing did and nothing had to. Raises what went wrong."""
        exchange, problem = self._sent(job, call, patience)
        assert exchange.response is not None
        content = bytes(exchange.received)
        if problem is None and not content.strip():
            return exchange, None  # one-way
        try:
            answer = open_envelope(content, exchange.response.headers.get("Content-Type", ""))
            fault = fault_of(answer, schema)
        except UnreadableError as unreadable:
            if problem is not None:
                raise problem from None
            raise _unreadable(exchange, unreadable) from None
        if fault is not None:
            raise _raised(fault, exchange, job, answer if schema is None else None)
        if problem is not None:
            raise problem
        return exchange, answer


def _call(job: Job, request: Request, url: str, fields: Mapping[str, Any]) -> Call:
    """A call of the HTTP connector, which knows credentials, certificates and limits."""
    inputs = {**request.limits, "authentication": request.authentication, "url": url, **fields}
    added = {} if job.connection is None else job.connection.options.get("headers")
    if isinstance(added, Mapping):
        inputs["headers"] = {**added, **fields.get("headers", {})}
    connection = None if job.connection is None else replace(job.connection, url="", authentication={})
    asked = replace(job, variables=inputs, inputs_only=False, connection=connection)
    return read_call(asked, read_inputs(asked))


def _owner(job: Job, request: Request) -> str:
    """Whose description it is: what one's credentials fetched is not another's to see."""
    name = job.connection.name if job.connection is not None else ""
    told = repr(sorted(request.authentication.items(), key=str)) if request.authentication else ""
    return name + (hashlib.sha256(told.encode()).hexdigest() if told else "")


def _check_address(to: str, request: Request) -> None:
    """The address that a WSDL names is a stranger's word."""
    try:
        split_url(to)
    except ValueError as problem:
        raise JobError(
            f"Expected the WSDL to name an http or https address of the service, but {problem}; `endpoint` can",
            retryable=False,
            code="INVALID_WSDL",
        ) from None
    secret = bool(request.authentication) or request.security is not None
    if secret and not request.endpoint and request.wsdl.startswith("https:") and to.startswith("http:"):
        raise invalid(
            "Expected credentials to be sent by https as the WSDL is, but it names an http address; `endpoint` can"
        )


def _raised(fault: Fault, exchange: Exchange, job: Job, answer: etree._Element | None) -> Exception:
    told = exchange.redactor.literals(fault.as_json())
    message = exchange.redactor.text(fault.message) or f"The service answered with the fault {fault.name}"
    wanted = [name.strip() for name in job.headers.get("faultErrors", "").split(",") if name.strip()]
    for name in wanted:
        if name in (fault.code, fault.subcode, *fault.details):
            return BpmnError(name, message, {"fault": told})
    assert exchange.response is not None
    wait: timedelta | None = None
    if fault.retryable:
        wait = http_response.retry_after(exchange.response.headers, datetime.now(UTC))
    details: dict[str, Any] = {"fault": told}
    code = fault.name or "FAULT"
    if answer is not None:
        code = "SOAP_FAULT_RECEIVED"
        with suppress(ValueError):  # nested too deep for JSON; the fault itself is told
            details["response"] = {"Envelope": exchange.redactor.literals(soap_xml.to_json(answer))}
    return exchange.error(
        code,
        f"{fault.name}: {message}" if fault.name else message,
        retryable=fault.retryable,
        retry_in=wait,
        details=details,
    )


def _unreadable(exchange: Exchange, problem: UnreadableError) -> JobError:
    text = exchange.redactor.text(f"Expected {exchange.place} to answer with {problem}")
    return exchange.error("INVALID_RESPONSE", text, retryable=False)
