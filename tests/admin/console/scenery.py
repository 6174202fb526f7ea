"""A day in the life of the shop, so that every page has something to show. Real workers do what is theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone
from knox.models import AuthToken

from processes.models import Batch, Incident, Job, ProcessDefinition, ProcessInstance, Timer
from processes.runtime import (
    batches,
    bindings,
    connections,
    definitions,
    documents,
    instances,
    jobs,
    messages,
    replies,
    secrets,
)
from processes.runtime.definitions import Deployment
from processes.runtime.incidents import Selection
from processes.runtime.settlement import Responded
from tests.admin.console import models
from tests.admin.console.conftest import SOON
from tests.tasks import fleet

BY = "user:ada"
eventually = partial(fleet.eventually, within=SOON)


@dataclass(frozen=True, slots=True)
class Scenery:
    """Rows in the states that the pages are about. `delivered` waits for its customer, `cooling` for a timer."""

    failed: ProcessInstance
    packing: ProcessInstance
    delivered: ProcessInstance
    cooling: ProcessInstance
    ended: ProcessInstance
    claim: ProcessInstance
    batch: Batch
    old: ProcessDefinition
    new: ProcessDefinition


def deploy(xml: bytes, name: str) -> Deployment:
    return definitions.deploy(xml, resource=name, by=BY)


def start(process: str, **given: Any) -> ProcessInstance:
    return instances.start(definitions.find(process), **given, by=BY).instance


def order(number: int, *, currency: str = "EUR") -> ProcessInstance:
    variables = {
        "orderId": f"ORDER-{number}",
        "amount": 129.9,
        "currency": currency,
        "customer": {"name": "Ada Lovelace", "address": {"street": "St James's Square 12", "city": "London"}},
        "lines": [{"sku": "TEA-POT", "quantity": 1, "price": 89.9}, {"sku": "CUP", "quantity": 4, "price": 10}],
    }
    return start("order", business_key=f"ORDER-{number}", variables=variables)


def waiting(row: ProcessInstance, type: str) -> Job:
    """The job of that type, once it is there."""
    return eventually(lambda: Job.objects.filter(instance=row, type=type).first(), what=f"{row} to need {type}")


def pack(row: ProcessInstance) -> None:
    """As a packer with a client of the external task protocol would: with a picture of the parcel."""
    held = jobs.claim_one(waiting(row, "packing").pk, worker="packer-1")
    assert held is not None
    documents.store(held.id, held.attempt, b"%PDF-1.4 a label", "application/pdf", "label.pdf")
    jobs.complete(held.id, held.attempt, {"parcel": f"P-{row.pk}"}, by="worker:packer-1")


def settle_in() -> None:
    """What an administrator sets up."""
    AuthToken.objects.create(user=get_user_model().objects.get())
    secrets.put("SHOP_TOKEN", "token-4711", by=BY)
    connections.put("warehouse", {"url": "https://warehouse.example/v2", "rate": 50}, by=BY)
    connections.pause("warehouse", by=BY, reason="The warehouse moves")
    binding = {"kind": "webhook", "path": "shop", "proof": "hmac", "secret_name": "SHOP_TOKEN"}
    binding |= {"signature_header": "X-Signature", "message_name": "paid", "correlation_key": "=body.order"}
    bindings.put("shop", binding, by=BY, new=True)


def ask_surveyor(claim: ProcessInstance) -> None:
    """Over a queue: one reply is awaited, another came before its question."""
    called = eventually(lambda: ProcessInstance.objects.filter(parent=claim).first(), what="the claim to call")
    held = jobs.claim_one(waiting(called, "surveying").pk, worker="surveyor-1")
    assert held is not None
    replies.expect(held, "survey-7", channel="surveys", until=timezone.now() + timedelta(days=1))
    replies.receive("survey-9", Responded({"damage": "none"}), channel="surveys")


def prepare() -> Scenery:
    settle_in()
    old = deploy(models.order(), "order.bpmn").definitions[0].definition
    deploy(models.desk(), "desk.dmn")
    deploy(models.claim(), "claim.bpmn")
    call_command("seed_instances", finished=30, running=20, yes=True, stdout=StringIO())

    failed = [order(number, currency="EURO") for number in range(4711, 4715)]
    delivered, cooling, packing, ended = (order(number) for number in range(4720, 4724))
    claim = start("claim", business_key="CLAIM-7", variables={"amount": 2500})
    messages.publish("parcel-sent", correlation_key="ORDER-1", variables={"by": "Bob"}, by=BY)
    ask_surveyor(claim)
    for row in (delivered, cooling):
        pack(row)
    messages.publish("parcel-collected", correlation_key="ORDER-4721", variables={"by": "Bob"}, by=BY)
    eventually(lambda: Timer.objects.filter(instance=cooling).exists(), what="the parcel to be collected")
    waiting(packing, "packing")
    instances.set_variables(packing.pk, {"gift": True}, scope=0, reason="She asked for it", by=BY)
    waiting(ended, "packing")
    instances.cancel(ended.pk, reason="She changed her mind", by=BY)
    eventually(lambda: Incident.objects.filter(instance__in=failed, ended_at=None).count() == 4, what="4 incidents")

    batch = batches.retry(
        Selection(process_id="order"), canaries=1, stop_at=10, reason="The bank said that it is mended", by=BY
    )
    eventually(lambda: Batch.objects.get(pk=batch.pk).state == "PAUSED", what="the canary to fail again")
    new = deploy(models.order(version=2), "order.bpmn").definitions[0].definition
    waiting(order(4730), "packing")
    return Scenery(failed[-1], packing, delivered, cooling, ended, claim, batch, old, new)
