"""Running processes: the instance, the visits to its flow nodes, and tokens that wait on a flow.

Keys are counted within an instance, so `(instance, key)` names a part; scope 0 is the process itself.
"""

from __future__ import annotations

from django.db import models
from django.db.models import BooleanField, Case, Exists, Q, When

from processes.engine.parts import NodeState
from processes.engine.state import InstanceState
from processes.models.definitions import ProcessDefinition
from processes.models.fields import VariablesField


def choices(kind: type) -> list[tuple[str, str]]:
    """The members of an enum of the engine as choices of a column."""
    return [(member.value, member.value.replace("_", " ").capitalize()) for member in kind]  # type: ignore[attr-defined]


LIVE = [NodeState.READY.value, NodeState.ACTIVE.value, NodeState.COMPLETING.value]
FINAL = [InstanceState.COMPLETED.value, InstanceState.TERMINATED.value]


def row_by_row(condition: Exists) -> Case:
    """A condition that is looked up for each row, by index, and never made a join of: of rows that were born a moment
    ago the planner believes that there are few, and would compare ten thousand with ten thousand."""
    return Case(When(condition, then=True), default=False, output_field=BooleanField())


class ProcessInstance(models.Model):
    """One running process. Its row is the lock for everything that belongs to it."""

    definition = models.ForeignKey(
        ProcessDefinition, on_delete=models.PROTECT, related_name="instances", db_index=False
    )
    process_id = models.CharField(max_length=255)
    business_key = models.CharField(max_length=255, blank=True, default="", db_index=True)
    start_key = models.CharField(
        max_length=255, null=True, blank=True, help_text="Given by the caller: a second start is the first."
    )
    restarted_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="restarts",
        db_index=False,
        help_text="The instance that ended and was begun again as this one.",
    )
    state = models.CharField(max_length=16, choices=choices(InstanceState), default=InstanceState.ACTIVE.value)
    variables = VariablesField(help_text="Variables of the process scope.")
    last_key = models.PositiveIntegerField(default=0, help_text="Highest key given to a part so far.")
    steps = models.PositiveIntegerField(default=0, help_text="Number of the last step.")
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=255, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=1000, blank=True, default="")
    start_element = models.CharField(
        max_length=255, blank=True, default="", help_text="The event at which it began; empty: the none start event."
    )
    correlation_key = models.CharField(
        max_length=255, blank=True, default="", help_text="Of the message that started it: one live instance for each."
    )
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children", db_index=False,
        help_text="The instance that called it.",
    )  # fmt: skip
    parent_call = models.PositiveIntegerField(null=True, blank=True, help_text="Key of the call in its parent.")
    parent_element = models.CharField(max_length=255, blank=True, default="", help_text="The call activity.")
    root = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="descendants", db_index=False,
        help_text="The outermost caller; null where nobody called it.",
    )  # fmt: skip
    depth = models.PositiveSmallIntegerField(default=0, help_text="How many callers are around it.")
    suspended_with_caller = models.BooleanField(
        default=False, help_text="Suspended because its caller was, and resumed as the caller is."
    )

    class Meta:
        ordering = ["-id"]
        permissions = [("view_payload", "Can view what processes work on: variables, requests, responses, documents")]
        constraints = [
            models.UniqueConstraint(
                fields=["process_id", "start_key"],
                condition=Q(start_key__isnull=False),
                name="instance_start_key_once",
            ),
            models.UniqueConstraint(
                fields=["process_id", "correlation_key"],
                condition=~Q(correlation_key="") & Q(ended_at__isnull=True),
                name="instance_correlation_once",
            ),
            models.UniqueConstraint(
                fields=["parent", "parent_call"], condition=Q(parent__isnull=False), name="instance_call_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=FINAL, ended_at__isnull=False) | (~Q(state__in=FINAL) & Q(ended_at__isnull=True)),
                name="instance_ended_iff_final",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "id"], name="instance_live", condition=~Q(state__in=FINAL)),
            models.Index(fields=["process_id", "-id"], name="instance_by_process"),
            models.Index(fields=["definition", "-id"], name="instance_by_definition"),
            models.Index(fields=["definition", "id"], name="instance_live_of_version", condition=~Q(state__in=FINAL)),
            models.Index(fields=["root"], name="instance_by_root", condition=Q(root__isnull=False)),
            models.Index(
                fields=["restarted_from"], name="instance_restarts", condition=Q(restarted_from__isnull=False)
            ),
            models.Index(fields=["ended_at"], name="instance_by_end", condition=Q(ended_at__isnull=False)),
            models.Index(fields=["started_at"], name="instance_by_start"),
            models.Index(fields=["-id"], name="instance_terminated", condition=Q(state=InstanceState.TERMINATED.value)),
        ]

    def __str__(self) -> str:
        return f"{self.process_id} {self.pk}"


class FlowNodeInstance(models.Model):
    """One visit to a flow node; kept after it ended."""

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="nodes", db_index=False)
    key = models.PositiveIntegerField()
    element_id = models.CharField(max_length=255)
    element_type = models.CharField(max_length=64, help_text="The BPMN tag, such as serviceTask.")
    scope = models.PositiveIntegerField(help_text="Key of the sub-process visit around it, 0: the process.")
    state = models.CharField(max_length=16, choices=choices(NodeState))
    variables = VariablesField(help_text="Variables local to this visit.")
    result = VariablesField(null=True, default=None, help_text="Kept while COMPLETING.")
    entered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["instance_id", "key"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "key"], name="node_key_once"),
            models.CheckConstraint(
                condition=Q(state__in=LIVE, ended_at__isnull=True) | (~Q(state__in=LIVE) & Q(ended_at__isnull=False)),
                name="node_ended_iff_final",
            ),
        ]
        indexes = [
            models.Index(fields=["instance", "scope", "key"], name="node_live", condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.element_id} ({self.key})"


class Token(models.Model):
    """A token waiting on a sequence flow whose target cannot be entered yet."""

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="tokens", db_index=False)
    key = models.PositiveIntegerField()
    flow_id = models.CharField(max_length=255)
    scope = models.PositiveIntegerField()

    class Meta:
        ordering = ["instance_id", "key"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="token_key_once")]

    def __str__(self) -> str:
        return f"token on {self.flow_id}"
