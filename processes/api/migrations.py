"""Migrations over REST: a plan is made and looked at before it is carried out, at each instance's own address."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.rows import Door
from processes.api.schema import problems
from processes.api.shapes import Id, Input, Name, Text
from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import migration

MOST = 1000


class Mapping(serializers.DictField):
    """Elements and flows of the new process, by those of the old one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{
                "child": Name(),
                "help_text": "Ids of elements, and of flows on which tokens may wait, in the new process by those in "
                "the old one.",
                **kwargs,
            }
        )


class PlanRequest(Input):
    source_definition_id = Id(help_text="Of the process definition that instances run.")
    target_definition_id = Id(help_text="Of the one that they are to run.")
    mapping = Mapping(required=False, help_text="What differs from the generated plan, which maps what is the same.")


class PlanProblem(serializers.Serializer[Any]):
    """What is wrong with an entry of a plan."""

    source_id = serializers.CharField(help_text="Id of the element or flow in the old process.")
    message = serializers.CharField(help_text="What was expected and what was found.")


class PlanShown(serializers.Serializer[Any]):
    """How instances of one definition go on in another."""

    source_definition_id = serializers.IntegerField(source="source.pk")
    target_definition_id = serializers.IntegerField(source="target.pk")
    mapping = Mapping()
    unmapped = serializers.ListField(
        child=serializers.CharField(), help_text="Elements of the old process at which no instance may stand."
    )
    problems = PlanProblem(many=True, help_text="Empty where the plan can be carried out.")


class Migration(Input):
    target_definition_id = Id(help_text="Of the process definition that it is to run.")
    mapping = Mapping(required=False, help_text="All that is mapped. Left out: the generated plan.")
    update_waits = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Timers and subscriptions are evaluated anew in the new model, instead of kept.",
    )
    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="For the history.")


class PreviewRequest(Migration):
    instance_ids = serializers.ListField(
        child=Id(), allow_empty=False, max_length=MOST, help_text="Of process instances."
    )


class Obstacle(serializers.Serializer[Any]):
    """An instance that cannot migrate."""

    instance_id = serializers.IntegerField()
    message = serializers.CharField(help_text="What was expected and what was found.")


class PreviewShown(serializers.Serializer[Any]):
    """What a migration would do now."""

    migratable = serializers.ListField(child=serializers.IntegerField(), help_text="Instances that can migrate.")
    rejected = Obstacle(many=True)
    effects = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many parts would change in all of them, by what happens."
    )


@extend_schema(tags=["migrations"])
class Migrations(Door):
    queryset = ProcessInstance.objects.all()
    serializer_class = PlanShown

    @extend_schema(
        summary="Make a migration plan",
        description="Maps what has the same id and is the same in kind and place; says what is wrong with the rest.",
        request=PlanRequest,
        responses={200: PlanShown, **problems(404)},
        examples=[
            OpenApiExample(
                "One element was renamed",
                request_only=True,
                value={
                    "source_definition_id": 7,
                    "target_definition_id": 8,
                    "mapping": {"charge": "charge-card"},
                },
            )
        ],
    )
    @action(detail=False, methods=["post"])
    def plan(self, request: Request) -> Response:
        body = self.ask(PlanRequest)
        source, target = definition(body["source_definition_id"]), definition(body["target_definition_id"])
        made = migration.plan(source, target, body.get("mapping"))
        wrong = [{"source_id": id, "message": message} for id, message in made.problems.items()]
        shown = {"source": source, "target": target, "mapping": made.mapping, "unmapped": made.unmapped}
        return Response(PlanShown({**shown, "problems": wrong}).data)

    @extend_schema(
        summary="Preview a migration",
        description="What it would do to each of these instances now. Nothing changes.",
        request=PreviewRequest,
        responses={200: PreviewShown, **problems(404)},
        examples=[
            OpenApiExample("Of two", request_only=True, value={"target_definition_id": 8, "instance_ids": [11, 12]})
        ],
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        body = self.ask(PreviewRequest)
        seen = migration.migrate_many(
            dict.fromkeys(body["instance_ids"]),
            definition(body["target_definition_id"]),
            mapping=body.get("mapping"),
            update_waits=body["update_waits"],
            dry_run=True,
        )
        rejected = [{"instance_id": id, "message": message} for id, message in seen.rejected.items()]
        shown = {"migratable": seen.migrated, "rejected": rejected, "effects": seen.effects}
        return Response(PreviewShown(shown).data)


def definition(pk: int) -> ProcessDefinition:
    """Raises `NotFound`."""
    found = ProcessDefinition.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no definition {pk}.", code="definition-not-found")
    return found
