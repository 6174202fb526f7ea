"""The Celery application, found by ``celery -A orchestrator``: who the workers are, and what they do beside their jobs.

Its settings are those of `orchestrator.settings` that begin with CELERY_; queues and routes are in `broker`.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery, bootsteps, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
# Celery would run all of Django's checks, and drop what they find: they load every page, and a worker serves none.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")


class Orchestrator(Celery):
    amqp_cls = "orchestrator.broker:JobAMQP"


app = Orchestrator("orchestrator")
app.config_from_object("django.conf:settings", namespace="CELERY")
# In every thread: web servers and sweepers publish too.
app.set_default()


class Sweeping(bootsteps.StartStopStep):
    """Runs the sweeper in the main process of a worker, from after its pool is there, whether or not the broker is."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.sweeper: Any = None

    def start(self, parent: Any) -> None:
        from tasks.dispatch import worker_here
        from tasks.sweeps import Sweeper

        worker_here()
        self.sweeper = Sweeper(parent.station.name, parent.station.types)
        self.sweeper.start()

    def stop(self, parent: Any) -> None:
        if self.sweeper is not None:
            self.sweeper.stop()

    def terminate(self, parent: Any) -> None:
        self.stop(parent)


class Replying(bootsteps.StartStopStep):
    """Listens for replies and inbound messages in the main process of a worker, where the settings say so."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.consumers: Any = None

    def start(self, parent: Any) -> None:
        from django.conf import settings

        addresses, inbound = settings.ORCHESTRATOR["REPLIES"], settings.ORCHESTRATOR["INBOUND"]
        if addresses or inbound:
            from tasks.replies import Consumers

            self.consumers = Consumers(addresses, inbound=inbound)
            self.consumers.start()

    def stop(self, parent: Any) -> None:
        if self.consumers is not None:
            self.consumers.stop()

    def terminate(self, parent: Any) -> None:
        self.stop(parent)


app.steps["worker"].add(Sweeping)
app.steps["worker"].add(Replying)


@signals.import_modules.connect(sender=app)
def know_the_types(**_: Any) -> None:
    """Register one task for each job type. Connected after Celery's own handler, which sets Django up."""
    from orchestrator.broker import consume_all
    from tasks.jobs import register, registry

    register(app)
    consume_all(app, registry().types)


@signals.worker_init.connect
def man_the_station(sender: Any, **_: Any) -> None:
    """Say who this worker is and, now that -Q is known, which types it serves. Before the pool forks."""
    from orchestrator.broker import consumed
    from tasks.jobs import Station, register, registry

    host = sender.hostname.split("@", 1)[-1]
    sender.station = Station(f"{host}-{os.getpid()}", consumed(app, registry().types))
    register(app, sender.station)

    def close(**_: Any) -> None:
        sender.station.close()

    signals.worker_shutting_down.connect(close, weak=False)


@signals.setup_logging.connect
def keep_the_logging(loglevel: int | None = None, **_: Any) -> None:
    """Leave the logging to Django's LOGGING; ``celery worker -l debug`` may make it more talkative."""
    root = logging.getLogger()
    if loglevel is not None and logging.getLevelName(root.level) != "NOTSET":
        root.setLevel(min(root.level, loglevel))
