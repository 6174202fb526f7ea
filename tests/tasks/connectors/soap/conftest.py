"""The service in its own process, and calls of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import pytest

from tasks.connectors.base import JobError, Response
from tasks.connectors.soap import SoapConnector
from tasks.connectors.soap_wsdl import Descriptions
from tests.tasks.connectors.conftest import as_json, make_job

KEY = "0b9b0a34-7c2c-5a7e-9df1-0f4a6cf2b8ad"


@dataclass(frozen=True)
class Service:
    url: str
    connector: SoapConnector

    def inputs(self, operation: str, **variables: Any) -> dict[str, Any]:
        """The inputs of a call; `shop` names another path of the service, `at` where the call goes."""
        path = variables.pop("shop", "shop11")
        if (at := variables.pop("at", None)) is not None:
            variables["endpoint"] = f"{self.url}/{at}"
        return {"wsdl": f"{self.url}/{path}?wsdl", "operation": operation, **variables}

    def call(self, operation: str, **variables: Any) -> Response:
        return self.run(self.inputs(operation, **variables))

    def run(self, variables: Mapping[str, Any], **fields: Any) -> Response:
        given = {"type": "soap", "idempotency_key": KEY, "variables": variables}
        response = self.connector.run(make_job(**given | fields))
        as_json(dict(response))
        as_json(response.journal)
        assert response.silent
        return response

    def failure(self, operation: str, **variables: Any) -> JobError:
        return self.refused(self.inputs(operation, **variables))

    def refused(self, variables: Mapping[str, Any], **fields: Any) -> JobError:
        with pytest.raises(JobError) as caught:
            self.run(variables, **fields)
        as_json(caught.value.details)
        as_json(caught.value.journal)
        return caught.value

    def told(self, what: str = "log") -> list[dict[str, Any]]:
        """What was asked since the last time; `what` may also change the service."""
        with urlopen(f"{self.url}/{what}") as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found


@pytest.fixture(scope="session")
def _service() -> Iterator[str]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.tasks.connectors.soap.server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the service did not start"
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture(scope="session")
def _connector() -> SoapConnector:
    return SoapConnector()


@pytest.fixture
def service(_service: str, _connector: SoapConnector) -> Service:
    found = Service(_service, _connector)
    found.told("forget")
    return found


@pytest.fixture
def impatient(_service: str) -> Service:
    """A connector that looks at descriptions whenever it is asked to."""
    found = Service(_service, SoapConnector(descriptions=Descriptions(kept=0.0, fresh=0.0)))
    found.told("forget")
    return found
