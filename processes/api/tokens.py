"""Tokens: how a program obtains one, and how it gives it up.

    curl -u alice -X POST https://host/api/v1/tokens
    curl -H "Authorization: Token <token>" https://host/api/v1/process-instances
    curl -H "Authorization: Token <token>" -X DELETE https://host/api/v1/tokens

Only a hash of a token is stored, so it is shown once. These rows are knox's; no process is touched here.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from knox.models import AuthToken
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processes.api.authentication import BasicAuthentication, TokenAuthentication
from processes.api.rows import WHY
from processes.api.shapes import Reason, Seconds
from processes.runtime import audit

OBTAIN: Any = [{"password": []}, {"cookieAuth": []}]
LONGEST = 10 * 366 * 86_400


class TokenRequest(Reason):
    expires_in_seconds = Seconds(
        required=False, min_value=1, max_value=LONGEST, help_text="After that it is invalid; without, it never expires."
    )


class Token(serializers.Serializer[Any]):
    """A token for the header `Authorization: Token <token>`."""

    token = serializers.CharField(help_text="Shown only once.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: never.")


class Scope(Reason):
    all = serializers.BooleanField(required=False, default=False)


@extend_schema(tags=["tokens"])
class Tokens(APIView):
    """A user with a name and password, or with a session, gets a token; a token can only give itself up."""

    http_method_names = ["post", "delete"]
    permission_classes = [IsAuthenticated]

    def get_authenticators(self) -> list[Any]:
        request = getattr(self, "request", None)
        if request is not None and request.method == "POST":
            return [BasicAuthentication(), SessionAuthentication()]
        return [TokenAuthentication(), SessionAuthentication()]

    @extend_schema(
        summary="Obtain a token",
        description="With name and password (basic authentication) or the session of a browser.",
        request=TokenRequest,
        responses={201: OpenApiResponse(Token, description="The token.")},
        auth=OBTAIN,
        examples=[OpenApiExample("For a day", request_only=True, value={"expires_in_seconds": 86400})],
    )
    def post(self, request: Request) -> Response:
        body = TokenRequest(data=request.data)
        body.is_valid(raise_exception=True)
        expiry = body.validated_data.get("expires_in_seconds")
        reason = body.validated_data.get("reason", "")
        with transaction.atomic():
            AuthToken.objects.filter(user=request.user, expiry__lt=timezone.now()).delete()
            row, token = AuthToken.objects.create(request.user, expiry=expiry)
            audit.record("create", "token", row.token_key, by=_by(request), reason=reason)
        return Response(
            Token({"token": token, "expires_at": row.expiry}).data,
            status.HTTP_201_CREATED,
            headers={"Cache-Control": "no-store"},
        )

    @extend_schema(
        summary="Revoke a token",
        description="The token of the request. With `all=true`, and for a session always: every token of the user.",
        parameters=[OpenApiParameter("all", bool, description="Every token of the user."), WHY],
        request=None,
        responses={204: OpenApiResponse(description="Revoked.")},
    )
    def delete(self, request: Request) -> Response:
        query = Scope(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        tokens = AuthToken.objects.filter(user=request.user)
        if isinstance(request.auth, AuthToken) and not query.validated_data["all"]:
            tokens = tokens.filter(pk=request.auth.pk)
        with transaction.atomic():
            revoked, _ = tokens.delete()
            reason = query.validated_data.get("reason", "")
            audit.record("drop", "token", "", by=_by(request), reason=reason, details={"tokens": revoked})
        return Response(status=status.HTTP_204_NO_CONTENT)


def _by(request: Request) -> str:
    return f"user:{request.user.get_username()}"
