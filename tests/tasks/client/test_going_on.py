"""The worker client goes on with an instance: against a server that says what a test wants it to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tasks import worker_client
from tasks.worker_client import Job, WorkerClient
from tests.tasks.fleet import eventually

Answer = tuple[int, Any]


class Server(ThreadingHTTPServer):
    """Hands out job 1 to the first who asks for jobs; what it says to outcomes is given."""

    daemon_threads = True
    client: WorkerClient
    """Who asks; there once it runs."""

    def __init__(self, outcome: Callable[[int, str, dict[str, Any]], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.outcome = outcome
        self.begun = False
        self.over = threading.Event()
        self.told: list[tuple[int, str, dict[str, Any]]] = []
        self.connections = 0
        self.headers: list[str] = []

    def answer(self, path: str, body: dict[str, Any]) -> Answer:
        if path.endswith("/claim"):
            if not self.begun:
                self.begun = True
                return 200, {"jobs": [job(1)]}
            self.over.wait(0.2)
            return 200, {"jobs": []}
        _, number, verb = path.rsplit("/", 2)
        self.told.append((int(number), verb, body))
        return self.outcome(int(number), verb, body)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.headers.append(self.headers["Authorization"])
        status, answer = self.server.answer(self.path, body)
        text = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments: Any) -> None:
        pass


def job(number: int) -> dict[str, Any]:
    return {
        "id": number, "type": "t", "process_id": "p", "instance_id": 1, "element_id": "e", "business_key": "",
        "variables": {}, "headers": {}, "attempt": 1, "retries": 3, "idempotency_key": str(number),
    }  # fmt: skip


@contextmanager
def serving(outcome: Callable[[int, str, dict[str, Any]], Answer], function: Callable[[Job], Any]) -> Iterator[Server]:
    """A server, and a client with one thread for jobs that runs until the end of the block."""
    server = Server(outcome)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    client = WorkerClient(f"http://127.0.0.1:{server.server_port}", "token", name="w", poll=1)
    client.worker("t", lease=30, fields=["a"])(function)
    server.client = client
    running = threading.Thread(target=client.run)
    running.start()
    try:
        yield server
    finally:
        client.stop()
        running.join(60)
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(60)
    assert not running.is_alive()
    assert not client._held


def endless(number: int, verb: str, body: dict[str, Any]) -> Answer:
    """There is always a next job, if one is asked for."""
    return (200, {"jobs": [job(number + 1)]}) if "next" in body else (204, None)


def test_the_next_job_comes_with_the_answer_for_a_bounded_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client, "SLICE_SECONDS", 3600.0)
    done: list[int] = []
    with serving(endless, lambda job: done.append(job.id)) as server:
        eventually(lambda: len(server.told) == worker_client.SLICE_JOBS)
    assert done == list(range(1, worker_client.SLICE_JOBS + 1))
    asked = [body.get("next") for _, _, body in server.told]
    assert asked[0] == {"types": ["t"], "worker": "w", "lease_seconds": 30, "fields": ["a"]}
    assert [bool(next) for next in asked] == [True] * (worker_client.SLICE_JOBS - 1) + [False]
    assert server.connections == 2, "one is kept by the thread that asks, one by the thread that works"


def test_a_slice_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client, "SLICE_SECONDS", 0.0)
    with serving(endless, lambda job: None) as server:
        eventually(lambda: server.told)
    assert server.told == [(1, "complete", {"attempt": 1, "variables": {}})]


def test_nothing_follows_a_failure() -> None:
    with serving(endless, lambda job: 1 / 0) as server:
        eventually(lambda: server.told)
    ((_, verb, body),) = server.told
    assert verb == "fail"
    assert "next" not in body


def test_an_older_server_does_not_know_how() -> None:
    def outcome(number: int, verb: str, body: dict[str, Any]) -> Answer:
        if "next" in body:
            return 400, {"code": "invalid", "errors": [{"field": "next", "code": "unknown-field"}]}
        return 204, None

    with serving(outcome, lambda job: None) as server:
        eventually(lambda: len(server.told) == 2)
        server.begun = False
        eventually(lambda: len(server.told) == 3)
    assert [verb for _, verb, _ in server.told] == ["complete"] * 3
    assert ["next" in body for _, _, body in server.told] == [True, False, False], "it is not asked again"


def test_a_next_job_that_comes_too_late_is_given_back() -> None:
    """The client was told to stop while the answer was on its way."""

    def outcome(number: int, verb: str, body: dict[str, Any]) -> Answer:
        if verb == "complete":
            server.client.stop()
        return endless(number, verb, body)

    done: list[int] = []
    with serving(outcome, lambda job: done.append(job.id)) as server:
        eventually(lambda: len(server.told) == 2)
    assert done == [1]
    number, verb, body = server.told[1]
    assert (number, verb, body["retries"], body["retry_in_seconds"]) == (2, "fail", 3, 0)


def test_the_environment_does_not_replace_the_token(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(endless, lambda job: None) as server:
        eventually(lambda: server.told)
    assert set(server.headers) == {"Token token"}


def test_proxies_and_certificates_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/somewhere/ca.pem")
    with WorkerClient("https://orchestrator.example", "token")._open() as session:
        assert session.proxies["https"] == "http://proxy.example:3128"
        assert session.verify == "/somewhere/ca.pem"
    with WorkerClient("https://orchestrator.example", "token", verify=False)._open() as session:
        assert session.verify is False
