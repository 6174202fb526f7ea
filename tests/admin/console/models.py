"""What the console shows in these tests: a shop, its orders, and what they call."""

from __future__ import annotations

from tests.decisions import decisions, table
from tests.drawing import Drawing, together


def order(*, version: int = 1) -> bytes:
    """Charged by the bank, packed by people, collected, and closed a day later. The second version thanks, too."""
    drawing = (
        Drawing("order", name="Order fulfilment")
        .start()
        .service(
            "charge",
            type="http",
            name="Charge the card",
            retries=1,
            headers={"connection": "bank", "resultVariable": "receipt"},
            inputs={
                "method": "POST",
                "url": "/charges",
                "body": "={order: orderId, amount: amount, currency: currency}",
            },
        )
        .service("pack", type="packing", name="Pack the parcel")
    )
    if version > 1:
        drawing = drawing.service("thank", type="thanking", name="Thank the customer")
    return (
        drawing.message("collected", "parcel-collected", "=orderId")
        .timer("cool_off", "P1D")
        .end("delivered")
        .on_error("charge", "declined", "NO-MONEY")
        .end("refused")
        .xml()
    )


def claim() -> bytes:
    """A process that calls another, waits for a signal, and decides."""
    check = Drawing("assess", name="Assess the damage").start("told")
    check = check.service("look", type="surveying", name="Look at it").end("assessed")
    whole = (
        Drawing("claim", name="Insurance claim")
        .start()
        .decide("route", "desk", "desk")
        .parallel("both")
        .call("assess_it", "assess")
        .parallel("joined")
        .end()
        .at("both")
        .catch("audited", ("signal", "audit-closed"))
        .to("joined")
    )
    return together(whole, check)


def desk() -> bytes:
    """Which desk has a claim."""
    rules = [("< 1000", '"fast lane"'), (">= 1000", '"experts"')]
    return decisions(table("desk", inputs=["amount"], outputs=["desk"], rules=rules, name="Desk of a claim"))
