"""Published messages, buffered for their time to live, and to whom they went."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from processes.models.fields import VariablesField
from processes.models.instances import ProcessInstance


class Message(models.Model):
    """A published message. It may reach one instance of every process that waits for it, until it expires."""

    name = models.CharField(max_length=255)
    correlation_key = models.CharField(max_length=255, blank=True, default="")
    variables = VariablesField()
    message_id = models.CharField(
        max_length=255, null=True, blank=True, help_text="Given by the publisher: a second one is the first."
    )
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=255, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name", "correlation_key", "message_id"],
                condition=Q(message_id__isnull=False),
                name="message_id_once",
            ),
        ]
        indexes = [models.Index(fields=["name", "correlation_key"], name="message_by_name")]

    def __str__(self) -> str:
        return f"{self.name} / {self.correlation_key}"


class MessageCorrelation(models.Model):
    """A message reached an instance. The constraint makes it once per process."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="correlations")
    process_id = models.CharField(max_length=255)
    instance = models.ForeignKey(
        ProcessInstance,
        on_delete=models.CASCADE,
        related_name="messages",
        null=True,
        help_text="Null: it is kept until others have come, and all of them begin one.",
    )
    correlated_at = models.DateTimeField()
    started = models.BooleanField(default=False, help_text="Whether the message started the instance.")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["message", "process_id"], name="message_once_per_process"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} to {self.instance_id}"
