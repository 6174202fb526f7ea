"""Connections over REST: where connectors call, how much a destination bears, how it is doing, pause and resume.

What is a secret stands here as a placeholder, ``{{secrets.NAME}}``, in both directions.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters
from processes.api.rows import WHY, Door
from processes.api.schema import problems
from processes.api.shapes import Name, Reason, Shown, Text, Variables, choices_of
from processes.models import Connection
from processes.runtime import connections

NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}"


class StandingRow(serializers.Serializer[Any]):
    """How a connection is doing now."""

    breaker = serializers.CharField(help_text="`CLOSED`: calls pass. `OPEN`: none. `HALF_OPEN`: canaries.")
    open_until = serializers.DateTimeField(allow_null=True, help_text="Then canaries pass.")
    failures = serializers.IntegerField(help_text="In a row, while closed.")
    last_failure = serializers.CharField(help_text="What the last call said that found it ill.")
    rate = serializers.FloatField(allow_null=True, help_text="Calls per second now; fewer while they grow back.")
    tokens = serializers.FloatField(allow_null=True, help_text="Calls that could be made at once.")
    in_flight = serializers.IntegerField(help_text="Jobs that are claimed.")
    parked = serializers.IntegerField(help_text="Jobs that were not let pass yet.")
    paused = serializers.BooleanField()
    waiting = serializers.DictField(child=serializers.IntegerField(), help_text="The parked jobs, by reason.")


class ConnectionRow(Shown):
    """A destination. Secrets are placeholders."""

    authentication = Variables(read_only=True)
    tls = Variables(read_only=True)
    options = Variables(read_only=True)
    allowed_hosts = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Connection
        fields = [
            "id", "name", "kind", "description", "url", "authentication", "tls", "timeout", "allowed_hosts",
            "allow_private", "options", "rate", "burst", "concurrency", "breaker_failures", "breaker_window",
            "breaker_open", "breaker_canaries", "breaker_ramp", "paused", "paused_because", "paused_by", "paused_at",
            "created_at", "changed_at", "changed_by",
        ]  # fmt: skip
        read_only_fields = fields


class ConnectionAndStanding(ConnectionRow):
    """A destination, and how it is doing."""

    state = serializers.SerializerMethodField()

    class Meta(ConnectionRow.Meta):
        fields = [*ConnectionRow.Meta.fields, "state"]
        read_only_fields = fields

    @extend_schema_field(StandingRow)
    def get_state(self, row: Connection) -> Any:
        return StandingRow(dataclasses.asdict(connections.standing(row))).data


class ConnectionChange(Reason):
    """What there is to set. Whatever is not given stays as it is."""

    kind = serializers.ChoiceField(required=False, choices=choices_of(Connection, "kind"))
    description = Text(required=False, allow_blank=True, max_length=1000)
    url = Text(required=False, allow_blank=True, max_length=2000, help_text="Base URL, DSN or address of a WSDL.")
    authentication = Variables(required=False, help_text="As the connector reads it; secrets as placeholders.")
    tls = Variables(required=False, help_text="`verify`, `ca`, `certificate`, `key`, `password`.")
    timeout = serializers.FloatField(required=False, allow_null=True, min_value=0.001, max_value=86_400)
    allowed_hosts = serializers.ListField(child=Name(), required=False, max_length=100)
    allow_private = serializers.BooleanField(required=False, allow_null=True)
    options = Variables(required=False, help_text="Whatever else its connector understands.")
    rate = serializers.FloatField(
        required=False, allow_null=True, min_value=0.0001, max_value=100_000, help_text="Calls per second; null: any."
    )
    burst = serializers.IntegerField(required=False, min_value=1, max_value=100_000)
    concurrency = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    breaker_failures = serializers.IntegerField(
        required=False, min_value=0, max_value=1000, help_text="In a row; 0: the breaker never opens."
    )
    breaker_window = serializers.FloatField(required=False, min_value=0.001, max_value=86_400)
    breaker_open = serializers.FloatField(required=False, min_value=0.001, max_value=86_400)
    breaker_canaries = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    breaker_ramp = serializers.FloatField(required=False, min_value=0, max_value=86_400)


class NewConnection(ConnectionChange):
    """A destination by its name, which tasks say in their header `connection`."""

    name = Name()


class ConnectionFilters(filters.FilterSet):  # type: ignore[misc]
    kind = filters.ChoicesFilter(choices=choices_of(Connection, "kind"), help_text="May be given twice.")
    paused = filters.FlagFilter(help_text="Whether somebody paused it.")
    breaker = filters.ChoiceFilter(
        field_name="gate__breaker", choices=[(word, word) for word in ("CLOSED", "OPEN", "HALF_OPEN")]
    )

    class Meta:
        model = Connection
        fields: list[str] = []


ADDRESSED = [
    OpenApiParameter(
        "name", {"type": "string", "pattern": f"^{NAME}$"}, OpenApiParameter.PATH, description="Name of the connection."
    )
]


@extend_schema(tags=["connections"])
@extend_schema_view(list=extend_schema(summary="List connections", description="Newest first."))
class Connections(mixins.ListModelMixin, Door):
    queryset = Connection.objects.all()
    serializer_class = ConnectionRow
    filterset_class = ConnectionFilters
    lookup_field = "name"
    lookup_value_regex = NAME
    word = "connection"

    @extend_schema(
        summary="Show a connection", parameters=ADDRESSED, responses={200: OpenApiResponse(ConnectionAndStanding)}
    )
    def retrieve(self, request: Request, name: str) -> Response:
        return Response(ConnectionAndStanding(connections.find(name)).data)

    @extend_schema(
        summary="Make a connection",
        description="Fields whose name says that they are secret take a placeholder and nothing else.",
        request=NewConnection,
        responses={201: OpenApiResponse(ConnectionAndStanding), **problems(409, 422)},
        examples=[
            OpenApiExample(
                "A shop that bears 50 calls per second",
                request_only=True,
                value={
                    "name": "shop",
                    "url": "https://shop.example.com/api/v2",
                    "authentication": {"type": "bearer", "token": "{{secrets.SHOP_TOKEN}}"},
                    "rate": 50,
                    "burst": 10,
                    "concurrency": 8,
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(NewConnection)
        reason = body.pop("reason", "")
        row = connections.put(body.pop("name"), body, by=self.by, new=True, reason=reason)
        return Response(ConnectionAndStanding(row).data, status=201)

    @extend_schema(
        summary="Change a connection",
        description="What is given replaces what was; the rest stays. Holds for the next call of every worker.",
        parameters=ADDRESSED,
        request=ConnectionChange,
        responses={200: OpenApiResponse(ConnectionAndStanding), **problems(422)},
        examples=[OpenApiExample("Fewer calls", request_only=True, value={"rate": 5, "burst": 1})],
    )
    def partial_update(self, request: Request, name: str) -> Response:
        body = self.ask(ConnectionChange)
        reason = body.pop("reason", "")
        row = connections.put(name, body, by=self.by, new=False, reason=reason)
        return Response(ConnectionAndStanding(row).data)

    @extend_schema(
        summary="Drop a connection",
        description="Jobs that name it end as incidents from now on.",
        parameters=[*ADDRESSED, WHY],
        responses={204: OpenApiResponse(description="Gone.")},
    )
    def destroy(self, request: Request, name: str) -> Response:
        connections.drop(name, by=self.by, reason=self.why())
        return Response(status=204)

    @extend_schema(
        summary="Pause a connection",
        description="Nobody calls it until it is resumed; jobs are parked, and no retry is spent.",
        parameters=ADDRESSED,
        request=Reason,
        responses={200: OpenApiResponse(ConnectionAndStanding)},
        examples=[OpenApiExample("Why", request_only=True, value={"reason": "Maintenance until 22:00"})],
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, name: str) -> Response:
        row = connections.pause(name, by=self.by, reason=self.why())
        return Response(ConnectionAndStanding(row).data)

    @extend_schema(
        summary="Resume a connection",
        description=(
            "Parked jobs are released, no faster than the connection bears. An open breaker lets its canaries "
            "through at once."
        ),
        parameters=ADDRESSED,
        request=Reason,
        responses={200: OpenApiResponse(ConnectionAndStanding)},
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, name: str) -> Response:
        row = connections.resume(name, by=self.by, reason=self.why())
        return Response(ConnectionAndStanding(row).data)
