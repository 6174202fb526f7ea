"""One process that handles its service tasks in all seven ways, against the real thing in each of them.

`tests/drawings/seven_ways.bpmn`: a business customer opens an account. HTTP asks a register, SOAP the VAT office, a
message the credit bureau behind RabbitMQ, scripts make a number with check digits, SQL writes a row, an external worker
finds a manager, an e-mail welcomes. The jobs are worked on by a worker process and by the clerk, a program of its own.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from lxml import etree

from processes.engine.parser import parse
from processes.models import FlowNodeInstance, Incident, ProcessInstance
from processes.runtime import definitions, instances
from tests.tasks import fleet as ships
from tests.tasks.connectors.message.conftest import Rabbit
from tests.tasks.connectors.sql.conftest import run
from tests.tasks.fleet import eventually
from tests.tasks.ways.conftest import AMQP, KEY, Post, Service, Web, connect, connect_post

DI, DC = "{http://www.omg.org/spec/BPMN/20100524/DI}", "{http://www.omg.org/spec/DD/20100524/DC}"
MODEL = Path(__file__).resolve().parents[2] / "drawings" / "seven_ways.bpmn"
CUSTOMERS = """CREATE TABLE customer (number varchar(20) PRIMARY KEY, vat varchar(20) NOT NULL UNIQUE,
    name varchar(100) NOT NULL, credit numeric(12, 2) NOT NULL, job varchar(64) NOT NULL UNIQUE)"""

LANGUAGES = {"python": importlib.util.find_spec("pydantic_monty"), "javascript": shutil.which("node"), "feel": "ours"}
"""What scripts may be written in, and what says that it is installed."""


def languages() -> list[str]:
    here = [language for language, installed in LANGUAGES.items() if installed]
    if os.environ.get("CI"):
        assert here == list(LANGUAGES), "Expected every language of scripts to be installed"
    return here


def test_the_model_is_drawn_and_nothing_lies_upon_another() -> None:
    process = parse(MODEL.read_bytes()).processes[0]
    root = etree.fromstring(MODEL.read_bytes())
    boxes: dict[str, tuple[float, ...]] = {}
    for shape in root.iter(f"{DI}BPMNShape"):
        bounds = shape.find(f"{DC}Bounds")
        assert bounds is not None
        boxes[shape.get("bpmnElement", "")] = tuple(
            float(bounds.get(side, "")) for side in ("x", "y", "width", "height")
        )
    assert boxes.keys() == process.nodes.keys()
    assert {edge.get("bpmnElement") for edge in root.iter(f"{DI}BPMNEdge")} == process.flows.keys()
    placed = {id: box for id, box in boxes.items() if process.nodes[id].tag != "boundaryEvent"}
    for (one, (x, y, width, height)), (other, (left, top, across, down)) in itertools.combinations(placed.items(), 2):
        assert x + width <= left or left + across <= x or y + height <= top or top + down <= y, (one, other)


class Town:
    """Everybody whom the process deals with."""

    def __init__(self, web: Web, service: Service, rabbit: Rabbit, database: str, post: Post) -> None:
        self.web, self.service, self.database, self.post = web, service, database, post
        self.questions, self.answers = rabbit.queue("questions"), rabbit.queue("answers", make=False)
        run(database, operation="execute", sql=CUSTOMERS)
        connect("register", web.url)
        connect("vat-office", f"{service.url}/vat?wsdl")
        connect("credit-bureau", AMQP, options={"replyTo": self.answers})
        connect("customers", database)
        connect_post(post)

    def application(self, registration: str, *, numbering: str = "feel", credit: int = 5000, vat: str = "") -> Any:
        """What the process of an applicant is started with; also enters the company into the register."""
        company = {"registration": registration, "country": "DE", "employees": 40, "region": "north"}
        self.web.answers[f"/companies/{registration}"] = 200, json.dumps(company).encode()
        vat = vat or f"DE{registration}"
        asked = {"registration": registration, "vat": vat, "email": f"c{registration}@example.org", "credit": credit}
        return {"application": asked, "numbering": numbering, "bureau_queue": self.questions}

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = run(self.database, sql="SELECT * FROM customer ORDER BY number")["rows"]
        return found


@pytest.fixture
def town(web: Web, service: Service, rabbit: Rabbit, database: str, post: Post, fleet: ships.Fleet) -> Town:
    return Town(web, service, rabbit, database, post)


def way(instance: ProcessInstance) -> set[str]:
    return set(FlowNodeInstance.objects.filter(instance=instance).values_list("element_id", flat=True))


@pytest.mark.workers
def test_an_account_is_opened_in_seven_ways_and_refused_in_three(
    town: Town, fleet: ships.Fleet, live_server: Any
) -> None:
    # Given a worker that also listens for replies, an external worker, and a credit bureau
    deployed = definitions.deploy(MODEL.read_bytes(), resource=MODEL.name)
    assert deployed.warnings == ()
    definition = deployed.definitions[0].definition
    replies = {"ORCHESTRATOR_REPLIES": f"{AMQP}#{town.answers}", "ORCHESTRATOR_FIELD_KEYS": KEY}
    worker = fleet.begin(f"-n{town.questions}@%h", concurrency=4, **replies)
    worker.wait_for("Listening to")
    bureau = fleet.process(["-m", "scripts.demonstration.bureau", AMQP, town.questions])
    bureau.wait_for("ready.")
    token = AuthToken.objects.create(User.objects.create_superuser("clerk"))[1]
    known = {"ORCHESTRATOR_URL": live_server.url, "ORCHESTRATOR_TOKEN": token}
    clerk = fleet.process(["-m", "scripts.demonstration.clerk"], **known)
    clerk.wait_for("serves assign-manager")

    def started(**given: Any) -> ProcessInstance:
        return instances.start(definition, variables=town.application(**given)).instance

    def ended(instance: ProcessInstance) -> ProcessInstance:
        assert not Incident.objects.exists(), [str(row.message) for row in Incident.objects.all()]
        return ProcessInstance.objects.filter(pk=instance.pk, state="COMPLETED").first()  # type: ignore[return-value]

    # When customers apply: one for each language, one for little credit, and three who are refused
    spoken = languages()
    numbers = dict(zip(spoken, ("4711", "2024", "96"), strict=False))
    opened = {language: started(registration=numbers[language], numbering=language) for language in spoken}
    modest = started(registration="31415", credit=900)
    unknown = started(registration="777", vat="FR777")
    broke = started(registration="500")
    for instance in (*opened.values(), modest, unknown, broke):
        eventually(lambda one=instance: ended(one), within=120, what="everybody to be answered")
    twin = started(registration="8888", credit=900, vat="DE31415")
    eventually(lambda: ended(twin), within=60, what="the second application to be answered")

    # Then accounts are open, with numbers whose remainder by 97 is 1 in whatever language
    for language, instance in [*opened.items(), ("feel", modest)]:
        variables, registration = ended(instance).variables, ended(instance).variables["company"]["registration"]
        customer = variables["customer"]
        assert customer["number"] == f"{registration}{98 - int(registration) * 100 % 97:02}", language
        assert int(customer["number"]) % 97 == 1
        assert customer["manager"] == "Nora"
        assert variables["company"]["legal_name"] == f"{registration} GmbH"
        assert variables["welcomed"].startswith("<")
        assert "End_Opened" in way(instance)
    assert {name: ended(one).variables["score"] for name, one in opened.items()} == dict.fromkeys(opened, 82)
    assert "score" not in ended(modest).variables
    tasks = {"python": "Task_Python", "javascript": "Task_JavaScript", "feel": "Task_Feel"}
    assert all(way(instance) & set(tasks.values()) == {tasks[name]} for name, instance in opened.items())

    # and three are not: the fault of a service, the outcome of a question, the key of a row
    assert {"Boundary_Vat", "End_Rejected"} <= way(unknown)
    assert ended(unknown).variables["fault"]["detail"] == {"UnknownVatNumber": "FR777"}
    assert "End_Declined" in way(broke)
    assert ended(broke).variables["score"] == 31
    assert {"Boundary_Known", "End_Known"} <= way(twin)
    assert "customer" in ended(twin).variables

    # and everybody outside was asked what they had to be, and once
    everyone = [*numbers.values(), "31415", "777", "500", "8888"]
    assert sorted(seen["path"] for seen in town.web.seen) == sorted(f"/companies/{each}" for each in everyone)
    assert all(seen["headers"]["idempotency-key"] for seen in town.web.seen)
    envelopes = [asked["body"] for asked in town.service.told() if asked["method"] == "POST"]
    vats = [f"DE{each}" for each in (*numbers.values(), "31415", "500")]
    asked = sorted(re.findall(r"vatNumber>(\w+)<", " ".join(envelopes)))
    assert asked == sorted([*vats, "FR777", "DE31415"])
    questions = [json.loads(line[6:]) for line in bureau.output().splitlines() if line.startswith("asked ")]
    large = [*numbers.values(), "500"]
    assert sorted(each["vat"] for each in questions) == sorted(f"DE{each}" for each in large)
    assert {each["amount"] for each in questions} == {5000}
    rows = {row["vat"]: row for row in town.rows()}
    assert rows.keys() == {f"DE{each}" for each in (*numbers.values(), "31415")}
    assert rows["DE31415"]["name"] == "31415 GmbH"
    assert (int(rows["DE31415"]["credit"]), int(rows[f"DE{numbers['feel']}"]["credit"])) == (900, 5000)
    letters = {note["to"][0]: note for note in town.post.taken()}
    assert letters.keys() == {f"c{each}@example.org" for each in (*numbers.values(), "31415")}
    assert all(note["tls"] and note["user"] == "ada" for note in letters.values())
    number = rows["DE31415"]["number"]
    assert f"Your customer number is {number}. Ask Nora" in letters["c31415@example.org"]["body"].replace("=\r\n", "")
    clerk.terminate()
    worker.terminate()
    assert (clerk.ended(), worker.ended()) == (0, 0)


def test_a_row_that_was_written_before_the_worker_died_is_not_a_double(database: str) -> None:
    """The job's own key makes a second try of the insertion harmless; another customer's key still collides."""
    run(database, operation="execute", sql=CUSTOMERS)
    (statement,) = re.findall(r'source="(INSERT INTO customer .*?)"', MODEL.read_text())
    parameters = {"number": "471131", "vat": "DE4711", "name": "4711 GmbH", "credit": 900}
    asked = {"operation": "execute", "sql": statement, "parameters": parameters}
    assert run(database, **asked)["affected"] == 1
    assert run(database, **asked)["affected"] == 0
    asked["parameters"] = {**parameters, "number": "888801", "idempotency_key": "of-another-job"}
    with pytest.raises(Exception, match="23505"):
        run(database, **asked)
    assert run(database, sql="SELECT * FROM customer", returnType="count")["count"] == 1
