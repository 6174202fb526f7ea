"""The story of an instance in a real browser: walked by keys and by slider, live without a reload, for everybody."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.db import connections
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect, sync_playwright

from processes.models import ProcessInstance
from processes.runtime import instances
from tests.admin.conftest import complete, deploy, start
from tests.admin.eventful import Clock, play
from tests.admin.test_browser import FLAGS, log_in, strictly
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

Look = Callable[[Page], None]


class Visitor:
    """Looks at pages as somebody who is logged in; remembers what the browser complained of."""

    def __init__(self, address: str, executable: str) -> None:
        self.address = address
        self.executable = executable
        self.said: list[str] = []

    def look(self, row: ProcessInstance, word: str, look: Look, *, query: str = "", scripts: bool = True) -> None:
        url = self.address + reverse(f"admin:processes_processinstance_{word}", args=[row.pk]) + query
        # In a thread of its own: the event loop of the browser is nothing for Django's connections.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._look, url, look, scripts).result()
        assert self.said == [], "nothing inline, nothing from elsewhere, no error of a script"

    def _look(self, url: str, look: Look, scripts: bool) -> None:
        with sync_playwright() as playwright:
            browser: Browser = playwright.chromium.launch(executable_path=self.executable, args=FLAGS)
            context = browser.new_context(viewport={"width": 1440, "height": 1000}, java_script_enabled=scripts)
            page = context.new_page()
            page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: self.said.append(str(error)))
            page.route("**/*", strictly)
            log_in(page, url)
            page.goto(url)
            look(page)
            browser.close()

    def accessible(self, page: Page) -> None:
        before = len(self.said)
        found = Axe().run(page)
        del self.said[before:]  # the examiner itself writes styles
        bad = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
        assert not bad, [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in bad]


@pytest.fixture
def visitor(live_server: Any, chromium: str, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    # A browser keeps its connections, and so their threads; those must not keep theirs to the database.
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    return Visitor(live_server.url, chromium)


def settled(page: Page) -> None:
    """Until htmx has done with what it put into the page: a link is one of its own only then, and before that the
    browser's."""
    expect(page.locator(".htmx-added, .htmx-settling, .htmx-swapping")).to_have_count(0)


def marked(page: Page, element: str) -> Any:
    return page.locator(f'svg g[data-element-id="{element}"]')


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> ProcessInstance:
    return play(Clock(monkeypatch))


def test_keys_and_slider_walk_through_the_past(visitor: Visitor, story: ProcessInstance) -> None:
    def look(page: Page) -> None:
        page.evaluate("window.same = true")
        step = page.locator("#past")
        expect(step).to_have_attribute("data-step", "4")
        page.keyboard.press("ArrowLeft")
        expect(step).to_have_attribute("data-step", "3")
        expect(page.locator("#travel-step")).to_have_value("3")
        expect(marked(page, "charge")).to_have_class("bpmn-shape bpmn-serviceTask is-active")
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**/past/?step=4")
        expect(marked(page, "charge")).to_have_class("bpmn-shape bpmn-serviceTask is-visited")
        expect(page.get_by_text("set by this step: receipt")).to_be_visible()
        expect(page.locator("#travel-step")).to_have_value("4")
        page.locator("#travel-step").focus()
        page.keyboard.press("End")
        expect(step).to_have_attribute("data-step", "16")
        expect(page.locator("#travel-number")).to_have_text("16")
        settled(page)
        page.get_by_role("link", name="Trouble before").click()
        expect(step).to_have_attribute("data-step", "14")
        page.locator("#drawing button[data-zoom=in]").click()
        expect(page.locator("#drawing svg.zoomed")).to_be_visible()
        assert page.evaluate("window.same"), "no reload"
        visitor.accessible(page)

    visitor.look(story, "past", look, query="?step=4")


def test_without_scripts_links_and_the_button_walk(visitor: Visitor, story: ProcessInstance) -> None:
    def look(page: Page) -> None:
        page.locator("#past a[rel=prev]").click()
        expect(page.locator("#past")).to_have_attribute("data-step", "3")
        page.locator("#travel-step").focus()
        page.keyboard.press("Home")
        page.get_by_role("button", name="Go").click()
        expect(page.locator("#past")).to_have_attribute("data-step", "1")

    visitor.look(story, "past", look, query="?step=4", scripts=False)


def test_a_timeline_is_read_by_keyboard(visitor: Visitor, story: ProcessInstance) -> None:
    def look(page: Page) -> None:
        line = page.locator(".lines summary", has_text="Charge the card")
        line.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("attempt 1 failed: 503 Service Unavailable").last).to_be_visible()
        visitor.accessible(page)
        bar = page.locator(".lines details[open] rect.span-failed").first.bounding_box()
        assert bar is not None
        assert bar["width"] > 5
        page.locator(".lines details[open]").get_by_role("link", name="Zoom to this").click()
        page.wait_for_url("**/timeline/?from=*")
        expect(page.locator(".lines summary", has_text="Hand to carrier")).to_have_count(0)
        page.locator(".lines summary", has_text="Charge the card").click()
        page.get_by_role("link", name="Travel to when it began").click()
        expect(page.locator("#past")).to_have_attribute("data-step", "1")

    visitor.look(story, "timeline", look)


@pytest.fixture
def running(db: None) -> ProcessInstance:
    drawing = Drawing("order", name="Order").start().service("charge", type="charge").service("ship", type="ship").end()
    return start(deploy(drawing))


def elsewhere(work: Callable[[], None]) -> None:
    """Done by another thread, as by a worker."""

    def do() -> None:
        work()
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(do).result()


def test_a_live_instance_moves_without_a_reload_until_it_ends(visitor: Visitor, running: ProcessInstance) -> None:
    def look(page: Page) -> None:
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status) if "/live/" in answer.url else None)
        page.evaluate("window.same = true")
        expect(marked(page, "charge")).to_have_class("bpmn-shape bpmn-serviceTask is-active")
        with page.expect_response("**/live/**") as answer:
            pass
        assert answer.value.status == 304, "nothing new"
        expect(marked(page, "charge")).to_be_visible()
        elsewhere(lambda: complete(running))
        expect(marked(page, "ship")).to_have_class("bpmn-shape bpmn-serviceTask is-active")
        expect(page.locator("#visits tbody tr")).to_have_count(3)
        elsewhere(lambda: complete(running))
        expect(page.locator("#live .badge").first).to_have_text("Completed")
        expect(page.locator(".verbs")).to_have_text("Restart from here")
        asked = len(statuses)
        page.wait_for_timeout(4000)
        assert len(statuses) == asked, "it has ended"
        assert page.evaluate("window.same"), "no reload"
        visitor.accessible(page)

    visitor.look(running, "change", look)


def test_who_writes_is_not_disturbed(visitor: Visitor, running: ProcessInstance) -> None:
    def look(page: Page) -> None:
        page.locator(".verbs summary", has_text="Set variables").click()
        page.locator(".verbs textarea").first.fill('{"half": "writ')
        elsewhere(lambda: instances.set_variables(running.pk, {"new": True}, by="user:ada"))
        expect(page.get_by_text("The tables show step 1")).to_be_visible()
        page.wait_for_timeout(4000)
        assert page.locator(".verbs textarea").first.input_value() == '{"half": "writ'
        page.locator(".verbs summary", has_text="Set variables").click()
        page.evaluate("document.activeElement.blur()")
        expect(page.locator("#content-main")).to_have_attribute("data-steps", "2")
        expect(page.get_by_text("The tables show step 1")).to_have_count(0)

    visitor.look(running, "change", look)


def test_whose_session_ends_keeps_what_is_there(visitor: Visitor, running: ProcessInstance) -> None:
    def look(page: Page) -> None:
        page.locator(".drawing").click()
        page.context.clear_cookies()
        # What was asked for before is answered as before: nothing new.
        with page.expect_response(lambda answer: "/live/" in answer.url and answer.status != 304) as answer:
            pass
        assert 'id="id_username"' in answer.value.text()
        page.wait_for_timeout(500)
        expect(marked(page, "charge")).to_be_visible()
        expect(page.locator("#id_username")).to_have_count(0)

    visitor.look(running, "change", look)


def test_who_travels_without_a_session_is_asked_to_log_in(visitor: Visitor, story: ProcessInstance) -> None:
    def look(page: Page) -> None:
        page.context.clear_cookies()
        page.locator("#past a[rel=next]").click()
        expect(page.locator("#id_username")).to_be_visible()
        expect(page.locator("#past")).to_have_count(0)

    visitor.look(story, "past", look, query="?step=4")


def test_the_focus_stays_in_the_drawing_that_moves(visitor: Visitor, running: ProcessInstance) -> None:
    def look(page: Page) -> None:
        page.locator(".drawing").focus()
        elsewhere(lambda: complete(running))
        expect(marked(page, "ship")).to_have_class("bpmn-shape bpmn-serviceTask is-active")
        expect(page.locator("#content-main")).to_have_attribute("data-steps", "2")
        expect(page.locator(".drawing")).to_be_focused()

    visitor.look(running, "change", look)
