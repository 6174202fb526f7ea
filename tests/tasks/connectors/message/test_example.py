"""The example of the manual, and a whole fleet: a real worker asks, and listens for the reply itself."""

from __future__ import annotations

from typing import Any

import pytest

from processes.models import AwaitedReply, ProcessInstance, Worker
from processes.runtime import definitions, instances
from tests.drawing import HEAD
from tests.tasks import fleet as ships
from tests.tasks.connectors.message.conftest import AMQP, Rabbit
from tests.tasks.connectors.message.test_round_trip import RESPONDER
from tests.tasks.fleet import eventually

EXAMPLE = """
<bpmn:serviceTask id="ask" name="Ask the warehouse">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="message" retries="3" />
    <zeebe:ioMapping>
      <zeebe:input source="=broker" target="url" />
      <zeebe:input source="=orders" target="queue" />
      <zeebe:input source="={sku: sku, quantity: 2}" target="body" />
      <zeebe:input source="reply" target="mode" />
      <zeebe:input source="=answers" target="replyTo" />
      <zeebe:input source="=90" target="replyTimeoutInSeconds" />
      <zeebe:output source="=body.echo.quantity" target="reserved" />
    </zeebe:ioMapping>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""


@pytest.mark.workers
def test_the_example_on_a_worker_that_listens_for_replies(rabbit: Rabbit, fleet: ships.Fleet) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers", make=False)
    drawing = f"""{HEAD}<bpmn:process id="shop" isExecutable="true"><bpmn:startEvent id="start" />
        <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="ask" />{EXAMPLE}<bpmn:endEvent id="end" />
        <bpmn:sequenceFlow id="f2" sourceRef="ask" targetRef="end" /></bpmn:process></bpmn:definitions>"""
    definition = definitions.deploy(drawing.encode()).definitions[0].definition
    # By a name of its own: other fleets may use the same broker.
    worker = fleet.begin(f"-n{orders}@%h", pool="prefork", concurrency=1, ORCHESTRATOR_REPLIES=f"{AMQP}#{answers}")
    worker.wait_for("Listening to")
    fleet.process([RESPONDER, AMQP, orders]).wait_for("ready.")
    given: dict[str, Any] = {"broker": AMQP, "orders": orders, "answers": answers, "sku": "S-1"}
    begun = [instances.start(definition, variables=given).instance.pk for _ in range(5)]
    done = ProcessInstance.objects.filter(pk__in=begun, state="COMPLETED")
    eventually(lambda: done.count() == 5, what="all orders to be answered")
    assert [each.variables["reserved"] for each in done] == [2] * 5
    assert AwaitedReply.objects.filter(ending="answered").count() == 5
    assert Worker.objects.count() == 1
    worker.terminate()
    assert worker.ended() == 0
