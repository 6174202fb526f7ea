"""The page of a version: facts, numbers on its drawing, its versions, its newest instances."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from processes.admin import shown
from processes.admin.heat import heat_of
from processes.admin.lifecycle import state_of
from processes.models import ProcessDefinition, ProcessInstance, StartOccurrence

NEWEST = 10
VERSIONS = 20


def definition_page(request: HttpRequest, row: Any, *, running: Any, incidents: Any) -> dict[str, Any]:
    may = request.user.has_perm
    versions = ProcessDefinition.objects.filter(process_id=row.process_id).order_by("-version")
    newest = ProcessInstance.objects.filter(definition=row).defer("variables").order_by("-id")[:NEWEST]
    listed = list(versions.values_list("pk", "version", "suspended")[:VERSIONS])
    return {
        "title": f"{row.name or row.process_id} v{row.version}",
        "heat": heat_of(request, row),
        "facts": [
            ("State", state_of(row)),
            ("Process id", format_html("<code>{}</code>", row.process_id)),
            ("Version", f"{row.version} {row.version_tag and f'({row.version_tag})'}"),
            ("File", row.resource or shown.NOTHING),
            ("Deployed", format_html("{} by {}", shown.moment(row.deployed_at), row.deployed_by or "unknown")),
            *_begun_by(row),
            ("Running", running),
            ("Open incidents", incidents),
            ("SHA-256", format_html('<code class="digest">{}</code>', row.digest)),
        ],
        "versions": [
            {"pk": pk, "version": version, "suspended": suspended, "current": pk == row.pk}
            for pk, version, suspended in listed
        ],
        "several": len(listed) > 1,
        "newest": newest if may("processes.view_processinstance") else None,
        "instances_url": instances_url(row),
        "may_start": may("processes.add_processinstance") and not row.suspended,
        "may_migrate": may("processes.add_batch") and len(listed) > 1,
        "may_turn": may("processes.change_processdefinition"),
        "may_delete": may("processes.delete_processdefinition") and not newest.exists(),
    }


def instances_url(definition: ProcessDefinition, **filters: str) -> str:
    """The list of instances of one version."""
    query = {"process": definition.process_id, "version": str(definition.version), **filters}
    return reverse("admin:processes_processinstance_changelist", query=query)


def _begun_by(definition: ProcessDefinition) -> list[tuple[str, Any]]:
    """What begins instances of it beside a caller, as a fact of its page."""
    found = []
    for start in definition.starts.order_by("id"):
        if start.kind == "CONDITION":
            what = "condition"
        elif start.kind != "TIMER":
            what = f"{start.get_kind_display().lower()} {start.name}"
        elif start.due_at is None:
            what = "timer, no more"
        else:
            what = f"timer, next {start.due_at:%Y-%m-%d %H:%M:%S}"
        found.append((f"{what} at ", start.element_id))
    facts: list[tuple[str, Any]] = [("Begun by", format_html_join("; ", "{}<code>{}</code>", found))] if found else []
    kept = StartOccurrence.objects.filter(definition=definition).order_by("id")[:NEWEST]
    if come := [f"{one.name} with the key “{one.correlation_key}”" for one in kept]:
        facts.append(("Kept until the others have come", "; ".join(come)))
    return facts
