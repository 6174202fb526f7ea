"""The page of an instance in a real browser: it looks as it should, obeys a strict policy, and is repaired by mouse.

Skips without Chromium (`CHROMIUM` names it; default: chromium on the PATH); fails without it where CI is set.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Page, Route, expect, sync_playwright

from processes.models import Incident
from tests.admin.conftest import deploy, fail, start
from tests.drawing import Drawing

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'"
)

pytestmark = pytest.mark.django_db(transaction=True)

# As long as everything else is waited for: 5 s are over soon where browser, server and test share a busy machine.
expect.set_options(timeout=30_000)


def strictly(route: Route) -> None:
    """Answer as the server did, under a policy that allows nothing inline."""
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": STRICT})


def log_in(page: Page, address: str) -> None:
    page.goto(address)
    page.fill("#id_username", "operator")
    page.fill("#id_password", "a-long-password")
    page.click("[type=submit]")
    # Until the next page is there with its scripts, which hear no click before, and no other address interrupts it.
    page.locator("#id_username").wait_for(state="detached")
    page.wait_for_load_state()


def visit(chromium: str, address: str) -> list[str]:
    """See what failed and press Retry; what the browser complained of."""
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.route("**/*", strictly)
        log_in(page, address)

        failed = page.locator('svg [data-element-id="charge"]')
        assert "is-failed" in (failed.get_attribute("class") or "")
        box = failed.bounding_box()
        assert box is not None
        assert box["width"] > 40
        assert page.get_by_text("the bank says no").first.is_visible()

        page.get_by_role("button", name="Retry").first.click()
        expect(page.get_by_text("was resolved").first).to_be_visible()
        assert "is-failed" not in (page.locator('svg [data-element-id="charge"]').get_attribute("class") or "")
        browser.close()
    return said


def test_an_operator_sees_what_failed_and_repairs_it(
    live_server: Any, chromium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = Drawing("order", name="Order").start().service("charge", type="charge", name="Charge the card").end()
    row = start(deploy(drawing))
    fail(row, "the bank says no")
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    address = live_server.url + reverse("admin:processes_processinstance_change", args=[row.pk])
    # A browser keeps its connections, and so their threads; those must not keep theirs to the database.
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    # In a thread of its own: the event loop of the browser is nothing for Django's connections.
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(visit, chromium, address).result()
    assert said == [], "nothing inline, nothing from elsewhere, no error of a script"
    assert Incident.objects.get().resolved_by == "user:operator"
