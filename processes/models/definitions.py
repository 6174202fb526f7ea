"""Deployed versions of processes and decisions."""

from __future__ import annotations

from django.db import models

from processes.engine.event_definition import StartKind
from processes.models.fields import VariablesField


class ProcessDefinition(models.Model):
    """One version of a process. Its XML is the truth; it is parsed once per worker process and cached."""

    process_id = models.CharField(max_length=255, help_text="The id of the bpmn:process element.")
    version = models.PositiveIntegerField(help_text="Counts the versions of a process, from 1.")
    name = models.CharField(max_length=255, blank=True)
    version_tag = models.CharField(max_length=255, blank=True)
    resource = models.CharField(max_length=255, blank=True, help_text="Name of the deployed file.")
    xml = models.BinaryField(help_text="The document, byte for byte as deployed.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the document, hexadecimal.")
    deployed_at = models.DateTimeField()
    deployed_by = models.CharField(max_length=255, blank=True)
    suspended = models.BooleanField(default=False, help_text="Nothing begins an instance of it now.")
    suspension_reason = models.CharField(
        max_length=1000, blank=True, default="", help_text="Why it was suspended or resumed, the last time."
    )
    suspension_by = models.CharField(max_length=255, blank=True, default="")
    suspension_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["process_id", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["process_id", "version"], name="definition_version_once"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="definition_version_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.process_id} v{self.version}"


class DecisionDefinition(models.Model):
    """One version of a DMN decision. Its XML is the truth, and holds the decisions that it requires."""

    decision_id = models.CharField(max_length=255, help_text="The id of the decision element.")
    version = models.PositiveIntegerField(help_text="Counts the versions of a decision, from 1.")
    name = models.CharField(max_length=255, blank=True)
    version_tag = models.CharField(max_length=255, blank=True)
    resource = models.CharField(max_length=255, blank=True, help_text="Name of the deployed file.")
    xml = models.BinaryField(help_text="The document, byte for byte as deployed.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the document, hexadecimal.")
    deployed_at = models.DateTimeField()
    deployed_by = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["decision_id", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["decision_id", "version"], name="decision_version_once"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="decision_version_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.decision_id} v{self.version}"


class StartSubscription(models.Model):
    """What begins an instance of a process beside a caller: of its latest version only, as evaluated at deployment."""

    definition = models.ForeignKey(ProcessDefinition, on_delete=models.CASCADE, related_name="starts")
    process_id = models.CharField(max_length=255)
    element_id = models.CharField(max_length=255, help_text="The event at which it begins.")
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value.capitalize()) for kind in StartKind])
    name = models.CharField(max_length=255, blank=True, default="", help_text="Of the message or signal.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="Of a timer: when it fires next; null: no more.")
    repetitions = models.IntegerField(default=0, help_text="Of a timer: firings after the next one, -1: without end.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["process_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["definition", "element_id", "kind", "name"], name="start_trigger_once")
        ]
        indexes = [
            models.Index(fields=["kind", "name"], name="start_by_name"),
            models.Index(fields=["process_id"], name="start_by_process"),
            models.Index(fields=["due_at"], name="start_due", condition=models.Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.process_id} at {self.element_id}"


class StartOccurrence(models.Model):
    """A trigger that happened, of an event that begins its process once all of its triggers have; kept until then."""

    definition = models.ForeignKey(ProcessDefinition, on_delete=models.CASCADE, related_name="+", db_index=False)
    element_id = models.CharField(max_length=255, help_text="The event at which the process will begin.")
    correlation_key = models.CharField(max_length=255, blank=True, default="", help_text="That all of them share.")
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value.capitalize()) for kind in StartKind])
    name = models.CharField(max_length=255, help_text="Of the message or signal.")
    variables = VariablesField(help_text="What it brought.")
    message_id = models.BigIntegerField(null=True, help_text="Primary key of the message; null: it was a signal.")
    occurred_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["definition", "element_id", "correlation_key", "kind", "name"], name="start_occurrence_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} / {self.correlation_key}"
