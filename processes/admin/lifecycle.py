"""The verbs on a version: suspend, resume, delete."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from processes.admin import shown
from processes.admin.base import ask, reason_of, who
from processes.admin.forms import SuspendForm
from processes.models import ProcessDefinition
from processes.runtime import lifecycle

MOST_TOLD = 5


def turn_view(request: HttpRequest, definition: ProcessDefinition, *, suspended: bool) -> HttpResponseBase:
    """Suspend or resume, and say what came of it."""
    form = SuspendForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Not done: {form.errors.as_text()}")
        return redirect("admin:processes_processdefinition_change", definition.pk)
    turn = lifecycle.suspend if suspended else lifecycle.resume
    turned = ask(request, lambda: turn(definition, by=who(request), **form.cleaned_data))
    if turned is not None:
        done = "suspended" if suspended else "resumed"
        what = ", ".join(f"v{row.version}" for row in turned.definitions) or "No version"
        told = f"{what} of {definition.process_id} {'was' if len(turned.definitions) == 1 else 'were'} {done}."
        if form.cleaned_data["with_instances"]:
            told += f" {len(turned.instances):,} instances were {done}."
        messages.success(request, told)
        if turned.more:
            messages.warning(request, f"More instances are left: {'suspend' if suspended else 'resume'} again.")
        for pk, why in list(turned.rejected.items())[:MOST_TOLD]:
            messages.warning(request, f"Instance {pk}: {why}")
    return redirect("admin:processes_processdefinition_change", definition.pk)


def delete_view(request: HttpRequest, definition: ProcessDefinition) -> HttpResponseBase:
    """Delete a version that nothing ever ran of."""
    name = str(definition)

    def remove() -> tuple[ProcessDefinition | None]:
        return (lifecycle.remove(definition, by=who(request), reason=reason_of(request)),)

    pk = definition.pk
    removed = ask(request, remove)
    if removed is None:
        return redirect("admin:processes_processdefinition_change", pk)
    (latest,) = removed
    messages.success(request, f"{name} was deleted.{f' {latest} is the latest again.' if latest else ''}")
    if latest is not None:
        return redirect("admin:processes_processdefinition_change", latest.pk)
    return redirect(reverse("admin:processes_processdefinition_changelist"))


def state_of(definition: ProcessDefinition) -> SafeString | str:
    """Active or suspended, by whom, since when and why."""
    if definition.suspension_at is None:
        return shown.badge("active")
    badge = shown.badge("suspended" if definition.suspended else "active")
    word = "suspended" if definition.suspended else "resumed"
    told = format_html(
        "{} {} by {} {}", badge, word, definition.suspension_by or "unknown", shown.moment(definition.suspension_at)
    )
    return format_html("{}: {}", told, definition.suspension_reason) if definition.suspension_reason else told
