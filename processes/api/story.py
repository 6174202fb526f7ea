"""The story of an instance over REST: what its time was spent with, and what it was after any of its steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.payload import Payload
from processes.api.rows import Door
from processes.api.schema import INSTANCE_STATES, NODE_STATES, problems
from processes.api.shapes import Anything, Count, Input, Variables
from processes.models import ProcessInstance
from processes.runtime import past, timelines
from processes.runtime.waterfall import Kind

MOST_PARTS = 1_000

SPAN_KINDS = [(kind.value, kind.value.capitalize()) for kind in Kind]


class Window(Input):
    """The stretch of time that is asked for. `from` is a word of Python's, so the fields are made by hand."""

    def get_fields(self) -> dict[str, Any]:
        return {
            "from": serializers.DateTimeField(required=False, help_text="Left out: from its start on."),
            "to": serializers.DateTimeField(required=False, help_text="Left out: until its end, or now."),
        }


class SpanShown(serializers.Serializer[Any]):
    """A stretch of time."""

    kind = serializers.ChoiceField(choices=SPAN_KINDS, help_text="What it was spent with.")
    began = serializers.DateTimeField()
    ended = serializers.DateTimeField(allow_null=True, help_text="null: it lasts.")
    words = serializers.CharField(help_text="The same for people.")
    aside = serializers.BooleanField(
        help_text="It does not say what the visit was busy with, as a timer on its border does not."
    )


class LineShown(serializers.Serializer[Any]):
    """One visit, or many to one element in one scope."""

    key = serializers.IntegerField(help_text="Of the visit, or of the first of many.")
    element_id = serializers.CharField(source="element")
    element_type = serializers.CharField(source="type")
    name = serializers.CharField(help_text="Of the element; empty: none.")
    depth = serializers.IntegerField(help_text="How many visits are around it; parents come before children.")
    state = serializers.ChoiceField(choices=NODE_STATES)
    entered_at = serializers.DateTimeField(source="entered")
    ended_at = serializers.DateTimeField(source="ended", allow_null=True)
    count = serializers.IntegerField(help_text="How many visits it stands for.")
    live = serializers.IntegerField(help_text="How many of them have not ended.")
    p50_seconds = serializers.SerializerMethodField(help_text="Median of their durations; null: it stands for one.")
    p95_seconds = serializers.SerializerMethodField(help_text="95th percentile.")
    failed_attempts = serializers.IntegerField(source="failed")
    incidents = serializers.IntegerField()
    spans = SpanShown(many=True)

    def get_p50_seconds(self, line: Any) -> float | None:
        return line.median.total_seconds() if line.median is not None else None

    def get_p95_seconds(self, line: Any) -> float | None:
        return line.slow.total_seconds() if line.slow is not None else None


class TimelineShown(serializers.Serializer[Any]):
    """What the time of an instance was spent with, between two moments."""

    started_at = serializers.DateTimeField(source="began")
    ended_at = serializers.DateTimeField(source="ended", allow_null=True)
    since = serializers.DateTimeField(help_text="Where the window begins.")
    until = serializers.DateTimeField(help_text="Where it ends.")
    spans = SpanShown(many=True, help_text="Of the instance itself, such as suspension.")
    lines = LineShown(many=True, help_text="Its visits, in the order in which they began, nested by depth.")
    cut = serializers.ListField(child=serializers.CharField(), help_text="What was left out, for people.")


class StepAsked(Input):
    step = Count(required=False, min_value=1)


class VisitThen(Payload):
    """A visit that was alive."""

    payload = ("variables",)

    key = serializers.IntegerField()
    element_id = serializers.CharField()
    scope = serializers.IntegerField(help_text="Key of the visit around it, 0: the process.")
    state = serializers.ChoiceField(choices=NODE_STATES)
    variables = Variables(allow_null=True, help_text="Local ones.")


class TokenThen(serializers.Serializer[Any]):
    """A token that could not enter its target."""

    key = serializers.IntegerField()
    flow_id = serializers.CharField()
    scope = serializers.IntegerField()


class WaitThen(Payload):
    """What a visit waited for, or what could be undone."""

    payload = ("details",)

    kind = serializers.CharField(help_text="`Job`, `Timer`, `MessageSubscription`, `Incident` ...")
    key = serializers.IntegerField()
    node = serializers.IntegerField(help_text="Key of the visit, 0: the process.")
    details = Anything(help_text="What else there is to say of this kind.")


class StateShown(Payload):
    """An instance as it was after one of its steps."""

    payload = ("variables",)

    step = serializers.IntegerField()
    command = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=INSTANCE_STATES)
    definition_id = serializers.IntegerField(allow_null=True, help_text="That ran then; null: it was not kept.")
    variables = Variables(allow_null=True, help_text="Of the process scope.")
    visits = VisitThen(many=True)
    tokens = TokenThen(many=True)
    waits = WaitThen(many=True)
    flows_taken = serializers.ListField(child=serializers.CharField(), help_text="Ids of sequence flows.")
    completed = serializers.DictField(child=serializers.IntegerField(), help_text="How many visits, by element id.")
    complete = serializers.BooleanField(help_text=f"Whether no more than {MOST_PARTS} parts of a kind were alive.")


STEP = OpenApiParameter("step", int, description="Number of the step; left out: the newest.")
FROM = OpenApiParameter("from", datetime, description="Where the window begins; left out: at its start.")
TO = OpenApiParameter("to", datetime, description="Where it ends; left out: at its end, or now.")


@extend_schema(tags=["process-instances"])
class Story(Door):
    queryset: QuerySet[ProcessInstance] = ProcessInstance.objects.select_related("definition")
    word = "instance"

    @extend_schema(
        summary="Show the timeline of an instance",
        description="Visits, attempts, waits, incidents and suspension with their times. Many visits to one element "
        "in one scope are one line; long timelines are cut, and `cut` says how: ask window by window.",
        parameters=[FROM, TO],
        responses={200: TimelineShown, **problems(422)},
    )
    @action(detail=True)
    def timeline(self, request: Request, pk: str) -> Response:
        row = self.get_object()
        asked = self.ask(
            Window, {name: request.query_params[name] for name in ("from", "to") if name in request.query_params}
        )
        return Response(TimelineShown(timelines.timeline(row, since=asked.get("from"), until=asked.get("to"))).data)

    @extend_schema(
        summary="Show an instance as it was",
        description=f"After one of its first {past.MOST_STEPS} steps: found by applying the facts of its history.",
        parameters=[STEP],
        responses={200: StateShown, **problems(409)},
    )
    @action(detail=True)
    def state(self, request: Request, pk: str) -> Response:
        row = self.get_object()
        asked = self.ask(
            StepAsked, {name: request.query_params[name] for name in ("step",) if name in request.query_params}
        )
        number = asked.get("step", row.steps)
        then = past.after(row, number)
        step = row.history.defer("facts", "journal").get(number=number)
        return Response(
            StateShown(
                {
                    "step": number,
                    "command": step.command,
                    "by": step.by,
                    "at": step.at,
                    "state": then.instance.state.value,
                    "definition_id": past.definition_after(row, number),
                    **past.parts(then, MOST_PARTS),
                },
                context=self.get_serializer_context(),
            ).data
        )
