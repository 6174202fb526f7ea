"""The example of the README: an e-mail whose refusal is a path of the model."""

from __future__ import annotations

import pytest

from processes.models import Job, ProcessInstance
from processes.runtime import definitions, instances
from tasks.connectors.email import EmailConnector
from tasks.registry import Registration, Registry
from tasks.worker import perform
from tests.tasks.connectors.email.conftest import Post

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = """
<bpmn:serviceTask id="confirm" name="Confirm the order">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="email" retries="5" />
    <zeebe:ioMapping>
      <zeebe:input source="=mail.host" target="host" />
      <zeebe:input source="shop@example.org" target="from" />
      <zeebe:input source="=customer" target="to" />
      <zeebe:input source="Your order" target="subject" />
      <zeebe:input source="=&quot;We send &quot; + item" target="text" />
    </zeebe:ioMapping>
    <zeebe:taskHeaders>
      <zeebe:header key="errorExpression"
        value="=if error.code = &quot;550&quot; then bpmnError(&quot;NO_SUCH_CUSTOMER&quot;) else null" />
    </zeebe:taskHeaders>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="Definitions_1" targetNamespace="http://bpmn.io/schema/bpmn">
<bpmn:error id="Error_1" errorCode="NO_SUCH_CUSTOMER" />
<bpmn:process id="order" isExecutable="true">
<bpmn:startEvent id="start" />
<bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="confirm" />
{task}
<bpmn:sequenceFlow id="f2" sourceRef="confirm" targetRef="confirmed" />
<bpmn:endEvent id="confirmed" />
<bpmn:boundaryEvent id="refused" attachedToRef="confirm">
<bpmn:errorEventDefinition errorRef="Error_1" /></bpmn:boundaryEvent>
<bpmn:sequenceFlow id="f3" sourceRef="refused" targetRef="unknown" />
<bpmn:endEvent id="unknown" />
</bpmn:process></bpmn:definitions>"""


@pytest.mark.parametrize(("customer", "decision"), [("bob@example.org", "completed"), ("no@example.org", "error")])
def test_example(post: Post, customer: str, decision: str) -> None:
    # Beside the example: the port of the server here, which has no TLS.
    here = f"""
      <zeebe:input source="={post.ports["plain"]}" target="port" />
      <zeebe:input source="none" target="tls" />
    </zeebe:ioMapping>"""
    task = EXAMPLE.replace("</zeebe:ioMapping>", here)
    definition = definitions.deploy(MODEL.format(task=task).encode()).definitions[0].definition
    given = {"mail": {"host": "127.0.0.1"}, "customer": customer, "item": "an apple"}
    instance = instances.start(definition, variables=given).instance
    registry = Registry({"email": Registration("email", EmailConnector(), "test")})
    (done,) = perform(Job.objects.get().pk, registry=registry, worker="tester")
    assert done.decision == decision, done.message
    assert ProcessInstance.objects.get(pk=instance.pk).state == "COMPLETED"
    if decision == "completed":
        note, message = post.last()
        assert (note["to"], message["Subject"]) == ([customer], "Your order")
        assert note["body"].splitlines()[-1] == "We send an apple"
