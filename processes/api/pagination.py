"""Pages without counting: stable while rows come in, and as fast at row ten million as at row ten."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

BIGGEST_ID = 2**63 - 1


class NewestFirst(CursorPagination):
    """Pages of rows in descending order of their ids."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    page_size_query_description = "Rows on a page, 1 to 500; 50 unless said."
    cursor_query_description = "Where the page begins: taken from `next` or `previous` of another page."
    max_page_size = 500

    def get_page_size(self, request: Request) -> int | None:
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        # str.isdecimal() is true for digits of other scripts too, which int() reads as well.
        if not asked.isdecimal() or len(asked) > 6 or not 1 <= int(asked) <= self.max_page_size:
            raise ValidationError(
                {self.page_size_query_param: f"Expected a number from 1 to {self.max_page_size} but found {asked!r}."}
            )
        return int(asked)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """A forged cursor is the caller's fault, wherever it is wrong; the base class only sees the outer shell."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None and not self.is_position(str(cursor.position)):
                raise ValueError
        except (ValueError, NotFound):
            raise ValidationError(
                {self.cursor_query_param: "Expected a cursor from `next` or `previous` of a page."}
            ) from None
        return cursor

    def is_position(self, position: str) -> bool:
        """Whether rows can stand there. Raises ValueError too where they cannot."""
        return 0 <= int(position) <= BIGGEST_ID

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": "The next page; null on the last."},
                "previous": {**link, "description": "The page before; null on the first."},
                "results": schema,
            },
        }


class InOrder(NewestFirst):
    """Oldest first, for histories."""

    ordering = "id"


class NewestUntil(NewestFirst):
    """Newest first, which is by number, unless a filter leaves out what is later than a moment. By number, everything
    later would be read on the way down to the first row of the page; by the moment, the index begins there."""

    moment: ClassVar[str]
    """The column; as good as unique, for rows that share one are skipped one by one."""
    until: ClassVar[str]
    """The filter."""
    offset_cutoff = 100_000

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        return (f"-{self.moment}", "-id") if request.query_params.get(self.until) else ("-id",)

    def is_position(self, position: str) -> bool:
        if tuple(self.ordering) == ("-id",):
            return super().is_position(position)
        moment = parse_datetime(position)
        return moment is not None and moment.tzinfo is not None


class NewestStarted(NewestUntil):
    moment, until = "started_at", "started_before"


class NewestRaised(NewestUntil):
    moment, until = "raised_at", "raised_before"


class NewestDone(NewestUntil):
    moment, until = "at", "before"
