"""Is it alive, and can it work? For load balancers and orchestrators of containers, so nobody has to log in.

``/healthz`` answers as long as the process does. ``/readyz`` asks the database, whether its migrations are applied,
and, where there is one, the broker; it is 503 while one of them is not there. Neither tells hosts or reasons: the
log does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from kombu import Connection
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from processes.api.errors import problem
from processes.api.rendering import Fixed, JSONRenderer
from processes.api.schema import problems

log = logging.getLogger(__name__)

BROKER_TIMEOUT = 1

OPEN: Any = [{}]

_migrated = False
"""Once applied, migrations stay applied, and to ask costs reading all their files."""


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return "ok"


def migrations() -> str:
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "not applied"
        _migrated = True
    return "ok"


def broker() -> str:
    if not settings.AMQP_URL:
        return "embedded"
    with Connection(settings.AMQP_URL, connect_timeout=BROKER_TIMEOUT) as link:
        link.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT)
    return "ok"


CHECKS: dict[str, Callable[[], str]] = {"database": database, "migrations": migrations, "broker": broker}
FINE = ("ok", "embedded")


def check() -> dict[str, str]:
    """What each check says. Whatever goes wrong in one is what it is there to find."""
    found: dict[str, str] = {}
    for name, ask in CHECKS.items():
        try:
            found[name] = ask()
        except Exception:
            log.warning("Not ready: %s", name, exc_info=True)
            found[name] = "unreachable"
    return found


class Probe(APIView):
    http_method_names = ["get", "head"]
    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = Fixed


@extend_schema(tags=["operations"])
class Healthz(Probe):
    @extend_schema(
        summary="Is the process alive?",
        auth=OPEN,
        responses={
            200: OpenApiResponse(
                inline_serializer("Alive", {"status": serializers.CharField()}), description="It answers."
            )
        },
    )
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


@extend_schema(tags=["operations"])
class Readyz(Probe):
    @extend_schema(
        summary="Can it work?",
        auth=OPEN,
        responses={
            200: OpenApiResponse(
                inline_serializer(
                    "Ready",
                    {
                        "status": serializers.CharField(),
                        "checks": serializers.DictField(
                            child=serializers.CharField(), help_text="By name: database, migrations, broker."
                        ),
                    },
                ),
                description="Everything that it needs is there.",
            ),
            **problems(503),
        },
    )
    def get(self, request: Request) -> Response | HttpResponse:
        checks = check()
        bad = [name for name, state in checks.items() if state not in FINE]
        if bad:
            detail = ", ".join(f"{name}: {checks[name]}" for name in bad)
            return problem(503, "not-ready", f"Not ready: {detail}.", headers={"Retry-After": "1"}, checks=checks)
        body: dict[str, Any] = {"status": "ok", "checks": checks}
        return Response(body)
