"""A real HTTP server on loopback that behaves as badly as servers do. Its paths name its faults."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, Any]] = []
        self.connections = 0
        self.stop = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are the point of the exercise."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_any(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size)
        if self.has_hung_up():
            self.close_connection = True
            return
        split = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.told = {
            "method": self.command,
            "path": self.path,
            "headers": headers,
            "body": self.body.decode("latin-1"),
        }
        self.server.seen.append(self.told)
        name = split.path.strip("/").split("/")[0].replace("-", "_")
        getattr(self, f"path_{name}", self.path_echo)()

    def has_hung_up(self) -> bool:
        """Whether nobody waits for the answer any more: what one test gave up, the next one must not see."""
        if isinstance(self.connection, ssl.SSLSocket):
            return False  # it cannot be looked into
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any  # noqa: N815

    def answer(self, status: int, body: bytes = b"", type: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        if type:
            self.send_header("Content-Type", type)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def raw(self, *parts: bytes, pause: float = 0.0) -> None:
        """Write bytes as they are, then hang up."""
        self.close_connection = True
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()
            if pause and self.server.stop.wait(pause):
                return

    def path_echo(self) -> None:
        self.answer(200, json.dumps(self.told).encode(), "application/json")

    def path_say(self) -> None:
        """The body and the headers that the query asks for, body in base64."""
        headers = {k: v for k, v in self.query.items() if k not in ("status", "type", "body")}
        body = base64.b64decode(self.query.get("body", ""))
        self.answer(int(self.query.get("status", "200")), body, self.query.get("type", ""), **headers)

    def path_declined(self) -> None:
        self.answer(402, b'{"code": "card-declined", "left": 0.10}', "application/json")

    def path_busy(self) -> None:
        self.answer(503, b"come back", Retry_After=self.query["after"])

    def path_busy_until(self) -> None:
        """Asks for 90 seconds by a date of its own clock, which is a year late."""
        self.send_response_only(503)
        late = datetime.now(UTC) - timedelta(days=365)
        self.send_header("Date", format_datetime(late, usegmt=True))
        self.send_header("Retry-After", format_datetime(late + timedelta(seconds=90), usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def path_drip(self) -> None:
        self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n",
            *[b"x"] * 1000,
            pause=0.05,
        )

    def path_drip_chunks(self) -> None:
        head = b"HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.raw(head, *[b"2\r\nno\r\n"] * 1000, pause=0.05)

    def path_slow_headers(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\n", *[b"X-Slow: a\r\n"] * 90, pause=0.25)

    def path_continue(self) -> None:
        self.raw(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 1000, pause=0.05)

    def path_silent(self) -> None:
        self.server.stop.wait(30)

    def path_silent_body(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        self.server.stop.wait(30)

    def path_bomb(self) -> None:
        """200 MB of nothing in one."""
        body = bomb()
        self.answer(200, body, "text/plain", Content_Encoding="gzip")

    def path_no_gzip(self) -> None:
        self.answer(200, b"this is not gzip at all", "text/plain", Content_Encoding="gzip")

    def path_gzip(self) -> None:
        self.answer(200, gzip.compress(b'{"packed": true}'), "application/json", Content_Encoding="gzip")

    def path_redirect(self) -> None:
        to = self.query.get("to", "")
        self.answer(int(self.query.get("status", "302")), b"moved", Location=to)

    def path_redirect_drip(self) -> None:
        head = b"HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 1000\r\n\r\n"
        self.raw(head, *[b"x"] * 1000, pause=0.05)

    def path_loop(self) -> None:
        self.answer(302, b"", Location=f"/loop?{len(self.server.seen)}")

    def path_reset(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nabc")
        time.sleep(0.1)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def path_hang_up(self) -> None:
        self.close_connection = True

    def path_short(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nonly this")

    def path_short_chunk(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this")

    def path_bad_chunk(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nonly this")

    def path_chunks(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.wfile.write(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

    def path_no_length(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")

    def path_garbage(self) -> None:
        self.raw(b"SSH-2.0-OpenSSH_9.2\r\n")

    def path_many_headers(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\n", b"X-Many: a\r\n" * 1000, b"\r\n")

    def path_long_header(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a" * 100_000, b"\r\n\r\n")

    def path_no_reason(self) -> None:
        self.raw(b"HTTP/1.1 418 \r\nContent-Length: 0\r\n\r\n")

    def path_large(self) -> None:
        self.answer(int(self.query.get("status", "200")), b"y" * int(self.query["size"]))

    def path_endless(self) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", *[b"z" * 65536] * 1000)

    def path_cookies(self) -> None:
        self.send_response(200)
        for value in ("session=abc123; Expires=Wed, 21 Oct 2037 07:28:00 GMT", "theme=dark"):
            self.send_header("Set-Cookie", value)
        self.send_header("X-Twice", "a")
        self.send_header("x-twice", "b")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def path_status(self) -> None:
        self.answer(int(unquote(self.path.rpartition("/")[2])), b"")


_bomb: list[bytes] = []


def bomb() -> bytes:
    if not _bomb:
        _bomb.append(gzip.compress(b"\0" * 200_000_000, 1))
    return _bomb[0]


@contextmanager
def running(server: Server | None = None) -> Iterator[Server]:
    server = server or Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
