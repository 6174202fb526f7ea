"""The HTTP service that is called: ``/20`` answers after 20 milliseconds. A process of its own, on loopback.

By hand on asyncio, because a server out of the library would need more of the processor than those who are measured.
"""

from __future__ import annotations

import asyncio
import re
import sys

BODY = b'{"ok":true}'
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
PATH = re.compile(rb"GET /(\d+)")


class Answers(asyncio.Protocol):
    """Answers every request of a kept connection; reads GET requests only, which have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            found = PATH.match(head)
            delay = int(found[1]) / 1000 if found else 0
            if delay:
                asyncio.get_running_loop().call_later(delay, self.transport.write, RESPONSE)
            else:
                self.transport.write(RESPONSE)


async def serve() -> None:
    """Say the port, and serve until standard input ends."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin, over.set)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(serve())
