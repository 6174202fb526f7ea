"""Element templates: forms for Camunda Modeler, in which a service task is configured without knowing its inputs.

They are files, in the folders that the setting `ELEMENT_TEMPLATES` names: those of the built-in connectors, and those
that an operator adds. Modeler takes the list as it is, saved beside it under ``resources/element-templates``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processes.api.schema import problems
from processes.models import ProcessDefinition

log = logging.getLogger(__name__)

TEMPLATE = {
    "type": "object",
    "required": ["$schema", "name", "id", "version", "appliesTo", "properties"],
    "properties": {
        "$schema": {"type": "string"},
        "name": {"type": "string"},
        "id": {"type": "string"},
        "version": {"type": "integer"},
        "appliesTo": {"type": "array", "items": {"type": "string"}},
        "properties": {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
    },
    "additionalProperties": {},
}


def templates() -> dict[str, dict[str, Any]]:
    """All templates by their ids, in the order of their names. Where two have the same id, the later folder wins."""
    found = {str(template["id"]): template for template in _read()}
    return dict(sorted(found.items(), key=lambda item: str(item[1].get("name"))))


def _read() -> Iterator[dict[str, Any]]:
    for folder in settings.ORCHESTRATOR_API["ELEMENT_TEMPLATES"]:
        for path in sorted(Path(folder).glob("*.json")):
            try:
                read = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as problem:
                # One that somebody is just editing must not hide the others.
                log.error("Expected an element template in %s but found none: %s", path, problem)
                continue
            for template in read if isinstance(read, list) else [read]:
                if isinstance(template, dict) and template.get("id"):
                    yield template
                else:
                    log.error("Expected an element template with an id in %s but found none", path)


class ElementTemplates(APIView):
    """All of them."""

    queryset = ProcessDefinition.objects.all()
    """Whoever may read models may read these."""

    @extend_schema(
        tags=["element-templates"],
        operation_id="element_templates_list",
        summary="List element templates",
        description="A JSON array, as Camunda Modeler takes it: save it as a file in `resources/element-templates`.",
        responses={200: OpenApiResponse({"type": "array", "items": TEMPLATE}, description="All templates.")},
    )
    def get(self, request: Request) -> Response:
        return Response(list(templates().values()))


class ElementTemplate(APIView):
    """One of them."""

    queryset = ProcessDefinition.objects.all()

    @extend_schema(
        tags=["element-templates"],
        summary="Show an element template",
        parameters=[OpenApiParameter("id", str, OpenApiParameter.PATH, description="Id of the template.")],
        responses={200: OpenApiResponse(TEMPLATE, description="The template."), **problems(404)},
    )
    def get(self, request: Request, id: str) -> Response:
        found = templates().get(id)
        if found is None:
            raise Http404
        return Response(found)
