"""Mass recovery in a real browser: begun from a group, followed while it is carried out, stopped by its canaries.

Skips and fails as `test_browser` does.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from processes.models import Batch, ProcessDefinition
from processes.runtime import batches, jobs
from tests.admin.conftest import fail, start
from tests.admin.test_browser import FLAGS, log_in

pytestmark = pytest.mark.django_db(transaction=True)


def sweep() -> None:
    """As sweepers would, once what they wait for is due."""
    Batch.objects.filter(watch_at__isnull=False).update(watch_at=timezone.now())
    Batch.objects.filter(state="ACTIVE").update(due_at=timezone.now())
    while batches.carry_on():
        pass


def fail_all() -> None:
    for job in jobs.claim(["charge-card"], worker="worker-1", limit=10):
        jobs.fail(job.id, job.attempt, "the bank is still away", retries=0, by="worker:worker-1")


FRAME = ("#header", "#nav-", "#user-tools", ".breadcrumbs", "#toggle-nav", ".theme", "#searchbar")
"""Django's own, around what is ours."""


def serious(page: Page) -> list[str]:
    """What axe-core finds serious, or worse, in what is ours."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']} at {target}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
        for target in node["target"]
        if not str(target).startswith(FRAME)
    ]


def told(said: list[str], message: ConsoleMessage) -> None:
    if message.type == "error":
        said.append(message.text)


def recover(chromium: str, address: str, work: ThreadPoolExecutor) -> list[str]:
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        # What axe puts into the page no policy of ours would let it, and the browser says so.
        page.on("console", lambda message: None if "inline style" in message.text else told(said, message))
        page.on("pageerror", lambda error: said.append(str(error)))
        log_in(page, address)
        said += serious(page)
        page.get_by_role("link", name="Recover the 3 at charge").click()
        page.get_by_role("button", name="Retry 3 incidents").wait_for()
        said += serious(page)
        page.get_by_label("Reason").fill("the bank is back")
        page.get_by_label("Tries").fill("1")
        page.get_by_label("Canaries").fill("1")
        page.get_by_role("button", name="Retry 3 incidents").click()
        progress = page.locator("#batch-progress")
        progress.get_by_text("of 0+ had their turn").wait_for()

        work.submit(sweep).result()
        progress.get_by_text("Canaries are out").wait_for()
        said += serious(page)
        work.submit(fail_all).result()
        work.submit(sweep).result()
        progress.get_by_text("1 of 1 canaries failed again.").wait_for()
        assert page.locator("#items").get_by_text("the bank is still away").count() <= 1
        progress.get_by_role("link", name="1 Failed again").click()
        page.locator("#items").get_by_text("the bank is still away").wait_for()
        page.get_by_role("button", name="Cancel what is pending").click()
        page.get_by_text("was cancelled.").wait_for()
        said += serious(page)
        browser.close()
    return said


def test_an_operator_recovers_what_is_alike_and_canaries_stop_it(
    live_server: Any, chromium: str, order: ProcessDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        fail(start(order), f"order {number} is unknown")
    get_user_model().objects.create_superuser("operator", password="a-long-password")
    address = live_server.url + reverse("admin:processes_incident_changelist")
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    # The browser in a thread of its own, as in `test_browser`; what sweepers and workers do in another.
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1, initializer=connections.close_all) as work:
        said = pool.submit(recover, chromium, address, work).result()
        work.submit(connections.close_all).result()
    assert said == [], "no error of a script, nothing that keeps somebody out"
    batch = Batch.objects.get()
    assert (batch.state, batch.failed_again, batch.pending, batch.created_by) == ("CANCELLED", 1, 2, "user:operator")
