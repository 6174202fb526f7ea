"""What the views have in common: rows are listed and shown, verbs are asked of the runtime in somebody's name."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.viewsets import GenericViewSet

from processes.api.shapes import Input, Reason

ID = "[0-9]{1,18}"
"""Every bigint of at most 18 digits; what is longer has no route, so it is 404 like any other that is not there."""
WHY = OpenApiParameter("reason", str, description="Why, for the record of what was done: at most 1,000 characters.")
"""The query parameter of what is asked without a body."""


@cache
def _shared(kind: type[Input]) -> Input:
    return kind()


class Door(GenericViewSet[Any]):
    """The base of every view set. `word` is what the rows are called in codes, such as ``job-not-found``."""

    http_method_names = ["get", "head", "post", "patch", "delete"]
    lookup_value_regex = ID
    word: ClassVar[str] = ""

    def get_object(self) -> Any:
        """The row of the address. Raises `NotFound` with the code that the runtime uses for it too."""
        try:
            return super().get_object()
        except Http404:
            number = self.kwargs[self.lookup_url_kwarg or self.lookup_field]
            raise NotFound(f"There is no {self.word} {number}.", code=f"{self.word}-not-found") from None

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filters are for lists; a row that is asked for by its id is there whatever they hide."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def ask(self, kind: type[Input], data: Any = None) -> dict[str, Any]:
        """The body of the request, or `data`, validated."""
        data = self.request.data if data is None else data
        if kind.shared:
            with suppress(ValidationError):  # which is told below
                found: dict[str, Any] = _shared(kind).run_validation(data)
                return found
        body = kind(data=data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        return body.validated_data  # type: ignore[no-any-return]

    def why(self) -> str:
        """The reason that whoever asks gives: in the body, or in the query of a DELETE, which has none."""
        data = self.request.query_params.dict() if self.request.method == "DELETE" else None
        reason: str = self.ask(Reason, data).get("reason", "")
        return reason

    @property
    def by(self) -> str:
        """Who asks, as the history will say."""
        return f"user:{self.request.user.get_username()}"


class Rows(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """A list, and one row of it."""
