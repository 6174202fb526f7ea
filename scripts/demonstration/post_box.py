"""The post box: an SMTP server (RFC 5321) that keeps every letter, and takes none before STARTTLS (RFC 3207)."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class PostBox(ThreadingTCPServer):
    """On a free port of the loopback address. Who posts must trust `certificate`, which is for localhost."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.letters: list[dict[str, str]] = []
        self.certificate, self.tls = _certificate()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Conversation(StreamRequestHandler):
    """With one client."""

    server: PostBox
    timeout = 30

    def handle(self) -> None:
        is_encrypted = False
        recipients: list[str] = []
        self._say("220 post.example ready")
        while line := self.rfile.readline():
            verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    self._say("250-post.example", "250 8BITMIME" if is_encrypted else "250 STARTTLS")
                case "STARTTLS":
                    self._say("220 go on")
                    self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    is_encrypted = True
                case "QUIT":
                    self._say("221 bye")
                    return
                case _ if not is_encrypted:
                    self._say("530 STARTTLS first")
                case "MAIL" | "RSET":
                    recipients = []
                    self._say("250 fine")
                case "RCPT":
                    recipients.append(rest.partition("<")[2].partition(">")[0])
                    self._say("250 fine")
                case "DATA":
                    self._keep(recipients)
                case _:
                    self._say("502 what?")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # of TLS, which the server knows nothing of

    def _keep(self, recipients: list[str]) -> None:
        self._say("354 go on")
        content = bytearray()
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            content += line[1:] if line.startswith(b".") else line
        letter = message_from_bytes(bytes(content), policy=default)
        body = letter.get_body(("plain",))
        text = str(body.get_content()).strip() if body is not None else ""
        for recipient in recipients:
            self.server.letters.append({"to": recipient, "subject": str(letter["Subject"]), "text": text})
        self._say("250 taken")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


def _certificate() -> tuple[str, ssl.SSLContext]:
    """Made for this run: whom the letters go to is proven by nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(private + certificate)
        context.load_cert_chain(file)
    return certificate.decode(), context
