"""Files that go and come, servers that are not who they say, and servers that take for ever."""

from __future__ import annotations

import base64
import socket
import time

import pytest

from tasks.connectors import kit, outbound
from tasks.connectors.base import Connection, JobError
from tests.tasks.connectors.sftp.conftest import SFTP, Depot

pytest.importorskip("paramiko", reason="paramiko, an extra, is not installed")


def test_documents_there_and_back(depot: Depot) -> None:
    shelf = kit.Shelf()
    scan = bytes(range(256)) * 500
    put = depot.ask("put", "/in/scan.png", document=shelf.store(scan, "image/png", "x.png"), documents=shelf)
    assert put == {"path": "/in/scan.png", "size": len(scan)}
    assert (depot.folder / "in" / "scan.png").read_bytes() == scan
    got = depot.ask("get", "/in/scan.png", encoding="document", documents=shelf)
    assert "content" not in got
    assert got["document"]["metadata"]["contentType"] == "image/png"
    assert shelf.fetch(got["document"]).content == scan
    error = depot.failure("get", "/in/scan.png", encoding="document", documents=kit.Shelf(limit=10))
    assert (error.code, error.retryable) == ("DOCUMENT_TOO_LARGE", False)
    (depot.folder / "in" / "scan.png").unlink()


def test_there_and_back(depot: Depot) -> None:
    text = "Grüße\n" * 20_000
    assert depot.ask("put", "/in/a.txt", content=text) == {"path": "/in/a.txt", "size": len(text.encode())}
    assert depot.ask("get", "/in/a.txt")["content"] == text
    data = base64.b64encode(bytes(range(256)) * 100).decode()
    depot.ask("put", "/in/b.bin", content=data, encoding="base64")
    assert depot.ask("get", "/in/b.bin", encoding="base64")["content"] == data
    assert depot.failure("get", "/in/b.bin").code == "INVALID_CONTENT"
    listed = depot.ask("list", "/in")["files"]
    assert [(file["name"], file["directory"]) for file in listed if file["name"] != "kit.txt"] == [
        ("a.txt", False),
        ("b.bin", False),
    ], "nothing half done is left"
    assert depot.ask("list", "/")["files"][0]["directory"] is True

    assert depot.ask("rename", "/in/a.txt", newPath="/in/c.txt") == {"path": "/in/c.txt"}
    assert depot.failure("rename", "/in/b.bin", newPath="/in/c.txt", overwrite=False).code == "FILE_EXISTS"
    depot.ask("rename", "/in/b.bin", newPath="/in/c.txt")
    assert depot.ask("delete", "/in/c.txt") == {"path": "/in/c.txt", "deleted": True}
    assert depot.ask("delete", "/in/c.txt") == {"path": "/in/c.txt", "deleted": False}


def test_replacing(depot: Depot) -> None:
    depot.ask("put", "/in/old-server", content="one")
    depot.ask("put", "/in/old-server", content="two")
    assert depot.ask("get", "/in/old-server")["content"] == "two", "also without OpenSSH's rename"
    assert depot.failure("put", "/in/old-server", content="three", overwrite=False).code == "FILE_EXISTS"
    assert sorted(path.name for path in (depot.folder / "in").iterdir() if path.name.endswith(".part")) == []
    depot.ask("delete", "/in/old-server")


def test_what_the_server_says_of_files(depot: Depot) -> None:
    for path, code, retryable in (
        ("/none", "NO_SUCH_FILE", False),
        ("/forbidden", "PERMISSION_DENIED", False),
        ("/broken", "FAILURE", True),
    ):
        error = depot.failure("get", path)
        assert (error.code, error.retryable) == (code, retryable)
    (depot.folder / "big").write_text("x" * 5000)
    (depot.folder / "endless").write_text("x")
    assert depot.failure("get", "/big", maxBytes=4999).code == "FILE_TOO_LARGE"
    assert depot.failure("get", "/endless", maxBytes=4999).code == "FILE_TOO_LARGE", "whatever size it states"


def test_who_is_who(depot: Depot) -> None:
    assert depot.ask("list", "/", hostKey=depot.told["fingerprint"])["files"]
    assert depot.ask("list", "/", password="", privateKey=depot.told["user_key"])["files"]
    assert depot.ask("list", "/", hostKey=f"[127.0.0.1]:22 {depot.told['key']} comment")["files"]
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    error = depot.failure("list", "/", hostKey=other)
    assert (error.code, error.retryable) == ("HOST_KEY_MISMATCH", False)
    assert depot.told["fingerprint"] in error.message, "an operator may compare"
    error = depot.failure("list", "/", password="battery staple")
    assert (error.code, error.retryable) == ("AUTHENTICATION_FAILED", False)


def test_a_connection(depot: Depot) -> None:
    connection = Connection(
        name="depot",
        url=f"sftp://ada@127.0.0.1:{depot.told['port']}",
        authentication={"password": "correct horse"},
        options={"hostKey": depot.told["key"]},
    )
    job = kit.job(SFTP, {"operation": "list", "path": "/"}, connection=connection)
    assert SFTP.run(job)["path"] == "/"
    # Its password is for its own host only.
    elsewhere = {"operation": "list", "path": "/", "host": "127.0.0.2", "username": "ada", "hostKey": "SHA256:x"}
    with pytest.raises(JobError, match="one of `password`"):
        SFTP.run(kit.job(SFTP, elsewhere, connection=connection))


def test_the_network(depot: Depot) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        error = depot.failure("list", "/", port=nobody.getsockname()[1])
    assert (error.code, error.retryable) == ("CONNECTION_FAILED", True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        error = depot.failure("list", "/", port=silent.getsockname()[1], deadlineInSeconds=1)
        assert (error.code, error.retryable) == ("TIMEOUT", True)
        assert time.monotonic() - began < 15, "the lease is longer"


def test_where_it_may_not_go(depot: Depot) -> None:
    with outbound.guarding(outbound.Policy(allow_private=False)):
        error = depot.failure("list", "/")
    assert (error.code, error.retryable) == ("ADDRESS_REFUSED", False)
