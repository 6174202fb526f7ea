"""What is asked of a batch: what is to be done, to which instances or incidents, and with what care."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from processes.api.incidents import Choice
from processes.api.interventions import Modification, StartInstruction
from processes.api.migrations import Migration
from processes.api.payload import Payload
from processes.api.shapes import Count, Id, Input, Name, Shown, Text, Variables, choices_of
from processes.models import Batch, BatchItem, Incident
from processes.runtime import batches, recovery
from processes.runtime.incidents import MOST_TRIES, Selection

MOST = 10_000
WORK = ("modify", "migrate", "restart", "retry")
COUNTS = {
    "total": "How many items it has; more may come until all are `gathered`.",
    "pending": "How many have yet to come.",
    "done": "With how many it was done.",
    "rejected": "With how many it could not be done.",
    "retried": "How many are tried again, and nobody knows yet what came of it.",
    "recovered": "Of those that were retried: how many went on.",
    "failed_again": "Of those that were retried: at how many the incident came back.",
}


class BatchRow(Payload, Shown):
    """The same command for many instances, or for many incidents."""

    payload = ("instructions",)

    instructions = Variables(read_only=True, allow_null=True, help_text="What is done to each.")
    selection = Variables(read_only=True, allow_null=True, help_text="Which incidents; null where ids were given.")
    pending = serializers.IntegerField(read_only=True, help_text=COUNTS["pending"])

    class Meta:
        model = Batch
        fields = [
            "id", "kind", "state", "note", "instructions", "selection", "gathered", "rate", "canaries", "stop_at",
            *COUNTS, "reason", "created_at", "created_by", "ended_at", "hidden",
        ]  # fmt: skip
        read_only_fields = fields
        extra_kwargs = {name: {"help_text": text} for name, text in COUNTS.items() if name != "pending"}


class BatchItemRow(Shown):
    """What came of one instance or incident of a batch."""

    class Meta:
        model = BatchItem
        fields = ["instance_id", "incident_id", "state", "message", "result", "tried_at", "ended_at"]
        read_only_fields = fields


class RestartMany(Input):
    start = StartInstruction(  # type: ignore[call-arg]
        many=True, required=False, max_length=100, help_text="Left out: the start event."
    )
    initial_variables = serializers.BooleanField(
        required=False, default=False, help_text="The variables that it began with, instead of those at its end."
    )
    definition_id = Id(required=False, help_text="Left out: the same version.")
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="For the history.")


class RetryMany(Input):
    retries = Count(
        required=False,
        min_value=1,
        max_value=MOST_TRIES,
        help_text="How many tries each job gets; as many as the model says unless given. With 1 it is known soonest "
        "whether it failed again.",
    )
    variables = Variables(required=False, help_text="Merged into the process of each before it is tried again.")
    canaries = Count(
        required=False,
        default=0,
        max_value=batches.MOST_CANARIES,
        help_text="So many are tried alone, the oldest; nothing else until their outcome is known. The batch pauses "
        "itself if `stop_at` percent of them failed again, or any where that is left out.",
    )
    stop_at = serializers.FloatField(
        required=False,
        min_value=0.01,
        max_value=100,
        help_text="The batch pauses itself once so many percent of the known outcomes failed again, of "
        f"{recovery.SAMPLE} at least. Left out: it does not.",
    )
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="Kept with the batch.")


class Selected(Choice):
    """Which open incidents: those that fit all of these."""

    definition_id = Id(required=False, help_text="Of the process definition that their instance runs.")
    error_code = Name(required=False)
    fingerprint = Name(required=False, help_text="As incidents show it: those that are alike.")
    raised_before = serializers.DateTimeField(required=False)
    raised_after = serializers.DateTimeField(required=False)


class Running(Input):
    """Instances that have not ended, as they are found now."""

    process_id = Name(required=False, help_text="Id of the process.")
    definition_id = Id(required=False, help_text="Of the process definition.")
    element_id = Name(required=False, help_text="Of an element with a visit that has not ended.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"process_id", "definition_id"}:
            raise serializers.ValidationError("Expected process_id or definition_id.", code="required")
        return attrs


class WhichIncidents(Input):
    """Incidents, and how they are tried again."""

    retry = RetryMany(required=False)
    incidents = Selected(required=False, help_text="The open ones that fit now; an empty object: all of them.")
    incident_ids = serializers.ListField(
        child=Id(), required=False, allow_empty=False, max_length=MOST, help_text="Of incidents."
    )


class BatchRequest(WhichIncidents):
    """Exactly one of `modify`, `migrate` and `restart`, with either `instance_ids` or `running`; or `retry`, with
    either `incident_ids` or `incidents`."""

    modify = Modification(required=False)
    migrate = Migration(required=False)
    restart = RestartMany(required=False)
    instance_ids = serializers.ListField(
        child=Id(), required=False, allow_empty=False, max_length=MOST, help_text="Of process instances."
    )
    running = Running(required=False)
    rate = serializers.FloatField(
        required=False,
        min_value=batches.SLOWEST,
        max_value=batches.FASTEST,
        help_text="Items a second, at most. Left out: as fast as it goes.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs.keys() & set(WORK)) != 1:
            raise serializers.ValidationError(f"Expected exactly one of {', '.join(WORK)}.", code="required")
        ways = {"instance_ids", "running", "incident_ids", "incidents"}
        wanted = ("incident_ids", "incidents") if "retry" in attrs else ("instance_ids", "running")
        if len(attrs.keys() & ways) != 1 or not attrs.keys() & set(wanted):
            raise serializers.ValidationError(f"Expected either {' or '.join(wanted)}.", code="required")
        return attrs


class BatchPreviewRequest(WhichIncidents):
    """A `retry` as a batch takes it, with either `incident_ids` or `incidents`."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs.keys() & {"incident_ids", "incidents"}) != 1:
            raise serializers.ValidationError("Expected either incident_ids or incidents.", code="required")
        return attrs


class LikeRow(serializers.Serializer[Any]):
    """Incidents that are alike: they differ in numbers, names and moments only."""

    fingerprint = serializers.CharField()
    process_id = serializers.CharField()
    element_id = serializers.CharField()
    kind = serializers.ChoiceField(choices=choices_of(Incident, "kind"))
    error_code = serializers.CharField()
    count = serializers.IntegerField()
    since = serializers.DateTimeField(help_text="When the oldest was raised.")
    last_seen = serializers.DateTimeField(help_text="When the newest was raised.")
    message = serializers.CharField(help_text="Of the newest.")


class ForeseenRow(serializers.Serializer[Any]):
    """What would happen to one if it were resolved now; what workers would answer nobody knows."""

    incident_id = serializers.IntegerField()
    instance_id = serializers.IntegerField()
    element_id = serializers.CharField()
    facts = serializers.ListField(
        child=Variables(), help_text="In order: objects whose `fact` says what kind, as in the history."
    )
    fails_at_once = serializers.CharField(
        help_text="Message of the incident that would come back in the same step, such as for a mapping; empty: it "
        "would get further."
    )
    rejected = serializers.CharField(help_text="Why it would be refused; empty: it would not be.")


class BatchPreview(serializers.Serializer[Any]):
    """What a batch would be about."""

    found = serializers.IntegerField(
        help_text=f"How many; {recovery.MOST + 1} where there are more than a batch takes."
    )
    grouped = serializers.IntegerField(help_text="Of how many, the newest, are the `groups`.")
    groups = LikeRow(many=True, help_text="The largest first.")
    oldest = serializers.DateTimeField(allow_null=True, help_text="When the oldest was raised.")
    foreseen = ForeseenRow(many=True, help_text="What would happen to a few: one of each sort, then the oldest.")


def chosen(body: dict[str, Any]) -> Selection | list[int]:
    """The incidents that a body names."""
    if "incident_ids" in body:
        ids: list[int] = body["incident_ids"]
        return ids
    said = dict(body["incidents"])
    if "instance" in said:
        said["instance_id"] = said.pop("instance")
    return Selection(**said)


def demand(request: Request, kind: str, said: dict[str, Any]) -> None:
    """Whoever does it to many must be allowed to do it to one. Raises `PermissionDenied`."""
    needed = list(batches.SINGLE[kind])
    if said.get("variables") and kind == "RETRY":
        needed.append(batches.VARIABLES)
    for permission in needed:
        if not request.user.has_perm(permission):
            raise PermissionDenied(
                f"Expected the permission {permission.removeprefix('processes.')}, to do it to one, but it is missing."
            )
