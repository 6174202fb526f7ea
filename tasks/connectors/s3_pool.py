"""The connections that the S3 library calls over: guarded, on time, and with an end to what they read.

The library is handed this pool, so nothing that it does goes another way: hosts and addresses are looked at by
`outbound`, every socket obeys the deadline, no redirect is followed, nothing is tried twice (tries belong to the
engine), and an answer that it wants as a whole has a bound.
"""

from __future__ import annotations

import io
import ssl
from typing import Any

import urllib3

from tasks.connectors import deadline
from tasks.connectors.deadline import HTTPPool, HTTPSPool

LARGEST = 8 * 1024 * 1024
"""Bytes of an answer that is not an object: a page of 1000 keys, or an error."""
CHUNK = 64 * 1024


class TooLongError(Exception):
    """An answer without an end."""


class Pool(urllib3.PoolManager):
    """`status` is that of the last answer, 0 before it."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        more: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__(num_pools=2, retries=False, **more)
        self.pool_classes_by_scheme = {"http": HTTPPool, "https": HTTPSPool}
        self.status = 0

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, *, preload_content: bool = True, **given: Any
    ) -> urllib3.BaseHTTPResponse:
        response = super().urlopen(method, url, redirect=False, preload_content=False, **given)
        self.status = response.status
        if not preload_content and response.status < 300:
            return response
        try:
            body = read(response, LARGEST)
        except TooLongError:
            response.close()
            raise
        response.release_conn()
        return urllib3.HTTPResponse(
            body=io.BytesIO(body),
            headers=response.headers,
            status=response.status,
            reason=response.reason,
            decode_content=False,
            request_method=method,
        )


def read(response: Any, limit: int) -> bytes:
    """The body as it was stored. Raises `TooLongError` beyond `limit`, TimeoutError at the deadline."""
    found = bytearray()
    while chunk := response.read1(CHUNK, decode_content=False):
        found += chunk
        if len(found) > limit:
            raise TooLongError
        if deadline.passed():
            raise TimeoutError("the deadline has passed")
    return bytes(found)
