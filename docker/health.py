"""Is this container well? `health.py web` asks its web server, `health.py worker` looks for the worker's heartbeat.

A worker is judged by its row, as operators see it, and not by asking it through the broker: a worker that waits for the
broker to come back is well.
"""

from __future__ import annotations

import os
import socket
import sys
import urllib.request
from pathlib import Path

TIMEOUT_SECONDS = 5


def web() -> bool:
    """Whether the server answers, and finds its database and its broker."""
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/readyz"
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        return bool(answer.status == 200)


def worker() -> bool:
    """Whether a worker of this host was seen lately."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    import django

    django.setup()
    from processes.runtime import workers

    return workers.alive().filter(name__startswith=f"{socket.gethostname()}-").exists()


if __name__ == "__main__":
    try:
        well = {"web": web, "worker": worker}[sys.argv[1]]()
    except OSError as problem:
        sys.exit(f"Not well: {problem}")
    sys.exit(0 if well else f"Not well: no {sys.argv[1]} was seen")
