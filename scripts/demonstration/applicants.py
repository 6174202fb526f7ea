"""Companies that want an account, and how the process of each of them must end.

As with the orders, the end follows from the application alone; which of them apply follows from what is installed here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

OPENED, REJECTED, DECLINED, KNOWN = "End_Opened", "End_Rejected", "End_Declined", "End_Known"
ENDS = {OPENED: "account opened", REJECTED: "VAT number unknown", DECLINED: "credit declined", KNOWN: "known already"}


@dataclass(frozen=True, slots=True)
class Company:
    registration: str
    name: str
    region: str
    employees: int = 40

    @property
    def vat(self) -> str:
        return f"DE{self.registration}"

    @property
    def entry(self) -> dict[str, Any]:
        """As the register has it."""
        return {
            "registration": self.registration,
            "name": self.name,
            "country": "DE",
            "region": self.region,
            "employees": self.employees,
        }


@dataclass(frozen=True, slots=True)
class Applicant:
    company: Company
    end: str
    numbering: str = "feel"
    credit: int = 900
    """Above 1,000 the credit bureau is asked."""
    vat: str = ""

    @property
    def key(self) -> str:
        """Business key of the process."""
        return f"ACCOUNT-{self.company.registration}"

    @property
    def number(self) -> str:
        """The customer number: the registration with two check digits (ISO 7064, MOD 97-10)."""
        registration = self.company.registration
        return f"{registration}{98 - int(registration) * 100 % 97:02}"

    def variables(self, bureau_queue: str) -> dict[str, Any]:
        registration = self.company.registration
        application = {
            "registration": registration,
            "vat": self.vat or self.company.vat,
            "email": f"office-{registration}@example.org",
            "credit": self.credit,
        }
        return {"application": application, "numbering": self.numbering, "bureau_queue": bureau_queue}


BAKERY = Company("4711", "Baeckerei Sonne", "south")
FORGE = Company("2024", "Schmiede am Tor", "north")
PRINTERS = Company("3141", "Druckerei Blatt", "west")
GARAGE = Company("8128", "Werkstatt Rad", "east")
TRAVELLER = Company("7777", "Fahrende Haendler", "east")
SPENDTHRIFT = Company("5550", "Saus und Braus", "south")
TWIN = Company("4712", "Baeckerei Sonne Filiale", "south")
COMPANIES = {each.registration: each for each in (BAKERY, FORGE, PRINTERS, GARAGE, TRAVELLER, SPENDTHRIFT, TWIN)}


def applicants(languages: Collection[str], *, bureau: bool) -> list[Applicant]:
    """Those who apply first. `languages` of scripts are installed; whether there is a credit `bureau` to ask."""
    found = [Applicant(BAKERY, OPENED), Applicant(TRAVELLER, REJECTED, vat="FR7777")]
    if "python" in languages:
        found.append(Applicant(FORGE, OPENED, numbering="python"))
    if "javascript" in languages:
        found.append(Applicant(PRINTERS, OPENED, numbering="javascript"))
    if bureau:
        found.append(Applicant(GARAGE, OPENED, credit=5000))
        found.append(Applicant(SPENDTHRIFT, DECLINED, credit=5000))
    return found


def latecomers() -> list[Applicant]:
    """Who applies once the others are done: the bakery, under another registration."""
    return [Applicant(TWIN, KNOWN, vat=BAKERY.vat)]
