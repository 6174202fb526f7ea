"""Configuration of gunicorn for a fleet: ``gunicorn -c python:orchestrator.gunicorn orchestrator.wsgi``."""

from __future__ import annotations

from typing import Any

worker_class = "gthread"
threads = 16


def post_worker_init(worker: Any) -> None:
    """Long polls end when the server is told to stop."""
    from orchestrator.embedded import begin_no_more

    begin_no_more()
