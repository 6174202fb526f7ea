"""The history: one row for every command that was carried out."""

from __future__ import annotations

from django.db import models

from processes.models.fields import DecimalDecoder, DecimalEncoder, VariablesField
from processes.models.instances import ProcessInstance


class Step(models.Model):
    """One command carried out: number, who, when, and the facts that followed.

    The end of every attempt of a job is exactly one step, so `node` and `journal` are the journal of attempts.
    """

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="history", db_index=False)
    number = models.PositiveIntegerField(help_text="Counts the steps of the instance, from 1.")
    command = models.CharField(max_length=64)
    by = models.CharField(max_length=255, blank=True, help_text="Who asked: user:…, worker:…, timer, message.")
    at = models.DateTimeField()
    node = models.PositiveIntegerField(null=True, blank=True, help_text="Key of the visit it was about.")
    reason = models.CharField(
        max_length=1000, blank=True, default="", db_default="", help_text="Why, in the words of who asked."
    )
    facts = models.JSONField(encoder=DecimalEncoder, decoder=DecimalDecoder)
    journal = VariablesField(
        null=True, default=None, help_text="What a worker told of its attempt: request, response, timings."
    )

    class Meta:
        ordering = ["instance_id", "number"]
        constraints = [models.UniqueConstraint(fields=["instance", "number"], name="step_number_once")]

    def __str__(self) -> str:
        return f"{self.number}. {self.command}"
