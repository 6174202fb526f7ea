"""A store: an S3-compatible server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tasks.connectors import kit
from tasks.connectors.base import JobError
from tasks.connectors.s3 import S3Connector

S3 = S3Connector()
SECRET = "correct horse"


@dataclass
class Store:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def raw(self) -> Any:
        """Another client of it."""
        keys = {"aws_access_key_id": "ada", "aws_secret_access_key": SECRET}
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)

    def inputs(self, operation: str, **more: Any) -> dict[str, Any]:
        keys = {"accessKey": "ada", "secretKey": SECRET}
        return {"operation": operation, "endpoint": self.url, "bucket": "shop", **keys, **more}

    def ask(self, operation: str, **more: Any) -> Any:
        fields = {name: more.pop(name) for name in ("lease", "documents", "connection") if name in more}
        return S3.run(kit.job(S3, self.inputs(operation, **more), **fields))

    def failure(self, operation: str, **more: Any) -> JobError:
        with pytest.raises(JobError) as caught:
            self.ask(operation, **more)
        kit.storable([caught.value.details, caught.value.journal], "what it tells")
        assert SECRET not in repr(caught.value) + repr(caught.value.journal)
        return caught.value


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    program = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("server.py"))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(program, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            yield Store(int(process.stdout.readline()))
        finally:
            process.kill()
