"""What an HTTP call carries: a JSON value, text, a form, or a multipart body.

One of `body`, `form` and `multipart`. The content type is that of the header `Content-Type` or the input
`contentType`, or what follows from the value:

| Input | Content type unless given | |
|---|---|---|
| `body`, text | ``text/plain; charset=utf-8`` | as it is, in the charset of the content type: XML, CSV ... |
| `body`, a document | that of the document | its bytes |
| `body`, anything else | ``application/json`` | as a form or upload where the content type says so; else JSON only |
| `form` | ``application/x-www-form-urlencoded`` | a context; lists repeat the field, nulls are left out |
| `multipart` | ``multipart/form-data`` (or another) | a list of parts |

A part is ``{name, value}`` with text, a number or a boolean, or as JSON where its `contentType` says so; or
``{name, fileName, contentBase64, contentType}``, a file (``content`` instead of ``contentBase64`` where it is
text); or ``{name, document}``, a reference to a document (also as ``value`` or ``content``), whose name and type hold
where the part has none of its own.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from requests.structures import CaseInsensitiveDict

from tasks.connectors import exact_json
from tasks.connectors.documents import Documents, is_reference
from tasks.connectors.http_authentication import CONTROL, header_value
from tasks.connectors.inputs import context, encodable, flag, invalid, scalar

FORM = "application/x-www-form-urlencoded"
UPLOAD = "multipart/form-data"

_PART = frozenset({"name", "value", "fileName", "content", "contentBase64", "contentType", "document"})


def read_body(given: Mapping[str, Any], headers: CaseInsensitiveDict[str], documents: Documents) -> bytes | None:
    """The bytes to send, None for none; `headers` get their content type. Raises `JobError`."""
    filled = [name for name in ("body", "form", "multipart") if given.get(name) not in (None, "")]
    if len(filled) > 1:
        raise invalid(f"Expected one of `body`, `form` and `multipart`, but found {' and '.join(filled)}")
    _content_type(given, headers)
    if filled == ["form"]:
        media_type = _media_type(headers)
        if media_type not in ("", FORM):
            raise invalid(f"Expected a `form` to have the content type {FORM}, but found {media_type:.60}")
        headers.setdefault("Content-Type", FORM)
        return _encoded(_form(given["form"], "form"), headers)
    if filled == ["multipart"]:
        return _multipart(given["multipart"], headers, documents)
    value = given.get("body")
    if value is None:
        return None
    if is_reference(value):
        document = documents.fetch(value)
        headers.setdefault("Content-Type", header_value(document.content_type, "body"))
        return document.content
    if flag(given, "ignoreNullValues"):
        value = exact_json.without_nulls(value)
    media_type = _media_type(headers)
    if isinstance(value, str):
        headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        return _encoded(value, headers)
    if media_type == FORM:
        return _encoded(_form(value, "body"), headers)
    if media_type == UPLOAD and isinstance(value, Mapping):
        return _multipart(_parts(value), headers, documents, place="body")
    if media_type and not is_json(media_type):
        raise invalid(f"Expected `body` to be text for the content type {media_type:.60}, but found a JSON value")
    headers.setdefault("Content-Type", "application/json")
    return _encoded(_json(value, "body"), headers)


def is_json(media_type: str) -> bool:
    """``application/json``, ``text/json``, ``application/problem+json``, ``application/x-amz-json-1.1`` ...

    Sequences of documents (``application/json-seq``, ``x-ndjson``) are not one JSON document.
    """
    parts = re.split(r"[.+-]", media_type.partition("/")[2])
    return "json" in parts and "seq" not in parts


def _content_type(given: Mapping[str, Any], headers: CaseInsensitiveDict[str]) -> None:
    value = given.get("contentType")
    if value is None or value == "":
        return
    wanted = header_value(scalar(value, "contentType"), "contentType")
    if not re.match(r"[\w.+-]+/[\w.+*-]+\s*(;|$)", wanted):
        raise invalid(f"Expected `contentType` to be a media type such as text/xml, but found {wanted!r:.60}")
    if headers.setdefault("Content-Type", wanted) != wanted:
        raise invalid("Expected one content type, but `contentType` and the header Content-Type differ")


def _media_type(headers: CaseInsensitiveDict[str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _form(value: Any, name: str) -> str:
    pairs = [
        (encodable(field, name), encodable(scalar(single, f"{name}.{field}"), f"{name}.{field}"))
        for field, item in context(value, name).items()
        for single in (item if isinstance(item, list | tuple) else [item])
        if single is not None
    ]
    return urlencode(pairs, quote_via=quote)


def _json(value: Any, name: str) -> str:
    try:
        return exact_json.dumps(value)
    except ValueError as problem:
        raise invalid(f"Expected `{name}` to be JSON, but {problem}") from None


def _encoded(text: str, headers: CaseInsensitiveDict[str]) -> bytes:
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", headers.get("Content-Type", ""), re.IGNORECASE)
    try:
        return text.encode(charset[1] if charset else "utf-8")
    except (LookupError, UnicodeError):
        name = charset[1] if charset else "utf-8"
        raise invalid(f"Expected `body` to be text in {name:.40}, but it cannot be written so") from None


# -- multipart (RFC 7578, RFC 2046 5.1) --------------------------------------------------------------------------------


def _multipart(value: Any, headers: CaseInsensitiveDict[str], documents: Documents, place: str = "multipart") -> bytes:
    if not isinstance(value, list | tuple) or not value:
        found = "an empty list" if value == [] else type(value).__name__
        raise invalid(f"Expected `{place}` to be a list of parts, but found {found}")
    given = headers.get("Content-Type", UPLOAD)
    if not _media_type(headers).startswith("multipart/") and "Content-Type" in headers:
        raise invalid(f"Expected `multipart` to have a multipart content type, but found {given:.60}")
    if "boundary" in given.lower():
        raise invalid("Expected the content type of `multipart` without a boundary, which is chosen here")
    parts = [_part(part, f"{place}[{number}]", documents) for number, part in enumerate(value)]
    boundary = secrets.token_hex(16)
    while any(boundary.encode() in content for _, content in parts):
        boundary = secrets.token_hex(16)
    headers["Content-Type"] = f"{given}; boundary={boundary}"
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + head + content + b"\r\n" for head, content in parts) + mark + b"--\r\n"


def _parts(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a context, as Camunda sends one: lists repeat the field, nulls are left out."""
    return [
        {"name": name, "document" if is_reference(single) else "value": single}
        for name, item in fields.items()
        for single in (item if isinstance(item, list | tuple) else [item])
        if single is not None
    ]


def _part(value: Any, place: str, documents: Documents) -> tuple[bytes, bytes]:
    """Head, with its empty line, and content of a part."""
    part = dict(context(value, place))
    if stray := sorted(part.keys() - _PART):
        raise invalid(f"Expected `{place}` to have {', '.join(sorted(_PART))}, but found {stray[0]:.60}")
    name = part.get("name")
    if name is None or name == "":
        raise invalid(f"Expected `{place}.name`, but found none")
    filled = [key for key in ("value", "content", "contentBase64", "document") if part.get(key) is not None]
    if len(filled) != 1:
        wanted = "one of value, content, contentBase64 and document"
        raise invalid(f"Expected `{place}` to have {wanted}, but found {len(filled)}")
    (source,) = filled
    document = None
    if source == "document" or is_reference(part[source]):
        document = documents.fetch(context(part[source], f"{place}.{source}"))
        part["fileName"] = part.get("fileName") or document.file_name
        part["contentType"] = part.get("contentType") or document.content_type
    disposition = f'form-data; name="{_quoted(name, f"{place}.name")}"'
    if part.get("fileName") not in (None, ""):
        disposition += f'; filename="{_quoted(part["fileName"], f"{place}.fileName")}"'
    file = source != "value" or "filename=" in disposition
    content_type = part.get("contentType") or ("application/octet-stream" if file else "")
    content_type = header_value(scalar(content_type, f"{place}.contentType"), f"{place}.contentType")
    head = f"Content-Disposition: {disposition}\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\n"
    if document is not None:
        return (head + "\r\n").encode(), document.content
    content = _content(part[source], source, content_type, f"{place}.{source}")
    return (head + "\r\n").encode(), content


def _content(value: Any, source: str, content_type: str, place: str) -> bytes:
    if source == "contentBase64":
        try:
            return base64.b64decode("".join(scalar(value, place).split()), validate=True)
        except (binascii.Error, ValueError):
            raise invalid(f"Expected `{place}` to be base64, but it is not") from None
    if is_json(content_type.partition(";")[0].strip().lower()) and not isinstance(value, str):
        return encodable(_json(value, place), place).encode()
    return encodable(scalar(value, place), place).encode()


def _quoted(value: Any, place: str) -> str:
    """As browsers write names (WHATWG HTML, multipart/form-data encoding algorithm)."""
    text = encodable(scalar(value, place), place)
    if CONTROL.search(text.replace("\r", "").replace("\n", "")):
        raise invalid(f"Expected `{place}` to be text, but it has control characters")
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
