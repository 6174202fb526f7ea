"""Scripts of models, from the drawing to the variable."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from processes.models import Incident, ProcessInstance, Step
from processes.runtime import definitions, instances
from tasks import worker
from tasks.connectors.script import ScriptConnector
from tasks.registry import Registration, Registry
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)
REGISTRY = Registry({"script": Registration("script", ScriptConnector(), "test")})

EXAMPLE = """
<bpmn:scriptTask id="total" name="Add up" scriptFormat="python">
  <bpmn:extensionElements><zeebe:ioMapping>
    <zeebe:input source="=order.items" target="items" />
    <zeebe:output source="=result" target="total" />
  </zeebe:ioMapping></bpmn:extensionElements>
  <bpmn:script>
    sum(item["price"] * item["count"] for item in items)
  </bpmn:script>
</bpmn:scriptTask>
"""


def played(drawing: bytes, variables: dict[str, Any]) -> ProcessInstance:
    deployed = definitions.deploy(drawing).definitions[0].definition
    instance = instances.start(deployed, variables=variables).instance
    for job in instance.jobs.all():
        list(worker.perform(job.pk, registry=REGISTRY, worker="tester"))
    return ProcessInstance.objects.get(pk=instance.pk)


def document(task: str) -> bytes:
    drawing = Drawing("order").start().node("task", "total").end().xml().decode()
    begin = drawing.index("<bpmn:task")
    end = drawing.index("</bpmn:task>") + len("</bpmn:task>")
    return (drawing[:begin] + task.strip() + drawing[end:]).encode()


def test_the_example() -> None:
    pytest.importorskip("pydantic_monty", reason="the extra pydantic-monty is not installed")
    order = {"items": [{"price": 2, "count": 3}, {"price": 5, "count": 1}]}
    instance = played(document(EXAMPLE), {"order": order})
    assert (instance.state, instance.variables["total"]) == ("COMPLETED", 11)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_with_line_and_journal() -> None:
    body = "<bpmn:script>console.log('adding');\nresult = a + b;\nresult</bpmn:script>"
    drawing = Drawing("sum").start().node("scriptTask", "s", body, scriptFormat="javascript").end().xml()
    instance = played(drawing, {"a": 1, "b": 2})
    assert (instance.state, instance.variables["result"]) == ("COMPLETED", 3)
    assert Step.objects.get(command="CompleteJob").journal["printed"] == "adding\n"
    instance = played(drawing, {"a": 1})
    assert instance.state == "ACTIVE"
    assert "in line 2: ReferenceError" in Incident.objects.get().message


def test_a_service_task_with_headers() -> None:
    headers = {"script": "a * 2", "language": "feel", "resultVariable": "answer"}
    instance = played(Drawing("x").start().service("s", type="script", headers=headers).end().xml(), {"a": 21})
    assert instance.variables["answer"] == {"result": 42}
