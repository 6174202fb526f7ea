"""The examples of the README, taken out of it as they are printed, deployed and run against the real thing.

Addresses alone are not theirs: connections of the same names lead to servers of the test, queues have names of its own.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from knox.models import AuthToken

from processes.api.waiting import lobby
from processes.models import ProcessInstance
from processes.runtime import connections, definitions, instances
from tasks import worker
from tasks.registry import Registration, Registry
from tests.drawing import HEAD
from tests.tasks.connectors.message.conftest import CONNECTOR, Rabbit
from tests.tasks.connectors.message.test_round_trip import consuming
from tests.tasks.connectors.sql.conftest import run
from tests.tasks.fleet import Process, eventually
from tests.tasks.ways.conftest import AMQP, Service, Web, connect

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[3]
SECTION = (
    (ROOT / "README.md").read_text().partition("## Service tasks without a worker of your own")[2].partition("\n## ")[0]
)


def example(way: str, language: str = "xml") -> str:
    """The first block after the words that a way begins with."""
    _, found, rest = SECTION.partition(f"**{way}.**")
    assert found, f"Expected the README to have an example of {way}"
    block = re.search(rf"\A[^`]*(?:`[^`\n]+`[^`]*)*```{language}\n(.*?)```", rest, re.DOTALL)
    assert block, f"Expected the example of {way} to be {language}"
    return block[1]


def deployed(task: str, **names: str) -> Any:
    """A process of that one task; an error that it throws ends it elsewhere. `names` stand in for names of queues."""
    (id,) = re.findall(r'<bpmn:serviceTask id="(\w+)"', task)
    for own, other in names.items():
        assert f'"{own.replace("_", ".")}"' in task
        task = task.replace(f'"{own.replace("_", ".")}"', f'"{other}"')
    process = f"""<bpmn:process id="example" isExecutable="true"><bpmn:startEvent id="start" />
        <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="{id}" />{task}
        <bpmn:sequenceFlow id="f2" sourceRef="{id}" targetRef="done" /><bpmn:endEvent id="done" />
        <bpmn:boundaryEvent id="refused" attachedToRef="{id}"><bpmn:errorEventDefinition /></bpmn:boundaryEvent>
        <bpmn:sequenceFlow id="f3" sourceRef="refused" targetRef="elsewhere" /><bpmn:endEvent id="elsewhere" />
        </bpmn:process></bpmn:definitions>"""
    deployment = definitions.deploy((HEAD + process).encode())
    assert deployment.warnings == ()
    return deployment.definitions[0].definition


def played(definition: Any, registry: Registry | None = None, **variables: Any) -> dict[str, Any]:
    """The variables that there are more in the end, and in `end` how the job ended."""
    instance = instances.start(definition, variables=variables).instance
    (done,) = worker.perform(instance.jobs.get().pk, registry=registry or Registry.load(), worker="reader")
    if done.decision == "awaiting":
        return outcome(instance, variables, "awaiting")
    assert done.decision in ("completed", "error"), done.message
    return outcome(instance, variables, done.decision)


def outcome(instance: ProcessInstance, given: dict[str, Any], end: str) -> dict[str, Any]:
    row = eventually(
        lambda: ProcessInstance.objects.filter(pk=instance.pk, state="COMPLETED").first(),
        within=60,
        what="the process to end",
    )
    return {"end": end, **{name: value for name, value in row.variables.items() if name not in given}}


def test_every_way_of_the_table_has_an_example_that_is_run_here() -> None:
    ways = re.findall(r"^\| ([A-Z][\w/ ]+) \| [^|]*\| ", SECTION, re.MULTILINE)
    assert [way for way in ways if way != "Handling"] == list(RUN)
    assert re.findall(r"^\*\*([\w/ ]+)\.\*\*", SECTION, re.MULTILINE) == list(RUN)
    assert all(callable(globals().get(test)) for test in RUN.values())


def test_http(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in re.findall(r"^\$ python manage\.py (.*?)(?=^\$|\Z)", example_console(), re.DOTALL | re.MULTILINE):
        monkeypatch.setattr("sys.stdin", io.StringIO("token-4711\n"))
        words = shlex.split(line.partition(" <")[0].replace("https://bank.example", web.url))
        call_command(*words, stdout=io.StringIO())
    assert (connections.find("bank").rate, connections.find("bank").concurrency) == (50, 8)
    definition = deployed(example("HTTP/REST"))
    web.answers["/v1/payments"] = 201, b'{"id": "P-1"}'
    assert played(definition, order={"id": "A-1", "total": 3}) == {"end": "completed", "payment": "P-1"}
    web.answers["/v1/payments"] = 402, b"{}"
    assert played(definition, order={"id": "A-2", "total": 4}) == {"end": "error"}
    assert [seen["method"] for seen in web.seen] == ["POST", "POST"]
    assert json.loads(web.seen[0]["body"]) == {"reference": "A-1", "amount": 3}
    assert web.seen[0]["headers"]["authorization"] == "Bearer token-4711"
    assert web.seen[0]["headers"]["idempotency-key"] != web.seen[1]["headers"]["idempotency-key"]


def example_console() -> str:
    found = re.search(r"```console\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1]


def test_soap(service: Service) -> None:
    connect("vat-office", f"{service.url}/vat?wsdl")
    definition = deployed(example("SOAP"))
    assert played(definition, country="DE", vat="DE1") == {"end": "completed", "company": "1 GmbH"}
    refused = played(definition, country="DE", vat="FR1")
    assert (refused["end"], refused["fault"]["code"]) == ("error", "Client.InvalidInput")
    assert len([asked for asked in service.told() if asked["method"] == "POST"]) == 2


def test_message(rabbit: Rabbit, tmp_path: Path) -> None:
    connect("bureau", AMQP)
    questions, answers = rabbit.queue("questions"), rabbit.queue("answers")
    definition = deployed(example("Message"), credit_questions=questions, credit_answers=answers)
    bureau = Process(["-m", "scripts.demonstration.bureau", AMQP, questions], {}, tmp_path / "bureau.log")
    try:
        bureau.wait_for("ready.")
        with consuming(f"{AMQP}#{answers}"):
            # The connector of these tests: its connection is ours to close in the end.
            registry = Registry({"message": Registration("message", CONNECTOR, "test")})
            assert played(definition, registry, vat="DE1", amount=900) == {"end": "awaiting", "score": 82}
        assert 'asked {"vat":"DE1","amount":900}' in bureau.output()
    finally:
        bureau.kill()


def test_script() -> None:
    pytest.importorskip("pydantic_monty", reason="the extra pydantic-monty is not installed")
    order = {"lines": [{"price": 2, "count": 3}, {"price": 5, "count": 1}]}
    assert played(deployed(example("Script")), order=order) == {"end": "completed", "total": 11}


def test_database(database: str) -> None:
    run(database, operation="execute", sql="CREATE TABLE customer (vat varchar(20) PRIMARY KEY, name varchar(100))")
    connect("customers", database)
    definition = deployed(example("Database"))
    assert played(definition, vat="DE1", company="One GmbH") == {"end": "completed", "entered": 1}
    assert played(definition, vat="DE1", company="Another") == {"end": "error"}
    rows = run(database, sql="SELECT vat, name FROM customer")["rows"]
    assert rows == [{"vat": "DE1", "name": "One GmbH"}]


def test_external_worker(live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "worker_client.py").write_text((ROOT / "tasks" / "worker_client.py").read_text())
    program = example("External worker", "python")
    assert '"http://127.0.0.1:8000"' in program
    (tmp_path / "packer.py").write_text(program.replace("http://127.0.0.1:8000", live_server.url))
    task = """<bpmn:serviceTask id="pack"><bpmn:extensionElements><zeebe:taskDefinition type="pack-parcel" />
        </bpmn:extensionElements></bpmn:serviceTask>"""
    definition = deployed(task)
    token = AuthToken.objects.create(User.objects.create_superuser("packer"))[1]
    packer = Process([str(tmp_path / "packer.py")], {"TOKEN": token}, tmp_path / "packer.log")
    try:
        for pieces, found in ((25, {"boxes": 3}), (101, {})):
            instance = instances.start(definition, variables={"pieces": pieces}).instance
            assert outcome(instance, {"pieces": pieces}, "told") == {"end": "told", **found}
    finally:
        packer.kill()
        monkeypatch.setattr(lobby, "_closing", True)  # nobody waits any more for the answer to its last question
        lobby.join()


WAREHOUSE = """
booked = []

def stock(sku):
    return {"apple": 5}[sku]

def book(sku, key):
    booked.append((sku, key))
    return f"R-{len(booked)}"
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("warehouse", "readme_connector"):
        sys.modules.pop(name, None)


def test_integration(modules: Path) -> None:
    (modules / "warehouse.py").write_text(WAREHOUSE)
    (modules / "readme_connector.py").write_text(example("Integration", "python"))
    registry = Registry.load(["readme_connector"])
    task = """<bpmn:serviceTask id="reserve"><bpmn:extensionElements><zeebe:taskDefinition type="reserve-stock" />
        </bpmn:extensionElements></bpmn:serviceTask>"""
    definition = deployed(task)
    assert played(definition, registry, sku="apple", quantity=5) == {"end": "completed", "reservation": "R-1"}
    assert played(definition, registry, sku="apple", quantity=6) == {"end": "error"}
    ((sku, key),) = sys.modules["warehouse"].booked
    assert (sku, bool(key)) == ("apple", True)


RUN = {
    "HTTP/REST": "test_http",
    "SOAP": "test_soap",
    "Message": "test_message",
    "Script": "test_script",
    "Database": "test_database",
    "External worker": "test_external_worker",
    "Integration": "test_integration",
}
