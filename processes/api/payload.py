"""Fields that only those see who may view payload; for others they are null, and `hidden` names them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from processes.runtime import payload

HIDDEN = "Fields that are null because the caller may not view payload (`processes.view_payload`)."


class Payload(serializers.Serializer[Any]):
    """Mixed into a serializer: the fields named in `payload` are what processes work on."""

    payload: ClassVar[tuple[str, ...]] = ()
    also: ClassVar[str] = ""
    """A permission that is enough as well: who does the work may see what it is about."""

    hidden = serializers.SerializerMethodField(help_text=HIDDEN)

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_hidden(self, row: Any) -> list[str]:
        return [] if self._may_see() else list(self.payload)

    def to_representation(self, instance: Any) -> Any:
        if self._may_see():
            return super().to_representation(instance)
        for name in self.payload:
            # Not even read: what may cost a query is not asked for in vain. Facts stay, without their values.
            if name != "facts":
                self.fields.pop(name, None)
        shown = super().to_representation(instance)
        for name in self.payload:
            shown[name] = payload.without(shown[name]) if name == "facts" else None
        return shown

    def _may_see(self) -> bool:
        request = self.context.get("request")
        if request is None:
            return False
        return request.user.has_perm(payload.RIGHT) or bool(self.also and request.user.has_perm(self.also))
