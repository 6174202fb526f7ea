"""HTTP tasks as they are drawn: models with the inputs of Camunda's template, and those of the README."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from processes.models import Job, ProcessInstance
from processes.runtime import definitions, instances
from tasks import worker
from tasks.registry import Registry
from tests.tasks.connectors.http.service import CLIENT, ITEMS, SECRET, Service
from tests.tasks.connectors.server import running

pytestmark = pytest.mark.django_db(transaction=True)

AROUND = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="http://example.org">
  <bpmn:process id="rest" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="call" />
    %s
    <bpmn:sequenceFlow id="f2" sourceRef="call" targetRef="end" />
    <bpmn:endEvent id="end" />
  </bpmn:process>
</bpmn:definitions>
"""

CAMUNDA = """
<bpmn:serviceTask id="call" zeebe:modelerTemplate="io.camunda.connectors.HttpJson.v2" zeebe:modelerTemplateVersion="12">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="io.camunda:http-json:1" retries="3" />
    <zeebe:ioMapping>
      <zeebe:input source="oauth-client-credentials-flow" target="authentication.type" />
      <zeebe:input source="=service + &quot;/token&quot;" target="authentication.oauthTokenEndpoint" />
      <zeebe:input source="=client" target="authentication.clientId" />
      <zeebe:input source="=secret" target="authentication.clientSecret" />
      <zeebe:input source="credentialsBody" target="authentication.clientAuthentication" />
      <zeebe:input source="read" target="authentication.scopes" />
      <zeebe:input source="GET" target="method" />
      <zeebe:input source="=service + &quot;/guarded&quot;" target="url" />
      <zeebe:input source="={accept: &quot;application/json&quot;}" target="headers" />
      <zeebe:input source="={a: 1}" target="queryParameters" />
      <zeebe:input source="=false" target="storeResponse" />
      <zeebe:input source="false" target="skipEncoding" />
      <zeebe:input source="20" target="connectionTimeoutInSeconds" />
      <zeebe:input source="20" target="readTimeoutInSeconds" />
      <zeebe:input source="=false" target="ignoreNullValues" />
    </zeebe:ioMapping>
    <zeebe:taskHeaders>
      <zeebe:header key="elementTemplateVersion" value="12" />
      <zeebe:header key="elementTemplateId" value="io.camunda.connectors.HttpJson.v2" />
      <zeebe:header key="resultExpression" value="={welcome: response.body.welcome}" />
      <zeebe:header key="retryBackoff" value="PT0S" />
    </zeebe:taskHeaders>
  </bpmn:extensionElements>
  <bpmn:incoming>f1</bpmn:incoming><bpmn:outgoing>f2</bpmn:outgoing>
</bpmn:serviceTask>
"""

PAGES = """
<bpmn:serviceTask id="call">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="io.camunda:http-json:1" />
    <zeebe:ioMapping>
      <zeebe:input source="=service + &quot;/cursor&quot;" target="url" />
      <zeebe:input target="pagination" source="={type: &quot;cursor&quot;, items: &quot;=response.body.data&quot;,
        next: &quot;=response.body.meta.next&quot;, cursorParameter: &quot;after&quot;}" />
    </zeebe:ioMapping>
    <zeebe:taskHeaders><zeebe:header key="resultExpression" value="={rows: response.items}" /></zeebe:taskHeaders>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""

POLL = """
<bpmn:serviceTask id="call">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="io.camunda:http-json:1" />
    <zeebe:ioMapping>
      <zeebe:input source="POST" target="method" />
      <zeebe:input source="=service + &quot;/work&quot;" target="url" />
      <zeebe:input target="poll" source="={interval: &quot;PT5S&quot;,
        until: &quot;=response.body.status = \\&quot;done\\&quot;&quot;}" />
    </zeebe:ioMapping>
    <zeebe:taskHeaders>
      <zeebe:header key="resultExpression" value="={result: response.body.result}" />
    </zeebe:taskHeaders>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""


@pytest.fixture
def service() -> Iterator[Service]:
    with running(Service()) as service:
        assert isinstance(service, Service)
        yield service


def result(task: str, service: Service, **variables: Any) -> dict[str, Any]:
    """What became of the variables, once nothing is to be done any more."""
    definition = definitions.deploy((AROUND % task).encode()).definitions[0].definition
    given = {"service": service.url, **variables}
    instance = instances.start(definition, variables=given).instance
    registry = Registry.load()
    for _ in range(10):
        Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        for job in Job.objects.filter(state="DUE"):
            list(worker.perform(job.pk, registry=registry, worker="tester"))
    ended = ProcessInstance.objects.get(pk=instance.pk)
    assert ended.state == "COMPLETED"
    return {name: value for name, value in ended.variables.items() if name not in given}


def test_a_model_of_camunda_s_template_runs_unchanged(service: Service) -> None:
    assert result(CAMUNDA, service, client=CLIENT, secret=SECRET) == {"welcome": True}
    assert service.paths("/guarded") == ["/guarded?a=1"]


def test_all_pages(service: Service) -> None:
    assert [row["id"] for row in result(PAGES, service)["rows"]] == [item["id"] for item in ITEMS]


def test_poll_until_done(service: Service) -> None:
    assert result(POLL, service) == {"result": 42}
    assert service.count("/works/1") == 2


TYPO = """
<bpmn:serviceTask id="call">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="%s" />
    <zeebe:ioMapping>
      <zeebe:input source="=service + &quot;/target&quot;" target="url" />
      <zeebe:input source="POST" target="methd" />
    </zeebe:ioMapping>
    <zeebe:taskHeaders><zeebe:header key="resultExpression" value="={answer: response.status}" /></zeebe:taskHeaders>
  </bpmn:extensionElements>
</bpmn:serviceTask>"""


def test_a_mistyped_input_is_an_incident_and_calls_nobody(service: Service) -> None:
    definition = definitions.deploy((AROUND % (TYPO % "http")).encode()).definitions[0].definition
    instance = instances.start(definition, variables={"service": service.url}).instance
    (done,) = worker.perform(Job.objects.get().pk, registry=Registry.load(), worker="tester")
    assert done.decision == "failed"
    assert "found the unknown input `methd`" in done.message
    assert service.seen == []
    assert ProcessInstance.objects.get(pk=instance.pk).incidents.count() == 1


def test_names_that_a_template_of_camunda_s_brings_pass(service: Service) -> None:
    assert result(TYPO % "io.camunda:http-json:1", service) == {"answer": 200}


def test_a_task_that_maps_nothing_sees_every_variable(service: Service) -> None:
    task = """
<bpmn:serviceTask id="call"><bpmn:extensionElements><zeebe:taskDefinition type="http" />
<zeebe:taskHeaders><zeebe:header key="resultExpression" value="={answer: response.status}" /></zeebe:taskHeaders>
</bpmn:extensionElements></bpmn:serviceTask>"""
    assert result(task, service, url=f"{service.url}/target", methd="POST") == {"answer": 200}
