"""Client certificates, and authorities of one's own, against a server that asks for them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.tasks.connectors.conftest import as_json
from tests.tasks.connectors.http.conftest import Desk
from tests.tasks.connectors.server import Server, running

PASSWORD = "open-sesame-42"


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self, password: str | None = None) -> str:
        locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            locked = serialization.BestAvailableEncryption(password.encode())
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, locked).decode()


def _issued(name: str, by: Identity | None = None) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if by is not None:
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Identity(builder.sign(by.key if by else key, hashes.SHA256()), key)


@dataclass(frozen=True)
class Secure:
    server: Server
    authority: Identity
    client: Identity

    @property
    def url(self) -> str:
        return self.server.url.replace("http:", "https:") + "/echo"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = _issued("Test authority")
    host, client = _issued("localhost", authority), _issued("client-7", authority)
    (folder / "host.pem").write_text(host.pem + host.key_pem())
    (folder / "ca.pem").write_text(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with running(server):
        yield Secure(server, authority, client)


def tls(secure: Secure, **change: Any) -> dict[str, Any]:
    return {
        "clientCertificate": secure.client.pem,
        "clientPrivateKey": secure.client.key_pem(),
        "trustedCertificate": secure.authority.pem,
        **change,
    }


def test_a_client_certificate(secure: Secure) -> None:
    assert Desk({"url": secure.url, "clientTls": tls(secure)}).run()["status"] == 200


def test_a_locked_key(secure: Secure) -> None:
    locked = {"clientPrivateKey": secure.client.key_pem(PASSWORD)}
    work = Desk({"url": secure.url, "clientTls": tls(secure, **locked, privateKeyPassword=PASSWORD)})
    assert PASSWORD not in as_json(work.run().journal)
    for wrong in ({}, {"privateKeyPassword": "wrong"}):
        error = Desk({"url": secure.url, "clientTls": tls(secure, **locked, **wrong)}).fails()
        assert (error.code, error.retryable) == ("INVALID_INPUT", False)
        assert "PRIVATE" not in error.message


def test_both_in_one_text(secure: Secure) -> None:
    both = {"clientCertificate": secure.client.pem + secure.client.key_pem(), "clientPrivateKey": ""}
    assert Desk({"url": secure.url, "clientTls": tls(secure, **both)}).run()["status"] == 200


def test_profiles_do_not_share_connections(secure: Secure) -> None:
    work = Desk({"url": secure.url, "clientTls": tls(secure)})
    work.run()
    work.variables = {"url": secure.url, "clientTls": {"trustedCertificate": secure.authority.pem}}
    assert work.fails().code in ("SSL_HANDSHAKE_FAILED", "CONNECTION_FAILED")


def test_a_certificate_of_somebody_else(secure: Secure) -> None:
    stranger = _issued("client-7", _issued("Another authority"))
    change = {"clientCertificate": stranger.pem, "clientPrivateKey": stranger.key_pem()}
    error = Desk({"url": secure.url, "clientTls": tls(secure, **change)}).fails()
    assert error.code in ("SSL_HANDSHAKE_FAILED", "CONNECTION_FAILED")
    assert error.retryable


def test_servers_are_verified(secure: Secure) -> None:
    untrusted = _issued("Another authority").pem
    for trusted in (untrusted, ""):
        error = Desk({"url": secure.url, "clientTls": tls(secure, trustedCertificate=trusted)}).fails()
        assert error.code == "SSL_HANDSHAKE_FAILED"


Change = Callable[[Secure], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda secure: {"clientPrivateKey": None}, "clientPrivateKey"),
        (lambda secure: {"clientCertificate": None}, "clientCertificate"),
        (lambda secure: {"clientPrivateKey": "nonsense"}, "private key"),
        (lambda secure: {"clientPrivateKey": _issued("x").key_pem()}, "KEY_VALUES_MISMATCH"),
        (lambda secure: {"trustedCertificate": "nonsense"}, "`clientTls.trustedCertificate`"),
        (lambda secure: {"clientCertificate": ["x"]}, "`clientTls.clientCertificate`"),
        (lambda secure: {"keystore": "x"}, "keystore"),
    ],
)
def test_inputs(secure: Secure, change: Change, told: str) -> None:
    before = secure.server.connections
    error = Desk({"url": secure.url, "clientTls": tls(secure, **change(secure))}).fails()
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert told in error.message
    assert "BEGIN" not in error.message
    assert secure.server.connections == before
