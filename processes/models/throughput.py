"""How much was done lately: one small row a minute, so that nobody counts millions of rows to draw an hour."""

from __future__ import annotations

from django.db import models

from processes.models.fields import VariablesField


class Minute(models.Model):
    """What ended in one minute of the clock. Written once, by whichever sweeper comes first, and kept for a day."""

    at = models.DateTimeField(unique=True, help_text="Its beginning.")
    instances = models.PositiveIntegerField(default=0, help_text="Process instances that ended.")
    jobs = models.PositiveIntegerField(default=0, help_text="Jobs that were completed.")
    failures = models.PositiveIntegerField(default=0, help_text="Attempts of jobs that failed.")
    median = models.FloatField(null=True, blank=True, help_text="Seconds from start to end of an instance; null: none.")
    p95 = models.FloatField(null=True, blank=True, help_text="Seconds within which 95 of 100 of them ended.")
    last_step = models.BigIntegerField(default=0, help_text="The newest step that was counted.")

    times = VariablesField(
        null=True,
        default=None,
        help_text="By job type: how many waited, and were worked on, for how long; a sample.",
    )
    failed = VariablesField(
        null=True, default=None, help_text="Failed attempts that are alike, by their fingerprint; a sample."
    )

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"
