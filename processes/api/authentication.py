"""Who asks: tokens for programs, the session for people, name and password only to obtain a token.

The subclasses here close gaps of the libraries through which odd bytes in a header would become a server error.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.models import AuthToken
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class TokenAuthentication(KnoxTokenAuthentication):  # type: ignore[misc]
    """``Authorization: Token <token>``, as POST /api/v1/tokens hands it out."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        if not token.isalnum():  # of ASCII, as these are bytes
            raise AuthenticationFailed("Invalid token.")
        found: tuple[Any, Any] = super().authenticate_credentials(token)
        return found

    def _cleanup_token(self, auth_token: AuthToken) -> bool:
        """Whether the token has expired. Knox would read all tokens of the user with every request, to delete those
        that have: here ``POST /api/v1/tokens`` deletes them."""
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class BasicAuthentication(authentication.BasicAuthentication):
    """RFC 7617, for the token endpoint."""

    www_authenticate_realm = "orchestrator"

    def authenticate_credentials(
        self, userid: str, password: str, request: Request | None = None
    ) -> tuple[AbstractBaseUser, None]:
        if not (userid + password).isprintable():
            raise AuthenticationFailed("Invalid username/password.")
        return super().authenticate_credentials(userid, password, request)
