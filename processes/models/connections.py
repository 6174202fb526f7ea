"""Destinations of connectors, and the gate before each: what the whole fleet knows of how it is doing."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from processes.models.fields import VariablesField

KINDS = ("http", "soap", "sql", "message", "smtp", "sftp", "s3", "other")


class Connection(models.Model):
    """One destination: where it is, who we are there, and how much it can bear."""

    name = models.CharField(
        max_length=255,
        unique=True,
        validators=[
            RegexValidator(r"\A[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z", "Expected letters, digits, dots, dashes, underscores.")
        ],
        help_text="What tasks say in their header `connection`.",
    )
    kind = models.CharField(max_length=16, choices=[(kind, kind) for kind in KINDS], default="http")
    description = models.CharField(max_length=1000, blank=True, default="")
    url = models.CharField(max_length=2000, blank=True, default="", help_text="Base URL, DSN or address of a WSDL.")
    authentication = VariablesField(help_text="As the connector reads it; secrets as {{secrets.NAME}}.")
    tls = VariablesField(help_text="`verify`, `ca`, `certificate`, `key`, `password`; PEM texts or {{secrets.NAME}}.")
    timeout = models.FloatField(null=True, blank=True, help_text="Seconds for a whole call; empty: as the task says.")
    allowed_hosts = models.JSONField(
        default=list, blank=True, help_text="The only hosts that may be called, such as api.example.com or .example.com"
    )
    allow_private = models.BooleanField(
        null=True, blank=True, help_text="Whether addresses of private networks may be called; empty: as set up."
    )
    options = VariablesField(help_text="Whatever else its connector understands.")

    rate = models.FloatField(null=True, blank=True, help_text="Calls per second, of the whole fleet; empty: any.")
    burst = models.PositiveIntegerField(default=1, help_text="How many of them may come at once after a pause.")
    concurrency = models.PositiveIntegerField(
        null=True, blank=True, help_text="Calls at the same time, of the whole fleet; empty: any."
    )
    breaker_failures = models.PositiveIntegerField(
        default=5, help_text="So many failures in a row open the breaker; 0: never."
    )
    breaker_window = models.FloatField(default=60.0, help_text="Seconds within which they count as in a row.")
    breaker_open = models.FloatField(
        default=3.0, help_text="Seconds after which an open breaker lets canaries through."
    )
    breaker_canaries = models.PositiveIntegerField(default=1, help_text="How many.")
    breaker_ramp = models.FloatField(default=10.0, help_text="Seconds in which the rate grows back after recovery.")
    paused = models.BooleanField(default=False)
    paused_because = models.CharField(max_length=1000, blank=True, default="")
    paused_by = models.CharField(max_length=255, blank=True, default="")
    paused_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(rate__isnull=True) | Q(rate__gt=0))
                & Q(burst__gte=1)
                & (Q(concurrency__isnull=True) | Q(concurrency__gte=1))
                & (Q(timeout__isnull=True) | Q(timeout__gt=0))
                & Q(breaker_window__gt=0, breaker_open__gt=0, breaker_canaries__gte=1, breaker_ramp__gte=0),
                name="connection_limits_make_sense",
                violation_error_message=(
                    "Expected rate, timeout, breaker_window and breaker_open above 0, burst, concurrency and "
                    "breaker_canaries of at least 1, and breaker_ramp of at least 0"
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Gate(models.Model):
    """What the fleet shares of a connection: a small row, changed under its lock before and after calls.

    Moments are seconds since 1970, as the arithmetic of rates wants them.
    """

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True, related_name="gate")
    breaker = models.CharField(
        max_length=16,
        choices=[("CLOSED", "Closed"), ("OPEN", "Open"), ("HALF_OPEN", "Half open")],
        default="CLOSED",
    )
    opened = models.PositiveIntegerField(default=0, help_text="How often the breaker opened: the fence of outcomes.")
    failures = models.JSONField(default=list, help_text="When calls failed, in a row.")
    open_until = models.FloatField(default=0.0)
    closed_at = models.FloatField(default=0.0, help_text="When the breaker closed last: the ramp begins.")
    canaries = models.PositiveIntegerField(default=0, help_text="On their way, while half open.")
    canaries_until = models.FloatField(default=0.0, help_text="Then they are lost, and others may go.")
    next_at = models.FloatField(default=0.0, help_text="Theoretical arrival time of the next call (GCRA).")
    park_at = models.FloatField(default=0.0, help_text="When the job that is parked next may come back.")
    seconds = models.FloatField(default=1.0, help_text="How long calls take, lately.")
    last_failure = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"{self.connection_id}: {self.breaker}"
