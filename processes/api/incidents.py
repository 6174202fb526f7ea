"""Incidents over REST: what needs an operator, and trying it again, one by one or many at once."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters
from processes.api.pagination import NewestRaised
from processes.api.rows import Rows
from processes.api.schema import problems
from processes.api.shapes import Count, Id, Input, Name, Shown, Text, Variables, choices_of
from processes.models import Incident
from processes.runtime import incidents

MOST = 1000


class IncidentRow(Shown):
    """A part of an instance that is parked until an operator decides; kept after that."""

    instance_id = serializers.IntegerField(read_only=True, help_text="Of the process instance.")

    class Meta:
        model = Incident
        fields = [
            "id", "kind", "message", "error_code", "fingerprint", "process_id", "instance_id", "key", "node",
            "element_id", "job_type", "raised_at", "ended_at", "resolved_by",
        ]  # fmt: skip
        read_only_fields = fields


@extend_schema_field(
    {
        "type": "string",
        "enum": ["true", "false", "any"],
        "default": "true",
        "description": "Open ones, ended ones, or both.",
    }
)
class OpenFilter(filters.ChoiceFilter):  # type: ignore[misc]
    """Whether the incident is open: yes unless asked otherwise."""


class IncidentFilters(filters.FilterSet):  # type: ignore[misc]
    open = OpenFilter(
        method="only_open", choices=[("true", "open"), ("false", "ended"), ("any", "both")], empty_label=None
    )
    kind = filters.ChoicesFilter(choices=choices_of(Incident, "kind"), help_text="May be given twice.")
    process_id = filters.TextFilter(help_text="Id of the process, exactly.")
    instance = filters.IdFilter(field_name="instance_id", help_text="Id of the process instance.")
    job_type = filters.TextFilter(help_text="Exactly.")
    element_id = filters.TextFilter(help_text="Id of the BPMN element, exactly.")
    error_code = filters.TextFilter(help_text="Exactly.")
    fingerprint = filters.TextFilter(help_text="Those that are alike.")
    definition = filters.IdFilter(
        field_name="instance__definition_id", help_text="Id of the process definition that its instance runs."
    )
    raised_before = filters.MomentFilter(field_name="raised_at", lookup_expr="lt", help_text="ISO 8601.")
    raised_after = filters.MomentFilter(field_name="raised_at", lookup_expr="gte", help_text="ISO 8601.")

    class Meta:
        model = Incident
        fields: list[str] = []

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        data = data.copy() if data is not None else {}
        data.setdefault("open", "true")
        super().__init__(data, *args, **kwargs)

    def only_open(self, rows: QuerySet[Incident], name: str, value: str) -> QuerySet[Incident]:
        return rows if value == "any" else rows.filter(ended_at__isnull=value == "true")


class Retry(Input):
    retries = Count(
        required=False,
        min_value=1,
        max_value=1000,
        help_text="How many tries the job gets; as many as the model says unless given.",
    )
    variables = Variables(
        required=False, help_text="Set first, all or nothing; needs the permission to change instances too."
    )
    scope = Count(required=False, help_text="Of the variables. 0, or left out: the process; else the key of a visit.")
    expected = Variables(
        required=False, help_text="What the variables were when they were looked at, as for instances."
    )
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="For the history.")


class Choice(Input):
    """Which open incidents: those that fit all of these."""

    kind = serializers.ChoiceField(required=False, choices=choices_of(Incident, "kind"))
    process_id = Name(required=False)
    instance = Id(required=False)
    job_type = Name(required=False)
    element_id = Name(required=False)


class Resolution(Input):
    """Which incidents to try again: `ids`, or the open ones that fit `filter`."""

    ids = serializers.ListField(child=Id(), required=False, min_length=1, max_length=MOST)
    filter = Choice(required=False, help_text="An empty object: all open ones.")
    limit = serializers.IntegerField(
        required=False,
        default=100,
        min_value=1,
        max_value=MOST,
        help_text="With `filter`: at most so many, oldest first.",
    )
    retries = Count(required=False, min_value=1, max_value=1000, help_text="How many tries each job gets.")
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="For the history.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError("Expected either ids or filter.", code="required")
        return attrs


class RejectedIncident(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    message = serializers.CharField(help_text="Why it could not be tried again.")


class ResolvedMany(serializers.Serializer[Any]):
    """What became of each."""

    resolved = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of those that are tried again.")
    rejected = RejectedIncident(many=True, help_text="Those that could not be.")


@extend_schema(tags=["incidents"])
@extend_schema_view(
    list=extend_schema(summary="List incidents", description="Newest first; the open ones unless asked otherwise."),
    retrieve=extend_schema(summary="Show an incident"),
)
class Incidents(Rows):
    queryset = Incident.objects.all()
    serializer_class = IncidentRow
    filterset_class = IncidentFilters
    pagination_class = NewestRaised
    word = "incident"

    @extend_schema(
        operation_id="incidents_resolve",
        summary="Resolve an incident",
        description="Tries again from exactly where the instance stands, with inputs evaluated anew.",
        request=Retry,
        responses={200: IncidentRow, **problems(409, 422)},
    )
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        body = self.ask(Retry)
        if "variables" in body and not request.user.has_perm("processes.change_processinstance"):
            raise PermissionDenied
        incidents.resolve(int(pk), **body, by=self.by)
        return Response(IncidentRow(self.get_object()).data)

    @extend_schema(
        operation_id="incidents_resolve_many",
        summary="Resolve many incidents",
        description="While you wait, each in its own transaction: what became of one does not touch the others. For "
        "more than some, and for what came of them after that, create a batch.",
        request=Resolution,
        responses={200: OpenApiResponse(ResolvedMany, description="What became of each.")},
        examples=[
            OpenApiExample(
                "After the bank is back",
                request_only=True,
                value={"filter": {"job_type": "payment", "kind": "JOB_NO_RETRIES"}, "limit": 500},
            ),
            OpenApiExample("These two", request_only=True, value={"ids": [17, 23]}),
        ],
    )
    @action(detail=False, methods=["post"], url_path="resolve")
    def resolve_many(self, request: Request) -> Response:
        body = self.ask(Resolution)
        chosen: Any = body.get("ids")
        if chosen is None:
            fits = {"instance_id" if name == "instance" else name: value for name, value in body["filter"].items()}
            chosen = Incident.objects.filter(ended_at__isnull=True, **fits).order_by("id")[: body["limit"]]
        given = {name: body[name] for name in ("retries", "reason") if name in body}
        done = incidents.resolve_many(chosen, **given, by=self.by)
        return Response(
            {
                "resolved": done.resolved,
                "rejected": [{"id": number, "message": why} for number, why in done.rejected.items()],
            }
        )
