"""Effects on another instance: written now, performed later in a transaction of their own."""

from __future__ import annotations

from django.db import models

from processes.models.fields import VariablesField
from processes.models.instances import ProcessInstance

KINDS = ("START", "CANCEL", "FOLLOW", "COMPLETED", "ERROR", "ENDED")


class Delivery(models.Model):
    """Between a call and the instance that it started.

    From the caller: START it, CANCEL it, or have it FOLLOW as the caller is suspended or resumed. From the called
    instance: it COMPLETED, an ERROR escaped from it, or somebody ENDED it. The row goes in the transaction that
    performs it.
    """

    instance = models.ForeignKey(
        ProcessInstance, on_delete=models.CASCADE, related_name="deliveries", db_index=False, help_text="The caller."
    )
    call = models.PositiveIntegerField(help_text="Key of the call in the caller.")
    kind = models.CharField(max_length=16, choices=[(kind, kind.capitalize()) for kind in KINDS])
    step = models.PositiveIntegerField(default=0, help_text="Of one that is to follow: the step of the caller.")
    content = VariablesField(help_text="What it needs: the process and its variables, or what came of it.")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True, help_text="Not to be tried earlier.")
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "call", "kind", "step"], name="delivery_once"),
            models.CheckConstraint(condition=models.Q(kind__in=KINDS), name="delivery_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of call {self.call} of {self.instance_id}"
