"""HTTP jobs that name a connection: its address, its authentication, its TLS, its time."""

from __future__ import annotations

import datetime
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.connectors.base import Connection, JobError
from tests.tasks.connectors.conftest import CONNECTOR, make_job
from tests.tasks.connectors.server import Server, running


def called(connection: Connection, **variables: Any) -> Any:
    inside = replace(connection, allow_private=True)  # the servers of the tests are
    return CONNECTOR.run(make_job(connection=inside, variables=variables))


def refused(connection: Connection, **variables: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        called(connection, **variables)
    return caught.value


@pytest.mark.parametrize(
    ("base", "given", "path"),
    [
        ("", "/orders", "/orders"),
        ("/api/v2", "/orders", "/api/v2/orders"),
        ("/api/v2/", "orders?x=1", "/api/v2/orders?x=1"),
        ("/api?version=3", "orders?x=1", "/api/orders?version=3&x=1"),
        ("/api/v2", "", "/api/v2"),
        ("/api/v2", None, "/api/v2"),
        ("/api", "?x=1", "/api?x=1"),
        ("/api", "//evil.example/x", "/api/evil.example/x"),
        ("/api", "a:b", "/api/a:b"),
    ],
)
def test_urls_are_relative_to_it(server: Server, base: str, given: str | None, path: str) -> None:
    called(Connection(name="shop", url=server.url + base), url=given)
    assert server.seen[-1]["path"] == path


def test_credentials_do_not_leave_for_elsewhere(server: Server, other: Server) -> None:
    shop = Connection(name="shop", url=server.url, authentication={"type": "bearer", "token": "t0ken"})
    called(shop, url=f"{server.url}/echo")
    assert server.seen[-1]["headers"]["authorization"] == "Bearer t0ken"
    error = refused(shop, url=f"{other.url}/echo")
    assert error.code == "INVALID_INPUT"
    assert "relative to connection shop" in error.message
    assert not other.seen
    also = Connection(name="shop", url=server.url, allowed_hosts=("127.0.0.1",))
    assert called(also, url=f"{other.url}/echo")["status"] == 200


def test_what_the_task_says_comes_first(server: Server) -> None:
    shop = Connection(
        name="shop",
        url=server.url,
        authentication={"type": "basic", "username": "u", "password": "p4ssword"},
        options={"headers": {"X-Tenant": "a", "Accept": "text/xml"}},
    )
    called(shop, url="/echo", headers={"x-tenant": "b"})
    headers = server.seen[-1]["headers"]
    assert headers["authorization"].startswith("Basic ")
    assert headers["x-tenant"] == "b"
    assert headers["accept"] == "text/xml"
    called(shop, url="/echo", authentication={"type": "bearer", "token": "mine"})
    assert server.seen[-1]["headers"]["authorization"] == "Bearer mine"
    called(shop, url="/echo", authentication={"type": "noAuth"})
    assert server.seen[-1]["headers"]["authorization"].startswith("Basic ")


def test_time(server: Server) -> None:
    shop = Connection(name="shop", url=server.url, timeout=0.3)
    error = refused(shop, url="/slow-headers")
    assert error.code == "408"
    assert error.journal["timings"]["total"] < 15


# -- TLS ---------------------------------------------------------------------------------------------------------------


@dataclass
class Papers:
    ca: str
    certificate: str
    key: str
    locked: str


def papers() -> Papers:
    """An authority, and one certificate of it for 127.0.0.1, which both sides show."""
    now = datetime.datetime.now(datetime.UTC)

    def issue(name: str, key: Any, signer: Any, issuer: str, *, ca: bool) -> x509.Certificate:
        subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        return made.sign(signer, hashes.SHA256())

    def pem(key: Any, locked: Any = None) -> str:
        how = locked or serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        return key.private_bytes(serialization.Encoding.PEM, form, how).decode()

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = issue("authority", authority, authority, "authority", ca=True)
    leaf = issue("leaf", own, authority, "authority", ca=False)
    encoding = serialization.Encoding.PEM
    return Papers(
        root.public_bytes(encoding).decode(),
        leaf.public_bytes(encoding).decode(),
        pem(own),
        pem(own, serialization.BestAvailableEncryption(b"open sesame")),
    )


@pytest.fixture(scope="module")
def given() -> Papers:
    return papers()


@pytest.fixture
def secure(given: Papers, tmp_path: Path) -> Iterator[Server]:
    """A server that wants to see a client certificate."""
    for name, text in (("ca", given.ca), ("identity", given.key + given.certificate)):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "identity")
    context.load_verify_locations(tmp_path / "ca")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with running(server):
        yield server


def at(server: Server, **tls: Any) -> Connection:
    return Connection(name="bank", url=server.url.replace("http:", "https:"), tls=tls)


def test_client_certificates(secure: Server, given: Papers) -> None:
    mine = {"ca": given.ca, "certificate": given.certificate, "key": given.key}
    assert called(at(secure, **mine), url="/echo")["status"] == 200
    locked = {**mine, "key": given.locked, "password": "open sesame"}
    assert called(at(secure, **locked), url="/echo")["status"] == 200
    # Nobody else's connection is taken for it.
    without = refused(at(secure, ca=given.ca), url="/echo")
    assert without.code in ("SSL_HANDSHAKE_FAILED", "CONNECTION_FAILED")


def test_whom_to_trust(secure: Server, given: Papers) -> None:
    mine = {"certificate": given.certificate, "key": given.key}
    assert refused(at(secure, **mine), url="/echo").code == "SSL_HANDSHAKE_FAILED"
    assert called(at(secure, **mine, verify=False), url="/echo")["status"] == 200
    assert refused(at(secure, **mine, ca=papers().ca), url="/echo").code == "SSL_HANDSHAKE_FAILED"


@pytest.mark.parametrize(
    "change",
    [
        {"key": "nonsense"},
        {"certificate": ""},
        {"ca": "nonsense"},
        {"password": "wrong", "key": "locked"},
        {"colour": "red"},
        {"ca": 7},
    ],
)
def test_papers_that_cannot_be_used(secure: Server, given: Papers, change: dict[str, Any]) -> None:
    if change.get("key") == "locked":
        change = {**change, "key": given.locked}
    tls = {"ca": given.ca, "certificate": given.certificate, "key": given.key, **change}
    error = refused(at(secure, **tls), url="/echo")
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert "PRIVATE KEY" not in error.message + json.dumps(dict(error.journal))
    assert "wrong" not in error.message
