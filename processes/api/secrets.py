"""Secrets over REST: they are written, replaced, listed by name and dropped. Nobody reads one."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.rows import WHY, Door
from processes.api.schema import problems
from processes.api.shapes import Reason, Shown, Text
from processes.models import Secret
from processes.runtime import secrets

NAME = "[A-Za-z_][A-Za-z0-9_.-]{0,254}"


class SecretRow(Shown):
    """That there is a secret of this name, and who changed it when."""

    class Meta:
        model = Secret
        fields = ["name", "created_at", "changed_at", "changed_by"]
        read_only_fields = fields


class SecretValue(Reason):
    """What is to be kept."""

    value = Text(max_length=65_536, write_only=True, help_text="Blanks and line ends are part of it.")


ADDRESSED = [
    OpenApiParameter(
        "name",
        {"type": "string", "pattern": f"^{NAME}$"},
        OpenApiParameter.PATH,
        description="As in `{{secrets.NAME}}`.",
    )
]


@extend_schema(tags=["secrets"])
@extend_schema_view(list=extend_schema(summary="List secrets", description="Newest first, and never their values."))
class Secrets(mixins.ListModelMixin, Door):
    queryset = Secret.objects.defer("ciphertext")
    serializer_class = SecretRow
    http_method_names = ["get", "head", "put", "delete"]
    lookup_field = "name"
    lookup_value_regex = NAME
    word = "secret"

    @extend_schema(
        summary="Write a secret",
        description="Makes it, or replaces its value. The next call of every worker takes the new one.",
        parameters=ADDRESSED,
        request=SecretValue,
        responses={
            201: OpenApiResponse(description="New."),
            204: OpenApiResponse(description="Replaced."),
            **problems(409, 422),
        },
        examples=[OpenApiExample("A password", request_only=True, value={"value": "correct horse battery staple"})],
    )
    def update(self, request: Request, name: str) -> Response:
        body = self.ask(SecretValue)
        new = secrets.put(name, body["value"], by=self.by, reason=body.get("reason", ""))
        return Response(status=201 if new else 204)

    @extend_schema(
        summary="Drop a secret",
        description="Jobs that name it end as incidents from now on.",
        parameters=[*ADDRESSED, WHY],
        responses={204: OpenApiResponse(description="Gone.")},
    )
    def destroy(self, request: Request, name: str) -> Response:
        secrets.drop(name, by=self.by, reason=self.why())
        return Response(status=204)
