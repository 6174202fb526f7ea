"""Documents that are not JSON: drawings and models. They come from strangers, so a browser must not run them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.http import HttpResponse, StreamingHttpResponse

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def document(content: bytes | str, content_type: str, filename: str, *, download: bool = False) -> HttpResponse:
    """The document with headers that keep a browser from running anything in it, and from guessing its type."""
    return HttpResponse(content, content_type=content_type, headers=_headers(filename, download))


def streamed(pieces: Iterable[str], content_type: str, filename: str) -> StreamingHttpResponse:
    """The same for a long text, to be saved, that is written piece by piece."""
    return StreamingHttpResponse(pieces, content_type=content_type, headers=_headers(filename, download=True))


def _headers(filename: str, download: bool) -> dict[str, str]:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", filename).strip("-.") or "document"
    return {
        "Content-Disposition": f'{"attachment" if download else "inline"}; filename="{safe}"',
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
    }
