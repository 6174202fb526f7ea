"""Processes that the benchmark starts, pauses and ends: each with its whole session, and nobody else's."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 15.0
"""How long a process may take to end by itself."""


class Child:
    """A process in a session of its own, so that what it forks is found again. Its output goes to `log`."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path, *, talks: bool = False) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                arguments,
                env=env,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
                start_new_session=True,
            )
        self._buffer = b""

    def ask(self, command: dict[str, Any], patience: float) -> dict[str, Any]:
        """One command, one answer. Raises RuntimeError with the problem, or with the end of the log."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"Expected a driver to listen but it ended: {self.tail()}") from None
        answer: dict[str, Any] = json.loads(self.line(patience))
        if "problem" in answer:
            raise RuntimeError(answer["problem"])
        return answer

    def line(self, patience: float) -> bytes:
        """The next line that the process says."""
        assert self._process.stdout is not None
        until = time.monotonic() + patience
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                what = "it ended" if ready else f"it said nothing for {patience:.0f} s"
                raise RuntimeError(f"Expected a process to answer but {what}: {self.tail()}")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def tail(self) -> str:
        """The end of what it logged."""
        return self.log.read_text(errors="replace")[-2000:].strip() or "nothing was logged"

    def alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """To the process and all that it has forked."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def cpu(self) -> float:
        """Seconds of processor time that the processes of the session have used so far."""
        return sum(int(fields[11]) + int(fields[12]) for _, fields in self._session()) / TICKS

    def memory(self) -> int:
        """Kilobytes that the processes of the session have held at most so far, each at its peak."""
        held = 0
        for entry, _ in self._session():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                text = (entry / "status").read_text()
                held += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")), 0)
        return held

    def _session(self) -> Iterator[tuple[Path, list[str]]]:
        """The folders of its processes in /proc, and their states from the state letter on."""
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                # The name in parentheses may hold blanks; state, parent, group and session follow.
                fields = entry.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == self._process.pid:
                yield entry.parent, fields

    def ask_to_end(self) -> None:
        """Drivers end with their standard input, workers on SIGTERM to the first process; a pool ends its own."""
        self.signal(signal.SIGCONT)
        if self._process.stdin is not None:
            self._process.stdin.close()
        elif self.alive():
            self._process.terminate()

    def end(self) -> None:
        """Ask it to end, wait, and insist."""
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_SECONDS)
        self.signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def python(*arguments: str) -> list[str]:
    """A command line for this very interpreter."""
    return [sys.executable, *arguments]
