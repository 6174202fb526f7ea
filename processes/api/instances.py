"""Process instances over REST: start, find, look at, correct, stop. Their parts are in `parts`, their shapes in
`instance_shapes`."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from processes.api import filters
from processes.api.documents import document
from processes.api.instance_shapes import (
    OPEN_INCIDENTS,
    InstanceDetail,
    InstanceRow,
    Pick,
    Scope,
    ScopeVariables,
    Start,
    VariablesPatch,
)
from processes.api.pagination import NewestStarted
from processes.api.rendering import Fixed
from processes.api.rows import ID, Rows
from processes.api.schema import problems
from processes.api.shapes import Reason, choices_of
from processes.models import FlowNodeInstance, Incident, ProcessDefinition, ProcessInstance
from processes.runtime import definitions, drawings, instances


class InstanceFilters(filters.FilterSet):  # type: ignore[misc]
    state = filters.ChoicesFilter(choices=choices_of(ProcessInstance, "state"), help_text="May be given twice.")
    process_id = filters.TextFilter(help_text="Id of the process, exactly.")
    definition = filters.IdFilter(field_name="definition_id", help_text="Id of the process definition.")
    business_key = filters.TextFilter(help_text="Exactly.")
    parent = filters.IdFilter(field_name="parent_id", help_text="Id of the instance that called it.")
    root = filters.IdFilter(field_name="root_id", help_text="Id of its outermost caller.")
    started_after = filters.MomentFilter(field_name="started_at", lookup_expr="gte")
    started_before = filters.MomentFilter(field_name="started_at", lookup_expr="lt")
    has_incident = filters.FlagFilter(method="with_incident", help_text="Whether a part of it needs an operator.")

    class Meta:
        model = ProcessInstance
        fields: list[str] = []

    def with_incident(self, rows: QuerySet[ProcessInstance], name: str, value: bool) -> QuerySet[ProcessInstance]:
        open_ones = Exists(Incident.objects.filter(instance=OuterRef("pk"), ended_at__isnull=True))
        return rows.filter(open_ones if value else ~open_ones)


SCOPE = OpenApiParameter("scope", int, description="0, or left out: the process; else the key of a visit.")
KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Same as `start_key`: a repeated start is the first."
)


@extend_schema(tags=["process-instances"])
@extend_schema_view(
    list=extend_schema(
        summary="List process instances",
        description="Newest first; with `started_before` by when they started.",
    ),
    retrieve=extend_schema(
        summary="Show a process instance", description="And where it stands.", responses={200: InstanceDetail}
    ),
)
class Instances(Rows):
    queryset = (
        ProcessInstance.objects.defer("variables")
        .select_related("definition")
        .defer("definition__xml")
        .annotate(open_incidents=OPEN_INCIDENTS)
    )
    serializer_class = InstanceRow
    filterset_class = InstanceFilters
    pagination_class = NewestStarted
    word = "instance"

    def get_serializer_class(self) -> type[InstanceRow]:
        return InstanceRow if self.action == "list" else InstanceDetail

    @extend_schema(
        summary="Start a process instance",
        description=(
            "503 with `Retry-After` and code `overloaded` while due jobs wait for longer than the installation allows "
            "(ORCHESTRATOR_MAX_QUEUE_AGE): nothing was begun, and the same request may be sent again. With a "
            "`start_key`, what was started before is answered all the same."
        ),
        parameters=[KEY],
        request=Start,
        responses={
            201: OpenApiResponse(InstanceDetail, description="Started."),
            200: OpenApiResponse(InstanceDetail, description="It was started before, with this key."),
            **problems(404, 409, 422),
        },
        examples=[
            OpenApiExample(
                "An order",
                request_only=True,
                value={
                    "process_id": "order",
                    "variables": {"customer": "C-17", "amount": 129.90},
                    "business_key": "order-4711",
                    "start_key": "order-4711",
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(Start)
        started = instances.start(
            self._definition(body),
            variables=body.get("variables"),
            business_key=body.get("business_key", ""),
            start_key=body.get("start_key"),
            by=self.by,
        )
        here = reverse("process-instance-detail", [started.instance.pk], request=request)
        code = status.HTTP_201_CREATED if started.created else status.HTTP_200_OK
        return Response(self._shown(started.instance.pk), code, headers={"Location": here})

    def _definition(self, body: dict[str, Any]) -> ProcessDefinition:
        if "process_id" in body:
            return definitions.find(body["process_id"], body.get("version"))
        try:
            return ProcessDefinition.objects.get(pk=body["definition_id"])
        except ProcessDefinition.DoesNotExist:
            raise NotFound(f"There is no definition {body['definition_id']}.", code="definition-not-found") from None

    def _shown(self, pk: Any) -> Any:
        return InstanceDetail(self.get_queryset().get(pk=pk), context=self.get_serializer_context()).data

    # -- variables -----------------------------------------------------------------------------------------------------

    @extend_schema(
        summary="Show the variables of a scope", parameters=[SCOPE], responses={200: ScopeVariables, **problems(404)}
    )
    @action(detail=True)
    def variables(self, request: Request, pk: str) -> Response:
        scope = self._scope()
        return Response(self._told(scope))

    @extend_schema(
        summary="Set variables of a scope",
        description="Merges: a variable that is not named keeps its value.",
        parameters=[SCOPE],
        request=VariablesPatch,
        responses={200: ScopeVariables, **problems(404, 409, 422)},
        examples=[OpenApiExample("Correct one", request_only=True, value={"variables": {"amount": 119.90}})],
    )
    @variables.mapping.patch
    def set_variables(self, request: Request, pk: str) -> Response:
        scope = self._scope()
        instances.set_variables(int(pk), **self.ask(VariablesPatch), scope=scope, by=self.by)
        return Response(self._told(scope))

    def _told(self, scope: int) -> Any:
        told = {"scope": scope, "variables": self._variables(scope)}
        return ScopeVariables(told, context=self.get_serializer_context()).data

    def _scope(self) -> int:
        asked = self.request.query_params.get("scope")
        return int(self.ask(Scope, {} if asked is None else {"scope": asked})["scope"])

    def _variables(self, scope: int) -> Any:
        instance = self.get_object()
        if not scope:
            return instance.variables
        visit = FlowNodeInstance.objects.filter(instance=instance, key=scope).first()
        if visit is None:
            raise NotFound(f"There is no visit {scope} of instance {instance.pk}.", code="scope-not-found")
        return visit.variables

    # -- drawing -------------------------------------------------------------------------------------------------------

    @extend_schema(
        summary="Draw the path of an instance",
        description="The diagram as an SVG: the path taken, where it stands, and what failed.",
        responses={(200, "image/svg+xml"): str},
    )
    @action(detail=True, content_negotiation_class=Fixed)
    def drawing(self, request: Request, pk: str) -> HttpResponse:
        instance = self.get_object()
        picture = drawings.drawing(instance.definition, instance)
        return document(picture, "image/svg+xml", f"{instance.process_id}-{instance.pk}.svg")

    # -- verbs ---------------------------------------------------------------------------------------------------------

    @extend_schema(
        summary="Cancel an instance",
        description="Ends it and everything in it. What workers still do for it has no effect.",
        request=Reason,
        responses={200: InstanceDetail, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        instances.cancel(int(pk), reason=self.why(), by=self.by)
        return Response(self._shown(pk))

    @extend_schema(
        summary="Activate elements of an ad-hoc sub-process",
        description="Picks what is to be performed inside a live visit to it. With sequential ordering, in turn.",
        parameters=[OpenApiParameter("node", int, OpenApiParameter.PATH, description="Key of the visit.")],
        request=Pick,
        responses={200: InstanceDetail, **problems(404, 409, 422)},
        examples=[OpenApiExample("Two of them", request_only=True, value={"elements": ["call", "write"]})],
    )
    @action(detail=True, methods=["post"], url_path=f"ad-hoc/(?P<node>{ID})/activate", url_name="ad-hoc")
    def activate_ad_hoc(self, request: Request, pk: str, node: str) -> Response:
        instances.activate_ad_hoc(int(pk), int(node), **self.ask(Pick), by=self.by)
        return Response(self._shown(pk))

    @extend_schema(
        summary="Suspend an instance",
        description=(
            "Nothing of it is handed out or fires until it is resumed. Claimed jobs may still be completed. "
            "Instances that it called, or calls meanwhile, follow."
        ),
        request=Reason,
        responses={200: InstanceDetail, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: str) -> Response:
        instances.suspend(int(pk), reason=self.why(), by=self.by)
        return Response(self._shown(pk))

    @extend_schema(
        summary="Resume an instance",
        description="Instances that were suspended with it follow; one that was suspended by itself stays so.",
        request=Reason,
        responses={200: InstanceDetail, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        instances.resume(int(pk), reason=self.why(), by=self.by)
        return Response(self._shown(pk))
