"""What else there is beside instances where people have worked for a while: rows that no seeding makes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from processes.models import (
    Action,
    Batch,
    BatchItem,
    Incident,
    Message,
    Minute,
    ProcessDefinition,
    Worker,
)
from processes.runtime import calls, connections, definitions, instances

MANY = 100_000
"""Rows of what grows without end, or up to its retention."""
WIDE = 300
"""Rounds of one instance, and instances that another one called."""
PROCESS = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:wide" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"><process id="{id}" isExecutable="true">'
    '<startEvent id="start"/><{tag} id="each"><extensionElements>{inside}</extensionElements>'
    "<multiInstanceLoopCharacteristics><extensionElements>"
    '<zeebe:loopCharacteristics inputCollection="=for i in 1..{wide} return i"/></extensionElements>'
    '</multiInstanceLoopCharacteristics></{tag}><endEvent id="end"/>'
    '<sequenceFlow id="in" sourceRef="start" targetRef="each"/>'
    '<sequenceFlow id="out" sourceRef="each" targetRef="end"/></process></definitions>'
)
KINDS = {
    "wide-service": ("serviceTask", '<zeebe:taskDefinition type="wide"/>'),
    "wide-people": ("userTask", "<zeebe:userTask/>"),
    "wide-calls": ("callActivity", '<zeebe:calledElement processId="seed-signup"/>'),
}


def gather() -> None:
    """Within the caller's transaction, which is rolled back."""
    now = timezone.now()
    _next_version()
    for id, (tag, inside) in KINDS.items():
        document = PROCESS.format(id=id, tag=tag, inside=inside, wide=WIDE).encode()
        deployed = definitions.deploy(document, resource=f"{id}.bpmn", by="benchmark").definitions[0].definition
        instances.start(deployed, by="benchmark")
    calls.deliver_due(WIDE)
    for number in range(30):
        connections.put(f"destination-{number}", {"kind": "http", "url": "https://pay.example"}, by="benchmark")
    Action.objects.bulk_create(
        Action(verb="deploy", kind="definition", name=f"order-{n}", by=f"user:u{n % 90}", details={}, at=_ago(now, n))
        for n in range(MANY)
    )
    Message.objects.bulk_create(
        Message(name=f"paid-{n % 9}", correlation_key=f"o-{n}", variables={}, published_at=now, expires_at=_ago(now, n))
        for n in range(-MANY // 2, MANY // 2)
    )
    Worker.objects.bulk_create(
        Worker(name=f"worker-{n}", types=["reserve-stock", "pay"], started_at=now, seen_at=now) for n in range(200)
    )
    Minute.objects.all().delete()
    Minute.objects.bulk_create(
        Minute(at=_ago(now, n).replace(second=0, microsecond=0), instances=n, jobs=n, failures=n % 3)
        for n in range(1440)
    )
    _batch(now)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")


def _ago(now: Any, minutes: int) -> Any:
    return now - timedelta(minutes=minutes)


def _next_version() -> None:
    """What instances can be migrated to, and compared with."""
    order = ProcessDefinition.objects.filter(process_id="seed-order").order_by("-version").first()
    if order is None:
        raise LookupError("Expected instances to have been seeded: python manage.py seed_instances")
    document = bytes(order.xml).replace(b"Charge card", b"Charge the card")
    definitions.deploy(document, resource=order.resource, by="benchmark")


def _batch(now: Any) -> None:
    opened = Incident.objects.order_by("-id").values_list("pk", "instance_id", "node")[:MANY]
    batch = Batch.objects.create(
        kind="RETRY",
        instructions={"retries": 1, "variables": {}},
        created_at=now,
        due_at=now,
        total=len(opened),
        selection={},
    )
    states = ("RECOVERED", "FAILED_AGAIN", "REJECTED", "RETRIED", "PENDING")
    BatchItem.objects.bulk_create(
        BatchItem(
            batch=batch,
            incident_id=pk,
            instance_id=of,
            node=node,
            state=(state := states[n * len(states) // len(opened)]),
            tried_at=None if state == "PENDING" else now,
            ended_at=None if state in ("PENDING", "RETRIED") else now,
        )
        for n, (pk, of, node) in enumerate(opened)
    )
