"""Service tasks as Camunda 7's Modeler draws them with its connectors, deployed and run against a real server."""

from __future__ import annotations

import pytest

from processes.models import Incident, Job, ProcessInstance
from processes.runtime import definitions, instances
from tasks import worker
from tasks.jobs import registry
from tests.drawing import HEAD
from tests.tasks.connectors.server import Server, running

pytestmark = pytest.mark.django_db(transaction=True)

MODEL = f"""{HEAD}
  <bpmn:process id="old" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="call" />
    <bpmn:serviceTask id="call" name="Charge the card">
      <bpmn:extensionElements>
        <camunda:connector>
          <camunda:inputOutput>
            %s
            <camunda:outputParameter name="answer">${{response}}</camunda:outputParameter>
            <camunda:outputParameter name="status">${{statusCode}}</camunda:outputParameter>
          </camunda:inputOutput>
          <camunda:connectorId>%s</camunda:connectorId>
        </camunda:connector>
        <camunda:failedJobRetryTimeCycle>R2/PT0S</camunda:failedJobRetryTimeCycle>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="f2" sourceRef="call" targetRef="way" />
    <bpmn:exclusiveGateway id="way" default="f4" />
    <bpmn:sequenceFlow id="f3" sourceRef="way" targetRef="paid">
      <bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">${{status == 200}}</bpmn:conditionExpression>
    </bpmn:sequenceFlow>
    <bpmn:sequenceFlow id="f4" sourceRef="way" targetRef="declined" />
    <bpmn:endEvent id="paid" />
    <bpmn:endEvent id="declined" />
  </bpmn:process>
</bpmn:definitions>
"""
REST = """<camunda:inputParameter name="url">${shop}</camunda:inputParameter>
  <camunda:inputParameter name="method">POST</camunda:inputParameter>
  <camunda:inputParameter name="headers">
    <camunda:map><camunda:entry key="Content-Type">application/json</camunda:entry></camunda:map>
  </camunda:inputParameter>
  <camunda:inputParameter name="payload">{"amount": 5}</camunda:inputParameter>"""
SOAP = """<camunda:inputParameter name="url">${shop}</camunda:inputParameter>
  <camunda:inputParameter name="headers">
    <camunda:map><camunda:entry key="SOAPAction">urn:pay</camunda:entry></camunda:map>
  </camunda:inputParameter>
  <camunda:inputParameter name="payload">&lt;Envelope/&gt;</camunda:inputParameter>"""


def run(inputs: str, connector: str, path: str, *, tries: int = 1) -> tuple[ProcessInstance, Server]:
    xml = MODEL % (inputs, connector)
    definition = definitions.deploy(xml.encode(), resource="old.bpmn").definitions[0].definition
    with running() as server:
        instance = instances.start(definition, variables={"shop": server.url + path}).instance
        for _ in range(tries):
            list(worker.perform(Job.objects.get(instance=instance).pk, registry=registry(), worker="w"))
    instance.refresh_from_db()
    return instance, server


def ended_at(instance: ProcessInstance) -> str:
    return str(instance.nodes.order_by("-key").values_list("element_id", flat=True)[0])


def test_rest() -> None:
    instance, server = run(REST, "http-connector", "/echo")
    assert (instance.state, ended_at(instance), instance.variables["status"]) == ("COMPLETED", "paid", 200)
    assert isinstance(instance.variables["answer"], str)
    assert set(instance.variables) == {"shop", "answer", "status"}, "nothing of the call but what is mapped"
    seen = server.seen[-1]
    assert (seen["method"], seen["body"], seen["headers"]["content-type"]) == (
        "POST",
        '{"amount": 5}',
        "application/json",
    )


def test_an_error_of_the_service_is_routed_by_its_status() -> None:
    instance, _ = run(REST, "http-connector", "/declined")
    assert (instance.state, ended_at(instance), instance.variables["status"]) == ("COMPLETED", "declined", 402)


def test_soap() -> None:
    instance, server = run(SOAP, "soap-http-connector", "/echo")
    assert (instance.state, ended_at(instance)) == ("COMPLETED", "paid")
    seen = server.seen[-1]
    assert (seen["method"], seen["body"], seen["headers"]["soapaction"]) == ("POST", "<Envelope/>", "urn:pay")


def test_no_answer_is_retried_as_the_model_says_then_an_incident() -> None:
    instance, _ = run(REST, "http-connector", "/reset", tries=2)
    assert instance.state == "ACTIVE"
    assert Incident.objects.get().kind == "JOB_NO_RETRIES"
