"""Commands that may leave their work to the sweepers."""

from __future__ import annotations

from processes.management.door import Door
from processes.models import Batch
from processes.runtime import batches


class HandingOver(Door):
    def handed_over(self, batch: Batch, as_json: bool) -> None:
        pending = batches.progress(batch).pending
        if as_json:
            self.json({"batch": batch.pk, "pending": pending})
        elif not batch.gathered:
            self.say(f"Batch {batch.pk} was created; what it is about is gathered now.")
        else:
            what = "incidents" if batch.kind == "RETRY" else "instances"
            self.say(f"Batch {batch.pk} was created, for {pending:,} {what}.")
