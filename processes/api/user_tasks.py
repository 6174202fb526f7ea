"""User tasks over REST: who has which, claim, assign, complete.

The permissions are those of user tasks (``processes.view_usertask``, ``processes.change_usertask``), not those of jobs:
a person who works on tasks need not be able to do the work of a machine.
"""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KeyTextTransform
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api import filters
from processes.api.payload import Payload
from processes.api.rows import Rows
from processes.api.schema import problems
from processes.api.shapes import Input, Name, Reason, Shown, Variables
from processes.models import UserTask
from processes.runtime import user_tasks

PREFIX = "io.camunda.zeebe:"


class UserTaskRow(Shown):
    """Work that waits for a person."""

    instance_id = serializers.IntegerField(read_only=True, help_text="Of the process instance.")
    candidate_groups = serializers.SerializerMethodField(help_text="Who may take it.")
    candidate_users = serializers.SerializerMethodField(help_text="Who may take it.")
    due_date = serializers.SerializerMethodField(help_text="As the model says; empty: no date.")
    form = serializers.SerializerMethodField(help_text="Key or id of the form that shows it; empty: none.")

    class Meta:
        model = UserTask
        fields = [
            "id", "process_id", "instance_id", "key", "node", "element_id", "assignee", "candidate_groups",
            "candidate_users", "due_date", "form", "suspended", "created_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_candidate_groups(self, task: UserTask) -> list[str]:
        return _names(task, "candidateGroups")

    def get_candidate_users(self, task: UserTask) -> list[str]:
        return _names(task, "candidateUsers")

    def get_due_date(self, task: UserTask) -> str:
        return str(task.headers.get(f"{PREFIX}dueDate", ""))

    def get_form(self, task: UserTask) -> str:
        return str(task.headers.get(f"{PREFIX}formKey") or task.headers.get(f"{PREFIX}formId") or "")


def _names(task: UserTask, header: str) -> list[str]:
    found: list[str] = json.loads(task.headers.get(PREFIX + header, "[]"))
    return found


class UserTaskDetail(Payload, UserTaskRow):
    payload = ("variables",)
    also = "processes.change_usertask"

    variables = serializers.SerializerMethodField(help_text="Its inputs, or all that it can see where none are mapped.")

    class Meta(UserTaskRow.Meta):
        fields = [*UserTaskRow.Meta.fields, "variables", "hidden"]
        read_only_fields = fields

    def get_variables(self, task: UserTask) -> dict[str, Any]:
        return dict(user_tasks.variables(task.pk))


class Assignment(Reason):
    assignee = Name(allow_blank=True, help_text="Empty: nobody has it any more.")


class Taking(Input):
    assignee = Name(required=False, help_text="Who takes it; the user who asks, unless given.")


class WorkDone(Reason):
    variables = Variables(required=False, help_text="The result, which the output mappings of the model see.")


class UserTaskFilters(filters.FilterSet):  # type: ignore[misc]
    assignee = filters.TextFilter(help_text="Exactly.")
    unassigned = filters.ChoiceFilter(
        method="only_unassigned", choices=[("true", "nobody has it"), ("false", "somebody has it")]
    )
    candidate_group = filters.TextFilter(method="of_group", help_text="One of the groups that may take it, exactly.")
    candidate_user = filters.TextFilter(method="of_user", help_text="One of the users who may take it, exactly.")
    process_id = filters.TextFilter(help_text="Id of the process, exactly.")
    instance = filters.IdFilter(field_name="instance_id", help_text="Id of the process instance.")
    element_id = filters.TextFilter(help_text="Id of the BPMN element, exactly.")

    class Meta:
        model = UserTask
        fields: list[str] = []

    def only_unassigned(self, rows: QuerySet[UserTask], name: str, value: str) -> QuerySet[UserTask]:
        return rows.filter(assignee="") if value == "true" else rows.exclude(assignee="")

    def of_group(self, rows: QuerySet[UserTask], name: str, value: str) -> QuerySet[UserTask]:
        return _among(rows, "candidateGroups", value)

    def of_user(self, rows: QuerySet[UserTask], name: str, value: str) -> QuerySet[UserTask]:
        return _among(rows, "candidateUsers", value)


def _among(rows: QuerySet[UserTask], header: str, name: str) -> QuerySet[UserTask]:
    """Those whose JSON list in a header has the name: with its quotes it is found as a whole."""
    return rows.annotate(named=KeyTextTransform(PREFIX + header, "headers")).filter(named__contains=json.dumps(name))


@extend_schema(tags=["user-tasks"])
@extend_schema_view(
    list=extend_schema(summary="List user tasks", description="Those that wait for somebody, newest first."),
    retrieve=extend_schema(summary="Show a user task", responses=UserTaskDetail),
)
class UserTasks(Rows):
    queryset = UserTask.objects.all()
    serializer_class = UserTaskRow
    filterset_class = UserTaskFilters
    word = "user-task"

    def get_queryset(self) -> QuerySet[UserTask]:
        return user_tasks.open_tasks()

    def get_serializer_class(self) -> type[UserTaskRow]:
        return UserTaskDetail if self.action == "retrieve" else UserTaskRow

    @extend_schema(
        summary="Claim a user task",
        description="Takes a task that nobody else has. 409 `user-task-assigned` says who has it.",
        request=Taking,
        responses={204: OpenApiResponse(description="Taken."), **problems(409, 422)},
        examples=[OpenApiExample("For Ada", request_only=True, value={"assignee": "ada"})],
    )
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: str) -> Response:
        body = self.ask(Taking)
        user_tasks.claim(int(pk), body.get("assignee") or request.user.get_username())
        return Response(status=204)

    @extend_schema(
        summary="Assign a user task",
        description="Gives it to somebody, whoever has it now.",
        request=Assignment,
        responses={204: OpenApiResponse(description="Given."), **problems(409, 422)},
        examples=[OpenApiExample("To nobody", request_only=True, value={"assignee": ""})],
    )
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        body = self.ask(Assignment)
        user_tasks.assign(int(pk), body["assignee"], by=self.by, reason=body.get("reason", ""))
        return Response(status=204)

    @extend_schema(
        summary="Complete a user task",
        description="The work is done; the instance moves on. 409 `user-task-assigned` where somebody else has it.",
        request=WorkDone,
        responses={204: OpenApiResponse(description="Taken over."), **problems(409, 422)},
        examples=[OpenApiExample("Approved", request_only=True, value={"variables": {"approved": True}})],
    )
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: str) -> Response:
        body = self.ask(WorkDone)
        user = request.user.get_username()
        reason = body.get("reason", "")
        user_tasks.complete(int(pk), body.get("variables"), user=user, by=self.by, reason=reason)
        return Response(status=204)
