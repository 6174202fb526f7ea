"""The modeler in a real browser, under the policy of the site: draw, validate, deploy, edit a version.

Skips where nobody built it (`scripts/assets`); fails then where CI is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Page, sync_playwright

from processes.admin import modeler
from processes.engine.diagram import with_diagram
from processes.models import ProcessDefinition
from tests.admin.conftest import deploy
from tests.admin.test_browser import FLAGS, log_in
from tests.drawing import Drawing

SHAPE = '[data-element-id="{}"]'


@pytest.fixture
def _built() -> None:
    if not modeler.built() and not os.environ.get("CI"):
        pytest.skip("the modeler is not built: scripts/assets")
    assert modeler.built(), "Expected the modeler to be built where CI is set"


@pytest.fixture
def browse(_built: None, live_server: Any, chromium: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Opens a page as somebody who may do everything, and plays a story on it; what the browser complained of."""
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)

    def play(path: str, story: Callable[[Page], None]) -> list[str]:
        said: list[str] = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            log_in(page, live_server.url + path)
            page.get_by_text("Ready.", exact=True).wait_for()
            story(page)
            browser.close()
        return said

    def browse(path: str, story: Callable[[Page], None]) -> list[str]:
        # In a thread of its own: the event loop of the browser is nothing for Django's connections.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(play, path, story).result()

    return browse


@pytest.mark.django_db(transaction=True)
def test_a_process_is_drawn_and_deployed(browse: Callable[..., list[str]]) -> None:
    def story(page: Page) -> None:
        start = page.locator('[data-element-id^="StartEvent_"].djs-shape')
        start.click()
        page.locator('[data-action="append.append-task"]').click()
        task = page.locator('[data-element-id^="Activity_"].djs-shape')
        task.wait_for()
        page.keyboard.press("Escape")  # no name
        page.locator('[data-action="replace"]').click()
        page.locator('[data-id="replace-with-service-task"]').click()
        page.click("#modeler-validate")
        page.get_by_text("It can be deployed").wait_for()
        page.click("#modeler-deploy")
        page.get_by_text("Deployed: ").wait_for()
        page.get_by_role("link", name="Open Process_").click()
        page.get_by_role("heading", name="Process_").first.wait_for()

    assert browse(reverse("admin:processes_processdefinition_modeler"), story) == []
    definition = ProcessDefinition.objects.get()
    assert definition.deployed_by == "user:operator"
    assert b"<bpmn:serviceTask" in bytes(definition.xml)


@pytest.mark.django_db(transaction=True)
def test_a_version_is_edited_with_a_template_and_becomes_the_next(browse: Callable[..., list[str]]) -> None:
    first = deploy(Drawing("order", name="Order").start().service("charge", type="charge", name="Charge").end())

    def story(page: Page) -> None:
        page.locator(SHAPE.format("charge") + ".djs-shape").click()
        panel = page.locator("#modeler-properties")
        panel.get_by_text("Charge").first.wait_for()
        panel.get_by_role("button", name="Select").click()
        page.locator(".djs-popup [data-id$='orchestrator.http']").click()
        panel.get_by_text("Destination", exact=True).click()
        panel.get_by_label("URL").first.click()
        page.keyboard.type("https://pay.example/charges")
        page.keyboard.press("Tab")
        page.click("#modeler-deploy")
        page.get_by_text("Deployed: order v2").wait_for()

    assert browse(reverse("admin:processes_processdefinition_edit", args=[first.pk]), story) == []
    xml = bytes(ProcessDefinition.objects.get(version=2).xml)
    assert b'zeebe:modelerTemplate="orchestrator.http"' in xml
    assert b"https://pay.example/charges" in xml


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_is_marked_and_nothing_is_deployed(browse: Callable[..., list[str]]) -> None:
    first = deploy(Drawing("order", name="Order").start().service("charge", type="charge", name="Charge").end())

    wrong = Drawing("order").start().service("charge", type="charge", inputs={"sum": "=1 +"}).end()

    def story(page: Page) -> None:
        upload = {"name": "wrong.bpmn", "mimeType": "application/xml", "buffer": with_diagram(wrong.xml())}
        page.set_input_files("#modeler-open", upload)
        page.locator(SHAPE.format("end") + ".djs-shape").wait_for()
        page.click("#modeler-deploy")
        page.get_by_text("Nothing was deployed").wait_for()
        page.locator("#modeler-findings button", has_text="charge").click()
        assert "is-wrong" in (page.locator(SHAPE.format("charge") + ".djs-shape").get_attribute("class") or "")
        page.locator("#modeler-properties").get_by_text("Service task").wait_for()

    said = browse(reverse("admin:processes_processdefinition_edit", args=[first.pk]), story)
    assert [line for line in said if "422" not in line] == []
    assert ProcessDefinition.objects.count() == 1


@pytest.mark.django_db
def test_who_may_not_deploy_may_look(staff: Any) -> None:
    page = staff("view_processdefinition").get(reverse("admin:processes_processdefinition_modeler")).content.decode()
    assert 'id="modeler-deploy"' not in page


@pytest.mark.django_db
def test_nobody_else_comes_in(staff: Any) -> None:
    assert staff().get(reverse("admin:processes_processdefinition_modeler")).status_code == 403
