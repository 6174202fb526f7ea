"""A database task of a model, from the drawing to the variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from processes.models import ProcessInstance
from processes.runtime import definitions, instances
from tasks import worker
from tasks.connectors.sql import SqlConnector
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.tasks.connectors.sql.conftest import run

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLE = """
<bpmn:serviceTask id="stock" name="Look up the stock">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="sql" />
    <zeebe:ioMapping>
      <zeebe:input source="=database" target="dsn" />
      <zeebe:input source="SELECT sku, pieces FROM stock WHERE sku IN :skus" target="sql" />
      <zeebe:input source="=order.skus" target="parameters.skus" />
      <zeebe:output source="=rows" target="stock" />
    </zeebe:ioMapping>
  </bpmn:extensionElements>
</bpmn:serviceTask>
"""


def test_the_example(tmp_path: Path) -> None:
    dsn = f"sqlite:///{tmp_path}/shop.db"
    run(dsn, operation="execute", sql="CREATE TABLE stock (sku text PRIMARY KEY, pieces integer)")
    run(
        dsn,
        operation="execute",
        sql="INSERT INTO stock VALUES (:sku, :pieces)",
        parameters=[{"sku": sku, "pieces": pieces} for sku, pieces in (("a", 1), ("b", 2), ("c", 3))],
    )
    drawing = Drawing("order").start().node("task", "stock").end().xml().decode()
    begin, end = drawing.index("<bpmn:task"), drawing.index("</bpmn:task>") + len("</bpmn:task>")
    model = (drawing[:begin] + EXAMPLE.strip() + drawing[end:]).encode()
    given: dict[str, Any] = {"database": dsn, "order": {"skus": ["a", "c"]}}
    instance = instances.start(definitions.deploy(model).definitions[0].definition, variables=given).instance
    registry = Registry({"sql": Registration("sql", SqlConnector(sqlite_files=True), "test")})
    (done,) = worker.perform(instance.jobs.get().pk, registry=registry, worker="tester")
    assert done.decision == "completed", done
    ended = ProcessInstance.objects.get()
    assert ended.variables["stock"] == [{"sku": "a", "pieces": 1}, {"sku": "c", "pieces": 3}]
