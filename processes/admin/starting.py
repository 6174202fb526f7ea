"""The page on which an instance of a version is started by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from processes.admin.base import ask, who
from processes.admin.forms import StartForm
from processes.admin.heat import element_names
from processes.models import ProcessDefinition
from processes.runtime import definitions, instances, pressure


def start_view(request: HttpRequest, definition: ProcessDefinition, context: dict[str, Any]) -> HttpResponseBase:
    """Start an instance of this version, even if there is a newer one."""
    elements = [(id, f"before {name} ({id})" if name else f"before {id}") for id, name in _named(definition)]
    given = request.POST if request.method == "POST" else None
    form = StartForm(given, elements=elements, reads=_reads(definition) if given is None else ())
    if given is not None and form.is_valid():
        chosen = form.cleaned_data
        started = ask(
            request,
            lambda: instances.start(
                definition,
                variables=chosen["variables"],
                business_key=chosen["business_key"],
                before=[chosen["before"]] if chosen["before"] else [],
                by=who(request),
            ),
        )
        if started is not None:
            messages.success(request, f"Instance {started.instance.pk} of {definition} was started.")
            if not request.user.has_perm("processes.view_processinstance"):
                return redirect("admin:processes_processdefinition_change", definition.pk)
            return redirect("admin:processes_processinstance_change", started.instance.pk)
    if given is None and pressure.is_high():
        messages.warning(request, f"{pressure.look()}. New work is refused until they are done.")
    shown = {"title": f"Start {definition}", "definition": definition, "form": form}
    return TemplateResponse(request, "processes/start.html", {**context, **shown})


def _named(definition: ProcessDefinition) -> list[tuple[str, str]]:
    return list(element_names(definition).items())


def _reads(definition: ProcessDefinition) -> tuple[str, ...]:
    try:
        return definitions.read_by(definition)
    except Exception:  # noqa: BLE001 - a proposal only; what is wrong with the row is told when it starts
        return ()
