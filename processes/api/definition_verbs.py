"""What is asked of a deployed version over REST, and of files before they are deployed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import parsing
from processes.api.definitions import Query, Upload
from processes.api.errors import describe
from processes.api.migrations import definition
from processes.api.rows import Door
from processes.api.schema import ModelProblem, problems
from processes.api.shapes import Id, Input, Text
from processes.models import ProcessDefinition
from processes.runtime import comparisons, deployments, lifecycle, statistics
from processes.runtime.deployments import File

MOST_FILES = 50
WINDOWS = statistics.WINDOWS


class ExpectedVersion(serializers.Serializer[Any]):
    """What deploying the file would make of a process or decision."""

    kind = serializers.CharField(help_text="`process` or `decision`.")
    id = serializers.CharField(help_text="Id of the process or decision.")
    name = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField()
    created = serializers.BooleanField(help_text="False: the file was deployed before, and this is that version.")


class FileVerdict(serializers.Serializer[Any]):
    """What deploying a file would say."""

    file = serializers.CharField(source="file.name")
    valid = serializers.BooleanField(help_text="False: it would be refused.")
    expected = ExpectedVersion(many=True)
    problems = serializers.SerializerMethodField()

    @extend_schema_field(ModelProblem(many=True))
    def get_problems(self, verdict: Any) -> list[dict[str, Any]]:
        return [describe(problem) for problem in verdict.problems]


class Validation(serializers.Serializer[Any]):
    """What deploying these files together would say."""

    valid = serializers.BooleanField(help_text="Whether all of them would be deployed.")
    files = FileVerdict(many=True)


class Suspension(Input):
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="Kept with the definition.")
    all_versions = serializers.BooleanField(
        required=False, default=False, help_text="Every version that there is now, not this one only."
    )
    with_instances = serializers.BooleanField(
        required=False,
        default=False,
        help_text=f"The running instances too, at most {lifecycle.AT_ONCE:,} at once; ask again while `more` is true.",
    )


class SuspensionReport(serializers.Serializer[Any]):
    """What was suspended or resumed."""

    definition_ids = serializers.ListField(child=serializers.IntegerField())
    instance_ids = serializers.ListField(child=serializers.IntegerField())
    rejected = serializers.DictField(child=serializers.CharField(), help_text="Why not, by id of the instance.")
    more = serializers.BooleanField(help_text="Instances are left.")


class ChangeShown(serializers.Serializer[Any]):
    """What differs in one element."""

    what = serializers.CharField(help_text="Such as `header url` or `conditionExpression`.")
    old = serializers.CharField(allow_null=True, help_text="Null: it was not there.")
    new = serializers.CharField(allow_null=True, help_text="Null: it is gone.")


class ElementChangeShown(serializers.Serializer[Any]):
    id = serializers.CharField()
    tag = serializers.CharField(help_text="The BPMN element, such as `serviceTask`.")
    name = serializers.CharField(allow_blank=True)
    kind = serializers.CharField(help_text="`added`, `removed`, `changed` or `moved`.")
    moved = serializers.BooleanField(help_text="Whether it stands elsewhere in the drawing.")
    changes = ChangeShown(many=True)


class ComparisonShown(serializers.Serializer[Any]):
    """What differs from the old version to the new one."""

    old_definition_id = serializers.IntegerField(source="old.pk")
    new_definition_id = serializers.IntegerField(source="new.pk")
    same = serializers.BooleanField(help_text="Whether nothing differs in the process.")
    elements = ElementChangeShown(many=True)


class With(Input):
    with_ = Id(help_text="Of the other definition, the new one.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"with": super().get_fields()["with_"]}


class Window(Input):
    window = serializers.ChoiceField(choices=[*WINDOWS, "all"], required=False, default="day")


class ElementStatisticsShown(serializers.Serializer[Any]):
    element_id = serializers.CharField()
    visits = serializers.IntegerField(help_text="That began in the window, of the sample.")
    running = serializers.IntegerField(help_text="Visits that are alive now.")
    failed = serializers.IntegerField(help_text="Those of the visits that had an incident.")
    failure_rate = serializers.FloatField(allow_null=True, help_text="From 0 to 1.")
    incidents = serializers.IntegerField(help_text="Open now.")
    average_seconds = serializers.SerializerMethodField(help_text="Of visits that ended.")
    p95_seconds = serializers.SerializerMethodField(help_text="95 of 100 visits took no longer.")

    def get_average_seconds(self, row: Any) -> float | None:
        return None if row.average is None else row.average.total_seconds()

    def get_p95_seconds(self, row: Any) -> float | None:
        return None if row.p95 is None else row.p95.total_seconds()


class StatisticsShown(serializers.Serializer[Any]):
    """Numbers of the elements of a version."""

    since = serializers.DateTimeField(allow_null=True)
    sampled = serializers.IntegerField(
        help_text=f"Visits that were looked at, the newest; at most {statistics.VISITS:,}."
    )
    cut = serializers.BooleanField(help_text="There are older visits in the window that were not looked at.")
    more = serializers.BooleanField(help_text=f"What runs or is stuck was counted up to {statistics.COUNTED:,} only.")
    elements = ElementStatisticsShown(many=True)


@extend_schema(tags=["process-definitions"])
class DefinitionVerbs(Door):
    queryset = ProcessDefinition.objects.defer("xml")
    serializer_class = SuspensionReport
    word = "definition"

    @extend_schema(
        summary="Validate files without deploying them",
        description="What deploying these BPMN or DMN files together would say: every finding, and the versions that "
        "they would become. Nothing changes. The files are form fields `file`, or one is the body as it is.",
        parameters=[OpenApiParameter("resource", str, description="Name of a file sent as the body.")],
        request={
            "multipart/form-data": Upload,
            "application/xml": OpenApiTypes.STR,
            "text/xml": OpenApiTypes.STR,
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        responses={200: Validation},
    )
    @action(
        detail=False,
        methods=["post"],
        parser_classes=[
            parsing.MultiPartParser,
            parsing.BPMNParser,
            parsing.TextBPMNParser,
            parsing.BinaryBPMNParser,
        ],
    )
    def validate(self, request: Request) -> Response:
        verdicts = deployments.check(self._files(request))
        return Response(Validation({"valid": all(one.valid for one in verdicts), "files": verdicts}).data)

    def _files(self, request: Request) -> list[File]:
        if isinstance(request.data, bytes):
            asked = self.ask(Query, {"resource": request.query_params.get("resource", "")})
            return [File(asked["resource"], request.data)]
        files = request.FILES.getlist("file")
        if not files:
            raise ValidationError({"file": ["Expected a BPMN or DMN document but found none."]}, code="required")
        if len(files) > MOST_FILES:
            message = f"Expected at most {MOST_FILES} files but found {len(files)}."
            raise ValidationError({"file": [message]}, code="max_length")
        return [File((file.name or "")[:255], file.read()) for file in files]

    @extend_schema(
        summary="Suspend a process definition",
        description="No instance of it begins until it is resumed: starts are rejected with `definition-suspended`, a "
        "call activity gets an incident, timers stay due, messages stay buffered, signals pass it by.",
        request=Suspension,
        responses={200: SuspensionReport, **problems(404, 409)},
        examples=[OpenApiExample("One version", request_only=True, value={"reason": "Wrong prices"})],
    )
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: str) -> Response:
        return self._turned(lifecycle.suspend(self.get_object(), **self.ask(Suspension), by=self.by))

    @extend_schema(
        summary="Resume a process definition",
        description="What became due meanwhile has its turn; messages that are still buffered begin instances.",
        request=Suspension,
        responses={200: SuspensionReport, **problems(404, 409)},
        examples=[OpenApiExample("One version", request_only=True, value={})],
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        return self._turned(lifecycle.resume(self.get_object(), **self.ask(Suspension), by=self.by))

    def _turned(self, turned: lifecycle.Turned) -> Response:
        shown = {
            "definition_ids": [row.pk for row in turned.definitions],
            "instance_ids": turned.instances,
            "rejected": {str(id): why for id, why in turned.rejected.items()},
            "more": turned.more,
        }
        return Response(SuspensionReport(shown).data)

    @extend_schema(
        summary="Compare two process definitions",
        description="What differs from this version to the one in `with`, element by element.",
        parameters=[OpenApiParameter("with", int, required=True, description="Id of the other, the new definition.")],
        responses={200: ComparisonShown, **problems(400, 404)},
    )
    @action(detail=True)
    def diff(self, request: Request, pk: str) -> Response:
        asked = self.ask(With, request.query_params.dict())
        return Response(ComparisonShown(comparisons.of_versions(self.get_object(), definition(asked["with"]))).data)

    @extend_schema(
        summary="Numbers of the elements of a process definition",
        description=f"Visits, durations and failures are those of the newest {statistics.VISITS:,} visits within the "
        f"newest {statistics.INSTANCES:,} instances; what runs and what is stuck is counted now.",
        parameters=[
            OpenApiParameter("window", str, enum=[*WINDOWS, "all"], description="How far back; `day` unless said.")
        ],
        responses={200: StatisticsShown, **problems(400, 404)},
    )
    @action(detail=True)
    def statistics(self, request: Request, pk: str) -> Response:
        window = self.ask(Window, request.query_params.dict())["window"]
        found = statistics.of_version(self.get_object(), WINDOWS.get(window))
        shown = {
            "since": found.since,
            "sampled": found.sampled,
            "cut": found.cut,
            "more": found.more,
            "elements": list(found.elements.values()),
        }
        return Response(StatisticsShown(shown).data)
