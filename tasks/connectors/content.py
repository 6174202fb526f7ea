"""The content of a file as inputs and responses tell it: text, base64, or a reference to a document.

Inputs: `content` with `encoding` ``utf-8`` or ``base64``, or `document`, a reference. Response: ``content`` in the
`encoding` asked for, or ``document`` where that is ``document``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from tasks.connectors.declared import Input
from tasks.connectors.documents import Document, Documents
from tasks.connectors.inputs import encodable, invalid

ENCODINGS = ("utf-8", "base64", "document")
INPUTS = (
    Input("content", help="What to put into the file."),
    Input("document", "context", help="What to put into the file, instead of the content."),
    Input("encoding", choices=ENCODINGS, default="utf-8", help="How the content is told."),
)


def refuse_content(given: Mapping[str, Any], operation: str) -> None:
    """Raises `JobError` where there is content for an operation that has no use for any."""
    for name in ("content", "document"):
        if given[name] is not None:
            raise invalid(f"Expected no input `{name}` for {operation}, but found one")


def read_content(given: Mapping[str, Any], documents: Documents) -> Document:
    """What the inputs hold; without a name and type where it is no document. Raises `JobError`."""
    if given["document"] is not None:
        if given["content"] is not None:
            raise invalid("Expected one of `content` and `document`, but found both")
        return documents.fetch(given["document"])
    text = given["content"] or ""
    match given["encoding"]:
        case "document":
            raise invalid("Expected the input `document` for the encoding document, but found none")
        case "base64":
            try:
                return Document(base64.b64decode(text, validate=True), "", "")
            except (binascii.Error, ValueError):
                raise invalid("Expected `content` to be base64, but it is not") from None
    return Document(encodable(text, "content").encode(), "", "")


def tell_content(content: bytes, encoding: str, documents: Documents, content_type: str, name: str) -> dict[str, Any]:
    """The entry of a response. Raises `JobError` where it cannot be stored, UnicodeDecodeError where it is no text."""
    if encoding == "document":
        return {"document": documents.store(content, content_type, name)}
    return {"content": base64.b64encode(content).decode() if encoding == "base64" else content.decode()}
