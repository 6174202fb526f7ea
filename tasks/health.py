"""What the end of a call says of its destination: whether it is well, ill, or whether nobody can tell."""

from __future__ import annotations

from processes.runtime.gate import Health
from processes.runtime.settlement import Raised
from tasks.connectors.base import Awaiting

ILL = frozenset(
    {
        "408", "429", "CONNECTION_FAILED", "SSL_HANDSHAKE_FAILED", "TIMEOUT", "UNAVAILABLE",
        "BrokenPipeError", "ConnectionAbortedError", "ConnectionError", "ConnectionRefusedError",
        "ConnectionResetError", "TimeoutError",
    }
)  # fmt: skip
"""Codes of errors that say: the destination is not there, or has too much to do. So do the statuses from 500; the
names are what Python itself raises where nobody answers."""
UNTOLD = frozenset({"501", "505"})
"""Of these: what it cannot do, it will not be able to do later."""


def health(outcome: object) -> Health:
    """What an outcome says of the destination."""
    if isinstance(outcome, Awaiting):
        return "unknown"  # the reply will tell
    if not isinstance(outcome, Raised):
        return "well"
    code = outcome.code
    status = int(code) if len(code) == 3 and code.isascii() and code.isdecimal() else 0
    if outcome.retryable and (code in ILL or (500 <= status <= 599 and code not in UNTOLD) or _lost(code)):
        return "ill"
    return "well" if 300 <= status <= 599 else "unknown"


def _lost(code: str) -> bool:
    """SQLSTATEs of a database that is away, going away or full (classes 08, 57P and 53 of PostgreSQL)."""
    return len(code) == 5 and code.startswith(("08", "53", "57P"))
