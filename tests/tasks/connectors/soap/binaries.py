"""A service with binary parameters, behind a receiver that takes MTOM by the letter of its recommendations.

What is received is checked strictly: SOAP Message Transmission Optimization Mechanism (3), XML-binary Optimized
Packaging (3, 4, 5), SOAP 1.1 Binding for MTOM 1.0, multipart/related (RFC 2387), content ids (RFC 2392). What is not as
it should be is answered with a fault that says so. The envelope that is put together again goes to spyne.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from lxml import etree
from spyne import Application, ByteArray, ComplexModel, ServiceBase, Unicode, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "urn:archive"
XOP = "{http://www.w3.org/2004/08/xop/include}Include"
KINDS = {
    "text/xml": "http://schemas.xmlsoap.org/soap/envelope/",
    "application/soap+xml": "http://www.w3.org/2003/05/soap-envelope",
}


class Scan(ComplexModel):
    __namespace__ = NAMESPACE
    title = Unicode(min_occurs=1, nillable=False)
    pages = ByteArray(max_occurs="unbounded", min_occurs=0)


class Archive(ServiceBase):
    @rpc(Scan, _returns=Unicode, _body_style="wrapped")
    def store(ctx: Any, scan: Scan) -> str:  # noqa: N805 - spyne's way
        return f"{scan.title}: " + " ".join(b"".join(page or ()).hex()[:64] for page in scan.pages or ())


def archive(protocol: type[Any]) -> WsgiApplication:
    application = Application(
        [Archive],
        tns=NAMESPACE,
        name="Archive",
        in_protocol=protocol(validator="soft"),
        out_protocol=protocol(),
    )
    return WsgiApplication(application)


def parameters(header: str) -> tuple[str, dict[str, str]]:
    """A media type and its parameters (RFC 2045 5.1), whatever is quoted; nothing else may stand there."""
    kind, rest = re.match(r"\s*([\w.+-]+/[\w.+-]+)\s*(.*)$", header, re.DOTALL).groups()  # type: ignore[union-attr]
    found: dict[str, str] = {}
    while rest:
        match = re.match(r';\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"()<>@,/:\\?=\[\]]+))\s*', rest)
        assert match, f"no parameter: {rest}"
        name = match[1].lower()
        assert name not in found, f"{name} twice"
        found[name] = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        rest = rest[match.end() :]
    return kind.lower(), found


def parts(body: bytes, boundary: str) -> list[tuple[dict[str, str], bytes]]:
    """RFC 2046 5.1: no preamble, no epilogue, CRLF everywhere."""
    mark = b"--" + boundary.encode()
    assert body.startswith(mark + b"\r\n"), "the body begins with its boundary"
    assert body.endswith(b"\r\n" + mark + b"--\r\n"), "the body ends with its boundary"
    found = []
    for piece in body[len(mark) + 2 : -len(mark) - 6].split(b"\r\n" + mark + b"\r\n"):
        head, empty, content = piece.partition(b"\r\n\r\n")
        assert empty, "headers, an empty line, content"
        lines = [line.partition(": ") for line in head.decode("ascii").split("\r\n")]
        headers = {name.lower(): value for name, _, value in lines}
        assert len(headers) == len(lines), "each header once"
        found.append((headers, content))
    return found


def put_together(content_type: str, body: bytes, action: str | None) -> tuple[str, bytes, list[str]]:
    """The content type and the envelope that an optimized message stands for, and the types of its parts.

    Raises AssertionError, which says what is not as it should be.
    """
    kind, said = parameters(content_type)
    assert kind == "multipart/related", kind
    assert set(said) == {"boundary", "type", "start", "start-info"}, f"parameters: {sorted(said)}"
    assert said["type"] == "application/xop+xml", "the type of the root (RFC 2387 3.1)"
    (root_headers, root), *others = parts(body, said["boundary"])
    assert root_headers["content-id"] == said["start"], "start names the root (RFC 2387 3.2)"
    root_kind, about = parameters(root_headers["content-type"])
    assert root_kind == "application/xop+xml"
    assert about["charset"].lower() == "utf-8"
    assert about["type"] == said["start-info"], "the root's type is the start-info (XOP 4.1)"
    inner, inner_said = parameters(about["type"])
    if inner == "text/xml":
        assert not inner_said
        assert action is not None, "SOAP 1.1 has its action in a header"
    else:
        assert "action" in inner_said, "SOAP 1.2 has its action in the media type"
        assert action is None
    assert root_headers["content-transfer-encoding"] in ("8bit", "binary")
    envelope = etree.fromstring(root)
    assert envelope.tag == f"{{{KINDS[inner]}}}Envelope"
    attached = {headers["content-id"]: (headers, content) for headers, content in others}
    assert len(attached) == len(others), "each content id once"
    kinds = []
    for include in list(envelope.iter(XOP)):
        owner = include.getparent()
        assert owner is not None
        assert len(owner) == 1, "an Include is the only child (XOP 3.1)"
        assert not (owner.text or "").strip()
        assert not include.tail
        assert list(include.attrib) == ["href"]
        assert len(include) == 0
        href = include.get("href", "")
        assert href.startswith("cid:"), "an Include points by cid (XOP 4.1)"
        headers, content = attached.pop(f"<{unquote(href[4:])}>")
        assert headers["content-transfer-encoding"] == "binary"
        kinds.append(headers["content-type"])
        owner.remove(include)
        owner.text = base64.b64encode(content).decode()
    assert not attached, "every part is pointed at"
    return f"{about['type']}; charset=utf-8", etree.tostring(envelope), kinds


class Receiver:
    """``/archive11`` and ``/archive12``. `seen` gets what was received, put together."""

    def __init__(self) -> None:
        self.archives = {"archive11": archive(Soap11), "archive12": archive(Soap12)}

    def __call__(
        self, environ: dict[str, Any], start: Callable[..., Any], body: bytes, seen: dict[str, Any]
    ) -> Iterable[bytes]:
        name = environ["PATH_INFO"].strip("/")
        content_type = environ.get("CONTENT_TYPE", "")
        if environ["REQUEST_METHOD"] == "POST" and content_type.startswith("multipart/"):
            try:
                content_type, body, kinds = put_together(content_type, body, environ.get("HTTP_SOAPACTION"))
            except (AssertionError, KeyError) as problem:
                start("400 Not MTOM", [("Content-Type", "text/plain")])
                return [f"not MTOM: {problem!r}".encode()]
            seen |= {"body": body.decode(), "parts": kinds}
            environ |= {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
        environ["wsgi.input"] = _Read(body)
        return list(self.archives[name](environ, start))


class _Read:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int = -1) -> bytes:
        taken, self.content = (self.content, b"") if size < 0 else (self.content[:size], self.content[size:])
        return taken
