"""The services that the process calls: one HTTP server that reserves, charges, writes invoices, ships and notifies.

    python -m scripts.demonstration.shop --port 8100

It is as unreliable as services are, and honest about it: busy ones answer 503 with ``Retry-After``, slow ones take
their time, and a payment service sometimes does its work and loses the answer. A call is recognised by its
``Idempotency-Key``: what was done for it is not done twice, the first answer is given again.

Its customers and its carrier answer later, with messages to the orchestrator (ORCHESTRATOR_URL, ORCHESTRATOR_TOKEN).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripts.demonstration import world
from scripts.demonstration.books import Books
from scripts.demonstration.faults import Faults
from scripts.demonstration.post import Post

Answer = tuple[int, dict[str, Any]]
SLOW_SECONDS = 1.2
RETRY_AFTER = "1"


class Shop:
    """What the services do, without HTTP. Every service takes the body of a call and gives status and body."""

    def __init__(self, post: Post, faults: Faults) -> None:
        self.books = Books()
        self.faults = faults
        self.maintenance = True
        self._post = post
        self.services: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "reservations": self.reserve,
            "payments": self.charge,
            "refunds": self.refund,
            "invoices": self.invoice,
            "replacements": self.replace,
            "shipments": self.ship,
            "notifications": self.notify,
        }

    def reserve(self, call: dict[str, Any]) -> Answer:
        products = [line["product"] for line in call["lines"]]
        for product in products:
            if product not in world.CATALOGUE:
                return 404, {"detail": f"There is no {product} in the catalogue"}
        asked = self.books.asked(call["order_id"])
        if world.SOLD_OUT_AT_FIRST in products and asked == 1:
            return 200, {"in_stock": False, "reservation": None}
        return 201, {"in_stock": True, "reservation": self.books.enter("reservations", call["order_id"], "R")}

    def release(self, reservation: str) -> Answer:
        return (204, {}) if self.books.remove("reservations", reservation) else (404, {"detail": "No such reservation"})

    def charge(self, call: dict[str, Any]) -> Answer:
        if why := world.DECLINES.get(call["card"]):
            return 402, {"detail": f"The card was declined: {why}", "decline": why}
        return 201, {"payment": self.books.enter("payments", call["order_id"], "P", call["amount"])}

    def refund(self, call: dict[str, Any]) -> Answer:
        return 201, {"refund": self.books.enter("refunds", call["order_id"], "B")}

    def invoice(self, call: dict[str, Any]) -> Answer:
        if self.maintenance and call["region"] == world.IN_MAINTENANCE:
            return 503, {"detail": f"Invoices for the {call['region']} are under maintenance"}
        return 201, {"invoice": self.books.enter("invoices", call["order_id"], "I")}

    def replace(self, call: dict[str, Any]) -> Answer:
        return 201, {"replacement": self.books.enter("replacements", call["order_id"], "X")}

    def ship(self, call: dict[str, Any]) -> Answer:
        postcode = call["address"]["postcode"]
        if not world.POSTCODE.fullmatch(postcode):
            return 422, {"detail": f"Expected a postcode of five digits but found {postcode!r}"}
        tracking = self.books.enter("shipments", call["order_id"], "T")
        if postcode != world.FAR_AWAY:
            # Express parcels arrive before the answer to this call does: their message waits for its process.
            delay = 0.0 if self.faults.chance("express", call["order_id"]) < 0.3 else 0.4
            self._post.send("parcel-delivered", tracking, {"delivered_to": "the front door"}, after=delay)
        return 201, {"tracking": tracking}

    def notify(self, call: dict[str, Any]) -> Answer:
        self.books.enter("notifications", call["order_id"], "N")
        if call.get("reply_to") and call.get("decline") == world.DECLINES[world.EMPTY_CARD]:
            delay = 0.8 * self.faults.chance("answer", call["order_id"])
            self._post.send(call["reply_to"], call["order_id"], {"card": world.GOOD_CARD}, after=delay)
        return 202, {}


class Handler(BaseHTTPRequestHandler):
    """HTTP around the shop: faults, idempotency, JSON."""

    protocol_version = "HTTP/1.1"
    shop: Shop

    def do_GET(self) -> None:
        if self.path == "/books":
            self._answer(200, {**self.shop.books.entries, "faults": self.shop.faults.counts})
        else:
            self._answer(200, {"maintenance": self.shop.maintenance})

    def do_PUT(self) -> None:
        self.shop.maintenance = self._body()["maintenance"]
        self._answer(200, {"maintenance": self.shop.maintenance})

    def do_POST(self) -> None:
        name = self.path.strip("/")
        if name not in self.shop.services:
            self._read()
            self._answer(404, {"detail": f"There is no service {name}"})
            return
        try:
            body = self._body()
            self._serve(name, body["order_id"], lambda: self.shop.services[name](body))
        except (ValueError, KeyError, TypeError) as problem:
            self._answer(400, {"detail": f"This cannot be understood: {problem!r}"})

    def do_DELETE(self) -> None:
        self._read()
        if found := re.fullmatch(r"/reservations/([\w-]+)", self.path):
            self._serve("releases", "any order", lambda: self.shop.release(found[1]))
        else:
            self._answer(404, {"detail": "There is nothing to delete"})

    def _serve(self, name: str, order: str, work: Callable[[], Answer]) -> None:
        key = f"{name} {self.headers.get('Idempotency-Key', '')}"
        fault = self.shop.faults.at(name, order, key)
        if fault == "busy":
            self._answer(503, {"detail": f"The service for {name} is busy"}, {"Retry-After": RETRY_AFTER})
            return
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        status, body = self.shop.books.once(key, work)
        if fault == "silent":
            self.log_message("%s for %s is done, but the answer is lost", name, order)
            self.close_connection = True
            return
        self._answer(status, body)

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _body(self) -> dict[str, Any]:
        return dict(json.loads(self._read()))

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode() if status != 204 else b""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def serve(port: int, post: Post, seed: int) -> Server:
    """A server on the loopback address that is ready to be run; port 0 finds a free one."""
    handler = type("ShopHandler", (Handler,), {"shop": Shop(post, Faults(seed))})
    return Server(("127.0.0.1", port), handler)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--seed", type=int, default=7, help="of the faults")
    arguments = parser.parse_args()
    server = serve(arguments.port, Post.from_environment(), arguments.seed)
    print(f"The shop is open at http://127.0.0.1:{server.server_port}", file=sys.stderr)
    threading.current_thread().name = "shop"
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
