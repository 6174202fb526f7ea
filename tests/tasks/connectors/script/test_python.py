"""Python scripts: what they compute, and that they do nothing else."""

from __future__ import annotations

import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.connectors.script.conftest import failure, respond

pytest.importorskip("pydantic_monty", reason="the extra pydantic-monty is not installed")


def run(text: str, **variables: Any) -> Any:
    return respond("python", text, variables)["result"]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("price * 3", Decimal("0.30")),
        ("variables['odd name']", "x"),
        ("1 / 4", Decimal("0.25")),
        ("x = 5\nresult = {'a': (1, None, True), 'x': x}", {"a": [1, None, True], "x": 5}),
        ("result = 3\nresult + 1", 4),
        ("import datetime\ndatetime.date(2026, 2, 3)", "2026-02-03"),
        ("import re\nre.sub('a', 'b', 'banana')", "bbnbnb"),
        ("x = 1", None),
        ("2 ** 100", 2**100),
        ("def total(rows):\n    return sum(row['n'] for row in rows)\ntotal(rows)", 6),
    ],
)
def test_results(text: str, result: Any) -> None:
    rows = [{"n": 1}, {"n": 2}, {"n": 3}]
    assert run(text, price=Decimal("0.10"), rows=rows, **{"odd name": "x"}) == result


def test_what_is_printed_goes_to_the_journal() -> None:
    made = respond("python", "print('hello', 1)\n2")
    assert made.body == {"result": 2}
    assert made.journal == {"language": "python", "printed": "hello 1\n"}


def test_inputs_do_not_change_outside() -> None:
    order = {"items": [1]}
    assert run("order['items'].append(2)\norder", order=order) == {"items": [1, 2]}
    assert order == {"items": [1]}


@pytest.mark.parametrize(
    ("text", "line", "kind"),
    [
        ("x = 1\n\ny = x / 0", 3, "ZeroDivisionError"),
        ("def f():\n    return [][1]\n\nf()", 2, "IndexError"),
        ("x = 1\nx = = 2", 2, "SyntaxError"),
        ("raise ValueError('no')", 1, "ValueError"),
        ("missing", 1, "NameError"),
    ],
)
def test_errors_have_a_line(text: str, line: int, kind: str) -> None:
    error = failure("python", text)
    assert (error.code, error.details["line"], error.details["type"]) == ("SCRIPT_ERROR", line, kind)
    assert f"in line {line}" in error.message


@pytest.mark.parametrize("text", ["{1, 2}", "b'x'", "float('nan')", "{1: 2}", "class A:\n    pass\nA()"])
def test_results_that_are_no_json(text: str) -> None:
    error = failure("python", text)
    assert error.code == "SCRIPT_ERROR"
    assert "to be JSON" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "open('/etc/passwd').read()",
        "import pathlib\npathlib.Path('/etc/passwd').read_text()",
        "import os\nos.environ['HOME']",
        "import os\nos.listdir('/')",
        "import os\nos.system('id')",
        "import socket\nsocket.create_connection(('127.0.0.1', 5432))",
        "import subprocess",
        "import ctypes",
        "import urllib.request",
        "__import__('os')",
        "().__class__.__bases__[0].__subclasses__()",
        "(lambda: 1).__globals__",
        "(lambda: 1).__code__",
        "exec('import socket')",
        "eval(\"open('/etc/passwd')\")",
        "breakpoint()",
    ],
)
def test_there_is_no_way_out(text: str) -> None:
    assert failure("python", text).code == "SCRIPT_ERROR"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("while True:\n    pass", "time"),
        ("'a' * 10**10", "memory"),
        ("x = []\nwhile True:\n    x.append('a' * 1000000)", "memory"),
        ("9**9**9", "memory"),
        ("def f():\n    return f()\nf()", "recursion"),
        ("import time\ntime.sleep(8)", "sleep"),
        ("import asyncio\nasync def f():\n    await asyncio.sleep(9)\nawait f()", "sleep"),
        ("for i in range(10000):\n    print('x' * 1000)", "output"),
        ("'x' * 3000000", "output"),
    ],
)
def test_limits(text: str, limit: str) -> None:
    error = failure("python", text, deadlineInSeconds="0.7" if limit == "time" else "25")
    assert (error.code, error.details["limit"]) == ("SCRIPT_LIMIT", limit), error.message


def test_a_hostile_pattern_ends() -> None:
    text = "import re\nre.match('(a+)+$', 'a' * 60 + 'b') is None"
    assert respond("python", text)["result"] is True


def test_runs_do_not_see_each_other() -> None:
    run("leak = 1")
    assert failure("python", "leak").details["type"] == "NameError"


def test_from_several_threads() -> None:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda n=n: results.append(run("n * n", n=n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [n * n for n in range(8)]


FORKS = """
import os, sys
from tasks.connectors.script_limits import Script
from tasks.connectors.base import JobError
from tasks.connectors import script_python

def fork(*codes):
    pid = os.fork()
    if pid == 0:
        try:
            answer = script_python.run(Script("a + 1", "python", {"a": 41}))["result"]
        except JobError as error:
            answer = error.code
        os._exit(0 if answer in codes else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

assert fork(42) == 0, "a pool of its own"
assert script_python.run(Script("1", "python", {}))["result"] == 1
assert fork("SCRIPT_UNAVAILABLE") == 0, "not with half of the parent's"
assert script_python.run(Script("2", "python", {}))["result"] == 2, "the parent is unharmed"
"""


def test_each_process_of_a_worker_has_a_pool_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=150)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    error = failure("python", "1")
    assert error.code == "SCRIPT_UNAVAILABLE"
    assert "pip install 'pydantic-monty==1.4.0'" in error.message


def test_the_sandbox_says_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    respond("python", "print('quiet')")
    assert capfd.readouterr() == ("", "")
