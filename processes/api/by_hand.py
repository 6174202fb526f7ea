"""What operators do in the place of workers, of the clock and of senders, over REST. No lease is needed.

Parts are named by their key within the instance, as its lists show them. What is over by then is 404, and a job that
was tried again since the `attempt` that the operator saw is 409 ``job-moved``: nothing is decided about something that
went on meanwhile. The permission is that to change instances, for workers have that to change jobs.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.instance_shapes import InstanceDetail
from processes.api.interventions import Intervening
from processes.api.rows import ID
from processes.api.schema import problems
from processes.api.shapes import Count, Name, Reason, Text, Variables
from processes.runtime import by_hand

PAID = {"variables": {"receipt": "R-1"}, "reason": "Paid by bank transfer"}


class Given(Reason):
    variables = Variables(required=False, help_text="What it brings.")


class Result(Reason):
    variables = Variables(
        required=False, help_text="The result, which the output mappings of the model see; without any, variables."
    )
    attempt = Count(required=False, help_text="The attempt that was seen: refused where there is a later one.")


class Error(Reason):
    code = Name(help_text="Error code; looks for an event that catches it.")
    message = Text(required=False, allow_blank=True, max_length=10_000, help_text="For people.")
    variables = Variables(required=False, help_text="Go to the scope of the event that catches it.")
    attempt = Count(required=False, help_text="The attempt that was seen: refused where there is a later one.")


def of_part(name: str, what: str) -> Any:
    """The parameter that names a part."""
    return OpenApiParameter(name, int, OpenApiParameter.PATH, description=f"Key of the {what} within the instance.")


@extend_schema(tags=["process-instances"])
class ByHand(Intervening):
    @extend_schema(
        summary="Complete a job by hand",
        description="Whoever holds it, and also after its last try failed. A worker that is at it is fenced off. "
        "`resultExpression` is not applied. A result that does not fit the model is 422 `result-unfit`.",
        parameters=[of_part("job", "job")],
        request=Result,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[OpenApiExample("Paid", request_only=True, value=PAID)],
    )
    @action(detail=True, methods=["post"], url_path=f"jobs/(?P<job>{ID})/complete", url_name="complete-job")
    def complete_job(self, request: Request, pk: str, job: str) -> Response:
        body = self.ask(Result)
        by_hand.complete_job(int(pk), int(job), body.get("variables"), **_told(body, "attempt"), by=self.by)
        return Response(self.shown(pk))

    @extend_schema(
        summary="Throw a business error by hand",
        description="In the place of whoever works on the job. Where nobody catches it: 409 `error-not-caught`.",
        parameters=[of_part("job", "job")],
        request=Error,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[OpenApiExample("No cover", request_only=True, value={"code": "NO_COVER", "reason": "They called"})],
    )
    @action(detail=True, methods=["post"], url_path=f"jobs/(?P<job>{ID})/throw-error", url_name="throw-error")
    def throw_error(self, request: Request, pk: str, job: str) -> Response:
        body = self.ask(Error)
        given = (body["code"], body.get("message", ""), body.get("variables"))
        by_hand.throw_error(int(pk), int(job), *given, **_told(body, "attempt"), by=self.by)
        return Response(self.shown(pk))

    @extend_schema(
        summary="Skip a visit",
        description="Ends it without its work, with all that is inside it, and goes on behind it. Its output mappings "
        "are not evaluated; `variables` go to the scope around it in their place.",
        parameters=[of_part("node", "visit")],
        request=Given,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[OpenApiExample("Not needed", request_only=True, value={"reason": "The customer collects it"})],
    )
    @action(detail=True, methods=["post"], url_path=f"nodes/(?P<node>{ID})/skip", url_name="skip")
    def skip(self, request: Request, pk: str, node: str) -> Response:
        body = self.ask(Given)
        by_hand.skip(int(pk), int(node), body.get("variables"), **_told(body), by=self.by)
        return Response(self.shown(pk))

    @extend_schema(
        summary="Fire a timer now",
        description="Instead of when it is due. One that repeats keeps its rhythm.",
        parameters=[of_part("timer", "timer")],
        request=Reason,
        responses={200: InstanceDetail, **problems(409)},
    )
    @action(detail=True, methods=["post"], url_path=f"timers/(?P<timer>{ID})/fire", url_name="fire-timer")
    def fire(self, request: Request, pk: str, timer: str) -> Response:
        by_hand.fire_timer(int(pk), int(timer), **_told(self.ask(Reason)), by=self.by)
        return Response(self.shown(pk))

    @extend_schema(
        summary="Send a message that is awaited",
        description="To this subscription and nobody else. To publish one for all, see `messages`.",
        parameters=[of_part("subscription", "message subscription")],
        request=Given,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[OpenApiExample("Paid", request_only=True, value=PAID)],
    )
    @action(
        detail=True, methods=["post"], url_path=f"subscriptions/(?P<subscription>{ID})/send", url_name="send-message"
    )
    def send_message(self, request: Request, pk: str, subscription: str) -> Response:
        body = self.ask(Given)
        by_hand.send_message(int(pk), int(subscription), body.get("variables"), **_told(body), by=self.by)
        return Response(self.shown(pk))

    @extend_schema(
        summary="Send a signal that is awaited",
        description="To this subscription and nobody else. To broadcast one to all, see `signals`.",
        parameters=[of_part("subscription", "signal subscription")],
        request=Given,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[OpenApiExample("Over", request_only=True, value={"variables": {}, "reason": "The strike is over"})],
    )
    @action(
        detail=True,
        methods=["post"],
        url_path=f"signal-subscriptions/(?P<subscription>{ID})/send",
        url_name="send-signal",
    )
    def send_signal(self, request: Request, pk: str, subscription: str) -> Response:
        body = self.ask(Given)
        by_hand.send_signal(int(pk), int(subscription), body.get("variables"), **_told(body), by=self.by)
        return Response(self.shown(pk))


def _told(body: dict[str, Any], *more: str) -> dict[str, Any]:
    """What the body says beside what is brought."""
    return {name: body[name] for name in ("reason", *more) if name in body}
