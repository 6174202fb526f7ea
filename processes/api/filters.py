"""Filters of lists: strict, so that a mistyped one is an error instead of a list of everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import rest_framework as django_filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.drainage import set_override
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.views import APIView

from processes.api.pagination import BIGGEST_ID

FilterSet = django_filters.FilterSet
TextFilter = django_filters.CharFilter
ChoiceFilter = django_filters.ChoiceFilter

PAGING = {"cursor", "page_size"}
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def _document(filter_: django_filters.Filter, schema: dict[str, Any]) -> None:
    """What the schema says of a filter whose type cannot be seen from its class."""
    set_override(filter_, "field", {**schema, "description": filter_.extra.get("help_text", "")})


class FilterBackend(django_filters.DjangoFilterBackend):  # type: ignore[misc]
    """Django-filter's, with names that no filter has refused."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filters = self.get_filterset_class(view, queryset)
        known = set(filters.base_filters) if filters else set()
        unknown = sorted(set(request.query_params) - known - PAGING)
        if unknown:
            expected = ", ".join(sorted(known | PAGING))
            raise exceptions.ValidationError(
                {name: [f"Expected one of {expected} but found this."] for name in unknown}, code="unknown-field"
            )
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered


class IdFilter(django_filters.Filter):  # type: ignore[misc]
    """The primary key of another row."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"min_value": 0, "max_value": BIGGEST_ID, **kwargs})
        _document(self, {"type": "integer", "format": "int64", "minimum": 0})


class CountFilter(IdFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_value": 2**31 - 1, **kwargs})


class MomentField(IsoDateTimeField):  # type: ignore[misc]
    """A moment that every database can compare with, in whatever time zone it was written."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is not None and not EARLIEST <= moment <= LATEST:
            raise ValidationError("Expected a moment from 1970 to 9000.", code="invalid")
        return moment


class MomentFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    """ISO 8601, such as 2030-01-31T12:00:00Z."""

    field_class = MomentField


class FlagField(forms.Field):
    def to_python(self, value: Any) -> bool | None:
        if value in self.empty_values:
            return None
        if value not in ("true", "false"):
            raise ValidationError("Expected true or false.", code="invalid")
        return bool(value == "true")


class FlagFilter(django_filters.Filter):  # type: ignore[misc]
    """``true`` or ``false``."""

    field_class = FlagField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _document(self, {"type": "boolean"})


class ChoicesFilter(django_filters.MultipleChoiceFilter):  # type: ignore[misc]
    """One of several; given twice, either."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # By default every row is compared with every other, in case the filter had joined: none of ours does, and a
        # million rows are sorted for a page of fifty.
        super().__init__(*args, **{"distinct": False, **kwargs})
