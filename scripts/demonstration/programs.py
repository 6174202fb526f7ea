"""The processes of the demonstration: started with a log each, watched, and ended by their ids, whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 15.0
LOG_LINES = 25


class Trouble(Exception):
    """The demonstration cannot go on. The text says why; `log` is where to look."""

    def __init__(self, text: str, log: Path | None = None) -> None:
        super().__init__(text)
        self.log = log


@dataclass(slots=True)
class Program:
    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    expendable: bool = False
    """Started again when it dies."""
    deaths: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C on the terminal reaches us alone, and we end everybody in order.
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Programs:
    """Everything that runs, as a context: leaving it ends everybody, the last one first."""

    folder: Path
    environment: dict[str, str]
    running: list[Program] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.running):
            program.stop()

    def run(self, name: str, *arguments: str, **extra: str) -> str:
        """Run `manage.py` to its end and give back what it said. Raises `Trouble` if it fails."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment, **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        log = self.folder / f"{name}.log"
        log.write_text(done.stdout + done.stderr)
        if done.returncode:
            raise Trouble(f"manage.py {arguments[0]} ended with {done.returncode}", log)
        return done.stdout

    def start(
        self, name: str, *arguments: str, expendable: bool = False, environment: Mapping[str, str] | None = None
    ) -> Program:
        """Start a program of ours that stays, given as arguments of Python; `environment` comes on top of ours."""
        command = [sys.executable, *arguments]
        around = {**self.environment, **(environment or {})}
        program = Program(name, command, self.folder / f"{name}.log", around, expendable)
        self.running.append(program)
        program.start()
        return program

    def look_after(self) -> list[str]:
        """Start those again that may die, and give their names. Raises `Trouble` if another one died."""
        revived = []
        for program in self.running:
            if program.process is None or program.process.poll() is None:
                continue
            if not program.expendable:
                raise Trouble(f"The {program.name} ended with {program.process.returncode}", program.log)
            program.deaths += 1
            program.start()
            revived.append(program.name)
        return revived

    def wait_for_port(self, program: Program, port: int, seconds: float = 60.0) -> None:
        """Until somebody listens there. Raises `Trouble` if the program dies or time is up."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look_after()
            if is_listening(port):
                return
            time.sleep(0.1)
        raise Trouble(f"The {program.name} did not listen on port {port} within {seconds:.0f} seconds", program.log)


def is_listening(port: int) -> bool:
    """Whether somebody answers there on the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def embedded_environment(folder: Path, secret: str) -> dict[str, str]:
    """Our own environment with the embedded default on a database in `folder`, whatever else is set up here."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "CELERY_"))}
    for name in ("AMQP_URL", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DJANGO_SETTINGS_MODULE"):
        ours.pop(name, None)
    return {
        **ours,
        "DATABASE_URL": f"sqlite:///{folder / 'orchestrator.sqlite3'}",
        "SECRET_KEY": secret,
        "PYTHONUNBUFFERED": "1",
        # Commands are processes of their own, whose announcements the in-memory broker does not carry: the server
        # finds what they leave behind with its sweeps.
    }


def tail(log: Path) -> str:
    """The last lines of a log."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
