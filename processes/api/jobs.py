"""Jobs over REST: the protocol of external workers. Claim, then complete, fail or throw an error; extend meanwhile.

`attempt` is the fence: it comes with the claim and goes with the outcome, and an outcome of a superseded attempt is
409 ``job-not-claimed``. So a worker whose lease ran out cannot overwrite what its successor does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters, presence
from processes.api.payload import Payload
from processes.api.rows import Rows
from processes.api.schema import problems
from processes.api.shapes import Count, Input, Name, Seconds, Shown, Text, Variables, choices_of
from processes.api.waiting import Waiter, is_connected, lobby
from processes.models import Job
from processes.runtime import external, jobs

DAY = 86_400
LONGEST_WAIT = 60


class JobRow(Payload, Shown):
    """A job that is not done yet."""

    payload = ("progress",)

    instance_id = serializers.IntegerField(read_only=True, help_text="Of the process instance.")
    headers = Variables(read_only=True, help_text="Static task headers of the model.")
    parked = serializers.CharField(
        read_only=True,
        help_text="Why its connection lets it wait: paused, breaker, rate, concurrency; empty: it does not.",
    )
    progress = Variables(read_only=True, allow_null=True, help_text="What its workers reported so far; null: nothing.")

    class Meta:
        model = Job
        fields = [
            "id", "type", "state", "suspended", "process_id", "instance_id", "key", "node", "element_id", "headers",
            "retries", "attempt", "due_at", "created_at", "worker", "claimed_at", "lease_until", "error_message",
            "connection", "parked", "progress", "hidden",
        ]  # fmt: skip
        read_only_fields = fields


class ClaimedJob(serializers.Serializer[Any]):
    """A job that the caller may work on until `lease_until`."""

    id = serializers.IntegerField(help_text="For the address of the outcome.")
    type = serializers.CharField()
    process_id = serializers.CharField()
    definition_id = serializers.IntegerField()
    instance_id = serializers.IntegerField()
    element_id = serializers.CharField(help_text="Id of the BPMN element that it works for.")
    business_key = serializers.CharField(allow_blank=True)
    variables = Variables(help_text="Its inputs: the mapped ones, or whatever it can see where the model maps none.")
    headers = Variables(help_text="Static task headers of the model.")
    progress = Variables(help_text="What this attempt or an earlier one reported with `extend`; empty: nothing.")
    attempt = serializers.IntegerField(help_text="To be sent with the outcome.")
    retries = serializers.IntegerField(help_text="Tries left, this one included.")
    worker = serializers.CharField()
    lease_until = serializers.DateTimeField(help_text="Later, another worker may get it.")
    idempotency_key = serializers.CharField(
        help_text="The same over all attempts of this job and of no other: for calls that must not happen twice."
    )


class ClaimedJobs(serializers.Serializer[Any]):
    jobs = ClaimedJob(many=True, help_text="At most `max_jobs`, those first that are due longest. May be empty.")


class Claim(Input):
    """Which jobs, for whom, for how long."""

    type = Name(required=False, help_text="One job type; or `types`.")
    types = serializers.ListField(
        child=Name(), required=False, min_length=1, max_length=100, help_text="Several job types."
    )
    worker = Name(help_text="Name of the worker, for operators.")
    max_jobs = serializers.IntegerField(required=False, default=1, min_value=1, max_value=100)
    lease_seconds = Seconds(
        required=False, min_value=1, max_value=DAY, help_text="How long the jobs are the worker's; 60 unless set up."
    )
    wait_seconds = Seconds(
        required=False,
        default=0.0,
        min_value=0,
        max_value=LONGEST_WAIT,
        help_text="How long to wait for a job where none is due. The answer comes as soon as one is.",
    )
    fields = serializers.ListField(  # type: ignore[assignment]
        child=Name(), required=False, max_length=1000, help_text="Only these variables; all unless given."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("type" in attrs) == ("types" in attrs):
            raise serializers.ValidationError("Expected either type or types.", code="required")
        attrs["types"] = attrs.get("types") or [attrs["type"]]
        return attrs


class Attempt(Input):
    attempt = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="As claimed. Another one is rejected: someone else's turn."
    )


class Extension(Attempt):
    lease_seconds = Seconds(min_value=1, max_value=DAY, help_text="From now on.")
    progress = Variables(
        required=False,
        help_text="What was achieved so far, for operators and for the next attempt, in place of what was kept before.",
    )


class Lease(serializers.Serializer[Any]):
    lease_until = serializers.DateTimeField(help_text="The new end of the lease.")


class Completion(Attempt):
    variables = Variables(required=False, help_text="The result, which the output mappings of the model see.")


class Failure(Attempt):
    message = Text(allow_blank=True, max_length=10_000, help_text="Why, for operators.")
    retries = Count(
        required=False, max_value=1000, help_text="Tries left; one fewer than before unless given. 0: an incident."
    )
    retry_in_seconds = Seconds(
        required=False, min_value=0, max_value=365 * DAY, help_text="When to try again; else the model's backoff."
    )


class ErrorThrow(Attempt):
    code = Name(help_text="Error code; looks for a boundary event with it.")
    message = Text(required=False, allow_blank=True, max_length=10_000, help_text="For people.")
    variables = Variables(required=False, help_text="Go to the scope of the event that catches it.")


class JobFilters(filters.FilterSet):  # type: ignore[misc]
    type = filters.TextFilter(help_text="Exactly.")
    state = filters.ChoicesFilter(choices=choices_of(Job, "state"), help_text="May be given twice.")
    process_id = filters.TextFilter(help_text="Id of the process, exactly.")
    instance = filters.IdFilter(field_name="instance_id", help_text="Id of the process instance.")
    element_id = filters.TextFilter(help_text="Id of the BPMN element, exactly.")
    worker = filters.TextFilter(help_text="Name of the worker that has it, exactly.")
    connection = filters.TextFilter(help_text="Name of the connection that it calls, exactly.")
    parked = filters.ChoicesFilter(choices=choices_of(Job, "parked"), help_text="Why its connection lets it wait.")

    class Meta:
        model = Job
        fields: list[str] = []


@extend_schema(tags=["jobs"])
@extend_schema_view(
    list=extend_schema(
        summary="List jobs", description="Newest first. A job is gone when it is done; see the history of its instance."
    ),
    retrieve=extend_schema(summary="Show a job"),
)
class Jobs(Rows):
    queryset = Job.objects.all()
    serializer_class = JobRow
    filterset_class = JobFilters
    word = "job"

    @extend_schema(
        summary="Claim jobs",
        description=(
            "Hands out jobs that are due, those first that are due longest, each to one worker at a time. With "
            "`wait_seconds` the answer waits for a job where none is due (long polling); after that it is an empty "
            "list. Where too many wait already it is 503 with `Retry-After`. While other workers wait for the same "
            "types, nobody gets more than a fair share of what is due, however large `max_jobs`."
        ),
        request=Claim,
        responses={200: OpenApiResponse(ClaimedJobs, description="What the worker has now, perhaps nothing.")},
        examples=[
            OpenApiExample(
                "Wait for a payment",
                request_only=True,
                value={
                    "type": "payment",
                    "worker": "payments-1",
                    "max_jobs": 10,
                    "lease_seconds": 120,
                    "wait_seconds": 30,
                    "fields": ["customer", "amount"],
                },
            ),
            OpenApiExample(
                "One payment",
                response_only=True,
                status_codes=["200"],
                value={
                    "jobs": [
                        {
                            "id": 17,
                            "type": "payment",
                            "process_id": "order",
                            "definition_id": 3,
                            "instance_id": 12,
                            "element_id": "ServiceTask_1",
                            "business_key": "order-4711",
                            "variables": {"customer": "C-17", "amount": 129.90},
                            "headers": {},
                            "attempt": 1,
                            "retries": 3,
                            "worker": "payments-1",
                            "lease_until": "2030-01-31T12:02:00Z",
                            "idempotency_key": "12-4",
                        }
                    ]
                },
            ),
        ],
    )
    @action(detail=False, methods=["post"])
    def claim(self, request: Request) -> Response:
        asked = self.ask(Claim)
        presence.seen(asked["worker"], asked["types"])
        claimed: Sequence[jobs.ClaimedJob] = []
        if is_connected(request.META):  # or else a busy server would give jobs to those who gave up asking
            claimed = self._claim(asked) or self._wait(asked)
        shown = ClaimedJob(claimed, many=True).data
        if "fields" in asked:
            wanted = set(asked["fields"])
            for job in shown:
                job["variables"] = {name: value for name, value in job["variables"].items() if name in wanted}
        return Response({"jobs": shown})

    def _claim(self, asked: dict[str, Any], waiter: Waiter | None = None) -> Sequence[jobs.ClaimedJob]:
        limit = lobby.share(asked["types"], asked["max_jobs"], waiter)
        return external.claim(asked["types"], worker=asked["worker"], limit=limit, lease=asked.get("lease_seconds"))

    def _wait(self, asked: dict[str, Any]) -> Sequence[jobs.ClaimedJob]:
        """Claims until there is something or the time is over. Between two claims no transaction is open."""
        wait: timedelta = asked["wait_seconds"]
        if not wait:
            return []
        until = time.monotonic() + wait.total_seconds()
        with lobby.waiting(asked["types"]) as waiter:
            while (left := until - time.monotonic()) > 0 and not lobby.closing:
                if not waiter.wait(left) or not is_connected(self.request.META):
                    break
                if claimed := self._claim(asked, waiter):
                    return claimed
        return []

    @extend_schema(
        summary="Extend the lease of a job",
        description=(
            "Holds the job for longer, and may report progress, which outlives the attempt. 404 and 409 say that the "
            "work is not wanted any more: it was cancelled, or another worker has it."
        ),
        request=Extension,
        responses={200: Lease, **problems(409, 422)},
        examples=[
            OpenApiExample("Two more minutes", request_only=True, value={"attempt": 1, "lease_seconds": 120}),
            OpenApiExample(
                "Half of it done",
                request_only=True,
                value={"attempt": 1, "lease_seconds": 120, "progress": {"pages": 5, "of": 10}},
            ),
        ],
    )
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, pk: str) -> Response:
        body = self.ask(Extension)
        if "progress" in body:
            until = jobs.checkpoint(int(pk), body["attempt"], body["progress"], lease=body["lease_seconds"])
        else:
            until = jobs.extend(int(pk), body["attempt"], body["lease_seconds"], by=self.by)
        return Response(Lease({"lease_until": until}).data)

    @extend_schema(
        summary="Complete a job",
        description="The work is done; the instance moves on.",
        request=Completion,
        responses={204: OpenApiResponse(description="Taken over."), **problems(409, 422)},
        examples=[
            OpenApiExample(
                "Paid", request_only=True, value={"attempt": 1, "variables": {"receipt": "R-1", "paid": 129.90}}
            )
        ],
    )
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        body = self.ask(Completion)
        jobs.complete(int(pk), body["attempt"], body.get("variables", {}), by=self.by)
        return Response(status=204)

    @extend_schema(
        summary="Fail a job",
        description="The work could not be done. It is tried again, later; after the last try an operator decides.",
        request=Failure,
        responses={204: OpenApiResponse(description="Noted."), **problems(409, 422)},
        examples=[
            OpenApiExample(
                "Try again in a minute",
                request_only=True,
                value={"attempt": 1, "message": "The bank did not answer", "retry_in_seconds": 60},
            )
        ],
    )
    @action(detail=True, methods=["post"])
    def fail(self, request: Request, pk: str) -> Response:
        body = self.ask(Failure)
        jobs.fail(
            int(pk),
            body["attempt"],
            body["message"],
            retries=body.get("retries"),
            retry_in=body.get("retry_in_seconds"),
            by=self.by,
        )
        return Response(status=204)

    @extend_schema(
        summary="Throw a business error",
        description=(
            "The work ended in an outcome that the model routes on: a boundary error event with the code, or outward "
            "from there. Where nobody catches it, an incident. No retry is consumed."
        ),
        request=ErrorThrow,
        responses={204: OpenApiResponse(description="Thrown."), **problems(409, 422)},
        examples=[
            OpenApiExample(
                "No cover",
                request_only=True,
                value={"attempt": 1, "code": "NO_COVER", "message": "The account has 12.30", "variables": {}},
            )
        ],
    )
    @action(detail=True, methods=["post"])
    def error(self, request: Request, pk: str) -> Response:
        body = self.ask(ErrorThrow)
        jobs.throw_error(
            int(pk), body["attempt"], body["code"], body.get("message", ""), body.get("variables"), by=self.by
        )
        return Response(status=204)
