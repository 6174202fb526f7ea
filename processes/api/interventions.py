"""What operators do to an instance beside its model, over REST: move its tokens, begin it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from processes.api.instance_shapes import InstanceDetail
from processes.api.instances import Instances
from processes.api.migrations import Migration, definition
from processes.api.payload import Payload
from processes.api.rows import Door
from processes.api.schema import problems
from processes.api.shapes import Anything, Count, Id, Input, Name, Text, Variables
from processes.runtime import migration, modifications

MOST = 100


class CancelInstruction(Input):
    """What ends: one visit, or all visits to an element and the tokens that wait before it."""

    node = Count(required=False, min_value=1, help_text="Key of a visit.")
    element_id = Name(required=False, help_text="Id of the BPMN element.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Expected node or element_id.", code="required")
        return attrs


class StartInstruction(Input):
    """What starts, as if a token had reached it."""

    element_id = Name(help_text="Id of the BPMN element.")
    scope = Count(
        required=False,
        allow_null=True,
        help_text="Key of a live visit around it, 0: the process; what is between is entered anew. "
        "Left out: the scopes that are alive.",
    )
    variables = Variables(required=False, help_text="Set in the process.")
    local = Variables(required=False, help_text="Set in the scope in which the element is.")


class Modification(Input):
    cancel = CancelInstruction(many=True, required=False, max_length=MOST)  # type: ignore[call-arg]
    start = StartInstruction(many=True, required=False, max_length=MOST)  # type: ignore[call-arg]
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="For the history.")


MOVE = OpenApiExample(
    "Move a token",
    request_only=True,
    value={
        "cancel": [{"element_id": "charge"}],
        "start": [{"element_id": "ship", "variables": {"paid": True}}],
        "reason": "Paid by bank transfer",
    },
)


class Foreseen(Payload, serializers.Serializer[Any]):
    """What would happen now."""

    payload = ("facts",)

    facts = Anything(help_text="In order: objects whose `fact` says what kind, as in the history.")


class Restart(Input):
    start = StartInstruction(  # type: ignore[call-arg]
        many=True, required=False, max_length=MOST, help_text="Left out: the start event."
    )
    initial_variables = serializers.BooleanField(
        required=False, default=False, help_text="The variables that it began with, instead of those at its end."
    )
    business_key = Text(required=False, allow_blank=True, help_text="Left out: the same.")
    definition_id = Id(required=False, help_text="Left out: the same version.")
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="For the history.")


class Intervening(Door):
    """What is done to one instance, answered with how it stands after that."""

    queryset = Instances.queryset
    serializer_class = InstanceDetail
    word = "instance"

    def shown(self, pk: Any) -> Any:
        return InstanceDetail(self.get_queryset().get(pk=pk), context=self.get_serializer_context()).data


@extend_schema(tags=["process-instances"])
class Interventions(Intervening):
    @extend_schema(
        summary="Modify an instance",
        description="Ends visits and starts elements, all in one step or nothing. A sub-process that is not active is "
        "entered without its start event; where nothing is left the instance is terminated.",
        request=Modification,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[MOVE],
    )
    @action(detail=True, methods=["post"])
    def modify(self, request: Request, pk: str) -> Response:
        body = self.ask(Modification)
        modifications.modify(
            int(pk),
            cancel=cancels(body),
            start=starts(body),
            reason=body.get("reason", ""),
            by=self.by,
        )
        return Response(self.shown(pk))

    @extend_schema(
        summary="Preview a modification",
        description="What it would lead to now. Nothing changes.",
        request=Modification,
        responses={200: Foreseen, **problems(409, 422)},
        examples=[MOVE],
    )
    @action(detail=True, methods=["post"], url_path="modify/preview")
    def preview(self, request: Request, pk: str) -> Response:
        body = self.ask(Modification)
        facts = modifications.preview(int(pk), cancel=cancels(body), start=starts(body))
        return Response(Foreseen({"facts": facts}, context=self.get_serializer_context()).data)

    @extend_schema(
        summary="Restart an instance that ended",
        description="As a new instance, with the variables of then.",
        request=Restart,
        responses={201: OpenApiResponse(InstanceDetail, description="Started."), **problems(409, 422)},
        examples=[OpenApiExample("Before an element", request_only=True, value={"start": [{"element_id": "ship"}]})],
    )
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> Response:
        body = self.ask(Restart)
        instance = modifications.restart(
            int(pk),
            start=starts(body),
            initial_variables=body["initial_variables"],
            business_key=body.get("business_key"),
            definition=definition(body["definition_id"]) if "definition_id" in body else None,
            reason=body.get("reason", ""),
            by=self.by,
        )
        here = reverse("process-instance-detail", [instance.pk], request=request)
        return Response(self.shown(instance.pk), status.HTTP_201_CREATED, headers={"Location": here})

    @extend_schema(
        summary="Migrate an instance",
        description="It goes on in another definition, as a whole or not at all. Jobs keep their tries and who works "
        "on them, and take type and headers from the new model.",
        request=Migration,
        responses={200: InstanceDetail, **problems(409, 422)},
        examples=[OpenApiExample("By the generated plan", request_only=True, value={"target_definition_id": 8})],
    )
    @action(detail=True, methods=["post"])
    def migrate(self, request: Request, pk: str) -> Response:
        body = self.ask(Migration)
        migration.migrate(
            int(pk),
            definition(body["target_definition_id"]),
            mapping=body.get("mapping"),
            update_waits=body["update_waits"],
            reason=body.get("reason", ""),
            by=self.by,
        )
        return Response(self.shown(pk))


def cancels(body: Mapping[str, Any]) -> Iterable[modifications.Cancel]:
    return [modifications.Cancel(each.get("node", 0), each.get("element_id", "")) for each in body.get("cancel", ())]


def starts(body: Mapping[str, Any]) -> Iterable[modifications.StartBefore]:
    return [
        modifications.StartBefore(
            each["element_id"], each.get("scope"), each.get("variables", {}), each.get("local", {})
        )
        for each in body.get("start", ())
    ]
