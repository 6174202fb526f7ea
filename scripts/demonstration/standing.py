"""How the orders stand: what the API says of their instances, kept between two looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scripts.demonstration.client import Client, Story, seconds_between
from scripts.demonstration.orders import ENDS, Expected, Order, expect

FINAL = ("COMPLETED", "TERMINATED")


@dataclass(slots=True)
class Case:
    """An order and its instance."""

    order: Order
    expected: Expected
    instance: int = 0
    state: str = "not started"
    parked: bool = False
    was_parked: bool = False
    seconds: float = 0.0
    story: Story | None = None


@dataclass(slots=True)
class Standing:
    process_id: str
    cases: dict[str, Case] = field(default_factory=dict)
    """By the id of the order, which is the business key."""

    @classmethod
    def of(cls, process_id: str, orders: list[Order]) -> Standing:
        return cls(process_id, {order.id: Case(order, expect(order)) for order in orders})

    def look(self, client: Client) -> Iterator[Case]:
        """Ask the API; gives those that have ended or were parked since the last look."""
        for row in client.instances(self.process_id):
            case = self.cases.get(row["business_key"])
            if case is None or case.story is not None:
                continue
            case.instance, case.state = row["id"], row["state"]
            was, case.parked = case.parked, row["open_incidents"] > 0
            case.was_parked |= case.parked
            if row["state"] in FINAL:
                case.seconds = seconds_between(row["started_at"], row["ended_at"])
                case.story = client.story(case.instance)
                yield case
            elif case.parked and not was:
                yield case

    @property
    def ends(self) -> Counter[str]:
        """How many have reached which end event."""
        stories = [case.story for case in self.cases.values() if case.story is not None]
        return Counter(next((element for element in story.path if element in ENDS), "") for story in stories)

    @property
    def parked(self) -> int:
        return sum(case.parked for case in self.cases.values() if case.story is None)

    @property
    def under_way(self) -> int:
        return sum(case.story is None and not case.parked for case in self.cases.values())
