"""The example of the README: a task for an external worker, and the worker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken

from processes.models import ProcessInstance
from processes.runtime import definitions, instances
from tasks.worker_client import BpmnError, Job, WorkerClient

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = """
<bpmn:serviceTask id="charge" name="Charge the card">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="charge-card" retries="5" />
    <zeebe:ioMapping>
      <zeebe:input source="=order.total" target="amount" />
      <zeebe:output source="=receipt" target="order.receipt" />
    </zeebe:ioMapping>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="Definitions_1" targetNamespace="http://bpmn.io/schema/bpmn">
<bpmn:error id="Error_1" errorCode="DECLINED" />
<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="start" />
<bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="charge" />
{task}
<bpmn:sequenceFlow id="f2" sourceRef="charge" targetRef="charged" />
<bpmn:endEvent id="charged" />
<bpmn:boundaryEvent id="declined" attachedToRef="charge">
<bpmn:errorEventDefinition errorRef="Error_1" /></bpmn:boundaryEvent>
<bpmn:sequenceFlow id="f3" sourceRef="declined" targetRef="end" />
<bpmn:endEvent id="end" />
</bpmn:process></bpmn:definitions>"""


def test_example(transactional_db: None, live_server: Any) -> None:
    token = AuthToken.objects.create(User.objects.create_superuser("worker"))[1]
    client = WorkerClient(live_server.url, token, name="payments-1")

    @client.worker("charge-card", max_jobs=8, lease=60, fields=["amount"])
    def charge(job: Job) -> dict[str, Any] | None:
        if job.variables["amount"] > 1000:
            raise BpmnError("DECLINED", "too much")
        return {"receipt": f"R-{job.variables['amount']}"}

    definition = definitions.deploy(MODEL.format(task=EXAMPLE).encode()).definitions[0].definition
    for total, told, receipt in ((Decimal("9.90"), "complete", "R-9.90"), (Decimal(1001), "error", None)):
        started = instances.start(definition, variables={"order": {"total": total}}).instance
        assert client.once("charge-card") == told
        instance = ProcessInstance.objects.get(pk=started.pk)
        assert instance.state == "COMPLETED"
        assert instance.variables["order"].get("receipt") == receipt
    assert client.once("charge-card") is None
