"""Who is there to work."""

from __future__ import annotations

from django.db import models


class Worker(models.Model):
    """A worker that was seen, with the job types that it serves."""

    name = models.CharField(max_length=255, unique=True)
    types = models.JSONField(default=list)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
