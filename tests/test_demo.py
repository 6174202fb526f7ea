"""The demonstration: its model, its orders, its shop, and the whole story as a new user runs it."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from lxml import etree
from rest_framework.test import APIClient

from processes.engine.parser import parse
from processes.runtime import definitions
from scripts.demonstration import seven, world
from scripts.demonstration.applicants import (
    BAKERY,
    DECLINED,
    KNOWN,
    OPENED,
    applicants,
    latecomers,
)
from scripts.demonstration.applicants import REJECTED as UNKNOWN
from scripts.demonstration.audit import by_order, differences
from scripts.demonstration.broker import looked_for
from scripts.demonstration.client import Story
from scripts.demonstration.faults import Faults
from scripts.demonstration.offices import Offices
from scripts.demonstration.orders import (
    CANCELLED,
    DELIVERED,
    DETOURS,
    ENDS,
    REFUNDED,
    REJECTED,
    Line,
    Order,
    expect,
    orders,
    price,
)
from scripts.demonstration.seven import Ended
from scripts.demonstration.shop import serve
from scripts.demonstration.story import MODEL, PROCESS
from tasks.connectors import kit
from tasks.connectors.base import BpmnError, Connection
from tasks.connectors.email import EmailConnector
from tasks.connectors.soap import SoapConnector

ROOT = Path(__file__).resolve().parent.parent
DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"


class TestModel:
    @pytest.mark.django_db
    def test_it_deploys_without_a_warning_and_once(self) -> None:
        first = definitions.deploy(MODEL.read_bytes(), resource=MODEL.name)
        second = definitions.deploy(MODEL.read_bytes(), resource=MODEL.name)
        assert first.warnings == ()
        assert [(one.definition.process_id, one.created) for one in first.definitions] == [(PROCESS, True)]
        assert [one.created for one in second.definitions] == [False]

    @pytest.mark.django_db
    def test_it_comes_back_byte_for_byte(self) -> None:
        client = APIClient()
        client.force_authenticate(User.objects.create_superuser("alice"))
        with MODEL.open("rb") as file:
            made = client.post("/api/v1/process-definitions", {"file": file}).json()["definitions"][0]
        assert client.get(f"/api/v1/process-definitions/{made['id']}/xml").content == MODEL.read_bytes()

    def test_everything_is_drawn_by_hand(self) -> None:
        process = parse(MODEL.read_bytes()).processes[0]
        root = etree.fromstring(MODEL.read_bytes())
        shapes = {shape.get("bpmnElement") for shape in root.iter(f"{DI}BPMNShape")}
        edges = {edge.get("bpmnElement") for edge in root.iter(f"{DI}BPMNEdge")}
        assert shapes == process.nodes.keys()
        assert edges == process.flows.keys()

    def test_ends_and_detours_are_elements(self) -> None:
        process = parse(MODEL.read_bytes()).processes[0]
        assert {id for id, node in process.nodes.items() if node.tag == "endEvent"} == ENDS.keys()
        assert process.nodes.keys() >= DETOURS.keys()


class TestOrders:
    def test_they_are_the_same_every_time(self) -> None:
        assert orders() == orders()
        assert len({order.id for order in orders()}) == 50

    def test_every_end_is_reached_and_a_few_need_an_operator(self) -> None:
        expected = [expect(order) for order in orders()]
        assert Counter(one.end for one in expected) == {DELIVERED: 40, REJECTED: 4, CANCELLED: 3, REFUNDED: 3}
        assert Counter(one.repair for one in expected) == {"": 46, "maintenance": 3, "address": 1}
        assert {detour for one in expected for detour in one.detours} == DETOURS.keys()

    @pytest.mark.parametrize(
        ("line", "loyal", "total"),
        [
            (Line("novel", 1, Decimal("12.90")), False, "12.90"),
            (Line("novel", 1, Decimal("12.90")), True, "12.26"),  # 12.255, rounded half up
            (Line("record-player", 2, Decimal("249.99")), False, "499.98"),
            (Line("record-player", 2, Decimal("250.00")), True, "450.00"),
        ],
    )
    def test_price(self, line: Line, loyal: bool, total: str) -> None:
        assert price(Order("1", (line,), loyal=loyal)) == Decimal(total)


class Letters:
    """A post office that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, name: str, correlation_key: str, variables: dict[str, Any], *, after: float = 0.0) -> None:
        self.sent.append((name, correlation_key))


class Shop:
    """A shop at an address, without faults unless told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.letters = Letters()
        self.fault = ""
        monkeypatch.setattr(Faults, "_kind", lambda *_: self.fault)
        self.server = serve(0, self.letters, seed=1)  # type: ignore[arg-type]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def post(self, service: str, key: str, **body: Any) -> requests.Response:
        return requests.post(f"{self.url}/{service}", json=body, headers={"Idempotency-Key": key}, timeout=10)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def books(self) -> dict[str, Any]:
        return dict(requests.get(f"{self.url}/books", timeout=10).json())


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    shop = Shop(monkeypatch)
    yield shop
    shop.close()


class TestShop:
    def test_a_busy_service_says_when_to_come_back(self, shop: Shop) -> None:
        shop.fault = "busy"
        first = shop.post("refunds", "1", order_id="A", payment="P")
        assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
        assert shop.post("refunds", "1", order_id="A", payment="P").status_code == 201

    def test_a_payment_whose_answer_was_lost_is_made_once(self, shop: Shop) -> None:
        shop.fault = "silent"
        card = world.GOOD_CARD
        with pytest.raises(requests.ConnectionError):
            shop.post("payments", "1", order_id="A", amount=10, card=card)
        again = shop.post("payments", "1", order_id="A", amount=10, card=card)
        assert again.json()["payment"] == shop.books["payments"][0]["number"]
        assert len(shop.books["payments"]) == 1

    def test_declined_unknown_and_malformed(self, shop: Shop) -> None:
        card = world.STOLEN_CARD
        assert shop.post("payments", "1", order_id="A", amount=10, card=card).json()["decline"] == "reported stolen"
        assert shop.post("reservations", "2", order_id="A", lines=[{"product": "unicorn"}]).status_code == 404
        assert shop.post("reservations", "3", order_id="A", lines=None).status_code == 400
        assert shop.post("nothing", "4").status_code == 404

    def test_maintenance_ends(self, shop: Shop) -> None:
        assert shop.post("invoices", "1", order_id="A", region="north", total=1).status_code == 503
        requests.put(f"{shop.url}/status", json={"maintenance": False}, timeout=10)
        assert shop.post("invoices", "1", order_id="A", region="north", total=1).status_code == 201

    def test_released_stock_is_no_longer_held(self, shop: Shop) -> None:
        held = shop.post("reservations", "1", order_id="A", lines=[{"product": "novel"}]).json()["reservation"]
        answer = requests.delete(f"{shop.url}/reservations/{held}", headers={"Idempotency-Key": "2"}, timeout=10)
        assert (answer.status_code, answer.content) == (204, b"")
        assert shop.books["reservations"] == []

    def test_who_answers(self, shop: Shop) -> None:
        ask = {"order_id": "A", "subject": "?", "text": "?", "reply_to": "another-card"}
        shop.post("notifications", "1", **ask, decline="reported stolen")
        assert shop.letters.sent == []
        shop.post("notifications", "2", **ask, decline="insufficient funds")
        number = shop.post("shipments", "3", order_id="A", address={"postcode": "10115"}).json()["tracking"]
        shop.post("shipments", "4", order_id="A", address={"postcode": world.FAR_AWAY})
        assert shop.letters.sent == [("another-card", "A"), ("parcel-delivered", number)]


class TestAudit:
    def test_a_double_charge_is_found(self) -> None:
        order = Order("A", (Line("novel", 1, Decimal("12.90")),))
        entry = {"order": "A", "number": "1"}
        entries: dict[str, list[dict[str, Any]]] = {
            **{kind: [entry] for kind in ("reservations", "invoices", "shipments")},
            "payments": [{**entry, "amount": 12.9}, {**entry, "amount": 12.9}],
        }
        story = Story(("Start_Order", DELIVERED), attempts=5, failures=0, total=Decimal("12.90"))
        assert differences("A", expect(order), story, by_order(entries)) == [
            "Expected 1 of payments in the books but found 2"
        ]

    def test_a_wrong_turn_is_found(self) -> None:
        order = Order("A", (Line(world.DISCONTINUED, 1, Decimal("499.00")),))
        story = Story(("Start_Order", CANCELLED), attempts=1, failures=0, total=Decimal("499.00"))
        found = differences("A", expect(order), story, by_order({}))
        assert found[0] == "Expected it to be rejected but found cancelled"
        assert differences("A", expect(order), None, by_order({})) == [
            "Expected it to be rejected but it has not ended"
        ]


class TestSevenWays:
    """The second process of the demonstration, and whom it asks."""

    @pytest.fixture
    def offices(self) -> Iterator[Offices]:
        offices = Offices(0)
        thread = threading.Thread(target=offices.serve_forever)
        thread.start()
        yield offices
        offices.shutdown()
        thread.join()
        offices.server_close()

    def test_the_vat_office_is_a_web_service(self, offices: Offices) -> None:
        given = {"wsdl": f"{offices.url}/vat?wsdl", "operation": "checkVat"}
        asked = {"countryCode": "DE", "vatNumber": BAKERY.vat}
        soap = SoapConnector()
        response = soap.run(kit.job(soap, {**given, "parameters": asked}))
        assert response["body"] == {"valid": True, "name": BAKERY.name}
        wrong = {**given, "parameters": {**asked, "vatNumber": "FR1"}}
        with pytest.raises(BpmnError) as caught:
            soap.run(kit.job(soap, wrong, headers={"faultErrors": "UnknownVatNumber"}))
        assert caught.value.code == "UnknownVatNumber"
        assert requests.post(f"{offices.url}/vat", data="<nonsense", timeout=10).status_code == 500
        assert offices.asked["vat"] == [BAKERY.vat, "FR1", ""]

    def test_the_post_box_takes_letters_over_tls_only(self, offices: Offices) -> None:
        box = offices.post_box
        with smtplib.SMTP("localhost", box.port, timeout=10) as plain:
            assert plain.docmd("MAIL", "FROM:<a@example.org>")[0] == 530
        post = Connection(name="post", url=f"smtp://localhost:{box.port}", tls={"ca": box.certificate})
        letter = {"from": "a@example.org", "to": "b@example.org", "subject": "Hello", "text": "Dear B\n.\nYours"}
        email = EmailConnector()
        assert email.run(kit.job(email, letter, connection=post))["accepted"] == ["b@example.org"]
        assert [(one["to"], one["subject"]) for one in box.letters] == [("b@example.org", "Hello")]
        assert box.letters[0]["text"].splitlines() == ["Dear B", ".", "Yours"]

    def test_the_register_knows_who_may_apply(self, offices: Offices) -> None:
        found = requests.get(f"{offices.url}/companies/{BAKERY.registration}", timeout=10)
        assert (found.status_code, found.json()["region"]) == (200, BAKERY.region)
        assert requests.get(f"{offices.url}/companies/1", timeout=10).status_code == 404
        assert requests.get(f"{offices.url}/notes", timeout=10).json()["register"] == [BAKERY.registration, "1"]

    def test_who_applies_follows_from_what_is_there(self) -> None:
        everything = applicants(["feel", "python", "javascript"], bureau=True)
        assert Counter(one.end for one in everything + latecomers()) == {OPENED: 4, UNKNOWN: 1, DECLINED: 1, KNOWN: 1}
        nothing = applicants(["feel"], bureau=False)
        assert all(one.credit <= 1000 and one.numbering == "feel" for one in nothing)
        assert {one.end for one in nothing} == {OPENED, UNKNOWN}
        assert all(int(one.number) % 97 == 1 for one in everything)

    def test_a_letter_that_was_not_sent_is_found(self) -> None:
        (applicant, *_) = applicants([], bureau=False)
        ended = Ended(1, ("Task_Feel", OPENED), {"number": applicant.number, "manager": "Samir"})
        rows = {BAKERY.vat: applicant.number}
        letters = {"office-4711@example.org": f"{applicant.number}, ask Samir"}
        assert list(seven._differences(applicant, ended, rows, letters)) == []
        (found,) = seven._differences(applicant, ended, rows, {})
        assert "Expected a letter with the number" in found
        assert len(list(seven._differences(applicant, Ended(1, (KNOWN,), {}), {}, {}))) == 5

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("amqp://guest:hidden@127.0.0.1:1//", "RabbitMQ cannot be reached at 127.0.0.1:1 (ConnectionRefusedError)"),
            ("redis://127.0.0.1:6379", "AMQP_URL leads to no RabbitMQ (its scheme is 'redis')"),
        ],
    )
    def test_without_a_broker(self, monkeypatch: pytest.MonkeyPatch, url: str, why: str) -> None:
        monkeypatch.setenv("AMQP_URL", url)
        with looked_for() as broker:
            assert (broker.lacking, broker.environment) == (why, {})
            assert "hidden" not in broker.place


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources, as a fresh clone has them: without an environment and without what earlier runs left. But
    letters and parcels may take longer than in the demonstration, for a busy machine may be late with them."""
    left_out = shutil.ignore_patterns(".*", "__pycache__", "var", "build", "staticfiles", "tests")
    made = Path(shutil.copytree(ROOT, tmp_path / "checkout", ignore=left_out))
    shutil.copytree(ROOT / "tests" / "drawings", made / "tests" / "drawings")
    model = made / MODEL.relative_to(ROOT)
    text, patient = re.subn(r">PT[68]S<", ">PT30S<", model.read_text())
    assert patient == 2
    model.write_text(text)
    return made


WAYS = ("HTTP/REST", "SOAP", "Message", "Script: FEEL", "Script: Python", "Script: JavaScript")
WAYS += ("Database", "External worker", "Integration")


def tell(checkout: Path, **environment: str) -> str:
    """What the story says; it must end well."""
    done = subprocess.run(
        ["scripts/demo", "--once"],
        cwd=checkout,
        env={**os.environ, "ORCHESTRATOR_VENV": sys.prefix, **environment},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "4 of 4 incidents were resolved" in done.stdout
    assert done.stdout.count("✓") == 50
    return done.stdout


def what_ran(told: str) -> dict[str, str]:
    """Of each way, `ran` or `SKIPPED`."""
    found = {way: re.findall(rf"^{way} +(ran|SKIPPED) ", told, re.MULTILINE) for way in WAYS}
    assert all(len(words) == 1 for words in found.values()), found
    return {way: word for way, (word,) in found.items()}


@pytest.mark.workers
@pytest.mark.timeout(400)
def test_the_story_ends_as_it_must(checkout: Path) -> None:
    ran = what_ran(tell(checkout))
    with looked_for() as broker:
        assert ran["Message"] == ("SKIPPED" if broker.lacking else "ran")
    assert {ran[way] for way in ("HTTP/REST", "SOAP", "Script: FEEL", "Database", "External worker")} == {"ran"}
    if os.environ.get("CI"):
        assert {*ran.values()} == {"ran"}, ran


@pytest.mark.workers
@pytest.mark.timeout(400)
def test_the_story_of_a_machine_that_lacks_what_can_be_lacking(checkout: Path, tmp_path: Path) -> None:
    """Without RabbitMQ, without Node, and without the sandbox of Python: they are skipped, and named."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "pydantic_monty.py").write_text("raise ImportError('not installed')")
    here = Path(shutil.which("bash") or "").parent
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in [each for each in here.iterdir() if not each.name.startswith("node")]:
        (tools / tool.name).symlink_to(tool)
    lacking = {"AMQP_URL": "amqp://guest:guest@127.0.0.1:1//", "PYTHONPATH": str(tmp_path / "without")}
    told = tell(checkout, **lacking, PATH=str(tools))
    ran = what_ran(told)
    skipped = {"Message", "Script: Python", "Script: JavaScript"}
    assert {way for way, word in ran.items() if word == "SKIPPED"} == skipped
    for reason in ("RabbitMQ cannot be reached at 127.0.0.1:1", "the extra package pydantic-monty", "needs Node 20"):
        assert reason in " ".join(told.split())
