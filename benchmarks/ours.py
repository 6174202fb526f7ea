"""The orchestrator as its driver knows it: deployed processes, started through the runtime, watched in their rows."""

from __future__ import annotations

from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import QuerySet  # noqa: E402

from benchmarks.workloads import WORKLOADS  # noqa: E402
from orchestrator.celery import app  # noqa: E402
from processes.models import Incident, ProcessInstance  # noqa: E402
from processes.models.instances import FINAL  # noqa: E402
from processes.runtime import definitions, instances  # noqa: E402

_TABLE = ProcessInstance._meta.db_table


class Ours:
    """The system under test."""

    name = "orchestrator"

    def __init__(self, service: str) -> None:
        self._service = service
        self._definitions: dict[str, Any] = {}
        self._worker: Any = None
        app.conf.broker_heartbeat = 0

    def prepare(self, workloads: list[str]) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        for name in workloads:
            deployment = definitions.deploy(WORKLOADS[name].drawing().xml(), by="bench")
            self._definitions[name] = deployment.definitions[0].definition

    def work_here(self, concurrency: int) -> None:
        """Have a worker in a thread of this process, as the embedded server has it."""
        from orchestrator.embedded import EmbeddedWorker

        self._worker = EmbeddedWorker(concurrency=concurrency)
        self._worker.start()

    def start(self, workload: str, **given: Any) -> int:
        variables = {**WORKLOADS[workload].variables(self._service), **given}
        return int(instances.start(self._definitions[workload], variables=variables, by="bench").instance.pk)

    def has_ended(self, instance: int) -> bool:
        return bool(self._ask(f"SELECT count(*) FROM {_TABLE} WHERE id = %s AND ended_at IS NOT NULL", [instance]))

    def unfinished(self, workload: str) -> int:
        """By the index of live instances of a version, however many others wait or have ended."""
        return self.live(workload).count()

    def live(self, workload: str) -> QuerySet[ProcessInstance]:
        return ProcessInstance.objects.filter(definition=self._definitions[workload]).exclude(state__in=FINAL)

    def trouble(self) -> str:
        """What operators would be asked to look at; there should be nothing."""
        incident = Incident.objects.filter(ended_at__isnull=True).first()
        return f"{incident.element_id}: {incident.message}" if incident else ""

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stop()

    def _ask(self, sql: str, arguments: list[Any]) -> int:
        with connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            return int(cursor.fetchone()[0])
