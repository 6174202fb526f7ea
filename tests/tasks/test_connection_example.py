"""The example of the README: a task that names a connection, and a secret."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from processes.models import Job, ProcessInstance
from processes.runtime import connections, definitions, instances, secrets
from tasks import worker
from tasks.jobs import registry
from tests.drawing import HEAD
from tests.tasks.connectors.server import running

EXAMPLE = """
<bpmn:serviceTask id="order" name="Order at the shop">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="http" retries="5" />
    <zeebe:ioMapping>
      <zeebe:input source="/orders" target="url" />
      <zeebe:input source='={"X-Tenant": "{{secrets.TENANT}}"}' target="headers" />
    </zeebe:ioMapping>
    <zeebe:taskHeaders><zeebe:header key="connection" value="shop" /></zeebe:taskHeaders>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""


@pytest.mark.django_db(transaction=True)
def test_the_example(settings: Any) -> None:
    given = {"FIELD_KEYS": [Fernet.generate_key().decode()], "PRIVATE_ADDRESSES": "refuse"}
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, **given, "DISPATCHER": "tests.admin.silent.Silent"}
    secrets.put("TENANT", "tenant-4711")
    secrets.put("SHOP_TOKEN", "token-4711")
    xml = f"""{HEAD}<bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="s" />
      <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="order" />{EXAMPLE}</bpmn:process></bpmn:definitions>"""
    definition = definitions.deploy(xml.encode()).definitions[0].definition
    with running() as shop:
        bearer = {"type": "bearer", "token": "{{secrets.SHOP_TOKEN}}"}
        fields = {
            "url": f"{shop.url}/v2",
            "authentication": bearer,
            "rate": 50,
            "concurrency": 8,
            "allow_private": True,
        }
        connections.put("shop", fields, by="user:ada")
        job = Job.objects.get(instance=instances.start(definition).instance)
        (done,) = worker.perform(job.pk, registry=registry(), worker="w")
    assert done.decision == "completed", done.message
    heard = shop.seen[0]
    assert heard["path"] == "/v2/orders"
    assert (heard["headers"]["x-tenant"], heard["headers"]["authorization"]) == ("tenant-4711", "Bearer token-4711")
    assert ProcessInstance.objects.get().state == "COMPLETED"
