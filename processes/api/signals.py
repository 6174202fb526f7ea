"""Signals over REST: throw one at all who wait for it."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.rows import Door
from processes.api.schema import problems
from processes.api.shapes import Input, Name, Variables
from processes.models import Signal
from processes.runtime import signals


class Broadcast(Input):
    """A signal to throw."""

    name = Name(help_text="Name of the signal in the models that wait for it.")
    variables = Variables(required=False)


class Thrown(serializers.Serializer):  # type: ignore[type-arg]
    """A signal that was thrown."""

    name = serializers.CharField(read_only=True)
    awaited_by = serializers.IntegerField(
        read_only=True, help_text="How many waits it reaches: within moments, each in a transaction of its own."
    )


@extend_schema(tags=["signals"])
class Signals(Door):
    queryset = Signal.objects.all()
    serializer_class = Thrown
    word = "signal"

    @extend_schema(
        summary="Broadcast a signal",
        description=(
            "Everything that waits for a signal of this name now gets it, in every instance. It is not buffered: who "
            "begins to wait later does not get it. A suspended instance gets it when it is resumed. One that would do "
            "nothing but begin instances is 503 with code `overloaded` while due jobs wait for too long."
        ),
        request=Broadcast,
        responses={201: OpenApiResponse(Thrown, description="Thrown."), **problems(409, 422)},
        examples=[
            OpenApiExample(
                "Prices changed", request_only=True, value={"name": "prices-changed", "variables": {"list": "2030-02"}}
            )
        ],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(Broadcast)
        thrown = signals.broadcast(body["name"], body.get("variables"), by=self.by)
        return Response(Thrown(thrown).data, 201)
