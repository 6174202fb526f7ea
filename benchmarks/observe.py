"""What workers do, told by themselves: statements and commits, or a cProfile. Switched off while anything is timed.

`BENCH_OBSERVE` names a file to which every statement and every end of a transaction adds a line, whichever process and
thread it happens in, as long as the first byte of the file beside it, which all processes map, is not zero; looking at
it costs less than a microsecond. `BENCH_PROFILE` names a folder in which every process of a pool leaves its profile.
"""

from __future__ import annotations

import cProfile
import mmap
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BACKGROUND = ("sweeper", "leases")
"""Threads of a worker that are not at work on a job."""

OF_DRIVERS = ("MainThread", "starter")

_WRITES = re.compile(
    r"(SET LOCAL .*; )?(EXECUTE orchestrator_(lazy_)?)?(INSERT|UPDATE|DELETE|WITH)(?![A-Z])", re.IGNORECASE
)
"""By itself, or under the name that it was prepared under; perhaps behind a setting."""
_LAZY = re.compile(r"SET LOCAL synchronous_commit|EXECUTE orchestrator_lazy_|WITH .*set_config\('synchronous_commit'")
"""What does not wait for the disk."""

_file: int | None = None
_switch: mmap.mmap | None = None
_role = "worker"
_here = threading.local()


def install_from_environment(role: str = "worker") -> None:
    """Observe this process and those that it forks, if the environment says so. Before the first connection.

    `role` is "worker", "driver", or "both" where a worker runs in threads of the driver.
    """
    global _file, _switch, _role
    _role = role
    if _file is None and (path := os.environ.get("BENCH_OBSERVE")):
        _switch = mapped(Path(path))
        _file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        _watch_django()
    if (folder := os.environ.get("BENCH_PROFILE")) and role == "worker":
        _profile_pool(folder)


def mapped(path: Path) -> mmap.mmap:
    """The switch that belongs to a file of observations."""
    file = os.open(path.with_suffix(".switch"), os.O_RDWR | os.O_CREAT)
    os.truncate(file, 1)
    try:
        return mmap.mmap(file, 1)
    finally:
        os.close(file)


def statement(sql: str, *, atomic: bool, seconds: float = 0.0) -> None:
    """A statement was executed, within so many seconds. Outside a transaction it is one of its own."""
    if _switch is None or not _switch[0]:
        return
    text = " ".join(sql.split())
    if text.startswith("BEGIN"):
        return  # said aloud on SQLite only, where its end is seen as everywhere
    _tell("statement", text, seconds)
    if _LAZY.match(text):
        _here.lazy = True
    if _WRITES.match(text):
        _here.wrote = True
    if not atomic:
        committed()


def committed() -> None:
    """A transaction ended: durable if it wrote and waited for the disk."""
    if _switch is None or not _switch[0]:
        return
    wrote, lazy = getattr(_here, "wrote", False), getattr(_here, "lazy", False)
    _tell("commit", ("lazy" if lazy else "durable") if wrote else "read")
    _here.wrote = _here.lazy = False


def _tell(kind: str, text: str, seconds: float = 0.0) -> None:
    assert _file is not None
    thread = threading.current_thread().name
    role = _role if _role != "both" else "driver" if thread.startswith(OF_DRIVERS) else "worker"
    line = f"{role}\t{thread}\t{kind}\t{seconds:.6f}\t{text[:20000]}\n"
    os.write(_file, line.encode())


def _watch_django() -> None:
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        return
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.signals import connection_created

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        began = time.perf_counter()
        result = execute(sql, params, many, context)
        statement(sql, atomic=context["connection"].in_atomic_block, seconds=time.perf_counter() - began)
        return result

    def created(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.append(wrapper)

    commit = BaseDatabaseWrapper._commit

    def counted(self: BaseDatabaseWrapper) -> Any:
        result = commit(self)
        committed()
        return result

    BaseDatabaseWrapper._commit = counted
    connection_created.connect(created, weak=False)


def _profile_pool(folder: str) -> None:
    from celery import signals

    profile = cProfile.Profile()

    @signals.worker_process_init.connect(weak=False)
    def begin(**_: Any) -> None:
        profile.enable()

    @signals.worker_process_shutdown.connect(weak=False)
    def end(**_: Any) -> None:
        profile.disable()
        profile.dump_stats(str(Path(folder) / f"{os.getpid()}.prof"))


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Observed:
    """Counts over one observed phase, without what drivers and background threads did."""

    tasks: int
    statements: int = 0
    commits: Counter[str] = field(default_factory=Counter)
    """Transactions: "durable", "lazy" (not waiting for the disk), "read"."""
    texts: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    """What they took, by text, the way to the server and back included."""
    background: int = 0
    """Statements of the sweepers."""


def read(path: Path, start: int, tasks: int) -> Observed:
    """Add up what was written from a place in the file on, while so many tasks were done."""
    observed = Observed(tasks)
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().decode().splitlines()
    for line in lines:
        role, thread, kind, seconds, text = line.split("\t", 4)
        if role != "worker":
            continue
        if thread in BACKGROUND:
            observed.background += kind == "statement"
        elif kind == "statement":
            # Several that are sent at one go are several.
            observed.statements += 1 + text.rstrip("; ").count("; ")
            observed.texts[text] += 1
            observed.seconds[text] += float(seconds)
        else:
            observed.commits[text] += 1
    return observed


def transactions(path: Path) -> int:
    """How many transactions were committed in all, by whomever."""
    return sum(line.split("\t", 4)[2] == "commit" for line in path.read_text().splitlines())
