"""Inbound bindings over REST: which queue, stream or webhook becomes which message.

Secrets stand here as their names, in both directions; `secrets` takes their values, and gives none back.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters
from processes.api.rows import WHY, Door
from processes.api.schema import problems
from processes.api.shapes import BIGGEST_COUNT, Name, Reason, Shown, Text, choices_of
from processes.models import InboundBinding
from processes.runtime import bindings

NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"


class InboundBindingRow(Shown):
    """What is bound to what. Secrets are names."""

    class Meta:
        model = InboundBinding
        fields = ["id", "name", "enabled", *bindings.FIELDS]
        read_only_fields = fields


class Feel(Text):
    """An expression over `body`, `headers` (names in lower case) and, of a webhook, `query`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_blank": True, "max_length": bindings.MOST_CHARACTERS, **kwargs})


class InboundBindingChange(Reason):
    """What there is to set. Whatever is not given stays as it is."""

    kind = serializers.ChoiceField(required=False, choices=choices_of(InboundBinding, "kind"))
    url = Text(required=False, allow_blank=True, max_length=1000, help_text="Of the broker, without a password.")
    secret_url = Text(
        required=False, allow_blank=True, help_text="Name of a secret that holds the URL, where it has a password."
    )
    queue = Text(required=False, allow_blank=True, help_text="Queue of RabbitMQ, or stream of Redis.")
    path = Text(
        required=False, allow_blank=True, max_length=200, help_text="Of a webhook: what follows /api/v1/webhooks/."
    )
    message_name = Name(required=False, help_text="Of the message that is published.")
    correlation_key = Feel(help_text="FEEL; blank: none.")
    message_id = Feel(help_text="FEEL; the same id is the same message. Blank: the broker's, or a digest.")
    variables = Feel(help_text="FEEL, a context; blank: the body, where it is an object.")
    time_to_live = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=BIGGEST_COUNT, help_text="Seconds; null: as for all."
    )
    proof = serializers.ChoiceField(required=False, choices=choices_of(InboundBinding, "proof"))
    secret_name = Text(
        required=False, allow_blank=True, help_text="Of a webhook: name of the secret that is the key or token."
    )
    signature_header = Name(required=False, max_length=100)
    signature_prefix = Text(required=False, allow_blank=True, max_length=20, help_text="Such as sha256=")
    signature_encoding = serializers.ChoiceField(
        required=False, choices=choices_of(InboundBinding, "signature_encoding")
    )
    timestamp_header = Text(
        required=False, allow_blank=True, max_length=100, help_text="Then timestamp, dot and body are what is signed."
    )
    tolerance = serializers.IntegerField(
        required=False, min_value=0, max_value=86_400, help_text="Seconds that the timestamp may be off."
    )
    max_bytes = serializers.IntegerField(required=False, min_value=1, max_value=4_000_000, help_text="Of a body.")


class NewInboundBinding(InboundBindingChange):
    """A binding: its name, its kind, its message, and where it comes from."""

    name = Name(max_length=100)
    kind = serializers.ChoiceField(choices=choices_of(InboundBinding, "kind"))
    message_name = Name(help_text="Of the message that is published.")


class InboundBindingFilters(filters.FilterSet):  # type: ignore[misc]
    kind = filters.ChoiceFilter(choices=choices_of(InboundBinding, "kind"))
    enabled = filters.FlagFilter(help_text="Whether it takes in what comes.")
    message_name = filters.TextFilter(help_text="Of the message that is published.")

    class Meta:
        model = InboundBinding
        fields: list[str] = []


ADDRESSED = [
    OpenApiParameter(
        "name", {"type": "string", "pattern": f"^{NAME}$"}, OpenApiParameter.PATH, description="Name of the binding."
    )
]


@extend_schema(tags=["inbound-bindings"])
@extend_schema_view(list=extend_schema(summary="List inbound bindings", description="Newest first."))
class InboundBindings(mixins.ListModelMixin, Door):
    queryset = InboundBinding.objects.all()
    serializer_class = InboundBindingRow
    filterset_class = InboundBindingFilters
    lookup_field = "name"
    lookup_value_regex = NAME
    word = "inbound-binding"

    @extend_schema(
        summary="Show an inbound binding", parameters=ADDRESSED, responses={200: OpenApiResponse(InboundBindingRow)}
    )
    def retrieve(self, request: Request, name: str) -> Response:
        return self._shown(bindings.find(name))

    @extend_schema(
        summary="Make an inbound binding",
        description=(
            "A queue needs `queue` and `url` or `secret_url`, a webhook `path` and `secret_name`. It takes in what "
            "comes from now on, a stream from its beginning."
        ),
        request=NewInboundBinding,
        responses={201: OpenApiResponse(InboundBindingRow), **problems(409, 422)},
        examples=[
            OpenApiExample(
                "A webhook of the bank",
                request_only=True,
                value={
                    "name": "bank",
                    "kind": "webhook",
                    "path": "bank/paid",
                    "secret_name": "BANK_WEBHOOK_KEY",
                    "message_name": "payment-received",
                    "correlation_key": "=body.order",
                    "variables": "={paid: body.amount}",
                },
            ),
            OpenApiExample(
                "A queue of the shop",
                request_only=True,
                value={
                    "name": "shop",
                    "kind": "queue",
                    "secret_url": "SHOP_BROKER",
                    "queue": "shop.orders",
                    "message_name": "order-placed",
                    "message_id": "=body.id",
                },
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(NewInboundBinding)
        reason = body.pop("reason", "")
        return self._shown(bindings.put(body.pop("name"), body, by=self.by, new=True, reason=reason), status=201)

    @extend_schema(
        summary="Change an inbound binding",
        description="What is given replaces what was; the rest stays. Holds for the next event.",
        parameters=ADDRESSED,
        request=InboundBindingChange,
        responses={200: OpenApiResponse(InboundBindingRow), **problems(422)},
        examples=[OpenApiExample("Another key", request_only=True, value={"correlation_key": "=body.reference"})],
    )
    def partial_update(self, request: Request, name: str) -> Response:
        body = self.ask(InboundBindingChange)
        reason = body.pop("reason", "")
        return self._shown(bindings.put(name, body, by=self.by, new=False, reason=reason))

    @extend_schema(
        summary="Drop an inbound binding",
        description="Its queue is left as it is, its webhook is not found from now on. What it received is forgotten.",
        parameters=[*ADDRESSED, WHY],
        responses={204: OpenApiResponse(description="Gone.")},
    )
    def destroy(self, request: Request, name: str) -> Response:
        bindings.drop(name, by=self.by, reason=self.why())
        return Response(status=204)

    @extend_schema(
        summary="Pause an inbound binding",
        description="A queue keeps what comes until it is resumed; a webhook is not found meanwhile.",
        parameters=ADDRESSED,
        request=Reason,
        responses={200: OpenApiResponse(InboundBindingRow)},
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, name: str) -> Response:
        return self._shown(bindings.pause(name, by=self.by, reason=self.why()))

    @extend_schema(
        summary="Resume an inbound binding",
        description="It takes in what comes, and what a queue has kept.",
        parameters=ADDRESSED,
        request=Reason,
        responses={200: OpenApiResponse(InboundBindingRow)},
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, name: str) -> Response:
        return self._shown(bindings.resume(name, by=self.by, reason=self.why()))

    @staticmethod
    def _shown(row: InboundBinding, status: int = 200) -> Response:
        return Response(InboundBindingRow(row).data, status=status)
