"""Configuration of gunicorn for a fleet: ``gunicorn -c python:orchestrator.gunicorn orchestrator.wsgi``."""

from __future__ import annotations

from typing import Any

worker_class = "gthread"
threads = 16
keepalive = 75
"""Seconds. Workers ask again and again; a connection that is opened anew for each question costs both sides more than
the one that waits costs us."""


def post_worker_init(worker: Any) -> None:
    """Long polls end when the server is told to stop."""
    from orchestrator.embedded import begin_no_more

    begin_no_more()
