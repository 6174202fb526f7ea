"""The Django app of the wiring: makes Celery's application the one that every process publishes with."""

from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    name = "orchestrator"
    verbose_name = "Orchestrator"

    def ready(self) -> None:
        from orchestrator import celery  # noqa: F401 - importing it sets it as the default application
