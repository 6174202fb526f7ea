"""Messages over REST: publish one, and see whom it reached."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from processes.api import filters
from processes.api.payload import Payload
from processes.api.rows import Rows
from processes.api.schema import problems
from processes.api.shapes import Input, Name, Seconds, Shown, Text, Variables
from processes.models import Message, MessageCorrelation
from processes.runtime import messages

LONGEST = 366 * 86_400


class CorrelationRow(Shown):
    """An instance that the message reached."""

    instance_id = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="null: it is kept until other messages have come too."
    )

    class Meta:
        model = MessageCorrelation
        fields = ["instance_id", "process_id", "correlated_at", "started"]
        read_only_fields = fields


class MessageRow(Payload, Shown):
    """A published message. It is kept until it expires."""

    payload = ("variables",)

    variables = Variables(read_only=True, allow_null=True)
    correlations = CorrelationRow(many=True, read_only=True, help_text="Whom it reached, one for each process at most.")

    class Meta:
        model = Message
        fields = [
            "id", "name", "correlation_key", "message_id", "variables", "published_at", "published_by", "expires_at",
            "correlations", "hidden",
        ]  # fmt: skip
        read_only_fields = fields


class Publication(Input):
    """A message to publish."""

    name = Name(help_text="Name of the message in the models that wait for it.")
    correlation_key = Text(
        required=False, allow_blank=True, help_text="Which case: equal to the key that the instance evaluated."
    )
    variables = Variables(required=False)
    message_id = Name(required=False, help_text="Chosen by the publisher: a second message with it is the first.")
    time_to_live_seconds = Seconds(
        required=False,
        min_value=0,
        max_value=LONGEST,
        help_text="How long it waits for an instance that is not there yet; 0: only for those that are. Default 3600.",
    )


class MessageFilters(filters.FilterSet):  # type: ignore[misc]
    name = filters.TextFilter(help_text="Exactly.")
    correlation_key = filters.TextFilter(help_text="Exactly.")
    message_id = filters.TextFilter(help_text="Exactly.")
    correlated = filters.FlagFilter(method="reached", help_text="Whether it reached anyone.")

    class Meta:
        model = Message
        fields: list[str] = []

    def reached(self, rows: QuerySet[Message], name: str, value: bool) -> QuerySet[Message]:
        return rows.filter(correlations__isnull=False).distinct() if value else rows.filter(correlations__isnull=True)


@extend_schema(tags=["messages"])
@extend_schema_view(
    list=extend_schema(summary="List messages", description="Newest first; those that have not expired."),
    retrieve=extend_schema(summary="Show a message"),
)
class Messages(Rows):
    queryset = Message.objects.prefetch_related("correlations")
    serializer_class = MessageRow
    filterset_class = MessageFilters
    word = "message"

    @extend_schema(
        summary="Publish a message",
        description=(
            "It reaches at most one instance of every process that waits for its name and key, now or before it "
            "expires; or it starts one, where a start event of the process has its name and no instance started with "
            "its key is alive. `correlations` are those that it reached or started already. One that would do nothing "
            "but start an instance is 503 with code `overloaded` while due jobs wait for too long."
        ),
        request=Publication,
        responses={
            201: OpenApiResponse(MessageRow, description="Published."),
            200: OpenApiResponse(MessageRow, description="It was published before, with this message_id."),
            **problems(409, 422),
        },
        examples=[
            OpenApiExample(
                "Money arrived",
                request_only=True,
                value={
                    "name": "payment-received",
                    "correlation_key": "order-4711",
                    "variables": {"amount": 129.90},
                    "message_id": "bank-2030-01-31-17",
                    "time_to_live_seconds": 3600,
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(Publication)
        published = messages.publish(
            body["name"],
            correlation_key=body.get("correlation_key", ""),
            variables=body.get("variables"),
            message_id=body.get("message_id"),
            ttl=body.get("time_to_live_seconds"),
            by=self.by,
        )
        return Response(
            MessageRow(published.message, context=self.get_serializer_context()).data,
            status.HTTP_201_CREATED if published.created else status.HTTP_200_OK,
            headers={"Location": reverse("message-detail", [published.message.pk], request=request)},
        )
