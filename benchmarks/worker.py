"""Our worker as ``celery -A benchmarks.worker``: the product's application, observed where that is asked for."""

from __future__ import annotations

from benchmarks import observe
from orchestrator.celery import app

# Whoever is not measured is stopped with SIGSTOP, and cannot tell the broker that it is alive.
app.conf.broker_heartbeat = 0
observe.install_from_environment()

__all__ = ["app"]
