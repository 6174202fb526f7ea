"""Signs a message: WS-Security 1.1 with an X.509 certificate, by XML Signature with exclusive canonicalisation.

What is signed is the body, and the timestamp where there is one; the certificate goes along as a token. Keys are RSA
(PKCS 1 v1.5) or ECDSA, digests SHA-256. Signatures of answers are not checked.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree
from zeep import ns

from tasks.connectors.inputs import invalid

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
X509_TOKEN = f"{_PROFILE}-x509-token-profile-1.0#X509v3"
BASE64 = f"{_PROFILE}-soap-message-security-1.0#Base64Binary"


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate and the key that belongs to it."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def read(cls, certificate: str, key: str, password: str = "") -> Signer:
        """From PEM texts. Raises `JobError` with ``INVALID_INPUT``, which quotes neither."""
        try:
            found = x509.load_pem_x509_certificate(_pem(certificate))
        except ValueError:
            raise invalid("Expected the `certificate` of the signature to be PEM, but it cannot be read") from None
        try:
            private = serialization.load_pem_private_key(_pem(key), password.encode() or None)
        except (ValueError, TypeError):
            raise invalid(
                "Expected the `privateKey` of the signature to be PEM (with its `password`, if it has one), but it "
                "cannot be read"
            ) from None
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise invalid("Expected the `privateKey` of the signature to be of RSA or ECDSA, but it is another one")
        if _public(private.public_key()) != _public(found.public_key()):
            raise invalid("Expected the `privateKey` of the signature to belong to its `certificate`, but it does not")
        return cls(found, private)

    def sign(self, security: etree._Element, parts: list[etree._Element]) -> None:
        """Sign elements of a finished envelope, and put signature and certificate into its security header."""
        token = etree.SubElement(
            security, f"{{{ns.WSSE}}}BinarySecurityToken", ValueType=X509_TOKEN, EncodingType=BASE64
        )
        token.text = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        signature = etree.SubElement(security, f"{{{DS}}}Signature", nsmap={"ds": DS})
        signed = _inside(signature, "SignedInfo")
        _inside(signed, "CanonicalizationMethod", Algorithm=EXCLUSIVE)
        is_rsa = isinstance(self.key, rsa.RSAPrivateKey)
        _inside(signed, "SignatureMethod", Algorithm=RSA_SHA256 if is_rsa else ECDSA_SHA256)
        for part in parts:
            reference = _inside(signed, "Reference", URI=f"#{_identified(part)}")
            _inside(_inside(reference, "Transforms"), "Transform", Algorithm=EXCLUSIVE)
            _inside(reference, "DigestMethod", Algorithm=SHA256)
            digest = hashlib.sha256(canonical(part)).digest()
            _inside(reference, "DigestValue").text = base64.b64encode(digest).decode()
        value = _inside(signature, "SignatureValue")
        value.text = base64.b64encode(self._signed(canonical(signed))).decode()
        about = etree.SubElement(_inside(signature, "KeyInfo"), f"{{{ns.WSSE}}}SecurityTokenReference")
        etree.SubElement(about, f"{{{ns.WSSE}}}Reference", URI=f"#{_identified(token)}", ValueType=X509_TOKEN)

    def _signed(self, content: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        # XML Signature 1.1, 6.4.3: both numbers, one after the other, as long as the curve is.
        first, second = decode_dss_signature(self.key.sign(content, ec.ECDSA(hashes.SHA256())))
        size = (self.key.curve.key_size + 7) // 8
        return first.to_bytes(size, "big") + second.to_bytes(size, "big")


def canonical(node: etree._Element) -> bytes:
    """The octets that are digested (Exclusive XML Canonicalization 1.0, without comments)."""
    return etree.tostring(node, method="c14n", exclusive=True, with_comments=False, with_tail=False)


def _inside(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{DS}}}{name}", attributes)


def _identified(node: etree._Element) -> str:
    """The id by which a signature names a node."""
    name = f"{{{ns.WSU}}}Id"
    if node.get(name) is None:
        node.set(name, f"id-{uuid.uuid4()}")
    return str(node.get(name))


def _pem(text: str) -> bytes:
    # One line of a form, or a secret store that kept "\\n" as two characters.
    return text.replace("\\n", "\n").strip().encode("utf-8", "replace")


def _public(key: Any) -> bytes:
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found
