"""A browser that keeps an eye on its page: nothing refused by the policy, no error, nothing missing, all accessible."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response, sync_playwright

from tests.admin.test_browser import FLAGS

PICTURES = Path(os.environ.get("CONSOLE_SCREENSHOTS") or settings.BASE_DIR / "var" / "console")
"""What the pages looked like, for people."""
WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", event => {
  window.refused.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""
DJANGOS = {"exclude": [[".help-tooltip"], [".vDateField"], [".vTimeField"]]}
"""Widgets of Django's admin that are not labelled as they should be, on pages of accounts and tokens."""
NARROW = 1000
"""Pixels that a page has to make do with."""

T = TypeVar("T")


class Watched:
    """A page, and what was wrong with all that it showed."""

    def __init__(self, context: BrowserContext) -> None:
        context.add_init_script(WATCH)
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self._quiet = False
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self._note(f"error of a script: {error}"))
        self.page.on("response", self._answered)

    def _note(self, what: str) -> None:
        if not self._quiet:
            self.wrong.append(f"{self.page.url}: {what}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"{message.type} in the console: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self._note(f"{response.status} for {response.url}")

    def go(self, address: str) -> None:
        answer = self.page.goto(address)
        if answer is None or answer.status != 200:
            self._note(f"status {answer and answer.status} of {address}")

    def look(self, name: str, *, dark: bool = True) -> None:
        """Inspect what is shown, in light and dark and on a narrow screen, and keep pictures."""
        page = self.page
        self.wrong += [f"{page.url}: refused by the policy: {what}" for what in page.evaluate("window.refused")]
        self._picture(name, "light")
        # What axe puts into the page is nothing that the policy would let a page do.
        self._quiet = True
        self._inspect("light")
        if dark:
            page.emulate_media(color_scheme="dark")
            self._picture(name, "dark")
            self._inspect("dark", "color-contrast", "link-in-text-block")
            page.emulate_media(color_scheme="light")
        wide = page.viewport_size
        assert wide is not None
        page.set_viewport_size({"width": NARROW, "height": wide["height"]})
        beyond = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if beyond > 0:
            self.wrong.append(f"{page.url}: {beyond} px wider than {NARROW}")
        page.set_viewport_size(wide)
        self._quiet = False

    def _picture(self, name: str, scheme: str) -> None:
        stem = re.sub(r"\W+", "-", name).strip("-")
        file = f"{stem}.{scheme}.jpg"
        self.page.screenshot(path=PICTURES / file, type="jpeg", quality=80, full_page=True, animations="disabled")

    def _inspect(self, scheme: str, *rules: str) -> None:
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = rules
        for each in Axe().run(self.page, DJANGOS, options).response["violations"]:
            if each["impact"] in ("serious", "critical"):
                where = [f"{node['target']} {node['html'][:160]}" for node in each["nodes"][:4]]
                self.wrong.append(f"{self.page.url} ({scheme}): {each['id']}: {'; '.join(where)}")


def browse(chromium: str, doing: Callable[[Watched], T]) -> T:
    """Do something in a browser. In a thread of its own: its event loop is nothing for Django's connections."""

    def run() -> T:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            context = browser.new_context(viewport={"width": 1300, "height": 900}, color_scheme="light")
            context.set_default_timeout(60_000)
            try:
                return doing(Watched(context))
            finally:
                browser.close()

    PICTURES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()
