"""Who asks: tokens for programs, the session for people, name and password only to obtain a token.

The subclasses here close gaps of the libraries through which odd bytes in a header would become a server error.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.models import AuthToken
from knox.signals import token_expired
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
        """Whether the token has expired; it is deleted then. Knox would read all tokens of the user with every request,
        to delete those that have expired: here `POST /api/v1/tokens` does that."""
        if auth_token.expiry is None or timezone.now() <= auth_token.expiry:
            return False
        auth_token.delete()
        token_expired.send(sender=type(self), username=auth_token.user.get_username(), source="auth_token")
        return True


class BasicAuthentication(authentication.BasicAuthentication):
    """RFC 7617, for the token endpoint."""

    www_authenticate_realm = "orchestrator"

    def authenticate_credentials(
        self, userid: str, password: str, request: Request | None = None
    ) -> tuple[AbstractBaseUser, None]:
        if not (userid + password).isprintable():
            raise AuthenticationFailed("Invalid username/password.")
        return super().authenticate_credentials(userid, password, request)
