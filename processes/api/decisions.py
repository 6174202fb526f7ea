"""Decisions over REST: find the versions, take the file back, evaluate one. They are deployed with processes."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters
from processes.api.documents import document
from processes.api.rendering import Fixed
from processes.api.rows import Rows
from processes.api.schema import problems
from processes.api.shapes import Anything, Input, Shown, Variables
from processes.models import DecisionDefinition
from processes.runtime import decisions


class DecisionRow(Shown):
    """One version of a decision."""

    class Meta:
        model = DecisionDefinition
        fields = [
            "id", "decision_id", "version", "name", "version_tag", "resource", "digest", "deployed_at", "deployed_by",
        ]  # fmt: skip
        read_only_fields = fields


class DeployedDecisionRow(DecisionRow):
    """A decision of the deployed file."""

    created = serializers.BooleanField(
        read_only=True, help_text="False: the file was deployed before, and this is the version that it made then."
    )

    class Meta(DecisionRow.Meta):
        fields = [*DecisionRow.Meta.fields, "created"]
        read_only_fields = fields


class Evaluate(Input):
    variables = Variables(required=False, help_text="What the decision sees: a JSON object. Numbers keep every digit.")


class MatchedRule(serializers.Serializer[Any]):
    """A rule that matched."""

    index = serializers.IntegerField(help_text="Its place in the table, from 1.")
    rule = serializers.CharField(help_text="Its id; empty where it has none.")
    outputs = Variables(help_text="What it says, by output.")


class EvaluatedDecision(serializers.Serializer[Any]):
    """One of the decisions that it took."""

    decision = serializers.CharField(help_text="Its id.")
    name = serializers.CharField(help_text="Its name.")
    inputs = Variables(help_text="Of a decision table: the values of its inputs.")
    rules = MatchedRule(many=True, help_text="Of a decision table: the rules that matched.")
    result = Anything(help_text="What it came to.")


class EvaluationReport(serializers.Serializer[Any]):
    """What a decision came to, and how."""

    decision_id = serializers.CharField(help_text="Of the decision that was asked for.")
    version = serializers.IntegerField(help_text="Of that decision.")
    result = Anything(help_text="A value, a context where the table has several outputs, a list, or null.")
    decisions = EvaluatedDecision(many=True, help_text="In the order of evaluation; the one asked for is the last.")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="Why something was null, such as a variable that is not there."
    )


class DecisionFilters(filters.FilterSet):  # type: ignore[misc]
    decision_id = filters.TextFilter(help_text="Id of the decision, exactly.")
    version = filters.CountFilter(help_text="Version of the decision, exactly.")
    name = filters.TextFilter(lookup_expr="icontains", help_text="Part of the name, in whatever case.")
    latest = filters.FlagFilter(method="only_latest", help_text="`true`: only the last version of every decision.")

    class Meta:
        model = DecisionDefinition
        fields: list[str] = []

    def only_latest(self, rows: QuerySet[DecisionDefinition], name: str, value: bool) -> QuerySet[DecisionDefinition]:
        later = DecisionDefinition.objects.filter(decision_id=OuterRef("decision_id"), version__gt=OuterRef("version"))
        return rows.filter(~Exists(later) if value else Exists(later))


@extend_schema(tags=["decision-definitions"])
@extend_schema_view(
    list=extend_schema(summary="List decision definitions", description="Newest first."),
    retrieve=extend_schema(summary="Show a decision definition"),
)
class Decisions(Rows):
    queryset = DecisionDefinition.objects.defer("xml")
    serializer_class = DecisionRow
    filterset_class = DecisionFilters
    word = "decision"

    @extend_schema(
        summary="Take the DMN file back",
        description="Byte for byte as it was deployed.",
        responses={(200, "application/xml"): OpenApiTypes.BINARY},
    )
    @action(detail=True, content_negotiation_class=Fixed)
    def xml(self, request: Request, pk: str) -> HttpResponse:
        definition = self.get_object()
        name = definition.resource or f"{definition.decision_id}-{definition.version}.dmn"
        return document(bytes(definition.xml), "application/xml", name, download=True)

    @extend_schema(
        summary="Evaluate a decision",
        description=(
            "With everything that it requires, over the variables given. Nothing is recorded. `decision-failed`: it "
            "has no answer for them, such as two rules of a table with hit policy UNIQUE."
        ),
        request=Evaluate,
        responses={200: EvaluationReport, **problems(422)},
        examples=[OpenApiExample("Variables", request_only=True, value={"variables": {"season": "Winter"}})],
    )
    @action(detail=True, methods=["post"])
    def evaluate(self, request: Request, pk: str) -> Response:
        body = self.ask(Evaluate)
        found = decisions.evaluate(self.get_object(), body.get("variables"))
        report = {
            "decision_id": found.definition.decision_id,
            "version": found.definition.version,
            "result": found.evaluation.result,
            "decisions": [one.to_json() for one in found.evaluation.decisions],
            "warnings": found.evaluation.warnings,
        }
        return Response(EvaluationReport(report).data)
