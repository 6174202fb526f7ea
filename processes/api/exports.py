"""An instance for other tools: its drawing in pixels, its history and its trace whole, where `parts` has pages.

The history needs `view_step`, here as in its pages; drawing and trace need `view_processinstance`, as what they show on
the page of the instance does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from processes.api.documents import document, streamed
from processes.api.parts import StepRow
from processes.api.permissions import HistoryPermissions
from processes.api.rendering import Fixed, dumps
from processes.api.rows import Door
from processes.api.schema import problems
from processes.models import ProcessInstance
from processes.runtime import drawings, exports, payload, pictures, traces


@extend_schema(tags=["process-instances"])
class Exports(Door):
    queryset = ProcessInstance.objects.select_related("definition")
    serializer_class = StepRow
    word = "instance"

    @extend_schema(
        summary="Draw the path of an instance as a PNG",
        description="The drawing in pixels, two for each of its own, for documents and chats.",
        responses={(200, "image/png"): OpenApiTypes.BINARY, **problems(409)},
    )
    @action(detail=True, url_path="drawing.png", url_name="picture", content_negotiation_class=Fixed)
    def picture(self, request: Request, pk: str) -> HttpResponse:
        instance = self.get_object()
        picture = pictures.png(drawings.drawing(instance.definition, instance))
        return document(picture, "image/png", f"{instance.process_id}-{instance.pk}.png")

    @extend_schema(
        summary="Export the history of an instance as JSON",
        description="One array of all its steps, oldest first, as `history` pages through them, and for those who may "
        "see those: *view step* beside *view process instance*. Who may not view payload gets it without values.",
        responses={(200, "application/json"): StepRow(many=True)},
        filters=False,
    )
    @action(
        detail=True, url_path="history.json", url_name="history-json", content_negotiation_class=Fixed,
        pagination_class=None, permission_classes=[HistoryPermissions],
    )  # fmt: skip
    def history_json(self, request: Request, pk: str) -> StreamingHttpResponse:
        return self._history(request, exports.history_json, "application/json", "json")

    @extend_schema(
        summary="Export the history of an instance as CSV",
        description="A line for every fact, oldest first: step, at, by, command, fact, element, key, details as JSON. "
        "Needs *view step* beside *view process instance*. Who may not view payload gets it without values.",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(
        detail=True, url_path="history.csv", url_name="history-csv", content_negotiation_class=Fixed,
        permission_classes=[HistoryPermissions],
    )  # fmt: skip
    def history_csv(self, request: Request, pk: str) -> StreamingHttpResponse:
        return self._history(request, exports.history_csv, "text/csv; charset=utf-8", "csv")

    @extend_schema(
        summary="Export an instance as an OpenTelemetry trace",
        description="The request that a collector takes at `/v1/traces`, in JSON (OTLP): visits, attempts and waits as "
        "spans, in the trace of the outermost caller. As bounded as the timeline.",
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
    @action(detail=True, url_path="trace.json", url_name="trace", content_negotiation_class=Fixed)
    def trace(self, request: Request, pk: str) -> HttpResponse:
        instance = self.get_object()
        name = f"{instance.process_id}-{instance.pk}.trace.json"
        return document(dumps(traces.trace(instance)), "application/json", name, download=True)

    def _history(
        self, request: Request, export: Callable[..., Iterator[str]], content_type: str, ending: str
    ) -> StreamingHttpResponse:
        instance = self.get_object()
        pieces = export(instance, values=request.user.has_perm(payload.RIGHT))
        return streamed(pieces, content_type, f"{instance.process_id}-{instance.pk}.{ending}")
