"""A second process, which handles its service tasks in all seven ways: business customers open accounts.

Where something is lacking here, RabbitMQ or what a language of scripts needs, the applicants are such that their
process goes another way, and the table says what was skipped and why.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from scripts.demonstration.applicants import ENDS, KNOWN, OPENED, REJECTED, Applicant, applicants, latecomers
from scripts.demonstration.broker import Broker
from scripts.demonstration.client import Client
from scripts.demonstration.programs import ROOT, Programs, Trouble, free_port
from scripts.demonstration.show import Show, ways_table
from tasks.connectors import kit
from tasks.connectors.base import JobError
from tasks.connectors.script import ScriptConnector

MODEL = ROOT / "tests" / "drawings" / "seven_ways.bpmn"
PROCESS = "customer_account"
PATIENCE_SECONDS = 120.0
LANGUAGES = {"feel": "FEEL", "python": "Python", "javascript": "JavaScript"}
NUMBERING = {"feel": "Task_Feel", "python": "Task_Python", "javascript": "Task_JavaScript"}
CUSTOMERS = """CREATE TABLE customer (number text PRIMARY KEY, vat text NOT NULL UNIQUE, name text NOT NULL,
    credit numeric NOT NULL, job text NOT NULL UNIQUE)"""


@dataclass(slots=True)
class Ended:
    """What became of an applicant."""

    instance: int
    path: tuple[str, ...]
    customer: dict[str, Any]


@dataclass(slots=True)
class SevenWays:
    programs: Programs
    show: Show
    client: Client
    broker: Broker
    lacking: dict[str, str] = field(default_factory=dict)
    """Languages of scripts that cannot be run here, and why."""
    offices: str = ""
    started: dict[str, Applicant] = field(default_factory=dict)
    """By business key."""
    instances: dict[str, int] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.programs.folder / "customers.sqlite3"

    def open(self, known: dict[str, str]) -> None:
        """The offices, the clerk, the bureau and a database; and the connections that lead there."""
        self.lacking = dict(_lacking_languages())
        port = free_port()
        self.offices = f"http://127.0.0.1:{port}"
        self.show.step(f"Opening the register, the VAT office and the post box at {self.offices}, with a clerk")
        offices = self.programs.start("offices", "-m", "scripts.demonstration.offices", "--port", str(port))
        self.programs.wait_for_port(offices, port)
        self.programs.start("clerk", "-m", "scripts.demonstration.clerk", environment=known)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute(CUSTOMERS)
        post = self._notes()["post"]
        self.client.connect("register", url=self.offices)
        self.client.connect("vat-office", url=f"{self.offices}/vat?wsdl")
        self.client.connect("customers", url=f"sqlite:///{self.database}")
        self.client.connect("post", url=post["url"], tls={"ca": post["certificate"]})
        if self.broker.lacking:
            self.show.say(f"[yellow]SKIPPED: {self.broker.lacking}, so no application needs the credit bureau[/yellow]")
            return
        user, password = self.broker.login
        self.client.keep_secret("BUREAU_PASSWORD", password)
        login = {"username": user, "password": "{{secrets.BUREAU_PASSWORD}}"}
        options = {"replyTo": self.broker.answers}
        self.client.connect("credit-bureau", url=self.broker.place, authentication=login, options=options)
        bureau = ("-m", "scripts.demonstration.bureau", self.broker.url, self.broker.questions)
        self.programs.start("bureau", *bureau)

    def begin(self) -> None:
        """Deploy the model, and have the first apply."""
        for made in self.client.deploy(MODEL)["definitions"]:
            self.show.step(f"Deployed {MODEL.name} as {made['process_id']} version {made['version']}")
        spoken = LANGUAGES.keys() - self.lacking.keys()
        self._start(applicants(spoken, bureau=not self.broker.lacking))
        self.show.step(f"{len(self.started)} companies apply for an account")

    def follow(self) -> None:
        """Once they have their answers, those apply who come late."""
        self._ended()
        self._start(latecomers())

    def judge(self) -> dict[str, list[str]]:
        """The table of the seven. Gives what was not as it must be, by applicant."""
        ended, notes = self._ended(), self._notes()
        with closing(sqlite3.connect(self.database)) as connection:
            rows = {vat: number for number, vat in connection.execute("SELECT number, vat FROM customer")}
        letters = {letter["to"]: letter["text"] for letter in notes["letters"]}
        wrong = {}
        for key, applicant in self.started.items():
            if found := list(_differences(applicant, ended[key], rows, letters)):
                wrong[key] = found
        if missing := {applicant.company.registration for applicant in self.started.values()} - {*notes["register"]}:
            wrong["register"] = [f"Expected it to be asked for {', '.join(sorted(missing))} but it was not"]
        self.show.step(f"{len(self.started)} applications for an account, in seven ways of handling a service task:")
        self.show.table(ways_table(list(self._told(ended, notes, len(rows)))))
        for key, differences in wrong.items():
            for difference in differences:
                self.show.say(f"[red]{key}: {difference}[/red]")
        return wrong

    def address_of(self, end: str) -> str:
        """The page of an applicant whose process ends so."""
        key = next(key for key, applicant in self.started.items() if applicant.end == end)
        return f"{self.client.url}/admin/processes/processinstance/{self.instances[key]}/change/"

    def _start(self, those: list[Applicant]) -> None:
        for applicant in those:
            given = applicant.variables(self.broker.questions)
            self.instances[applicant.key] = self.client.start(PROCESS, applicant.key, given)
            self.started[applicant.key] = applicant

    def _ended(self) -> dict[str, Ended]:
        """Everybody who applied, once all have ended. Raises `Trouble` when patience is over."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            rows = {row["business_key"]: row for row in self.client.instances(PROCESS)}
            late = [key for key in self.started if rows[key]["state"] == "ACTIVE"]
            if not late:
                break
            if time.monotonic() > until or any(row["open_incidents"] for row in rows.values()):
                causes = [incident["message"] for incident in self.client.incidents(PROCESS)]
                raise Trouble(f"These have not ended: {', '.join(late)}. {' '.join(causes)}")
            self.programs.look_after()
            time.sleep(0.2)
        return {key: self._looked_at(rows[key]["id"]) for key in self.started}

    def _looked_at(self, instance: int) -> Ended:
        customer = self.client.variables(instance).get("customer") or {}
        return Ended(instance, self.client.story(instance).path, customer)

    def _notes(self) -> dict[str, Any]:
        return dict(requests.get(f"{self.offices}/notes", timeout=10).json())

    def _told(self, ended: dict[str, Ended], notes: dict[str, Any], rows: int) -> Iterator[tuple[str, str, str]]:
        """Way, what it did, and why it was skipped, if it was."""
        ends = [element for one in ended.values() for element in one.path if element in ENDS]
        visits = Counter(element for one in ended.values() for element in one.path)
        yield "HTTP/REST", f"a register told of {len(set(notes['register']))} companies", ""
        yield "SOAP", f"the VAT office checked {visits['Task_Vat']} numbers, {ends.count(REJECTED)} with a fault", ""
        told = f"a credit bureau behind RabbitMQ answered {visits['Task_Score']} questions"
        yield "Message", told, self.broker.lacking
        for language, name in LANGUAGES.items():
            many = visits[NUMBERING[language]]
            yield f"Script: {name}", f"made customer numbers: {many}", self.lacking.get(language, "")
        yield "Database", f"SQLite took {rows} rows, and refused {ends.count(KNOWN)} as a double", ""
        managers = sum("manager" in one.customer for one in ended.values())
        yield "External worker", f"a clerk assigned {managers} managers", ""
        yield "Integration", f"{len(notes['letters'])} e-mails were sent", ""


def _differences(one: Applicant, found: Ended, rows: dict[str, str], letters: dict[str, str]) -> Iterator[str]:
    """What is not as it must be, in words."""
    ends = [element for element in found.path if element in ENDS]
    if ends != [one.end]:
        yield f"Expected the end '{ENDS[one.end]}' but found {', '.join(ENDS[end] for end in ends) or 'none'}"
    if ("Task_Score" in found.path) != (one.credit > 1000):
        yield "Expected the credit bureau to be asked for more than 1,000, and for no less"
    if one.end != OPENED:
        return
    if NUMBERING[one.numbering] not in found.path:
        yield f"Expected the number to be made by {NUMBERING[one.numbering]} but found another"
    if rows.get(one.company.vat) != one.number:
        yield f"Expected a row with the number {one.number} but found {rows.get(one.company.vat)}"
    if found.customer.get("number") != one.number:
        yield f"Expected the number {one.number} but found {found.customer.get('number')}"
    letter = letters.get(f"office-{one.company.registration}@example.org", "")
    if one.number not in letter or not found.customer.get("manager") or found.customer["manager"] not in letter:
        yield f"Expected a letter with the number {one.number} and the manager but found {letter!r}"


def _lacking_languages() -> Iterator[tuple[str, str]]:
    connector = ScriptConnector()
    for language in LANGUAGES:
        if language == "feel":
            continue  # the engine's own
        try:
            connector.run(kit.job(connector, {"language": language, "script": "1"}))
        except JobError as problem:
            yield language, problem.message.partition(": ")[0]
