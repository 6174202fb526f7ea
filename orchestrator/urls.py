"""Which door a request goes to."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from processes.api.health import Healthz, Readyz
from processes.api.metrics import Metrics

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", Healthz.as_view(), name="healthz"),
    path("readyz", Readyz.as_view(), name="readyz"),
    path("metrics", Metrics.as_view(), name="metrics"),
    path("api/", include("processes.api.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "processes.api.errors.bad_request"
handler500 = "processes.api.errors.server_error"
