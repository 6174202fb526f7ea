"""Round trips to a database, counted on the wire: a proxy between workers and PostgreSQL.

    python -m benchmarks.turns 127.0.0.1 5432

Says its port; then, for every line on standard input, how often somebody who had been answered asked again. What is
sent at one go is one round trip, whether a statement, several, or a BEGIN: nobody's own word is taken for it.
"""

from __future__ import annotations

import asyncio
import json
import sys

turns = 0


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[bool], asks: bool) -> None:
    global turns
    try:
        while data := await reader.read(1 << 16):
            if asks and not asked[0]:
                turns += 1
            asked[0] = asks
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def serve(host: str, port: int) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        asked = [False]
        await asyncio.gather(_forward(reader, back, asked, True), _forward(there, writer, asked, False))

    def told() -> None:
        if sys.stdin.readline():
            print(json.dumps({"turns": turns}), flush=True)
        else:
            over.set()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.add_reader(sys.stdin, told)
    await over.wait()
    loop.remove_reader(sys.stdin)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
