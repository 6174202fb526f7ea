"""Who did what to this installation, over REST: for whoever keeps it elsewhere."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view

from processes.api import filters
from processes.api.pagination import NewestDone
from processes.api.rows import Rows
from processes.api.shapes import Shown, Variables
from processes.models import Action


class ActionRow(Shown):
    """Something that a person or a program had done. What is done to one instance is in its history instead."""

    details = Variables(read_only=True, help_text="What else there is to say; neither variables nor secrets.")

    class Meta:
        model = Action
        fields = ["id", "verb", "kind", "name", "by", "reason", "details", "at"]
        read_only_fields = fields


class ActionFilters(filters.FilterSet):  # type: ignore[misc]
    verb = filters.TextFilter(help_text="Exactly.")
    kind = filters.TextFilter(help_text="Of what it was done to, exactly.")
    name = filters.TextFilter(help_text="Of what it was done to, exactly.")
    by = filters.TextFilter(help_text="Who, such as `user:ada`, exactly.")
    after = filters.MomentFilter(field_name="at", lookup_expr="gte", help_text="Not earlier than then.")
    before = filters.MomentFilter(field_name="at", lookup_expr="lt", help_text="Earlier than then.")

    class Meta:
        model = Action
        fields: list[str] = []


@extend_schema(tags=["audit"])
@extend_schema_view(
    list=extend_schema(
        summary="List what was done", description="Newest first: deployments, connections, secrets, batches, purges."
    ),
    retrieve=extend_schema(summary="Show what was done"),
)
class Actions(Rows):
    queryset = Action.objects.all()
    serializer_class = ActionRow
    filterset_class = ActionFilters
    pagination_class = NewestDone
    http_method_names = ["get", "head"]
    word = "action"
