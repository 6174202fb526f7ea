"""Signals that were thrown, and to whom they still have to go."""

from __future__ import annotations

from django.db import models

from processes.models.definitions import ProcessDefinition
from processes.models.fields import VariablesField
from processes.models.instances import ProcessInstance


class Signal(models.Model):
    """A signal that was thrown while somebody waited for it. It goes when all have it."""

    name = models.CharField(max_length=255)
    variables = VariablesField()
    thrown_at = models.DateTimeField()
    thrown_by = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class SignalDelivery(models.Model):
    """Whom a signal still has to reach: a subscription of an instance, or an event that begins a new one. Written with
    the throw, gone with the step that follows."""

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="signals", null=True)
    key = models.PositiveIntegerField(default=0, help_text="Key of the subscription.")
    node = models.PositiveIntegerField(default=0, help_text="Key of the visit that waits, 0: the process.")
    definition = models.ForeignKey(ProcessDefinition, on_delete=models.CASCADE, related_name="+", null=True)
    element_id = models.CharField(max_length=255, blank=True, default="", help_text="The event that begins.")

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "signal deliveries"
        constraints = [
            models.UniqueConstraint(fields=["signal", "instance", "key"], name="signal_once"),
            models.CheckConstraint(
                condition=models.Q(instance__isnull=True) ^ models.Q(definition__isnull=True),
                name="signal_to_instance_or_definition",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.signal_id} to {self.instance_id or self.element_id}"
