"""The story, from an empty folder to fifty orders and some accounts that ended as they must."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from rich.markup import escape

from scripts.demonstration import audit, world
from scripts.demonstration.broker import Broker
from scripts.demonstration.client import Client
from scripts.demonstration.orders import orders
from scripts.demonstration.programs import Programs, Trouble, free_port
from scripts.demonstration.seven import SevenWays
from scripts.demonstration.show import Show, closing_table, ended, summed, tally
from scripts.demonstration.standing import Case, Standing

MODEL = Path(__file__).with_name("order_fulfilment.bpmn")
PROCESS = "order_fulfilment"
PACKERS = ("anna", "ben")
USER = "demo"
PATIENCE_SECONDS = 150.0
"""For everything to end, or to be parked."""
LOOK_SECONDS = 0.4


@dataclass(slots=True)
class Story:
    programs: Programs
    show: Show
    port: int
    count: int
    broker: Broker
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    shop: str = ""
    client: Client = field(init=False)
    ways: SevenWays = field(init=False)
    standing: Standing = field(init=False)
    deaths: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.client = Client(f"http://127.0.0.1:{self.port}")
        self.ways = SevenWays(self.programs, self.show, self.client, self.broker)
        self.standing = Standing.of(PROCESS, orders(self.count))

    def tell(self) -> dict[str, list[str]]:
        """All of it. Gives what was not as it must be, by order; raises `Trouble` if it cannot be told to its end."""
        began = time.monotonic()
        self.open()
        self.deploy()
        self.start()
        self.ways.begin()
        self.run_until_settled()
        self.ways.follow()
        self.repair()
        self.run_until_settled()
        return {**self.judge(time.monotonic() - began), **self.ways.judge()}

    def open(self) -> None:
        """A database, the server with its embedded worker, the shop, two packers, and whom accounts need."""
        self.show.step(f"Starting the orchestrator at {self.client.url}, on a fresh SQLite database")
        self.show.say("manage.py serve: web, broker, worker and sweeper in one process")
        serve = ("manage.py", "serve", "--migrate", "--port", str(self.port))
        server = self.programs.start("server", *serve, environment=self.broker.environment)
        self.programs.wait_for_port(server, self.port)
        user = ("--username", USER, "--email", "demo@localhost.localdomain")
        password = {"DJANGO_SUPERUSER_PASSWORD": self.password}
        self.programs.run("createsuperuser", "createsuperuser", "--noinput", *user, **password)
        token = self.client.log_in(USER, self.password)

        port = free_port()
        self.shop = f"http://127.0.0.1:{port}"
        self.show.step(f"Opening the shop at {self.shop}, with {len(PACKERS)} packers: {' and '.join(PACKERS)}")
        known = {"ORCHESTRATOR_URL": self.client.url, "ORCHESTRATOR_TOKEN": token}
        shop = self.programs.start("shop", "-m", "scripts.demonstration.shop", "--port", str(port), environment=known)
        self.programs.wait_for_port(shop, port)
        for name in PACKERS:
            packer = ("-m", "scripts.demonstration.packer", name)
            self.programs.start(f"packer-{name}", *packer, expendable=True, environment=known)
        self.ways.open(known)

    def deploy(self) -> None:
        report = self.client.deploy(MODEL)
        for made in report["definitions"]:
            self.show.step(f"Deployed {MODEL.name} as {made['process_id']} version {made['version']}")
        for warning in report["warnings"]:
            self.show.say(f"[yellow]{warning['message']}[/yellow]")

    def start(self) -> None:
        cases = list(self.standing.cases.values())
        self.show.step(f"Starting {len(cases)} orders over REST; the first one twice, as after a lost answer")
        for case in [cases[0], *cases]:
            key = case.order.id
            number = self.client.start(PROCESS, key, case.order.variables(self.shop))
            if case.instance not in (0, number):
                raise Trouble(f"Expected {key} to be started once but it runs as {case.instance} and {number}")
            case.instance, case.state = number, "ACTIVE"

    def run_until_settled(self) -> None:
        """Watch the orders until each has ended or needs an operator. Raises `Trouble` when patience is over."""
        until = time.monotonic() + PATIENCE_SECONDS
        with self.show.picture(self.standing):
            while True:
                self.look_after()
                for case in self.standing.look(self.client):
                    self._tell(case)
                if not self.standing.under_way:
                    break
                self.show.refresh(self.standing)
                if time.monotonic() > until:
                    late = [case.order.id for case in self.standing.cases.values() if case.story is None]
                    raise Trouble(f"After {PATIENCE_SECONDS:.0f} seconds these have not ended: {', '.join(late)}")
                time.sleep(LOOK_SECONDS)
        self.show.step(summed(self.standing))

    def look_after(self) -> None:
        """Start packers again that are gone."""
        for name in self.programs.look_after():
            self.deaths[name] += 1
            self.show.news(f"[magenta]{name} is gone in the middle of a job; another one comes[/magenta]")

    def address_of(self, detour: str) -> str:
        """The page of an order that came by an element, or without one, of an order that was repaired."""
        for case in self.standing.cases.values():
            if case.story and (detour in case.story.path if detour else case.was_parked):
                return f"{self.client.url}/admin/processes/processinstance/{case.instance}/change/"
        return "none"

    def _tell(self, case: Case) -> None:
        if case.story is None:
            self.show.news(f"{case.order.id} [red]needs an operator[/red]")
        elif case.expected.detours or case.was_parked:
            self.show.news(ended(case))

    def repair(self) -> None:
        """What an operator does: look, repair the causes, and have everything tried again."""
        incidents = self.client.incidents(PROCESS)
        if not incidents:
            return
        self.show.step(f"{len(incidents)} incidents are open, with these causes:")
        cases = {case.instance: case for case in self.standing.cases.values()}
        for message, number in Counter(_cause(incident) for incident in incidents).items():
            self.show.say(f"[red]{number} x {escape(message)}[/red]")
        self.show.step("The operator ends the maintenance of the shop, and corrects what is wrong in the orders")
        requests.put(f"{self.shop}/status", json={"maintenance": False}, timeout=10).raise_for_status()
        for incident in incidents:
            case = cases[incident["instance_id"]]
            if not world.POSTCODE.fullmatch(case.order.postcode):
                address = {**case.order.address, "postcode": case.order.postcode.replace("O", "0")}
                self.client.set_variables(case.instance, {"address": address})
                self.show.say(f"{case.order.id}: postcode {case.order.postcode} is now {address['postcode']}")
        self.show.step(f"manage.py resolve_incidents --process {PROCESS}")
        self.show.say(self.programs.run("resolve", "resolve_incidents", "--process", PROCESS).strip())

    def judge(self, seconds: float) -> dict[str, list[str]]:
        """The closing table, and the books."""
        entries = requests.get(f"{self.shop}/books", timeout=10).json()
        books = audit.by_order(entries)
        wrong: dict[str, list[str]] = {}
        for key, case in self.standing.cases.items():
            if found := audit.differences(key, case.expected, case.story, books):
                wrong[key] = found
        cases = list(self.standing.cases.values())
        self.show.table(closing_table(cases, wrong))
        self._sum_up(seconds, cases, entries)
        for key, found in wrong.items():
            for difference in found:
                self.show.say(f"[red]{key}: {escape(difference)}[/red]")
        return wrong

    def _sum_up(self, seconds: float, cases: list[Case], entries: dict[str, Any]) -> None:
        stories = [case.story for case in cases if case.story is not None]
        faults = entries["faults"]
        self.show.step(f"{len(cases)} orders in {seconds:.0f} s: {tally(self.standing)}")
        self.show.say(
            f"{sum(story.attempts for story in stories)} attempts of jobs, of which "
            f"{sum(story.failures for story in stories)} failed and were made again"
        )
        self.show.say(
            f"faults of the shop: {faults.get('busy', 0)} calls turned away, {faults.get('slow', 0)} answered late, "
            f"{faults.get('silent', 0)} payments made without an answer"
        )
        self.show.say(
            f"{sum(self.deaths.values())} packers lost in the middle of a job, "
            f"{sum(case.was_parked for case in cases)} orders repaired by an operator"
        )
        charged = len(entries["payments"])
        self.show.say(
            f"{charged} customers were charged, each once; {len(entries['refunds'])} had their money returned"
        )


def _cause(incident: dict[str, Any]) -> str:
    """The first line of what happened, without what is different in each."""
    return f"{incident['element_id']}: {incident['message'].splitlines()[0][:160]}"
