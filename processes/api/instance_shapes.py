"""What process instances look like over REST: their rows, and the bodies of requests about them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count as CountOf
from django.db.models import Exists, F, IntegerField, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from processes.api.payload import Payload
from processes.api.shapes import Count, Id, Input, Name, Reason, Shown, Text, Variables
from processes.models import FlowNodeInstance, Incident, ProcessInstance
from processes.models.instances import row_by_row


class InstanceRow(Shown):
    """A process instance."""

    definition_id = serializers.IntegerField(read_only=True, help_text="Of the process definition that it runs.")
    version = serializers.IntegerField(
        source="definition.version", read_only=True, help_text="Of that process definition."
    )
    restarted_from_id = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Of the instance that ended and was begun again as this one."
    )
    open_incidents = serializers.IntegerField(read_only=True, help_text="How many parts of it need an operator.")
    parent_id = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="The instance that called it; null: none."
    )
    root_id = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="The outermost caller; null: nobody called it."
    )

    class Meta:
        model = ProcessInstance
        fields = [
            "id", "process_id", "definition_id", "version", "business_key", "start_key", "state", "open_incidents",
            "steps", "started_at", "started_by", "start_element", "correlation_key", "parent_id", "parent_element",
            "root_id", "restarted_from_id", "ended_at", "ended_because",
        ]  # fmt: skip
        read_only_fields = fields


class ActiveElement(serializers.Serializer[Any]):
    """Where an instance stands: an element with visits that have not ended."""

    element_id = serializers.CharField(help_text="Id of the BPMN element.")
    element_type = serializers.CharField(help_text="Its tag, such as `serviceTask`.")
    visits = serializers.IntegerField(help_text="How many visits to it are not over.")
    since = serializers.DateTimeField(help_text="When the oldest of them began.")


class ChildRow(Shown):
    """An instance that a call activity of this one started."""

    open_incidents = serializers.IntegerField(read_only=True, help_text="How many parts of it need an operator.")

    class Meta:
        model = ProcessInstance
        fields = ["id", "process_id", "parent_element", "state", "open_incidents", "started_at", "ended_at"]
        read_only_fields = fields


MOST_CHILDREN = 100


class InstanceDetail(InstanceRow):
    """A process instance, and where it stands."""

    children = serializers.SerializerMethodField(
        help_text=f"Instances that it called: live ones first, at most {MOST_CHILDREN}; the list has all by `parent`."
    )

    active = serializers.SerializerMethodField(help_text="Elements with visits that have not ended.")
    waiting_tokens = serializers.SerializerMethodField(
        help_text="Ids of sequence flows with a token that cannot enter its target yet, as before a join."
    )

    class Meta(InstanceRow.Meta):
        fields = [*InstanceRow.Meta.fields, "active", "waiting_tokens", "children"]
        read_only_fields = fields

    @extend_schema_field(ActiveElement(many=True))
    def get_active(self, instance: ProcessInstance) -> Any:
        live = FlowNodeInstance.objects.filter(instance=instance, ended_at__isnull=True)
        # An activity that is repeated stands where its rounds stand, and they are visits to the same element.
        rounds = live.filter(scope=OuterRef("key"), element_id=OuterRef("element_id"))
        visits = (
            live.alias(around=row_by_row(Exists(rounds)))
            .filter(around=False)
            .order_by("element_id")
            .values("element_id", "element_type")
            .annotate(visits=CountOf("id"), since=Min("entered_at"))
        )
        return ActiveElement(visits, many=True).data

    @extend_schema_field(ChildRow(many=True))
    def get_children(self, instance: ProcessInstance) -> Any:
        children = ProcessInstance.objects.filter(parent=instance).defer("variables")
        rows = children.annotate(open_incidents=OPEN_INCIDENTS).order_by(F("ended_at").desc(nulls_first=True), "-id")
        return ChildRow(rows[:MOST_CHILDREN], many=True).data

    def get_waiting_tokens(self, instance: ProcessInstance) -> list[str]:
        return list(instance.tokens.order_by("flow_id").values_list("flow_id", flat=True).distinct())


class Start(Input):
    """What to start: `process_id` and perhaps `version`, or `definition_id`."""

    process_id = Name(required=False, help_text="Id of the process; its latest version unless `version` says.")
    version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    definition_id = Id(required=False, help_text="Instead of `process_id` and `version`.")
    variables = Variables(required=False)
    business_key = Text(required=False, allow_blank=True, help_text="The caller's own name for this case.")
    start_key = Name(
        required=False,
        help_text="Chosen by the caller: a second start of the process with it is the first. Or the header.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("process_id" in attrs) == ("definition_id" in attrs):
            raise serializers.ValidationError("Expected either process_id or definition_id.", code="required")
        if "definition_id" in attrs and "version" in attrs:
            raise serializers.ValidationError({"version": "Expected none beside definition_id."}, code="invalid")
        header = self.context["request"].headers.get("Idempotency-Key")
        if header is not None:
            field = Name()
            try:
                key = field.run_validation(header)
            except serializers.ValidationError as error:
                raise serializers.ValidationError({"Idempotency-Key": error.detail}) from None
            if attrs.setdefault("start_key", key) != key:
                raise serializers.ValidationError({"start_key": "Expected the same as Idempotency-Key, or none."})
        return attrs


class Pick(Reason):
    elements = serializers.ListField(
        child=Name(),
        min_length=1,
        max_length=1000,
        help_text="Ids of elements inside that have no flow into them. The same may be there twice.",
    )


class VariablesPatch(Reason):
    variables = Variables(help_text="Merged into those of the scope; a variable that is not named stays.")
    expected = Variables(
        required=False,
        help_text="What those variables were when they were looked at; 409 `variables-changed` where they no longer "
        "are. A name that it lacks is to be no variable yet. Left out: whatever they are.",
    )


class ScopeVariables(Payload, serializers.Serializer[Any]):
    """The variables of one scope."""

    payload = ("variables",)

    scope = Count(help_text="0: the process; else the key of a visit.")
    variables = Variables(allow_null=True)


class Scope(Input):
    scope = Count(required=False, default=0)


OPEN_INCIDENTS = Coalesce(
    Subquery(
        Incident.objects.filter(instance=OuterRef("pk"), ended_at__isnull=True)
        .order_by()
        .values("instance")
        .annotate(number=CountOf("id"))
        .values("number"),
        output_field=IntegerField(),
    ),
    0,
)
