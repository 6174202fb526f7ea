"""The modeler: bpmn-js in the browser, which draws, validates and deploys through the REST API like any other client.

What it is built of is installed through npm and never kept in this repository (``scripts/assets``). Where nobody built
it, the page says how; everything else of the admin does without.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import get_valid_filename

from processes.admin.base import demand
from processes.models import ProcessDefinition
from processes.runtime import drawings

BUNDLE = "modeler/modeler.js"


def modeler_view(
    request: HttpRequest, context: dict[str, Any], definition: ProcessDefinition | None
) -> HttpResponseBase:
    """Draw a new model, or edit a version; deploying what was edited makes a new version of it."""
    if definition is None:
        title, name = "Draw a process", "process.bpmn"
        model = reverse("admin:processes_processdefinition_new")
    else:
        title = f"Edit {definition}"
        name = definition.resource or f"{definition.process_id[:100]}.bpmn"
        model = reverse("admin:processes_processdefinition_drawn", args=[definition.pk])
    page = {
        "title": title,
        "built": built(),
        "definition": definition,
        "model": model,
        "file": get_valid_filename(name),
        "may_deploy": request.user.has_perm("processes.add_processdefinition"),
    }
    return TemplateResponse(request, "processes/modeler.html", {**context, **page})


def built() -> bool:
    """Whether the bundle is there: among the collected files of an image, or in the folder that the build fills."""
    return finders.find(BUNDLE) is not None or staticfiles_storage.exists(BUNDLE)


def drawn_model(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The document of a version as the browser can open it: laid out, where nobody has drawn it."""
    demand(request, "processes.view_processdefinition", "processes.add_processdefinition")
    definition = get_object_or_404(ProcessDefinition, pk=pk)
    return HttpResponse(drawings.model(definition), content_type="application/xml")


def new_model(request: HttpRequest) -> HttpResponseBase:
    """A process with a start, to draw on. Its id is a new one, so that it is no version of somebody else's."""
    context = {"id": uuid4().hex[:8]}
    return TemplateResponse(request, "processes/new.bpmn", context, content_type="application/xml")
