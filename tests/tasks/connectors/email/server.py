"""An SMTP server (RFC 5321) of its own process: real sockets, STARTTLS, authentication, and the moods of real servers.

    python server.py FOLDER

Prints its ports as JSON, writes every message as a file into the folder. What it says depends on the recipient:

| recipient | reply to RCPT |
|---|---|
| ``no...@`` | 550 |
| ``grey...@`` | 451 |
| ``slow...@`` | none, for a minute |
| ``drop...@`` | the connection ends |
| ``full...@`` | 250, but DATA is answered with 552 |
| ``drip...@`` | 250, but the answer to DATA comes byte by byte, one a second |
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "ada", "correct horse"
folder = Path(sys.argv[1])
numbers = itertools.count()


def certificate() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


class Session:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: bool, context: ssl.SSLContext):
        self.reader, self.writer, self.tls, self.context = reader, writer, tls, context
        self.user = ""
        self.forget()

    def forget(self) -> None:
        self.sender, self.recipients, self.mood = "", [], ""

    async def say(self, *lines: str) -> None:
        for number, line in enumerate(lines):
            self.writer.write(line.replace(" ", "-" if number < len(lines) - 1 else " ", 1).encode() + b"\r\n")
        await self.writer.drain()

    async def hold(self) -> None:
        await self.say("220 test.example ready")
        while line := await self.reader.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    secured = ["250 AUTH PLAIN LOGIN"] if self.tls else []
                    offered = [] if self.tls else ["250 STARTTLS"]
                    await self.say("250 test.example", "250 8BITMIME", *offered, *secured, "250 SIZE 30000000")
                case "STARTTLS":
                    await self.say("220 go on")
                    await self.writer.start_tls(self.context)
                    self.tls = True
                    self.forget()
                case "AUTH":
                    kind, _, given = rest.partition(" ")
                    parts = base64.b64decode(given).decode().split("\0")
                    if kind.upper() == "PLAIN" and parts[1:] == [USER, PASSWORD]:
                        self.user = USER
                        await self.say("235 welcome")
                    else:
                        await self.say(f"535 wrong credentials {parts[-1]}")
                case "MAIL":
                    self.sender = rest[5:].split()[0].strip("<>")
                    await self.say("250 fine")
                case "RCPT":
                    await self.recipient(rest[3:].split()[0].strip("<>"))
                case "DATA":
                    await self.data()
                case "RSET":
                    self.forget()
                    await self.say("250 forgotten")
                case "QUIT":
                    await self.say("221 bye")
                    return
                case _:
                    await self.say("502 what?")

    async def recipient(self, address: str) -> None:
        mood = address.split("@")[0]
        if mood.startswith("no"):
            await self.say("550 no such user")
        elif mood.startswith("grey"):
            await self.say("451 try again later")
        elif mood.startswith("slow"):
            await asyncio.sleep(60)
        elif mood.startswith("drop"):
            self.writer.transport.abort()
        else:
            self.recipients.append(address)
            self.mood = mood
            await self.say("250 fine")

    async def data(self) -> None:
        if not self.recipients:
            await self.say("503 to whom?")
            return
        await self.say("354 go on")
        body = bytearray()
        while (line := await self.reader.readline()) not in (b".\r\n", b""):
            body += line[1:] if line.startswith(b".") else line
        if self.mood.startswith("full"):
            await self.say("552 mailbox full")
            return
        note = {"from": self.sender, "to": self.recipients, "tls": self.tls, "user": self.user, "body": body.decode()}
        (folder / f"{next(numbers):06}.part").write_text(json.dumps(note))
        for part in folder.glob("*.part"):
            part.rename(part.with_suffix(".json"))
        if self.mood.startswith("drip"):
            for byte in b"250 taken by somebody slow\r\n":
                self.writer.write(bytes([byte]))
                await self.writer.drain()
                await asyncio.sleep(1)
        else:
            await self.say("250 taken")
        self.forget()


async def main() -> None:
    context = certificate()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served(Session(reader, writer, False, context))

    async def implicit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served(Session(reader, writer, True, context))

    async def full_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 too busy\r\n")
        await writer.drain()
        writer.close()

    async def served(session: Session) -> None:
        try:
            await session.hold()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            session.writer.close()

    servers = [
        await asyncio.start_server(plain, "127.0.0.1", 0),
        await asyncio.start_server(implicit, "127.0.0.1", 0, ssl=context),
        await asyncio.start_server(full_up, "127.0.0.1", 0),
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps(dict(zip(("plain", "implicit", "busy"), ports, strict=True))), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
