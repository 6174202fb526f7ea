"""The SFTP connector: gets, puts, lists, deletes and renames files over SSH. Needs the extra `paramiko`.

| Input | |
|---|---|
| `operation` | required: `get`, `put`, `list`, `delete`, `rename` |
| `path` | required, on the server |
| `newPath` | of `rename` |
| `content` or `document` | of `put`; see `content` |
| `encoding` | of `put` and `get`: `utf-8` (default), `base64`, `document` |
| `overwrite` | whether `put` and `rename` may replace a file; true |
| `host`, `port` | or the URL of a connection, ``sftp://user@host:22`` |
| `username`, `password`, `privateKey`, `passphrase` | one of password and key (PEM or OpenSSH text) |
| `hostKey` | required: what the server must prove to be, ``ssh-ed25519 AAAA...`` or ``SHA256:...`` |
| `deadlineInSeconds` | 60; of everything; at most the lease |
| `maxBytes` | of a file, 1,500,000 |

A file that is put appears under its name only once it is complete: it is written beside it, under a name made of the
idempotency key, and renamed. So every attempt of a job does the same, and readers see no half of a file.

Response: `get` ``{"path", "size", "content"}`` (or ``"document"``), `put` ``{"path", "size"}``, `list` ``{"path",
"files": [{"name", "size", "modified", "directory"}]}``, `delete` ``{"path", "deleted"}`` (false where there was no such
file: somebody, or an earlier attempt, did it), `rename` ``{"path"}``.

| Code | When | Tried again |
|---|---|---|
| "NO_SUCH_FILE", "PERMISSION_DENIED", "FILE_EXISTS" | what the server says of the file | no |
| "FAILURE" | it says no more than that | yes |
| "HOST_KEY_MISMATCH", "AUTHENTICATION_FAILED" | they are not who they should be, or we | no |
| "ADDRESS_REFUSED" | the server is where connections may not lead | no |
| "TIMEOUT", "CONNECTION_FAILED" | the network | yes |
| "FILE_TOO_LARGE", "INVALID_CONTENT" | more than `maxBytes`, or not UTF-8 | no |
| "DOCUMENT_NOT_FOUND", "DOCUMENT_TOO_LARGE" | of `put`; of `get` | no |
| "NOT_INSTALLED" | the extra is missing | no |
| "INVALID_INPUT" | nothing was called | no |
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import io
import logging
import mimetypes
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tasks.connectors import content, deadline, outbound
from tasks.connectors.base import Connection, Job, JobError, Response
from tasks.connectors.content import read_content, refuse_content, tell_content
from tasks.connectors.declared import Input, read
from tasks.connectors.inputs import invalid

if TYPE_CHECKING:
    import paramiko

OPERATIONS = ("get", "put", "list", "delete", "rename")
MOST_BYTES = 64_000_000
MOST_FILES = 10_000
CHUNK = 32_768
QUIET = "paramiko.orchestrator"
logging.getLogger(QUIET).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where to, as whom, and who is to be expected there."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    key: str = field(repr=False)
    passphrase: str = field(repr=False)
    host_key: str


class SftpConnector:
    """Job type ``sftp``."""

    type = "sftp"
    inputs = (
        Input("operation", required=True, choices=OPERATIONS, help="What to do."),
        Input("path", required=True, help="Of the file, or of the directory to list."),
        Input("newPath", help="Where to rename it to."),
        *content.INPUTS,
        Input("overwrite", "boolean", default=True, help="Whether a file that is there may be replaced."),
        Input("host", help="Name of the server."),
        Input("port", "integer", help="22."),
        Input("username", help="Who we are."),
        Input("password", secret=True, help="Of the user; or a private key."),
        Input("privateKey", secret=True, help="Of the user, PEM or OpenSSH text."),
        Input("passphrase", secret=True, help="Of the private key."),
        Input("hostKey", help="Public key of the server (ssh-ed25519 AAAA...) or its SHA256:... fingerprint."),
        Input("deadlineInSeconds", "seconds", default=60.0, help="For everything."),
        Input("maxBytes", "integer", default=1_500_000, help="Largest file to get."),
    )

    def run(self, job: Job) -> Response:
        """Do it. Raises `JobError` as the table of the module says."""
        given = read(job.variables, self.inputs)
        access = _access(given, job.connection)
        sent = b""
        if given["operation"] == "put":
            sent = read_content(given, job.documents).content
        else:
            refuse_content(given, given["operation"])
        if given["operation"] == "rename" and not given["newPath"]:
            raise invalid("Expected the input `newPath` for rename, but found none")
        if not 1 <= given["maxBytes"] <= MOST_BYTES:
            raise invalid(f"Expected `maxBytes` to be between 1 and {MOST_BYTES}, but found {given['maxBytes']}")
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        patience = min(given["deadlineInSeconds"], lease)
        if job.connection is not None and job.connection.timeout is not None:
            patience = min(patience, job.connection.timeout)
        return _Visit(access, given, sent, job).make(patience)


class _Visit:
    """One connection, one operation."""

    def __init__(self, access: Access, given: Mapping[str, Any], sent: bytes, job: Job) -> None:
        self._access, self._given, self._content = access, given, sent
        self._key, self._documents = job.idempotency_key, job.documents
        self._began = time.monotonic()
        self._late = threading.Event()
        self._bytes = 0

    def make(self, seconds: float) -> Response:
        """The response, or a `JobError` for whatever came in the way."""
        try:
            import paramiko
        except ImportError:
            raise self._error("NOT_INSTALLED", "the extra `paramiko` is not installed", retryable=False) from None
        if seconds <= 0:
            raise self._error("TIMEOUT", "the lease of the job had ended")
        key = self._private_key(paramiko)
        ends = time.monotonic() + seconds
        try:
            with deadline.within(seconds), self._session(paramiko, key, seconds) as sftp:
                found = self._operate(sftp)
        except JobError:
            raise
        except Exception as problem:  # noqa: BLE001 - raised again unless it is one that is understood
            raise self._told(paramiko, problem, late=time.monotonic() >= ends) from None
        return Response(found, self._journal("done"))

    @contextlib.contextmanager
    def _session(self, paramiko: Any, key: Any, seconds: float) -> Iterator[paramiko.SFTPClient]:
        access = self._access
        ends = time.monotonic() + seconds
        sock = deadline.open_socket(access.host, access.port, None)
        transport = None
        # paramiko has a timeout for each wait and none for a whole conversation: an alarm ends it wherever it is.
        alarm = threading.Timer(max(0.0, ends - time.monotonic()), self._end, [sock])
        alarm.daemon = True
        alarm.start()
        try:
            transport = paramiko.Transport(sock)
            transport.set_log_channel(QUIET)  # what goes wrong is told in our words
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds
            transport.start_client(timeout=seconds)
            self._meet(transport.get_remote_server_key())
            if key is not None:
                transport.auth_publickey(access.username, key)
            else:
                transport.auth_password(access.username, access.password)
            if not transport.is_authenticated():
                raise paramiko.AuthenticationException("it asks for more than that")
            sftp = paramiko.SFTPClient.from_transport(transport)
            sftp.get_channel().settimeout(max(0.01, ends - time.monotonic()))
            yield sftp
        finally:
            alarm.cancel()
            if transport is not None:
                transport.close()
            sock.close()

    def _end(self, sock: socket.socket) -> None:
        self._late.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    def _meet(self, found: Any) -> None:
        """The server must have the key that the model or the connection names."""
        digest = base64.b64encode(hashlib.sha256(found.asbytes()).digest()).decode().rstrip("=")
        for line in self._access.host_key.splitlines():
            words = line.split()
            if f"SHA256:{digest}" in (word.rstrip("=") for word in words):
                return
            # As in known_hosts: perhaps host names, the kind of key, the key, perhaps a comment.
            if found.get_name() in words and found.get_base64() in words:
                return
        told = f"it has the host key {found.get_name()} SHA256:{digest}, which `hostKey` does not name"
        raise self._error("HOST_KEY_MISMATCH", told, retryable=False)

    def _private_key(self, paramiko: Any) -> Any:
        access = self._access
        if not access.key:
            return None
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            try:
                return kind.from_private_key(io.StringIO(access.key), password=access.passphrase or None)
            except (paramiko.SSHException, ValueError, IndexError, TypeError, binascii.Error):
                continue
        raise invalid("Expected `privateKey` to be an Ed25519, ECDSA or RSA key, and `passphrase` to open it")

    # -- operations ------------------------------------------------------------------------------------------------

    def _operate(self, sftp: paramiko.SFTPClient) -> dict[str, Any]:
        path = self._given["path"]
        match self._given["operation"]:
            case "get":
                return self._get(sftp, path)
            case "put":
                return self._put(sftp, path)
            case "list":
                return self._list(sftp, path)
            case "delete":
                try:
                    sftp.remove(path)
                except FileNotFoundError:
                    return {"path": path, "deleted": False}
                return {"path": path, "deleted": True}
        self._rename(sftp, path, self._given["newPath"])
        return {"path": self._given["newPath"]}

    def _get(self, sftp: paramiko.SFTPClient, path: str) -> dict[str, Any]:
        most = self._given["maxBytes"]
        found = bytearray()
        with sftp.open(path, "rb") as file:
            size = file.stat().st_size or 0
            if size <= most:
                file.prefetch(size)
            # The size that it states is not what it sends: counted as it comes.
            while len(found) <= most and (chunk := file.read(CHUNK)):
                found += chunk
        self._bytes = len(found)
        if len(found) > most:
            raise self._error("FILE_TOO_LARGE", f"{path} has more than {most} bytes", retryable=False)
        kind = mimetypes.guess_type(path)[0] or ""
        try:
            told = tell_content(bytes(found), self._given["encoding"], self._documents, kind, path)
        except UnicodeDecodeError:
            raise self._error("INVALID_CONTENT", f"{path} is not UTF-8; ask for base64", retryable=False) from None
        except JobError as error:
            raise self._error(error.code, error.message, retryable=error.retryable) from error
        return {"path": path, "size": len(found), **told}

    def _put(self, sftp: paramiko.SFTPClient, path: str) -> dict[str, Any]:
        folder, _, name = path.rpartition("/")
        aside = f"{folder}/" if folder or path.startswith("/") else ""
        aside += f".{name[:100]}.{self._key}.part"
        with sftp.open(aside, "wb") as file:
            file.set_pipelined(True)
            for start in range(0, len(self._content), CHUNK):
                file.write(self._content[start : start + CHUNK])
                self._bytes = min(start + CHUNK, len(self._content))
        try:
            self._rename(sftp, aside, path)
        except (OSError, JobError):
            with contextlib.suppress(OSError):
                sftp.remove(aside)
            raise
        return {"path": path, "size": len(self._content)}

    def _rename(self, sftp: paramiko.SFTPClient, path: str, target: str) -> None:
        if self._given["overwrite"]:
            try:
                sftp.posix_rename(path, target)
                return
            except OSError as problem:
                if "unsupported" not in str(problem).lower():
                    raise
            # A server without OpenSSH's extension renames to free names only.
            with contextlib.suppress(FileNotFoundError):
                sftp.remove(target)
        else:
            try:
                sftp.stat(target)
            except FileNotFoundError:
                pass
            else:
                raise self._error("FILE_EXISTS", f"{target} is there already", retryable=False)
        sftp.rename(path, target)

    def _list(self, sftp: paramiko.SFTPClient, path: str) -> dict[str, Any]:
        files: list[dict[str, Any]] = []
        for found in sftp.listdir_iter(path):
            if len(files) >= MOST_FILES:
                raise self._error("FILE_TOO_LARGE", f"{path} has more than {MOST_FILES} files", retryable=False)
            modified = datetime.fromtimestamp(found.st_mtime, UTC).isoformat() if found.st_mtime is not None else None
            files.append(
                {
                    "name": found.filename,
                    "size": found.st_size,
                    "modified": modified,
                    "directory": stat.S_ISDIR(found.st_mode or 0),
                }
            )
        return {"path": path, "files": sorted(files, key=lambda each: str(each["name"]))}

    # -- telling ---------------------------------------------------------------------------------------------------

    def _told(self, paramiko: Any, problem: Exception, *, late: bool) -> JobError:
        if self._late.is_set() or isinstance(problem, TimeoutError):
            return self._error("TIMEOUT", "it was not done in time")
        if isinstance(problem, outbound.AddressRefused):
            return self._error("ADDRESS_REFUSED", str(problem), retryable=False)
        if isinstance(problem, paramiko.AuthenticationException):
            return self._error("AUTHENTICATION_FAILED", "it does not let us in", retryable=False)
        if isinstance(problem, OSError):
            if isinstance(problem, FileNotFoundError):
                return self._error("NO_SUCH_FILE", "there is no such file or directory", retryable=False)
            if isinstance(problem, PermissionError) or problem.errno == errno.EACCES:
                return self._error("PERMISSION_DENIED", "it is not allowed", retryable=False)
            if problem.errno is None and type(problem) is OSError:
                return self._error("FAILURE", f"it says: {problem}")  # a status of the server, without an error number
        if isinstance(problem, OSError | EOFError | paramiko.SSHException):
            if late:  # paramiko, which waits as long as we do, has noticed before our alarm
                return self._error("TIMEOUT", "it was not done in time")
            return self._error("CONNECTION_FAILED", str(problem) or type(problem).__name__)
        raise problem

    def _error(self, code: str, why: str, *, retryable: bool = True) -> JobError:
        place = f"{self._access.host}:{self._access.port}"
        for secret in (self._access.password, self._access.passphrase):
            why = why.replace(secret, "***") if secret else why
        told = f"{place}, {self._given['operation']} {self._given['path']:.200}: {why}"
        return JobError(told, None, retryable, code, {}, self._journal(code))

    def _journal(self, outcome: str) -> dict[str, Any]:
        request = {
            "server": f"{self._access.host}:{self._access.port}",
            "user": self._access.username,
            "operation": self._given["operation"],
            "path": self._given["path"],
            "newPath": self._given["newPath"],
        }
        timings = {"total": round(time.monotonic() - self._began, 4)}
        return {"request": request, "response": {"outcome": outcome, "bytes": self._bytes}, "timings": timings}


# -- inputs ------------------------------------------------------------------------------------------------------------


def _access(given: Mapping[str, Any], connection: Connection | None) -> Access:
    """Of the inputs, else of the connection, whose secrets go to no other host than its own."""
    url = urlsplit(connection.url) if connection is not None and not given["host"] else urlsplit("")
    secrets = connection.authentication if connection is not None and not given["host"] else {}
    options = connection.options if connection is not None and not given["host"] else {}
    if url.scheme not in ("", "sftp"):
        raise invalid(f"Expected the connection to have an sftp URL, but found {url.scheme}")
    host = given["host"] or url.hostname
    if not host:
        raise invalid("Expected the input `host`, or a connection with a URL, but found neither")
    port = given["port"] or url.port or 22
    if not 1 <= port <= 65535:
        raise invalid(f"Expected `port` to be between 1 and 65535, but found {port}")
    if connection is not None and connection.allowed_hosts and host not in connection.allowed_hosts:
        raise invalid(f"Expected `host` to be one that the connection {connection.name} allows, but found {host:.60}")
    found = Access(
        host=host,
        port=port,
        username=given["username"] or str(secrets.get("username") or unquote(url.username or "")),
        password=given["password"] or str(secrets.get("password") or unquote(url.password or "")),
        key=given["privateKey"] or str(secrets.get("privateKey") or ""),
        passphrase=given["passphrase"] or str(secrets.get("passphrase") or ""),
        host_key=given["hostKey"] or str(options.get("hostKey") or ""),
    )
    if not found.host_key.strip():
        raise invalid("Expected the input `hostKey`, by which the server is known, but found none")
    if not found.username:
        raise invalid("Expected the input `username`, but found none")
    if bool(found.password) == bool(found.key):
        raise invalid("Expected one of `password` and `privateKey`, but found both or neither")
    return found
