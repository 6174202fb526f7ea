"""The addresses of the API. No address ends in a slash."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from processes.api import parts
from processes.api.actions import Actions
from processes.api.batches import Batches, BatchItems
from processes.api.by_hand import ByHand
from processes.api.conditions import Conditions
from processes.api.connections import Connections
from processes.api.decisions import Decisions
from processes.api.definition_verbs import DefinitionVerbs
from processes.api.definitions import Definitions
from processes.api.element_templates import ElementTemplate, ElementTemplates
from processes.api.errors import NotFoundView
from processes.api.exports import Exports
from processes.api.inbound_bindings import InboundBindings
from processes.api.incidents import Incidents
from processes.api.instances import Instances
from processes.api.interventions import Interventions
from processes.api.jobs import Jobs
from processes.api.messages import Messages
from processes.api.migrations import Migrations
from processes.api.rows import ID
from processes.api.secrets import Secrets
from processes.api.signals import Signals
from processes.api.stored_documents import Documents, InstanceDocuments
from processes.api.story import Story
from processes.api.tokens import Tokens
from processes.api.user_tasks import UserTasks
from processes.api.webhooks import Webhook

router = SimpleRouter(trailing_slash=False)
router.register("process-definitions", Definitions, "process-definition")
router.register("process-definitions", DefinitionVerbs, "process-definition-verb")
router.register("decision-definitions", Decisions, "decision-definition")
router.register("process-instances", Instances, "process-instance")
router.register("process-instances", Interventions, "process-instance-intervention")
router.register("process-instances", Exports, "process-instance-export")
router.register("process-instances", Story, "process-instance-story")
router.register("process-instances", ByHand, "process-instance-by-hand")
router.register("migrations", Migrations, "migration")
router.register("batches", Batches, "batch")
router.register("jobs", Jobs, "job")
router.register("user-tasks", UserTasks, "user-task")
router.register("messages", Messages, "message")
router.register("signals", Signals, "signal")
router.register("conditions", Conditions, "condition")
router.register("incidents", Incidents, "incident")
router.register("connections", Connections, "connection")
router.register("secrets", Secrets, "secret")
router.register("documents", Documents, "document")
router.register("inbound-bindings", InboundBindings, "inbound-binding")
router.register("audit", Actions, "action")

PARTS = {
    "history": parts.History,
    "nodes": parts.Nodes,
    "jobs": parts.InstanceJobs,
    "incidents": parts.InstanceIncidents,
    "timers": parts.Timers,
    "subscriptions": parts.Subscriptions,
    "documents": InstanceDocuments,
    "signal-subscriptions": parts.SignalSubscriptions,
    "conditions": parts.Conditions,
    "compensations": parts.Compensations,
}

v1: list[URLPattern | URLResolver] = [
    path("tokens", Tokens.as_view(), name="tokens"),
    path("webhooks/<path:path>", Webhook.as_view(), name="webhook"),
    path("element-templates", ElementTemplates.as_view(), name="element-templates"),
    path("element-templates/<str:id>", ElementTemplate.as_view(), name="element-template"),
    *(
        re_path(
            f"^process-instances/(?P<instance_id>{ID})/{name}$",
            view.as_view({"get": "list"}),
            name=f"process-instance-{name}",
        )
        for name, view in PARTS.items()
    ),
    re_path(f"^batches/(?P<batch_id>{ID})/items$", BatchItems.as_view({"get": "list"}), name="batch-items"),
    *router.urls,
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("schema/swagger/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="swagger"),
    re_path("", NotFoundView.as_view()),
]
