"""The admin site: Django's own, with our name and a summary on its index."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse

from processes.admin.sections import sections

DEPLOY = "admin:processes_processdefinition_deploy"


class OperatorSite(AdminSite):
    site_header = "Service-task orchestrator"
    site_title = "Orchestrator"
    index_title = "Operations"
    site_url = None
    index_template = "processes/index.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from processes.admin.cockpit import cockpit  # models are not loaded where the site is made

        return super().index(request, {**cockpit(request), **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        return [path("cockpit/", self.cockpit, name="cockpit"), *super().get_urls()]

    def cockpit(self, request: HttpRequest) -> HttpResponse:
        """For open pages. Who is not logged in any more is told to load the page, which leads to the log-in."""
        from processes.admin.cockpit import fresh

        if not self.has_permission(request):
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return fresh(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """By what people come for, not by the package that a row belongs to; on the page of an app as ever."""
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        deploy = "processes.add_processdefinition"
        return sections(apps, deploy=reverse(DEPLOY) if request.user.has_perm(deploy) else "")


@cache
def operator_site() -> OperatorSite:
    """The one site. A function, because rooms register while the site is being looked up for the first time."""
    return OperatorSite()
