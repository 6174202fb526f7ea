"""Batches over REST: the same for many instances, at a pace; how far it is, and what came of each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from processes.api import filters
from processes.api.batch_requests import (
    WORK,
    BatchItemRow,
    BatchPreview,
    BatchPreviewRequest,
    BatchRequest,
    BatchRow,
    chosen,
    demand,
)
from processes.api.interventions import cancels, starts
from processes.api.migrations import definition
from processes.api.pagination import InOrder
from processes.api.rows import Door, Rows
from processes.api.schema import problems
from processes.api.shapes import Reason, choices_of
from processes.models import Batch, BatchItem
from processes.runtime import batches, recovery


class BatchFilters(filters.FilterSet):  # type: ignore[misc]
    state = filters.ChoicesFilter(choices=choices_of(Batch, "state"), help_text="May be given twice.")
    kind = filters.ChoicesFilter(choices=choices_of(Batch, "kind"), help_text="May be given twice.")

    class Meta:
        model = Batch
        fields: list[str] = []


class ItemFilters(filters.FilterSet):  # type: ignore[misc]
    state = filters.ChoicesFilter(choices=choices_of(BatchItem, "state"), help_text="May be given twice.")

    class Meta:
        model = BatchItem
        fields: list[str] = []


@extend_schema(tags=["batches"])
@extend_schema_view(
    list=extend_schema(summary="List batches", description="Newest first."),
    retrieve=extend_schema(summary="Show a batch", description="And how far it is."),
)
class Batches(Rows):
    queryset = Batch.objects.all()
    serializer_class = BatchRow
    filterset_class = BatchFilters
    word = "batch"

    @extend_schema(
        summary="Create a batch",
        description="Has many instances modified, migrated or restarted, or many incidents tried again, one after the "
        "other, each in a transaction of its own. Whoever asks needs *add batch*, and the permission to do it to one: "
        "*change incident* for `retry`, and *change process instance* for the others and where `retry` sets "
        "variables.\n\n"
        "An incident is RETRIED when it was resolved. What came of it is known once its job has ended: RECOVERED, its "
        "visit went on; FAILED_AGAIN, an incident came back at the same visit. A RETRIED one of a batch that ended is "
        "one of which nobody knew for a day.",
        request=BatchRequest,
        responses={201: OpenApiResponse(BatchRow, description="It begins now."), **problems(404, 409, 422)},
        examples=[
            OpenApiExample(
                "Migrate all of a version",
                request_only=True,
                value={"migrate": {"target_definition_id": 8}, "running": {"definition_id": 7}, "rate": 20},
            ),
            OpenApiExample(
                "Move three tokens",
                request_only=True,
                value={
                    "modify": {"cancel": [{"element_id": "charge"}], "start": [{"element_id": "ship"}]},
                    "instance_ids": [11, 12, 13],
                },
            ),
            OpenApiExample(
                "Retry what is alike, with canaries",
                request_only=True,
                value={
                    "retry": {"retries": 1, "canaries": 5, "stop_at": 10, "reason": "The bank is back"},
                    "incidents": {"fingerprint": "0f3a9c1b2d4e5f60"},
                    "rate": 20,
                },
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        body = self.ask(BatchRequest)
        kind = next(word for word in WORK if word in body)
        demand(request, kind.upper(), body[kind])
        batch = self._retry(body) if kind == "retry" else self._begin(body)
        here = reverse("batch-detail", [batch.pk], request=request)
        return Response(self._shown(batch.pk), status.HTTP_201_CREATED, headers={"Location": here})

    def _retry(self, body: dict[str, Any]) -> Batch:
        return batches.retry(chosen(body), **body["retry"], rate=body.get("rate"), by=self.by)

    def _begin(self, body: dict[str, Any]) -> Batch:
        rate = body.get("rate")
        ids = body["instance_ids"] if "instance_ids" in body else batches.running(**body["running"])
        if (said := body.get("modify")) is not None:
            reason = said.get("reason", "")
            return batches.modify(ids, cancel=cancels(said), start=starts(said), reason=reason, rate=rate, by=self.by)
        if (said := body.get("migrate")) is not None:
            return batches.migrate(
                ids,
                definition(said["target_definition_id"]),
                mapping=said.get("mapping"),
                update_waits=said["update_waits"],
                reason=said.get("reason", ""),
                rate=rate,
                by=self.by,
            )
        said = body["restart"]
        return batches.restart(
            ids,
            start=starts(said),
            initial_variables=said["initial_variables"],
            definition=definition(said["definition_id"]) if "definition_id" in said else None,
            reason=said.get("reason", ""),
            rate=rate,
            by=self.by,
        )

    @extend_schema(
        operation_id="batches_preview",
        summary="Preview a retry of many",
        description="How many incidents, what they are, and what would happen to a few of them; it changes nothing. "
        "Needs the same permissions as to create the batch.",
        request=BatchPreviewRequest,
        responses={200: BatchPreview, **problems(422)},
        examples=[
            OpenApiExample(
                "All of a process",
                request_only=True,
                value={"retry": {"retries": 1}, "incidents": {"process_id": "order"}},
            )
        ],
    )
    @action(detail=False, methods=["post"], url_path="preview")
    def foresee(self, request: Request) -> Response:
        body = self.ask(BatchPreviewRequest)
        said = body.get("retry", {})
        demand(request, "RETRY", said)
        found = recovery.preview(chosen(body), retries=said.get("retries"), variables=said.get("variables"))
        return Response(BatchPreview(found).data)

    @extend_schema(
        summary="Pause a batch",
        description="After the instance that it is at.",
        request=Reason,
        responses={200: BatchRow, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        batches.pause(int(pk), by=self.by, reason=self.why())
        return Response(self._shown(pk))

    @extend_schema(
        summary="Resume a batch",
        description="What failed again until now is forgiven. Needs the permission to do to one what it does to many.",
        request=Reason,
        responses={200: BatchRow, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        batch: Batch = self.get_object()
        demand(request, batch.kind, batch.instructions)
        batches.resume(batch.pk, by=self.by, reason=self.why())
        return Response(self._shown(pk))

    @extend_schema(
        summary="Cancel a batch",
        description="What is done stays done; what is pending is never done.",
        request=Reason,
        responses={200: BatchRow, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        batches.cancel(int(pk), by=self.by, reason=self.why())
        return Response(self._shown(pk))

    def _shown(self, pk: Any) -> Any:
        return BatchRow(self.get_queryset().get(pk=pk), context=self.get_serializer_context()).data


@extend_schema_view(
    list=extend_schema(
        summary="List the instances of a batch",
        description="In the order in which they have their turn, with what came of each.",
        parameters=[OpenApiParameter("batch_id", int, OpenApiParameter.PATH, description="Id of the batch.")],
        tags=["batches"],
    )
)
class BatchItems(mixins.ListModelMixin, Door):
    queryset = BatchItem.objects.all()
    serializer_class = BatchItemRow
    filterset_class = ItemFilters
    pagination_class = InOrder

    def get_queryset(self) -> Any:
        return self.queryset.filter(batch_id=self.kwargs.get("batch_id", 0))

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        number = kwargs["batch_id"]
        if not Batch.objects.filter(pk=number).exists():
            raise NotFound(f"There is no batch {number}.", code="batch-not-found")
        return super().list(request, *args, **kwargs)
