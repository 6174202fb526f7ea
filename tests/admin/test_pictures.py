"""Three pictures of the console for README: a morning on which the bank did not answer.

They are looked at by people, not compared: here it is asked that every page shows what its picture is about. PICTURES=1
writes them into `tests/admin/pictures`. Skips without Chromium as `test_browser` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sin
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections as databases
from django.urls import reverse
from playwright.sync_api import Page, expect, sync_playwright

from processes.models import Incident, Minute, ProcessInstance
from processes.runtime import connections, definitions, incidents, instances, messages, workers
from tests.admin.conftest import claim, complete, deploy, start
from tests.admin.eventful import Clock, work
from tests.admin.test_browser import FLAGS, log_in
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True, reset_sequences=True)

FOLDER = Path(__file__).parent / "pictures"
MODEL = Path(__file__).parents[2] / "scripts" / "demonstration" / "order_fulfilment.bpmn"
SERVED = {"web-1": ["charge-card", "book-carrier", "check-address"], "assessors": ["assess-damage"]}
HTTP = "io.camunda:http-json:1"
MOST_BYTES = 300_000
MORNING = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

Look = Callable[[Page], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(monkeypatch)
    clock.now = MORNING
    return clock


@pytest.fixture
def take(live_server: Any, chromium: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Looks at a page, and keeps the picture where the environment asks for it."""
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    monkeypatch.setitem(databases.settings["default"], "CONN_MAX_AGE", 0)

    def visit(address: str, look: Look) -> bytes:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            size = {"width": 1440, "height": 900}
            page = browser.new_context(viewport=size, color_scheme="light", device_scale_factor=1).new_page()
            log_in(page, address)
            page.wait_for_url(address)
            look(page)
            picture: bytes = page.screenshot()
            browser.close()
        return picture

    def run(name: str, address: str, look: Look) -> None:
        # In a thread of its own: the event loop of the browser is nothing for Django's connections.
        with ThreadPoolExecutor(1) as pool:
            picture = pool.submit(visit, live_server.url + address, look).result()
        assert 20_000 < len(picture) < MOST_BYTES
        if os.environ.get("PICTURES"):
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / f"{name}.png").write_bytes(picture)

    return run


def page_of(row: ProcessInstance, word: str = "change") -> str:
    return reverse(f"admin:processes_processinstance_{word}", args=[row.pk])


def a_morning(clock: Clock) -> None:
    """Orders, of which some failed; claims that wait; sign-ups that went well; who works on them."""
    order = Drawing("order-fulfilment", name="Order fulfilment").start()
    order.service("charge-card", type="charge-card", retries=1).service("book-carrier", type="book-carrier", retries=1)
    orders = deploy(order.end())
    claims = deploy(
        Drawing("insurance-claim", name="Insurance claim").start().service("assess", type="assess-damage").end()
    )
    signups = deploy(Drawing("sign-up", name="Sign-up").start().service("check", type="check-address").end())
    for number in range(34):
        row = start(orders, business_key=f"A-{4700 + number}", variables={"total": 129})
        clock.pass_by(20)
        if number % 4 == 1:
            work(row, clock, "charge-card", 2, error="503 Service Unavailable from https://bank.example/charges")
        elif number % 9 == 2:
            work(row, clock, "charge-card", 2, payment="P-1")
            work(row, clock, "book-carrier", 5, error="no truck is free before Wednesday")
        elif number % 5 == 0:
            claim(row)
        elif number % 7 == 3:
            work(row, clock, "charge-card", 2, payment="P-1")
    for number in range(9):
        row = start(claims, business_key=f"C-{310 + number}")
        if number > 6:
            instances.suspend(row.pk, reason="An assessor is on her way", by="user:ada")
    for number in range(12):
        row = start(signups, business_key=f"U-{number}")
        if number < 10:
            clock.pass_by(3)
            complete(row)


def the_last_hour(clock: Clock) -> None:
    """Busy, with a dip and with failures while the bank was away."""
    over = clock.now.replace(second=0, microsecond=0)
    for ago in range(60, 0, -1):
        away = max(0.0, 1 - abs(ago - 14) / 7)
        done = round((46 + 9 * sin(ago / 5) + ago % 4) * (1 - away * 0.6))
        Minute.objects.create(
            at=over - timedelta(minutes=ago),
            instances=done,
            jobs=3 * done + ago % 3,
            failures=round(22 * away) + (ago % 11 == 0),
            median=4.1 + away * 9 + sin(ago / 3) / 2,
            p95=9.0 + away * 34 + sin(ago / 4) * 2,
        )


def test_the_cockpit(take: Callable[..., None], clock: Clock) -> None:
    a_morning(clock)
    the_last_hour(clock)
    clock.pass_by(-1500)
    for name in SERVED:
        workers.beat(name, SERVED[name])
    clock.pass_by(1500)
    for name in SERVED:
        workers.beat(name, SERVED[name])
    connections.put("bank", {"url": "https://bank.example", "rate": 50, "concurrency": 8}, by="user:ada")
    connections.put("carrier", {"url": "https://carrier.example", "concurrency": 4}, by="user:ada")
    connections.pause("carrier", by="user:ada", reason="Maintenance until ten")

    def look(page: Page) -> None:
        expect(page.locator(".tile")).to_have_count(6)
        expect(page.get_by_text("503 Service Unavailable from https://bank.example/charges")).to_be_visible()
        expect(page.get_by_text("Maintenance until ten")).to_be_visible()

    take("cockpit", reverse("admin:index"), look)


def half_an_order(clock: Clock) -> ProcessInstance:
    """Paid and packed, but there is no invoice."""
    model = Drawing("order_fulfilment", name="Order fulfilment").start()
    model.service("reserve", type="reserve", name="Reserve the stock").service("charge", type="charge", name="Charge")
    model.parallel("fork").service("pack", type="pack", name="Pack the parcel").parallel("join")
    model.at("fork").service("invoice", type="invoice", name="Write the invoice", retries=2).to("join")
    model.at("join").service("ship", type="ship", name="Hand to the carrier").end()
    address = {"street": "Unter den Linden 1", "postcode": "10117"}
    variables = {"customer": "Zoë Kaya", "total": Decimal("128.90"), "loyal": True, "address": address}
    row = start(deploy(model), business_key="ORDER-1047", variables=variables)
    work(row, clock, "reserve", 1.2, reservation="R-1047")
    work(row, clock, "charge", 1.4, payment="P-1047")
    work(row, clock, "pack", 14, parcel={"boxes": 1, "packed_by": "anna"})
    for _ in range(2):
        work(row, clock, "invoice", 2, error='503 Service Unavailable: {"detail": "Invoices for the north are closed"}')
    return row


def an_order(clock: Clock) -> ProcessInstance:
    """Of the demonstration: paid at the second try and packed, but nobody writes the invoice."""
    definition = definitions.deploy(MODEL.read_bytes(), resource=MODEL.name, by="user:ada").definitions[0].definition
    lines = [{"product": "desk lamp", "quantity": 1, "price": Decimal("59.90")}]
    lines.append({"product": "tea kettle", "quantity": 2, "price": Decimal("34.50")})
    order = {"id": "ORDER-1047", "loyal": True, "region": "north", "lines": lines}
    address = {"street": "Unter den Linden 1", "postcode": "10117"}
    variables = {"shop": "https://shop.example", "card": "tok_5f2", "order": order, "address": address}
    row = start(definition, business_key="ORDER-1047", variables=variables)
    work(row, clock, HTTP, 1.2, body={"reservation": "R-1047", "in_stock": True})
    work(row, clock, HTTP, 5, error="Expected POST https://shop.example/payments to be answered within 5 s")
    work(row, clock, HTTP, 1.4, body={"payment": "P-1047"})
    for _ in range(3):
        work(row, clock, HTTP, 2, error='503 Service Unavailable: {"detail": "Invoices for the north are closed"}')
    work(row, clock, "pack-parcel", 14, parcel={"boxes": 1, "packed_by": "anna"})
    clock.pass_by(40)
    return row


def repaired(row: ProcessInstance, clock: Clock) -> None:
    incidents.resolve(Incident.objects.get(instance=row, ended_at=None).pk, by="user:ada")
    work(row, clock, HTTP, 2, body={"invoice": "I-1047"})
    work(row, clock, HTTP, 3, body={"tracking": "T-1047"})
    clock.pass_by(25)
    messages.publish("parcel-delivered", correlation_key="T-1047", by="user:carrier")
    messages.match()


def test_an_instance_with_an_incident(take: Callable[..., None], clock: Clock) -> None:
    row = half_an_order(clock)

    def look(page: Page) -> None:
        page.evaluate("document.querySelector('.story-links').scrollIntoView()")
        expect(page.locator("#incidents")).to_be_in_viewport()
        expect(page.locator('svg [data-element-id="invoice"]')).to_be_in_viewport()
        expect(page.locator("#variables tbody th, #variables tbody td").first).to_be_in_viewport()

    take("instance", page_of(row), look)


def test_a_timeline(take: Callable[..., None], clock: Clock) -> None:
    row = an_order(clock)
    repaired(row, clock)

    def look(page: Page) -> None:
        page.locator(".lines summary", has_text="Charge the card").click()
        page.evaluate("document.activeElement.blur()")
        page.evaluate("scrollTo(0, 0)")
        expect(page.get_by_text("attempt 1 failed: Expected POST").last).to_be_visible()
        expect(page.locator(".lines summary", has_text="Hand over to the carrier")).to_be_in_viewport()

    take("timeline", page_of(row, "timeline"), look)
