"""Incidents: what waits for an operator, like with like, and Retry, one by one or as a batch for all that fit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from processes.admin import shown
from processes.admin.base import (
    RETRY,
    ReadOnlyAdmin,
    ask_and_say,
    count_up_to,
    demand,
    may_see_payload,
    newest,
    reason_of,
    who,
)
from processes.admin.filters import OpenFilter
from processes.admin.forms import ReasonActionForm, RetryForm
from processes.admin.history import told
from processes.admin.incident_filters import FILTERS, kept
from processes.admin.jobs import instance_link
from processes.admin.outlook import outlook
from processes.admin.recover import ADD, foreseen, like
from processes.models import Incident, Step
from processes.runtime import incidents, recovery

MOST_AT_ONCE = 100
"""Incidents that are retried while the operator waits; more are work for a batch."""
MOST_GROUPS = 10
MOST_REJECTIONS = 5
MOST_STEPS = 50
MOST_ALIKE = 10_000
MOST_SEARCHED = 10_000


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    nothing_yet = "None: nothing waits for you. What failed and was retried is under the filter Ended."
    list_display = ["identity", "what", "place", "text", "of", "raised"]
    list_filter = [OpenFilter, *FILTERS]
    search_fields = ["message"]
    search_help_text = f"Words of the message, in the newest {MOST_SEARCHED:,}"
    ordering = ["-id"]
    sortable_by = ["identity", "raised"]
    actions = ["retry_selected", "recover_selected"]
    action_form = ReasonActionForm
    change_list_template = "processes/incidents.html"
    change_form_template = "processes/incident.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Words are read row by row, so in the newest rows only: a million messages take seconds."""
        if search_term.strip():
            queryset = newest(queryset, MOST_SEARCHED)
        return super().get_search_results(request, queryset, search_term)

    def get_list_display(self, request: HttpRequest) -> Any:
        """When it ended is only worth a column where some have."""
        return self.list_display if OpenFilter.parameter_name not in request.GET else [*self.list_display, "ended"]

    @admin.display(description="id", ordering="id")
    def identity(self, row: Incident) -> str:
        return str(row.pk)

    @admin.display(description="kind", ordering="kind")
    def what(self, row: Incident) -> str:
        return shown.badge("ENDED" if row.ended_at else "FAILED", row.get_kind_display())

    def element(self, row: Incident) -> str:
        return format_html('<code class="element">{}</code>', row.element_id)

    @admin.display(description="element and job type", ordering="element_id")
    def place(self, row: Incident) -> str:
        return format_html('{} <span class="quiet">{}</span>', self.element(row), row.job_type)

    @admin.display(description="message")
    def text(self, row: Incident) -> str:
        return row.message if len(row.message) <= 120 else f"{row.message[:120]}…"

    @admin.display(description="instance", ordering="instance_id")
    def of(self, row: Incident) -> str:
        return instance_link(row)

    @admin.display(description="raised", ordering="raised_at")
    def raised(self, row: Incident) -> str:
        return shown.stamp(row.raised_at)

    @admin.display(description="ended", ordering="ended_at")
    def ended(self, row: Incident) -> str:
        if row.ended_at is None:
            return shown.NOTHING
        by = f"by {row.resolved_by}" if row.resolved_by else "with its visit"
        return format_html("{} {}", shown.stamp(row.ended_at), by)

    def has_recover_permission(self, request: HttpRequest) -> bool:
        """Asked by actions that are declared with ``permissions=["recover"]``."""
        return self.has_retry_permission(request) and request.user.has_perm(ADD)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Above the list: like with like, of what the filters leave."""
        response = super().changelist_view(request, extra_context)
        changelist = getattr(response, "context_data", {}).get("cl")
        if changelist is not None and OpenFilter.parameter_name not in request.GET:
            found = recovery.groups(changelist.queryset, MOST_GROUPS)
            response.context_data |= {
                "groups": like(found),
                "grouped": f"{recovery.GROUPED:,}" if sum(each.count for each in found) >= recovery.GROUPED else "",
                "may_recover": self.has_recover_permission(request),
                "recover_all": reverse("admin:processes_batch_recover", query=kept(request.GET.dict())),
                "searched": "q" in request.GET,
            }
        return response

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        job = row.instance.jobs.filter(node=row.node).defer("headers").first()
        facts = [
            ("Kind", self.what(row)),
            ("Instance", instance_link(row)),
            ("Element", self.element(row)),
            ("Job type", row.job_type or shown.NOTHING),
            ("Error code", row.error_code or shown.NOTHING),
            ("Raised", format_html("{} ({})", shown.moment(row.raised_at), shown.since(row.raised_at))),
            ("Ended", self.ended(row)),
        ]
        if job is not None:
            href = reverse("admin:processes_job_change", args=[job.pk])
            facts.append(("Job", format_html('<a href="{}">{}</a>, attempt {}', href, job.pk, job.attempt)))
        if row.fingerprint:
            facts.append(("Alike", self.alike(row)))
        visit = row.instance.nodes.filter(key=row.node, ended_at=None).first()
        steps = list(row.instance.history.filter(node=row.node).order_by("-number")[:MOST_STEPS])
        tried = next((step for step in steps if step.journal), None)
        may_see = may_see_payload(request)
        ahead: list[tuple[str, str]] = []
        refused = ""
        if row.ended_at is None and self.has_retry_permission(request):
            ahead, refused = foreseen(row.pk, row.element_id)
        return {
            "title": f"Incident {row.pk}: {row.get_kind_display()}",
            "facts": facts,
            "error": row.message,
            "open": row.ended_at is None,
            "outlook": outlook(row, visit, job) if row.ended_at is None else "",
            "ahead": ahead,
            "refused": refused,
            "attempt": _journal(tried, may_see),
            "attempt_step": tried,
            "steps": told(row.instance, steps, may_see_payload=may_see),
        }

    def alike(self, row: Incident) -> str:
        """How many open ones are of the same sort, and where to find them."""
        opened = Incident.objects.filter(ended_at__isnull=True, fingerprint=row.fingerprint)
        number = count_up_to(opened, MOST_ALIKE + 1)
        href = reverse("admin:processes_incident_changelist", query={"fingerprint": row.fingerprint})
        more = "more than " if number > MOST_ALIKE else ""
        return format_html('<a href="{}">{}{} open</a>', href, more, f"{min(number, MOST_ALIKE):,}")

    @admin.action(description="Retry the selected incidents", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        """Each in its own transaction; one that cannot be resolved keeps none of the others."""
        if count_up_to(queryset, MOST_AT_ONCE + 1) > MOST_AT_ONCE:
            text = (
                f"Not done: Expected at most {MOST_AT_ONCE} incidents to be retried at once; recover them as a batch."
            )
            messages.error(request, text)
            return
        opened = queryset.filter(ended_at__isnull=True)
        result = incidents.resolve_many(opened, by=who(request), reason=reason_of(request))
        if result.resolved:
            messages.success(request, f"{_number(len(result.resolved))} resolved and will be tried again.")
        for incident_id, reason in list(result.rejected.items())[:MOST_REJECTIONS]:
            messages.error(request, f"Incident {incident_id} was not resolved: {reason}")
        if len(result.rejected) > MOST_REJECTIONS:
            messages.error(request, f"{len(result.rejected) - MOST_REJECTIONS} more were not resolved.")
        if not result.resolved and not result.rejected:
            messages.info(request, "None of the selected incidents is open.")

    @admin.action(description="Recover the selected incidents as a batch…", permissions=["recover"])
    def recover_selected(self, request: HttpRequest, queryset: QuerySet[Incident]) -> HttpResponseBase | None:
        """What was ticked, or everything that the filters leave; a search cannot be said in a batch."""
        if request.POST.get("select_across", "0") == "0":
            ids = ",".join(str(pk) for pk in queryset.order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE])
            return redirect(reverse("admin:processes_batch_recover", query={"ids": ids}))
        if "q" in request.GET:
            messages.error(request, "Not done: Expected filters but found a search: narrow down with filters instead.")
            return None
        return redirect(reverse("admin:processes_batch_recover", query=kept(request.GET.dict())))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.retry)
        return [path("<int:pk>/retry/", view, name="processes_incident_retry"), *super().get_urls()]

    @method_decorator(require_POST)
    def retry(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        demand(request, *RETRY)
        incident = get_object_or_404(Incident, pk=pk)
        form = RetryForm(request.POST)
        if form.is_valid():
            retries = form.cleaned_data["retries"]
            ask_and_say(
                request,
                lambda: incidents.resolve(pk, retries=retries, reason=form.cleaned_data["reason"], by=who(request)),
                f"Incident {pk} was resolved: {incident.element_id} is tried again.",
            )
        else:
            messages.error(request, "Not done: Expected the number of tries to be from 1 to 1000.")
        back = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
            back = reverse("admin:processes_incident_changelist")
        return redirect(back)


def _number(count: int) -> str:
    return "1 incident was" if count == 1 else f"{count:,} incidents were"


def _journal(step: Step | None, may_see: bool) -> list[tuple[str, Any]]:
    """What was sent and answered."""
    told: dict[str, Any] = (step.journal if step is not None else None) or {}
    return [(key.capitalize(), shown.json_block(value, may_see=may_see)) for key, value in told.items()]
