"""A REST service as they are in the wild: tokens that expire, resources in pages, work that takes its time, uploads."""

from __future__ import annotations

import base64
import json
import threading
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.tasks.connectors.server import Handler, Server

ITEMS = [{"id": number, "price": number / 10} for number in range(23)]
CLIENT, SECRET = "shop", "s3cret/with+signs"


class Service(Server):
    """`grants` counts the tokens that were fetched, `valid` are those that the resources accept."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = ServiceHandler
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.seen.clear()
        self.grants = 0
        self.lifetime: int | None = 3600
        self.held: threading.Event | None = None
        """Until it is set, no token is given."""
        self.valid: set[str] = set()
        self.refresh = "refresh-0"
        self.broken_pages: dict[str, int] = {}
        self.works: dict[str, int] = {}
        self.looks_needed = 2
        self.elsewhere = ""
        self.page_of = 5

    def count(self, prefix: str) -> int:
        return sum(seen["path"].startswith(prefix) for seen in self.seen)

    def paths(self, prefix: str) -> list[str]:
        return [seen["path"] for seen in self.seen if seen["path"].startswith(prefix)]


class ServiceHandler(Handler):
    server: Service

    def say(self, value: Any, status: int = 200, **headers: str) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json", **headers)

    # -- OAuth 2 -----------------------------------------------------------------------------------------------

    def path_token(self) -> None:
        server = self.server
        form = {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
        client, secret = form.get("client_id"), form.get("client_secret")
        basic = self.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            pair = base64.b64decode(basic[6:]).decode()
            client, secret = (parse_qs(f"x={part}")["x"][0] for part in pair.split(":"))
        if server.held:
            server.held.wait(60)
            if self.has_hung_up():
                return
        if server.broken_pages.get("token", 0) > 0:
            server.broken_pages["token"] -= 1
            self.say({"error": "temporarily_unavailable"}, 503, Retry_After="7")
            return
        if (client, secret) != (CLIENT, SECRET):
            self.say({"error": "invalid_client", "error_description": f"no client has the secret {secret}"}, 401)
            return
        answer: dict[str, Any] = {"token_type": "bearer"}
        with server.lock:
            server.grants += 1
            if form["grant_type"] == "refresh_token":
                if form.get("refresh_token") != server.refresh:
                    self.say({"error": "invalid_grant"}, 400)
                    return
                server.refresh = answer["refresh_token"] = f"refresh-{server.grants}"
            token = f"token-{server.grants}-{form.get('scope', '')}".replace(" ", "_")
            server.valid.add(token)
        if server.lifetime is not None:
            answer["expires_in"] = server.lifetime
        self.say({**answer, "access_token": token})

    def path_odd_token(self) -> None:
        self.say(json.loads(base64.b64decode(self.query["body"])))

    def path_guarded(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.server.valid:
            self.say({"error": f"the token {token} is not valid"}, 401)
            return
        self.say({"welcome": True})

    # -- pages -------------------------------------------------------------------------------------------------

    def _slice(self, start: int) -> list[Any]:
        return ITEMS[start : start + self.server.page_of]

    def _breaks(self) -> bool:
        broken = self.server.broken_pages
        if broken.get(self.path, 0) > 0:
            broken[self.path] -= 1
            self.say({"error": "busy"}, 503)
            return True
        return False

    def path_linked(self) -> None:
        if self._breaks():
            return
        start = int(self.query.get("start", "0"))
        following = start + self.server.page_of
        base = self.server.elsewhere or ""
        links = f'<{base}/linked?start=0>; rel="first"'
        if following < len(ITEMS):
            key = f"&key={self.query['key']}" if "key" in self.query else ""
            links += f', <{base}/linked?start={following}{key}>; title="a, b"; rel="next"'
        self.say(self._slice(start), Link=links)

    def path_cursor(self) -> None:
        if self._breaks():
            return
        cursor = json.loads(self.body)["after"] if self.command == "POST" and b"after" in self.body else None
        cursor = cursor or self.query.get("after", "c0")
        start = int(cursor[1:])
        following = start + self.server.page_of
        more = f"c{following}" if following < len(ITEMS) else None
        self.say({"data": self._slice(start), "meta": {"next": more}})

    def path_rounds(self) -> None:
        """Its cursors go round in a circle."""
        following = {"a": "b", "b": "c", "c": "b"}[self.query.get("after", "a")]
        self.say({"data": [1], "meta": {"next": following}})

    def path_offset(self) -> None:
        if self._breaks():
            return
        self.say({"rows": self._slice(int(self.query.get("offset", "0"))), "total": len(ITEMS)})

    def path_page(self) -> None:
        page = int(self.query.get("page", "1"))
        start = (page - 1) * self.server.page_of
        self.say({"rows": self._slice(start), "last": start + self.server.page_of >= len(ITEMS)})

    def path_deaf(self) -> None:
        """Ignores which page is asked for."""
        self.say({"rows": ITEMS[:5]})

    def path_next_says(self) -> None:
        self.say({"items": [1], "next": self.query["next"]})

    # -- work that takes its time ------------------------------------------------------------------------------

    def path_work(self) -> None:
        self.server.works["1"] = 0
        self.say({"status": "queued"}, 202, Location=self.server.elsewhere + "/works/1")

    def path_works(self) -> None:
        if self._breaks():
            return
        name = urlsplit(self.path).path.rpartition("/")[2]
        if name not in self.server.works:
            self.say({"status": "unknown"}, 404)
            return
        self.server.works[name] += 1
        done = self.server.works[name] >= self.server.looks_needed
        headers = {"Retry_After": "9"} if name == "slow" else {}
        failed = "failed" if name == "bad" else "done"
        self.say({"status": failed if done else "running", "result": 42 if done else None}, **headers)

    # -- uploads -----------------------------------------------------------------------------------------------

    def path_upload(self) -> None:
        """Tells the parts as the standard library's parser sees them."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = message_from_bytes(head + self.body)
        self.say(
            [
                {
                    "name": part.get_param("name", header="content-disposition"),
                    "file": part.get_filename(),
                    "type": part.get("Content-Type"),
                    "content": base64.b64encode(part.get_payload(decode=True)).decode(),
                }
                for part in message.get_payload()
            ]
        )

    def path_target(self) -> None:
        self.say({"target": self.path, "query": urlsplit(self.path).query})
