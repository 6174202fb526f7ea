"""TLS as a connection configures it: whom to trust, and who we are.

    {"verify": true, "ca": "-----BEGIN CERTIFICATE...", "certificate": "-----BEGIN...", "key": "-----BEGIN...",
     "password": "..."}

`ca` is trusted instead of the usual authorities. `certificate` (with its chain) and `key` are PEM texts; OpenSSL reads
them from files only, so for the moment that takes they lie in a folder that nobody else may open.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.connectors.base import JobError
from tasks.connectors.inputs import flag, invalid

KNOWN = ("verify", "ca", "certificate", "key", "password")


def configure(context: ssl.SSLContext, tls: Mapping[str, Any]) -> ssl.SSLContext:
    """Change a verifying client context as `tls` says. Raises `JobError`, code ``INVALID_INPUT``, which names the field
    and quotes nothing."""
    for name, value in tls.items():
        if name not in KNOWN and value not in (None, ""):
            raise invalid(f"Expected fields {', '.join(KNOWN)} in `tls` of the connection, but found {name:.60}")
    certificate, key = _text(tls, "certificate"), _text(tls, "key")
    if key and not certificate:
        raise invalid("Expected `certificate` beside `key` in `tls` of the connection, but found none")
    if certificate:
        _identify(context, certificate, key, _text(tls, "password"))
    if flag(tls, "verify") is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def authorities(tls: Mapping[str, Any]) -> str:
    """The certificates to trust instead of the usual ones, as PEM; empty: the usual ones."""
    return _text(tls, "ca")


def _identify(context: ssl.SSLContext, certificate: str, key: str, password: str) -> None:
    with tempfile.TemporaryDirectory(prefix="tls-") as folder:  # 0700
        path = Path(folder) / "identity.pem"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"{key}\n{certificate}\n" if key else f"{certificate}\n")
        try:
            # Always a function: without one OpenSSL would ask at the terminal.
            context.load_cert_chain(path, password=lambda: password)
        except (ssl.SSLError, OSError, ValueError):
            raise _unusable() from None


def _unusable() -> JobError:
    return invalid(
        "Expected `certificate`, `key` and `password` in `tls` of the connection to be a PEM certificate, its private"
        " key and the key's password, but OpenSSL cannot use them"
    )


def _text(tls: Mapping[str, Any], name: str) -> str:
    value = tls.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"Expected `{name}` in `tls` of the connection to be PEM text, but found {type(value).__name__}")
    return value.strip()
