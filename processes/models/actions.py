"""What people did to the installation, as opposed to one instance, whose history says it all."""

from __future__ import annotations

from django.db import models

from processes.models.fields import VariablesField


class Action(models.Model):
    """A verb that somebody had carried out: who, when, why. Written with what it did, in the same transaction.

    Not Django's `LogEntry`: that one needs a user of the admin and a row that still has a number, but verbs come from
    tokens and commands too, and secrets and connections are known by their names. What people do to one instance is
    a step of its history and not told twice. Details never hold variables or secrets.
    """

    verb = models.CharField(max_length=32, help_text="deploy, put, drop, pause, resume, cancel, ...")
    kind = models.CharField(max_length=64, help_text="Of what it was done to, such as connection.")
    name = models.CharField(max_length=255, blank=True, help_text="Which one: its name or number.")
    by = models.CharField(max_length=255, blank=True, help_text="Who: user:…, command:…")
    reason = models.CharField(max_length=1000, blank=True, default="")
    details = VariablesField(help_text="What else there is to say of it.")
    at = models.DateTimeField("time")

    class Meta:
        ordering = ["-id"]
        verbose_name = "operator action"
        indexes = [
            models.Index(fields=["kind", "name", "-id"], name="action_by_object"),
            models.Index(fields=["by", "-id"], name="action_by_actor"),
            models.Index(fields=["at"], name="action_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.name}"
