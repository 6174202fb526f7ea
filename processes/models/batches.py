"""The same command for many instances: what is asked, how far it is, and what came of each."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from processes.models.fields import VariablesField

KINDS = ("MODIFY", "MIGRATE", "RESTART", "RETRY")
BATCH_STATES = ("ACTIVE", "PAUSED", "COMPLETED", "CANCELLED")
ITEM_STATES = ("PENDING", "DONE", "REJECTED", "RETRIED", "RECOVERED", "FAILED_AGAIN")
OPEN = ("PENDING", "RETRIED")
"""What has yet to come of an item."""


def _choices(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(value, value.replace("_", " ").capitalize()) for value in values]


class Batch(models.Model):
    """Work for the sweeper, one item after the other. Its row is held while an item of it is carried out.

    ACTIVE <--> PAUSED; either --> CANCELLED; ACTIVE --nothing is left--> COMPLETED

    How many items are in which state is counted here, in the transaction that moves the item: a million rows are not
    counted again for everybody who looks.
    """

    kind = models.CharField(max_length=16, choices=_choices(KINDS))
    instructions = VariablesField(help_text="What is to be done to each instance.")
    reason = models.CharField(max_length=1000, blank=True, default="", help_text="Why, as whoever asked for it said.")
    rate = models.FloatField(null=True, blank=True, help_text="Items a second, at most; empty: without limit.")
    state = models.CharField(max_length=16, choices=_choices(BATCH_STATES), default="ACTIVE")
    note = models.TextField(blank=True, default="", help_text="Why it paused itself.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=255, blank=True, default="")
    due_at = models.DateTimeField(help_text="The next item not earlier.")
    ended_at = models.DateTimeField(null=True, blank=True)

    canaries = models.PositiveIntegerField(default=0, help_text="So many alone first, until their outcome is known.")
    stop_at = models.FloatField(
        null=True, blank=True, help_text="Pauses itself once so many percent of the known outcomes failed again."
    )
    forgiven_recovered = models.PositiveIntegerField(default=0, help_text="Outcomes before it was resumed.")
    forgiven_failed = models.PositiveIntegerField(default=0, help_text="Outcomes before it was resumed.")

    selection = VariablesField(
        null=True, default=None, help_text="What its items are selected by, piece by piece; null: ids were given."
    )
    gathered = models.BooleanField(default=True, help_text="Whether all that is selected has an item.")
    gathered_to = models.BigIntegerField(default=0, help_text="Selected so far: up to this id.")
    gather_until = models.BigIntegerField(default=0, help_text="Nothing beyond this id: it came later.")

    watch_at = models.DateTimeField(null=True, blank=True, help_text="Outcomes are looked for next; null: none is due.")
    watched_to = models.BigIntegerField(default=0, help_text="The item whose outcome was looked for last.")
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When an item had its turn last.")

    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    retried = models.PositiveIntegerField(default=0)
    recovered = models.PositiveIntegerField(default=0)
    failed_again = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="batch_kind_known"),
            models.CheckConstraint(condition=Q(rate__isnull=True) | Q(rate__gt=0), name="batch_rate_positive"),
            models.CheckConstraint(
                condition=Q(stop_at__isnull=True) | Q(stop_at__gt=0, stop_at__lte=100), name="batch_stop_at_percent"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["COMPLETED", "CANCELLED"], ended_at__isnull=False)
                | (Q(state__in=["ACTIVE", "PAUSED"]) & Q(ended_at__isnull=True)),
                name="batch_ended_iff_final",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=F("done") + F("rejected") + F("retried") + F("recovered") + F("failed_again")),
                name="batch_counts_no_more_than_all",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="batch_due", condition=Q(state="ACTIVE")),
            models.Index(fields=["watch_at"], name="batch_watch", condition=Q(watch_at__isnull=False)),
            models.Index(fields=["ended_at"], name="batch_by_end", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def tried(self) -> int:
        """Items that had their turn."""
        return self.done + self.rejected + self.retried + self.known

    @property
    def pending(self) -> int:
        return self.total - self.tried

    @property
    def known(self) -> int:
        """Retried ones whose outcome is known."""
        return self.recovered + self.failed_again


class BatchItem(models.Model):
    """One instance of a batch, which it outlives as a number only; or one incident of an instance.

    PENDING --> DONE | REJECTED
    PENDING --> RETRIED --> RECOVERED | FAILED_AGAIN, for an incident

    RETRIED: it was resolved, and its job has yet to end. RECOVERED: its visit went on. FAILED_AGAIN: an incident came
    back at the same visit. RETRIED in a batch that ended says that nobody knows.
    """

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items", db_index=False)
    instance_id = models.BigIntegerField(help_text="Of the process instance.")
    incident_id = models.BigIntegerField(null=True, blank=True, help_text="Of the incident that is resolved.")
    node = models.PositiveIntegerField(null=True, blank=True, help_text="Key of the visit that it parked.")
    state = models.CharField(max_length=16, choices=_choices(ITEM_STATES), default="PENDING")
    message = models.TextField(blank=True, default="", help_text="Why it was rejected, or what came of it.")
    result = models.BigIntegerField(
        null=True, blank=True, help_text="The instance that was begun in its place, or the incident that came back."
    )
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When it had its turn.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When its outcome was known.")

    class Meta:
        ordering = ["batch_id", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "instance_id"], condition=Q(incident_id__isnull=True), name="batch_item_once"
            ),
            models.UniqueConstraint(
                fields=["batch", "incident_id"], condition=Q(incident_id__isnull=False), name="batch_item_incident_once"
            ),
            models.CheckConstraint(
                condition=(Q(state__in=OPEN) & Q(ended_at__isnull=True))
                | (~Q(state__in=OPEN) & Q(ended_at__isnull=False)),
                name="batch_item_ended_iff_over",
            ),
            models.CheckConstraint(
                condition=(Q(state="PENDING") & Q(tried_at__isnull=True))
                | (~Q(state="PENDING") & Q(tried_at__isnull=False)),
                name="batch_item_tried_iff_not_pending",
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="batch_item_pending", condition=Q(state="PENDING")),
            models.Index(fields=["batch", "id"], name="batch_item_watched", condition=Q(state="RETRIED")),
            models.Index(fields=["batch", "state", "id"], name="batch_item_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.incident_id or self.instance_id} of {self.batch_id}"
