"""The machine on which figures are found: what it is, and whether others are at work on it."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("celery", "kombu", "Django", "psycopg2-binary", "redis", "requests", "gunicorn")
OTHERS = ("dbos", "SpiffWorkflow")
"""Other engines that one may wish to compare with. They are no dependency, and nothing is made up for them."""
QUIET_SHARE = 0.1
"""How much of the processors may be in use before a run without the figures being doubtful."""


def busy_share(seconds: float = 2.0) -> float:
    """The part of the processors' time that is in use while we do nothing, by anybody: 0 to 1."""
    before = _ticks()
    time.sleep(seconds)
    used, all_ = (now - then for now, then in zip(_ticks(), before, strict=True))
    # What was waited for the disk may become less (proc_stat(5)), so that more seems to have been used than there was.
    return min(max(used / all_, 0.0), 1.0) if all_ else 0.0


def _ticks() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def facts() -> dict[str, Any]:
    """Everything that a reader of figures has to know, but for the servers."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "cores": os.cpu_count(),
        "processor": names[0].partition(":")[2].strip() if names else platform.machine(),
        "memory_mb": int(memory) // 1024,
        "load": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "other_engines": {name: _installed(name) for name in OTHERS},
    }


def _installed(name: str) -> str:
    try:
        return f"{version(name)} is installed, but there is no peer for it"
    except PackageNotFoundError:
        return "not installed"
