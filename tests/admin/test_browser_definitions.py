"""The pages of definitions in a real browser: measures are chosen without a reload, findings are shown on the drawing,
and nothing that people with screen readers or keyboards need is missing, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Page, expect, sync_playwright

from processes.models import ProcessDefinition
from tests.admin.conftest import deploy, fail, start
from tests.admin.test_browser import FLAGS, log_in
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

KNOWN = ("status of 422", "Applying inline style")
"""What a browser tells of a refused model, and of axe itself; that pages have no style of their own, `inline` tests."""
Look = Callable[[Page, str], None]


def order(type: str = "charge") -> Drawing:
    return Drawing("order", name="Order").start().service("charge", type=type, name="Charge the card").end()


@pytest.fixture
def looked(live_server: Any, chromium: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Look], list[str]]:
    """Logs in and looks at a page, in the light and in the dark; what the browser complained of."""
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)

    def in_thread(address: str, look: Look) -> list[str]:
        said: list[str] = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": 1440, "height": 1000},
                    color_scheme=scheme,  # type: ignore[arg-type]
                )
                page = context.new_page()
                page.on("pageerror", lambda error: said.append(str(error)))
                page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
                log_in(page, live_server.url + address)
                look(page, scheme)
                context.close()
            browser.close()
        return [text for text in said if not any(known in text for known in KNOWN)]

    def run(address: str, look: Look) -> list[str]:
        # In a thread of its own: the event loop of the browser is nothing for Django's connections.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(in_thread, address, look).result()

    return run


def accessible(page: Page) -> None:
    """Nothing serious or critical in what these pages add."""
    found = Axe().run(page, context="#content-main").response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in serious]


def page_of(name: str, definition: ProcessDefinition) -> str:
    return reverse(f"admin:processes_processdefinition_{name}", args=[definition.pk])


def test_a_measure_is_chosen_without_a_reload(looked: Any) -> None:
    definition = deploy(order())
    fail(start(definition))
    start(definition)

    def look(page: Page, scheme: str) -> None:
        page.evaluate("window.kept = true")
        charge = page.locator('svg g.bpmn-shape[data-element-id="charge"]')
        assert "heat-good" in (charge.get_attribute("class") or "")
        page.get_by_role("link", name="Failure rate").first.click()
        page.wait_for_selector("g.heat-bad")
        expect(page).to_have_url(re.compile("measure=failures"))
        assert page.locator("svg").get_by_text("50 %", exact=True).is_visible()
        assert page.evaluate("window.kept") is True, "the page was not loaded again"
        page.locator("#numbers").get_by_role("link", name="Running now").click()
        page.wait_for_selector("th[aria-sort=descending]")
        assert page.locator("#numbers tbody tr").first.get_attribute("data-element") == "charge"
        # It is there before the script that makes it so has seen it.
        expect(page.locator(".zoom"), "the drawing that came later can be zoomed as well").to_be_visible()
        accessible(page)

    assert looked(page_of("change", definition), look) == []


def test_findings_are_shown_on_the_drawing(looked: Any, tmp_path: Path) -> None:
    broken = Drawing("broken").start().timer("wait", "in an hour").timer("late", "PT1H").end()
    file = tmp_path / "broken.bpmn"
    file.write_bytes(broken.xml())

    def look(page: Page, scheme: str) -> None:
        page.set_input_files("#id_document", file)
        page.get_by_role("button", name="Validate").click()
        page.wait_for_selector(".report svg")
        page.wait_for_load_state()  # with the script that hears what is clicked
        wait = page.locator('svg g.bpmn-shape[data-element-id="wait"]')
        assert "finding-error" in (wait.get_attribute("class") or "")
        page.get_by_role("button", name="wait").click()
        assert "is-shown" in (wait.get_attribute("class") or "")
        page.locator('svg g.bpmn-shape[data-element-id="late"]').click()
        assert "is-shown" not in (wait.get_attribute("class") or "")
        accessible(page)

    assert looked(reverse("admin:processes_processdefinition_deploy"), look) == []


def test_versions_are_compared_and_instances_migrated(looked: Any) -> None:
    first = deploy(order())
    start(first)
    second = deploy(order("bill"))

    def look(page: Page, scheme: str) -> None:
        changed = page.locator("svg g.diff-changed")
        assert changed.count() == 4, "shape and sign, on both drawings"
        page.get_by_role("button", name="charge").click()
        assert page.locator("svg g.is-shown").count() == 2
        sides = page.locator(".sides section")
        page.get_by_role("button", name="One below the other").click()
        boxes = [sides.nth(number).bounding_box() for number in (0, 1)]
        assert boxes[0]
        assert boxes[1]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
        accessible(page)
        page.goto(page.url.replace(page_of("compare", second), page_of("migrate", first)))
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("1 of the 1 newest can migrate")).to_be_visible()
        expect(page.get_by_text("1 jobs changed")).to_be_visible()
        accessible(page)

    assert looked(page_of("compare", second), look) == []


def test_the_forms_of_a_version(looked: Any) -> None:
    definition = deploy(order())

    def look(page: Page, scheme: str) -> None:
        accessible(page)
        page.goto(page.url.replace(page_of("start", definition), page_of("change", definition)))
        page.locator("summary", has_text="Suspend").click()
        accessible(page)

    assert looked(page_of("start", definition), look) == []
