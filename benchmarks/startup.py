"""How long it takes until a command has done nothing much, and until a worker is ready."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.children import Child, python
from benchmarks.contenders import Contender, Setting
from benchmarks.goals import Verdict, at_most
from benchmarks.scale import Scale

COMMANDS = (["check"], ["start_process", "--help"], ["sweep", "--once"])
MOST_SECONDS = 1.5


def start_up(contender: Contender, setting: Setting, scale: Scale, tell: Callable[[str], None]) -> list[Verdict]:
    """Each command again and again, each in a process of its own, on the database of a contender that rests."""
    verdicts = []
    for command in COMMANDS:
        tell(f"start-up: manage.py {' '.join(command)}")
        took = [_command(command, contender.env) for _ in range(scale.starts)]
        verdicts.append(_verdict(f"manage.py {' '.join(command)}", took))
    if contender.workers:
        tell("start-up: a worker")
        took = [_worker(contender, setting, number) for number in range(scale.starts)]
        verdicts.append(_verdict("a worker until it is ready", took))
    return verdicts


def _verdict(what: str, took: list[float]) -> Verdict:
    return at_most(f"start-up: {what}", statistics.median(took), MOST_SECONDS, " s", took=took)


def _command(command: list[str], env: dict[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "manage.py", *command], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Expected manage.py {command[0]} to work but: {done.stdout}{done.stderr[-2000:]}")
    return time.monotonic() - began


def _worker(contender: Contender, setting: Setting, number: int) -> float:
    """Until it says that it is ready: its pool is there and it consumes."""
    log = setting.folder / f"starting-{number}.log"
    arguments = [*contender.worker_arguments(f"starting-{number}"), "-l", "info"]
    began = time.monotonic()
    worker = Child(python(*arguments), {**contender.env, "LOG_LEVEL": "INFO"}, log)
    try:
        while " ready" not in log.read_text(errors="replace"):
            if time.monotonic() - began > setting.patience or not worker.alive():
                raise RuntimeError(f"Expected a worker to be ready but it is not: {worker.tail()}")
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        worker.end()
