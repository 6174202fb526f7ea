"""The Django app, and the configuration that makes ours the default admin site."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.contrib.admin import autodiscover
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.db.models.signals import post_migrate


class ProcessesConfig(AppConfig):
    name = "processes"
    verbose_name = "Processes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Messages and subscriptions look for each other after every commit from now on, calls and signals are
        # delivered. And the system check for the keys of secrets is registered.
        from processes.runtime import calls, groups, messages, secrets, signals  # noqa: F401

        # After those of Django's own apps, which make the permissions.
        post_migrate.connect(groups.ensure, sender=self, dispatch_uid="processes.groups")


class OperatorAdminConfig(admin_apps.SimpleAdminConfig):
    """Stands in for ``django.contrib.admin`` in `INSTALLED_APPS`. The rooms of the admin are looked for where pages are
    routed and where they are checked: commands and workers never open one, and would pay for all of them."""

    default = False  # it is not the configuration of this app
    default_site = "processes.admin.site.operator_site"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_rooms, checks.Tags.admin)


def check_rooms(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    """Django's check of the admin, of all rooms."""
    autodiscover()
    return check_admin_app(app_configs, **options)
