"""An SFTP server of its own process: paramiko's server side over a folder.

    python server.py FOLDER

Prints port, host key and fingerprint as JSON. User `ada`, password `correct horse` or the key in FOLDER/../user_key.
A file called `slow` takes its time to be read; one called `endless` has more than it says.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

ROOT = Path(sys.argv[1])


def make_key(passphrase: bytes = b"") -> tuple[str, paramiko.PKey]:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    text = (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption)
        .decode()
    )
    return text, paramiko.Ed25519Key.from_private_key(io.StringIO(text), passphrase.decode() or None)


_, HOST_KEY = make_key()
USER_TEXT, USER_KEY = make_key()


class Server(paramiko.ServerInterface):
    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        good = (username, password) == ("ada", "correct horse")
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = username == "ada" and key.asbytes() == USER_KEY.asbytes()
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED


class Handle(paramiko.SFTPHandle):
    name = ""

    def stat(self) -> paramiko.SFTPAttributes | int:
        found = paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))
        if self.name == "endless":
            found.st_size = 1
        return found

    def read(self, offset: int, length: int) -> bytes | int:
        if self.name == "slow":
            time.sleep(30)
        if self.name == "endless":
            return b"x" * length
        return super().read(offset, length)


class Files(paramiko.SFTPServerInterface):
    def _real(self, path: str) -> str:
        return str(ROOT) + self.canonicalize(path)

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(found.stat(), found.name) for found in os.scandir(self._real(path))
            ]
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(self._real(path)))
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> Handle | int:
        if path.endswith("forbidden"):
            return paramiko.SFTP_PERMISSION_DENIED
        if path.endswith("broken"):
            return paramiko.SFTP_FAILURE
        try:
            number = os.open(self._real(path), flags, 0o600)
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)
        handle = Handle(flags)
        handle.name = Path(path).name
        handle.readfile = handle.writefile = os.fdopen(
            number, "wb+" if flags & os.O_RDWR else "wb" if flags & os.O_WRONLY else "rb"
        )
        return handle

    def remove(self, path: str) -> int:
        return self._done(os.remove, self._real(path))

    def rename(self, oldpath: str, newpath: str) -> int:
        if Path(self._real(newpath)).exists():
            return paramiko.SFTP_FAILURE
        return self._done(os.rename, self._real(oldpath), self._real(newpath))

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        if Path(newpath).name == "old-server":
            return paramiko.SFTP_OP_UNSUPPORTED
        return self._done(os.rename, self._real(oldpath), self._real(newpath))

    def _done(self, act: object, *paths: str) -> int:
        try:
            act(*paths)  # type: ignore[operator]
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)
        return paramiko.SFTP_OK


def serve(connection: socket.socket) -> None:
    try:
        transport = paramiko.Transport(connection)
        transport.add_server_key(HOST_KEY)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
        transport.start_server(server=Server())
    except Exception:  # noqa: BLE001 - a client that goes away is no trouble of ours
        connection.close()


listener = socket.create_server(("127.0.0.1", 0))
digest = base64.b64encode(hashlib.sha256(HOST_KEY.asbytes()).digest()).decode().rstrip("=")
print(
    json.dumps(
        {
            "port": listener.getsockname()[1],
            "key": f"{HOST_KEY.get_name()} {HOST_KEY.get_base64()}",
            "fingerprint": f"SHA256:{digest}",
            "user_key": USER_TEXT,
        }
    ),
    flush=True,
)
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
