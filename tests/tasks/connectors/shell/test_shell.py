"""Programs that answer, fail, hang, flood, and that shall not get what they must not."""

from __future__ import annotations

import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors import kit
from tasks.connectors.base import JobError, Response
from tasks.connectors.shell import ShellConnector

PYTHON = ShellConnector(
    {"python": [sys.executable, "-I", "-c"], "gone": ["/nowhere/to/be/found"], "echo": ["/bin/echo"]}
)


def run(code: str, *arguments: Any, lease: float = 30.0, **more: Any) -> Any:
    inputs = {"command": "python", "arguments": [code, *arguments], **more}
    found = PYTHON.run(kit.job(PYTHON, inputs, lease=lease))
    assert isinstance(found, Response)
    return found


def failure(*arguments: Any, **more: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        run(*arguments, **more)
    kit.storable(caught.value.journal, "the journal")
    return caught.value


def test_nothing_is_interpreted() -> None:
    nasty = ["$(id)", "; rm -rf /", "`id`", "a b", "*", "--", "-n", "ü"]
    assert run("import sys, json; print(json.dumps(sys.argv[1:]))", *nasty, format="json")["stdout"] == nasty


def test_input_output_and_exact_numbers() -> None:
    found = run("import sys; print(sys.stdin.read())", stdin='{"price": 0.10}', format="json")
    assert found["stdout"] == {"price": Decimal("0.10")}
    assert str(found["stdout"]["price"]) == "0.10"
    assert len(run("import sys; print(len(sys.stdin.read()))", stdin="x" * 500_000)["stdout"]) > 0


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "hidden")
    seen = run("import os, json; print(json.dumps([dict(os.environ), os.listdir('.')]))", format="json")["stdout"]
    assert set(seen[0]) <= {"PATH", "HOME", "LANG", "JOB_KEY", "LC_CTYPE"}
    assert seen[0]["JOB_KEY"].startswith("00000000-")
    assert seen[1] == []


def test_exit_codes() -> None:
    error = failure("import sys; print('out'); print('no such order', file=sys.stderr); sys.exit(3)")
    assert (error.code, error.retryable) == ("EXIT_3", True)
    assert error.message.endswith("exit code 3: no such order")
    assert error.details["response"]["stdout"] == "out\n"
    assert run("import sys; sys.exit(3)", exitCodes=[0, "3"])["exitCode"] == 3
    assert failure("import os; os.kill(os.getpid(), 9)").code == "KILLED"


def test_the_whole_family_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "child"
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(note)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    for seconds in (1.5, 6.0, 24.0):  # a busy machine takes its time to start two programs
        began = time.monotonic()
        assert failure(code, timeoutInSeconds=seconds).code == "TIMEOUT"
        assert time.monotonic() - began < seconds + 20, "they sleep for a minute"
        if note.exists() and (pid := note.read_text()):
            break
    else:
        raise AssertionError("Expected the program to start another one, but it did not")
    _is_gone(int(pid))


def test_who_is_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)"
    began = time.monotonic()
    pid = int(run(code)["stdout"])
    assert time.monotonic() - began < 25, "the grandchild holds the pipe for a minute"
    _is_gone(pid)


def _is_gone(pid: int) -> None:
    for _ in range(1500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"Expected {pid} to be killed, but it lives")


def test_too_much_output() -> None:
    error = failure("while True: print('x' * 10000)", maxOutputBytes=50_000)
    assert (error.code, error.retryable) == ("OUTPUT_TOO_LARGE", False), "and not its time"


def test_what_is_no_json_and_what_is_not_there() -> None:
    assert failure("print('{')", format="json").code == "INVALID_OUTPUT"
    with pytest.raises(JobError) as caught:
        PYTHON.run(kit.job(PYTHON, {"command": "gone"}))
    assert (caught.value.code, caught.value.retryable) == ("NOT_STARTED", False)


def test_off_unless_allowed() -> None:
    with pytest.raises(JobError, match="ORCHESTRATOR_SHELL_COMMANDS") as caught:
        ShellConnector().run(kit.job(PYTHON, {"command": "echo"}))
    assert caught.value.code == "INVALID_INPUT"


def test_the_setting() -> None:
    made = ShellConnector.from_lines({"hello": "/bin/echo 'hello world'"})
    assert made.run(kit.job(made, {"command": "hello", "arguments": ["!"]}))["stdout"] == "hello world !\n"
    for line in ("echo", "", "'"):
        with pytest.raises(ValueError, match=r"absolute path|No closing"):
            ShellConnector.from_lines({"x": line})


def test_the_journal_has_no_arguments() -> None:
    journal = run("print(1)", "hunter2", stdin="hunter2").journal
    assert "hunter2" not in repr(journal)
    assert journal["request"]["program"] == os.fspath(sys.executable)
