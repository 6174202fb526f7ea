"""A mass recovery with real workers: their sweepers carry it out, and canaries keep it from doing harm."""

from __future__ import annotations

import pytest

from processes.models import Batch, Incident, ProcessInstance
from processes.runtime import batches, definitions, instances
from processes.runtime.incidents import Selection
from tests.drawing import Drawing
from tests.tasks.fleet import Fleet, eventually

pytestmark = [pytest.mark.workers, pytest.mark.rabbitmq]

WELL = {"type": "echo"}
ILL = {"type": "fail"}


def test_canaries_stop_it_and_what_was_repaired_recovers(fleet: Fleet) -> None:
    # The type of the job is a variable of the process, so that an operator can repair it.
    drawing = Drawing("order").start().service("task", type="=type", retries=1).end()
    definition = definitions.deploy(drawing.xml()).definitions[0].definition
    for _ in range(12):
        instances.start(definition, variables=ILL)
    fleet.worker()
    eventually(lambda: Incident.objects.filter(ended_at=None).count() == 12, what="12 incidents")
    assert Incident.objects.values("fingerprint").distinct().count() == 1

    like = Incident.objects.latest("pk").fingerprint
    batch = batches.retry(Selection(fingerprint=like), canaries=3, reason="perhaps it is well", by="user:ada")
    eventually(lambda: Batch.objects.get(pk=batch.pk).state == "PAUSED", what="the batch to pause itself")
    batch.refresh_from_db()
    assert (batch.note, batch.failed_again, batch.pending) == ("3 of 3 canaries failed again.", 3, 9)
    assert Incident.objects.count() == 15, "nothing else was tried"
    batches.cancel(batch.pk)

    repaired = batches.retry(Selection(process_id="order"), variables=WELL, canaries=3, stop_at=10, by="user:ada")
    eventually(lambda: Batch.objects.get(pk=repaired.pk).state == "COMPLETED", what="the batch to complete")
    repaired.refresh_from_db()
    assert (repaired.total, repaired.recovered, repaired.failed_again) == (12, 12, 0)
    assert set(repaired.items.values_list("state", "message")) == {("RECOVERED", "Its visit is completed.")}
    assert ProcessInstance.objects.filter(state="COMPLETED").count() == 12
