"""Worker processes, the broker between us and them, and a desk that their connectors talk to."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from django.db import connection

from orchestrator.celery import Orchestrator
from tasks.dispatch import CeleryDispatcher

ROOT = Path(__file__).resolve().parents[2]
BROKER = os.environ.get("AMQP_URL") or "amqp://guest:guest@127.0.0.1:5672//"
PREFIX = f"test-{uuid.uuid4().hex[:8]}."
"""Of all queues of this test run: others may use the same broker."""


def make_app() -> Orchestrator:
    """An application like the workers' own, for this process. Settings are read when it is first used."""
    app = Orchestrator("tests", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    return app


class FleetDispatcher(CeleryDispatcher):
    """Announces over the broker of the fleet."""

    made: ClassVar[list[FleetDispatcher]] = []

    def __init__(self) -> None:
        super().__init__(make_app())
        self.made.append(self)


def database_url() -> str:
    """Of the test database, for other processes."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    user = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
    port = f":{given['PORT']}" if given["PORT"] else ""
    return f"postgres://{user}@{given['HOST']}{port}/{given['NAME']}"


def free_port() -> int:
    """A port for a server that is still to be started. From below those that the system gives to outgoing connections,
    for one of them may well be given away until the server is there."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("Expected one of a hundred ports to be free, but found none")


def eventually(true: Callable[[], Any], *, within: float = 60, what: str = "the condition to hold") -> Any:
    """Wait for something, and return it. Says what was waited for when it does not come. How long is up to the machine,
    and costs nothing when all is well."""
    end = time.monotonic() + within
    while True:
        found = true()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"Expected {what} within {within} s, but found {found!r}")
        time.sleep(0.05)


class Process:
    """A process of ours in a session of its own, so that what it forks ends with it."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, *, within: float = 60) -> None:
        """Wait until it says so."""

        def said() -> bool:
            if self._popen.poll() is not None:
                raise AssertionError(f"Expected {self.log.name} to run, but it ended:\n{self.output()[-3000:]}")
            return text in self.output()

        eventually(said, within=within, what=f"{self.log.name} to say {text!r}")

    def terminate(self) -> None:
        """As a supervisor would, with SIGTERM to the main process."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Without warning, with all that it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(60)

    def ended(self, *, within: float = 60) -> int:
        """Its exit code, once it ended by itself."""
        return self._popen.wait(within)


class Fleet:
    """Starts workers for a test, on its database and broker."""

    def __init__(self, folder: Path, desk: Desk, **environment: str) -> None:
        self._folder = folder
        self._processes: list[Process] = []
        self.environment = {
            "DATABASE_URL": database_url(),
            "AMQP_URL": BROKER,
            "SECRET_KEY": "for-tests-only-" + "0" * 40,
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "ORCHESTRATOR_CONNECTORS": "tests.tasks.shop",
            "ORCHESTRATOR_QUEUE_PREFIX": PREFIX,
            "ORCHESTRATOR_PRIVATE_ADDRESSES": "allow",  # the services of the tests are on this machine
            "ORCHESTRATOR_SWEEP_SECONDS": "0.2",
            "ORCHESTRATOR_HINT_SECONDS": "3",
            "DESK": desk.url,
            "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            **environment,
        }

    def workers(self, number: int, **options: Any) -> list[Process]:
        """Start several alike, and wait until all are ready."""
        begun = [self.begin(**options) for _ in range(number)]
        for process in begun:
            process.wait_for("ready.")
        return begun

    def worker(self, *arguments: str, **options: Any) -> Process:
        """Start a worker, and wait until it is ready."""
        process = self.begin(*arguments, **options)
        process.wait_for("ready.")
        return process

    def begin(self, *arguments: str, pool: str = "threads", concurrency: int = 2, **environment: str) -> Process:
        """Start a worker."""
        number = len(self._processes) + 1
        options = ["-P", pool, "-c", str(concurrency), "-l", "info", f"-nworker{number}@%h", *arguments]
        return self.process(["-m", "celery", "-A", "orchestrator", "worker", *options], **environment)

    def process(self, arguments: list[str], **environment: str) -> Process:
        """Start any other program on the same database and broker."""
        log = self._folder / f"process-{len(self._processes) + 1}.log"
        process = Process(arguments, {**self.environment, **environment}, log)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in self._processes:
            process.kill()

    def output(self) -> str:
        """Of all processes, for whoever reads a failed test."""
        return "\n".join(f"--- {process.log.name}\n{process.output()[-6000:]}" for process in self._processes)


class Desk:
    """An HTTP server that notes what it is told, and answers at once, or once the test releases it."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self._open = threading.Event()
        self._open.set()
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                desk.heard.append(told)
                if told["what"] == "call":
                    desk._open.wait(60)
                body = json.dumps({"answer": told.get("element", "")}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked was killed meanwhile

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Let callers wait for their answer until the block ends."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def calls(self, what: str = "call") -> list[dict[str, Any]]:
        return [told for told in self.heard if told["what"] == what]

    def close(self) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
