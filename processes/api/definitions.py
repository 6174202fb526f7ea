"""Process definitions over REST: deploy a BPMN or DMN file, find the versions, take the file and its drawing back."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters, parsing
from processes.api.decisions import DeployedDecisionRow
from processes.api.documents import document
from processes.api.errors import describe
from processes.api.rendering import Fixed
from processes.api.rows import WHY, Rows
from processes.api.schema import ModelProblem, problems
from processes.api.shapes import Input, Reason, Shown, Text
from processes.models import ProcessDefinition, StartSubscription
from processes.runtime import definitions, drawings, lifecycle, pictures


class DefinitionRow(Shown):
    """One version of a process."""

    class Meta:
        model = ProcessDefinition
        fields = [
            "id", "process_id", "version", "name", "version_tag", "resource", "digest", "deployed_at", "deployed_by",
            "suspended", "suspension_reason", "suspension_by", "suspension_at",
        ]  # fmt: skip
        read_only_fields = fields


class StartRow(Shown):
    """What begins instances of a process, beside a caller."""

    class Meta:
        model = StartSubscription
        fields = ["element_id", "kind", "name", "due_at", "repetitions"]
        read_only_fields = fields


class DefinitionDetail(DefinitionRow):
    """One version of a process, and what begins instances of it."""

    starts = StartRow(many=True, read_only=True, help_text="Triggers; of the latest version only.")

    class Meta(DefinitionRow.Meta):
        fields = [*DefinitionRow.Meta.fields, "starts"]
        read_only_fields = fields


class DeployedDefinition(DefinitionRow):
    """A process of the deployed file."""

    created = serializers.BooleanField(
        read_only=True, help_text="False: the file was deployed before, and this is the version that it made then."
    )

    class Meta(DefinitionRow.Meta):
        fields = [*DefinitionRow.Meta.fields, "created"]
        read_only_fields = fields


class DeploymentReport(serializers.Serializer[Any]):
    """What deploying a file made of it."""

    definitions = DeployedDefinition(many=True, help_text="Every executable process of the file.")
    decisions = DeployedDecisionRow(many=True, help_text="Every decision of the file, if it is a DMN file.")
    warnings = ModelProblem(many=True, help_text="What the file says that has no effect here, or a surprising one.")


class Upload(Input):
    """A BPMN file as a form."""

    file = serializers.FileField(allow_empty_file=True, help_text="The BPMN 2.0 or DMN document.")
    resource = Text(required=False, allow_blank=True, help_text="Name to keep for it; else the name of the file.")


class DeployUpload(Upload, Reason):
    """A BPMN file to be deployed, as a form."""


class Query(Reason):
    resource = Text(allow_blank=True)


class DefinitionFilters(filters.FilterSet):  # type: ignore[misc]
    process_id = filters.TextFilter(help_text="Id of the process, exactly.")
    version = filters.CountFilter(help_text="Version of the process, exactly.")
    name = filters.TextFilter(lookup_expr="icontains", help_text="Part of the name, in whatever case.")
    latest = filters.FlagFilter(method="only_latest", help_text="`true`: only the last version of every process.")

    class Meta:
        model = ProcessDefinition
        fields: list[str] = []

    def only_latest(self, rows: QuerySet[ProcessDefinition], name: str, value: bool) -> QuerySet[ProcessDefinition]:
        later = ProcessDefinition.objects.filter(process_id=OuterRef("process_id"), version__gt=OuterRef("version"))
        return rows.filter(~Exists(later) if value else Exists(later))


@extend_schema(tags=["process-definitions"])
@extend_schema_view(
    list=extend_schema(summary="List process definitions", description="Newest first."),
    retrieve=extend_schema(summary="Show a process definition", responses={200: DefinitionDetail}),
)
class Definitions(Rows):
    queryset = ProcessDefinition.objects.defer("xml")
    serializer_class = DefinitionRow
    filterset_class = DefinitionFilters
    parser_classes = [
        parsing.MultiPartParser,
        parsing.BPMNParser,
        parsing.TextBPMNParser,
        parsing.BinaryBPMNParser,
    ]
    word = "definition"

    def get_serializer_class(self) -> type[DefinitionRow]:
        return DefinitionDetail if self.action == "retrieve" else DefinitionRow

    @extend_schema(
        summary="Deploy a BPMN or DMN file",
        description=(
            "All executable processes, or all decisions, of the file become new versions, or none. A file that is byte "
            "for byte the last one changes nothing. The file is the form field `file`, or the body as it is."
        ),
        parameters=[
            OpenApiParameter("resource", str, description="Name to keep for a file sent as the body."),
            OpenApiParameter("reason", str, description="Why it is deployed, of a file sent as the body."),
        ],
        request={
            "multipart/form-data": DeployUpload,
            "application/xml": OpenApiTypes.STR,
            "text/xml": OpenApiTypes.STR,
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        responses={
            201: OpenApiResponse(DeploymentReport, description="At least one new version."),
            200: OpenApiResponse(DeploymentReport, description="Everything was deployed before."),
            **problems(422),
        },
        examples=[
            OpenApiExample(
                "Not executable",
                response_only=True,
                status_codes=["422"],
                media_type="application/problem+json",
                value={
                    "type": "urn:orchestrator:problem:model-invalid",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "The model cannot be executed: 1 problem. First: line 8, element 'Flow_2': ...",
                    "code": "model-invalid",
                    "instance": "/api/v1/process-definitions",
                    "problems": [
                        {
                            "rule": "unknown-reference",
                            "severity": "error",
                            "line": 8,
                            "element": "Flow_2",
                            "message": "Expected targetRef to name a flow node but found 'Task_9'",
                        }
                    ],
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        xml, resource, reason = self._file(request)
        deployment = definitions.deploy(xml, resource=resource, by=self.by, reason=reason)
        deployed: list[Any] = [*deployment.definitions, *deployment.decisions]
        for one in deployed:
            one.definition.created = one.created
        report = {
            "definitions": DeployedDefinition([one.definition for one in deployment.definitions], many=True).data,
            "decisions": DeployedDecisionRow([one.definition for one in deployment.decisions], many=True).data,
            "warnings": [describe(finding) for finding in deployment.warnings],
        }
        return Response(report, status.HTTP_201_CREATED if deployment.created else status.HTTP_200_OK)

    @extend_schema(
        summary="Delete a process definition",
        description="Only where there is no instance of it, running or ended. Where it is the latest version, the one "
        "before is the latest again, with what begins it.",
        parameters=[WHY],
        request=None,
        responses={204: None, **problems(409)},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        lifecycle.remove(self.get_object(), by=self.by, reason=self.why())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _file(self, request: Request) -> tuple[bytes, str, str]:
        """The document, the name to keep for it, and why it is deployed."""
        if isinstance(request.data, bytes):
            query = request.query_params
            asked = self.ask(Query, {"resource": query.get("resource", ""), "reason": query.get("reason", "")})
            return request.data, asked["resource"], asked["reason"]
        if not request.data and not request.FILES:
            raise ValidationError({"file": ["Expected a BPMN document but found an empty body."]}, code="required")
        form = self.ask(DeployUpload)
        return form["file"].read(), form.get("resource") or form["file"].name[:255], form.get("reason", "")

    @extend_schema(
        summary="Take the BPMN file back",
        description="Byte for byte as it was deployed.",
        responses={(200, "application/xml"): OpenApiTypes.BINARY},
    )
    @action(detail=True, content_negotiation_class=Fixed)
    def xml(self, request: Request, pk: str) -> HttpResponse:
        definition = self.get_object()
        name = definition.resource or f"{definition.process_id}-{definition.version}.bpmn"
        return document(bytes(definition.xml), "application/xml", name, download=True)

    @extend_schema(
        summary="Draw the process",
        description="The diagram of the file as an SVG.",
        responses={(200, "image/svg+xml"): OpenApiTypes.STR},
    )
    @action(detail=True, content_negotiation_class=Fixed)
    def drawing(self, request: Request, pk: str) -> HttpResponse:
        definition = self.get_object()
        name = f"{definition.process_id}-{definition.version}.svg"
        return document(drawings.drawing(definition), "image/svg+xml", name)

    @extend_schema(
        summary="Draw a process definition as a PNG",
        description="The same picture in pixels, two for each of the drawing.",
        responses={(200, "image/png"): OpenApiTypes.BINARY, **problems(409)},
    )
    @action(detail=True, url_path="drawing.png", url_name="picture", content_negotiation_class=Fixed)
    def picture(self, request: Request, pk: str) -> HttpResponse:
        definition = self.get_object()
        name = f"{definition.process_id}-{definition.version}.png"
        return document(pictures.png(drawings.drawing(definition)), "image/png", name)
