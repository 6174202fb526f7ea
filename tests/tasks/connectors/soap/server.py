"""A real SOAP service (spyne) in a process of its own: ``python -m tests.tasks.connectors.soap.server``.

Prints its port. ``/shop11`` and ``/shop12`` speak SOAP 1.1 and 1.2, ``/vat`` knows VAT numbers; the other paths
misbehave as their names say. ``/log`` tells what was asked, ``/learn`` gives the shop one operation more.
"""

from __future__ import annotations

import decimal
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from datetime import date, datetime
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from lxml import etree
from spyne import (
    Application,
    Array,
    Boolean,
    ComplexModel,
    Date,
    DateTime,
    Decimal,
    Fault,
    Integer,
    ServiceBase,
    Unicode,
    XmlAttribute,
    rpc,
)
from spyne.model.complex import XmlData
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

from tests.tasks.connectors.soap import BINARY
from tests.tasks.connectors.soap.binaries import Receiver

NAMESPACE = "urn:shop"


class Price(ComplexModel):
    __namespace__ = NAMESPACE
    amount = XmlData(Decimal)
    currency = XmlAttribute(Unicode, use="required")


class Line(ComplexModel):
    __namespace__ = NAMESPACE
    sku = Unicode(min_occurs=1, nillable=False)
    quantity = Integer(min_occurs=1, nillable=False)
    price = Price.customize(min_occurs=0)


class GiftLine(Line):
    __namespace__ = NAMESPACE
    card = Unicode(min_occurs=1, nillable=False)


class Order(ComplexModel):
    __namespace__ = NAMESPACE
    id = Unicode(min_occurs=1, nillable=False)
    placed = DateTime(min_occurs=0)
    due = Date(min_occurs=0)
    express = Boolean(min_occurs=0)
    note = Unicode(min_occurs=0, nillable=True)
    lines = Array(Line, min_occurs=1, nillable=False)
    tags = Unicode(min_occurs=0, max_occurs="unbounded")


class Token(ComplexModel):
    __namespace__ = NAMESPACE
    client = Unicode(min_occurs=1)
    trace = Unicode(min_occurs=0)


class OutOfStock(ComplexModel):
    __namespace__ = NAMESPACE
    sku = Unicode
    left = Integer


class Shop(ServiceBase):
    __in_header__ = Token
    __out_header__ = Token

    @rpc(Order, _returns=Order, _body_style="wrapped")
    def place(ctx: Any, order: Order) -> Order:  # noqa: N805 - spyne's way
        ctx.out_header = ctx.in_header
        return order

    @rpc(Decimal, Decimal, _returns=Decimal)
    def add(ctx: Any, a: decimal.Decimal, b: decimal.Decimal) -> decimal.Decimal:  # noqa: N805
        return a + b

    @rpc(DateTime, Date, _returns=Unicode)
    def when(ctx: Any, moment: datetime, day: date) -> str:  # noqa: N805
        return f"{moment.isoformat() if moment else None} {day.isoformat() if day else None}"

    @rpc(Unicode, _returns=Unicode)
    def fail(ctx: Any, how: str) -> str:  # noqa: N805
        if how == "OutOfStock":
            detail = etree.Element("stock")
            etree.SubElement(detail, "sku").text = "A1"
            raise Fault("Client.OutOfStock", "there is no more", faultactor="urn:stock", detail=detail)
        raise Fault(how, f"failed as {how}")

    @rpc(Integer, _returns=Array(Unicode))
    def names(ctx: Any, count: int) -> list[str]:  # noqa: N805
        return [f"name {number}" for number in range(count)]

    @rpc(OutOfStock)
    def report(ctx: Any, shortage: OutOfStock) -> None:  # noqa: N805 - it brings the type into the WSDL
        return None

    @rpc()
    def ping(ctx: Any) -> None:  # noqa: N805
        return None


class Later(ServiceBase):
    @rpc(_returns=Unicode)
    def learned(ctx: Any) -> str:  # noqa: N805
        return "yes"


class VatOffice(ServiceBase):
    """What `tests/drawings/seven_ways.bpmn` asks."""

    @rpc(
        Unicode(min_occurs=1),
        Unicode(min_occurs=1),
        _returns=[Boolean, Unicode],
        _out_variable_names=["valid", "name"],
        _operation_name="checkVat",
        _in_arg_names={"country": "countryCode", "number": "vatNumber"},
    )
    def check_vat(ctx: Any, country: str, number: str) -> tuple[bool, str]:  # noqa: N805
        if not number.startswith(country):
            detail = etree.Element("UnknownVatNumber")
            detail.text = number
            raise Fault("Client.InvalidInput", "there is no such number", detail=detail)
        return True, f"{number[2:]} GmbH"


def vat_office() -> WsgiApplication:
    protocols = {"in_protocol": Soap11(validator="soft"), "out_protocol": Soap11()}
    return WsgiApplication(Application([VatOffice], tns="urn:vat", name="VatOffice", **protocols))


def shop(protocol: type[Any], *services: type[Any]) -> WsgiApplication:
    application = Application(
        [Shop, *services],
        tns=NAMESPACE,
        name="Shop",
        in_protocol=protocol(validator="soft", polymorphic=True),
        out_protocol=protocol(polymorphic=True),
    )
    return WsgiApplication(application)


def envelope(body: str, header: str = "", version: str = "http://schemas.xmlsoap.org/soap/envelope/") -> str:
    return f'<s:Envelope xmlns:s="{version}"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>'


STOCK = """<s:Fault><faultcode xmlns:q="urn:q">q:Business</faultcode><faultstring>gone</faultstring>
<detail><t:OutOfStock xmlns:t="urn:shop"><t:sku>A1</t:sku><t:left>3</t:left></t:OutOfStock></detail></s:Fault>"""
TWELVE = """<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:q="urn:q">q:Order</s:Value>
<s:Subcode><s:Value xmlns:q="urn:q">q:Declined</s:Value></s:Subcode></s:Subcode></s:Code>
<s:Reason><s:Text xml:lang="en">no credit</s:Text></s:Reason><s:Role>urn:bank</s:Role></s:Fault>"""
SUM = '<t:addResponse xmlns:t="urn:shop"><t:addResult>{}</t:addResult></t:addResponse>'
HUGE = SUM.format("1" * 3_000_000)
ANSWERS: dict[str, tuple[int, str, str]] = {
    "empty": (200, "text/xml", ""),
    "malformed": (200, "text/xml", "<s:Envelope"),
    "html": (200, "text/html", "<html><body>Welcome</body></html>"),
    "doctype": (200, "text/xml", '<!DOCTYPE x [<!ENTITY e "boom">]>' + envelope(SUM.format("&e;"))),
    "wrong-type": (200, "text/xml", envelope(SUM.format("many"))),
    "newer": (
        200,
        "text/xml",
        envelope('<addResponse xmlns="urn:shop"><addResult>3</addResult><new>x</new></addResponse>'),
    ),
    "huge": (200, "text/xml", envelope(HUGE)),
    "busy": (503, "text/plain", "come back"),
    "denied": (403, "text/html", "<html>no</html>"),
    "stock": (500, "text/xml", envelope(STOCK)),
    "fault-in-200": (200, "text/xml", envelope(STOCK)),
    "twelve": (400, "application/soap+xml", envelope(TWELVE, version="http://www.w3.org/2003/05/soap-envelope")),
    "accepted": (202, "", ""),
    "latin": (200, "text/xml; charset=iso-8859-1", envelope("<x>\u00e4</x>")),
}


class Site:
    """Routes requests, and remembers them."""

    def __init__(self) -> None:
        self.shops: dict[str, WsgiApplication] = {
            "shop11": shop(Soap11),
            "shop12": shop(Soap12),
            "vat": vat_office(),
        }
        self.receiver = Receiver()
        self.seen: list[dict[str, Any]] = []
        self.failing = False

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        name = environ["PATH_INFO"].strip("/")
        if name in ("log", "learn", "failing", "forget"):
            return self.control(name, environ, start)
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        headers = {key[5:].lower(): text for key, text in environ.items() if key.startswith("HTTP_")}
        headers["content_type"] = environ.get("CONTENT_TYPE", "")
        text = body.decode(errors="replace")
        self.seen.append({"method": environ["REQUEST_METHOD"], "path": name, "headers": headers, "body": text})
        if name == "guarded":
            if not re.fullmatch(r"Bearer token-[0-9]*[02468]-", headers.get("authorization", "")):
                start("401 Unauthorized", [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")])
                return [b"odd tokens are revoked"]
            name = "shop11"
        if name in self.receiver.archives:
            return self.receiver(environ, start, body, self.seen[-1])
        if name in self.shops and not (self.failing and environ["REQUEST_METHOD"] == "GET"):
            # Read already, so it is put back.
            environ["wsgi.input"] = _Again(body)
            return list(self.shops[name](environ, start))
        if name == "slow":
            time.sleep(30)
        if name == "mtom":
            return self.mtom(start)
        status, media, text = ANSWERS.get(name, (503, "text/plain", "no such thing"))
        content = text.encode("latin-1" if "8859" in media else "utf-8")
        start(f"{status} As told", [("Content-Type", media or "text/plain"), ("Content-Length", str(len(content)))])
        return [content]

    def mtom(self, start: Callable[..., Any]) -> Iterable[bytes]:
        include = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:data%40shop"/>'
        root = envelope(f'<t:loadResponse xmlns:t="urn:shop"><t:data>{include}</t:data></t:loadResponse>')
        content = b"\r\n".join(
            [
                b"--sep",
                b'Content-Type: application/xop+xml; charset=utf-8; type="text/xml"',
                b"Content-ID: <root@shop>",
                b"",
                root.encode(),
                b"--sep",
                b"Content-Type: application/octet-stream",
                b"Content-Transfer-Encoding: binary",
                b"Content-ID: <data@shop>",
                b"",
                BINARY,
                b"--sep--",
            ]
        )
        media = 'multipart/related; type="application/xop+xml"; start="<root@shop>"; boundary=sep'
        start("200 OK", [("Content-Type", media), ("Content-Length", str(len(content)))])
        return [content]

    def control(self, name: str, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if name == "learn":
            self.shops["shop11"] = shop(Soap11, Later)
        if name == "forget":
            self.shops["shop11"], self.failing = shop(Soap11), False
        if name == "failing":
            self.failing = True
        seen, self.seen = self.seen, []
        content = json.dumps(seen).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]


class _Again:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int = -1) -> bytes:
        taken, self.content = (self.content, b"") if size < 0 else (self.content[:size], self.content[size:])
        return taken


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> None:
    server = make_server("127.0.0.1", 0, Site(), server_class=Server, handler_class=Quiet)
    print(server.server_port, flush=True)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    server.serve_forever()


def _stop_with_parent() -> None:
    """The test's end of our standard input closes when the test ends, however it ends."""
    import os
    import sys

    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
