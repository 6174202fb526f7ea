"""The page of an instance in a real browser: what failed is read, corrected, moved and looked up.

Under the policy that every page has; skips without Chromium, as `test_browser` does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Page, sync_playwright

from processes.models import Incident, ProcessInstance
from processes.runtime import jobs
from tests.admin import test_browser
from tests.admin.conftest import claim, deploy, start
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

JOURNAL = {
    "request": {
        "method": "POST",
        "url": "https://pay.example/charge?key=***",
        "headers": {"Authorization": "Bearer ***", "Content-Type": "application/json"},
        "body": '{"amount": 129.90}',
        "bytes": 18,
    },
    "response": {
        "status": 503,
        "reason": "Service Unavailable",
        "headers": {},
        "body": '{"error": "EURO"}',
        "bytes": 17,
    },
    "timings": {"headers": 0.2, "body": 0.01, "total": 0.21},
}
CURL = """curl --globoff --request POST 'https://pay.example/charge?key=***' \\
  --header 'Authorization: Bearer ***' \\
  --header 'Content-Type: application/json' \\
  --data-raw '{"amount": 129.90}'"""


@pytest.fixture
def failed(db: None) -> ProcessInstance:
    drawing = Drawing("order", name="Order").start().service("charge", type="charge", name="Charge the card")
    drawing = drawing.service("ship", type="ship", name="Ship it").timer("cool_off", "P1D").end()
    row = start(deploy(drawing), variables={"currency": "EURO", "order": {"total": 1, "items": [1, 2, 3]}})
    held = claim(row)
    jobs.fail(held.id, held.attempt, "503 from the bank", retries=0, by="worker:w", journal=JOURNAL)
    return row


@pytest.fixture
def browse(live_server: Any, chromium: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Carries out a visit in a browser that is logged in; what the browser complained of."""
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    # A browser keeps its connections, and so their threads; those must not keep theirs to the database.
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)

    def run(row: ProcessInstance, visit: Callable[[Page], None], **context: Any) -> list[str]:
        said: list[str] = []
        address = live_server.url + reverse("admin:processes_processinstance_change", args=[row.pk])
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=test_browser.FLAGS)
            made = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **context})
            made.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
            page = made.new_page()
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            test_browser.log_in(page, address)
            visit(page)
            browser.close()
        return said

    def do(row: ProcessInstance, visit: Callable[[Page], None], **context: Any) -> list[str]:
        # In a thread of its own: the event loop of the browser is nothing for Django's connections.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, row, visit, **context).result()

    return do


def test_an_attempt_is_read_and_copied_as_curl(browse: Callable[..., list[str]], failed: ProcessInstance) -> None:
    def visit(page: Page) -> None:
        attempt = page.locator("#attempts .attempt").first
        attempt.get_by_text("Given up").wait_for()
        attempt.locator("summary", has_text="Response").press("Enter")
        attempt.get_by_text('{"error": "EURO"}').wait_for()
        attempt.locator("summary", has_text="As curl").click()
        # The button takes its word back after two seconds, in which nobody may have looked at it.
        page.evaluate(
            "setTimeout = (set => (does, wait, ...more) => wait < 2000 ? set(does, wait, ...more) : 0)(setTimeout)"
        )
        attempt.get_by_role("button", name="Copy").click()
        attempt.get_by_role("button", name="Copied").wait_for()
        # PostgreSQL keeps the names of an object in an order of its own.
        assert sorted(page.evaluate("navigator.clipboard.readText()").split("\n")) == sorted(CURL.split("\n"))

    assert browse(failed, visit) == []


def test_a_variable_is_corrected_with_the_retry_and_its_change_is_seen(
    browse: Callable[..., list[str]], failed: ProcessInstance
) -> None:
    def visit(page: Page) -> None:
        page.get_by_role("link", name="edit variables and retry").click()
        box = page.get_by_label("Variables")
        box.fill(box.input_value().replace('"EURO"', '"EUR').replace("    3\n", "    4\n"))
        page.get_by_label("Reason").fill("a typo of the shop")
        page.get_by_role("button", name="Set and retry").click()
        page.get_by_text("Expected a JSON object").wait_for()
        box.fill(box.input_value().replace('"EUR', '"EUR"'))
        page.get_by_role("button", name="Set and retry").click()
        page.get_by_text("was corrected and is tried again").wait_for()
        page.get_by_role("link", name="order", exact=True).click()
        diff = page.locator("#changes pre").first
        diff.wait_for()
        assert diff.locator("del").all_text_contents() == ["-     3"]
        assert diff.locator("ins").all_text_contents() == ["+     4"]
        page.get_by_text("Reason: a typo of the shop").wait_for()
        page.locator("#changes a", has_text="step").first.click()
        page.locator("#step-3", has_text="The process got ").wait_for()

    complaints = browse(failed, visit)
    assert [told for told in complaints if "422" not in told] == []
    incident = Incident.objects.get()
    assert incident.resolved_by == "user:operator"
    failed.refresh_from_db()
    assert failed.variables == {"currency": "EUR", "order": {"total": 1, "items": [1, 2, 4]}}


def test_a_token_is_moved_after_a_preview_and_a_timer_fired(
    browse: Callable[..., list[str]], failed: ProcessInstance
) -> None:
    def visit(page: Page) -> None:
        page.get_by_role("link", name="move the token").click()
        page.get_by_label("To:").select_option(label="Ship it (ship)")
        page.get_by_role("button", name="Preview").click()
        page.get_by_text("ship was entered.").wait_for()
        page.get_by_label("Reason").fill("paid by bank transfer")
        page.get_by_role("button", name="Move it").click()
        page.get_by_text(f"Instance {failed.pk} was modified.").wait_for()
        page.locator("#waits").get_by_role("link", name="skip").click()
        page.get_by_label("Reason").fill("collected")
        page.get_by_role("button", name="Skip it").click()
        page.get_by_role("link", name="fire now").click()
        page.get_by_role("button", name="Fire it now").click()
        page.get_by_text("was moved on: the timer fired").wait_for()
        page.get_by_role("link", name="Restart from here").click()
        page.get_by_label("Reason").fill("again")
        page.get_by_role("button", name="Restart from here").click()
        page.get_by_text("was restarted as").wait_for()

    assert browse(failed, visit) == []
    failed.refresh_from_db()
    assert failed.state == "COMPLETED"
    assert ProcessInstance.objects.get(restarted_from=failed).state == "ACTIVE"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_who_do_not_see_or_click_can_read_and_use_it(
    browse: Callable[..., list[str]], failed: ProcessInstance, scheme: str
) -> None:
    found: list[str] = []
    incident = Incident.objects.get().pk
    variable = "variable/?scope=0&name=order"
    places = ["change/", "attempts/", variable, f"retry/?incident={incident}", "move/"]

    def visit(page: Page) -> None:
        here = page.url.removesuffix("change/")
        for place in places:
            page.goto(here + place)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), place
            for each in Axe().run(page).response["violations"]:
                if each["impact"] in ("serious", "critical"):
                    targets = [node["target"] for node in each["nodes"] if not _is_djangos(node)]
                    found.extend(f"{place}: {each['id']} {target}" for target in targets)

    # axe is put into the page as a script, which no policy of ours would let it be.
    assert browse(failed, visit, color_scheme=scheme, bypass_csp=True, viewport={"width": 1000, "height": 900}) == []
    assert found == []


def _is_djangos(node: Any) -> bool:
    """What stands in the frame that Django's admin draws around our pages."""
    return "content-main" not in str(node["html"]) and any(
        str(target).startswith(("#header", "#nav-", "#user-tools", ".breadcrumbs", "#toggle-nav", ".theme"))
        for target in node["target"]
    )
