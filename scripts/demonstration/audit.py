"""Was it right? Every order against what was expected of it, and against the books of the shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from scripts.demonstration.client import Story
from scripts.demonstration.orders import CANCELLED, DELIVERED, DETOURS, ENDS, REFUNDED, REJECTED, Expected

ENTRIES = {
    DELIVERED: {"reservations": 1, "payments": 1, "invoices": 1, "shipments": 1, "refunds": 0},
    REFUNDED: {"reservations": 1, "payments": 1, "invoices": 1, "shipments": 1, "refunds": 1},
    CANCELLED: {"reservations": 0, "payments": 0, "invoices": 0, "shipments": 0, "refunds": 0},
    REJECTED: {"reservations": 0, "payments": 0, "invoices": 0, "shipments": 0, "refunds": 0},
}
"""How often each thing must have been done for an order that ends so, however often it was tried."""

Books = dict[str, dict[str, list[dict[str, Any]]]]
"""Order, kind, entries."""


def by_order(entries: dict[str, list[dict[str, Any]]]) -> Books:
    """The books of the shop, sorted by order."""
    books: Books = defaultdict(lambda: defaultdict(list))
    for kind, rows in entries.items():
        for row in rows if isinstance(rows, list) else ():
            books[row["order"]][kind].append(row)
    return books


def differences(order: str, expected: Expected, story: Story | None, books: Books) -> list[str]:
    """What is not as it must be, in words; nothing if all is well."""
    if story is None:
        return [f"Expected it to be {ENDS[expected.end]} but it has not ended"]
    found = list(_path(expected, story))
    if story.total != expected.total:
        found.append(f"Expected a price of {expected.total} but found {story.total}")
    for kind, number in ENTRIES[expected.end].items():
        rows = books[order][kind]
        if len(rows) != number:
            found.append(f"Expected {number} of {kind} in the books but found {len(rows)}")
    charged = [Decimal(str(payment["amount"])) for payment in books[order]["payments"]]
    found += [f"Expected {expected.total} to be charged but found {one}" for one in charged if one != expected.total]
    return found


def _path(expected: Expected, story: Story) -> Iterable[str]:
    ends = [element for element in story.path if element in ENDS]
    if ends != [expected.end]:
        reached = ", ".join(ENDS[end] for end in ends) or "no end"
        yield f"Expected it to be {ENDS[expected.end]} but found {reached}"
    detours = detours_of(story)
    if detours != expected.detours:
        yield f"Expected it to come by {', '.join(expected.detours) or 'no detour'} but found {', '.join(detours)}"


def detours_of(story: Story) -> tuple[str, ...]:
    return tuple(element for element in story.path if element in DETOURS)
