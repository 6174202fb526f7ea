"""What instances wait for: jobs, timers, messages, and operators.

All but incidents are live queue rows: they go when the wait ends, and what they leave behind is the history.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from processes.engine.errors import IncidentKind
from processes.engine.parts import JobState
from processes.models.fields import VariablesField
from processes.models.instances import ProcessInstance, choices

PARKED = ("paused", "breaker", "rate", "concurrency")
"""Why a connection lets a job wait."""


def incident_kinds() -> list[tuple[str, str]]:
    """The kinds with what operators read: the engine's words, but for one that would read like a riddle."""
    told = {IncidentKind.JOB_NO_RETRIES.value: "No retries left"}
    return [(value, told.get(value, label)) for value, label in choices(IncidentKind)]


class Job(models.Model):
    """Work for the outside, to be claimed by a worker.

    DUE --claim--> CLAIMED --complete--> (gone)
     ^                |
     +-- postpone ----+
     +---- fail ------+--- last try ---> FAILED (an incident says why) --resolve--> DUE

    What its worker has achieved so far (`progress`) outlives attempts and incidents, and goes with the job.
    """

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="jobs", db_index=False)
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that does this work.")
    element_id = models.CharField(max_length=255)
    process_id = models.CharField(max_length=255)
    type = models.CharField(max_length=255)
    headers = VariablesField(help_text="Static task headers of the model.")
    state = models.CharField(max_length=16, choices=choices(JobState), default=JobState.DUE.value)
    suspended = models.BooleanField(default=False, help_text="Follows the instance: not to be claimed now.")
    retries = models.IntegerField(help_text="Tries left.")
    attempt = models.PositiveIntegerField(
        default=0, help_text="Number of the current try, raised by every claim: the fence."
    )
    due_at = models.DateTimeField(help_text="Not to be claimed earlier.")
    hinted_at = models.DateTimeField(null=True, blank=True, help_text="When a broker message last said that it is due.")
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=255, blank=True, default="")
    claimed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    error_message = models.TextField(blank=True, default="", help_text="Why the last try failed.")
    progress = VariablesField(
        null=True, default=None, help_text="What its attempts kept for those that follow; null: nothing."
    )
    connection = models.CharField(
        max_length=255, blank=True, default="", help_text="The destination that its header names."
    )
    assignee = models.CharField(
        max_length=255, blank=True, default="", help_text="Who has it, where it is work for a person."
    )
    parked = models.CharField(
        max_length=16,
        blank=True,
        default="",
        choices=[(reason, reason) for reason in PARKED],
        help_text="Why its connection did not let it pass yet: it comes again when it is due.",
    )
    retry_until = models.DateTimeField(
        null=True, blank=True, help_text="No further try begins from then on: the retryDeadline of the model."
    )
    permitted = models.BooleanField(default=False, help_text="Claimed, and one of the calls that its connection bears.")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "key"], name="job_key_once"),
            models.UniqueConstraint(fields=["instance", "node"], name="job_node_once"),
            models.CheckConstraint(
                condition=Q(state=JobState.CLAIMED.value, lease_until__isnull=False)
                | (~Q(state=JobState.CLAIMED.value) & Q(lease_until__isnull=True)),
                name="job_leased_iff_claimed",
            ),
            models.CheckConstraint(condition=Q(retries__gte=0), name="job_retries_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["type", "due_at"],
                name="job_due",
                condition=Q(state=JobState.DUE.value, suspended=False),
            ),
            models.Index(
                fields=["due_at"],
                name="job_due_any_type",
                condition=Q(state=JobState.DUE.value, suspended=False),
            ),
            models.Index(fields=["lease_until"], name="job_leases", condition=Q(state=JobState.CLAIMED.value)),
            models.Index(
                fields=["retry_until"],
                name="job_retry_until",
                condition=Q(state=JobState.DUE.value, retry_until__isnull=False),
            ),
            models.Index(fields=["connection", "state", "id"], name="job_connection", condition=~Q(connection="")),
            models.Index(fields=["assignee", "id"], name="job_assignee", condition=~Q(assignee="")),
        ]

    def __str__(self) -> str:
        return f"{self.type} ({self.pk})"


class UserTask(Job):
    """A job for a person, so that who may work on those need not be allowed to work on all."""

    class Meta:
        proxy = True


class Timer(models.Model):
    """A moment for which a visit waits."""

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="timers", db_index=False)
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that armed it.")
    element_id = models.CharField(max_length=255, help_text="The event that it triggers.")
    due_at = models.DateTimeField(db_index=True)
    repetitions = models.IntegerField(default=0, help_text="Firings after this one, -1: without end.")
    suspended = models.BooleanField(default=False, help_text="Follows the instance: not to be fired now.")

    class Meta:
        ordering = ["due_at"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="timer_key_once")]

    def __str__(self) -> str:
        return f"{self.element_id} at {self.due_at:%Y-%m-%d %H:%M:%S}"


class MessageSubscription(models.Model):
    """A message for which a visit waits."""

    instance = models.ForeignKey(
        ProcessInstance, on_delete=models.CASCADE, related_name="subscriptions", db_index=False
    )
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that waits.")
    element_id = models.CharField(max_length=255, help_text="The event or task that it triggers.")
    process_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    correlation_key = models.CharField(max_length=255)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="subscription_key_once")]
        indexes = [models.Index(fields=["name", "correlation_key"], name="subscription_by_message")]

    def __str__(self) -> str:
        return f"{self.name} / {self.correlation_key}"


class Call(models.Model):
    """A called process, for whose end a visit waits. The instance that runs it has this key as `parent_call`."""

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="calls", db_index=False)
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that waits.")
    element_id = models.CharField(max_length=255, help_text="The call activity.")
    called_process_id = models.CharField(max_length=255)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="call_key_once")]

    def __str__(self) -> str:
        return f"{self.element_id} calls {self.called_process_id}"


class SignalSubscription(models.Model):
    """A signal for which a visit waits, or 0: the process, for one of its event sub-processes."""

    instance = models.ForeignKey(
        ProcessInstance, on_delete=models.CASCADE, related_name="signal_subscriptions", db_index=False
    )
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that waits, 0: the process.")
    element_id = models.CharField(max_length=255, help_text="The event that it triggers.")
    process_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="signal_subscription_key_once")]
        indexes = [models.Index(fields=["name", "id"], name="signal_subscription_by_name")]

    def __str__(self) -> str:
        return self.name


class Condition(models.Model):
    """A condition that is watched whenever a variable changes that it sees."""

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="conditions", db_index=False)
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that waits, 0: the process.")
    element_id = models.CharField(max_length=255, help_text="The event that it triggers.")
    expression = models.TextField(help_text="FEEL.")
    satisfied = models.BooleanField(default=False, help_text="What it was when it was looked at last.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="condition_key_once")]

    def __str__(self) -> str:
        return self.expression


class Compensation(models.Model):
    """A completed activity that can be undone."""

    instance = models.ForeignKey(
        ProcessInstance, on_delete=models.CASCADE, related_name="compensations", db_index=False
    )
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(
        help_text="Key of the scope around it, 0: the process; or of the compensation that undoes that scope."
    )
    element_id = models.CharField(max_length=255)
    variables = VariablesField(help_text="Local variables, as they were when it completed.")
    thrower = models.PositiveIntegerField(default=0, help_text="Key of the visit that has it undone, 0: none.")
    handler = models.PositiveIntegerField(default=0, help_text="Key of the visit that undoes it, 0: none yet.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["instance", "key"], name="compensation_key_once")]

    def __str__(self) -> str:
        return self.element_id


class Incident(models.Model):
    """A parked part of an instance that needs an operator. Kept after it was resolved."""

    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="incidents", db_index=False)
    key = models.PositiveIntegerField()
    node = models.PositiveIntegerField(help_text="Key of the visit that is parked.")
    element_id = models.CharField(max_length=255)
    process_id = models.CharField(max_length=255)
    job_type = models.CharField(max_length=255, blank=True, default="")
    kind = models.CharField(max_length=32, choices=incident_kinds())
    message = models.TextField()
    error_code = models.CharField(
        max_length=255, blank=True, default="", help_text="Of the BPMN error, or what a connector gave its failure."
    )
    fingerprint = models.CharField(
        max_length=16,
        blank=True,
        default="",
        help_text="The same for incidents that differ in numbers, names and moments only; as it was raised.",
    )
    raised_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(
        max_length=255, blank=True, default="", help_text="Who resolved it; empty where its visit ended."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "key"], name="incident_key_once"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("raised_at")),
                name="incident_ends_after_it_began",
            ),
        ]
        indexes = [
            models.Index(fields=["-id"], name="incident_open", condition=Q(ended_at__isnull=True)),
            models.Index(fields=["fingerprint", "id"], name="incident_fingerprint", condition=Q(ended_at__isnull=True)),
            models.Index(fields=["raised_at"], name="incident_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.element_id}"
