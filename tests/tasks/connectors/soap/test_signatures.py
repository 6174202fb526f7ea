"""Signed messages, checked on what arrived, by nothing that signed them."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID
from lxml import etree

from tests.tasks.connectors.soap.conftest import Service

DS = "{http://www.w3.org/2000/09/xmldsig#}"
ID = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def pair(key: Key) -> tuple[str, str]:
    """A certificate that signs itself, and its key, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def octets(node: etree._Element) -> bytes:
    """Canonical form, by the other door of lxml: through a document of its own."""
    out = BytesIO()
    etree.ElementTree(etree.fromstring(etree.tostring(node, with_tail=False))).write_c14n(out, exclusive=True)
    return out.getvalue()


def check(message: str) -> list[str]:
    """The names of what is signed. Raises where a digest or the signature is wrong."""
    root = etree.fromstring(message.encode())
    signature = next(root.iter(f"{DS}Signature"))
    signed = signature.find(f"{DS}SignedInfo")
    assert signed is not None
    named = {node.get(ID): node for node in root.iter() if node.get(ID)}
    covered = []
    for reference in signed.iterfind(f"{DS}Reference"):
        part = named[reference.get("URI", "")[1:]]
        digest = hashlib.sha256(octets(part)).digest()
        if base64.b64encode(digest).decode() != reference.findtext(f"{DS}DigestValue"):
            raise InvalidSignature
        covered.append(etree.QName(part).localname)
    about = signature.find(f"{DS}KeyInfo/{WSSE}SecurityTokenReference/{WSSE}Reference")
    assert about is not None
    token = named[about.get("URI", "")[1:]]
    key: Any = x509.load_der_x509_certificate(base64.b64decode(token.text or "")).public_key()
    value = base64.b64decode(signature.findtext(f"{DS}SignatureValue") or "")
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(value, octets(signed), padding.PKCS1v15(), hashes.SHA256())
    else:
        half = len(value) // 2
        both = encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
        key.verify(both, octets(signed), ec.ECDSA(hashes.SHA256()))
    return covered


def sent(service: Service) -> str:
    (found,) = [seen["body"] for seen in service.told() if seen["method"] == "POST"]
    return str(found)


@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ecdsa"])
@pytest.mark.parametrize("shop", ["shop11", "shop12"])
def test_body_and_timestamp_are_signed(service: Service, key: Key, shop: str) -> None:
    certificate, secret = pair(key)
    login = {"type": "signature", "certificate": certificate, "privateKey": secret, "timestamp": 60}
    given = {"a": 1, "b": "2.50"}
    response = service.call("add", shop=shop, authentication=login, parameters=given)
    assert response["body"] == {"addResult": 3.5}
    message = sent(service)
    assert check(message) == ["Body", "Timestamp"]
    assert "PRIVATE KEY" not in message + str(response.journal)
    with pytest.raises(InvalidSignature):
        check(message.replace("2.50", "9.50"))
    with pytest.raises(InvalidSignature):
        check(message.replace("SignatureValue>", "SignatureValue>AAAA", 1))


def test_in_the_words_of_camunda(service: Service) -> None:
    certificate, secret = pair(RSA)
    pem = {"certificateType": "single", "certificate": certificate, "privateKey": secret}
    inputs = {
        "serviceUrl": f"{service.url}/shop11",
        "body": {"type": "template", "template": "<s:ping/>"},
        "namespaces": {"s": "urn:shop"},
        "authentication": {"authentication": "signature", "certificate": pem},
    }
    service.run(inputs)
    assert check(sent(service)) == ["Body"]


def broken() -> list[tuple[dict[str, Any], str]]:
    certificate, secret = pair(RSA)
    other = pair(EC)[1]
    return [
        ({"certificate": "rubbish", "privateKey": secret}, "`certificate` of the signature to be PEM"),
        ({"certificate": certificate, "privateKey": "rubbish"}, "`privateKey` of the signature to be PEM"),
        ({"certificate": certificate, "privateKey": other}, "to belong to its `certificate`"),
        ({"certificate": certificate}, "the input `authentication.privateKey`"),
        ({"certificate": {"certificateType": "keystore"}}, "to be single, but found 'keystore'"),
        ({"certificate": certificate, "privateKey": secret, "digestAlgorithm": "md5"}, "but found 'md5'"),
    ]


@pytest.mark.parametrize(("login", "part"), broken())
def test_what_cannot_sign(service: Service, login: dict[str, Any], part: str) -> None:
    error = service.failure("ping", authentication={"type": "signature", **login})
    assert error.code == "INVALID_INPUT"
    assert part in error.message
    assert "PRIVATE" not in error.message


def test_other_parts_than_the_body(service: Service) -> None:
    certificate, secret = pair(RSA)
    address = "http://www.w3.org/2005/08/addressing"
    parts = [{"namespace": address, "localName": "To"}, {"namespace": "urn:shop", "localName": "ping"}]
    login = {"type": "signature", "certificate": certificate, "privateKey": secret}
    service.call("ping", authentication={**login, "encryptionParts": parts, "timestamp": 60})
    assert check(sent(service)) == ["To", "ping", "Timestamp"]
    for wrong, told in (
        ("To", "to be a list, but found str"),
        ([{"namespace": "urn:none", "localName": "x"}], "but found {urn:none}x"),
        ([{"localName": "a b"}], "encryptionParts[1].localName`"),
        ([{"name": "x"}], "encryptionParts[1].name` is not known"),
    ):
        error = service.failure("ping", authentication={**login, "encryptionParts": wrong})
        assert (error.code, told in error.message) == ("INVALID_INPUT", True), error.message
