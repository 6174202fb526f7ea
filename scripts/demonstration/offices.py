"""Whom a new customer's process asks: a register of companies (HTTP), the VAT office (SOAP) and a post box (SMTP).

    python -m scripts.demonstration.offices --port 8200

One process for the three, which tells at ``/notes`` what each of them was asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripts.demonstration import vat_office
from scripts.demonstration.applicants import COMPANIES
from scripts.demonstration.post_box import PostBox


class Handler(BaseHTTPRequestHandler):
    """HTTP for the register and the VAT office."""

    protocol_version = "HTTP/1.1"
    server: Offices

    def do_GET(self) -> None:
        if self.path == "/vat?wsdl":
            self._answer(200, vat_office.describe(f"{self.server.url}/vat"), "text/xml")
        elif self.path == "/notes":
            self._say(200, self.server.notes)
        else:
            registration = self.path.removeprefix("/companies/")
            self.server.asked["register"].append(registration)
            company = COMPANIES.get(registration)
            self._say(200 if company else 404, company.entry if company else {"detail": "There is no such company"})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/vat":
            self._say(404, {"detail": "There is nothing to post to"})
            return
        names = {company.vat: company.name for company in COMPANIES.values()}
        status, envelope, number = vat_office.answer(content, names)
        self.server.asked["vat"].append(number)
        self._answer(status, envelope, "text/xml; charset=utf-8")

    def _say(self, status: int, body: Any) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _answer(self, status: int, content: bytes, media: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Offices(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.asked: dict[str, list[str]] = {"register": [], "vat": []}
        self.post_box = PostBox()
        threading.Thread(target=self.post_box.serve_forever, name="post box", daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def notes(self) -> dict[str, Any]:
        """What each was asked, and where the post box is."""
        box = self.post_box
        where = {"url": f"smtp://localhost:{box.port}", "certificate": box.certificate}
        return {**self.asked, "letters": box.letters, "post": where}

    def server_close(self) -> None:
        self.post_box.shutdown()
        self.post_box.server_close()
        super().server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8200)
    server = Offices(parser.parse_args().port)
    print(f"The offices are open at {server.url}", file=sys.stderr)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
