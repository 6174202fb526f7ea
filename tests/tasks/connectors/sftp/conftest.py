"""A depot: an SFTP server in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors import kit
from tasks.connectors.base import JobError
from tasks.connectors.sftp import SftpConnector

SFTP = SftpConnector()


@dataclass
class Depot:
    folder: Path
    told: dict[str, Any]

    def access(self, **more: Any) -> dict[str, Any]:
        given = {"host": "127.0.0.1", "port": self.told["port"], "username": "ada", "password": "correct horse"}
        return {**given, "hostKey": self.told["key"], **more}

    def ask(self, operation: str, path: str, **more: Any) -> Any:
        lease, shelf = more.pop("lease", 30.0), more.pop("documents", None) or kit.Shelf()
        inputs = self.access(operation=operation, path=path, **more)
        return SFTP.run(kit.job(SFTP, inputs, lease=lease, documents=shelf))

    def failure(self, *arguments: Any, **more: Any) -> JobError:
        with pytest.raises(JobError) as caught:
            self.ask(*arguments, **more)
        kit.storable(caught.value.journal, "the journal")
        assert "correct horse" not in repr(caught.value) + repr(caught.value.journal)
        return caught.value


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    folder = tmp_path_factory.mktemp("depot")
    (folder / "in").mkdir()
    program = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("server.py")), str(folder)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield Depot(folder, json.loads(process.stdout.readline()))
        finally:
            process.kill()
