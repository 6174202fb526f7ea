"""The cockpit in a real browser: it renews itself, leaves alone who works in it, and everybody can use it.

Skips without Chromium as `test_browser` does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections as databases
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect, sync_playwright

from processes.models import Action, Connection, Minute, ProcessDefinition
from processes.runtime import batches, connections, workers
from processes.runtime.incidents import Selection
from tests.admin.conftest import deploy, fail, start
from tests.admin.test_browser import FLAGS, log_in
from tests.admin.test_cockpit import FAILED, TIMES
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = ["processinstance", "processdefinition", "job", "incident", "message", "worker", "connection", "action"]
GRAVE = ("serious", "critical")


@pytest.fixture
def in_browser(live_server: Any, chromium: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Does something with a page of a browser, in light or dark; fails where the browser complains of anything."""
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    monkeypatch.setitem(databases.settings["default"], "CONN_MAX_AGE", 0)

    def play(doing: Callable[[Page], Any], scheme: Any) -> Any:
        said: list[str] = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme=scheme).new_page()
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            found = doing(page)
            browser.close()
        assert said == []
        return found

    def run(doing: Callable[[Page], Any], scheme: str = "light") -> Any:
        # In a thread of its own: the event loop of the browser is nothing for Django's connections.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(play, doing, scheme).result()

    return run


def grave(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{page.url}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in GRAVE]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_log_in_the_index_and_the_lists(
    live_server: Any, in_browser: Callable[..., Any], scheme: str
) -> None:
    call_command("seed_instances", finished=60, running=60, yes=True, stdout=StringIO())
    workers.beat("worker-1", ["charge-card"])
    connections.put("shop", {"url": "https://shop.example"}, by="user:ada")
    connections.pause("shop", by="user:ada", reason="Maintenance")

    def visit(page: Page) -> list[str]:
        page.goto(live_server.url + reverse("admin:login"))
        found = grave(page)
        log_in(page, live_server.url + reverse("admin:index"))
        page.wait_for_selector("#queue")
        found += grave(page)
        for model in LISTS:
            page.goto(live_server.url + reverse(f"admin:processes_{model}_changelist"))
            found += grave(page)
        return found

    found = in_browser(visit, scheme)
    assert found == [], "\n".join(found)


def test_it_renews_itself_but_not_under_the_hands_of_who_works_in_it(
    live_server: Any, in_browser: Callable[..., Any]
) -> None:
    definition: ProcessDefinition = deploy(Drawing("order").start().service("t", type="t").end())
    start(definition)

    def visit(page: Page) -> list[Any]:
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status) if "/cockpit/" in answer.url else None)
        log_in(page, live_server.url + reverse("admin:index"))
        running = page.locator(".tile strong").first
        seen: list[Any] = [running.inner_text()]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(start_in_thread, definition).result()
        expect(running).to_have_text("2")
        seen.append(running.inner_text())
        page.locator(".tile a").first.focus()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(start_in_thread, definition).result()
        page.wait_for_timeout(6_000)
        seen.append(running.inner_text())
        expect(page.locator(".tile a").first).to_be_focused()
        page.locator(".tile a").first.blur()
        expect(running).to_have_text("3")
        assert statuses, "it asked by itself"
        return seen

    assert in_browser(visit) == ["1", "2", "2"]


def start_in_thread(definition: ProcessDefinition) -> None:
    try:
        start(definition)
    finally:
        databases.close_all()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_what_asks_why_and_what_tells_how_long(
    live_server: Any, in_browser: Callable[..., Any], scheme: str
) -> None:
    at = timezone.now().replace(second=0, microsecond=0)
    for number in range(2, 40):
        Minute.objects.create(at=at - timedelta(minutes=number), jobs=9, times=TIMES, failed=FAILED)
    connections.put("shop", {"url": "https://shop.example"}, by="user:ada")
    shop = Connection.objects.get().pk
    fail(start(order_of_two()))
    batch = batches.retry(Selection(process_id="order"), by="user:ada")

    def visit(page: Page) -> list[str]:
        log_in(page, live_server.url + reverse("admin:index"))
        page.wait_for_selector("#times")
        assert page.locator("#failing tbody tr").count() == 1
        found = grave(page)
        for name, *given in (
            ("connection_add",),
            ("connection_change", shop),
            ("connection_delete", shop),
            ("batch_change", batch.pk),
            ("processdefinition_deploy",),
        ):
            page.goto(live_server.url + reverse(f"admin:processes_{name}", args=given))
            reason = page.locator("[name=reason]").first
            assert reason.is_visible(), name
            # axe measures fields with styles of its own, which our policy refuses.
            assert reason.evaluate("field => field.labels.length") == 1, name
        return found

    found = in_browser(visit, scheme)
    assert found == [], "\n".join(found)


def test_a_reason_stays_where_it_is_typed_while_the_progress_is_fetched_again(
    live_server: Any, in_browser: Callable[..., Any]
) -> None:
    fail(start(order_of_two()))
    batch = batches.retry(Selection(process_id="order"), by="user:ada")
    address = reverse("admin:processes_batch_change", args=[batch.pk])

    def pause(page: Page) -> None:
        log_in(page, live_server.url + address)
        page.get_by_label("Reason").fill("The bank is away")
        with page.expect_response(f"**{reverse('admin:processes_batch_progress', args=[batch.pk])}"):
            pass
        page.wait_for_timeout(300)  # until it is put in its place
        page.locator("#batch-pause").click()
        page.wait_for_selector("#batch-resume")
        page.locator("#batch-cancel").click()
        page.wait_for_selector(".messagelist")
        expect(page.get_by_label("Reason")).to_have_count(0)

    in_browser(pause)
    told = Action.objects.filter(kind="batch").order_by("id").values_list("verb", "reason")
    assert list(told) == [("create", ""), ("pause", "The bank is away"), ("cancel", "")]


def order_of_two() -> ProcessDefinition:
    return deploy(Drawing("order").start().service("charge", type="charge-card", retries=2).end())
