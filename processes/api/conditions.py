"""Conditions that begin processes, over REST: they are evaluated when somebody asks."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.rows import Door
from processes.api.schema import problems
from processes.api.shapes import Input, Name, Shown, Text, Variables
from processes.models import ProcessInstance
from processes.runtime import starts


class EvaluateConditions(Input):
    """The variables of which the conditions may be true."""

    variables = Variables(required=False)
    process_id = Name(required=False, help_text="Only the conditions of this process; left out: of every process.")
    business_key = Text(required=False, allow_blank=True, help_text="Of the instances that begin.")


class BegunRow(Shown):
    """An instance that began, and the event at which it did."""

    class Meta:
        model = ProcessInstance
        fields = ["id", "process_id", "definition_id", "start_element", "state"]
        read_only_fields = fields


class UnknownCondition(serializers.Serializer[Any]):
    """A condition that could not be evaluated."""

    process_id = serializers.CharField(help_text="Id of the process.")
    element = serializers.CharField(help_text="Id of the event that has it.")
    message = serializers.CharField(help_text="Why.")


class ConditionsReport(serializers.Serializer[Any]):
    """What came of it."""

    started = BegunRow(many=True, read_only=True, help_text="One instance for every event whose condition is true.")
    unknown = UnknownCondition(many=True, help_text="Conditions that these variables do not let be evaluated.")


@extend_schema(tags=["process-instances"])
class Conditions(Door):
    queryset = ProcessInstance.objects.all()
    serializer_class = ConditionsReport
    word = "condition"

    @extend_schema(
        operation_id="conditions_evaluate",
        summary="Evaluate the conditions that begin processes",
        description=(
            "An instance begins, with these variables, at every conditional start event of the latest versions whose "
            "condition is true of them: all of them, or none. Who asks again begins them again. 503 with code "
            "`overloaded` while due jobs wait for too long."
        ),
        request=EvaluateConditions,
        responses={200: OpenApiResponse(ConditionsReport, description="Evaluated."), **problems(404, 409, 422)},
        examples=[OpenApiExample("A temperature", request_only=True, value={"variables": {"temperature": 41.5}})],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(EvaluateConditions)
        found = starts.evaluate_conditions(
            body.get("variables"),
            process_id=body.get("process_id", ""),
            business_key=body.get("business_key", ""),
            by=self.by,
        )
        return Response(ConditionsReport(found).data)
