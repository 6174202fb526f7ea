"""Four groups to begin with: who looks, who operates, who deploys, who administers.

They are made after a migration where there is none of the name, and never touched again: what an administrator
changes stays changed. Who wants one of them to grant nothing empties it; a group that is deleted comes back.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

LOOKED_AT = (
    "batch", "batchitem", "connection", "decisiondefinition", "document", "inboundbinding", "incident", "job",
    "message", "processdefinition", "processinstance", "signal", "step", "usertask", "worker", "awaitedreply",
    "earlyreply",
)  # fmt: skip
"""What a viewer sees; neither names of secrets nor the records of who did what."""

VIEWER = frozenset(f"view_{model}" for model in LOOKED_AT)
OPERATOR = VIEWER | {
    "view_payload", "view_action", "view_secret",
    "add_processinstance", "change_processinstance", "change_incident", "change_usertask", "change_connection",
    "change_inboundbinding", "add_message", "add_signal", "add_batch", "change_batch", "change_decisiondefinition",
}  # fmt: skip
DEPLOYER = VIEWER | {"add_processdefinition", "add_processinstance", "change_decisiondefinition"}

GROUPS = {"viewer": VIEWER, "operator": OPERATOR, "deployer": DEPLOYER}
ADMINISTRATOR = "administrator"
"""Everything of ours, and users, groups and tokens: so whoever is in it can become a superuser."""


def ensure(**_: Any) -> list[str]:
    """Make the groups that there are not yet; their names. A receiver of Django's `post_migrate`."""
    made = []
    ours = Permission.objects.filter(content_type__app_label="processes")
    everything = Permission.objects.filter(Q(content_type__app_label__in=["processes", "knox", "auth"]))
    for name, permissions in (*GROUPS.items(), (ADMINISTRATOR, None)):
        with transaction.atomic():
            group, is_new = Group.objects.get_or_create(name=name)
            if is_new:
                group.permissions.set(everything if permissions is None else ours.filter(codename__in=permissions))
                made.append(name)
    return made
