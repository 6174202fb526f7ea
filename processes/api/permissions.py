"""Who may do what: Django's model permissions, for reading too.

| to | needs, on the model of the view |
|---|---|
| read | view |
| deploy, start, publish, begin a batch (`create`), `validate` or `foresee` what that would do | add |
| drop (DELETE) | delete |
| every other verb | change |

So an external worker needs ``processes.change_job``, and an operator who resolves ``processes.change_incident``. Who
does it to many needs `add` on batches, and what doing it to one needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    # REST framework loads its permissions while it loads its views.
    from rest_framework.views import APIView


class ModelPermissions(BasePermission):
    """The permission on ``view.queryset.model`` that the table above names, and a user who is known."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user or not user.is_authenticated:
            return False
        method = (request.method or "").lower()
        if method not in view.http_method_names or not hasattr(view, method):
            return True  # whoever it is, the answer is 405
        meta = model_of(view)._meta
        return bool(user.has_perm(f"{meta.app_label}.{verb(method, getattr(view, 'action', None))}_{meta.model_name}"))


class HistoryPermissions(ModelPermissions):
    """The history of an instance as a file takes what its pages take, beside what its instance takes."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        return request.method not in ("GET", "HEAD") or request.user.has_perm("processes.view_step")


def verb(method: str, action: str | None) -> str:
    if method in ("get", "head"):
        return "view"
    if method == "delete":
        return "delete"
    return "add" if action in ("create", "validate", "foresee") else "change"


def model_of(view: APIView) -> Any:
    return view.queryset.model  # type: ignore[attr-defined]
