"""Replies that jobs wait for, and replies that nobody waits for yet.

Both are queue rows with an end: an awaited reply is kept for a while after it was answered or given up, so that a
second one is known for what it is. They name instance and job by number only, for jobs go when their visit ends.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from processes.models.fields import VariablesField


class AwaitedReply(models.Model):
    """An attempt of a job that asked by message, or is about to, and ends with the reply.

    Written before the message is sent. From `asked_at` on, no worker holds the job: it ends with the reply, or with
    `expires_at` as a failed attempt.
    """

    class Ending(models.TextChoices):
        OPEN = "", "awaited"
        ANSWERED = "answered"
        EXPIRED = "expired"
        SUPERSEDED = "superseded", "too late"

    correlation_id = models.CharField(max_length=255, unique=True)
    channel = models.CharField(max_length=255, help_text="Queue or stream on which the reply is expected.")
    instance_id = models.BigIntegerField()
    job_id = models.BigIntegerField()
    attempt = models.PositiveIntegerField(help_text="The fence: a reply to another attempt comes too late.")
    created_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When the broker had confirmed the message.")
    expires_at = models.DateTimeField()
    journal = VariablesField(help_text="What was asked, for operators.")
    ending = models.CharField(max_length=16, choices=Ending.choices, blank=True, default=Ending.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    replies = models.PositiveIntegerField(default=0, help_text="How many came, those dropped included.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "awaited replies"
        constraints = [
            models.UniqueConstraint(fields=["job_id", "attempt"], name="awaited_reply_once_per_attempt"),
            models.CheckConstraint(
                condition=Q(ending="", closed_at__isnull=True) | (~Q(ending="") & Q(closed_at__isnull=False)),
                name="awaited_reply_closed_iff_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="awaited_reply_open", condition=Q(ending="")),
            models.Index(fields=["closed_at"], name="awaited_reply_closed", condition=Q(closed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.correlation_id


class EarlyReply(models.Model):
    """A reply that nobody waits for, or not yet. Kept for a while; the first one under a correlation id counts."""

    correlation_id = models.CharField(max_length=255, unique=True)
    channel = models.CharField(max_length=255)
    outcome = VariablesField(help_text="What the reply says, as it is told to the job.")
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "early replies"

    def __str__(self) -> str:
        return self.correlation_id
