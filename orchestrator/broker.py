"""Which queue a job type has, how queues are declared, and what a worker's consumer leaves out.

One queue for each job type, `jobs.<type>`, so that operators give types workers of their own with `celery worker -Q`.
A type is sent elsewhere through `ORCHESTRATOR_QUEUES`, or with Celery's own `task_routes`, which has the first word.

On RabbitMQ all queues are quorum queues, and a message that was delivered again and again without being acknowledged
(its workers die of it) ends in a dead-letter queue. Nothing is lost with it: the row is still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery, bootsteps
from celery.app.amqp import AMQP, Queues
from celery.worker.consumer import Consumer
from celery.worker.consumer.connection import Connection as ConnectionStep
from django.conf import settings
from kombu import Exchange, Queue

from tasks.jobs import registry

DELIVERY_LIMIT = 5
"""How often a message is delivered again before it counts as dead."""
DEAD_FOR_DAYS = 14
DEAD_AT_MOST = 10_000
"""How long, and how many, dead letters are kept for whoever wonders."""


def queue_name(type_: str) -> str:
    """The queue of a job type, unless Celery's `task_routes` says otherwise."""
    return str(settings.ORCHESTRATOR["QUEUES"].get(type_) or settings.ORCHESTRATOR["QUEUE_PREFIX"] + type_)


def job_queue(name: str) -> Queue:
    """A queue for jobs."""
    arguments: dict[str, Any] = {}
    if _on_rabbitmq():
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": _dead_name(),
        }
    return Queue(name, Exchange(f"{settings.ORCHESTRATOR['QUEUE_PREFIX']}direct"), name, queue_arguments=arguments)


def dead_letter_queue() -> Queue:
    """Where dead messages lie, for a while."""
    arguments = {
        "x-queue-type": "quorum",
        "x-message-ttl": DEAD_FOR_DAYS * 24 * 3600 * 1000,
        "x-max-length": DEAD_AT_MOST,
    }
    return Queue(_dead_name(), Exchange(_dead_name(), "fanout"), queue_arguments=arguments)


def _dead_name() -> str:
    return f"{settings.ORCHESTRATOR['QUEUE_PREFIX']}dead"


def _on_rabbitmq() -> bool:
    return settings.CELERY_BROKER_URL.split(":", 1)[0] in ("amqp", "amqps", "pyamqp")


def route(name: str, *args: Any, **kwargs: Any) -> dict[str, str] | None:
    """Celery's question which queue a task goes to. Tasks that are no job types go where Celery sends them."""
    return {"queue": queue_name(name)} if name in registry() else None


class JobQueues(Queues):
    """Declares every queue alike, whoever names it: a route, an option `-Q`, or a job type."""

    def new_missing(self, name: str) -> Queue:
        return job_queue(name)


class JobAMQP(AMQP):
    """Celery's view of the broker, with our route after those of the operator."""

    queues_cls = JobQueues
    _rtable: Any = None

    def flush_routes(self) -> None:
        super().flush_routes()
        self._rtable = [*(self._rtable or ()), route]


def queue_of(app: Celery, type_: str) -> str:
    """The name of the queue that jobs of a type go to, all routes considered."""
    return str(app.amqp.router.route({}, type_)["queue"].name)


def consume_all(app: Celery, types: Sequence[str]) -> None:
    """Have a worker that is not told which queues to consume take those of all these types, and no other."""
    queues = app.amqp.queues
    queues.deselect([app.conf.task_default_queue])
    for name in sorted({queue_of(app, type_) for type_ in types}):
        queues.select_add(queues[name])


def consumed(app: Celery, types: Sequence[str]) -> tuple[str, ...]:
    """Those of these types whose queues this worker consumes."""
    return tuple(type_ for type_ in types if queue_of(app, type_) in app.amqp.queues.consume_from)


class DeadLetters(bootsteps.StartStopStep):
    """Declares the dead-letter queue with every connection of a worker."""

    requires = (ConnectionStep,)

    def include_if(self, consumer: Any) -> bool:
        return _on_rabbitmq()

    def start(self, consumer: Any) -> None:
        with consumer.connection.channel() as channel:
            dead_letter_queue()(channel).declare()


class JobConsumer(Consumer):
    """Celery's consumer without what jobs have no use for.

    No native delayed delivery: nothing is ever published for later, and it would declare 28 exchanges and 28 queues.
    No mingling and no gossip: workers share rows, not revocations and clocks.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]
        default_steps = [
            *(step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")),
            DeadLetters,
        ]

    def __init__(self, on_task_request: Any, *, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        options = {**(worker_options or {}), "without_mingle": True, "without_gossip": True}
        super().__init__(on_task_request, worker_options=options, **kwargs)
