"""What operators do, by mouse and from end to end: real workers call a bank that fails, and what failed is repaired."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from processes.models import Batch, Connection, Incident, ProcessDefinition, ProcessInstance
from tests.admin.console import models
from tests.admin.console.browser import Watched, browse
from tests.admin.console.conftest import SOON, Stack
from tests.admin.test_browser import log_in

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


class Operator:
    """Knows the ways through the console."""

    def __init__(self, watched: Watched, stack: Stack, folder: Path) -> None:
        self.watched, self.stack, self.folder = watched, stack, folder
        self.page: Page = watched.page
        log_in(self.page, stack.url + reverse("admin:index"))

    def go(self, name: str, *arguments: Any, query: str = "") -> None:
        self.page.goto(f"{self.stack.url}{reverse(f'admin:processes_{name}', args=arguments)}{query}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).first.click()

    def unfold(self, name: str) -> None:
        self.page.locator("summary", has_text=name).first.click()

    def said(self, text: str) -> None:
        expect(self.page.locator(".messagelist")).to_contain_text(text)

    def stands_at(self, element: str) -> None:
        """The page of an instance comes to say so by itself."""
        expect(self.page.locator(".live-line")).to_contain_text(element, timeout=SOON * 1000)

    def deploy(self, document: bytes, version: int) -> None:
        file = self.folder / "order.bpmn"
        file.write_bytes(document)
        self.go("processdefinition_changelist")
        self.follow("Deploy files")
        self.page.get_by_label("BPMN or DMN files").set_input_files(file)
        self.press("Deploy")
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(f"Order fulfilment v{version}")

    def start(self, number: int, currency: str) -> int:
        """From the page of the definition; the number of the instance."""
        self.follow("Start an instance")
        self.page.get_by_label("Business key").fill(f"ORDER-{number}")
        variables = {"orderId": f"ORDER-{number}", "amount": 12.5, "currency": currency}
        self.page.get_by_label("Variables").fill(json.dumps(variables))
        self.press("Start")
        self.page.wait_for_url("**/processinstance/*/change/")
        return int(self.page.url.split("/")[-3])

    def give(self, button: str, **typed: str) -> None:
        """Fill the form of a verb in, and carry it out."""
        for label, text in typed.items():
            self.page.get_by_label(label.capitalize()).and_(self.page.locator(":visible")).fill(text)
        self.press(button)


@pytest.fixture
def operate(stack: Stack, chromium: str, tmp_path: Path) -> Callable[[Callable[[Operator], Any]], Any]:
    def do(doing: Callable[[Operator], Any]) -> Any:
        def run(watched: Watched) -> Any:
            operator = Operator(watched, stack, tmp_path)
            try:
                found = doing(operator)
            except BaseException:
                watched.page.screenshot(path=tmp_path / "failed.png", full_page=True)
                print(f"Where it failed: {watched.page.url}, {tmp_path / 'failed.png'}")
                raise
            assert not watched.wrong, "\n".join(watched.wrong)
            return found

        return browse(chromium, run)

    return do


def test_one_order_after_another_is_repaired(operate: Any, stack: Stack) -> None:
    def day(op: Operator) -> dict[str, int]:
        op.deploy(models.order(), 1)
        definition = op.page.url
        made = {"repaired": op.start(1, "EURO")}

        # The bank refuses it; corrected, it is charged.
        op.stands_at("1 open incident")
        op.page.reload()
        op.follow("edit variables and retry")
        box = op.page.get_by_label("Variables")
        box.fill(box.input_value().replace('"EURO"', '"EUR"'))
        op.give("Set and retry", reason="a typo of the shop")
        op.said("corrected and is tried again")
        op.stands_at("pack")
        op.page.reload()
        op.follow("complete by hand")
        op.give("Complete this job", variables='{"parcel": "P-1"}', reason="packed without the system")
        op.said("completed by hand")
        op.page.locator("#waits").get_by_role("link", name="send").click()
        op.give("Send it", variables='{"by": "Bob"}')
        op.said("given the message")
        op.follow("fire now")
        op.press("Fire it now")
        op.said("the timer fired")
        op.watched.look("actions-completed")
        op.follow("Restart from here")
        op.page.get_by_label("Begin before").select_option("pack")
        op.give("Restart from here", reason="the parcel was lost")
        op.said("was restarted as")
        made["restarted"] = int(op.page.url.split("/")[-3])

        op.unfold("Suspend")
        op.press("Suspend")
        op.said("was suspended")
        op.unfold("Resume")
        op.press("Resume")
        op.said("was resumed")
        op.page.locator("#waits").get_by_role("link", name="move").click()
        op.page.get_by_label("To:").select_option("collected")
        op.press("Preview")
        expect(op.page.locator("#preview")).to_contain_text("collected was entered")
        op.watched.look("actions-move-preview")
        op.give("Move it", reason="found it again")
        op.said("was modified")
        op.unfold("Cancel")
        op.give("Cancel this instance")
        op.said("was cancelled")

        op.page.goto(definition)
        made["refused"] = op.start(2, "EURO")
        op.stands_at("1 open incident")
        op.page.reload()
        op.follow("throw an error")
        op.give("Throw this error", code="NO-MONEY", reason="the card is empty")
        op.said("the error was thrown")

        op.page.goto(definition)
        made["skipped"] = op.start(3, "EURO")
        op.stands_at("1 open incident")
        op.page.reload()
        op.page.locator("#incidents").get_by_role("link", name="skip").click()
        op.give("Skip it", reason="paid in cash")
        op.said("the element was skipped")
        return made

    made = operate(day)
    states = {name: ProcessInstance.objects.get(pk=pk).state for name, pk in made.items()}
    assert states == {"repaired": "COMPLETED", "restarted": "TERMINATED", "refused": "COMPLETED", "skipped": "ACTIVE"}
    assert [order["currency"] for order in stack.bank.asked] == ["EURO", "EUR", "EURO", "EURO"]
    ends = {row.nodes.order_by("-key")[0].element_id for row in ProcessInstance.objects.filter(state="COMPLETED")}
    assert ends == {"delivered", "refused"}


def test_many_orders_are_recovered_migrated_and_held_back(operate: Any, stack: Stack) -> None:
    def day(op: Operator) -> None:
        op.deploy(models.order(), 1)
        old = op.page.url
        stack.bank.is_open = False
        for number in range(3):
            op.page.goto(old)
            op.start(number, "EUR")
            op.stands_at("1 open incident")
        op.go("incident_changelist")
        op.page.get_by_role("link", name="Recover the 3 at charge").click()
        stack.bank.is_open = True
        op.page.get_by_label("Canaries").fill("1")
        op.give("Retry 3 incidents", reason="the bank is back")
        recovered = op.page.locator("#batch-progress").get_by_role("link", name="3 Recovered")
        recovered.wait_for(timeout=SOON * 1000)
        op.watched.look("actions-recovered")

        op.deploy(models.order(version=2), 2)
        op.page.goto(old)
        op.follow("Migrate instances")
        op.press("Preview")
        expect(op.page.locator("#preview")).to_contain_text("3 of the 3 newest can migrate")
        op.watched.look("actions-migrate-preview")
        op.give("Migrate as a batch", reason="customers want to be thanked")
        op.said("migrates 3 instances")
        op.page.locator(".messagelist a").click()
        expect(op.page.locator("#batch-progress")).to_contain_text("3 of 3", timeout=SOON * 1000)

        op.page.goto(old)
        op.unfold("Suspend")
        op.give("Suspend", reason="nobody starts the old one")
        op.said("suspended")

        op.go("connection_changelist")
        op.page.locator("#result_list tbody input[type=checkbox]").first.check()
        op.page.locator("select[name=action]").select_option(label="Pause: let nobody call them")
        op.page.locator("#changelist .actions input[name=reason]").fill("the bank moves")
        op.page.locator("#changelist .actions button").first.click()
        op.said("is paused.")
        op.watched.look("actions-paused")

    operate(day)
    assert not Incident.objects.filter(ended_at=None).exists()
    batch, moved = Batch.objects.order_by("pk")
    assert (batch.recovered, batch.failed_again, moved.state) == (3, 0, "COMPLETED")
    assert {row.definition.version for row in ProcessInstance.objects.all()} == {2}
    assert [row.suspended for row in ProcessDefinition.objects.order_by("version")] == [True, False]
    assert Connection.objects.get(name="bank").paused
