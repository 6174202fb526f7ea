"""JavaScript of a model, in a Node process of its own that lives for one script and can be killed at any moment.

Walls, from the inside out:

- the script runs in a context without any object of Node: no `require`, `process`, `fetch`, timers; `import()` and
  code out of text (`eval`, `Function`) fail;
- Node's permission model denies files, child processes, workers and add-ons; its built-in objects are frozen;
- before the script is sent, the kernel takes from the process the right to open anything (RLIMIT_NOFILE 0: no file,
  no socket, no pipe, so no child either), and bounds CPU time and writable memory;
- its environment and working directory are empty, and it is killed when its time is over or it talks too much.

So it needs Linux (`prlimit`) and Node 20 or later. Numbers are binary doubles in JavaScript: an input that a double
does not hold to its last digit comes as text, results are read by their shortest spelling, a BigInt becomes text.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.connectors import exact_json
from tasks.connectors.base import JobError, Response
from tasks.connectors.script_limits import Limits, Script, error, limit, unavailable

RUNNER = Path(__file__).parent / "sandbox" / "runner.js"
START_SECONDS = 20.0
"""Patience for Node to start; it is not the script's time."""
STDERR_BYTES = 16 * 1024
_READY = b"ready\n"
_LINE = re.compile(r"script\.js:(\d+)")
_MEMORY = re.compile(r"array buffer allocation failed|invalid array buffer length|heap out of memory", re.IGNORECASE)


def run(script: Script) -> Response:
    """Raises `JobError`: ``SCRIPT_ERROR``, ``SCRIPT_LIMIT``, ``SCRIPT_UNAVAILABLE``."""
    command = _command(script.limits)
    variables = exact_json.dumps({name: _fit(value) for name, value in script.variables.items()})
    request = json.dumps({"script": script.text, "variables": variables, "print": script.limits.printed})
    with tempfile.TemporaryDirectory(prefix="script-") as empty:
        # No preexec_fn, which is unsafe beside threads: limits are set from outside, before the script is sent.
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd=empty,
            start_new_session=True,
        )
        try:
            out = _Conversation(child, script.limits).hold(request.encode("utf-8", "surrogatepass"))
        finally:
            _end(child)
    return _answer(out, child, script)


@lru_cache(maxsize=1)
def _node() -> tuple[str, str]:
    """Path of Node, and the flag of its permission model."""
    if not hasattr(resource, "prlimit"):
        raise unavailable("JavaScript needs Linux, where a process can be walled in (prlimit)")
    path = shutil.which("node")
    if path is None:
        raise unavailable("JavaScript needs Node 20 or later, but found no `node` on the PATH of the worker")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=START_SECONDS, check=False)
    found = re.match(r"v(\d+)\.(\d+)", told.stdout)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < (20, 0):
        raise unavailable(f"JavaScript needs Node 20 or later, but found {told.stdout.strip()[:40] or 'none'}")
    stable = version >= (23, 5) or (version[0] == 22 and version[1] >= 13)
    return path, "--permission" if stable else "--experimental-permission"


def _command(limits: Limits) -> list[str]:
    path, permission = _node()
    return [
        path,
        permission,
        f"--allow-fs-read={RUNNER}",
        "--disallow-code-generation-from-strings",
        "--frozen-intrinsics",
        "--disable-proto=delete",
        "--no-addons",
        "--no-warnings",
        "--single-threaded-gc",
        f"--max-old-space-size={limits.megabytes}",
        "--max-semi-space-size=4",
        str(RUNNER),
    ]


class _Conversation:
    """What is said to the child and heard of it, until it falls silent, its time is over, or it says too much."""

    def __init__(self, child: subprocess.Popen[bytes], limits: Limits) -> None:
        self._child = child
        self._limits = limits
        self._most = {"out": limits.result + 4 * limits.printed + 64 * 1024, "err": STDERR_BYTES}
        self._heard = {"out": bytearray(), "err": bytearray()}

    def hold(self, request: bytes) -> bytes:
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        for stream in (child.stdin, child.stdout, child.stderr):
            os.set_blocking(stream.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ, "out")
            selector.register(child.stderr, selectors.EVENT_READ, "err")
            self._listen(selector, time.monotonic() + START_SECONDS, ready=True)
            if not self._heard["out"].startswith(_READY):
                told = self._heard["err"].decode(errors="replace")[-500:]
                raise unavailable(f"Node did not start: {told or 'it was silent'}")
            del self._heard["out"][: len(_READY)]
            self._wall_in()
            ends = time.monotonic() + self._limits.seconds
            selector.register(child.stdin, selectors.EVENT_WRITE, memoryview(request))
            if not self._listen(selector, ends, ready=False):
                raise limit(f"The script did not end within {self._limits.seconds:g} seconds", "time")
        return bytes(self._heard["out"])

    def _listen(self, selector: selectors.BaseSelector, ends: float, *, ready: bool) -> bool:
        """Until the child has said that it is ready, or closed its outputs; False where time is over."""
        while selector.get_map():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(left):
                if isinstance(key.data, memoryview):
                    self._write(selector, key)
                else:
                    self._read(selector, key)
            if ready and len(self._heard["out"]) >= len(_READY):
                return True
        return True

    def _write(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        rest = key.data
        try:
            rest = rest[os.write(key.fd, rest[: 64 * 1024]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            rest = rest[:0]
        if rest:
            selector.modify(key.fileobj, selectors.EVENT_WRITE, rest)
        else:
            selector.unregister(key.fileobj)
            assert self._child.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.close()

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        try:
            chunk = os.read(key.fd, 64 * 1024)
        except BlockingIOError:
            return
        if not chunk:
            selector.unregister(key.fileobj)
            return
        heard = self._heard[key.data]
        heard += chunk
        if len(heard) > self._most[key.data]:
            if key.data == "out":
                raise limit(f"The result of the script is longer than {self._limits.result} bytes", "output")
            del heard[: -self._most["err"]]

    def _wall_in(self) -> None:
        pid, megabytes = self._child.pid, self._limits.megabytes
        seconds = int(self._limits.seconds) + 2
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            used = int(re.search(r"VmData:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
            # Writable memory beside the bounded heap: what arrays of bytes take, and room for the collector.
            room = used + (2 * megabytes + 32) * 1024 * 1024
            for kind, most in (
                (resource.RLIMIT_NOFILE, 0),
                (resource.RLIMIT_FSIZE, 0),
                (resource.RLIMIT_CORE, 0),
                (resource.RLIMIT_CPU, seconds),
                (resource.RLIMIT_DATA, room),
            ):
                resource.prlimit(pid, kind, (most, most))
        except (OSError, TypeError, ValueError) as problem:
            raise unavailable(f"The process of the script could not be walled in: {problem}") from problem


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    child.wait()


def _answer(out: bytes, child: subprocess.Popen[bytes], script: Script) -> Response:
    try:
        answer = exact_json.loads(out.decode())
        if not isinstance(answer, dict):
            raise ValueError("no object")
    except ValueError:
        megabytes = script.limits.megabytes
        raise limit(
            f"The script was cut off: it used more than {megabytes} MB, or brought its process down "
            f"(status {child.returncode})",
            "memory",
        ) from None
    printed = answer.get("printed")
    journal = script.journal(printed if isinstance(printed, str) else "")
    if answer.get("over") is True:
        raise limit(f"The script printed more than {script.limits.printed} characters", "output", journal)
    failed = answer.get("error")
    if isinstance(failed, Mapping):
        raise _failed(failed, journal, script)
    value = answer.get("value")
    if not isinstance(value, str):
        raise error("The script has no result that could be told", "", None, journal)
    if len(value.encode(errors="replace")) > script.limits.result:
        raise limit(f"The result of the script is longer than {script.limits.result} bytes", "output", journal)
    try:
        return Response({"result": exact_json.loads(value)}, journal)
    except ValueError as problem:
        raise error(f"The result of the script is not JSON: {problem}", "", None, journal) from None


def _failed(failed: Mapping[str, Any], journal: Mapping[str, Any], script: Script) -> JobError:
    kind, message, stack = (str(failed.get(key) or "") for key in ("name", "message", "stack"))
    found = _LINE.search(stack)
    line = int(found[1]) if found else None
    if kind == "RangeError" and "call stack" in message:
        return limit("The script called itself too deeply", "recursion", journal, line)
    if _MEMORY.search(message):
        return limit(f"The script used more than {script.limits.megabytes} MB", "memory", journal, line)
    return error(message, kind, line, journal)


def _fit(value: Any) -> Any:
    """The value with numbers that a double holds to the last digit; other numbers as text."""
    match value:
        case bool():
            return value
        case int() if abs(value) > 2**53:
            return str(value)
        case Decimal() if not value.is_finite() or Decimal(repr(float(value))) != value:
            return str(value)
        case Mapping():
            return {key: _fit(item) for key, item in value.items()}
        case list() | tuple():
            return [_fit(item) for item in value]
    return value
