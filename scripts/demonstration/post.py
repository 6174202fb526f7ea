"""How the people around the shop answer: they publish messages through the REST API of the orchestrator."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import requests

PATIENCE_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0


class Post:
    """Publishes messages now or later. A message has an id of its own, so to send it again does no harm."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/api/v1/messages"
        self._headers = {"Authorization": f"Token {token}"}

    @classmethod
    def from_environment(cls) -> Post:
        """With ORCHESTRATOR_URL and ORCHESTRATOR_TOKEN."""
        return cls(os.environ["ORCHESTRATOR_URL"], os.environ["ORCHESTRATOR_TOKEN"])

    def send(self, name: str, correlation_key: str, variables: dict[str, Any], *, after: float = 0.0) -> None:
        """Publish a message. With `after`, in so many seconds and without making the caller wait."""
        message = {
            "name": name,
            "correlation_key": correlation_key,
            "variables": variables,
            "message_id": f"{name} {correlation_key}",
        }
        if after:
            timer = threading.Timer(after, self._publish, [message])
            timer.daemon = True
            timer.start()
        else:
            self._publish(message)

    def _publish(self, message: dict[str, Any]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = requests.post(self._url, json=message, headers=self._headers, timeout=TIMEOUT_SECONDS)
                answer.raise_for_status()
                return
            except requests.RequestException as problem:
                print(f"{message['message_id']} could not be published: {problem}", file=sys.stderr)
                if time.monotonic() > until:
                    return
                time.sleep(0.5)
