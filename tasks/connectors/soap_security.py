"""WS-Security: which credentials a message carries, and how they get into its header.

| `authentication.type` | |
|---|---|
| usernameToken | `username`, `password`; `digest` true (Camunda: `encoded` Yes) sends a digest of it |
| signature | `certificate` and `privateKey` (PEM; `password` of the key) sign the body, see `soap_signature` |
| basic, bearer, apiKey, oauth-... | what the HTTP connector knows; nothing of it is in the message |
| none | nothing |

Both of the first have a `timestamp`: true (five minutes) or seconds that the message may be used. Camunda's `signature`
brings `certificate` as a context with `certificate` and `privateKey`; its keystores, which are files of a machine, are
refused. Its `encryptionParts` are what is signed instead of the body: a list of `namespace` and `localName`.

Without credentials of its own, a task uses those of its connection, which go nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from lxml import etree
from zeep import ns
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import WSU, get_security_header

from tasks.connectors import outbound, soap_xml
from tasks.connectors.base import Connection, Job
from tasks.connectors.inputs import context, flag, invalid, number
from tasks.connectors.soap_inputs import BY_HTTP, OF_SIGNATURE, OF_TOKEN, address, only, text
from tasks.connectors.soap_signature import ECDSA_SHA256, RSA_SHA256, SHA256, Signer

MOST_SECONDS = 86_400
"""Of the life of a timestamp."""
PLACE = "authentication"
_NAME = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """A username token, its password as it is or as a digest, or a signature; a timestamp that lives for so long."""

    username: str = ""
    password: str = field(default="", repr=False)
    digest: bool = False
    signer: Signer | None = None
    parts: tuple[tuple[str, str], ...] = ()
    """Namespaces and local names of the elements that are signed; none: the body."""
    seconds: int | None = None

    def apply(self, envelope: etree._Element) -> None:
        """Put it into a finished envelope, whose signed parts must not change any more."""
        header: Any = get_security_header
        security: etree._Element = header(envelope)
        signed = self._parts(envelope)
        if self.seconds is not None:
            stamp = _timestamp(self.seconds)
            security.append(stamp)
            signed.append(stamp)
        if self.signer is not None:
            self.signer.sign(security, signed)
        else:
            token: Any = UsernameToken
            token(self.username, self.password, use_digest=self.digest, zulu_timestamp=True).apply(envelope, {})

    def _parts(self, envelope: etree._Element) -> list[etree._Element]:
        if not self.parts:
            return [node for node in envelope if soap_xml.local(node) == "Body"]
        found: list[etree._Element] = []
        for namespace, name in self.parts:
            here = list(envelope.iter(f"{{{namespace}}}{name}" if namespace else name))
            if not here:
                shown = f"{{{namespace}}}{name}"
                raise invalid(f"Expected `{PLACE}.encryptionParts` to name what is there, but found {shown:.100}")
            found += here
        return found


def read_security(given: Mapping[str, Any], job: Job) -> tuple[Security | None, Mapping[str, Any]]:
    """What WS-Security takes of `authentication`, else all of it for the HTTP connector.

    Raises `JobError` with ``INVALID_INPUT``.
    """
    value = context(given.get(PLACE), PLACE)
    if job.connection is not None and _kind(value) == "none" and job.connection.authentication:
        value = job.connection.authentication
        _stays(job.connection, given)
    kind = _kind(value)
    if kind == "none":
        only(value, ("type", PLACE), PLACE)
        return None, {}
    if kind == "usernameToken":
        return _token(value), {}
    if kind == "signature":
        return _signature(value), {}
    if kind in BY_HTTP:
        return None, value
    known = ", ".join(("none", "usernameToken", "signature", *BY_HTTP))
    raise invalid(f"Expected `{PLACE}.type` to be one of {known}, but found {kind!r:.60}")


def _kind(value: Mapping[str, Any]) -> Any:
    kind = value.get("type") or value.get(PLACE) or "none"
    return "none" if kind == "noAuth" else kind


def _token(value: Mapping[str, Any]) -> Security:
    only(value, OF_TOKEN, PLACE)
    username = text(value, "username", f"{PLACE}.")
    if not username:
        raise invalid(f"Expected the input `{PLACE}.username`, but found none")
    digest = flag(value, "digest")
    match value.get("encoded"):  # Camunda's word for it
        case None | "":
            pass
        case "Yes" | "No" | True | False as encoded:
            digest = digest or encoded in ("Yes", True)
        case other:
            raise invalid(f"Expected `{PLACE}.encoded` to be Yes or No, but found {other!r:.60}")
    return Security(
        username=soap_xml.printable(username, f"{PLACE}.username"),
        password=soap_xml.printable(value.get("password") or "", f"{PLACE}.password"),
        digest=bool(digest),
        seconds=_life(value.get("timestamp")),
    )


def _signature(value: Mapping[str, Any]) -> Security:
    algorithms = {"signatureAlgorithm": (RSA_SHA256, ECDSA_SHA256), "digestAlgorithm": (SHA256,)}
    only(value, OF_SIGNATURE, PLACE)
    for name, spoken in algorithms.items():
        if value.get(name) not in (None, "", *spoken):
            raise invalid(f"Expected `{PLACE}.{name}` to be {' or '.join(spoken)}, but found {value[name]!r:.100}")
    pair: Mapping[str, Any] = value
    if isinstance(value.get("certificate"), Mapping):
        pair = value["certificate"]
        if pair.get("certificateType") not in (None, "", "single"):
            found = f"{pair['certificateType']!r:.60}"
            raise invalid(f"Expected `{PLACE}.certificate.certificateType` to be single, but found {found}")
        only(pair, ("certificateType", "certificate", "privateKey"), f"{PLACE}.certificate")
    for name in ("certificate", "privateKey"):
        if not text(pair, name, f"{PLACE}."):
            raise invalid(f"Expected the input `{PLACE}.{name}`, but found none")
    signer = Signer.read(pair["certificate"], pair["privateKey"], text(value, "password", f"{PLACE}."))
    parts = _parts(value.get("encryptionParts"))
    return Security(signer=signer, parts=parts, seconds=_life(value.get("timestamp")))


def _parts(value: Any) -> tuple[tuple[str, str], ...]:
    """Camunda calls what is signed the parts of the encryption."""
    place = f"{PLACE}.encryptionParts"
    if value in (None, ""):
        return ()
    if not isinstance(value, list | tuple):
        raise invalid(f"Expected `{place}` to be a list, but found {type(value).__name__}")
    found = []
    for position, item in enumerate(value, 1):
        here = f"{place}[{position}]"
        part = context(item, here)
        only(part, ("namespace", "localName"), here)
        name = text(part, "localName", f"{here}.")
        if not _NAME.fullmatch(name):
            raise invalid(f"Expected `{here}.localName` to be the name of an element, but found {name!r:.60}")
        found.append((text(part, "namespace", f"{here}."), name))
    return tuple(found)


def _stays(connection: Connection, given: Mapping[str, Any]) -> None:
    """The credentials of a connection go nowhere but to its own origin, or to a host that it allows."""
    for name in ("wsdl", "endpoint", "serviceUrl"):
        url = given.get(name)
        if not isinstance(url, str) or not url.strip() or not connection.url:
            continue
        there, here = urlsplit(address(url, name, connection.url)), urlsplit(connection.url)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc) and not (
            there.scheme == here.scheme and _allowed(connection, there.hostname or "")
        ):
            raise invalid(
                f"Expected `{name}` to be at the origin of connection {connection.name}, or at a host that it allows, "
                f"but found {there.scheme}://{there.hostname}"
            )


def _allowed(connection: Connection, host: str) -> bool:
    if not connection.allowed_hosts:
        return False
    try:
        outbound.check_host(host, outbound.Policy(allowed_hosts=connection.allowed_hosts))
    except outbound.AddressRefused:
        return False
    return True


def _life(value: Any) -> int | None:
    if value in (None, "", False, "false"):
        return None
    if value in (True, "true"):
        return 300
    life = number(value, f"{PLACE}.timestamp")
    if not 1 <= life <= MOST_SECONDS:
        raise invalid(f"Expected `{PLACE}.timestamp` to be 1 to {MOST_SECONDS} seconds, but found {value!r:.60}")
    return int(life)


def _timestamp(seconds: int) -> etree._Element:
    now = datetime.now(UTC).replace(microsecond=0)
    stamp: etree._Element = WSU.Timestamp()
    for name, moment in (("Created", now), ("Expires", now + timedelta(seconds=seconds))):
        etree.SubElement(stamp, f"{{{ns.WSU}}}{name}").text = moment.isoformat().replace("+00:00", "Z")
    return stamp
