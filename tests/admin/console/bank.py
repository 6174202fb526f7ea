"""A service that other people run: it refuses what it does not understand, and at times it is not there."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Bank:
    """Charges cards over HTTP, in euros. What it was asked is in `asked`."""

    def __init__(self) -> None:
        self.is_open = True
        self.asked: list[dict[str, Any]] = []
        bank = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bank.asked.append(order)
                status, answer = bank.answer(order)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def answer(self, order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if not self.is_open:
            return 503, {"error": "The bank is closed for maintenance."}
        if order.get("currency") != "EUR":
            return 422, {"error": f"Unknown currency {order.get('currency')!r}, expected EUR."}
        return 200, {"receipt": f"R-{len(self.asked)}", "amount": order.get("amount")}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
