"""The world in which the shop lives: goods, cards, places. As test cards of payment providers do, they say in their
own numbers what will happen, so that the end of an order follows from the order alone.
"""

from __future__ import annotations

import re
from decimal import Decimal

CATALOGUE = {
    "novel": Decimal("12.90"),
    "tea-kettle": Decimal("39.95"),
    "desk-lamp": Decimal("54.50"),
    "rain-coat": Decimal("89.00"),
    "record-player": Decimal("249.99"),
    "board-game": Decimal("34.99"),
    "glass-vase": Decimal("64.00"),
    "anvil": Decimal("119.00"),
}
"""Prices of what the shop sells. Everything else is an unknown product."""

DISCONTINUED = "flying-carpet"
"""Still in some old links, no longer in the catalogue."""

SOLD_OUT_AT_FIRST = "board-game"
"""Comes in again between the first and the second time somebody asks for it."""

FRAGILE = "glass-vase"
"""Breaks when it is packed; the replacement does not."""

HEAVY = "anvil"
"""Falls on the foot of the packer, who is gone in the middle of the work."""

GOOD_CARD = "4242 4242 4242 4242"
EMPTY_CARD = "4000 0000 0000 9995"
STOLEN_CARD = "4000 0000 0000 9979"
DECLINES = {EMPTY_CARD: "insufficient funds", STOLEN_CARD: "reported stolen"}
"""Cards that are not charged, and why. The owner of an empty card has another one, the thief does not answer."""

POSTCODE = re.compile(r"\d{5}")
"""What the carrier takes for a postcode; it sends back anything else as an error of the caller."""

FAR_AWAY = "99999"
"""Parcels that go there are never seen again."""

REGIONS = ("east", "north", "south", "west")
IN_MAINTENANCE = "north"
"""The region whose invoices are not written until somebody ends the maintenance."""
