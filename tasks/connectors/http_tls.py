"""Who we are and whom we trust under TLS: client certificates (mTLS) and certificate authorities of one's own.

Inputs, in `clientTls`, all PEM texts: `clientCertificate` (with its chain), `clientPrivateKey` (may stand in the same
text), `privateKeyPassword`, `trustedCertificate`. The last, if given, is trusted *instead* of the public authorities.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from dataclasses import astuple, dataclass, field
from typing import Any

from tasks.connectors.deadline import tls_context
from tasks.connectors.inputs import context, invalid

FIELDS = ("clientCertificate", "clientPrivateKey", "privateKeyPassword", "trustedCertificate")


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts; empty ones say nothing."""

    certificate: str = ""
    key: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    trusted: str = ""

    @property
    def digest(self) -> str:
        """Names the profile without telling it."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()


def read_tls(value: Any) -> Tls | None:
    """The profile that the input `clientTls` asks for; None where it asks for none. Raises `JobError`."""
    given = context(value, "clientTls")
    texts: dict[str, str] = {}
    for name, text in given.items():
        if text in (None, ""):
            continue
        if name not in FIELDS:
            raise invalid(f"Expected `clientTls` to have {', '.join(FIELDS)}, but found {name:.60}")
        if not isinstance(text, str):
            raise invalid(f"Expected `clientTls.{name}` to be text, but found {type(text).__name__}")
        texts[name] = text
    if not texts:
        return None
    certificate, key, password, trusted = (texts.get(name, "") for name in FIELDS)
    return _complete(Tls(certificate, key, password, trusted))


def _complete(tls: Tls) -> Tls:
    if tls.certificate and not tls.key and "PRIVATE KEY" not in tls.certificate:
        raise invalid("Expected `clientTls` to have a clientPrivateKey for the clientCertificate, but found none")
    if tls.key and not tls.certificate:
        raise invalid("Expected `clientTls` to have a clientCertificate for the clientPrivateKey, but found none")
    return tls


def context_of(tls: Tls, ca_bundle: str) -> ssl.SSLContext:
    """A client context for the profile; public authorities come from the bundle. Raises `JobError`."""
    try:
        made = tls_context(ca_bundle, tls.trusted)
    except (ssl.SSLError, ValueError):
        raise invalid(
            "Expected `clientTls.trustedCertificate` to be PEM certificates, but they cannot be read"
        ) from None
    if tls.certificate:
        _load(made, tls)
    return made


def _load(made: ssl.SSLContext, tls: Tls) -> None:
    # OpenSSL reads files only. Ours alone may be read by nobody else (0600), and is gone at once.
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{tls.certificate}\n{tls.key}\n")
        # A function even without a password: OpenSSL would ask for it on the terminal.
        made.load_cert_chain(path, password=lambda: tls.password)
    except (ssl.SSLError, ValueError, UnicodeError) as problem:
        reason = getattr(problem, "reason", None) or "it cannot be read"
        wanted = "a PEM certificate and its private key"
        raise invalid(f"Expected `clientTls` to have {wanted}, but OpenSSL says: {reason}") from None
    finally:
        os.unlink(path)
