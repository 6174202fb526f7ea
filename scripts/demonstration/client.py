"""The REST API as its user sees it: a session, a token, and the few calls of the story. Numbers stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

from scripts.demonstration.programs import Trouble

TIMEOUT_SECONDS = 30.0
ATTEMPT_ENDS = {"CompleteJob", "FailJob", "ThrowError"}
"""Commands in the history that end an attempt of a job."""


@dataclass(frozen=True, slots=True)
class Story:
    """What became of an instance: the elements that it visited in order, and how often its jobs were tried."""

    path: tuple[str, ...]
    attempts: int
    failures: int
    total: Decimal | None


class Client:
    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def log_in(self, user: str, password: str) -> str:
        """Obtain a token, and use it from now on."""
        made = self._call("POST", "tokens", json={}, auth=(user, password))
        self._session.headers["Authorization"] = f"Token {made['token']}"
        return str(made["token"])

    def deploy(self, model: Path) -> dict[str, Any]:
        with model.open("rb") as file:
            return dict(self._call("POST", "process-definitions", files={"file": (model.name, file)}))

    def start(self, process_id: str, business_key: str, variables: dict[str, Any]) -> int:
        """Start an instance. The same business key again gives the same instance."""
        body = {"process_id": process_id, "business_key": business_key, "variables": variables}
        started = self._call("POST", "process-instances", json=body, headers={"Idempotency-Key": business_key})
        return int(started["id"])

    def instances(self, process_id: str) -> list[dict[str, Any]]:
        """All instances of a process, newest first, page by page."""
        return self._all("process-instances", process_id=process_id)

    def incidents(self, process_id: str) -> list[dict[str, Any]]:
        """The open incidents, oldest first."""
        return self._all("incidents", process_id=process_id)[::-1]

    def set_variables(self, instance: int, variables: dict[str, Any]) -> None:
        self._call("PATCH", f"process-instances/{instance}/variables", json={"variables": variables})

    def variables(self, instance: int) -> dict[str, Any]:
        return dict(self._call("GET", f"process-instances/{instance}/variables")["variables"])

    def connect(self, name: str, **fields: Any) -> None:
        """Make a connection, by which tasks call a service."""
        self._call("POST", "connections", json={"name": name, **fields})

    def keep_secret(self, name: str, value: str) -> None:
        self._call("PUT", f"secrets/{name}", json={"value": value})

    def story(self, instance: int) -> Story:
        """Everything that an instance went through."""
        here = f"process-instances/{instance}"
        ends = [step["command"] for step in self._all(f"{here}/history") if step["command"] in ATTEMPT_ENDS]
        price = self.variables(instance).get("price") or {}
        total = price.get("total")
        return Story(
            path=tuple(visit["element_id"] for visit in self._all(f"{here}/nodes")),
            attempts=len(ends),
            failures=ends.count("FailJob"),
            total=Decimal(total) if total is not None else None,
        )

    def _all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        page = self._call("GET", path, params={**query, "page_size": 500})
        while True:
            rows += page["results"]
            if not page["next"]:
                return rows
            page = self._call("GET", page["next"])

    def _call(self, method: str, path: str, **options: Any) -> Any:
        url = path if path.startswith("http") else f"{self.url}/api/v1/{path}"
        answer = self._session.request(method, url, timeout=TIMEOUT_SECONDS, **options)
        if not answer.ok:
            raise Trouble(f"{method} {url} was answered with {answer.status_code}: {answer.text[:1000]}")
        return answer.json(parse_float=Decimal, parse_int=int) if answer.content else None


def seconds_between(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
