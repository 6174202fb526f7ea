"""Fifty orders, the same ones every time, and how each of them must end.

`expect` follows the rules of the business, written down here for a second time and in another language than the model,
so that a wrong turn of the process cannot agree with itself.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from scripts.demonstration import world

DELIVERED, REJECTED, CANCELLED, REFUNDED = "End_Delivered", "End_Rejected", "End_Cancelled", "End_Refunded"
ENDS = {DELIVERED: "delivered", REJECTED: "rejected", CANCELLED: "cancelled", REFUNDED: "money returned"}

DETOURS = {
    "Catch_Restocked": "sold out, restocked",
    "Task_TellUnavailable": "unknown product",
    "Catch_AnotherCard": "paid with another card",
    "Catch_NoAnswer": "card declined, no answer",
    "Task_Replace": "damaged, replaced",
    "Task_Refund": "lost on the way",
}
"""Elements off the straight road, and what it means that an order came by."""


@dataclass(frozen=True, slots=True)
class Line:
    product: str
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    lines: tuple[Line, ...]
    card: str = world.GOOD_CARD
    loyal: bool = False
    region: str = "south"
    postcode: str = "10115"

    @property
    def products(self) -> set[str]:
        return {line.product for line in self.lines}

    def variables(self, shop: str) -> dict[str, Any]:
        """What the process is started with; `shop` is the base address of the services."""
        lines = [
            {"product": line.product, "quantity": line.quantity, "price": float(line.price)} for line in self.lines
        ]
        return {
            "shop": shop,
            "order": {"id": self.id, "loyal": self.loyal, "region": self.region, "lines": lines},
            "card": self.card,
            "address": self.address,
        }

    @property
    def address(self) -> dict[str, str]:
        return {"street": "Unter den Linden 1", "postcode": self.postcode}


@dataclass(frozen=True, slots=True)
class Expected:
    """`detours` in the order in which they are met. `repair`: an operator is needed on the way."""

    end: str
    total: Decimal
    detours: tuple[str, ...] = ()
    repair: str = ""


def expect(order: Order) -> Expected:
    """How an order must end, from nothing but the order."""
    total = price(order)
    if not order.products <= world.CATALOGUE.keys():
        return Expected(REJECTED, total, ("Task_TellUnavailable",))
    detours: list[str] = []
    if world.SOLD_OUT_AT_FIRST in order.products:
        detours.append("Catch_Restocked")
    if order.card == world.STOLEN_CARD:
        return Expected(CANCELLED, total, (*detours, "Catch_NoAnswer"))
    if order.card == world.EMPTY_CARD:
        detours.append("Catch_AnotherCard")
    if world.FRAGILE in order.products:
        detours.append("Task_Replace")
    repair = "maintenance" if order.region == world.IN_MAINTENANCE else ""
    if not world.POSTCODE.fullmatch(order.postcode):
        repair = "address"
    if order.postcode == world.FAR_AWAY:
        return Expected(REFUNDED, total, (*detours, "Task_Refund"), repair)
    return Expected(DELIVERED, total, tuple(detours), repair)


def price(order: Order) -> Decimal:
    """With discount: a tenth off from 500 on, a twentieth for loyal customers below."""
    subtotal = sum((line.quantity * line.price for line in order.lines), Decimal())
    off = Decimal("0.10") if subtotal >= 500 else Decimal("0.05") if order.loyal else Decimal()
    return (subtotal * (1 - off)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def orders(count: int = 50, seed: int = 1847) -> list[Order]:
    """The orders of the demonstration. Of fifty, 21 meet nothing special; those who wait longest come first."""
    chance = random.Random(seed)
    unusual = [_unusual(kind, number, chance) for number, kind in enumerate(KINDS[:count], 1)]
    usual = [_usual(number, chance) for number in range(len(unusual) + 1, count + 1)]
    early, late = unusual[:FIRST], unusual[FIRST:] + usual
    chance.shuffle(late)
    return [replace(order, id=f"ORDER-{number:03}") for number, order in enumerate(early + late, 1)]


FIRST = 12
"""So many kinds from the head of the list begin first: their timers and their operator take longest."""
KINDS = (
    *["lost"] * 3,
    *["maintenance"] * 3,
    "address",
    *["stolen card"] * 3,
    *["heavy"] * 2,
    *["empty card"] * 5,
    *["sold out"] * 5,
    *["unknown"] * 4,
    *["fragile"] * 3,
)
OPEN_REGIONS = tuple(region for region in world.REGIONS if region != world.IN_MAINTENANCE)
PLAIN = ("novel", "tea-kettle", "desk-lamp", "rain-coat", "record-player")


def _usual(number: int, chance: random.Random) -> Order:
    products = chance.sample(PLAIN, chance.randint(1, 3))
    lines = tuple(Line(product, chance.randint(1, 3), world.CATALOGUE[product]) for product in products)
    region, postcode = chance.choice(OPEN_REGIONS), f"{chance.randint(10000, 89999)}"
    return Order(f"{number}", lines, loyal=chance.random() < 0.4, region=region, postcode=postcode)


def _unusual(kind: str, number: int, chance: random.Random) -> Order:
    order = _usual(number, chance)
    match kind:
        case "lost":
            return replace(order, postcode=world.FAR_AWAY)
        case "maintenance":
            return replace(order, region=world.IN_MAINTENANCE)
        case "address":
            return replace(order, postcode="1O115")
        case "stolen card":
            return replace(order, card=world.STOLEN_CARD)
        case "empty card":
            return replace(order, card=world.EMPTY_CARD)
    product = {
        "heavy": world.HEAVY,
        "sold out": world.SOLD_OUT_AT_FIRST,
        "unknown": world.DISCONTINUED,
        "fragile": world.FRAGILE,
    }[kind]
    line = Line(product, 1, world.CATALOGUE.get(product, Decimal("499.00")))
    return replace(order, lines=(*order.lines, line))
