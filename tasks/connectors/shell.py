"""The shell connector: runs a program of an allow-list. There is no shell in it.

Off unless the operator names commands (setting `ORCHESTRATOR_SHELL_COMMANDS`: ``report=/opt/bin/report --quiet``): a
model chooses among these names and adds arguments, each of which reaches the program as it is. The program gets an
empty environment save PATH, HOME, LANG and `JOB_KEY` (the idempotency key), an empty working directory of its own, and
no terminal. When its time is up, the whole process group is killed.

| Input | |
|---|---|
| `command` | required, a name of the allow-list |
| `arguments` | a list of text, numbers, booleans |
| `stdin` | text |
| `format` | what standard output is: `text` (default) or `json` |
| `exitCodes` | a list of exit codes that are success; 0 |
| `timeoutInSeconds` | 60; at most the lease |
| `maxOutputBytes` | of each stream, 1,000,000; the program is killed where it writes more |

Response: ``{"exitCode": 0, "stdout": ..., "stderr": "..."}``.

| Code | When | Tried again |
|---|---|---|
| "EXIT_<code>" | another exit code; `details.response` as above | yes |
| "KILLED" | it died of a signal | yes |
| "TIMEOUT" | its time was up | yes |
| "OUTPUT_TOO_LARGE", "INVALID_OUTPUT" | too much, or not JSON | no |
| "NOT_STARTED" | the program is not there, or may not be run | no |
| "INVALID_INPUT" | nothing was run | no |
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.connectors import exact_json
from tasks.connectors.base import Job, JobError, Response
from tasks.connectors.declared import Input, read
from tasks.connectors.inputs import invalid, scalar

MOST_OUTPUT = 16_000_000
EXCERPT = 2_000
MOST_ARGUMENTS = 1_000
CHUNK = 65_536


class ShellConnector:
    """Job type ``shell``. `commands` maps names to argument vectors, program first."""

    type = "shell"
    inputs = (
        Input("command", required=True, help="Name of a command that the operator has allowed."),
        Input("arguments", "list", help="Further arguments, each passed as it is."),
        Input("stdin", help="Text for its standard input."),
        Input("format", choices=("text", "json"), default="text", help="What its standard output is."),
        Input("exitCodes", "list", help="Exit codes that are success; 0 unless given."),
        Input("timeoutInSeconds", "seconds", default=60.0, help="After which it is killed with all its children."),
        Input("maxOutputBytes", "integer", default=1_000_000, help="Of standard output, and of standard error."),
    )

    def __init__(self, commands: Mapping[str, Iterable[str]] | None = None) -> None:
        self._commands = {name: tuple(argv) for name, argv in (commands or {}).items()}

    @classmethod
    def from_lines(cls, commands: Mapping[str, str]) -> ShellConnector:
        """Commands as command lines, which are split as a shell would. Raises ValueError for one that cannot be."""
        found = {name: shlex.split(line) for name, line in commands.items()}
        for name, argv in found.items():
            if not argv or not os.path.isabs(argv[0]):
                raise ValueError(f"Expected the command {name!r} to begin with an absolute path, but found {argv}")
        return cls(found)

    def run(self, job: Job) -> Response:
        """Run the program. Raises `JobError` as the table of the module says."""
        given = read(job.variables, self.inputs)
        argv = [*self._allowed(given["command"]), *_arguments(given["arguments"])]
        codes = _codes(given["exitCodes"])
        cap = given["maxOutputBytes"]
        if not 1 <= cap <= MOST_OUTPUT:
            raise invalid(f"Expected `maxOutputBytes` to be between 1 and {MOST_OUTPUT}, but found {cap}")
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        run = _Run(
            argv, (given["stdin"] or "").encode("utf-8", "surrogatepass"), cap, min(given["timeoutInSeconds"], lease)
        )
        code = run.to_the_end(job.idempotency_key)
        journal = run.journal(code)
        response = {"exitCode": code, "stdout": _text(run.out), "stderr": _text(run.err)}
        if code < 0:
            raise JobError(
                f"{given['command']} died of signal {-code}", None, True, "KILLED", {"response": response}, journal
            )
        if code not in codes:
            last = (_text(run.err).strip() or _text(run.out).strip()).splitlines()[-1:] or ["it said nothing"]
            told = f"{given['command']} ended with exit code {code}: {last[0]:.500}"
            raise JobError(told, None, True, f"EXIT_{code}", {"response": response}, journal)
        if given["format"] == "json":
            try:
                response["stdout"] = exact_json.loads(run.out.decode())
            except ValueError as problem:
                told = f"Expected {given['command']} to write JSON, but {problem}"
                raise JobError(told, None, False, "INVALID_OUTPUT", {"response": response}, journal) from None
        return Response(response, journal)

    def _allowed(self, name: str) -> tuple[str, ...]:
        if name in self._commands:
            return self._commands[name]
        if not self._commands:
            raise invalid("Expected ORCHESTRATOR_SHELL_COMMANDS to allow some commands, but it names none")
        raise invalid(f"Expected `command` to be one of {', '.join(self._commands)}, but found {name!r:.60}")


class _Run:
    """One run of a program, with what it wrote so far."""

    def __init__(self, argv: list[str], stdin: bytes, cap: int, seconds: float) -> None:
        self.argv, self.stdin, self.cap, self.seconds = argv, stdin, cap, seconds
        self.out, self.err = bytearray(), bytearray()
        self.began = time.monotonic()

    def to_the_end(self, key: str) -> int:
        """Its exit code, negative for a signal."""
        if self.seconds <= 0:
            raise self._error("The lease of the job ended before it was run", "TIMEOUT", retryable=True)
        with tempfile.TemporaryDirectory(prefix="job-") as folder:
            environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8", "JOB_KEY": key}
            try:
                process = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                )
            except (OSError, ValueError) as problem:
                raise self._error(f"{self.argv[0]} cannot be run: {problem}", "NOT_STARTED") from None
            with process:
                try:
                    self._talk(process)
                    return process.wait(max(0.0, self._left()))
                except subprocess.TimeoutExpired:
                    raise self._late() from None
                finally:
                    # Also after a good end: what it left running in its group is nobody's.
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def _left(self) -> float:
        return self.began + self.seconds - time.monotonic()

    def _late(self) -> JobError:
        return self._error(f"{self.argv[0]} was killed after {self.seconds:.1f} s", "TIMEOUT", retryable=True)

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        """Write and read at once, until both streams end, too much is written, or the time is up."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        rest = memoryview(self.stdin)
        with selectors.DefaultSelector() as selector:
            for stream, into in ((process.stdout, self.out), (process.stderr, self.err)):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, into)
            os.set_blocking(process.stdin.fileno(), False)
            if rest:
                selector.register(process.stdin, selectors.EVENT_WRITE)
            else:
                process.stdin.close()
            while selector.get_map():
                if (left := self._left()) <= 0:
                    raise self._late()
                # A grandchild that keeps a stream open must not keep us once the program itself is done.
                ready = selector.select(min(left, 0.2))
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        try:
                            rest = rest[os.write(key.fd, rest[:CHUNK]) :]
                        except BrokenPipeError:
                            rest = rest[len(rest) :]
                        if not rest:
                            selector.unregister(process.stdin)
                            with contextlib.suppress(OSError):
                                process.stdin.close()
                        continue
                    read_now = os.read(key.fd, CHUNK)
                    if not read_now:
                        selector.unregister(key.fileobj)
                    key.data.extend(read_now)
                    if len(key.data) > self.cap:
                        raise self._error(f"{self.argv[0]} wrote more than {self.cap} bytes", "OUTPUT_TOO_LARGE")
                if not ready and process.poll() is not None:
                    return

    def _error(self, message: str, code: str, *, retryable: bool = False) -> JobError:
        return JobError(message, None, retryable, code, {}, self.journal(None))

    def journal(self, code: int | None) -> dict[str, Any]:
        """For operators: without the arguments of the model, which may be secret, and with ends of what was written."""
        return {
            "request": {"program": self.argv[0], "arguments": len(self.argv) - 1, "stdinBytes": len(self.stdin)},
            "response": {
                "exitCode": code,
                "stdoutBytes": len(self.out),
                "stderr": _text(self.err[-EXCERPT:]),
            },
            "timings": {"total": round(time.monotonic() - self.began, 4)},
        }


def _arguments(values: list[Any] | None) -> list[str]:
    if values is None:
        return []
    if len(values) > MOST_ARGUMENTS:
        raise invalid(f"Expected at most {MOST_ARGUMENTS} `arguments`, but found {len(values)}")
    found = [scalar(value, f"arguments[{number}]") for number, value in enumerate(values)]
    for number, text in enumerate(found):
        if "\0" in text:
            raise invalid(f"Expected `arguments[{number}]` to be text without NUL, but found one")
    return found


def _codes(values: list[Any] | None) -> set[int]:
    found = read({"exitCodes": values}, (Input("exitCodes", "list"),))["exitCodes"]
    if found is None:
        return {0}
    return {read({"exitCodes": value}, (Input("exitCodes", "integer", required=True),))["exitCodes"] for value in found}


def _text(written: bytes | bytearray) -> str:
    # NUL is no character of JSON columns.
    return bytes(written).decode("utf-8", "replace").replace("\0", "\ufffd")
