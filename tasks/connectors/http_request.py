"""Reads the inputs of an HTTP job into a `Call`: everything that can be wrong with them is found before a
byte is sent.

The names are those of Camunda 8's REST connector. A task without input mappings shows its connector every
process variable, so a name that nobody knows is no error; but a name that Camunda gives a meaning which we
cannot honour is refused, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from tasks.connectors.base import Job
from tasks.connectors.declared import Given, read_job
from tasks.connectors.documents import Documents, is_reference
from tasks.connectors.http_authentication import CONTROL, NAME, OF_THE_CONNECTION, authenticate, header_value
from tasks.connectors.http_body import read_body
from tasks.connectors.http_inputs import DEFAULT_RESPONSE_BYTES, INPUTS
from tasks.connectors.http_tls import Tls, read_tls
from tasks.connectors.inputs import context, encodable, invalid, scalar
from tasks.connectors.oauth import Grant
from tasks.connectors.redaction import is_secret_name

MOST_RESPONSE_BYTES = 64_000_000

UNSUPPORTED = ("writeTimeoutInSeconds",)
"""Inputs of Camunda's connector that are unknown here. Those that ask for nothing (blank, false, 0) may stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call, ready to send, but for a token. Times in seconds; None: only the deadline counts."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = field(default=None, repr=False)
    connect_timeout: float | None
    read_timeout: float | None
    deadline: float | None
    follow_redirects: bool | None
    """None: as the method suggests."""
    max_response_bytes: int
    verbatim: bool = False
    """Whether the URL is sent as it was written."""
    document_body: bool = False
    """Whether the body is that of a document, which no journal quotes."""
    documents: Documents | None = None
    """Where the body of the response goes, where it is wanted as a document."""
    text_in: str = ""
    """Charset, where the body is wanted as text whatever its content type says."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Literals that no operator may read."""
    secret_headers: frozenset[str] = frozenset()
    """Lower-case names of the headers that carry them."""
    secret_parameter: str = ""
    """Name of the query parameter that carries one."""
    grant: Grant | None = None
    """What the token for the Authorization header is fetched with."""
    tls: Tls | None = None
    """Takes the place of the TLS settings of the connection."""
    anonymous: bool = False
    """Whether to go without a client certificate: to another origin."""


def read_inputs(job: Job, aliases: Sequence[str] = ()) -> Given:
    """The inputs of a job. Raises `JobError`, code ``INVALID_INPUT``, which names the one that is wrong."""
    asked = dict(job.variables)
    for name in UNSUPPORTED:
        if asked.pop(name, None) not in (None, False, "", "false", {}, 0, "0"):
            raise invalid(f"The input `{name}` is not supported by this HTTP connector; remove it")
    return read_job(replace(job, variables=asked), INPUTS, aliases)


def read_call(job: Job, given: Given) -> Call:
    """The call that a job with these inputs asks for. Raises `JobError`, code ``INVALID_INPUT``."""
    verbatim = bool(given["skipEncoding"])
    url, userinfo = _url(given.get("url"), verbatim=verbatim)
    headers = _headers(given.get("headers"))
    query = _query(given.get("queryParameters"))
    own_secrets = [value for name, value in headers.items() if is_secret_name(name)]
    credentials = authenticate(_authentication(given), userinfo, headers, query)
    body = read_body(given, headers, job.documents)
    stores, text_in = _return_format(given)
    headers.setdefault("Idempotency-Key", job.idempotency_key)
    connect, read, deadline = (given[f"{name}InSeconds"] for name in ("connectionTimeout", "readTimeout", "deadline"))
    if read is None:
        read = connect
    if deadline is None and connect and read:
        deadline = connect + read
    return Call(
        method=given["method"],
        url=_with_query(url, query) if verbatim else _prepared(url, query),
        headers=dict(headers),
        body=body,
        connect_timeout=connect or None,
        read_timeout=read or None,
        deadline=deadline or None,
        follow_redirects=given["followRedirects"],
        max_response_bytes=_bytes(given["maxResponseBytes"], job.documents.limit if stores else None),
        verbatim=verbatim,
        document_body=is_reference(given.get("body")),
        documents=job.documents if stores else None,
        text_in=text_in,
        secrets=(*credentials.secrets, *own_secrets, *(value.rpartition(" ")[2] for value in own_secrets)),
        secret_headers=credentials.headers,
        secret_parameter=credentials.parameter,
        grant=credentials.grant,
        tls=read_tls(given["clientTls"]),
    )


def split_url(url: str) -> tuple[str, str | None]:
    """An http(s) URL without its user information, and the user information. Raises ValueError with the
    reason.

    The reasons never quote the URL: what cannot be parsed cannot be redacted.
    """
    if CONTROL.search(url) or "\t" in url or "\\" in url:
        raise ValueError("it contains control characters or backslashes")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    if not scheme or scheme[1].lower() not in ("http", "https"):
        raise ValueError(f"its scheme is {scheme[1][:20]!r}" if scheme else "it has no scheme")
    try:
        parsed = parse_url(url)
    except (HTTPError, ValueError):
        raise ValueError("it cannot be parsed") from None
    if not parsed.host:
        raise ValueError("it names no host")
    return parsed._replace(auth=None, fragment=None).url, parsed.auth


def _authentication(given: Given) -> Any:
    """What Camunda shares comes resolved, in the shape of `authentication`. Its name alone means nothing here."""
    own, shared = given["authentication"], given["authenticationConfiguration"]
    if shared in (None, "", {}, False, "false"):
        return own
    if not isinstance(shared, Mapping):
        raise invalid(
            "Expected `authenticationConfiguration` to be a context such as `authentication` is, but found "
            f"{type(shared).__name__}; credentials that are kept elsewhere are those of the header `connection`"
        )
    if own and own.get("type") not in (None, "", "noAuth"):
        raise invalid("Expected one of `authentication` and `authenticationConfiguration`, but found both")
    return shared


def _url(value: Any, *, verbatim: bool) -> tuple[str, str | None]:
    if value is None or value == "":
        raise invalid("Expected the input `url`, but found none")
    if not isinstance(value, str):
        raise invalid(f"Expected `url` to be text, but found {type(value).__name__}")
    try:
        found = split_url(value.strip())
    except ValueError as problem:
        raise invalid(f"Expected `url` to be an http or https URL, but {problem}") from None
    if not verbatim:
        return found
    if found[1] is not None or not re.fullmatch(r"[!-~]+", value.strip()):
        raise invalid("Expected `url` to be encoded and without credentials where `skipEncoding` is set")
    return value.strip().partition("#")[0], None


def _prepared(url: str, query: list[tuple[str, str]]) -> str:
    try:
        prepared = requests.Request("GET", url, params=query).prepare().url
    except (requests.RequestException, HTTPError, ValueError):
        raise invalid("Expected `url` to be an http or https URL, but its host or port is not valid") from None
    if prepared is None:
        raise invalid("Expected `url` to be an http or https URL, but nothing is left of it")
    return prepared


def _with_query(url: str, query: list[tuple[str, str]]) -> str:
    """As it is, with further parameters behind those that it has."""
    _prepared(url, [])  # for its refusals
    return url + ("&" if "?" in url else "?") * bool(query) + urlencode(query, quote_via=quote)


def _return_format(given: Given) -> tuple[bool, str]:
    """What Camunda calls `storeResponse`, and later the document return format: whether the body of the response
    becomes a document; and the charset where it is wanted as text, else empty."""
    stores = bool(given["storeResponse"])
    wanted = given.get("documentReturnFormat", {})
    choice, charset = wanted.get("choice") or "JSON", wanted.get("encoding") or "UTF-8"
    if not isinstance(choice, str) or choice.upper() not in ("DOCUMENT", "JSON", "TEXT"):
        found = f"{choice!r:.60}"
        raise invalid(f"Expected `documentReturnFormat`.choice to be DOCUMENT, JSON or TEXT, but found {found}")
    if choice.upper() != "TEXT":
        return stores or choice.upper() == "DOCUMENT", ""
    if stores:
        raise invalid("Expected one of `storeResponse` and `documentReturnFormat` TEXT, but found both")
    return False, scalar(charset, "documentReturnFormat.encoding")


def _headers(value: Any) -> CaseInsensitiveDict[str]:
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, item in context(value, "headers").items():
        if item is None:
            continue
        if not NAME.fullmatch(name):
            raise invalid(f"Expected a header name, but found {name!r:.60}")
        if name.lower() in OF_THE_CONNECTION:
            raise invalid(f"The header {name} belongs to the connection and cannot be set")
        if name in headers:
            raise invalid(f"Expected each header once, but found {name} twice")
        headers[name] = header_value(scalar(item, f"headers.{name}"), f"headers.{name}")
    return headers


def _query(value: Any) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, item in context(value, "queryParameters").items():
        for single in item if isinstance(item, list | tuple) else [item]:
            if single is not None:
                text = scalar(single, f"queryParameters.{name}")
                pairs.append((encodable(name, "queryParameters"), encodable(text, f"queryParameters.{name}")))
    return pairs


def _bytes(value: int | None, document: int | None) -> int:
    """At most what is asked for; `document`, the most of a document, where the body becomes one."""
    if value is None:
        return DEFAULT_RESPONSE_BYTES if document is None else min(document, MOST_RESPONSE_BYTES)
    if not 1 <= value <= MOST_RESPONSE_BYTES:
        most = f"1 and {MOST_RESPONSE_BYTES}"
        raise invalid(f"Expected `maxResponseBytes` to be between {most}, but found {value}")
    return value if document is None else min(value, document)
