"""MTOM: a message whose binary values travel beside its envelope, as they are, instead of in it, as base64.

SOAP Message Transmission Optimization Mechanism (W3C, 2005) for SOAP 1.2, its binding for SOAP 1.1 (W3C submission,
2006), XML-binary Optimized Packaging (XOP 1.0), MIME multipart/related (RFC 2387), content ids (RFC 2392). A receiver
that puts the parts back has the very envelope that was made, so signatures hold.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from urllib.parse import quote

from lxml import etree

from tasks.connectors.soap_xml import MEDIA_TYPES

XOP = "http://www.w3.org/2004/08/xop/include"
CONTENT_TYPE = "{http://www.w3.org/2005/05/xmlmime}contentType"
"""By which an element says what its binary value is (Describing Media Content of Binary Data in XML, 2005)."""
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w.+-]+=[\w.+-]+)*")


def canonize(nodes: Sequence[etree._Element]) -> None:
    """Only base64 in its canonical form can leave its element: another one would come back changed (XOP 1.0, 3.1)."""
    for node in nodes:
        node.text = base64.b64encode(base64.b64decode(node.text or "")).decode()


def package(
    envelope: etree._Element, binaries: Sequence[etree._Element], version: str, action: str
) -> tuple[str, bytes]:
    """The content type and the body of a request. The envelope is changed: its binary values leave it.

    `version` is that of SOAP. The `action` of SOAP 1.1 is a header of its own.
    """
    mark = secrets.token_hex(16)
    attached: list[tuple[str, str, bytes]] = []
    for number, node in enumerate(binaries, 1):
        content = base64.b64decode(node.text or "")
        name = f"{number}.{mark}@mtom"
        node.text = None
        etree.SubElement(node, f"{{{XOP}}}Include", nsmap={"xop": XOP}).set("href", f"cid:{quote(name)}")
        said = node.get(CONTENT_TYPE, "").strip()
        attached.append((name, said if _MEDIA_TYPE.fullmatch(said) else "application/octet-stream", content))
    kind = MEDIA_TYPES[version]
    if version == "1.2" and action:
        kind += f"; action={_quoted(action)}"
    root = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
    start = f"root.{mark}@mtom"
    about = f"application/xop+xml; charset=UTF-8; type={_quoted(kind)}"
    boundary = f"mtom-{mark}"
    body = b"".join(_part(boundary, *part) for part in [(start, about, root), *attached])
    media = (
        f'multipart/related; boundary="{boundary}"; type="application/xop+xml"; start="<{start}>"; '
        f"start-info={_quoted(kind)}"
    )
    return media, body + f"--{boundary}--\r\n".encode()


def _part(boundary: str, name: str, kind: str, content: bytes) -> bytes:
    # The boundary has 128 random bits: no content has it by chance, and nobody could have foreseen it.
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{name}>\r\n\r\n"
    return f"--{boundary}\r\n{head}".encode() + content + b"\r\n"


def _quoted(text: str) -> str:
    """A quoted string (RFC 2045 5.1, RFC 822)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
