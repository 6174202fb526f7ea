"""A post office: an SMTP server in a process of its own."""

from __future__ import annotations

import email
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors.base import Connection


@dataclass
class Post:
    folder: Path
    ports: dict[str, int]

    @property
    def connection(self) -> Connection:
        """Trusts the server's certificate."""
        return Connection(
            name="post",
            url=f"smtp://localhost:{self.ports['plain']}",
            authentication={"username": "ada", "password": "correct horse"},
            tls={"ca": (self.folder / "ca.pem").read_text()},
        )

    def taken(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json"))]

    def last(self) -> tuple[dict[str, Any], EmailMessage]:
        note = self.taken()[-1]
        message = email.message_from_string(note["body"], policy=default)
        assert isinstance(message, EmailMessage)
        return note, message


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("post")
    program = [sys.executable, str(Path(__file__).with_name("server.py")), str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Post(folder, json.loads(process.stdout.readline()))
        finally:
            process.kill()
